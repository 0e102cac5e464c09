//! What statements do with masked columns: a small catalog, and a table of statements.

mod code;
mod deeds;
mod filled;
mod laws;
mod meeting;
mod namesakes;
mod sifting;
mod statements;
mod unnested;
mod wrapped;

use std::sync::Arc;

use super::catalog::{
    Catalog, Column, Function, Language, Relation, RelationKind, Type, TypeKind, Volatility,
};
use super::edition::Edition;
use super::{Masked, Masks, Output, Outputs, Statement};
use crate::glob::Glob;
use crate::ids::MaskName;
use crate::mask::{Kind, Mask, MaskKey, MaskSet, Otherwise, Selector};
use crate::sql::postgres::Session;

const INT4: u32 = 23;
const TEXT: u32 = 25;
const JSONB: u32 = 3802;
const TEXTS: u32 = 1_009;
const ANYELEMENT: u32 = 2_283;

fn mask(name: &str, columns: &[&str]) -> Arc<Mask> {
    Arc::new(Mask {
        name: MaskName::new(name),
        selector: Selector {
            columns: columns.iter().map(|glob| Glob::new(glob)).collect(),
            types: vec![],
        },
        kind: Kind::Hash,
        json: vec![],
        otherwise: Otherwise::Null,
        within: None,
    })
}

fn relation(oid: u32, kind: RelationKind, name: &str, columns: &[(&str, u32)]) -> Relation {
    let columns = columns.iter().zip(1..).map(|((name, ty), number)| Column {
        number,
        name: (*name).into(),
        ty: *ty,
        // That of the database, for texts.
        collation: if *ty == TEXT { 100 } else { 0 },
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
        emptied: [].into(),
        references: [].into(),
        keys: [].into(),
        parted: [].into(),
    }
}

fn view(oid: u32, name: &str, columns: &[(&str, u32)], definition: &str) -> Relation {
    Relation {
        definition: Some(definition.into()),
        ..relation(oid, RelationKind::View, name, columns)
    }
}

fn catalog() -> Catalog {
    let table = |oid, name, columns| relation(oid, RelationKind::Table, name, columns);
    let customers = [
        ("id", INT4),
        ("name", TEXT),
        ("email", TEXT),
        ("ssn", TEXT),
        ("profile", JSONB),
    ];
    let contact = [("id", INT4), ("mail", TEXT)];
    let relations = vec![
        table(20_000, "customers", &customers),
        table(
            20_001,
            "orders",
            &[("id", INT4), ("customer_id", INT4), ("note", TEXT)],
        ),
        view(
            20_002,
            "v_contacts",
            &contact,
            "SELECT c.id, c.email AS mail FROM public.customers c WHERE c.email IS NOT NULL",
        ),
        view(
            20_003,
            "v_v",
            &contact,
            "SELECT v_contacts.id, v_contacts.mail FROM public.v_contacts",
        ),
        Relation {
            kind: RelationKind::Materialized,
            ..view(
                20_004,
                "m_contacts",
                &contact,
                "SELECT customers.id, (customers.email || 'x'::text) AS mail FROM public.customers",
            )
        },
        table(20_005, "parts", &[("id", INT4), ("secret", TEXT)]),
        Relation {
            parents: [20_005].into(),
            ..table(20_006, "parts_1", &[("secret", TEXT), ("id", INT4)])
        },
        view(
            20_007,
            "v_loop",
            &contact,
            "SELECT v_loop.id, v_loop.mail FROM public.v_loop",
        ),
        Relation {
            has_rules: true,
            ..table(20_008, "ruled", &[("id", INT4)])
        },
        Relation {
            schema: "other".into(),
            ..table(
                20_009,
                "orders",
                &[("id", INT4), ("customer_id", INT4), ("note", TEXT)],
            )
        },
        // A `timestamp` and a `timestamptz`.
        table(20_010, "events", &[("a", 1_114), ("b", 1_184)]),
        Relation {
            schema: "pg_catalog".into(),
            ..relation(
                2619,
                RelationKind::Table,
                "pg_statistic",
                &[("starelid", INT4)],
            )
        },
    ];
    Catalog::new(relations, types(), functions(), vec![])
}

fn types() -> Vec<Type> {
    let ty = |oid, name: &str| Type {
        oid,
        schema: "pg_catalog".into(),
        name: name.into(),
        kind: TypeKind::Base,
        default: None,
    };
    vec![
        ty(INT4, "int4"),
        ty(TEXT, "text"),
        ty(16, "bool"),
        ty(26, "oid"),
        ty(1_042, "bpchar"),
        ty(1_043, "varchar"),
        ty(1_082, "date"),
        ty(1_114, "timestamp"),
        ty(1_184, "timestamptz"),
        ty(1_700, "numeric"),
        ty(JSONB, "jsonb"),
        Type {
            kind: TypeKind::Other,
            ..ty(ANYELEMENT, "anyelement")
        },
        Type {
            kind: TypeKind::Array(TEXT),
            ..ty(TEXTS, "_text")
        },
        Type {
            kind: TypeKind::Composite(20_001),
            schema: "public".into(),
            ..ty(20_010, "orders")
        },
    ]
}

fn functions() -> Vec<Function> {
    let function = |(name, oid): (&&str, u32)| Function {
        oid,
        schema: "pg_catalog".into(),
        name: (*name).into(),
        language: Language::Internal,
        volatility: match *name {
            "set_config" => Volatility::Volatile,
            _ => Volatility::Immutable,
        },
        is_aggregate: matches!(*name, "count" | "max" | "min" | "sum" | "string_agg"),
        returns_set: matches!(*name, "generate_series" | "unnest"),
        columns: [].into(),
        returns: match *name {
            "string_to_array" => TEXTS,
            "unnest" => ANYELEMENT,
            _ => TEXT,
        },
        parts: [].into(),
        body: None,
    };
    let functions = [
        "array_agg",
        "array_to_string",
        "avg",
        "bool_or",
        "concat",
        "count",
        "date_trunc",
        "extract",
        "first_value",
        "generate_series",
        "json_agg",
        "json_build_object",
        "json_object_agg",
        "lag",
        "left",
        "length",
        "lower",
        "max",
        "min",
        "position",
        "replace",
        "row_number",
        "row_to_json",
        "set_config",
        "split_part",
        "string_agg",
        "string_to_array",
        "strpos",
        "substr",
        "substring",
        "sum",
        "to_char",
        "to_jsonb",
        "unnest",
        "upper",
    ];
    functions.iter().zip(1000..).map(function).collect()
}

fn masked() -> Arc<Masked> {
    let masks = vec![
        mask("emails", &["public.customers.email"]),
        mask("ssns", &["public.customers.ssn", "public.parts_1.secret"]),
        mask("times", &["public.events.*"]),
    ];
    Arc::new(Masked::new(
        Arc::new(catalog()),
        Arc::new(MaskSet::new(masks)),
        MaskKey::new([7; 32].to_vec()),
        Edition::default(),
    ))
}

fn statement(masked: &Arc<Masked>, text: &str) -> Statement {
    let trace = masked.trace(text.as_bytes(), &Session::default());
    assert_eq!(trace.statements.len(), 1, "{text}");
    trace.statements[0].clone()
}

fn written(outputs: &Outputs) -> String {
    match outputs {
        Outputs::Clean => "clean".to_owned(),
        Outputs::Unknown => "unknown".to_owned(),
        Outputs::Columns(columns) => {
            let column = |output: &Output| match output {
                Output::Clean => "-".to_owned(),
                Output::Copy(mask) => format!("={}", mask.name),
                Output::Full => "#".to_owned(),
            };
            columns.iter().map(column).collect::<Vec<_>>().join(",")
        }
    }
}

fn names(masks: &Masks) -> String {
    match masks {
        Masks::Unknown => "?".to_owned(),
        Masks::Known(masks) => {
            let mut names: Vec<String> = masks.iter().map(ToString::to_string).collect();
            names.sort();
            names.join(",")
        }
    }
}

/// Statements, what they return, what they probe by, and what they copy.
fn all_do_as_is_said(table: &[(&str, &str, &str, &str)]) {
    let masked = masked();
    let mut wrong = Vec::new();
    for (text, outputs, probed, copied) in table {
        let made = statement(&masked, text);
        let made = [
            written(&made.outputs),
            names(&made.probed),
            names(&made.copied),
        ];
        if made != [*outputs, *probed, *copied] {
            wrong.push(format!(
                "    ({text:?}, {:?}, {:?}, {:?}),",
                made[0], made[1], made[2]
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
