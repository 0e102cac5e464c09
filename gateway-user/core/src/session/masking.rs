//! What is masked: chosen by policy, found out by the relay, used by the codec.

use std::sync::Arc;

use jiff::Timestamp;

use super::Session;
use crate::protocols::Side;
use crate::sql::postgres::lineage::Masked;

impl Session {
    /// What policy wants to be masked: nothing is asked for before it is known what that comes to.
    pub(super) fn choose_masks(&mut self) {
        let masks = self.engine.masks(&self.subject, &self.flow);
        match (masks.is_empty(), self.masks.is_empty()) {
            (false, _) => self.codec.expect_masks(),
            (true, false) => self.codec.masked(None),
            (true, true) => {}
        }
        self.masks = masks;
    }

    /// Takes what is masked in the database, or why that could not be found out.
    pub fn handle_masked(&mut self, masked: Result<Arc<Masked>, String>, now: Timestamp) {
        self.now = now;
        match masked {
            // One for other masks is too old: the one for these is still to come.
            Ok(masked) if !Arc::ptr_eq(masked.masks(), &self.masks) => {}
            Ok(masked) => {
                self.codec.masked(Some(masked));
                self.settle(Side::Client);
            }
            Err(why) => {
                self.handle_unreachable(&format!("what is masked cannot be found out: {why}"));
            }
        }
    }
}
