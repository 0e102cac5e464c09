//! The tasks around the listeners: accepting in each network namespace, and dealing with connects
//! that are held before there is anything to accept.

use std::io;
use std::net::{TcpListener as StdListener, UdpSocket as StdUdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::stopping::{Turns, until};
use crate::dialer::{Dialer, Opened};
use crate::intake::Intake;
use crate::kernel::HeldConnects;

/// Namespaces whose listeners may wait to be served; who opens one more waits too.
pub(super) const OPENED: usize = 16;
/// How often what is over is looked for: connects that nobody came for, namespaces without agents.
const SWEEP: Duration = Duration::from_secs(2);
/// First pause after a cgroup was attached, which often is before its first process is in it; the
/// next ones are twice as long each time, up to `SWEEP`.
const LOOK_AHEAD: Duration = Duration::from_millis(10);
/// Wait after a failed accept: running out of descriptors ends when sessions do.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Accepts until `stopped` says so.
pub(super) async fn accept_task(
    listener: StdListener,
    intake: Arc<Intake>,
    stopped: watch::Receiver<bool>,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot serve a listener"),
    };
    let mut stop = std::pin::pin!(until(stopped));
    loop {
        let accepted = tokio::select! {
            () = &mut stop => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _peer)) => intake.accept(stream),
            // The connection was reset before we came to it, or descriptors ran out.
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// Answers questions until `stopped` says so.
async fn answer_task(resolver: StdUdpSocket, intake: Arc<Intake>, stopped: watch::Receiver<bool>) {
    match UdpSocket::from_std(resolver).and_then(|resolver| intake.answer(resolver)) {
        Ok(answering) => tokio::select! {
            () = until(stopped) => {}
            () = answering => {}
        },
        Err(error) => tracing::error!(%error, "cannot serve a resolver"),
    }
}

/// Serves the listeners in other network namespaces, each until its namespace is left.
pub(super) async fn elsewhere_task(
    mut openings: mpsc::Receiver<Opened>,
    intake: Arc<Intake>,
    stopped: watch::Receiver<bool>,
) {
    let mut serving = JoinSet::new();
    let mut stop = std::pin::pin!(until(stopped));
    loop {
        tokio::select! {
            () = &mut stop => return serving.shutdown().await,
            Some(_ended) = serving.join_next() => {}
            Some(Opened { listeners, resolvers, closed }) = openings.recv() => {
                for resolver in resolvers {
                    serving.spawn(answer_task(resolver, Arc::clone(&intake), closed.clone()));
                }
                for listener in listeners {
                    serving.spawn(accept_task(listener, Arc::clone(&intake), closed.clone()));
                }
            }
        }
    }
}

/// Deals with the connects that are held.
pub(super) async fn dial_task(
    dialer: Arc<Dialer>,
    held: HeldConnects,
    stopped: watch::Receiver<bool>,
) {
    let ended: io::Result<()> = tokio::select! {
        () = until(stopped) => return,
        ended = dialer.run(held) => ended,
    };
    // Fails closed: what is held stays so.
    tracing::error!(
        ?ended,
        "held connects are not heard of any more: restart the daemon"
    );
}

/// Looks for what is over.
pub(super) async fn sweep_task(dialer: Arc<Dialer>, stopped: watch::Receiver<bool>) {
    let mut turns = Turns::every(SWEEP, stopped);
    while turns.next().await {
        let dialer = Arc::clone(&dialer);
        match tokio::task::spawn_blocking(move || dialer.sweep()).await {
            Ok(Ok(())) => {}
            failed => tracing::warn!(
                ?failed,
                "cannot look for connects and namespaces that are over"
            ),
        }
    }
}

/// Looks for network namespaces of agents ahead of their connects and questions.
pub(super) async fn ahead_task(
    dialer: Arc<Dialer>,
    mut attached: watch::Receiver<()>,
    stopped: watch::Receiver<bool>,
) {
    let mut pause = Duration::ZERO;
    let mut stop = std::pin::pin!(until(stopped));
    loop {
        tokio::select! {
            () = &mut stop => return,
            changed = attached.changed() => match changed {
                Ok(()) => pause = LOOK_AHEAD,
                // The daemon stops.
                Err(_) => return,
            },
            () = tokio::time::sleep(pause) => pause = (2 * pause).clamp(LOOK_AHEAD, SWEEP),
        }
        if let Err(error) = dialer.look_ahead().await {
            tracing::warn!(%error, "cannot look for network namespaces of agents");
        }
    }
}
