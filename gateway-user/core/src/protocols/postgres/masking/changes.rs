//! What is let pass may change what is known: what names mean in the database, in which schemas they are looked
//! for, how texts are read, and what cursors are called.

use std::sync::Arc;

use super::traced::{Known, Traced};
use super::{Again, Brought, Masking};
use crate::facts::{Fact, FactSet};
use crate::held::Touches;
use crate::protocols::postgres::attributes as slot;
use crate::protocols::postgres::codec::PostgresCodec;
use crate::protocols::postgres::pipeline::{Bound, Tally};
use crate::protocols::postgres::script::{self, Reading};
use crate::sql::postgres::lineage::apart::Here;
use crate::sql::postgres::lineage::catalog::{RelationKind, TypeKind};
use crate::sql::postgres::lineage::{Code, Masked};
use crate::sql::postgres::{SearchPath, Session};

impl PostgresCodec {
    /// What a text does that touches nothing masked: where names may have changed what they mean, that needs
    /// no catalog that is newer than those changes.
    pub(super) fn untouching(
        &mut self,
        text: Option<&[u8]>,
        session: &Session,
        again: Option<&Again>,
    ) -> Option<Traced> {
        let Masking::On(masked) = &self.masking else {
            return None;
        };
        let masked = Arc::clone(masked);
        let is_newest = is_new_enough(&masked, self.asked_at);
        let text = text.filter(|_| is_newest || masked.is_close())?;
        let trace = masked.untouching(text, session, &self.here)?;
        let is_plain = (is_newest || masked.is_plain()) && !self.diverts;
        if !is_plain {
            // What is written may go elsewhere by now, and what is read may stand behind a view.
            let script = self.script_again(text, session, again);
            let here = &self.here;
            if !script.units.iter().all(|unit| stays(unit, here)) {
                return None;
            }
        }
        let statements = 0..trace.statements.len();
        Some(Traced {
            masked,
            statements: statements
                .map(|index| Known::Of(Arc::clone(&trace), index))
                .collect(),
            unsure: !is_plain,
            brought: Brought::default(),
        })
    }

    /// Something is let pass. What may have something masked shown under another name, which is refused
    /// unless the resource is only observed, leaves nothing certain of what has been made since.
    pub(in super::super) fn note_passed(&mut self, units: &[FactSet], traced: Option<&Traced>) {
        let keeps = match (&self.masking, traced) {
            (Masking::On(masked), Some(traced)) => traced.keeps(masked),
            _ => false,
        };
        self.strays |= !keeps;
        let diverts = traced.is_some_and(Traced::diverts) || self.takes_type_names(units);
        if diverts {
            self.diverts = true;
            self.here.divert();
        }
        match traced.filter(|_| !self.strays) {
            Some(traced) => traced.fresh().for_each(|it| self.here.note(it)),
            None => self.here = Here::default(),
        }
        let code = traced.map_or(Code::Servers, Traced::code);
        if code >= Code::Sets {
            // The server tells of it with `ReadyForQuery` only.
            self.expect_reading(Reading::Changes);
            self.path_may_move();
        }
    }

    /// Something runs that may change the search path, and most likely does not: rules go by what it was, and
    /// masks by none until it is asked for again.
    pub(in super::super) fn path_may_move(&mut self) {
        self.path_doubted = true;
        self.path_stale = true;
    }

    /// By what session a text is traced.
    pub(super) fn doubting(&self, session: &Session) -> Session {
        let search_path = match self.path_doubted {
            true => SearchPath::Unknown,
            false => session.search_path.clone(),
        };
        Session {
            search_path,
            ..session.clone()
        }
    }

    /// Something has run, or failed. If it may have opened and closed cursors nothing is known of those.
    pub(in super::super) fn forget_cursors(&mut self, opens: bool) {
        if opens {
            self.cursors.clear();
            self.made_cursors.clear();
            self.portals.clear();
        }
    }

    /// Whether what a portal calls may have become something else since it was bound, and it touches
    /// something masked.
    pub(in super::super) fn is_overtaken(&self, bound: &Bound) -> bool {
        let touches =
            |traced: &Traced| traced.touches() != Touches::Nothing || traced.code() > Code::Servers;
        self.renames && bound.traced.as_ref().is_some_and(touches)
    }

    /// Whether these units may make a name mean something else, or a table or view of the name of a type that
    /// is no table's: casts to it then mean that one.
    pub(in super::super) fn may_rename(&self, units: &[FactSet]) -> bool {
        script::may_rename(units) || self.takes_type_names(units)
    }

    fn takes_type_names(&self, units: &[FactSet]) -> bool {
        let (Masking::On(masked) | Masking::Waiting(Some(masked))) = &self.masking else {
            return false;
        };
        units.iter().any(|unit| {
            script::makes_rows(unit)
                && match unit.fact(slot::WRITE) {
                    Fact::Names(names) => names.iter().any(|it| is_type(masked, &it.name)),
                    _ => true,
                }
        })
    }

    /// Something ran that may have changed what names mean in this database.
    pub(in super::super) fn definitions_changed(&mut self) {
        if let Masking::On(masked) | Masking::Waiting(Some(masked)) = &self.masking {
            match (self.strays, self.diverts) {
                (true, _) => masked.edition().outdate(),
                (false, true) => masked.outdate(),
                (false, false) => masked.outdate_plainly(),
            }
        }
    }
}

impl Tally {
    /// Whether what runs may open and close cursors.
    pub(in super::super) fn opens(&self) -> bool {
        let traced = self.results.as_deref().and_then(|it| it.traced());
        traced.is_some_and(|traced| traced.code() == Code::Opens)
    }
}

/// Whether what is known of a database has all that had changed when it was asked for.
pub(super) fn is_new_enough(masked: &Masked, asked_at: Option<u64>) -> bool {
    masked.is_current() || asked_at.is_some_and(|count| masked.edition().reaches(count))
}

/// Whether a unit writes to nothing but what was made in this transaction.
fn stays(unit: &FactSet, here: &Here) -> bool {
    let kind = match unit.fact(slot::KIND) {
        Fact::Text(kind) => &**kind,
        _ => return false,
    };
    match (kind, unit.fact(slot::WRITE)) {
        ("write", Fact::Names(names)) => names.iter().all(|it| here.has_table(&it.name)),
        ("write" | "code" | "admin", _) => false,
        _ => true,
    }
}

/// Whether there is a type of this name that is no table's.
fn is_type(masked: &Masked, name: &str) -> bool {
    let catalog = masked.catalog();
    let is_of_table = |kind| match kind {
        TypeKind::Composite(relation) => {
            let relation = catalog.relation(relation);
            relation.is_none_or(|it| it.kind != RelationKind::Other)
        }
        _ => false,
    };
    catalog.types_named(name).any(|ty| !is_of_table(ty.kind))
}
