//! Whether units change what names mean in the database.

use super::slot;
use crate::facts::{Fact, FactSet};

/// Whether running these units may change what names mean in the database.
pub fn may_define(units: &[FactSet]) -> bool {
    units.iter().any(|unit| match unit.fact(slot::KIND) {
        Fact::Text(kind) => matches!(&**kind, "ddl" | "code" | "admin") && !calls(unit),
        _ => true,
    })
}

/// Whether it is a call of functions by a statement. What those do inside is not told by a text.
fn calls(unit: &FactSet) -> bool {
    let is = |slot, word: &str| matches!(unit.fact(slot), Fact::Text(text) if **text == *word);
    is(slot::VERB, "call") && is(slot::OBJECT, "function")
}

/// Whether running these units may run code that no text of the session tells of.
pub fn may_run_code(units: &[FactSet]) -> bool {
    units.iter().any(|unit| match unit.fact(slot::KIND) {
        Fact::Text(kind) => **kind == *"code",
        _ => true,
    })
}

/// Whether what these units do is the same whatever names mean in the database: they begin and end
/// transactions, or are about settings.
pub fn heeds_no_names(units: &[FactSet]) -> bool {
    const HEEDLESS: [&str; 11] = [
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

/// Whether running these units may make a name mean something else that was there before.
pub fn may_rename(units: &[FactSet]) -> bool {
    const ONLY_ADD: [&str; 9] = [
        "create", "truncate", "comment", "vacuum", "analyze", "reindex", "cluster", "refresh",
        "lock",
    ];
    may_define(units)
        && units.iter().filter(|unit| !calls(unit)).any(|unit| {
            match (unit.fact(slot::KIND), unit.fact(slot::VERB)) {
                (Fact::Text(kind), _) if !matches!(&**kind, "ddl" | "code" | "admin") => false,
                (_, Fact::Text(verb)) => !ONLY_ADD.contains(&&**verb),
                _ => true,
            }
        })
}
