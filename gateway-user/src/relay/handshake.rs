//! TLS with an agent, by a certificate of the gateway's own.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use gateway_core::protocols::{Side, TlsInfo};

use super::{Relay, START_DEADLINE};

impl Relay<'_> {
    /// Answers a client that asks for TLS; `first` of its handshake was read already.
    pub(super) async fn start_tls(&mut self, first: Bytes) {
        match self.accept_tls(first).await {
            Ok(info) => {
                self.sni.clone_from(&info.server_name);
                self.session.handle_tls(Side::Client, &info);
            }
            Err(error) => self
                .session
                .handle_client_failure(&format!("TLS handshake: {error}")),
        }
    }

    async fn accept_tls(&mut self, first: Bytes) -> io::Result<TlsInfo> {
        let authority = Arc::clone(&self.around.authority);
        let destination = self.route.way.reach.destination_addr().ip();
        let acceptor = authority.acceptor(destination).map_err(io::Error::other)?;
        let handshake = async {
            // The answer that agrees to TLS goes out in plain text first.
            let Self {
                client, session, ..
            } = self;
            std::future::poll_fn(|cx| client.poll_write(cx, session.outbox().to_client())).await?;
            client.accept(acceptor, first).await
        };
        let timed_out = Err(io::ErrorKind::TimedOut.into());
        let info = tokio::time::timeout(START_DEADLINE, handshake).await;
        let info = info.unwrap_or(timed_out)?;
        let end_point = authority.end_point(destination, info.server_name.as_deref());
        Ok(TlsInfo { end_point, ..info })
    }
}
