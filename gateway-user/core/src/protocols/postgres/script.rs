//! `Script`: what one text of SQL asks for, as fact sets that policy decides on, with the effects
//! it will have on what later statements mean.
//!
//! The reading of SQL is in `crate::sql::postgres`; this file knows slots and nothing of syntax.
//! The codec keeps scripts by the names of prepared statements and portals, and asks
//! [`Script::resolve`] for what an `EXECUTE` or `FETCH` in the text will run.

use std::sync::Arc;

use super::attributes::{self as slot, ATTRIBUTES};
use crate::facts::FactSet;
use crate::sql::postgres::Session;

/// What one text asks for. Immutable and shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// One fact set for each thing the server will run or may run; never empty. `EXECUTE` and
    /// `FETCH` have unknown tables and functions here, see [`Script::resolve`].
    pub units: Arc<[FactSet]>,
    /// What changes for later statements, in the order in which the server runs them. Each counts
    /// only once the server has run it without an error.
    pub effects: Box<[Effect]>,
}

/// A change of the session's state which later statements depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// `PREPARE`: the name now stands for these units.
    Prepare {
        /// Name as the server holds it.
        name: Box<str>,
        /// Units of the statement inside.
        units: Arc<[FactSet]>,
    },
    /// `EXECUTE`: runs what the name stands for.
    Execute {
        /// Name as the server holds it.
        name: Box<str>,
    },
    /// `DEALLOCATE`: the name, or with `None` every name, stands for nothing. Also names prepared
    /// by the protocol's `Parse`.
    Deallocate {
        /// Name, or all.
        name: Option<Box<str>>,
    },
    /// `DECLARE`: a portal of this name now runs these units.
    Declare {
        /// Name as the server holds it.
        cursor: Box<str>,
        /// Units of the query inside.
        units: Arc<[FactSet]>,
    },
    /// `FETCH` or `MOVE`: runs the portal, which may also be one of the protocol's `Bind`.
    Fetch {
        /// Name as the server holds it.
        cursor: Box<str>,
    },
    /// `CLOSE`: the portal, or with `None` every portal, is gone.
    CloseCursor {
        /// Name, or all.
        cursor: Option<Box<str>>,
    },
    /// `DISCARD ALL`: no prepared statements, no portals, the search path as at the start.
    DiscardAll,
    /// The search path may now be another one: unqualified names could be in any schema.
    SearchPathChanged,
    /// The search path is again as it was when the session started.
    SearchPathReset,
    /// `standard_conforming_strings` or `client_encoding` may now differ: until the server reports
    /// (`ParameterStatus`), texts are to be read with `Strings::Uncertain` and
    /// `Encoding::Uncertain`.
    ReadingChanged,
}

impl Script {
    /// Reads `text`. Never fails: what cannot be read is one unit with `sql.parsed` false.
    ///
    /// Needs a stack of 16 MiB: the grammar recurses as deep as the text nests.
    pub fn read(text: &[u8], session: Session) -> Arc<Script> {
        let _ = (text, session);
        Arc::new(Script {
            units: Arc::new([unknown(false)]),
            effects: Box::new([]),
        })
    }

    /// The units with each `EXECUTE` and `FETCH` replaced by what it runs: the unit takes over
    /// tables and functions of the inner units, and the inner units come after it.
    ///
    /// `lookup` is asked with [`Effect::Execute`] or [`Effect::Fetch`] for names which this text
    /// does not define itself. Where it answers `None`, the unit stays unknown.
    pub fn resolve(&self, lookup: impl FnMut(&Effect) -> Option<Arc<[FactSet]>>) -> Arc<[FactSet]> {
        let _ = lookup;
        Arc::clone(&self.units)
    }
}

/// A unit of which nothing is known: every fact of an action is unknown but `sql.parsed`.
pub fn unknown(parsed: bool) -> FactSet {
    use crate::facts::{Fact, Scope};
    let mut set = FactSet::new(ATTRIBUTES);
    for (index, attribute) in ATTRIBUTES.iter().enumerate() {
        if attribute.scope == Scope::Action {
            set.set(index, Fact::Unknown);
        }
    }
    set.set(slot::PARSED, Fact::Flag(parsed));
    set
}

/// The units of a `FunctionCall` message, which names its function by OID.
pub fn function_call(oid: u32) -> Arc<[FactSet]> {
    let _ = oid;
    Arc::new([unknown(true)])
}
