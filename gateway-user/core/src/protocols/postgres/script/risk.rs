//! `sql.side_effects` and `sql.risk`: what a unit's other facts come to.
//!
//! Both follow from the other facts alone, for every unit there can be. What is not known is the worst.
//!
//! INVARIANT: a unit that names more, or of which less is known, is of no lower risk. Checked by a test.

use super::slot;
use crate::facts::{Fact, FactSet};
use crate::sql::postgres::side_effects;

/// Every risk, least first.
pub const RISKS: &[&str] = &["none", "low", "medium", "high", "critical"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Risk {
    None,
    Low,
    Medium,
    High,
    Critical,
}

impl Risk {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Sets both facts by the others.
pub(super) fn assess(unit: &mut FactSet) {
    let effects = effects(unit);
    let risk = risk(unit, effects.as_deref());
    let effects = effects.map(|them| them.into_iter().map(Into::into).collect());
    unit.set(
        slot::SIDE_EFFECTS,
        effects.map_or(Fact::Unknown, Fact::Texts),
    );
    unit.set(slot::RISK, Fact::Text(risk.name().into()));
}

/// What the unit does beside what its tables tell; none where that is not known.
fn effects(unit: &FactSet) -> Option<Vec<&'static str>> {
    let Fact::Names(functions) = unit.fact(slot::FUNCTION) else {
        return None;
    };
    let mut effects = side_effects(functions);
    if is_set(unit, slot::PROGRAM)? {
        effects.push("program");
    }
    if is_set(unit, slot::FILE)? {
        effects.push(match word(unit, slot::VERB) {
            Some("copy_to") => "file_write",
            _ => "file_read",
        });
    }
    effects.sort_unstable();
    effects.dedup();
    Some(effects)
}

/// None where it is not known.
fn is_set(unit: &FactSet, flag: usize) -> Option<bool> {
    match unit.fact(flag) {
        Fact::Flag(flag) => Some(*flag),
        Fact::Absent => Some(false),
        _ => None,
    }
}

fn word(unit: &FactSet, slot: usize) -> Option<&str> {
    match unit.fact(slot) {
        Fact::Text(text) => Some(text),
        _ => None,
    }
}

fn risk(unit: &FactSet, effects: Option<&[&str]>) -> Risk {
    let lists = [slot::TABLE, slot::READ, slot::WRITE];
    let named = lists.map(|list| match unit.fact(list) {
        Fact::Names(names) => Some(!names.is_empty()),
        _ => None,
    });
    let (Some(effects), [Some(touches), Some(_), Some(writes)]) = (effects, named) else {
        return Risk::Critical;
    };
    let (Some(verb), Some(kind)) = (word(unit, slot::VERB), word(unit, slot::KIND)) else {
        return Risk::Critical;
    };
    if *unit.fact(slot::PARSED) != Fact::Flag(true) {
        return Risk::Critical;
    }
    let of_effects = effects.iter().map(|effect| of_effect(effect)).max();
    let of_lists = match (writes, touches) {
        (true, _) => Risk::Medium,
        (false, true) => Risk::Low,
        (false, false) => Risk::None,
    };
    let calls = match unit.fact(slot::FUNCTION) {
        Fact::Names(functions) if functions.is_empty() => Risk::None,
        _ => Risk::Low,
    };
    let all = [
        of_verb(unit, verb, kind),
        of_setting(unit, verb),
        of_lists,
        calls,
    ];
    all.into_iter()
        .chain(of_effects)
        .max()
        .unwrap_or(Risk::Critical)
}

fn of_verb(unit: &FactSet, verb: &str, kind: &str) -> Risk {
    match (verb, kind) {
        ("drop" | "truncate" | "load" | "do" | "reassign", _) | (_, "dcl") => Risk::Critical,
        ("update" | "delete", _) if *unit.fact(slot::WHERE) != Fact::Flag(true) => Risk::High,
        ("comment" | "refresh", _) => Risk::Medium,
        ("alter", "admin") => Risk::Critical,
        ("create", "ddl") => of_object(word(unit, slot::OBJECT)),
        // A function of the server's, whose side effects tell it.
        ("call", "write") => Risk::None,
        (_, "ddl" | "code") => Risk::High,
        (_, "admin" | "write") | ("lock", _) => Risk::Medium,
        (_, "read" | "transaction" | "session") => Risk::None,
        // Another kind is one that nothing is known of here.
        _ => Risk::Critical,
    }
}

/// What making something may do: what holds rows or finds them is made, or what runs or rules.
fn of_object(object: Option<&str>) -> Risk {
    match object {
        Some("extension" | "language" | "subscription" | "event_trigger") => Risk::Critical,
        Some(
            "table" | "index" | "view" | "materialized_view" | "sequence" | "schema" | "type"
            | "domain" | "statistics" | "collation" | "text_search",
        ) => Risk::Medium,
        _ => Risk::High,
    }
}

fn of_setting(unit: &FactSet, verb: &str) -> Risk {
    const WHO: [&str; 3] = ["role", "session_authorization", "all"];
    match unit.fact(slot::SETTING) {
        Fact::Absent => Risk::None,
        Fact::Text(_) if verb == "show" => Risk::None,
        Fact::Text(name) if !WHO.contains(&&**name) && &**name != "row_security" => Risk::Low,
        Fact::Text(_) if verb == "reset" => Risk::Low,
        _ => Risk::High,
    }
}

fn of_effect(effect: &str) -> Risk {
    match effect {
        "sequence" => Risk::Low,
        "large_object" | "lock" | "notify" | "setting" | "sleep" | "statistics" => Risk::Medium,
        "file_read" | "network" | "signal" | "replication" | "sql" => Risk::High,
        // What runs programs, writes files, or changes the server.
        _ => Risk::Critical,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Script, unknown};
    use super::*;
    use crate::sql::postgres::Session;

    /// Risk and side effects of each unit.
    fn told(sql: &str) -> Vec<String> {
        let script = Script::read(sql.as_bytes(), &Session::default());
        let tell = |unit: &FactSet| {
            let effects = match unit.fact(slot::SIDE_EFFECTS) {
                Fact::Texts(effects) => effects.join(" "),
                other => format!("{other:?}"),
            };
            let risk = word(unit, slot::RISK).unwrap_or("lacks");
            format!("{risk} {effects}").trim_end().to_owned()
        };
        script.units.iter().map(tell).collect()
    }

    fn check(sql: &str, expected: &[&str]) {
        assert_eq!(told(sql), expected, "{sql}");
    }

    #[test]
    fn statements_have_risks() {
        check("SELECT 1", &["none"]);
        check("BEGIN", &["none"]);
        check("SELECT * FROM orders", &["low"]);
        check("SELECT nextval('s')", &["low sequence", "low sequence"]);
        check("SELECT pg_sleep(1)", &["medium sleep"]);
        check("SET statement_timeout = 0", &["low"]);
        check("SET ROLE admin", &["high"]);
        check("RESET ALL", &["low"]);
        check("INSERT INTO a VALUES (1)", &["medium"]);
        check("DELETE FROM a WHERE b = 1", &["medium"]);
        check("DELETE FROM a", &["high"]);
        check("UPDATE a SET b = 1", &["high"]);
        check("LOCK TABLE a", &["medium"]);
        check("CREATE TABLE a (b int)", &["medium"]);
        check(
            "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'x'",
            &["critical Unknown", "critical Unknown"],
        );
        check("ALTER TABLE a ADD b int", &["high"]);
        check(
            "SELECT pg_read_file('/etc/passwd')",
            &["high file_read", "high file_read"],
        );
        check("COPY a FROM '/tmp/a'", &["high file_read"]);
        check("COPY a TO '/tmp/a'", &["critical file_write"]);
        check("COPY a TO PROGRAM 'sh'", &["critical program"]);
        check("COPY a TO STDOUT", &["low"]);
        check("DROP TABLE a", &["critical"]);
        check("TRUNCATE a", &["critical"]);
        check("GRANT ALL ON a TO b", &["critical"]);
        check("ALTER SYSTEM SET a = 1", &["critical"]);
        check("LOAD 'x'", &["critical Unknown"]);
        check("DO 'x'", &["critical Unknown", "critical Unknown"]);
        check(
            "SELECT lo_export(1, 'x')",
            &["critical file_write", "critical file_write"],
        );
        check("not sql", &["critical Unknown"]);
        check("EXECUTE p", &["critical Unknown"]);
        // The worst of a message is among its units.
        check("SELECT 1; DROP TABLE a", &["none", "critical"]);
        check("EXPLAIN ANALYZE DELETE FROM a", &["medium", "high"]);
    }

    #[test]
    fn what_runs_by_name_is_no_less() {
        let inner = Script::read(b"SELECT pg_read_file(b) FROM a", &Session::default());
        let script = Script::read(b"EXECUTE p", &Session::default());
        let units = script.resolve(|_| Some(inner.units.clone()));
        assert!(
            units
                .iter()
                .all(|unit| word(unit, slot::RISK) == Some("high"))
        );
    }

    #[test]
    fn less_that_is_known_is_no_lower_risk() {
        let texts = [
            "SELECT 1",
            "SELECT lower(a) FROM b",
            "DELETE FROM a WHERE b",
            "COPY a TO STDOUT",
            "SET a = 1",
            "COMMENT ON TABLE a IS 'b'",
        ];
        let of = |unit: &FactSet| {
            let risk = word(unit, slot::RISK);
            RISKS.iter().position(|it| Some(*it) == risk).unwrap()
        };
        for text in texts {
            let script = Script::read(text.as_bytes(), &Session::default());
            for unit in script.units.iter() {
                for slot in [
                    slot::PARSED,
                    slot::VERB,
                    slot::KIND,
                    slot::TABLE,
                    slot::READ,
                    slot::WRITE,
                    slot::FUNCTION,
                    slot::WHERE,
                    slot::SETTING,
                    slot::PROGRAM,
                    slot::FILE,
                ] {
                    let mut less = unit.clone();
                    less.set(slot, Fact::Unknown);
                    assess(&mut less);
                    assert!(of(&less) >= of(unit), "{text} without {slot}");
                }
            }
        }
        assert_eq!(of(&unknown(true)), 4);
        assert_eq!(of(&unknown(false)), 4);
    }
}
