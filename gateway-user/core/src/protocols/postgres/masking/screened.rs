//! What is looked for in all that the server sends: its state in a session, and the texts that are no rows.
//!
//! Errors, notices, notifications and settings are looked at here, before anything else is done with them;
//! rows in `rows` and `copied`. INVARIANT: while something is looked for, none of these passes unseen: what
//! cannot be held whole is cut or ends the session. Where a detector outside the gateway has to be asked,
//! nothing has changed yet when the step is taken again with its answers.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};

use super::super::codec::PostgresCodec;
use super::super::pipeline::{Bound, Pending, Prepared, Tally};
use super::super::reply;
use super::super::server::ERROR_GATHER;
use super::super::value::Format;
use super::super::value::screened::{Screened, screen};
use super::super::wire::{self, Head};
use super::cell::By;
use super::long::Long;
use super::{Results, Traced};
use crate::cursor::Cursor;
use crate::mask::MaskKey;
use crate::mask::screen::{Memory, Screen, Screening};
use crate::protocols::{CodecError, GATHER_LIMIT, Step};
use crate::sql::postgres::Session;
use crate::sql::postgres::lineage::{CopyFormat, copy_formats};

/// The type `text`, which texts of messages count as.
const TEXT: u32 = 25;
/// The type `bytea`, which what a function returns counts as that was called by its number.
const BYTEA: u32 = 17;

/// What is looked at is held whole.
const LONG: &str = "what is longer than 1 MiB cannot be looked at: ask for a part of it";

/// What stands for the message of an error that is too long to be looked at.
const TOO_LONG: &[u8] = b"gateway: the server's message is too long to be looked at";

/// What is looked for, and how far that is.
#[derive(Debug, Default)]
pub(in super::super) struct Looking {
    /// It; none where nothing is.
    pub(in super::super) screen: Option<Arc<Screen>>,
    /// What hashes and pseudonyms are made with, where nothing else says.
    pub(in super::super) key: Option<MaskKey>,
    pub(in super::super) memory: Memory,
    /// Room for values, kept.
    pub(super) scratch: [BytesMut; 2],
    /// Room for rows, kept while nothing is found in them.
    pub(super) rows: BytesMut,
    /// The row that comes now, if it is too long to be held.
    pub(super) long: Option<Box<Long>>,
    /// Rows up to here wait for answers.
    pub(in super::super) until: Option<usize>,
    /// What is open is to be asked, and nobody was told yet.
    pub(in super::super) wants: bool,
    /// The frame that waits for its decision has a question for its columns in front.
    pub(in super::super) fields: bool,
    /// How the statements copy that wait for their decision.
    pub(in super::super) copies: Copies,
}

/// How each statement of a text copies out, if it does.
pub(in super::super) type Copies = Arc<[Option<CopyFormat>]>;

impl Looking {
    /// Whether something has to be asked before what was looked at can pass: then nothing is to be done.
    pub(super) fn must_ask(&mut self) -> bool {
        if self.memory.open.is_empty() {
            return false;
        }
        // It is counted when it is looked at again.
        self.memory.counts.clear();
        self.wants = true;
        true
    }
}

/// A message as it is after it was looked at.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// As it was.
    Same,
    /// Like this.
    Other(Bytes),
    /// It has to wait for an answer.
    Waits,
}

impl PostgresCodec {
    /// How the statements of a text copy out, where something is looked for in that.
    pub(in super::super) fn copies(&self, text: Option<&[u8]>, session: &Session) -> Copies {
        match (&self.looking.screen, text) {
            (Some(_), Some(text)) => copy_formats(text, session).into(),
            _ => Copies::default(),
        }
    }

    /// What is to be done with the results of what does this with masked columns.
    pub(in super::super) fn results_of(
        &self,
        traced: Option<Traced>,
        copies: Copies,
    ) -> Option<Box<Results>> {
        Results::new(traced, self.looking.screen.clone(), copies)
    }

    /// Whether the columns of what is to run have to be known.
    pub(in super::super) fn asks_fields(&mut self, traced: Option<&Traced>) -> bool {
        let masked = traced.is_some_and(|traced| !traced.is_clean());
        self.looking.fields = masked || self.looking.screen.is_some();
        self.looking.fields
    }

    /// What is known of a portal that runs.
    pub(in super::super) fn tally_of(&self, bound: &Bound, traced: Option<Traced>) -> Tally {
        let copies = self.copies_of(&bound.prepared);
        let results = self.results_of(traced, copies);
        Tally::of(bound.ask, results).limited(bound.counted.clone())
    }

    /// The same of one that was prepared: it is read as it was then, and written as it is now.
    fn copies_of(&self, prepared: &Prepared) -> Copies {
        let session = Session {
            encoding: self.session().encoding,
            ..prepared.session.clone()
        };
        let read = || self.copies(prepared.text.as_deref(), &session);
        prepared.again.copies(&session, read)
    }

    /// Looks at the texts of a message that is no row, and goes on with what that has made of it. `None`
    /// where it has made nothing of it, `Some(None)` if more input or an answer is needed.
    #[expect(
        clippy::option_option,
        reason = "not looked at is not the same as not there yet"
    )]
    pub(in super::super) fn looked_at(
        &mut self,
        head: Head,
        input: &[u8],
    ) -> Result<Option<Option<Step>>, CodecError> {
        let gather = match head.tag {
            _ if self.looking.screen.is_none() => return Ok(None),
            b'E' | b'N' => head.len.min(ERROR_GATHER),
            b'V' if head.len > GATHER_LIMIT => {
                return self.stop_unmasked(head, LONG).map(|step| Some(Some(step)));
            }
            b'A' | b'S' if head.len > GATHER_LIMIT => return Err(CodecError::Unsupported(LONG)),
            b'A' | b'S' | b'V' => head.len,
            _ => return Ok(None),
        };
        let Some(message) = input.get(..gather) else {
            return Ok(Some(None));
        };
        let other = match self.look_at(head.tag, head.len, message)? {
            Seen::Same => return Ok(None),
            Seen::Waits => return Ok(Some(None)),
            Seen::Other(other) => other,
        };
        let len = other.len();
        let step = self.go_on(Head { len, ..head }, &other)?;
        Ok(Some(step.map(|step| match step {
            Step::Pass(_) => Step::Replace(head.len, other),
            Step::Replace(_, bytes) => Step::Replace(head.len, bytes),
            Step::Discard(_) => Step::Discard(head.len),
            step => step,
        })))
    }

    /// Looks at the texts of a message that is here up to `message`'s end, of `len` bytes.
    fn look_at(&mut self, tag: u8, len: usize, message: &[u8]) -> Result<Seen, CodecError> {
        let Some(screen) = self.looking.screen.clone() else {
            return Ok(Seen::Same);
        };
        let body = Cursor::new(message.get(wire::HEAD..).unwrap_or_default());
        let mut looker = Looker {
            screening: Screening {
                screen: &screen,
                key: self.looking.key.as_ref(),
                memory: &mut self.looking.memory,
            },
            out: Vec::with_capacity(message.len()),
            changed: message.len() < len,
        };
        match tag {
            b'E' | b'N' => looker.fields(body),
            b'A' => looker.notification(body),
            b'S' => looker.setting(body),
            b'V' => looker.result(body),
            _ => return Ok(Seen::Same),
        }?;
        let (out, changed) = (looker.out, looker.changed);
        if self.looking.must_ask() {
            return Ok(Seen::Waits);
        }
        self.looking.memory.forget();
        self.note_found();
        Ok(match changed {
            true => Seen::Other(reply::message(tag, &out)),
            false => Seen::Same,
        })
    }

    /// What was found counts for what runs now.
    pub(super) fn note_found(&mut self) {
        let counts = std::mem::take(&mut self.looking.memory.counts);
        if counts.is_empty() {
            return;
        }
        if let Some(tally) = self.pipeline.head().and_then(Pending::tally) {
            for (name, count) in counts {
                *tally.outcome.detected.entry(name).or_default() += count;
            }
        }
    }

    /// What rows are masked by.
    pub(super) fn by<'a>(looking: &'a mut Looking, screen: Option<&'a Screen>) -> By<'a> {
        By {
            masked: None,
            screen,
            key: looking.key.as_ref(),
            memory: &mut looking.memory,
            scratch: &mut looking.scratch,
        }
    }
}

/// Settings that servers tell of, and whose values are one of a few, a number, or a name of the server's.
/// Source: PostgreSQL documentation, "Asynchronous Operations".
const CLOSED: [&[u8]; 12] = [
    b"DateStyle",
    b"IntervalStyle",
    b"client_encoding",
    b"default_transaction_read_only",
    b"in_hot_standby",
    b"integer_datetimes",
    b"is_superuser",
    b"scram_iterations",
    b"server_encoding",
    b"server_version",
    b"session_authorization",
    b"standard_conforming_strings",
];

const INVALID: CodecError = CodecError::Server("sent an invalid message");

/// Writes a message anew while it looks at it.
struct Looker<'a> {
    screening: Screening<'a>,
    out: Vec<u8>,
    changed: bool,
}

impl Looker<'_> {
    /// Appends a text, and a NUL.
    fn text(&mut self, text: &[u8]) {
        let mut other = BytesMut::new();
        match screen(text, TEXT, Format::Text, &mut self.screening, &mut other) {
            Screened::Same => self.out.extend_from_slice(text),
            Screened::Written => {
                self.changed = true;
                self.out.extend_from_slice(&other);
            }
            // A message has a text there.
            Screened::Null | Screened::Refused => {
                self.changed = true;
                self.out.extend_from_slice(b"****");
            }
        }
        self.out.push(0);
    }

    /// Fields of an error or notice. What is cut is left out, but for the message that each has.
    fn fields(&mut self, mut body: Cursor<'_>) -> Result<(), CodecError> {
        let mut has_message = false;
        while let Some(kind) = body.u8().filter(|kind| *kind != 0) {
            let Some(text) = body.cstr() else { break };
            has_message |= kind == b'M';
            self.out.push(kind);
            match kind {
                // Codes, places, and what is the server's own.
                b'S' | b'V' | b'C' | b'P' | b'p' | b'F' | b'L' | b'R' => {
                    self.out.extend_from_slice(text);
                    self.out.push(0);
                }
                _ => self.text(text),
            }
        }
        if !has_message {
            self.changed = true;
            self.out.push(b'M');
            self.out.extend_from_slice(TOO_LONG);
            self.out.push(0);
        }
        self.out.push(0);
        Ok(())
    }

    fn notification(&mut self, mut body: Cursor<'_>) -> Result<(), CodecError> {
        self.out.extend_from_slice(body.bytes(4).ok_or(INVALID)?);
        self.text(body.cstr().ok_or(INVALID)?);
        self.text(body.cstr().ok_or(INVALID)?);
        Ok(())
    }

    /// A setting: its name is one of a few, and of some of these the value may be anything.
    fn setting(&mut self, mut body: Cursor<'_>) -> Result<(), CodecError> {
        let name = body.cstr().ok_or(INVALID)?;
        let value = body.cstr().ok_or(INVALID)?;
        self.out.extend_from_slice(name);
        self.out.push(0);
        if CLOSED.contains(&name) {
            self.out.extend_from_slice(value);
            self.out.push(0);
        } else {
            self.text(value);
        }
        Ok(())
    }

    /// What a function has returned that was called by its number.
    fn result(&mut self, mut body: Cursor<'_>) -> Result<(), CodecError> {
        let len = body.u32().ok_or(INVALID)?;
        let value = body.rest();
        if len == u32::MAX || usize::try_from(len) != Ok(value.len()) {
            // NULL has no bytes, and nothing else is as it should be.
            self.changed |= !value.is_empty() || len != u32::MAX;
            self.out.put_u32(u32::MAX);
            return Ok(());
        }
        let mut other = BytesMut::new();
        // In which of the two formats it is was asked for by the client.
        for format in [Format::Text, Format::Binary] {
            let screened = screen(value, BYTEA, format, &mut self.screening, &mut other);
            if screened == Screened::Same {
                continue;
            }
            self.changed = true;
            if screened == Screened::Written {
                let len = u32::try_from(other.len()).map_err(|_| INVALID)?;
                self.out.put_u32(len);
                self.out.extend_from_slice(&other);
            } else {
                self.out.put_u32(u32::MAX);
            }
            return Ok(());
        }
        self.out.put_u32(len);
        self.out.extend_from_slice(value);
        Ok(())
    }
}
