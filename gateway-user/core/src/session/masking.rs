//! What is masked: chosen by policy, found out by the relay, used by the codec.

use std::sync::Arc;

use jiff::Timestamp;

use super::Session;
use crate::mask::MaskKey;
use crate::mask::screen::question::Answers;
use crate::protocols::Side;
use crate::sql::postgres::lineage::Masked;

impl Session {
    /// Makes hashes and pseudonyms of what is found in values with this key; without it nothing is left of
    /// what is found, whatever the mask says.
    #[must_use]
    pub fn masking_with(mut self, key: Option<MaskKey>) -> Self {
        self.mask_key = key;
        self
    }

    /// What policy wants to be masked: nothing is asked for before it is known what that comes to.
    pub(super) fn choose_masks(&mut self) {
        let masks = self.engine.masks(&self.subject, &self.flow);
        self.codec
            .screen(masks.screen().cloned(), self.mask_key.clone());
        match (!masks.has_columns(), !self.masks.has_columns()) {
            (false, _) => self.codec.expect_masks(),
            (true, false) => self.codec.masked(None),
            (true, true) => {}
        }
        self.masks = masks;
    }

    /// Takes what detectors have said to the questions of an action.
    pub fn handle_answers(&mut self, answers: Answers, now: Timestamp) {
        self.now = now;
        self.codec.answered(answers);
        self.settle(Side::Client);
    }

    /// Takes what is masked in the database, or why that could not be found out.
    pub fn handle_masked(&mut self, masked: Result<Arc<Masked>, String>, now: Timestamp) {
        self.now = now;
        match masked {
            // One for other masks is too old: the one for these is still to come.
            Ok(masked) if **masked.masks() != *self.masks => {}
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
