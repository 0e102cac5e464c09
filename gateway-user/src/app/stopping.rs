//! The daemon's stop as its tasks see it: to wait for, and what is done again and again before it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Completes when the daemon stops. Cancel safe: it only looks.
pub(super) async fn until(mut stopped: watch::Receiver<bool>) {
    // A sender that is gone means the end as well.
    if stopped.wait_for(|stopped| *stopped).await.is_err() {
        tracing::debug!("stopped without notice");
    }
}

/// Turns in equal steps of time, the first at once. A turn that is late puts the next ones off.
#[derive(Debug)]
pub(super) struct Turns {
    tick: Interval,
    stopped: watch::Receiver<bool>,
}

impl Turns {
    /// One every `period`, which is not zero, until `stopped` says so.
    pub(super) fn every(period: Duration, stopped: watch::Receiver<bool>) -> Self {
        let mut tick = interval(period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { tick, stopped }
    }

    /// Waits for the next turn; false when the daemon stops. Cancel safe.
    pub(super) async fn next(&mut self) -> bool {
        tokio::select! {
            () = until(self.stopped.clone()) => false,
            _ = self.tick.tick() => true,
        }
    }
}
