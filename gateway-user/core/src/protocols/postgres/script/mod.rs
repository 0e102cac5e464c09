//! `Script`: what one text of SQL asks for, as fact sets that policy decides on, with the effects
//! it will have on what later statements mean.
//!
//! The reading of SQL is in `crate::sql::postgres`; this file knows slots and nothing of syntax.
//! The codec keeps scripts by the names of prepared statements and portals, and asks
//! [`Script::resolve`] for what an `EXECUTE` or `FETCH` in the text will run. `masks` adds what becomes of
//! masked columns, where some are; `risk` says what the facts come to.

mod call;
mod definitions;
mod masks;
mod risk;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::attributes::{self as slot, ATTRIBUTES};
use crate::facts::{Fact, FactSet, Name, Schema, Scope, Usual};
use crate::sql::postgres::{
    Analysis, DECIDE_PATH, Most, Names, SearchPath, Session, Setting, Unit, analyse,
};

pub use self::call::function_call;
pub use self::definitions::{heeds_no_names, makes_rows, may_define, may_rename, may_run_code};
pub use self::masks::with_masks;
pub use self::risk::RISKS;

/// A change of the session's state which later statements depend on.
pub type Effect = crate::sql::postgres::Effect<Arc<[FactSet]>>;

/// The slots that hold lists of names.
const LISTS: [usize; 4] = [slot::TABLE, slot::READ, slot::WRITE, slot::FUNCTION];

/// Most units that a text with `EXECUTE` and `FETCH` may come to with all that these run, and most
/// names in them. Beyond, it counts as unread: what was prepared once could be run in one text so
/// often that it fills the memory.
const MOST_RESOLVED: usize = 16_384;

/// Most steps that [`Script::resolve`] takes: units that run something, times changes.
const MAX_STEPS: usize = 1_000_000;

/// What one text asks for. Immutable and shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// One fact set for each thing the server will run or may run; never empty. `EXECUTE` and
    /// `FETCH` have unknown tables and functions here, see [`Script::resolve`].
    pub units: Arc<[FactSet]>,
    /// What changes for later statements, in the order in which the server runs them.
    pub effects: Box<[Effect]>,
    /// By which path unqualified names in it were taken, where it does not change that itself.
    pub search_path: SearchPath,
    /// For each effect, the index of the unit that has it.
    made_by: Box<[usize]>,
    deferred: Box<[Deferred]>,
}

/// A unit that runs what was named earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Deferred {
    unit: usize,
    /// The unit without what it runs.
    itself: FactSet,
    /// [`Effect::Execute`] or [`Effect::Fetch`].
    runs: Box<[Effect]>,
    /// Whether the inner units are run by this unit and by none inside it.
    directly: bool,
}

impl Script {
    /// Reads `text`. Never fails: what cannot be read is one unit with `sql.parsed` false.
    ///
    /// Needs a stack of 16 MiB, see [`analyse`].
    pub fn read(text: &[u8], session: &Session) -> Arc<Script> {
        let Analysis {
            units,
            effects,
            statements,
        } = analyse(text, session);
        let mut deferred = Vec::new();
        let sets: Arc<[FactSet]> = units
            .into_iter()
            .enumerate()
            .map(|(index, unit)| {
                let runs: Box<[Effect]> = unit.runs.iter().cloned().map(name).collect();
                let directly = matches!(unit.verb, "execute" | "fetch" | "move");
                let mut set = fact_set(unit, statements);
                if !runs.is_empty() {
                    let itself = set.clone();
                    LISTS
                        .into_iter()
                        .for_each(|list| set.set(list, Fact::Unknown));
                    risk::assess(&mut set);
                    deferred.push(Deferred {
                        unit: index,
                        itself,
                        runs,
                        directly,
                    });
                }
                set
            })
            .collect();
        let (made_by, effects) = effects
            .into_iter()
            .map(|(unit, effect)| (unit, with_units(effect, &sets)))
            .unzip::<_, _, Vec<_>, Vec<_>>();
        Arc::new(Script {
            units: sets,
            effects: effects.into(),
            search_path: session.search_path.clone(),
            made_by: made_by.into(),
            deferred: deferred.into(),
        })
    }

    /// What a text that is not read at all counts as.
    pub fn unread() -> Arc<Script> {
        Arc::new(Script {
            units: Arc::new([unknown(false)]),
            effects: Box::default(),
            search_path: SearchPath::Unknown,
            made_by: Box::default(),
            deferred: Box::default(),
        })
    }

    /// The units with each `EXECUTE` and `FETCH` replaced by what it runs: the unit takes over
    /// tables and functions of the inner units, and the inner units come after it.
    ///
    /// `lookup` is asked with [`Effect::Execute`] or [`Effect::Fetch`] for names which this text
    /// does not define itself. Where it answers `None`, the unit stays unknown.
    pub fn resolve(
        &self,
        mut lookup: impl FnMut(&Effect) -> Option<Arc<[FactSet]>>,
    ) -> Arc<[FactSet]> {
        // A text that prepares and executes without end is not worth following: its units stay
        // unknown.
        let steps = self.deferred.len().saturating_mul(self.effects.len());
        if self.deferred.is_empty() || steps > MAX_STEPS {
            return Arc::clone(&self.units);
        }
        let mut units = Vec::with_capacity(self.units.len() * 2);
        let mut weight = self.units.len();
        let mut deferred = self.deferred.iter().peekable();
        for (index, unit) in self.units.iter().enumerate() {
            let Some(here) = deferred.next_if(|deferred| deferred.unit == index) else {
                units.push(unit.clone());
                continue;
            };
            let own = self.names_before(index);
            let found: Vec<Option<Arc<[FactSet]>>> = here
                .runs
                .iter()
                .map(|run| own.find(run).unwrap_or_else(|| lookup(run)))
                .collect();
            // Counted twice: in the unit that runs them and by themselves.
            let inner = found.iter().flatten().flat_map(|inner| inner.iter());
            weight += 2 * inner.map(weight_of).sum::<usize>();
            if weight > MOST_RESOLVED {
                return Arc::new([unknown(false)]);
            }
            match found.iter().cloned().collect::<Option<Vec<_>>>() {
                Some(inner) => units.push(joined(&here.itself, &inner)),
                None => units.push(unit.clone()),
            }
            if here.directly {
                units.extend(
                    found
                        .iter()
                        .flatten()
                        .flat_map(|inner| inner.iter().cloned()),
                );
            }
        }
        units.into()
    }

    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        bytes(&self.units) + self.effects.len() * 64
    }

    /// What names stand for when unit `index` is run, as far as this text says.
    fn names_before(&self, index: usize) -> Defined<'_> {
        let mut defined = Defined::default();
        for (unit, effect) in self.made_by.iter().zip(&self.effects) {
            if *unit < index {
                defined.after(effect);
            }
        }
        defined
    }
}

/// Names that a text has defined or taken back so far.
#[derive(Default)]
struct Defined<'a> {
    prepared: HashMap<&'a str, Option<&'a Arc<[FactSet]>>>,
    cursors: HashMap<&'a str, Option<&'a Arc<[FactSet]>>>,
    no_others_prepared: bool,
    no_other_cursors: bool,
}

impl<'a> Defined<'a> {
    fn after(&mut self, effect: &'a Effect) {
        match effect {
            Effect::Prepare { name, units } => {
                self.prepared.insert(name, Some(units));
            }
            Effect::Declare { cursor, units } => {
                self.cursors.insert(cursor, Some(units));
            }
            Effect::Deallocate { name: Some(name) } => {
                self.prepared.insert(name, None);
            }
            Effect::CloseCursor {
                cursor: Some(cursor),
            } => {
                self.cursors.insert(cursor, None);
            }
            Effect::Deallocate { name: None } => self.forget_prepared(),
            Effect::CloseCursor { cursor: None } => self.forget_cursors(),
            Effect::DiscardAll => {
                self.forget_prepared();
                self.forget_cursors();
            }
            // What was prepared or declared keeps its units; a path that changed since makes
            // unqualified names in them uncertain.
            Effect::SearchPathChanged => {
                self.forget_prepared();
                self.forget_cursors();
            }
            Effect::Execute { .. }
            | Effect::Fetch { .. }
            | Effect::ReadingChanged
            | Effect::ReadingReset => {}
        }
    }

    fn forget_prepared(&mut self) {
        self.prepared.clear();
        self.no_others_prepared = true;
    }

    fn forget_cursors(&mut self) {
        self.cursors.clear();
        self.no_other_cursors = true;
    }

    /// `None` if this text says nothing of the name, `Some(None)` if it stands for nothing known.
    fn find(&self, run: &Effect) -> Option<Option<Arc<[FactSet]>>> {
        let (names, name, no_others) = match run {
            Effect::Execute { name } => (&self.prepared, name, self.no_others_prepared),
            Effect::Fetch { cursor } => (&self.cursors, cursor, self.no_other_cursors),
            _ => return Some(None),
        };
        match names.get(&**name) {
            Some(known) => Some(known.cloned()),
            None => no_others.then_some(None),
        }
    }
}

/// A unit of which nothing is known: every fact of an action is unknown but `sql.parsed`, and what becomes
/// of masked columns, which [`with_masks`] tells.
pub fn unknown(parsed: bool) -> FactSet {
    let mut set = FactSet::new(ATTRIBUTES);
    for (index, attribute) in ATTRIBUTES.iter().enumerate() {
        if attribute.scope == Scope::Action && attribute.usual == Usual::Absent {
            set.set(index, Fact::Unknown);
        }
    }
    set.set(slot::PARSED, Fact::Flag(parsed));
    risk::assess(&mut set);
    set
}

/// The units as they may be understood after the search path has changed from `path`: a name that
/// could have been written without its schema is in any schema.
///
/// The server looks such names up anew when it runs a statement that was prepared before.
pub fn with_path_changed(units: &[FactSet], path: &SearchPath) -> Arc<[FactSet]> {
    let certain = |schema: &Schema| match schema {
        Schema::In(schema) => !path.may_have_given(schema),
        Schema::OneOf(_) | Schema::Any => false,
    };
    units
        .iter()
        .map(|unit| {
            let mut unit = unit.clone();
            for list in LISTS {
                if let Fact::Names(names) = unit.fact(list) {
                    let names = names.iter().map(|name| Name {
                        schema: if certain(&name.schema) {
                            name.schema.clone()
                        } else {
                            Schema::Any
                        },
                        name: name.name.clone(),
                    });
                    let names = Fact::Names(names.collect());
                    unit.set(list, names);
                }
            }
            risk::assess(&mut unit);
            unit
        })
        .collect()
}

/// What running units may change of how later texts are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// As [`Effect::SearchPathChanged`].
    pub search_path: bool,
    /// As [`Effect::ReadingChanged`] and [`Effect::ReadingReset`].
    pub reading: Reading,
}

/// What becomes of the settings by which texts are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// Nothing.
    #[default]
    Stays,
    /// They may be what they were when the session began.
    Returns,
    /// They may be anything.
    Changes,
}

/// What running these units may change. A script's effects say the same of its own text; this is
/// for units that run again under a name, by `EXECUTE`, `FETCH` or the protocol's `Execute`.
pub fn unsettled(units: &[FactSet]) -> Unsettled {
    let mut unsettled = Unsettled::default();
    for unit in units {
        match unit.fact(slot::SETTING) {
            Fact::Text(name) => match &**name {
                name if DECIDE_PATH.contains(&name) => unsettled.search_path = true,
                "standard_conforming_strings" | "client_encoding" => {
                    unsettled.reading = Reading::Changes;
                }
                "all" => {
                    unsettled.search_path = true;
                    unsettled.reading = unsettled.reading.max(Reading::Returns);
                }
                _ => {}
            },
            Fact::Absent => {}
            _ => {
                unsettled = Unsettled {
                    search_path: true,
                    reading: Reading::Changes,
                }
            }
        }
    }
    unsettled
}

fn fact_set(unit: Unit, statements: u64) -> FactSet {
    if !unit.parsed {
        return unknown(false);
    }
    if unit.dynamic.is_some() {
        let mut set = unknown(true);
        set.set(slot::DYNAMIC, text(unit.dynamic));
        set.set(slot::STATEMENTS, Fact::Number(statements));
        return set;
    }
    let mut set = FactSet::new(ATTRIBUTES);
    set.set(slot::PARSED, Fact::Flag(true));
    set.set(slot::VERB, Fact::Text(unit.verb.into()));
    set.set(slot::KIND, Fact::Text(unit.kind.into()));
    set.set(slot::OBJECT, text(unit.object.map(Into::into)));
    set.set(slot::TABLE, names(unit.tables));
    set.set(slot::READ, names(unit.reads));
    set.set(slot::WRITE, names(unit.writes));
    set.set(slot::FUNCTION, names(unit.functions));
    set.set(slot::WHERE, flag(unit.filtered));
    set.set(slot::LIMIT, flag(unit.limited));
    set.set(slot::PREPARED, text(unit.prepared));
    set.set(slot::CURSOR, text(unit.cursor));
    set.set(
        slot::SETTING,
        match unit.setting {
            Setting::None => Fact::Absent,
            Setting::Name(name) => Fact::Text(name),
            Setting::Unknown => Fact::Unknown,
        },
    );
    set.set(slot::PROGRAM, flag(unit.program));
    set.set(slot::FILE, flag(unit.file));
    set.set(slot::CHANNEL, text(unit.channel));
    set.set(
        slot::LIMIT_ROWS,
        match unit.most {
            Most::Any => Fact::Absent,
            Most::Rows(rows) => Fact::Number(rows),
            Most::Unknown => Fact::Unknown,
        },
    );
    set.set(slot::LANGUAGE, text(unit.language));
    set.set(slot::STATEMENTS, Fact::Number(statements));
    risk::assess(&mut set);
    set
}

/// About how many bytes of memory these units take.
pub fn bytes(units: &[FactSet]) -> usize {
    units.iter().map(|unit| 512 + 96 * weight_of(unit)).sum()
}

/// The unit, and the names in its lists.
fn weight_of(unit: &FactSet) -> usize {
    let names = LISTS.into_iter().map(|list| match unit.fact(list) {
        Fact::Names(names) => names.len(),
        _ => 0,
    });
    1 + names.sum::<usize>()
}

fn text(text: Option<Box<str>>) -> Fact {
    text.map_or(Fact::Absent, Fact::Text)
}

fn flag(flag: Option<bool>) -> Fact {
    flag.map_or(Fact::Absent, Fact::Flag)
}

fn names(names: Names) -> Fact {
    names
        .into_known()
        .map_or(Fact::Unknown, |names| Fact::Names(names.into()))
}

/// The unit with the lists of the units that it runs added to its own.
fn joined(unit: &FactSet, runs: &[Arc<[FactSet]>]) -> FactSet {
    let mut joined = unit.clone();
    for list in LISTS {
        let lists = runs
            .iter()
            .flat_map(|units| units.iter())
            .map(|unit| unit.fact(list));
        let mut names = Vec::new();
        let mut known = true;
        for fact in std::iter::once(unit.fact(list)).chain(lists) {
            match fact {
                Fact::Names(more) => names.extend(more.iter().cloned()),
                Fact::Absent => {}
                _ => known = false,
            }
        }
        names.sort_unstable();
        names.dedup();
        joined.set(
            list,
            if known {
                Fact::Names(names.into())
            } else {
                Fact::Unknown
            },
        );
    }
    risk::assess(&mut joined);
    joined
}

/// An effect that refers to no units, which is all that a unit runs.
fn name(run: crate::sql::postgres::Effect<Range<usize>>) -> Effect {
    with_units(run, &Arc::from([]))
}

fn with_units(effect: crate::sql::postgres::Effect<Range<usize>>, sets: &Arc<[FactSet]>) -> Effect {
    let units = |range: Range<usize>| match sets.get(range) {
        Some([]) | None => [unknown(false)].into(),
        Some(units) => units.into(),
    };
    effect.map(units)
}
