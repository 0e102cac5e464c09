//! Whether units change what names mean in the database.

use super::slot;
use crate::facts::{Fact, FactSet};

/// What was prepared before may be anything.
const TWO_PHASED: [&str; 2] = ["commit_prepared", "rollback_prepared"];

/// Whether running these units may change what names mean in the database.
pub fn may_define(units: &[FactSet]) -> bool {
    units.iter().any(|unit| match unit.fact(slot::KIND) {
        Fact::Text(kind) => {
            let defines = matches!(&**kind, "ddl" | "code" | "admin")
                || is_one_of(unit, slot::OBJECT, &["owned"])
                || is_one_of(unit, slot::VERB, &TWO_PHASED);
            defines && !calls(unit) && !leaves_names(unit)
        }
        _ => true,
    })
}

/// Whether it is about nothing that has a name in the database, or changes nothing of what its names mean.
fn leaves_names(unit: &FactSet) -> bool {
    const BESIDE: [&str; 3] = ["database", "role", "tablespace"];
    const LEAVE: [&str; 7] = [
        "analyze",
        "checkpoint",
        "cluster",
        "comment",
        "reindex",
        "truncate",
        "vacuum",
    ];
    is_one_of(unit, slot::OBJECT, &BESIDE) || is_one_of(unit, slot::VERB, &LEAVE)
}

/// Whether it is a call of functions by a statement. What those do inside is not told by a text.
fn calls(unit: &FactSet) -> bool {
    is_one_of(unit, slot::VERB, &["call"]) && is_one_of(unit, slot::OBJECT, &["function"])
}

/// Whether running these units may run code that no text of the session tells of.
pub fn may_run_code(units: &[FactSet]) -> bool {
    units.iter().any(|unit| match unit.fact(slot::KIND) {
        Fact::Text(kind) => **kind == *"code",
        _ => true,
    })
}

/// Whether what these units do is the same whatever names mean in the database: they begin and end
/// transactions, are about settings, or go on with a cursor that was planned when it was declared.
pub fn heeds_no_names(units: &[FactSet]) -> bool {
    const HEEDLESS: [&str; 14] = [
        "close",
        "fetch",
        "move",
        "begin",
        "commit",
        "rollback",
        "savepoint",
        "release",
        "rollback_to",
        "prepare_transaction",
        "set",
        "reset",
        "show",
        "empty",
    ];
    units.iter().all(|unit| match unit.fact(slot::VERB) {
        Fact::Text(verb) => HEEDLESS.contains(&&**verb),
        _ => false,
    })
}

/// Whether running these units may make a name mean something else that was there before. Functions and what
/// is made of them take the place of others by what they are given, under the same name.
pub fn may_rename(units: &[FactSet]) -> bool {
    const ADDED: [&str; 7] = [
        "index",
        "materialized_view",
        "policy",
        "schema",
        "sequence",
        "table",
        "view",
    ];
    let adds = |unit: &FactSet| {
        is_one_of(unit, slot::VERB, &["create"]) && is_one_of(unit, slot::OBJECT, &ADDED)
    };
    units
        .iter()
        .any(|unit| may_define(std::slice::from_ref(unit)) && !adds(unit))
}

/// Whether it makes a relation that has rows.
pub fn makes_rows(unit: &FactSet) -> bool {
    const ROWS: [&str; 4] = ["foreign_table", "materialized_view", "table", "view"];
    is_one_of(unit, slot::VERB, &["create"]) && is_one_of(unit, slot::OBJECT, &ROWS)
}

fn is_one_of(unit: &FactSet, slot: usize, words: &[&str]) -> bool {
    match unit.fact(slot) {
        Fact::Text(text) => words.contains(&&**text),
        _ => false,
    }
}
