//! The part of a server's catalog by which expressions are traced.

use anyhow::{Context, Result};
use gateway_core::sql::postgres::lineage::catalog::{
    Catalog, Column, Function, Language, Relation, RelationKind, Type, TypeKind, Volatility,
};
use tokio_postgres::{Client, Row};

const COLUMNS: &str = "
SELECT c.oid, c.relname::text AS name, c.relkind = 'r' AS is_table, a.attnum, a.attname::text AS column,
    a.atttypid AS type, a.attcollation AS collation
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'c') AND a.attnum > 0
ORDER BY c.oid, a.attnum";

const TYPES: &str = "
SELECT t.oid, n.nspname::text AS schema, t.typname::text AS name, t.typtype::text AS kind,
    e.oid IS NOT NULL AS is_array, t.typelem, t.typrelid, t.typbasetype
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_type e ON e.oid = t.typelem AND e.typarray = t.oid";

const FUNCTIONS: &str = "
SELECT p.oid, n.nspname::text AS schema, p.proname::text AS name, p.provolatile = 'i' AS is_immutable,
    p.provolatile = 's' AS is_stable, p.prokind = 'a' AS is_aggregate, p.proretset, p.prorettype
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'pg_catalog'";

pub(super) async fn read(client: &Client) -> Result<Catalog> {
    let mut relations: Vec<Relation> = Vec::new();
    for row in client.query(COLUMNS, &[]).await? {
        let oid: u32 = row.get("oid");
        if relations.last().is_none_or(|last| last.oid != oid) {
            relations.push(relation(&row));
        }
        let last = relations.last_mut().context("there is one")?;
        let columns = std::mem::take(&mut last.columns);
        let column = Column {
            number: row.get("attnum"),
            name: row.get::<_, String>("column").into(),
            ty: row.get("type"),
            collation: row.get("collation"),
            ..Column::default()
        };
        last.columns = columns.into_iter().chain([column]).collect();
    }
    let types = client.query(TYPES, &[]).await?;
    let functions = client.query(FUNCTIONS, &[]).await?;
    let types = types.iter().map(ty).collect();
    let functions = functions.iter().map(function).collect();
    Ok(Catalog::new(relations, types, functions, Vec::new()))
}

fn relation(row: &Row) -> Relation {
    Relation {
        oid: row.get("oid"),
        schema: "public".into(),
        name: row.get::<_, String>("name").into(),
        kind: match row.get("is_table") {
            true => RelationKind::Table,
            false => RelationKind::Other,
        },
        columns: [].into(),
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

fn ty(row: &Row) -> Type {
    Type {
        oid: row.get("oid"),
        schema: row.get::<_, String>("schema").into(),
        name: row.get::<_, String>("name").into(),
        kind: match row.get::<_, &str>("kind") {
            "b" if row.get("is_array") => TypeKind::Array(row.get("typelem")),
            "b" => TypeKind::Base,
            "c" => TypeKind::Composite(row.get("typrelid")),
            "d" => TypeKind::Domain(row.get("typbasetype"), false),
            "e" => TypeKind::Enum,
            _ => TypeKind::Other,
        },
        default: None,
    }
}

fn function(row: &Row) -> Function {
    Function {
        oid: row.get("oid"),
        schema: row.get::<_, String>("schema").into(),
        name: row.get::<_, String>("name").into(),
        language: Language::Internal,
        volatility: match (row.get("is_immutable"), row.get("is_stable")) {
            (true, _) => Volatility::Immutable,
            (_, true) => Volatility::Stable,
            _ => Volatility::Volatile,
        },
        is_aggregate: row.get("is_aggregate"),
        returns_set: row.get("proretset"),
        columns: [].into(),
        returns: row.get("prorettype"),
        parts: [].into(),
        body: None,
    }
}
