//! What a client has shown of a placeholder, and what came of it.
//!
//! It is checked outside, where the list and the clock are. Nothing of the client's is read meanwhile,
//! and nothing was decided or connected to before.

use jiff::Timestamp;

use super::Session;
use crate::event::SessionEnd;
use crate::protocols::placeholder::Proved;
use crate::protocols::{Fatal, Side};

impl Session {
    /// Takes what came of the check. Fails closed: by anything but a yes the session ends.
    pub fn handle_proof(&mut self, proved: Proved, now: Timestamp) {
        self.now = now;
        if !std::mem::take(&mut self.proving) || self.closed {
            return;
        }
        match proved {
            Proved::Yes {
                placeholder,
                signature,
            } => {
                self.codec.proved(placeholder, signature);
                self.speak();
                self.settle(Side::Server);
            }
            Proved::No { reason } => {
                self.end(SessionEnd::NotProven { reason }, Some(Fatal::NotProven));
            }
        }
    }
}
