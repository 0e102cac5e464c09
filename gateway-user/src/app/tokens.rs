//! Tokens expire and are replaced: looks at them again and again.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::settings::InForce;
use super::stopping::until;
use crate::control::operations::Operations;

/// How often tokens are looked at: their files are small, and few.
const LOOK: Duration = Duration::from_secs(2);
/// Looks that something has asked for are so far from each other at least.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs until `stopped` says so.
pub(super) async fn keep_task(
    in_force: Arc<InForce>,
    operations: Arc<Operations>,
    mut attached: watch::Receiver<()>,
    stopped: watch::Receiver<bool>,
) {
    let mut config = in_force.subscribe();
    let mut digest = None;
    let mut stop = std::pin::pin!(until(stopped));
    loop {
        operations.recognise_all().await;
        tokio::time::sleep(PAUSE).await;
        let expiry = operations.next_expiry();
        let expiry = expiry.and_then(|it| it.duration_since(Timestamp::now()).try_into().ok());
        let wait = LOOK.min(expiry.unwrap_or(LOOK));
        let mut look = std::pin::pin!(tokio::time::sleep(wait));
        loop {
            tokio::select! {
                () = &mut stop => return,
                () = &mut look => break,
                changed = attached.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return, // The daemon ends.
                },
                changed = config.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    // The same again only says that something is decided anew, by this task perhaps.
                    let now = config.borrow_and_update().digest.clone();
                    if digest.replace(now.clone()) != Some(now) {
                        break;
                    }
                }
            }
        }
    }
}
