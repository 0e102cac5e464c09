//! Limits of single statements: the time that they take, and their end on the server.
//!
//! The codec counts and says what is to be done; what comes in from the relay is here.

use jiff::Timestamp;

use super::Session;
use crate::event::SessionEnd;
use crate::limit::Clock;
use crate::protocols::{Fatal, Overrun, Side};
use crate::refusal::Refusal;

impl Session {
    /// By when what runs has to be looked at; none if no time is limited.
    pub fn clock(&self) -> Option<Clock> {
        match self.closed {
            true => None,
            false => self.codec.clock(),
        }
    }

    /// Takes that a clock has run out. One that is not there any more changes nothing.
    pub fn handle_overrun(&mut self, clock: &Clock, now: Timestamp) {
        self.now = now;
        match self.codec.overrun(clock) {
            Overrun::Nothing => self.speak(),
            Overrun::Stuck(refusal) => self.cannot_be_stopped(refusal),
        }
    }

    /// Takes that the server has acted on the request to cancel what it runs; or that it could not be
    /// asked to, which ends the session. Fails closed: what is over its limit does not go on.
    pub fn handle_aborted(&mut self, asked: Result<(), &str>, now: Timestamp) {
        self.now = now;
        match asked {
            Ok(()) => {
                self.codec.aborted();
                self.speak();
                self.settle(Side::Client);
            }
            Err(why) => self.cannot_be_stopped(Refusal {
                rule: None,
                reason: format!(
                    "a limit is reached, and the server cannot be asked to stop: {why}"
                ),
            }),
        }
    }

    fn cannot_be_stopped(&mut self, refusal: Refusal) {
        if self.closed {
            return;
        }
        self.outbox.to_server().clear();
        let how = SessionEnd::LimitReached {
            rule: refusal.rule.clone(),
            reason: refusal.reason.clone(),
        };
        self.end(how, Some(Fatal::Refused(&refusal)));
    }
}
