//! How a session ends: what went wrong or who ended it, the last words to the client, the last event.
//!
//! Each end is recorded once; whatever comes after the first is not heard any more.

use super::Session;
use super::outbox::Action;
use crate::event::SessionEnd;
use crate::held::Withdrawal;
use crate::protocols::{CodecError, Fatal};

impl Session {
    /// The server could not be reached, or its connection failed.
    pub fn handle_unreachable(&mut self, detail: &str) {
        self.end(
            SessionEnd::ServerFailed {
                detail: detail.to_owned(),
            },
            Some(Fatal::Unreachable(detail)),
        );
    }

    /// The client's connection failed.
    pub fn handle_client_failure(&mut self, detail: &str) {
        self.withdraw(Withdrawal::ClientGone);
        if self.finishing {
            // It has left, as it said; what the server still answers is for the recording.
            self.outbox.to_client().clear();
            return;
        }
        self.end(
            SessionEnd::ClientFailed {
                detail: detail.to_owned(),
            },
            None,
        );
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, waiting_for: &str) {
        let how = SessionEnd::TimedOut {
            waiting_for: waiting_for.to_owned(),
        };
        self.end(
            how,
            Some(Fatal::Violation(
                "the connection was idle for too long before it was ready",
            )),
        );
    }

    /// The recording cannot be written: nothing more may pass.
    pub fn handle_unrecorded(&mut self, detail: &str) {
        // What was about to be sent was not recorded. Fails closed: it is not sent.
        self.outbox.to_server().clear();
        self.end(
            SessionEnd::RecordingFailed {
                detail: detail.to_owned(),
            },
            Some(Fatal::Unrecorded),
        );
    }

    /// The workload has `limit` sessions already.
    pub fn handle_too_many(&mut self, limit: usize) {
        self.end(SessionEnd::Refused, Some(Fatal::TooMany(limit)));
    }

    /// The gateway stops, or an operator ends the session. An operator who means this agent wants no
    /// byte more to arrive: what waits for the server then is not sent.
    pub fn handle_stop(&mut self, how: &SessionEnd) {
        let last_words = match how {
            SessionEnd::Killed => Fatal::Killed,
            SessionEnd::Frozen { reason } => Fatal::Frozen(reason.as_deref()),
            SessionEnd::PlaceholderEnded { reason } => Fatal::PlaceholderEnded(reason),
            SessionEnd::ApprovalEnded { reason } => Fatal::ApprovalEnded(reason),
            _ => Fatal::Stopped,
        };
        if how.is_switched_off() && !self.closed {
            self.outbox.to_server().clear();
        }
        self.end(how.clone(), Some(last_words));
    }

    pub(super) fn violated(&mut self, error: &CodecError) {
        let detail = error.to_string();
        let (how, fatal) = match error {
            CodecError::Client(text) => (
                SessionEnd::ClientViolation { detail },
                Fatal::Violation(text),
            ),
            CodecError::Unsupported(text) => (
                SessionEnd::ClientViolation { detail },
                Fatal::Unsupported(text),
            ),
            CodecError::Server(text) => (
                SessionEnd::ServerViolation { detail },
                Fatal::Unreachable(text),
            ),
        };
        self.end(how, Some(fatal));
    }

    pub(super) fn end(&mut self, how: SessionEnd, last_words: Option<Fatal<'_>>) {
        if self.closed {
            return;
        }
        self.withdraw(Withdrawal::SessionEnded);
        self.closed = true;
        self.meter.end(self.now);
        // In the middle of a frame of the server's there is no way to say anything.
        if let Some(bytes) = last_words
            .filter(|_| self.server.rest.is_done())
            .and_then(|fatal| self.codec.farewell(fatal))
        {
            self.outbox.reply(&bytes);
        }
        let (bytes_out, bytes_in) = self.outbox.sent;
        let end = self.ledger.end(how.clone(), (bytes_in, bytes_out));
        self.outbox.record(end);
        self.outbox.act(Action::Close(how));
    }
}
