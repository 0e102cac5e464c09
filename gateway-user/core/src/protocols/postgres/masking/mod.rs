//! What is masked of what the server sends.
//!
//! Before a message is judged, its text is traced (`crate::sql::postgres::lineage`): which masks it touches
//! are facts for policy, and what it returns is kept with it until its rows come (`traced`). `rows`, with `long`, masks these by their `cell`s, `changes` says what is known no more once something has run; `copied`, with `fields`,
//! what `COPY … TO STDOUT` writes, `encodings` what becomes of texts on the way to the client, `withheld` errors and notices; `screened` is about what is looked for in
//! values wherever they come from, which needs no trace. INVARIANT: while masks apply, a row passes
//! only if its columns are known, and each that is not clean was masked.

mod cell;
mod changes;
mod copied;
mod encodings;
mod fields;
mod long;
mod rows;
mod screened;
mod traced;
mod withheld;

use std::sync::Arc;

use super::again::{Again, Latest};
use super::codec::PostgresCodec;
use super::names::Resolved;
use super::pipeline::{Bound, Pending, Prepared};
use super::resolve::refers_to_names;
use super::script::{self, Script};
use super::wire::server_name;
use crate::facts::{Fact, FactSet};
use crate::protocols::CodecError;
use crate::sql::postgres::lineage::{Code, Masked, Masks, Named, Statement, Trace};
use crate::sql::postgres::{SearchPath, Session};

pub(super) use encodings::Brought;
pub(super) use rows::Results;
pub(super) use screened::{Copies, Looking};
pub(super) use traced::{Made, Traced, Tracing, may_touch};
pub(super) use withheld::notification;

use changes::is_new_enough;
use traced::Known;

use super::attributes as slot;

/// Whether and what is masked in a session.
#[derive(Debug, Default)]
pub(super) enum Masking {
    /// Nothing.
    #[default]
    Off,
    /// Something, and what that comes to in this database is being found out: nothing is judged before. With
    /// what was known before.
    Waiting(Option<Arc<Masked>>),
    /// This.
    On(Arc<Masked>),
}

impl PostgresCodec {
    /// What is known may be too old, or nothing is: it is to be found out.
    pub(super) fn ask_masks(&mut self) {
        self.asked_at = match &self.masking {
            Masking::On(masked) | Masking::Waiting(Some(masked)) => Some(masked.edition().now()),
            Masking::Off | Masking::Waiting(None) => None,
        };
        let known = match std::mem::take(&mut self.masking) {
            Masking::On(masked) => Some(masked),
            Masking::Waiting(known) => known,
            Masking::Off => None,
        };
        self.masking = Masking::Waiting(known);
        self.wants_masks = true;
    }

    /// What is masked, if that is known; asks for it where it is not.
    fn masked_now(&mut self) -> Option<Arc<Masked>> {
        let asked_at = self.asked_at;
        match &self.masking {
            Masking::On(masked) if is_new_enough(masked, asked_at) => {
                return Some(Arc::clone(masked));
            }
            Masking::On(_) => self.ask_masks(),
            Masking::Off | Masking::Waiting(_) => {}
        }
        None
    }

    /// What a text does with masked columns; none of the text is known where it is not held whole.
    pub(super) fn trace(&mut self, text: Option<&[u8]>, session: &Session) -> Tracing {
        self.trace_again(text, session, None)
    }

    /// The same of one of which something may be known.
    fn trace_again(
        &mut self,
        text: Option<&[u8]>,
        session: &Session,
        again: Option<&Again>,
    ) -> Tracing {
        let old = match &self.masking {
            Masking::Off => return Tracing::Off,
            Masking::On(masked) => !is_new_enough(masked, self.asked_at),
            Masking::Waiting(_) => return Tracing::Wait,
        };
        if (old || self.renames)
            && let Some(traced) = self.untouching(text, session, again)
            // What is not there any more is not redefined.
            && (self.renames || !traced.redefines())
        {
            return Tracing::Known(traced);
        }
        let Some(masked) = self.masked_now() else {
            return Tracing::Wait;
        };
        // Whoever has renamed something in a transaction has to be able to end it.
        let mut certain = |text: &&[u8]| {
            !self.renames || script::heeds_no_names(&self.script_again(text, session, again).units)
        };
        let Some(text) = text.filter(&mut certain) else {
            return Tracing::Known(Traced::unknown(&masked));
        };
        // What the transaction has made is in no catalog, and goes with it.
        let by = &self.doubting(session);
        let trace = match again.filter(|_| self.here.is_empty()) {
            Some(again) => again.trace(by, &masked, || masked.trace(text, by)),
            None => masked.trace_beside(text, by, &self.here),
        };
        // Something in it may move the path for what comes after it in the same text.
        let is_several = trace.statements.len() > 1;
        let moves = is_several && {
            let script = self.script_again(text, session, again);
            let moves =
                |effect: &script::Effect| matches!(effect, script::Effect::SearchPathChanged);
            script.effects.iter().any(moves) || runs_between(&trace)
        };
        let trace = match moves && by.search_path != SearchPath::Unknown {
            true => {
                let anywhere = Session {
                    search_path: SearchPath::Unknown,
                    ..by.clone()
                };
                masked.trace_beside(text, &anywhere, &self.here)
            }
            false => trace,
        };
        if trace.missing && !self.missed {
            // What it names may be newer than what is known.
            self.missed = true;
            self.ask_masks();
            return Tracing::Wait;
        }
        self.missed = false;
        // What comes after it in the same text is run when names mean something else.
        let renames = is_several && {
            let script = self.script_again(text, session, again);
            self.may_rename(&script.units)
        };
        if renames {
            let untouching = self.untouching(Some(text), session, again);
            return Tracing::Known(untouching.unwrap_or_else(|| Traced::unknown(&masked)));
        }
        Tracing::Known(self.followed(&masked, &trace))
    }

    /// What a text asks for that was read before.
    fn script_again(
        &mut self,
        text: &[u8],
        session: &Session,
        again: Option<&Again>,
    ) -> Arc<Script> {
        match again {
            Some(again) => again.script(session, || self.scripts.script(text, session)),
            None => Latest::script(&mut self.latest, text, session, &self.scripts),
        }
    }

    /// What a prepared statement does with masked columns.
    pub(super) fn trace_prepared(&mut self, prepared: &Prepared) -> Tracing {
        if let Some(text) = &prepared.text {
            let session = Session {
                search_path: self.session().search_path,
                ..prepared.session.clone()
            };
            return self.trace_again(Some(text), &session, Some(&prepared.again));
        }
        if matches!(self.masking, Masking::Off) {
            return Tracing::Off;
        }
        let Some(masked) = self.masked_now() else {
            return Tracing::Wait;
        };
        let known = match self.renames {
            true => Known::Unknown,
            false => self.runs_prepared(prepared, &masked),
        };
        Tracing::Known(Traced {
            masked,
            statements: Arc::new([known]),
            unsure: false,
            brought: Brought::default(),
        })
    }

    /// What the cursor of this name returns, where SQL has declared it.
    pub(super) fn trace_cursor(&mut self, name: &[u8]) -> Tracing {
        if matches!(self.masking, Masking::Off) {
            return Tracing::Off;
        }
        let Some(masked) = self.masked_now() else {
            return Tracing::Wait;
        };
        let known = self.runs_cursor(name, &masked);
        Tracing::Known(Traced {
            masked,
            statements: Arc::new([known]),
            unsure: false,
            brought: Brought::default(),
        })
    }

    /// What a function that is called by its number does: only those of large objects are known, and one of
    /// them reads files of the server.
    pub(super) fn trace_call(&mut self, units: &[FactSet]) -> Tracing {
        let named = units.iter().all(|unit| match unit.fact(slot::FUNCTION) {
            Fact::Names(names) => names.iter().all(|it| &*it.name != "lo_import"),
            _ => false,
        });
        match self.trace(None, &Session::default()) {
            Tracing::Known(traced) if named => Tracing::Known(Traced {
                statements: Arc::new([Known::Runs(Arc::new(Statement::default()))]),
                ..traced
            }),
            other => other,
        }
    }

    /// A trace, with what is run by name in the place of what runs it.
    fn followed(&self, masked: &Arc<Masked>, trace: &Arc<Trace>) -> Traced {
        let statements = trace.statements.iter().enumerate();
        let statements = statements.map(|(index, statement)| {
            let Some(name) = &statement.runs else {
                return Known::Of(Arc::clone(trace), index);
            };
            // What it is given may be masked: what was told of what it runs was told without that.
            if statement.copied != Masks::default() {
                return Known::Unknown;
            }
            let before = trace.statements.get(..index).unwrap_or_default();
            let makes = before.iter().rev().filter_map(|it| it.makes.as_ref());
            let mut makes = makes.filter(|made| made.name == *name);
            let opens = before.iter().any(|it| it.code == Code::Opens);
            let known = match makes.next() {
                _ if opens && matches!(name, Named::Cursor(_)) => Known::Unknown,
                Some(made) => Known::Runs(Arc::clone(&made.statement)),
                None => self.named(name, masked),
            };
            // The plan of what is run tells how large the values were that are read on the way.
            let is_measured = statement.probed != Masks::default();
            match known.statement().filter(|it| is_measured && it.touches) {
                Some(measured) => Known::Runs(Arc::new(Statement {
                    probed: Masks::Unknown,
                    ..measured.clone()
                })),
                None => known,
            }
        });
        Traced {
            masked: Arc::clone(masked),
            statements: statements.collect(),
            unsure: false,
            brought: Brought::default(),
        }
    }

    /// What a name stands for that was given by an earlier message.
    fn named(&self, name: &Named, masked: &Arc<Masked>) -> Known {
        let prepared = match name {
            Named::Prepared(name) => {
                let name = name.as_bytes();
                self.statements
                    .resolve(name, self.pipeline.statement(server_name(name)))
            }
            Named::Cursor(name) => {
                let name = name.as_bytes();
                match self
                    .portals
                    .resolve(name, self.pipeline.portal(server_name(name)))
                {
                    Resolved::Known(bound) if self.is_overtaken(&bound) => return Known::Unknown,
                    Resolved::Known(bound) if !refers_to_names(&bound.prepared.script) => {
                        let traced = bound.traced.as_ref();
                        let known = traced.and_then(|traced| traced.statements.first());
                        return known.cloned().unwrap_or(Known::Unknown);
                    }
                    Resolved::Known(bound) => Resolved::Known(Arc::clone(&bound.prepared)),
                    Resolved::Undecided => Resolved::Undecided,
                    Resolved::Unknown => {
                        return self.runs_cursor(name, masked);
                    }
                }
            }
        };
        let Resolved::Known(prepared) = prepared else {
            return Known::Unknown;
        };
        let Some(text) = &prepared.text else {
            return self.runs_prepared(&prepared, masked);
        };
        let session = self.doubting(&Session {
            search_path: self.session().search_path,
            ..prepared.session.clone()
        });
        let trace = || masked.trace(text, &session);
        let trace = prepared.again.trace(&session, masked, trace);
        match trace.statements.first() {
            // What it runs in turn is not followed further.
            Some(statement) if statement.runs.is_none() => Known::Of(trace, 0),
            _ => Known::Unknown,
        }
    }

    /// What the prepared statement does that SQL has made. The server reads it anew where names mean something
    /// else by now.
    fn runs_prepared(&self, prepared: &Prepared, masked: &Arc<Masked>) -> Known {
        let Some(made) = &prepared.made else {
            return Known::Unknown;
        };
        let is_by_path = prepared.session.search_path == self.session.search_path;
        if is_by_path && !self.path_doubted && is_as_it_was(made, masked) {
            return Known::Runs(Arc::clone(&made.statement));
        }
        let Some(text) = &made.text else {
            return Known::Unknown;
        };
        let session = self.doubting(&Session {
            search_path: self.session.search_path.clone(),
            ..Session::default()
        });
        let trace = masked.trace(text.as_bytes(), &session);
        let mut statements = trace.statements.iter().rev();
        let again = statements.find_map(|it| it.makes.as_ref().filter(|it| it.name == made.name));
        match again {
            Some(again) => Known::Runs(Arc::clone(&again.statement)),
            None => Known::Unknown,
        }
    }

    /// What the cursor returns that SQL has declared, as long as its name is known to be that. It was planned when
    /// it was declared, but the functions that it calls may be others by now.
    fn runs_cursor(&self, name: &[u8], masked: &Arc<Masked>) -> Known {
        let made = self
            .cursors
            .known(name)
            .and_then(|_| self.made_cursors.known(name));
        match made {
            Some(made)
                if is_as_it_was(&made, masked)
                    || made.statement.spares() && made.masked.masks() == masked.masks() =>
            {
                Known::Runs(made.statement)
            }
            _ => Known::Unknown,
        }
    }

    /// Whether columns are masked.
    pub(super) fn masks_columns(&self) -> bool {
        !matches!(self.masking, Masking::Off)
    }

    /// Masks have come, and nothing is known of them yet.
    pub(super) fn awaits_masks(&self) -> bool {
        matches!(self.masking, Masking::Waiting(None))
    }

    /// What a portal returns by what was known when it was bound.
    pub(super) fn traced_when_bound(&self, bound: &Bound) -> Option<Traced> {
        match &self.masking {
            _ if self.is_overtaken(bound) => bound.traced.as_ref().map(Traced::forgotten),
            _ if bound.traced.is_some() => bound.traced.clone(),
            // Masks have come since.
            Masking::On(masked) | Masking::Waiting(Some(masked)) => Some(Traced::unknown(masked)),
            Masking::Off | Masking::Waiting(None) => None,
        }
    }

    /// Units with the facts about masks, where something is masked.
    pub(super) fn with_masks(
        &self,
        units: Arc<[FactSet]>,
        traced: Option<&mut Traced>,
    ) -> Arc<[FactSet]> {
        match traced {
            Some(traced) => {
                traced.brought = self.brought(&units);
                traced.facts(&units, self.measured)
            }
            None => units,
        }
    }

    /// SQL has made what these effects name: what that returns is remembered.
    pub(super) fn remember_cursors(&mut self, script: &Script, traced: Option<&Traced>) {
        for effect in &script.effects {
            let script::Effect::Declare { cursor, .. } = effect else {
                continue;
            };
            match traced.and_then(|traced| traced.made(&Named::Cursor(cursor.clone()))) {
                Some(made) => {
                    let bytes = made.bytes();
                    self.made_cursors.confirm(cursor.as_bytes(), made, bytes);
                }
                None => self.made_cursors.forget(cursor.as_bytes()),
            }
        }
    }

    /// What is known of the data that comes now; none where nothing is masked of it.
    fn expected(&mut self) -> Result<Option<&mut Results>, CodecError> {
        let masks = !matches!(self.masking, Masking::Off) || self.looking.screen.is_some();
        match self.pipeline.head().and_then(Pending::tally) {
            Some(tally) => Ok(tally.results.as_deref_mut()),
            None if masks => Err(CodecError::Server("sent data that nobody asked for")),
            None => Ok(None),
        }
    }

    /// What is known of the results of what the server answers now.
    fn results(&mut self) -> Option<&mut Results> {
        self.pipeline.head().and_then(Pending::results)
    }
}

/// Whether something runs in a text that may change what comes after it in the text.
fn runs_between(trace: &Trace) -> bool {
    let (_, before) = trace.statements.split_last().unzip();
    before.is_some_and(|before: &[Statement]| before.iter().any(|it| it.code >= Code::Sets))
}

/// Whether what was made does what was found out when it was: a catalog is read again now and then although
/// nothing is known to have changed.
fn is_as_it_was(made: &Made, masked: &Masked) -> bool {
    let then = &made.masked;
    then.edition().is_same(masked.edition()) && then.masks() == masked.masks()
}
