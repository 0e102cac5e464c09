//! What a message does with masked columns, as facts of its units.
//!
//! A deny rule must not be passed by putting two statements into one message, so each unit has what any
//! statement of the message does.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{MOST_RESOLVED, slot};
use crate::facts::{Fact, FactSet};
use crate::ids::MaskName;
use crate::sql::postgres::lineage::{Columns, Masks, Statement};

/// The units of a message with what `statements` do with columns: all that the message runs, and all that
/// is run again by it under a name. No statements do nothing.
pub fn with_masks(units: &[FactSet], statements: &[&Statement]) -> Arc<[FactSet]> {
    let masks = |of: fn(&Statement) -> &Masks| {
        all(
            units,
            statements.iter().map(|statement| match of(statement) {
                Masks::Known(names) => Some(names.iter().map(MaskName::as_str)),
                Masks::Unknown => None,
            }),
        )
    };
    let columns = |of: fn(&Statement) -> &Columns| {
        all(
            units,
            statements.iter().map(|statement| match of(statement) {
                Columns::Known(names) => Some(names.iter().map(|name| &**name)),
                Columns::Unknown => None,
            }),
        )
    };
    let probed = match units.iter().any(measures) {
        true => Fact::Unknown,
        false => masks(|it| &it.probed),
    };
    let facts = [
        (slot::MASKED_IN_PREDICATE, probed),
        (slot::MASKED_COPIED, masks(|it| &it.copied)),
        (slot::MASKED_REDEFINED, masks(|it| &it.redefined)),
        (slot::COLUMN_READ, columns(|it| &it.reads)),
        (slot::COLUMN_WRITE, columns(|it| &it.writes)),
    ];
    let with_facts = |unit: &FactSet| {
        let mut unit = unit.clone();
        for (slot, fact) in &facts {
            unit.set(*slot, fact.clone());
        }
        unit
    };
    units.iter().map(with_facts).collect()
}

/// Whether it may set anything, and so what tells how much room values take. What a query sets by `set_config`, or
/// a command by its name, its trace tells.
fn measures(unit: &FactSet) -> bool {
    let is_traced = match unit.fact(slot::VERB) {
        Fact::Text(verb) => matches!(&**verb, "call" | "select"),
        _ => false,
    };
    *unit.fact(slot::SETTING) == Fact::Unknown && !is_traced
}

/// All texts of lists, sorted and each once; unknown if one list is, or if the units would not hold them.
fn all<'a, T: Iterator<Item = &'a str>>(
    units: &[FactSet],
    lists: impl Iterator<Item = Option<T>>,
) -> Fact {
    let mut texts = BTreeSet::new();
    for list in lists {
        let Some(list) = list else {
            return Fact::Unknown;
        };
        texts.extend(list);
    }
    if texts.len().saturating_mul(units.len()) > MOST_RESOLVED {
        return Fact::Unknown;
    }
    Fact::Texts(texts.into_iter().map(Into::into).collect())
}

#[cfg(test)]
mod tests {
    use super::super::{Script, unknown};
    use super::*;
    use crate::sql::postgres::Session;

    fn masks(names: &[&str]) -> Masks {
        Masks::Known(names.iter().copied().map(MaskName::new).collect())
    }

    fn texts(texts: &[&str]) -> Fact {
        Fact::Texts(texts.iter().copied().map(Into::into).collect())
    }

    #[test]
    fn each_unit_has_what_any_statement_does() {
        let script = Script::read(b"SELECT 1; SELECT 2", &Session::default());
        let one = Statement {
            probed: masks(&["phones", "emails"]),
            reads: Columns::Known(vec!["public.customers.email".into()]),
            ..Statement::default()
        };
        let other = Statement {
            probed: masks(&["emails"]),
            copied: Masks::Unknown,
            reads: Columns::Known(vec!["public.customers.id".into()]),
            ..Statement::default()
        };
        let units = with_masks(&script.units, &[&one, &other]);
        assert_eq!(units.len(), 2);
        for unit in units.iter() {
            let probed = unit.fact(slot::MASKED_IN_PREDICATE);
            assert_eq!(*probed, texts(&["emails", "phones"]));
            assert_eq!(*unit.fact(slot::MASKED_COPIED), Fact::Unknown);
            let read = ["public.customers.email", "public.customers.id"];
            assert_eq!(*unit.fact(slot::COLUMN_READ), texts(&read));
            assert_eq!(*unit.fact(slot::COLUMN_WRITE), texts(&[]));
        }
    }

    #[test]
    fn without_masks_nothing_is_masked_and_columns_are_unknown() {
        let script = Script::read(b"SELECT 1", &Session::default());
        for unit in script.units.iter().chain([&unknown(false)]) {
            assert_eq!(*unit.fact(slot::MASKED_IN_PREDICATE), texts(&[]));
            assert_eq!(*unit.fact(slot::MASKED_COPIED), texts(&[]));
            assert_eq!(*unit.fact(slot::MASKED_REDEFINED), texts(&[]));
            assert_eq!(*unit.fact(slot::COLUMN_READ), Fact::Unknown);
            assert_eq!(*unit.fact(slot::COLUMN_WRITE), Fact::Unknown);
        }
    }

    #[test]
    fn more_columns_than_fit_are_unknown() {
        let columns = (0..MOST_RESOLVED).map(|number| format!("public.t.c{number}").into());
        let statement = Statement {
            reads: Columns::Known(columns.collect()),
            ..Statement::default()
        };
        let script = Script::read(b"SELECT 1; SELECT 2", &Session::default());
        let units = with_masks(&script.units, &[&statement]);
        assert_eq!(*units[0].fact(slot::COLUMN_READ), Fact::Unknown);
        assert_eq!(*units[0].fact(slot::COLUMN_WRITE), texts(&[]));
    }
}
