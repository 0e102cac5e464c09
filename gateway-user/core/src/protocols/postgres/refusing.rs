//! How what was asked for is turned down: the client gets an error in the place of the server's answer.

use bytes::Bytes;

use super::codec::{Asked, Phase, PostgresCodec};
use super::pipeline::Pending;
use super::reply;

impl PostgresCodec {
    /// What was asked for is answered with this error.
    pub(super) fn turn_down(&mut self, error: Bytes) {
        match self.asked.take() {
            Some(Asked::Query(..) | Asked::Call(..)) => {
                self.pipeline.push(Pending::RefusedQuery(error));
            }
            Some(Asked::Parse(..) | Asked::Bind(..) | Asked::Execute(..) | Asked::Again(..)) => {
                self.refuse_extended(error);
            }
            Some(Asked::Connect | Asked::Cancel) | None => self.phase = Phase::Over,
        }
    }

    /// The refused message was part of the extended protocol: what follows it up to `Sync` is
    /// skipped, and the error comes out after the answers to what went before.
    fn refuse_extended(&mut self, error: Bytes) {
        self.skipping = true;
        if self.executed && self.status == b'I' {
            // What this batch did so far is in a transaction that `Sync` would commit. The server
            // itself has to fail for it to be rolled back, as it would be had the server refused.
            self.inject.push_back(reply::poison());
            self.pipeline.push(Pending::Poison(error));
            return;
        }
        if self.pipeline.take_flush() {
            self.inject.push_back(reply::flush());
        }
        self.pipeline.push(Pending::Refused(error));
    }
}
