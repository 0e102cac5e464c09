//! Limits of single statements: what a statement brings and how long it takes; and the end of a statement
//! where that is too much, or where what it returns cannot be masked, with client and server in step.
//!
//! A statement is stopped by what the protocol has for it: while it takes copied data, by a `CopyFail`; else
//! by a cancel request, which the relay sends on a connection of its own. The server acts on that for
//! whatever runs by then, so nothing goes to it behind a statement that has a limit before that has ended,
//! and nothing at all while a request is under way. What a stopped statement still brings goes nowhere, and
//! the client hears why where the server's own answer would have been.

use std::time::Duration;

use bytes::Bytes;

use super::codec::PostgresCodec;
use super::failing::server_error;
use super::pipeline::Pending;
use super::reply;
use super::server::ERROR_GATHER;
use super::wire::{self, Head, server_name};
use crate::cursor::Cursor;
use crate::event::ServerError;
use crate::limit::{Bar, Clock, Kind, Limited, Phase};
use crate::protocols::{CodecError, GATHER_LIMIT, Overrun, Report, Step};
use crate::refusal::Refusal;

/// A server that was asked to stop has so long to do it.
const GRACE: Duration = Duration::from_secs(10);
/// A server that was asked whether it is done has so long to say so.
const ANSWER: Duration = Duration::from_secs(1);

/// What is limited now.
#[derive(Debug, Default)]
pub(super) struct Limiting {
    /// Some statement had a limit.
    pub(super) any: bool,
    stopping: Option<Stopping>,
    abort: Abort,
    /// The answer that the server was told to give when its time was over, and whether that time is over too.
    told: Option<(u64, Answer)>,
}

/// Whether what runs is being cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Abort {
    #[default]
    No,
    /// Nobody was asked yet.
    Wanted,
    UnderWay,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Awaited,
    Missing,
}

/// A statement that has to end.
#[derive(Debug)]
struct Stopping {
    /// Which answer it is, as the queue counts them.
    number: u64,
    why: Why,
    /// The client has heard it.
    told: bool,
}

/// Why a statement has to end.
#[derive(Debug)]
enum Why {
    /// It has reached this.
    Limit(Bar),
    /// What it returns cannot be masked; in words.
    Masks(&'static str),
}

impl PostgresCodec {
    /// Counts a message of a result, before it passes. Where it is more than a limit allows the statement is
    /// stopped, and it must not pass.
    pub(super) fn is_beyond(&mut self, head: Head, rows: u64) -> bool {
        if !self.limiting.any {
            return false;
        }
        let bytes = u64::try_from(head.len.saturating_sub(wire::HEAD)).unwrap_or(u64::MAX);
        if let Some(counted) = self.pipeline.front().and_then(Pending::counted) {
            counted.add(rows, bytes);
        }
        self.reaches(None)
    }

    /// Tells of the limits that are reached; says whether one of them stops what runs.
    fn reaches(&mut self, ran: Option<Duration>) -> bool {
        loop {
            let Some(pending) = self.pipeline.front() else {
                return false;
            };
            let Some(bar) = pending.counted().and_then(|it| it.reached(ran)) else {
                return false;
            };
            let bar = bar.clone();
            if let Some(ask) = pending.ask() {
                self.reports.push_back(Report::Limited(Limited {
                    ask,
                    rule: bar.rule.clone(),
                    kind: bar.kind,
                    most: bar.most,
                    reason: bar.reason.clone(),
                    observed: bar.observed,
                }));
            }
            if !bar.observed {
                self.stop(Why::Limit(bar));
                return true;
            }
        }
    }

    /// What the server sends now of a statement's result cannot be masked, and does not pass: the statement
    /// ends.
    ///
    /// # Errors
    /// Something is behind it that a request to cancel might hit. Fails closed: the session ends.
    pub(super) fn stop_unmasked(
        &mut self,
        head: Head,
        why: &'static str,
    ) -> Result<Step, CodecError> {
        if !self.pipeline.ends_alone() {
            return Err(CodecError::Unsupported(why));
        }
        self.limiting.any = true;
        // What was looked at of these rows is not of those that come next.
        self.looking.until = None;
        self.looking.memory.forget();
        self.stop(Why::Masks(why));
        Ok(Step::Discard(head.len))
    }

    fn stop(&mut self, why: Why) {
        if self.copy_in {
            // A server that waits for data would not act on a cancel request before more comes.
            self.inject.push_back(reply::copy_fail());
        } else {
            self.limiting.abort = Abort::Wanted;
        }
        self.limiting.stopping = Some(Stopping {
            number: self.pipeline.number(),
            why,
            told: false,
        });
    }

    /// Whether the statement that takes copied data was stopped.
    pub(super) fn is_stopped(&self) -> bool {
        self.limiting.stopping.is_some()
    }

    /// Whether nothing may go to the server because what runs is being cancelled.
    pub(super) fn is_aborting(&self) -> bool {
        self.limiting.abort != Abort::No
    }

    /// What runs is to be cancelled: told once.
    pub(super) fn take_abort(&mut self) -> bool {
        let wanted = self.limiting.abort == Abort::Wanted;
        if wanted {
            self.limiting.abort = Abort::UnderWay;
        }
        wanted
    }

    /// The server has acted on the cancel request.
    pub(super) fn abort_done(&mut self) {
        self.limiting.abort = Abort::No;
    }

    /// By when what runs has to be looked at.
    pub(super) fn limit_clock(&self) -> Option<Clock> {
        if !self.limiting.any {
            return None;
        }
        let of = self.pipeline.number();
        let clock = |phase, after| Some(Clock { of, phase, after });
        if self.is_stopped() {
            return clock(Phase::Stopping, GRACE);
        }
        let after = self.pipeline.front()?.counted()?.time()?;
        match self.limiting.told {
            Some((number, Answer::Awaited)) if number == of => clock(Phase::Asking, ANSWER),
            _ => clock(Phase::Running, after),
        }
    }

    /// The time of that clock is over.
    pub(super) fn limit_overrun(&mut self, clock: &Clock) -> Overrun {
        if self.limit_clock().as_ref() != Some(clock) {
            return Overrun::Nothing;
        }
        let number = self.pipeline.number();
        match clock.phase {
            Phase::Stopping => {
                let stopping = self.limiting.stopping.as_ref();
                return stopping.map_or(Overrun::Nothing, |it| Overrun::Stuck(it.why.refusal()));
            }
            Phase::Running if self.limiting.told != Some((number, Answer::Missing)) => {
                // It may be done, and keep its answer because the client has not asked for it.
                if self.pipeline.take_flush() {
                    self.inject.push_back(reply::flush());
                    self.limiting.told = Some((number, Answer::Awaited));
                    return Overrun::Nothing;
                }
            }
            Phase::Running => {}
            Phase::Asking => self.limiting.told = Some((number, Answer::Missing)),
        }
        let front = self.pipeline.front().and_then(Pending::counted);
        let ran = front.and_then(|it| it.time());
        let _stopped = self.reaches(ran);
        Overrun::Nothing
    }

    /// Whether a message of the client has to wait until what runs has ended: that may have to be
    /// cancelled.
    pub(super) fn waits_behind(&self, tag: u8, mut body: Cursor<'_>) -> bool {
        if !matches!(tag, b'Q' | b'P' | b'B' | b'E' | b'D' | b'C' | b'F') {
            return false;
        }
        let ends = self.limiting.any && self.pipeline.runs_limited();
        if ends || self.masks_columns() && self.pipeline.runs_masked() {
            return true;
        }
        if !self.limiting.any {
            return false;
        }
        let Some(youngest) = self.pipeline.youngest_timed() else {
            return false;
        };
        // What goes on with the same statement may be cancelled with it.
        let mut name = || body.cstr().map(server_name);
        match (youngest, tag) {
            (_, b'D' | b'C') => false,
            (Pending::Bind(portal, _), b'E') => name() != Some(&**portal),
            (Pending::Parse(statement, _), b'B') => {
                let _portal = name();
                name() != Some(&**statement)
            }
            _ => true,
        }
    }

    /// What becomes of the server's message where the statement it belongs to was stopped. `None` if it
    /// belongs to none, `Some(None)` if more input is needed.
    #[expect(
        clippy::option_option,
        reason = "not stopped is not the same as not there yet"
    )]
    pub(super) fn stopped(
        &mut self,
        head: Head,
        input: &[u8],
    ) -> Result<Option<Option<Step>>, CodecError> {
        if !self.is_stopped() || !self.follow_stopped() {
            return Ok(None);
        }
        let runs = self.pipeline.front().is_some_and(Pending::runs);
        let gather = match head.tag {
            b'D' | b'd' | b'T' | b'H' | b'c' | b'V' if runs => {
                return Ok(Some(Some(Step::Discard(head.len))));
            }
            b'G' | b'W' if runs => {
                self.pipeline.copy_in()?;
                self.inject.push_back(reply::copy_fail());
                return Ok(Some(Some(Step::Discard(head.len))));
            }
            b'E' => head.len.min(ERROR_GATHER),
            b'C' | b'I' | b's' if runs => head.len.min(GATHER_LIMIT),
            b'Z' => head.len.min(GATHER_LIMIT),
            _ => return Ok(None),
        };
        let Some(message) = input.get(..gather) else {
            return Ok(Some(None));
        };
        let mut body = Cursor::new(message.get(wire::HEAD..).unwrap_or_default());
        let step = match head.tag {
            b'E' => self.stopped_by_error(head, body),
            b'Z' => {
                let status = body
                    .u8()
                    .ok_or(CodecError::Server("invalid ReadyForQuery"))?;
                if runs && self.limiting.stopping.as_ref().is_some_and(|it| !it.told) {
                    self.note_unmasked(Finished::Yes);
                }
                let step = self.ready(head, status)?;
                match self.limiting.stopping.take() {
                    Some(it) if !it.told && runs => {
                        let both = [it.why.words(Finished::Yes), reply::ready(status)].concat();
                        Step::Replace(head.len, both.into())
                    }
                    _ => step,
                }
            }
            tag => {
                let number = self.pipeline.number();
                self.note_unmasked(Finished::Yes);
                match tag {
                    b'C' => self.completed(body.cstr().unwrap_or_default()),
                    b'I' => self.completed(b""),
                    _ => self.finish_execute(),
                }
                match self.pipeline.number() == number {
                    // The end of a simple query is the server's `ReadyForQuery`.
                    true => Step::Discard(head.len),
                    false => self.stopped_at_its_end(head),
                }
            }
        };
        Ok(Some(Some(step)))
    }

    /// Whether what was stopped is what the server speaks of. What was stopped while it was prepared or
    /// bound goes on with that: the statement is the same.
    fn follow_stopped(&mut self) -> bool {
        let number = self.pipeline.number();
        let goes_on = match self.pipeline.front() {
            None | Some(Pending::Sync) => false,
            Some(_) => true,
        };
        match &mut self.limiting.stopping {
            Some(it) if it.number == number => true,
            Some(it) if goes_on => {
                it.number = number;
                true
            }
            // It was done before the server heard that it should stop.
            _ => {
                self.limiting.stopping = None;
                false
            }
        }
    }

    fn stopped_by_error(&mut self, head: Head, body: Cursor<'_>) -> Step {
        let number = self.pipeline.number();
        let said = match &self.limiting.stopping {
            // What is recorded is what the client hears.
            Some(it) if matches!(it.why, Why::Masks(_)) => Some(it.why.words(Finished::No)),
            _ => None,
        };
        let _its_own = match said {
            Some(said) => self.failed(head, said_in(&said), Step::Discard(head.len)),
            None => self.error(head, body),
        };
        let ended = self.pipeline.number() != number;
        let Some(it) = &mut self.limiting.stopping else {
            return Step::Discard(head.len);
        };
        if std::mem::replace(&mut it.told, true) {
            return Step::Discard(head.len);
        }
        let text = it.why.words(Finished::No);
        if ended {
            self.limiting.stopping = None;
        }
        Step::Replace(head.len, text)
    }

    /// The recording says of a statement that ends for its masks what the client hears.
    fn note_unmasked(&mut self, finished: Finished) {
        let said = match &self.limiting.stopping {
            Some(it) if matches!(it.why, Why::Masks(_)) => it.why.words(finished),
            _ => return,
        };
        if let Some(tally) = self.pipeline.head().and_then(Pending::tally) {
            tally.outcome.error.get_or_insert(said_in(&said));
        }
    }

    /// A portal has come to its end before the server heard that it should stop. The rest of the batch is
    /// skipped, as after an error of the server's own.
    fn stopped_at_its_end(&mut self, head: Head) -> Step {
        let Some(it) = self.limiting.stopping.take() else {
            return Step::Discard(head.len);
        };
        if !self.pipeline.is_empty() {
            // Nothing but a `Sync` is behind it.
            return Step::Replace(head.len, it.why.words(Finished::Yes));
        }
        self.skipping = true;
        if self.executed && self.status == b'I' {
            // What it did is in a transaction that `Sync` would commit: see `refuse_extended`.
            self.inject.push_back(reply::poison());
            let text = it.why.words(Finished::No);
            self.pipeline.push(Pending::Poison(text));
            return Step::Discard(head.len);
        }
        Step::Replace(head.len, it.why.words(Finished::Yes))
    }
}

/// How many rows a message of a result holds; `None` if it is none, `Some(None)` if more input is needed.
/// The end of a binary `COPY` is a message of its own.
#[expect(
    clippy::option_option,
    reason = "no result is not the same as not there yet"
)]
pub(super) fn rows_of(head: Head, input: &[u8]) -> Option<Option<u64>> {
    const END: usize = wire::HEAD + 2;
    match head.tag {
        b'D' => Some(Some(1)),
        b'V' => Some(Some(0)),
        b'd' if head.len == END => {
            let data = input.get(wire::HEAD..END);
            Some(data.map(|data| u64::from(data != [0xff, 0xff])))
        }
        b'd' => Some(Some(1)),
        _ => None,
    }
}

/// Whether the server had run a statement to its end when it was stopped.
#[derive(Clone, Copy)]
enum Finished {
    Yes,
    No,
}

impl Why {
    /// As what it ends a session, where the statement does not end.
    fn refusal(&self) -> Refusal {
        match self {
            Self::Limit(bar) => bar.refusal(),
            Self::Masks(why) => Refusal {
                rule: None,
                reason: (*why).to_owned(),
            },
        }
    }

    /// What the client hears.
    fn words(&self, finished: Finished) -> Bytes {
        let (code, text, by) = match self {
            Self::Limit(bar) => {
                let code = match bar.kind {
                    Kind::Rows | Kind::Bytes => reply::CONFIGURATION_LIMIT_EXCEEDED,
                    Kind::Time => reply::QUERY_CANCELED,
                };
                (code, &*bar.reason, format!("\"{}\"", bar.rule))
            }
            Self::Masks(why) => (
                reply::FEATURE_NOT_SUPPORTED,
                *why,
                "the gateway's masks".to_owned(),
            ),
        };
        let detail = match finished {
            Finished::No => format!("Ended by {by}."),
            Finished::Yes => format!(
                "Ended by {by}. The server had run it to its end by then: what it changed stays changed."
            ),
        };
        let text = format!("gateway: {text}");
        reply::error("ERROR", code, &text, Some(&detail), None)
    }
}

/// An error of the gateway's own, as recordings have it.
fn said_in(error: &Bytes) -> ServerError {
    server_error(Cursor::new(error.get(wire::HEAD..).unwrap_or_default()))
}
