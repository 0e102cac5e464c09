//! Messages of a client whose session is ready.
//!
//! Source: PostgreSQL documentation, "Message Flow": "Simple Query", "Extended Query",
//! "Pipelining", "Function Call" and "COPY Operations".

use std::sync::Arc;

use bytes::Bytes;

use super::again::{Again, Latest};
use super::attributes as slot;
use super::codec::{Asked, PostgresCodec};
use super::masking::may_touch;
use super::names::Resolved;
use super::pipeline::{Pending, Prepared};
use super::reply;
use super::resolve::refers_to_names;
use super::script::{self, Effect, Script};
use super::wire::{self, Head, server_name};
use crate::cursor::Cursor;
use crate::facts::{Fact, FactSet, Facts, Stage};
use crate::ids::AskId;
use crate::protocols::{Ask, CodecError, GATHER_LIMIT, Step, Then};
use crate::sql::postgres::Session;

/// What may go to the server without a permit: it continues, describes, closes or ends what was
/// judged, or carries the data of a judged `COPY`. `Execute` is among them because it runs a portal
/// whose `Bind` was judged; one of an unknown portal is asked for.
pub(super) fn is_housekeeping(tag: u8) -> bool {
    matches!(
        tag,
        b'p' | b'D' | b'E' | b'C' | b'H' | b'S' | b'X' | b'd' | b'c' | b'f'
    )
}

pub(super) const CUT: CodecError = CodecError::Client("invalid message format");

/// What an ask needs besides its place in the input.
pub(super) struct Request {
    pub(super) request: &'static str,
    pub(super) text: Option<Bytes>,
    pub(super) of: Option<AskId>,
    pub(super) units: Arc<[FactSet]>,
    pub(super) then: Then,
}

impl PostgresCodec {
    /// Reads one message.
    pub(super) fn client_ready(&mut self, input: &[u8]) -> Result<Option<Step>, CodecError> {
        let step = self.client_message(input);
        if !matches!(step, Ok(None)) {
            self.latest = None;
            // What was asked for to judge it is of no use to what comes after it.
            self.asked_at = None;
        }
        step
    }

    fn client_message(&mut self, input: &[u8]) -> Result<Option<Step>, CodecError> {
        let Some(head) = wire::client_head(input)? else {
            return Ok(None);
        };
        if self.skipping && !matches!(head.tag, b'S' | b'X') {
            return Ok(Some(Step::Discard(head.len)));
        }
        if self.copy_in {
            return self.client_copying(head);
        }
        if self.is_aborting() {
            return Ok(None);
        }
        if self.pipeline.is_full() || self.pipeline.owes_path() {
            return Ok(self.wait_for_server());
        }
        match head.tag {
            b'Q' | b'P' | b'B' | b'E' | b'D' | b'C' | b'F' => {
                let gather = head.len.min(GATHER_LIMIT);
                let Some(message) = input.get(..gather) else {
                    return Ok(None);
                };
                let body = Cursor::new(message.get(wire::HEAD..).unwrap_or_default());
                if self.waits_behind(head.tag, body) || self.waits_for_moment(head.tag) {
                    return Ok(self.wait_for_server());
                }
                if self.should_ask_path(head.tag, body) {
                    self.ask_path();
                    return Ok(None);
                }
                match head.tag {
                    b'Q' => self.query(head, gather, body),
                    b'P' => self.parse(head, gather, body),
                    b'B' => self.bind(head, gather, body),
                    b'E' => self.execute(head, message, body),
                    b'D' => self.describe(head, body),
                    b'C' => self.close(head, body),
                    _ => self.function_call(head, gather, body),
                }
            }
            // The server would fail, and skip what follows in a way that is not followed here.
            b'S' | b'H' if head.len != wire::HEAD => Err(CUT),
            b'S' => {
                (self.skipping, self.executed) = (false, false);
                self.pipeline.push(Pending::Sync);
                Ok(Some(Step::Pass(head.len)))
            }
            b'H' => Ok(Some(Step::Pass(head.len))),
            b'X' => Ok(Some(Step::Finish(head.len))),
            // Left over from a COPY that the server has ended: it ignores them too. While answers
            // are missing they may still belong to a COPY whose start is one of them.
            b'd' | b'c' | b'f' if self.pipeline.is_empty() => Ok(Some(Step::Discard(head.len))),
            b'd' | b'c' | b'f' => Ok(self.wait_for_server()),
            _ => Err(CodecError::Client("invalid frontend message type")),
        }
    }

    /// The server takes copied data, which belongs to a statement that was judged.
    fn client_copying(&mut self, head: Head) -> Result<Option<Step>, CodecError> {
        match head.tag {
            b'd' | b'c' | b'f' if self.is_stopped() => Ok(Some(Step::Discard(head.len))),
            b'd' if self.is_beyond(head, 0) => Ok(Some(Step::Discard(head.len))),
            b'd' => {
                if let Some(tally) = self.pipeline.head().and_then(Pending::tally) {
                    let data = head.len.saturating_sub(wire::HEAD);
                    tally.outcome.bytes_in += u64::try_from(data).unwrap_or(u64::MAX);
                }
                Ok(Some(Step::Pass(head.len)))
            }
            b'c' | b'f' => {
                self.copy_in = false;
                Ok(Some(Step::Pass(head.len)))
            }
            // The server ignores these while it copies in.
            b'H' | b'S' => Ok(Some(Step::Discard(head.len))),
            b'X' => Ok(Some(Step::Finish(head.len))),
            _ => Err(CodecError::Client(
                "unexpected message type during COPY from stdin",
            )),
        }
    }

    /// What the text of a message asks for; nothing is known of one that is not held whole.
    fn script(&mut self, text: &[u8], whole: bool) -> Result<Arc<Script>, CodecError> {
        if !whole {
            return Ok(Script::unread());
        }
        let session = self.session();
        let script = Latest::script(&mut self.latest, text, &session, &self.scripts);
        for effect in &script.effects {
            if let Effect::Prepare { .. } | Effect::Declare { .. } = effect {
                self.longest = self.longest.max(text.len());
            }
            if let Effect::Declare { cursor, .. } = effect {
                reply::not_poison(cursor.as_bytes())?;
            }
        }
        Ok(script)
    }

    fn query(
        &mut self,
        head: Head,
        gather: usize,
        mut body: Cursor<'_>,
    ) -> Result<Option<Step>, CodecError> {
        let whole = gather == head.len;
        let text = statement_text(&mut body, whole)?;
        if whole && !body.rest().is_empty() {
            return Err(CUT);
        }
        let script = self.script(text, whole)?;
        let Some(units) = self.resolve(&script) else {
            return Ok(self.wait_for_server());
        };
        let tracing = self.trace(whole.then_some(text), &self.session());
        if tracing.waits() {
            return Ok(None);
        }
        let mut traced = tracing.known();
        let units = self.with_masks(units, traced.as_mut());
        self.looking.copies = self.copies(whole.then_some(text), &self.session());
        let text = Some(Bytes::copy_from_slice(text));
        self.asked = Some(Asked::Query(script, Arc::clone(&units), traced));
        Ok(Some(self.ask(
            head,
            gather,
            Request {
                request: "Query",
                text,
                of: None,
                units,
                then: Then::Forward,
            },
        )))
    }

    fn parse(
        &mut self,
        head: Head,
        gather: usize,
        mut body: Cursor<'_>,
    ) -> Result<Option<Step>, CodecError> {
        let whole = gather == head.len;
        let name = body.cstr().ok_or(CUT)?;
        let text = statement_text(&mut body, whole)?;
        let types = match whole {
            true => parameter_types(&mut body)?,
            false => Box::default(),
        };
        let script = self.script(text, whole)?;
        let Some(units) = self.resolve(&script) else {
            return Ok(self.wait_for_server());
        };
        let session = self.session();
        let tracing = self.trace(whole.then_some(text), &session);
        if tracing.waits() {
            return Ok(None);
        }
        let mut traced = tracing.known();
        let touches = may_touch(traced.as_ref());
        let units = self.with_masks(units, traced.as_mut());
        let units = named(units, name);
        let text = Bytes::copy_from_slice(text);
        let again = Arc::new(Again::of(&session, &script));
        let draft = Prepared {
            ask: None,
            // Of one that is not held whole nothing is known.
            text: whole.then(|| text.clone()),
            types,
            session,
            script,
            units: Arc::clone(&units),
            made: None,
            counted: None,
            touches,
            again,
        };
        self.longest = self.longest.max(draft.text.as_ref().map_or(0, Bytes::len));
        self.asked = Some(Asked::Parse(server_name(name).into(), draft));
        let request = Request {
            request: "Parse",
            text: Some(text),
            of: None,
            units,
            then: Then::Prepare,
        };
        Ok(Some(self.ask(head, gather, request)))
    }

    fn bind(
        &mut self,
        head: Head,
        gather: usize,
        mut body: Cursor<'_>,
    ) -> Result<Option<Step>, CodecError> {
        let portal = body.cstr().ok_or(CUT)?;
        let name = body.cstr().ok_or(CUT)?;
        reply::not_poison(portal)?;
        let prepared = match self
            .statements
            .resolve(name, self.pipeline.statement(server_name(name)))
        {
            Resolved::Known(prepared) => prepared,
            Resolved::Undecided => return Ok(self.wait_for_server()),
            // Most likely the server does not know it either. But most likely is not known.
            Resolved::Unknown => Arc::new(Prepared::unknown()),
        };
        let Some(prepared) = self.revised(prepared, name) else {
            return Ok(self.wait_for_server());
        };
        let tracing = self.trace_prepared(&prepared);
        if tracing.waits() {
            return Ok(None);
        }
        let mut traced = tracing.known();
        let units = self.with_masks(Arc::clone(&prepared.units), traced.as_mut());
        let of = prepared.ask;
        self.asked = Some(Asked::Bind(server_name(portal).into(), prepared, traced));
        Ok(Some(self.ask(
            head,
            gather,
            Request {
                request: "Bind",
                text: None,
                of,
                units,
                then: Then::Forward,
            },
        )))
    }

    /// What a prepared statement is now. The server looks names up again when it is run after the
    /// search path has changed, and an `EXECUTE` in it means what the name stands for by then.
    /// `None` where that depends on answers which are still to come.
    fn revised(&self, prepared: Arc<Prepared>, name: &[u8]) -> Option<Arc<Prepared>> {
        let session = self.session();
        let moved = prepared.session.search_path != session.search_path;
        if !moved && !refers_to_names(&prepared.script) {
            return Some(prepared);
        }
        let Some(text) = &prepared.text else {
            // SQL's PREPARE takes no statement that refers to names; only the path can have moved.
            let units = script::with_path_changed(&prepared.units, &prepared.session.search_path);
            return Some(Arc::new(Prepared {
                session,
                units,
                ..Prepared::clone(&prepared)
            }));
        };
        let read_as = Session {
            search_path: session.search_path,
            ..prepared.session.clone()
        };
        let read = || self.scripts.script(text, &read_as);
        let script = prepared.again.script(&read_as, read);
        let units = named(self.resolve(&script)?, name);
        Some(Arc::new(Prepared {
            session: read_as,
            script,
            units,
            ..Prepared::clone(&prepared)
        }))
    }

    fn describe(&mut self, head: Head, mut body: Cursor<'_>) -> Result<Option<Step>, CodecError> {
        let kind = body.u8().filter(|kind| matches!(kind, b'S' | b'P'));
        let kind = kind.ok_or(CUT)?;
        let name = body.cstr().filter(|_| body.rest().is_empty()).ok_or(CUT)?;
        self.sent_since_ready = true;
        let statement = (kind == b'S').then(|| server_name(name).into());
        self.pipeline.push(Pending::Describe(statement));
        Ok(Some(Step::Pass(head.len)))
    }

    fn close(&mut self, head: Head, mut body: Cursor<'_>) -> Result<Option<Step>, CodecError> {
        let kind = body.u8().ok_or(CUT)?;
        let name: Box<[u8]> = body
            .cstr()
            .map(server_name)
            .filter(|_| body.rest().is_empty())
            .ok_or(CUT)?
            .into();
        self.sent_since_ready = true;
        self.pipeline.push(match kind {
            b'S' => Pending::CloseStatement(name),
            b'P' => Pending::ClosePortal(name),
            _ => return Err(CUT),
        });
        Ok(Some(Step::Pass(head.len)))
    }

    fn function_call(
        &mut self,
        head: Head,
        gather: usize,
        mut body: Cursor<'_>,
    ) -> Result<Option<Step>, CodecError> {
        let units = script::function_call(body.u32().ok_or(CUT)?);
        let tracing = self.trace_call(&units);
        if tracing.waits() {
            return Ok(None);
        }
        let mut traced = tracing.known();
        let units = self.with_masks(units, traced.as_mut());
        self.asked = Some(Asked::Call(Arc::clone(&units), traced));
        Ok(Some(self.ask(
            head,
            gather,
            Request {
                request: "FunctionCall",
                text: None,
                of: None,
                units,
                then: Then::Forward,
            },
        )))
    }

    pub(super) fn ask(&mut self, head: Head, gather: usize, request: Request) -> Step {
        let Request {
            request,
            text,
            of,
            units,
            then,
        } = request;
        self.tell_moment(&units);
        let facts = Facts {
            stage: Stage::Action(units),
            connection: Arc::clone(&self.connection),
        };
        Step::Ask(Box::new(Ask {
            head: gather,
            len: head.len,
            facts,
            request,
            text,
            of,
            then,
            instead: None,
        }))
    }
}

/// The units of a statement that is prepared under `name`.
fn named(units: Arc<[FactSet]>, name: &[u8]) -> Arc<[FactSet]> {
    if name.is_empty() {
        return units;
    }
    let name = Fact::Text(String::from_utf8_lossy(name).into());
    let mut units = units.to_vec();
    for unit in &mut units {
        unit.set(slot::PREPARED, name.clone());
    }
    units.into()
}

/// The text of a statement up to its NUL; of a message that is too long to be held, its beginning.
/// The types that a `Parse` declares for its parameters, which end it.
fn parameter_types(body: &mut Cursor<'_>) -> Result<Box<[u32]>, CodecError> {
    let count = body.u16().ok_or(CUT)?;
    let types: Option<Box<[u32]>> = (0..count).map(|_| body.u32()).collect();
    types.filter(|_| body.rest().is_empty()).ok_or(CUT)
}

fn statement_text<'a>(body: &mut Cursor<'a>, whole: bool) -> Result<&'a [u8], CodecError> {
    match body.cstr() {
        Some(text) => Ok(text),
        None if !whole => Ok(body.rest()),
        None => Err(CUT),
    }
}
