//! What a server is asked about a statement before the statement itself: that explaining and counting run
//! nothing but the server's own code, and that the schemas are those that the session means.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use gateway_core::event::Value;
use gateway_core::facts::{Name, Schema};
use gateway_core::sql::postgres::probe::Probe;

use crate::relay::client::Bound;

/// The number of the type `text[]`.
const TEXTS: u32 = 1009;

/// Returns what speaks against it, in words; no rows if nothing does. `$1` functions, `$2` names that
/// may be functions of a row, `$3` operators, `$4` types, `$5` and `$6` schemas and names of relations, `$7`
/// one `x` where the search path is the session's.
///
/// INVARIANT: only what is in `pg_catalog` is named, and the search path is that while it runs. What
/// extensions have in C may be an operator, since superusers alone can make such; where the path is
/// not known it may not, for it is not known which one is meant.
pub(super) const QUESTION: &str = "\
WITH RECURSIVE
  wanted AS (
    SELECT s.name AS schema, r.name
    FROM unnest($5::text[]) WITH ORDINALITY s(name, place)
    JOIN unnest($6::text[]) WITH ORDINALITY r(name, place) USING (place)),
  found AS (
    SELECT w.schema, w.name, c.oid
    FROM wanted w
    LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace)
      ON n.nspname = w.schema AND c.relname = w.name),
  family AS (
    SELECT schema, name, oid FROM found WHERE oid IS NOT NULL
    UNION
    SELECT f.schema, f.name, i.inhrelid FROM family f JOIN pg_inherits i ON i.inhparent = f.oid)
SELECT 'there is no ' || schema || '.' || name FROM found WHERE oid IS NULL
UNION ALL
SELECT f.schema || '.' || f.name || ' is no plain table, or it or a part of it has rules or is none'
  FROM family f JOIN pg_class c ON c.oid = f.oid
  WHERE c.relkind NOT IN ('r', 'p') OR c.relhasrules
UNION ALL
SELECT 'it calls ' || f.name || ', which is not known to be harmless' FROM unnest($1::text[]) f(name)
  WHERE NOT EXISTS (SELECT FROM pg_proc p WHERE p.proname = f.name)
  OR EXISTS (
    SELECT FROM pg_proc p
    WHERE p.proname = f.name
    AND (p.pronamespace <> 'pg_catalog'::regnamespace OR p.provolatile = 'v'))
UNION ALL
SELECT 'it may call ' || f.name || ', which is not known to be harmless' FROM unnest($2::text[]) f(name)
  WHERE EXISTS (
    SELECT FROM pg_proc p
    WHERE p.proname = f.name AND p.pronargs >= 1 AND p.pronargs - p.pronargdefaults <= 1
    AND (p.pronamespace <> 'pg_catalog'::regnamespace OR p.provolatile = 'v'))
UNION ALL
SELECT 'the operator ' || o.name || ' may be one of the database''s own' FROM unnest($3::text[]) o(name)
  WHERE EXISTS (
    SELECT FROM pg_operator x
    JOIN pg_proc p ON p.oid = x.oprcode
    JOIN pg_language l ON l.oid = p.prolang
    WHERE x.oprname = o.name AND x.oprnamespace <> 'pg_catalog'::regnamespace
    AND ($7::text IS NULL OR l.lanname NOT IN ('internal', 'c') OR p.provolatile = 'v'))
UNION ALL
SELECT 'the type ' || t.name || ' may run code of the database' FROM unnest($4::text[]) t(name)
  WHERE EXISTS (
    SELECT FROM pg_type y
    WHERE y.typname = t.name AND y.typtype NOT IN ('b', 'e', 'p', 'r', 'm'))
UNION ALL
SELECT 'the database has casts that run code of its own' WHERE EXISTS (
    SELECT FROM pg_cast c
    JOIN pg_proc p ON p.oid = c.castfunc
    JOIN pg_language l ON l.oid = p.prolang
    WHERE p.pronamespace <> 'pg_catalog'::regnamespace
    AND (l.lanname NOT IN ('internal', 'c') OR p.provolatile = 'v'))
LIMIT 1";

/// What the statement's relations are, and where unqualified ones are looked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meant {
    /// The only schema in which the session looks for tables; none where nothing depends on it.
    pub(super) path: Option<String>,
    /// Schemas and names.
    tables: BTreeSet<(String, String)>,
}

/// Finds out which relations the session means, by what was found out when the statement was judged.
///
/// # Errors
/// One sentence: that cannot be told.
pub(super) fn meant(
    probe: &Probe,
    units: &[BTreeMap<String, Value>],
) -> Result<Meant, &'static str> {
    const UNKNOWN: &str = "which schemas the session means is not known";
    let mut judged = BTreeSet::new();
    for unit in units {
        match unit.get("sql.table") {
            Some(Value::Texts(names)) => judged.extend(names.iter().map(|name| Name::read(name))),
            None => {}
            Some(_) => return Err(UNKNOWN),
        }
    }
    let mut tables = BTreeSet::new();
    let mut paths = BTreeSet::new();
    for name in &probe.tables {
        let schema = match &name.schema {
            Schema::In(schema) => schema.to_string(),
            _ => {
                let mut schemas = judged.iter().filter(|it| it.name == name.name);
                // With a qualified one of the same name beside it, either could be meant.
                let (Some(Name { schema, .. }), None) = (schemas.next(), schemas.next()) else {
                    return Err(UNKNOWN);
                };
                let Schema::In(schema) = schema else {
                    return Err(UNKNOWN);
                };
                if **schema != *"pg_catalog" {
                    paths.insert(schema.to_string());
                }
                schema.to_string()
            }
        };
        tables.insert((schema, name.name.to_string()));
    }
    let mut paths = paths.into_iter();
    match (paths.next(), paths.next()) {
        (path, None) => Ok(Meant { path, tables }),
        // A table is known to be in one schema only where the path has no other.
        _ => Err(UNKNOWN),
    }
}

impl Meant {
    /// What [`QUESTION`] is asked with.
    pub(super) fn parameters(&self, probe: &Probe) -> Vec<Bound> {
        let schemas = self.tables.iter().map(|(schema, _)| schema);
        let names = self.tables.iter().map(|(_, name)| name);
        let mut parameters = vec![
            texts(&probe.functions),
            texts(&probe.fields),
            texts(&probe.operators),
            texts(&probe.types),
            texts(schemas),
            texts(names),
        ];
        parameters.push(Bound {
            oid: 0,
            is_binary: false,
            value: self.path.as_ref().map(|_| Bytes::from_static(b"x")),
        });
        parameters
    }

    /// The setting `search_path`: nothing but the server's own where the session's is not known.
    pub(super) fn search_path(&self) -> String {
        match &self.path {
            Some(schema) => format!("\"{}\"", schema.replace('"', "\"\"")),
            None => "pg_catalog".to_owned(),
        }
    }
}

/// An array of texts, as the server reads it.
fn texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> Bound {
    let quoted = texts.into_iter().map(|text| {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{text}\"")
    });
    let array = format!("{{{}}}", quoted.collect::<Vec<_>>().join(","));
    Bound {
        oid: TEXTS,
        is_binary: false,
        value: Some(array.into()),
    }
}

#[cfg(test)]
mod tests {
    use gateway_core::sql::postgres::probe::probe;

    use super::*;

    /// The search path, and schemas and names.
    type Expected<'a> = (Option<&'a str>, &'a [(&'a str, &'a str)]);

    #[track_caller]
    fn check(text: &str, judged: &[&str], expected: Option<Expected<'_>>) {
        let names = judged.iter().map(|name| (*name).to_owned()).collect();
        let unit = BTreeMap::from([("sql.table".to_owned(), Value::Texts(names))]);
        let meant = meant(&probe(text).unwrap(), &[unit]);
        let expected = expected.map(|(path, tables)| Meant {
            path: path.map(str::to_owned),
            tables: tables
                .iter()
                .map(|(schema, name)| ((*schema).to_owned(), (*name).to_owned()))
                .collect(),
        });
        assert_eq!(meant.ok(), expected, "{text}");
    }

    #[test]
    fn schemas_are_those_that_were_judged() {
        check(
            "DELETE FROM orders",
            &["shop.orders"],
            Some((Some("shop"), &[("shop", "orders")])),
        );
        check(
            "SELECT FROM a.x, y, pg_class",
            &["a.x", "b.y", "pg_catalog.pg_class"],
            Some((
                Some("b"),
                &[("a", "x"), ("b", "y"), ("pg_catalog", "pg_class")],
            )),
        );
        check("SELECT FROM a.x", &["a.x"], Some((None, &[("a", "x")])));
        // A schema that could be several, or was not found out.
        check("DELETE FROM orders", &["orders"], None);
        check("DELETE FROM orders", &[], None);
        check("SELECT FROM x, a.x", &["b.x", "a.x"], None);
        check("SELECT FROM x, y", &["a.x", "b.y"], None);
    }

    #[test]
    fn names_cannot_leave_their_place() {
        let bound = texts(&["a\",\"b\\".to_owned(), String::new()]);
        assert_eq!(bound.value.unwrap(), r#"{"a\",\"b\\",""}"#);
        let meant = Meant {
            path: Some("a\", \"b".to_owned()),
            tables: BTreeSet::new(),
        };
        assert_eq!(meant.search_path(), r#""a"", ""b""#);
    }
}
