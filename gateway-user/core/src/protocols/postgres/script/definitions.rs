//! Whether units change what names mean in the database.

use super::slot;
use crate::facts::{Fact, FactSet};

/// Whether running these units may change what names mean in the database.
pub fn may_define(units: &[FactSet]) -> bool {
    units.iter().any(|unit| match unit.fact(slot::KIND) {
        Fact::Text(kind) => matches!(&**kind, "ddl" | "code" | "admin"),
        _ => true,
    })
}

/// Whether running these units may make a name mean something else that was there before.
pub fn may_rename(units: &[FactSet]) -> bool {
    const ONLY_ADD: [&str; 9] = [
        "create", "truncate", "comment", "vacuum", "analyze", "reindex", "cluster", "refresh",
        "lock",
    ];
    may_define(units)
        && units.iter().any(
            |unit| match (unit.fact(slot::KIND), unit.fact(slot::VERB)) {
                (Fact::Text(kind), _) if !matches!(&**kind, "ddl" | "code" | "admin") => false,
                (_, Fact::Text(verb)) => !ONLY_ADD.contains(&&**verb),
                _ => true,
            },
        )
}
