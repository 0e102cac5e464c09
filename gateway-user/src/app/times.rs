//! The times of rules: what was decided for longer than a moment is decided again when one begins or
//! ends. What is decided as it comes asks the clock itself.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::policy::engine::Engine;
use jiff::Timestamp;
use tokio::sync::watch;

use super::serve::blocking;
use super::settings::InForce;
use super::stopping::until;
use crate::control::operations::Operations;

/// How often the clock is looked at while some rule has times: it may have been set.
const LOOK: Duration = Duration::from_secs(5);

/// Runs until `stopped` says so.
pub(super) async fn keep_task(
    in_force: Arc<InForce>,
    operations: Arc<Operations>,
    stopped: watch::Receiver<bool>,
) {
    let mut config = in_force.subscribe();
    let mut stop = std::pin::pin!(until(stopped));
    let mut decided: Option<(Arc<Engine>, Vec<bool>)> = None;
    loop {
        let engine = Arc::clone(&config.borrow_and_update().engine);
        // Looked at before anything is decided by it, so that what changes meanwhile is seen as a change
        // the next time. For the same reason a configuration that was just loaded is decided by again.
        let now = Timestamp::now();
        let open = engine.open_windows(now);
        let has_times = !open.is_empty();
        let is_decided = decided
            .as_ref()
            .is_some_and(|(of, known)| Arc::ptr_eq(of, &engine) && *known == open);
        if !is_decided {
            decided = Some((Arc::clone(&engine), open));
            if has_times {
                tracing::info!("what hangs on the times of rules is decided again");
                blocking(&operations, Operations::renew).await;
            }
        }
        let next = engine.next_boundary(now);
        let wait = next.and_then(|next| next.duration_since(now).try_into().ok());
        let wait = wait.unwrap_or(LOOK);
        tokio::select! {
            () = &mut stop => return,
            changed = config.changed() => if changed.is_err() {
                return; // The daemon ends.
            },
            () = tokio::time::sleep(LOOK.min(wait)), if has_times => {}
        }
    }
}
