//! What a client has shown of a placeholder is checked, and what fails is answered late.
//!
//! Placeholders are too long to be guessed; the delay keeps whoever tries all the same, at most as often
//! as the workload may have sessions, from costing others much.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::event::SessionEnd;
use gateway_core::protocols::placeholder::{Presented, Proved};
use jiff::Timestamp;

use super::Relay;

/// A client that showed nothing good is told so after this.
const DELAY: Duration = Duration::from_secs(1);

impl Relay<'_> {
    /// Checks what the client has shown. Fails closed: one that ends while it is checked ends the session.
    pub(super) async fn prove(&mut self, presented: &Presented) {
        let guard = Arc::clone(&self.guard);
        let placeholders = &self.around.placeholders;
        let check = || placeholders.check(presented, guard.info(), Timestamp::now());
        // Others on this thread need not wait for it.
        let proved = tokio::task::block_in_place(check);
        match &proved {
            Proved::Yes { placeholder, .. } => {
                guard.lease(placeholder);
                // Looked at after the session can be found by it: either this sees the end of the
                // placeholder, or whoever ends that the session.
                if let Some(reason) = placeholders.over(placeholder, Timestamp::now()) {
                    let how = SessionEnd::PlaceholderEnded { reason };
                    return self.session.handle_stop(&how);
                }
            }
            Proved::No { .. } => {
                tokio::select! {
                    how = guard.cancelled() => return self.session.handle_stop(&how),
                    () = tokio::time::sleep(DELAY) => {}
                }
            }
        }
        self.session.handle_proof(proved, Timestamp::now());
    }
}
