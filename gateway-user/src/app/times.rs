//! The times of rules: what was decided for longer than a moment is decided again when one begins or
//! ends. What is decided as it comes asks the clock itself.

use std::sync::Arc;
use std::time::Duration;

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
    loop {
        let engine = Arc::clone(&config.borrow_and_update().engine);
        // A new configuration has everything decided again by itself.
        let known = engine.open_windows(Timestamp::now());
        let changed = async {
            loop {
                let now = Timestamp::now();
                if engine.open_windows(now) != known {
                    return;
                }
                let wait = engine
                    .next_boundary(now)
                    .map(|next| next.duration_since(now));
                let wait = wait.and_then(|wait| wait.try_into().ok()).unwrap_or(LOOK);
                tokio::time::sleep(LOOK.min(wait)).await;
            }
        };
        tokio::select! {
            () = &mut stop => return,
            ended = config.changed() => if ended.is_err() {
                return; // The daemon ends.
            },
            () = changed, if !known.is_empty() => {
                tracing::info!("the time of a rule has begun or ended");
                blocking(&operations, Operations::renew).await;
            }
        }
    }
}
