//! Errors: what has failed, what is told of it, and what the server skips then.
//!
//! Source: PostgreSQL documentation, "Error and Notice Message Fields". What of an error may tell masked
//! values is in `masking`.

use std::sync::Arc;

use super::codec::{Asked, PostgresCodec};
use super::pipeline::Pending;
use super::wire::{self, Head};
use crate::cursor::Cursor;
use crate::event::{Outcome, ServerError};
use crate::protocols::{Report, Step};

/// So much of an error's message goes into the recording.
const MESSAGE_LIMIT: usize = 1024;

impl PostgresCodec {
    /// The server says that what it does has failed.
    pub(super) fn error(&mut self, head: Head, fields: Cursor<'_>) -> Step {
        if matches!(self.pipeline.head(), Some(Pending::Fields)) {
            // It says of the gateway's question what it would have said of what was to run.
            self.pipeline.pop();
        }
        let told = self.withheld(head.tag, fields);
        let error = match &told {
            Some(told) => server_error(Cursor::new(told.get(wire::HEAD..).unwrap_or_default())),
            None => server_error(fields),
        };
        let pass = match told {
            Some(told) => Step::Replace(head.len, told),
            None => Step::Pass(head.len),
        };
        self.failed(head, error, pass)
    }

    /// What the server does now has failed with this error, of which `pass` is told.
    pub(super) fn failed(&mut self, head: Head, error: ServerError, pass: Step) -> Step {
        (self.copy_in, self.copy_out) = (false, false);
        let (mut failed, mut opens) = (None, false);
        let answer = match self.pipeline.head() {
            None | Some(Pending::Sync) => {
                self.reports.push_back(Report::Server(error));
                return pass;
            }
            Some(Pending::Query(tally, _) | Pending::Call(tally)) => {
                // Its end is the `ReadyForQuery` that follows.
                tally.outcome.error = Some(error);
                return pass;
            }
            Some(Pending::Startup(ask)) => {
                self.reports.push_back(Report::Outcome(Outcome {
                    error: Some(error),
                    ..Outcome::new(*ask)
                }));
                return pass;
            }
            Some(Pending::Poison(answer)) => Step::Replace(head.len, std::mem::take(answer)),
            Some(pending) => {
                if let Pending::Execute(_, Some(script)) = pending {
                    failed = Some(Arc::clone(script));
                }
                opens = pending.tally().is_some_and(|tally| tally.opens());
                let outcome = pending.outcome().map(|outcome| Outcome {
                    error: Some(error),
                    ..outcome
                });
                self.reports.extend(outcome.map(Report::Outcome));
                pass
            }
        };
        self.forget_cursors(opens);
        if let Some(script) = failed {
            self.give_up(&script);
        }
        // The server skips up to `Sync`, and so does the client's side here if it is not there yet.
        self.pipeline.skip_to_sync();
        self.skipping = self.pipeline.is_empty();
        let waits = matches!(
            self.asked,
            Some(Asked::Parse(..) | Asked::Bind(..) | Asked::Execute(..) | Asked::Again(..))
        );
        if self.skipping && waits {
            // What waits for its decision is among what is skipped.
            self.asked = None;
            self.overtaken = true;
        }
        answer
    }
}

/// The fields of an `ErrorResponse` that the recording keeps.
pub(super) fn server_error(mut fields: Cursor<'_>) -> ServerError {
    let mut error = ServerError {
        severity: String::new(),
        code: String::new(),
        message: String::new(),
    };
    while let Some(kind) = fields.u8().filter(|kind| *kind != 0) {
        let Some(text) = fields.cstr() else { break };
        let text =
            || String::from_utf8_lossy(text.get(..MESSAGE_LIMIT).unwrap_or(text)).into_owned();
        match kind {
            // `V` is never translated and wins over `S`, which comes first.
            b'S' | b'V' => error.severity = text(),
            b'C' => error.code = text(),
            b'M' => error.message = text(),
            _ => {}
        }
    }
    error
}
