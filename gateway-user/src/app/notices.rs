//! Notices on their way out: targets as the configuration has them, and a line in the enforcement log
//! for each notice that does not arrive.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::stopping::until;
use super::telling::tell_task;
use crate::approvals::Approvals;
use crate::config::Config;
use crate::notify::{Lost, Notifier, Pace, Witness};
use crate::observe::enforcement::untold::Untold;
use crate::observe::enforcement::{EnforcementLog, What};

/// How long what is left may take to arrive when the daemon stops.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);

/// Tells of notices that did not arrive.
struct Told(EnforcementLog);

impl Witness for Told {
    fn lost(&self, lost: &Lost) {
        let Lost {
            target,
            request,
            about,
            attempts,
            reason,
        } = lost.clone();
        tracing::warn!(
            target,
            request,
            about,
            attempts,
            reason,
            "a notice did not arrive"
        );
        let what = What::NoticeLost(Untold {
            target,
            request,
            about: about.to_owned(),
            attempts,
            reason,
        });
        // It is in the daemon's own log already, and the request goes on without it.
        if let Err(error) = self.0.note(what) {
            tracing::error!(%error, "cannot write the enforcement log");
        }
    }
}

/// A notifier whose losses are logged. It has no targets until [`deliver_task`] runs.
pub(super) fn notifier(log: &EnforcementLog) -> Notifier {
    Notifier::new(Pace::default(), Arc::new(Told(log.clone())))
}

/// Delivers to the targets of the configuration in force, until `stopped` says so.
pub(super) async fn deliver_task(
    approvals: Approvals,
    notifier: Notifier,
    mut config: watch::Receiver<Arc<Config>>,
    stopped: watch::Receiver<bool>,
) {
    let (told, ending) = (notifier.clone(), stopped.clone());
    let telling = tokio::spawn(tell_task(approvals, told, config.clone(), ending));
    let mut stop = std::pin::pin!(until(stopped));
    loop {
        let targets = {
            let config = config.borrow_and_update();
            let targets = config.notify.iter();
            targets
                .map(|one| Arc::clone(&one.target))
                .collect::<Vec<_>>()
        };
        notifier.retarget(&targets);
        tokio::select! {
            () = &mut stop => break,
            () = notifier.deliver() => {}
            changed = config.changed() => {
                // Without a sender there is no other configuration.
                if changed.is_err() {
                    break;
                }
            }
        }
    }
    // It hands in what happened to the end.
    if telling.await.is_err() {
        tracing::error!("the task that tells people had failed");
    }
    // The couriers went with `deliver`; what is left gets a last chance.
    let farewell = notifier.finish(FAREWELL);
    tokio::select! {
        () = farewell => {}
        () = notifier.deliver() => {}
    }
}
