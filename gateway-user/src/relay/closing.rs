//! How a relay ends: the last words to both sides, and the recording brought to disk.
//!
//! A server goes on with a statement whose client has left, and would finish it. Where an operator
//! stopped the agent, it is asked to stop as well.

use std::sync::Arc;

use gateway_core::event::SessionEnd;
use gateway_core::protocols::Framed;

use super::cancel::{self, Issued, Target};
use super::{CLOSE_DEADLINE, Relay};
use crate::dialer::Dialer;

impl Relay<'_> {
    /// Says goodbye to the server, and goes on with the client.
    pub(super) async fn finish_server(&mut self) {
        let Self {
            session,
            server: Some(server),
            ..
        } = self
        else {
            return;
        };
        let goodbye = async {
            std::future::poll_fn(|cx| server.poll_write(cx, session.outbox().to_server())).await?;
            server.close().await
        };
        match tokio::time::timeout(CLOSE_DEADLINE, goodbye).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => session.handle_unreachable(&error.to_string()),
            Err(_) => session.handle_unreachable("it takes nothing more"),
        }
    }

    /// Ends it as `end` says.
    pub(super) async fn close(self, end: &SessionEnd) {
        let running = self.issued.as_ref().and_then(Issued::target);
        let running = running.filter(|_| end.is_switched_off());
        let (framed, dialer) = (self.framed, Arc::clone(&self.around.dialer));
        let abort = async {
            if let Some(target) = running {
                // Where it cannot be told, there is a line in the log.
                let _told = abort(framed, &dialer, &target).await;
            }
        };
        tokio::join!(self.say_goodbye(), abort);
    }

    /// Sends what is left to both sides and brings the recording to disk.
    async fn say_goodbye(self) {
        let Self {
            mut session,
            mut client,
            server,
            evidence,
            ..
        } = self;
        let farewell = async {
            std::future::poll_fn(|cx| client.poll_write(cx, session.outbox().to_client())).await?;
            client.close().await
        };
        // A client that does not take its last words is left: there is nobody to tell.
        let told = tokio::time::timeout(CLOSE_DEADLINE, farewell).await;
        tracing::trace!(?told, "client closed");
        if let Some(mut server) = server {
            let goodbye = async {
                std::future::poll_fn(|cx| server.poll_write(cx, session.outbox().to_server()))
                    .await?;
                server.close().await
            };
            let told = tokio::time::timeout(CLOSE_DEADLINE, goodbye).await;
            tracing::trace!(?told, "server closed");
        }
        let closed = tokio::task::spawn_blocking(move || evidence.close()).await;
        if !matches!(closed, Ok(Ok(()))) {
            tracing::error!(?closed, "a recording could not be closed");
        }
    }
}

/// Asks the server to stop what it does for a session; says whether it has acted on that.
pub(super) async fn abort(framed: &dyn Framed, dialer: &Dialer, target: &Target) -> bool {
    let request = framed.cancel_request(&target.real);
    let sending = cancel::send(dialer, framed.protocol(), target, request);
    let sent = tokio::time::timeout(CLOSE_DEADLINE, sending).await;
    let delivered = matches!(sent, Ok(Ok(())));
    if !delivered {
        tracing::warn!(workload = %target.workload, "a cancel request could not be delivered");
    }
    delivered
}
