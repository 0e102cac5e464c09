//! Bodies of PL/pgSQL that a fuzzer puts together of words: what PL/pgSQL's own grammar finds in one to run is
//! among what is read in it, or it counts as not read. A crash becomes a test in
//! `gateway-user/core/src/sql/postgres/plpgsql/tests.rs`.
//!
//! Each byte of the input is a word.
#![no_main]

use std::collections::BTreeSet;
use std::panic::catch_unwind;

use gateway_core::sql::postgres::{Analysis, Names, Session, analyse};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const WORDS: [&str; 112] = [
    "BEGIN",
    "END",
    ";",
    "DECLARE",
    "x",
    "y",
    "int",
    ":=",
    "=",
    "1",
    "'a'",
    "NULL",
    "IF",
    "THEN",
    "ELSIF",
    "ELSE",
    "END IF",
    "CASE",
    "WHEN",
    "END CASE",
    "LOOP",
    "END LOOP",
    "WHILE",
    "FOR",
    "IN",
    "REVERSE",
    "..",
    "BY",
    "FOREACH",
    "ARRAY",
    "SLICE",
    "EXIT",
    "CONTINUE",
    "RETURN",
    "RETURN NEXT",
    "RETURN QUERY",
    "RAISE",
    "NOTICE",
    "EXCEPTION",
    "USING",
    "MESSAGE",
    "SQLSTATE",
    "'22012'",
    "ASSERT",
    "EXECUTE",
    "PERFORM",
    "GET",
    "DIAGNOSTICS",
    "STACKED",
    "ROW_COUNT",
    "OPEN",
    "FETCH",
    "MOVE",
    "CLOSE",
    "NEXT FROM",
    "CURSOR",
    "SCROLL",
    "NO",
    "<<x>>",
    "#variable_conflict",
    "use_column",
    "ALIAS FOR",
    "CONSTANT",
    "NOT",
    "COLLATE",
    "DEFAULT",
    "%TYPE",
    "%ROWTYPE",
    "SELECT",
    "INTO",
    "STRICT",
    "FROM",
    "t1",
    "t2",
    "t3",
    "DELETE FROM",
    "INSERT INTO",
    "VALUES",
    "UPDATE",
    "SET",
    "WHERE",
    "MERGE INTO",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    "f1",
    "f2",
    "(SELECT f1() FROM t1)",
    "AS",
    "UNION",
    "RETURNING",
    "CALL",
    "COMMIT",
    "ROLLBACK",
    "AND CHAIN",
    "SAVEPOINT",
    "DO",
    "$1",
    "--",
    "/*",
    "*/",
    "\n",
    "\"x\"",
    "\"IF\"",
    "E'\\n'",
    "CREATE TABLE",
    "DROP TABLE",
    "TRUNCATE",
    "EXPLAIN",
];

/// The texts of SQL that a tree has, with what they are: `RawParseMode` of PostgreSQL.
fn queries(value: &Value, found: &mut Vec<(String, i64)>) {
    match value {
        Value::Object(fields) => {
            if let Some(text) = fields.get("query").and_then(Value::as_str) {
                let mode = fields.get("parseMode").and_then(Value::as_i64);
                found.push((text.to_owned(), mode.unwrap_or(0)));
            }
            fields.values().for_each(|value| queries(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

fn names(of: &Names, into: &mut BTreeSet<String>) -> bool {
    let known = of.known();
    into.extend(
        known
            .into_iter()
            .flatten()
            .map(|name| name.name.to_string()),
    );
    known.is_some()
}

/// The relations and functions that are named; none where not all is known.
fn named(analysis: &Analysis) -> Option<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for unit in &analysis.units {
        let known = unit.parsed && unit.dynamic.is_none();
        let known = known && names(&unit.tables, &mut all) && names(&unit.functions, &mut all);
        if !known {
            return None;
        }
    }
    Some(all)
}

fuzz_target!(|input: &[u8]| {
    let words = input.iter().take(80);
    let words: Vec<&str> = words
        .map(|byte| WORDS[usize::from(*byte) % WORDS.len()])
        .collect();
    let body = words.join(" ").replace(" %", "%");
    let session = Session::default();
    let read = analyse(format!("DO $body${body}$body$").as_bytes(), &session);
    let read_whole = named(&read);
    let function =
        format!("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $body${body}$body$");
    // The library's own failures are none of ours: the gateway does not call it.
    let Ok(Ok(tree)) = catch_unwind(|| pg_query::parse_plpgsql(&function)) else {
        return;
    };
    let Some(read) = read_whole else { return };
    let mut found = Vec::new();
    queries(&tree, &mut found);
    for (text, mode) in found {
        // An expression, or an assignment, whose source is behind the sign.
        let text = match mode {
            2 => format!("SELECT {text}"),
            3.. => text
                .split_once('=')
                .map_or(String::new(), |(_, source)| format!("SELECT {source}")),
            _ => text,
        };
        let Some(there) = named(&analyse(text.as_bytes(), &session)) else {
            continue;
        };
        let missing: Vec<_> = there.difference(&read).collect();
        assert!(missing.is_empty(), "{body}\n{text}\n{missing:?}");
    }
});
