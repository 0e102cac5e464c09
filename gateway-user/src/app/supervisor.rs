//! What a service manager is told: ready, reading the configuration again, stopping, still alive
//! (sd_notify(3)). Without one (`NOTIFY_SOCKET` is not set) nothing is told and nothing is missing.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;

use super::stopping::Turns;

/// Agents are served from now on.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The configuration is read again; [`ready`] follows.
pub(super) fn reloading() {
    // The time lets systemd tell this reload from an earlier one (`Type=notify-reload`).
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "cannot tell the service manager of the reload"),
    }
}

/// The end has begun.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells again and again that the daemon is alive, if somebody watches (`WatchdogSec=`).
///
/// It does so from the runtime and by way of its blocking threads, where agents are served and
/// operators' requests are done: if either hangs, so does this, and the daemon is started anew.
pub(super) async fn beat_task(stopped: watch::Receiver<bool>) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    // Twice in the time, as sd_watchdog_enabled(3) recommends.
    let period = (limit / 2).max(Duration::from_millis(1));
    let mut turns = Turns::every(period, stopped);
    while turns.next().await {
        if tokio::task::spawn_blocking(|| tell(&[NotifyState::Watchdog]))
            .await
            .is_err()
        {
            return; // The runtime ends.
        }
    }
}

/// A service manager that does not listen acts by itself: it ends what it does not hear from.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}
