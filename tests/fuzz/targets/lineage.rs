//! What a statement does with masked columns, for statements that a fuzzer puts together of words: it always
//! can be told or counts as unknown, and what is told does not get less where more is masked, or where the
//! statement stands in another. A crash becomes a test in
//! `gateway-user/core/src/sql/postgres/lineage/tests`.
//!
//! Each byte of the input is a word; `-timeout` bounds what one may take.
#![no_main]

use std::sync::{Arc, LazyLock};

use gateway_core::glob::Glob;
use gateway_core::ids::MaskName;
use gateway_core::mask::{Kind, Mask, MaskKey, MaskSet, Otherwise, Selector};
use gateway_core::sql::postgres::lineage::catalog::{
    Catalog, Column, Function, Language, Relation, RelationKind, Type, TypeKind, Volatility,
};
use gateway_core::sql::postgres::lineage::edition::Edition;
use gateway_core::sql::postgres::lineage::{Masked, Masks, Output, Outputs, Statement};
use gateway_core::sql::postgres::{Session, analyse};
use libfuzzer_sys::fuzz_target;

const WORDS: [&str; 128] = [
    "SELECT",
    "FROM",
    "WHERE",
    "customers",
    "orders",
    "v",
    "email",
    "id",
    "note",
    "profile",
    "*",
    ",",
    "(",
    ")",
    ".",
    ";",
    "a",
    "b",
    "c",
    "AS",
    "WITH",
    "RECURSIVE",
    "UNION ALL",
    "EXCEPT",
    "JOIN",
    "LEFT JOIN",
    "NATURAL JOIN",
    "ON true",
    "USING (id)",
    "LATERAL",
    "VALUES",
    "1",
    "'x'",
    "NULL",
    "$1",
    "=",
    "||",
    "->>",
    "IS NULL",
    "IN",
    "EXISTS",
    "NOT",
    "AND",
    "CASE WHEN",
    "THEN",
    "ELSE",
    "END",
    "coalesce",
    "lower",
    "count",
    "row_to_json",
    "generate_series",
    "f",
    "g",
    "nosuch",
    "ROW",
    "ARRAY[",
    "]",
    "::text",
    "::customers",
    "GROUP BY",
    "ORDER BY",
    "LIMIT 1",
    "HAVING",
    "DISTINCT",
    "DISTINCT ON (",
    "OVER ()",
    "OVER w",
    "WINDOW w AS (",
    "PARTITION BY",
    "INSERT INTO",
    "DEFAULT VALUES",
    "ON CONFLICT (id) DO UPDATE SET",
    "excluded",
    "RETURNING",
    "UPDATE",
    "SET",
    "DELETE FROM",
    "MERGE INTO",
    "WHEN MATCHED THEN",
    "WHEN NOT MATCHED THEN INSERT",
    "DO NOTHING",
    "COPY",
    "TO STDOUT",
    "TO PROGRAM 'x'",
    "FROM STDIN",
    "PREPARE p AS",
    "EXECUTE p",
    "DECLARE c CURSOR FOR",
    "FETCH c",
    "CREATE TABLE t AS",
    "CREATE VIEW w AS",
    "EXPLAIN",
    "ANALYZE",
    "DO $$BEGIN",
    "END$$",
    "PERFORM",
    "ROLLUP (",
    "GROUPING SETS (",
    "FILTER (WHERE",
    "WITHIN GROUP (",
    "TABLESAMPLE system (1)",
    "ROWS FROM (",
    "WITH ORDINALITY",
    "XMLFOREST(",
    "XMLTABLE('x' PASSING",
    "COLUMNS",
    "JSON_OBJECT(",
    "JSON_VALUE(",
    "'$.a'",
    "JSON_TABLE(",
    "int",
    "text",
    "FOR UPDATE",
    "ONLY",
    "public.",
    "other.",
    "pg_catalog.",
    "DEFAULT",
    "CALL",
    "TRUNCATE",
    "LOCK",
    "ALTER TABLE",
    "RENAME TO",
    "query_to_xml('SELECT email FROM customers', true, true, '')",
    "ANY (",
    "BETWEEN",
    "COLLATE \"C\"",
];

fn relation(oid: u32, kind: RelationKind, name: &str, columns: &[(&str, u32)]) -> Relation {
    let columns = columns.iter().zip(1..).map(|((name, ty), number)| Column {
        number,
        name: (*name).into(),
        ty: *ty,
        ..Column::default()
    });
    Relation {
        oid,
        schema: "public".into(),
        name: name.into(),
        kind,
        columns: columns.collect(),
        definition: None,
        parents: [].into(),
        has_rules: false,
        triggers: [].into(),
        references: [].into(),
    }
}

fn catalog() -> Catalog {
    let columns = [("id", 23), ("email", 25), ("note", 25), ("profile", 3802)];
    let view = "SELECT customers.id, customers.email FROM public.customers";
    let relations = vec![
        relation(20_000, RelationKind::Table, "customers", &columns),
        relation(20_001, RelationKind::Table, "orders", &columns[..3]),
        Relation {
            definition: Some(view.into()),
            ..relation(20_002, RelationKind::View, "v", &columns[..2])
        },
    ];
    let ty = |(oid, name): (u32, &str)| Type {
        oid,
        schema: "pg_catalog".into(),
        name: name.into(),
        kind: TypeKind::Base,
        default: None,
    };
    let types = [(23, "int4"), (25, "text"), (3802, "jsonb")].map(ty);
    let function = |(name, oid): (&str, u32)| Function {
        oid,
        schema: "pg_catalog".into(),
        name: name.into(),
        language: Language::Internal,
        volatility: Volatility::Immutable,
        is_aggregate: name == "count",
        returns_set: name == "generate_series",
        columns: [].into(),
        returns: 25,
        parts: [].into(),
        body: None,
    };
    let own = |name: &str, oid, language, body: &str| Function {
        schema: "public".into(),
        language,
        volatility: Volatility::Volatile,
        body: Some(body.into()),
        ..function((name, oid))
    };
    let mut functions: Vec<Function> = [
        "coalesce",
        "lower",
        "count",
        "row_to_json",
        "generate_series",
    ]
    .into_iter()
    .zip(1000..)
    .map(function)
    .collect();
    functions.push(own(
        "f",
        20_100,
        Language::Sql,
        "SELECT email FROM public.customers",
    ));
    let body = "BEGIN RETURN (SELECT email FROM public.customers); END";
    functions.push(own("g", 20_101, Language::Plpgsql, body));
    Catalog::new(relations, types.into(), functions, vec![])
}

/// What is masked: one column, or that and others.
fn masked(columns: &[&str]) -> Arc<Masked> {
    let mask = Mask {
        name: MaskName::new("mask"),
        selector: Selector {
            columns: columns.iter().map(|column| Glob::new(column)).collect(),
            types: vec![],
        },
        kind: Kind::Hash,
        json: vec![],
        otherwise: Otherwise::Null,
        within: None,
    };
    Arc::new(Masked::new(
        Arc::new(catalog()),
        Arc::new(MaskSet::new(vec![Arc::new(mask)])),
        MaskKey::new([7; 32]),
        Edition::default(),
    ))
}

static ONE: LazyLock<Arc<Masked>> = LazyLock::new(|| masked(&["public.customers.email"]));
static MORE: LazyLock<Arc<Masked>> =
    LazyLock::new(|| masked(&["public.customers.email", "public.orders.*"]));

/// Whether each column of a result is masked; none where that cannot be told.
fn hidden(outputs: &Outputs) -> Option<Vec<bool>> {
    match outputs {
        Outputs::Clean => Some(Vec::new()),
        Outputs::Columns(columns) => {
            let hidden = |output: &Output| !matches!(output, Output::Clean);
            Some(columns.iter().map(hidden).collect())
        }
        Outputs::Unknown => None,
    }
}

/// Whether `more` says at least that much is hidden. Nothing known is the most.
fn hides(less: &Outputs, more: &Outputs) -> bool {
    match (hidden(less), hidden(more)) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(less), Some(more)) => {
            let mut all = less.iter().enumerate();
            all.all(|(at, hidden)| !hidden || more.get(at) == Some(&true))
        }
    }
}

fn any(masks: &Masks) -> bool {
    *masks != Masks::Known(Vec::new())
}

/// Whether `more` says at least what `less` does.
fn says(less: &Statement, more: &Statement) -> bool {
    hides(&less.outputs, &more.outputs)
        && (more.touches || !less.touches)
        && (any(&more.probed) || !any(&less.probed))
        && (any(&more.copied) || !any(&less.copied))
}

fuzz_target!(|input: &[u8]| {
    let words: Vec<&str> = input
        .iter()
        .take(64)
        .map(|byte| WORDS[usize::from(*byte) % WORDS.len()])
        .collect();
    let text = words.join(" ").replace(" . ", ".");
    let session = Session::default();
    let analysis = analyse(text.as_bytes(), &session);
    let trace = ONE.trace(text.as_bytes(), &session);
    let read = analysis.units.iter().all(|unit| unit.parsed);
    if read && analysis.statements > 0 {
        let count = u64::try_from(trace.statements.len()).unwrap_or(u64::MAX);
        assert_eq!(count, analysis.statements, "{text}");
    }
    let more = MORE.trace(text.as_bytes(), &session);
    assert_eq!(trace.statements.len(), more.statements.len(), "{text}");
    for (one, more) in trace.statements.iter().zip(&more.statements) {
        assert!(says(one, more), "{text}\n{one:?}\n{more:?}");
    }
    // A query hides no less where it stands in another.
    let [statement] = &*trace.statements else {
        return;
    };
    let verb = analysis.units.first().map_or("", |unit| unit.verb);
    if read && verb == "select" && analysis.units.iter().all(|unit| unit.kind == "read") {
        let text = text.trim_end_matches([';', ' ']);
        let within = format!("SELECT * FROM ({text}) within");
        let within = ONE.trace(within.as_bytes(), &session);
        if let [outer] = &*within.statements {
            assert!(says(statement, outer), "{text}\n{statement:?}\n{outer:?}");
        }
    }
});
