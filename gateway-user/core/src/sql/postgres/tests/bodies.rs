//! What holds for all bodies: what PL/pgSQL's own grammar finds to run in one is among what is read in it. A
//! fuzzer tries the same with words (`tests/fuzz/targets/bodies.rs`).

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Statements that have no others in them.
const PLAIN: &[&str] = &[
    "DELETE FROM t1;",
    "PERFORM f1(a) FROM t2;",
    "x := (SELECT f2() FROM t3);",
    "x = f1() + (SELECT max(a) FROM t2);",
    "SELECT a INTO STRICT x FROM t1 WHERE f2(b);",
    "INSERT INTO t2 SELECT * FROM t3 RETURNING a INTO x;",
    "UPDATE t1 SET a = f2() WHERE b IN (SELECT c FROM t2);",
    "RAISE NOTICE 'a %;', f1() USING HINT = f2();",
    "EXECUTE 'DELETE FROM t1' USING f2();",
    "xs[f1()] := 1;",
    "ASSERT f2(), 'if' || f1();",
    "EXIT WHEN EXISTS (SELECT 1 FROM t3);",
    "MERGE INTO t1 USING t2 ON true WHEN MATCHED THEN DELETE;",
    "OPEN c(f1());",
    "RETURN;",
    "NULL; -- DELETE FROM t3;",
    "/* ; */ CREATE TABLE t3 AS SELECT f1() FROM t2;",
    "COMMIT;",
];

fn statements() -> impl Strategy<Value = String> {
    let plain = proptest::sample::select(PLAIN).prop_map(str::to_owned);
    plain.prop_recursive(4, 24, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        let one = inner.clone();
        prop_oneof![
            proptest::collection::vec(inner, 1..3).prop_map(|all| all.join(" ")),
            two.clone().prop_map(|(a, b)| format!(
                "IF f1() THEN {a} ELSIF EXISTS (SELECT 1 FROM t2) THEN {b} ELSE NULL; END IF;"
            )),
            two.clone().prop_map(|(a, b)| format!(
                "CASE f2() WHEN 1, f1() THEN {a} ELSE {b} END CASE;"
            )),
            two.prop_map(|(a, b)| format!(
                "<<l>> DECLARE y int := (SELECT f1() FROM t2); BEGIN {a} EXCEPTION WHEN OTHERS THEN {b} END l;"
            )),
            one.clone().prop_map(|a| format!("LOOP {a} EXIT; END LOOP;")),
            one.clone().prop_map(|a| format!("WHILE (SELECT f1() FROM t1) LOOP {a} END LOOP;")),
            one.clone().prop_map(|a| format!("FOR r IN SELECT * FROM t3 WHERE f2() LOOP {a} END LOOP;")),
            one.clone().prop_map(|a| format!("FOR i IN REVERSE f1() .. f2() BY 2 LOOP {a} END LOOP;")),
            one.prop_map(|a| format!("FOREACH x IN ARRAY (SELECT xs FROM t1) LOOP {a} END LOOP;")),
        ]
    })
}

/// The texts of SQL that a tree has, with what they are: `RawParseMode` of PostgreSQL.
fn texts(value: &Value, found: &mut Vec<(String, i64)>) {
    match value {
        Value::Object(fields) => {
            if let Some(text) = fields.get("query").and_then(Value::as_str) {
                let mode = fields.get("parseMode").and_then(Value::as_i64);
                found.push((text.to_owned(), mode.unwrap_or(0)));
            }
            fields.values().for_each(|value| texts(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// The relations and functions that are named; none where not all is known.
fn named(text: &str) -> Option<BTreeSet<String>> {
    let analysis = analyse(text.as_bytes(), &Session::default());
    let mut all = BTreeSet::new();
    for unit in &analysis.units {
        for names in [&unit.tables, &unit.functions] {
            let known = names
                .known()
                .filter(|_| unit.parsed && unit.dynamic.is_none())?;
            all.extend(known.iter().map(|name| name.name.to_string()));
        }
    }
    Some(all)
}

proptest! {
    #[test]
    fn what_a_body_runs_is_read(inner in statements()) {
        let body = format!(
            "DECLARE x int; xs int[]; r record; c CURSOR (k int) FOR SELECT f2() FROM t1; BEGIN {inner} END"
        );
        let function = format!("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $b${body}$b$");
        let tree = pg_query::parse_plpgsql(&function);
        let read = named(&format!("DO $b${body}$b$"));
        // Where the server reads it, all is known of it.
        prop_assume!(tree.is_ok());
        let tree = tree.unwrap();
        let Some(read) = read else {
            return Err(TestCaseError::fail(format!("not read: {body}")));
        };
        let mut found = Vec::new();
        texts(&tree, &mut found);
        prop_assert!(!found.is_empty());
        for (text, mode) in found {
            // An expression, or an assignment, whose source is behind the sign.
            let text = match mode {
                2 => format!("SELECT {text}"),
                3.. => text.split_once('=').map_or(String::new(), |(_, source)| format!("SELECT {source}")),
                _ => text,
            };
            let there = named(&text).unwrap_or_default();
            let missing: Vec<_> = there.difference(&read).collect();
            prop_assert!(missing.is_empty(), "{}\n{}\n{:?}", body, text, missing);
        }
    }
}
