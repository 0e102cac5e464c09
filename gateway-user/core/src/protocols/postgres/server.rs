//! Messages of the server, once the client's start-up packet has gone to it.
//!
//! Source: PostgreSQL documentation, "Message Flow" and "Message Formats". Rows and copied data
//! are counted and stream by; of everything else the queue of what is owed is brought up to date.

use std::sync::Arc;

use super::codec::{Phase, PostgresCodec};
use super::limits::rows_of;
use super::masking::{Brought, Masking, Traced, notification};
use super::pipeline::{Pending, Prepared};
use super::reply;
use super::script::{self, Effect, Reading, Script};
use super::wire::{self, Head};
use crate::cursor::Cursor;
use crate::ids::AskId;
use crate::protocols::{CodecError, GATHER_LIMIT, Report, Step};
use crate::sql::postgres::lineage::Named;
use crate::sql::postgres::lineage::apart::Here;
use crate::sql::postgres::{Encoding, Strings};

/// Completion tags of one ask that the recording names; more are only counted.
const TAGS: usize = 64;
/// So much of an error is read for the recording.
pub(super) const ERROR_GATHER: usize = 64 << 10;

impl PostgresCodec {
    /// Reads one message.
    pub(super) fn server_ready(&mut self, input: &[u8]) -> Result<Option<Step>, CodecError> {
        if let Some(step) = self.goes_on_long(input)? {
            return Ok(step);
        }
        let Some(head) = wire::server_head(input)? else {
            return Ok(None);
        };
        if self.answers_path(head.tag) {
            return self.path_answer(head, input);
        }
        if let Some(step) = self.looked_at(head, input)? {
            return Ok(step);
        }
        self.go_on(head, input)
    }

    /// Reads one message as it is after it was looked at.
    pub(super) fn go_on(&mut self, head: Head, input: &[u8]) -> Result<Option<Step>, CodecError> {
        if let Some(step) = self.stopped(head, input)? {
            return Ok(step);
        }
        let masked = match head.tag {
            b'D' => self.masked_rows(head, input),
            b'd' => self.masked_copy(head, input),
            _ => Ok(None),
        };
        match masked {
            Ok(None) => {}
            Ok(Some(step)) => return Ok(step),
            Err(CodecError::Unsupported(why)) => return self.stop_unmasked(head, why).map(Some),
            Err(error) => return Err(error),
        }
        if let Some(rows) = rows_of(head, input) {
            let Some(rows) = rows else {
                return Ok(None);
            };
            if self.is_beyond(head, rows) {
                return Ok(Some(Step::Discard(head.len)));
            }
        }
        self.message(head, input)
    }

    /// Goes on with what is no row, or one that passes.
    fn message(&mut self, head: Head, input: &[u8]) -> Result<Option<Step>, CodecError> {
        let masks = !matches!(self.masking, Masking::Off);
        let gather = match head.tag {
            b'N' if masks => head.len.min(ERROR_GATHER),
            b'T' | b'H' if masks || self.looking.screen.is_some() => head.len.min(GATHER_LIMIT),
            b'A' if masks => head.len.min(GATHER_LIMIT),
            b'E' => head.len.min(ERROR_GATHER),
            b'C' | b'Z' | b'S' | b'G' | b'W' | b't' => head.len.min(GATHER_LIMIT),
            _ => 0,
        };
        let Some(message) = input.get(..gather) else {
            return Ok(None);
        };
        let mut body = Cursor::new(message.get(wire::HEAD..).unwrap_or_default());
        match head.tag {
            b'V' if self.hides_call() => {
                self.data(head);
                return Ok(Some(Step::Replace(head.len, reply::null_result())));
            }
            b'D' | b'd' | b'V' => self.data(head),
            b'1' | b'2' | b'3' => self.confirmed(),
            b'T' | b'n' => match self.pipeline.head() {
                Some(Pending::Describe(_)) => {
                    self.pipeline.pop();
                }
                Some(Pending::Fields) => {
                    self.pipeline.pop();
                    if head.tag == b'T' {
                        self.rows_described(body)?;
                    }
                    return Ok(Some(Step::Discard(head.len)));
                }
                _ if head.tag == b'T' => self.rows_described(body)?,
                _ => {}
            },
            b'C' => self.completed(body.cstr().unwrap_or_default()),
            b'I' => self.completed(b""),
            b's' => self.finish_execute(),
            b'G' | b'W' => {
                self.copy_in = true;
                self.pipeline.copy_in()?;
            }
            b'E' => return Ok(Some(self.error(head, body))),
            b'N' => {
                if self.is_logged(body) {
                    return Ok(Some(Step::Discard(head.len)));
                }
                if let Some(told) = self.withheld(head.tag, body) {
                    return Ok(Some(Step::Replace(head.len, told)));
                }
            }
            b'A' if masks => {
                let told = notification(body);
                let told = told.ok_or(CodecError::Server("invalid NotificationResponse"))?;
                return Ok(Some(Step::Replace(head.len, told)));
            }
            b'H' => {
                self.copy_out = true;
                match self.copies_out(body) {
                    Ok(()) => {}
                    Err(CodecError::Unsupported(why)) => {
                        return self.stop_unmasked(head, why).map(Some);
                    }
                    Err(error) => return Err(error),
                }
            }
            b'Z' => {
                let status = body
                    .u8()
                    .ok_or(CodecError::Server("invalid ReadyForQuery"))?;
                return self.ready(head, status).map(Some);
            }
            b'S' => self.reported(body),
            b't' => self.described(body),
            // Copying out ends; notifications; authentication and version during start-up.
            b'c' | b'A' | b'R' | b'K' | b'v' => {}
            _ => return Err(CodecError::Server("sent a message of unknown type")),
        }
        Ok(Some(Step::Pass(head.len)))
    }

    pub(super) fn data(&mut self, head: Head) {
        // A row that is copied is one, too.
        let rows = u64::from(head.tag != b'V');
        let bytes = u64::try_from(head.len.saturating_sub(wire::HEAD)).unwrap_or(u64::MAX);
        self.returned.rows += rows;
        self.returned.bytes_out += bytes;
        self.count_moment(rows, bytes);
        if let Some(tally) = self.pipeline.head().and_then(Pending::tally) {
            if head.tag == b'D' {
                tally.outcome.rows += 1;
            }
            tally.outcome.bytes_out += bytes;
        }
    }

    /// Whether what a function that was called by its number returns is masked.
    fn hides_call(&mut self) -> bool {
        let results = self.pipeline.head().and_then(Pending::results);
        let traced = results.and_then(|results| results.traced());
        traced.is_some_and(|traced| !traced.is_clean())
    }

    /// A `Parse`, `Bind` or `Close` has come true.
    fn confirmed(&mut self) {
        match self.pipeline.pop() {
            Some(Pending::Parse(name, prepared)) => {
                let bytes = prepared.bytes();
                self.statements.confirm(&name, prepared, bytes);
            }
            Some(Pending::Bind(name, bound)) => {
                // The server has one table for portals and cursors.
                self.cursors.forget(&name);
                let bytes = bound.prepared.bytes();
                self.portals.confirm(&name, bound, bytes);
            }
            Some(Pending::CloseStatement(name)) => self.statements.forget(&name),
            Some(Pending::ClosePortal(name)) => {
                self.portals.forget(&name);
                self.cursors.forget(&name);
            }
            _ => {}
        }
    }

    /// `ParameterDescription`: the types of a statement's parameters, for people who are shown them.
    fn described(&mut self, mut body: Cursor<'_>) {
        let Some(Pending::Describe(Some(name))) = self.pipeline.head() else {
            return;
        };
        let Some(prepared) = self.statements.known(name) else {
            return;
        };
        let count = body.u16().unwrap_or(0);
        let types: Box<[u32]> = (0..count).map_while(|_| body.u32()).collect();
        if types != prepared.types {
            let prepared = Prepared {
                types,
                ..Prepared::clone(&prepared)
            };
            let bytes = prepared.bytes();
            let name = name.clone();
            self.statements.confirm(&name, Arc::new(prepared), bytes);
        }
    }

    pub(super) fn completed(&mut self, tag: &[u8]) {
        self.copy_in = false;
        // What was copied to the agent has the tag of what is copied from it.
        if !std::mem::take(&mut self.copy_out) {
            let changed = affected(tag);
            self.returned.writes = self.returned.writes.saturating_add(changed);
            self.count_affected(changed);
        }
        let Some(head) = self.pipeline.head() else {
            return;
        };
        if let Some(tally) = head.tally() {
            tally.outcome.affected += affected(tag);
            if tally.outcome.tags.len() < TAGS && !tag.is_empty() {
                tally
                    .outcome
                    .tags
                    .push(String::from_utf8_lossy(tag).into_owned());
            }
        }
        if let Some(results) = head.results() {
            results.next();
        }
        if let Pending::Execute(tally, Some(script)) = head {
            let (ask, script) = (tally.outcome.ask, Arc::clone(script));
            let traced = tally
                .results
                .as_ref()
                .and_then(|results| results.traced().cloned());
            self.follow(&script, ask, traced.as_ref());
            self.transaction_moves(&script);
        }
        self.finish_execute();
    }

    /// SQL that changes what names mean has run.
    fn follow(&mut self, script: &Script, ask: AskId, traced: Option<&Traced>) {
        self.remember_cursors(script, traced);
        for effect in &script.effects {
            match effect {
                Effect::Prepare { name, units } => {
                    let made = traced.and_then(|it| it.made(&Named::Prepared(name.clone())));
                    let prepared = Prepared::by_sql(ask, script, Arc::clone(units), made);
                    let bytes = prepared.bytes();
                    self.statements
                        .confirm(name.as_bytes(), Arc::new(prepared), bytes);
                }
                Effect::Declare { cursor, units } => {
                    self.portals.forget(cursor.as_bytes());
                    let bytes = script::bytes(units);
                    self.cursors
                        .confirm(cursor.as_bytes(), Arc::clone(units), bytes);
                }
                gone => self.forget(gone),
            }
        }
    }

    /// SQL that changes what names mean has failed, maybe half-way: they mean nothing known. But `PREPARE` takes
    /// no name from what has it: if one was known, it is what it was.
    pub(super) fn give_up(&mut self, script: &Script) {
        let prepares = |effect: &&Effect| matches!(effect, Effect::Prepare { .. });
        for effect in script.effects.iter().filter(|effect| !prepares(effect)) {
            self.forget(effect);
        }
    }

    fn forget(&mut self, effect: &Effect) {
        match effect {
            Effect::Prepare { name, .. } | Effect::Deallocate { name: Some(name) } => {
                self.statements.forget(name.as_bytes());
            }
            Effect::Deallocate { name: None } => self.statements.clear(),
            Effect::Declare { cursor, .. }
            | Effect::CloseCursor {
                cursor: Some(cursor),
            } => {
                self.cursors.forget(cursor.as_bytes());
                self.portals.forget(cursor.as_bytes());
            }
            Effect::CloseCursor { cursor: None } => {
                self.cursors.clear();
                self.portals.clear();
            }
            Effect::DiscardAll => {
                self.statements.clear();
                self.portals.clear();
                self.cursors.clear();
            }
            Effect::Execute { .. } | Effect::Fetch { .. } => {}
            Effect::SearchPathChanged | Effect::ReadingChanged | Effect::ReadingReset => {}
        }
    }

    /// `ParameterStatus`: how the server reads texts from now on. From PostgreSQL 18 on it tells of
    /// the search path too, whatever changed it; which schemas that comes to is to be asked.
    fn reported(&mut self, mut body: Cursor<'_>) {
        let (name, value) = (
            body.cstr().unwrap_or_default(),
            body.cstr().unwrap_or_default(),
        );
        match name {
            b"standard_conforming_strings" => {
                self.session.strings = if value == b"on" {
                    Strings::Standard
                } else {
                    Strings::Escaping
                };
            }
            b"client_encoding" => {
                self.brought_now = Brought::by(value);
                self.brought_before = self.brought_before.max(self.brought_now);
                self.session.encoding = match self.brought_now {
                    Brought::Whole => Encoding::Utf8,
                    Brought::Western | Brought::Otherwise => Encoding::Uncertain,
                };
            }
            b"server_encoding" => {
                self.session.database = match value {
                    b"UTF8" => Encoding::Utf8,
                    _ => Encoding::Uncertain,
                };
            }
            b"search_path" => self.path_changes(),
            _ => {}
        }
    }

    pub(super) fn finish_execute(&mut self) {
        if matches!(self.pipeline.head(), Some(Pending::Execute(..)))
            && let Some(Pending::Execute(tally, _)) = self.pipeline.pop()
        {
            self.forget_cursors(tally.opens());
            self.reports.push_back(Report::Outcome(tally.outcome));
        }
    }

    pub(super) fn ready(&mut self, head: Head, status: u8) -> Result<Step, CodecError> {
        self.copy_in = false;
        self.status = status;
        self.transaction_told();
        if status == b'I' {
            self.portals.clear();
            self.here = Here::default();
        }
        match self.pipeline.pop() {
            // The client may send statements once the path is told: its welcome is the end of that.
            Some(Pending::Startup(_)) if self.pipeline.owes_path() => {
                return Ok(Step::Discard(head.len));
            }
            Some(Pending::Startup(_)) => self.phase = Phase::Ready,
            Some(Pending::Query(tally, script)) => {
                self.forget_cursors(tally.opens());
                if tally.outcome.error.is_some() {
                    self.give_up(&script);
                } else {
                    let traced = tally.results.as_ref().and_then(|it| it.traced());
                    self.follow(&script, tally.outcome.ask, traced);
                }
                // A simple query takes the place of the unnamed statement.
                self.statements.forget(b"");
                self.reports.push_back(Report::Outcome(tally.outcome));
            }
            Some(Pending::Call(tally)) => {
                self.forget_cursors(tally.opens());
                self.reports.push_back(Report::Outcome(tally.outcome));
            }
            Some(Pending::Sync) => {}
            _ => {
                return Err(CodecError::Server(
                    "was ready before everything was answered",
                ));
            }
        }
        if self.defines || self.defined && status == b'I' {
            self.definitions_changed();
            self.defined = status != b'I';
            self.defines &= !self.pipeline.is_settled();
            self.renames &= self.defines || self.defined;
        }
        self.diverts &= self.defines || self.defined || !self.pipeline.is_settled();
        self.strays &= self.defines || self.defined || !self.pipeline.is_settled();
        if self.pipeline.is_settled() {
            self.reading_changes = Reading::Stays;
            self.sent_since_ready = false;
            // Outside a transaction there is nothing left to be rolled back.
            self.reading_may_revert &= status != b'I';
        }
        Ok(Step::Pass(head.len))
    }
}

/// How many rows a completion tag says were changed: `INSERT 0 5`, `UPDATE 3`, `COPY 7`.
fn affected(tag: &[u8]) -> u64 {
    let text = std::str::from_utf8(tag).unwrap_or_default();
    let mut words = text.split(' ');
    match words.next() {
        Some("INSERT" | "UPDATE" | "DELETE" | "MERGE" | "COPY") => words
            .next_back()
            .and_then(|count| count.parse().ok())
            .unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::affected;

    #[test]
    fn tags_tell_how_many_rows_changed() {
        assert_eq!(affected(b"INSERT 0 5"), 5);
        assert_eq!(affected(b"DELETE 12"), 12);
        assert_eq!(affected(b"SELECT 12"), 0);
        assert_eq!(affected(b"CREATE TABLE"), 0);
    }
}
