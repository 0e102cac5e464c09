//! What functions are judged to do, in a small database.

use std::sync::Arc;

use super::{Call, Rows, call, cast, operator, text};
use crate::ids::MaskName;
use crate::mask::{Kind, Mask, MaskSet, Otherwise, Selector};
use crate::secret::Secret;
use crate::sql::postgres::lineage::catalog::{
    Catalog, Column, Function, Language, Operator, Relation, RelationKind, Type, TypeKind,
    Volatility,
};
use crate::sql::postgres::lineage::edition::Edition;
use crate::sql::postgres::lineage::tracer::Tracer;
use crate::sql::postgres::lineage::{Masked, Masks, Statement};
use crate::sql::postgres::{SearchPath, Session};

use Language::{C, Internal, Other, Plpgsql, Sql};
use Volatility::{Immutable, Stable, Volatile};

/// Schema, name, language, volatility and body.
type Row = (
    &'static str,
    &'static str,
    Language,
    Volatility,
    &'static str,
);

const FUNCTIONS: &[Row] = &[
    ("pg_catalog", "lower", Internal, Immutable, ""),
    ("pg_catalog", "now", Internal, Stable, ""),
    ("pg_catalog", "current_setting", Internal, Stable, ""),
    ("pg_catalog", "set_config", Internal, Volatile, ""),
    ("pg_catalog", "pg_notify", Internal, Volatile, ""),
    ("pg_catalog", "nextval", Internal, Volatile, ""),
    ("pg_catalog", "random", Internal, Volatile, ""),
    ("pg_catalog", "lo_from_bytea", Internal, Volatile, ""),
    ("pg_catalog", "pg_read_file", Internal, Volatile, ""),
    ("pg_catalog", "query_to_xml", Internal, Volatile, ""),
    ("pg_catalog", "table_to_xml", Internal, Stable, ""),
    ("pg_catalog", "ts_stat", Internal, Volatile, ""),
    ("pg_catalog", "pg_sleep", Internal, Volatile, ""),
    ("pg_catalog", "count", Internal, Immutable, ""),
    ("public", "median", Internal, Immutable, ""),
    ("public", "crypt", C, Immutable, ""),
    ("public", "gen_salt", C, Volatile, ""),
    ("public", "unaccent", C, Stable, ""),
    ("public", "crosstab", C, Stable, ""),
    ("public", "dblink", C, Volatile, ""),
    ("public", "python", Other, Immutable, ""),
    ("public", "twice", Sql, Immutable, "SELECT $1 * 2"),
    ("public", "shout", Sql, Stable, "SELECT lower(x) || '!'"),
    (
        "public",
        "newest",
        Sql,
        Stable,
        "SELECT max_of FROM public.orders",
    ),
    (
        "public",
        "sample",
        Sql,
        Stable,
        "SELECT stavalues1::text FROM pg_catalog.pg_statistic",
    ),
    (
        "public",
        "hidden",
        Sql,
        Stable,
        "SELECT a FROM orders, \"pg_statistic\" s",
    ),
    (
        "public",
        "later",
        Sql,
        Stable,
        "SELECT a FROM not_there_yet",
    ),
    ("public", "also_later", Sql, Stable, "SELECT nothing_yet(a)"),
    ("public", "through", Sql, Stable, "SELECT sample()"),
    (
        "public",
        "by_dot",
        Sql,
        Stable,
        "SELECT o.sample FROM orders o",
    ),
    ("public", "by_operator", Sql, Stable, "SELECT 1 <?> 2"),
    ("public", "round", Sql, Stable, "SELECT about($1)"),
    ("public", "about", Sql, Stable, "SELECT round($1)"),
    (
        "public",
        "log_it",
        Sql,
        Volatile,
        "INSERT INTO orders VALUES ($1)",
    ),
    ("public", "stable_log", Sql, Stable, "SELECT log_it($1)"),
    ("public", "escaped", Sql, Stable, r"SELECT 'a\''"),
    (
        "public",
        "other_alphabet",
        Sql,
        Stable,
        r#"SELECT 1 FROM U&"pg_st\0061tistic""#,
    ),
    (
        "public",
        "grade",
        Plpgsql,
        Immutable,
        "DECLARE r text := 'a'; BEGIN IF x > 1 THEN RETURN lower(r); ELSIF (x) THEN RETURN 'b'; END IF; END",
    ),
    (
        "public",
        "total",
        Plpgsql,
        Stable,
        "BEGIN RETURN (WITH t AS (SELECT 1 FROM orders WHERE extract(year FROM day) = 1) SELECT count(*) FROM t); END",
    ),
    (
        "public",
        "by_default",
        Plpgsql,
        Stable,
        "DECLARE r record := (SELECT s FROM pg_statistic s LIMIT 1); BEGIN RETURN r; END",
    ),
    (
        "public",
        "dynamic",
        Plpgsql,
        Stable,
        "DECLARE r text; BEGIN EXECUTE 'SELECT 1 FROM pg_' || 'statistic' INTO r; RETURN r; END",
    ),
    (
        "public",
        "of_cursor",
        Plpgsql,
        Stable,
        "DECLARE r record; BEGIN FETCH c INTO r; RETURN r; END",
    ),
    (
        "public",
        "stamp",
        Plpgsql,
        Volatile,
        "BEGIN NEW.at := now(); RETURN NEW; END",
    ),
    ("public", "json_scalar", Sql, Volatile, "SELECT log_it($1)"),
    (
        "public",
        "joins_in",
        Sql,
        Volatile,
        "INSERT INTO vault.people VALUES ($1)",
    ),
    (
        "public",
        "guesses",
        Plpgsql,
        Volatile,
        "BEGIN PERFORM joins_in('a'); EXCEPTION WHEN unique_violation THEN NULL; END",
    ),
    ("pg_catalog", "jsonb_to_record", Internal, Immutable, ""),
    ("pg_catalog", "jsonb_populate_record", Internal, Stable, ""),
    ("pg_catalog", "pg_input_is_valid", Internal, Stable, ""),
    ("pg_catalog", "record_in", Internal, Stable, ""),
    ("pg_catalog", "to_jsonb", Internal, Stable, ""),
    ("app", "random", Sql, Stable, "SELECT sample()"),
    ("app", "bare", Sql, Stable, ""),
];

fn function(oid: usize, row: &Row) -> Function {
    let (schema, name, language, volatility, body) = *row;
    let first = if schema == "pg_catalog" {
        1_000
    } else {
        20_000
    };
    Function {
        oid: u32::try_from(oid).unwrap() + first,
        schema: schema.into(),
        name: name.into(),
        language,
        volatility,
        is_aggregate: name == "count" || name == "median",
        returns_set: false,
        columns: Box::default(),
        returns: 25,
        parts: Box::default(),
        body: (!body.is_empty()).then(|| body.into()),
    }
}

fn relation(oid: u32, schema: &str, name: &str, columns: &[&str]) -> Relation {
    let column = |(number, name): (usize, &&str)| Column {
        number: i16::try_from(number).unwrap() + 1,
        name: (*name).into(),
        ty: 25,
        ..Column::default()
    };
    Relation {
        oid,
        schema: schema.into(),
        name: name.into(),
        kind: RelationKind::Table,
        columns: columns.iter().enumerate().map(column).collect(),
        definition: None,
        parents: Box::default(),
        has_rules: false,
        triggers: Box::default(),
        emptied: Box::default(),
        references: Box::default(),
        keys: [].into(),
        parted: [].into(),
    }
}

fn ty(oid: u32, schema: &str, name: &str, kind: TypeKind) -> Type {
    Type {
        oid,
        schema: schema.into(),
        name: name.into(),
        kind,
        default: None,
    }
}

/// A database in which a column of `vault.people` is masked, and with it all that `pg_statistic` has.
pub(in super::super) fn database() -> Masked {
    let functions: Vec<_> = FUNCTIONS
        .iter()
        .enumerate()
        .map(|(oid, row)| function(oid, row))
        .collect();
    let number = |name: &str| {
        let mut functions = functions.iter();
        functions.find(|it| &*it.name == name).unwrap().oid
    };
    let operators = [("<?>", "sample"), ("~~>", "crypt"), ("<->", "python")];
    let operators = operators.map(|(name, function)| Operator {
        name: name.into(),
        function: number(function),
    });
    let relations = vec![
        relation(1, "pg_catalog", "pg_statistic", &["starelid", "stavalues1"]),
        relation(2, "public", "orders", &["id", "note", "max_of"]),
        relation(3, "vault", "people", &["id", "email"]),
    ];
    let types = vec![
        ty(25, "pg_catalog", "text", TypeKind::Base),
        ty(1009, "pg_catalog", "_text", TypeKind::Array(25)),
        ty(23, "pg_catalog", "int4", TypeKind::Base),
        ty(30, "public", "mood", TypeKind::Enum),
        ty(31, "public", "plain", TypeKind::Domain(25, false)),
        ty(32, "public", "checked", TypeKind::Domain(25, true)),
        ty(33, "public", "_checked", TypeKind::Array(32)),
        ty(34, "public", "orders", TypeKind::Composite(2)),
    ];
    let mask = Mask {
        name: MaskName::new("emails"),
        selector: Selector {
            columns: vec![crate::glob::Glob::new("*.people.email")],
            types: Vec::new(),
        },
        kind: Kind::Full,
        json: Vec::new(),
        otherwise: Otherwise::Null,
        within: None,
    };
    let catalog = Catalog::new(relations, types, functions, operators.into());
    let masks = MaskSet::new(vec![Arc::new(mask)]);
    let key = Secret::new([0_u8; 32].as_slice());
    Masked::new(Arc::new(catalog), Arc::new(masks), key, Edition::default())
}

const UNKNOWN: Call = Call::Unknown;

fn told() -> Call {
    Call::Reads(Masks::Unknown)
}

#[test]
fn functions_are_judged() {
    let database = database();
    let path = SearchPath::of(["public"]);
    for (name, expected) in [
        ("lower", Call::Pure),
        ("now", Call::Pure),
        ("current_setting", Call::Pure),
        ("random", told()),
        ("count", Call::Pure),
        ("set_config", Call::Keeps),
        ("pg_notify", Call::Keeps),
        ("nextval", Call::Keeps),
        ("lo_from_bytea", Call::Keeps),
        ("pg_sleep", Call::Keeps),
        ("pg_read_file", UNKNOWN),
        ("query_to_xml", UNKNOWN),
        ("table_to_xml", UNKNOWN),
        ("ts_stat", UNKNOWN),
        ("median", UNKNOWN),
        ("crypt", Call::Pure),
        ("gen_salt", Call::Pure),
        ("unaccent", Call::Pure),
        ("crosstab", UNKNOWN),
        ("dblink", UNKNOWN),
        ("python", UNKNOWN),
        ("twice", Call::Pure),
        ("shout", Call::Pure),
        ("newest", Call::Pure),
        ("sample", told()),
        ("hidden", told()),
        ("later", UNKNOWN),
        ("also_later", UNKNOWN),
        ("through", told()),
        ("by_dot", told()),
        ("by_operator", told()),
        ("round", Call::Pure),
        ("log_it", Call::Keeps),
        ("stable_log", Call::Keeps),
        ("escaped", UNKNOWN),
        ("other_alphabet", UNKNOWN),
        ("grade", Call::Pure),
        ("total", Call::Pure),
        ("by_default", told()),
        ("dynamic", UNKNOWN),
        ("of_cursor", UNKNOWN),
        ("stamp", Call::Keeps),
        ("not_there", UNKNOWN),
        ("joins_in", Call::Keeps),
        (
            "guesses",
            Call::Reads(Masks::Known(vec![MaskName::new("emails")])),
        ),
    ] {
        let tracer = Tracer::new(&database, &path);
        assert_eq!(call(&tracer, &[name]), expected, "{name}");
    }
}

#[test]
fn any_function_of_the_name_may_be_meant() {
    let database = database();
    let check = |path: SearchPath, name: &[&str], expected: Call| {
        let tracer = Tracer::new(&database, &path);
        assert_eq!(call(&tracer, name), expected, "{name:?}");
    };
    // Whatever the path is said to be.
    check(SearchPath::of(["public"]), &["random"], told());
    check(SearchPath::Unknown, &["random"], told());
    check(SearchPath::Unknown, &["pg_catalog", "random"], Call::Pure);
    check(SearchPath::of(["public"]), &["app", "random"], told());
    check(SearchPath::of(["public"]), &["app", "bare"], UNKNOWN);
    check(SearchPath::of(["public"]), &["vault", "random"], UNKNOWN);
    check(SearchPath::of(["public"]), &["checked"], Call::Keeps);
}

#[test]
fn operators_and_casts_are_judged() {
    let database = database();
    let path = SearchPath::of(["public"]);
    let tracer = Tracer::new(&database, &path);
    for (name, expected) in [
        ("=", Call::Pure),
        ("~~>", Call::Pure),
        ("<?>", told()),
        ("<->", UNKNOWN),
    ] {
        assert_eq!(operator(&tracer, &[name]), expected, "{name}");
    }
    for (name, expected) in [
        ("text", Call::Pure),
        ("mood", Call::Pure),
        ("plain", Call::Pure),
        ("orders", Call::Pure),
        ("checked", Call::Keeps),
        ("checked[]", Call::Keeps),
        ("_checked", Call::Keeps),
        ("vault.text", UNKNOWN),
        ("not_there", UNKNOWN),
    ] {
        let parsed = pg_query::parse(&format!("SELECT NULL::{name}"), 0).unwrap();
        let node = parsed
            .protobuf
            .nodes()
            .into_iter()
            .find_map(|it| match it.0 {
                pg_query::NodeRef::TypeName(ty) => Some(ty.clone()),
                pg_query::NodeRef::TypeCast(cast) => cast.type_name.clone(),
                _ => None,
            });
        assert_eq!(cast(&tracer, &node.unwrap()), expected, "{name}");
    }
}

fn statement(text: &str) -> Statement {
    let trace = Arc::new(database()).trace(text.as_bytes(), &Session::default());
    trace.statements[0].clone()
}

#[test]
fn a_function_may_be_called_like_a_part_of_the_grammar() {
    let copied = |made: &str| statement(&format!("SELECT {made} FROM vault.people")).copied;
    assert_eq!(copied("JSON_SCALAR(email)"), Masks::Unknown);
    assert!(copied("JSON_ARRAY(email)").is_empty());
}

#[test]
fn what_a_type_checks_is_done_wherever_a_value_is_made_of_it() {
    for (made, place) in [
        ("jsonb_to_record(to_jsonb(p)) AS r (a TYPE)", "FROM"),
        (
            "XMLTABLE('/a' PASSING email COLUMNS e TYPE PATH '.') x",
            "FROM",
        ),
        ("JSON_TABLE(email, '$' COLUMNS (e TYPE PATH '$')) x", "FROM"),
        ("XMLSERIALIZE(CONTENT email AS TYPE)", "SELECT"),
        ("JSON_VALUE(email, '$' RETURNING TYPE)", "SELECT"),
        ("JSON_OBJECT('a': email RETURNING TYPE)", "SELECT"),
        ("jsonb_populate_record(NULL::TYPE, email)", "SELECT"),
        ("pg_input_is_valid(email, 'TYPE')", "SELECT"),
    ] {
        let copies = |ty: &str| {
            let made = made.replace("TYPE", ty);
            let text = match place {
                "FROM" => format!("SELECT 1 FROM vault.people p, {made}"),
                _ => format!("SELECT {made} FROM vault.people p"),
            };
            !statement(&text).copied.is_empty()
        };
        assert!(copies("checked") && !copies("plain"), "{made}");
    }
    let any = "SELECT record_in(email, 1, 1), jsonb_populate_record(x, email) FROM vault.people";
    assert!(!statement(any).copied.is_empty());
}

#[test]
fn too_many_functions_are_not_followed() {
    let body = |next: u32| -> Box<str> { format!("SELECT f{next}()").into() };
    let functions = (0..300).map(|oid| Function {
        name: format!("f{oid}").into(),
        body: Some(body(oid + 1)),
        ..function(
            usize::try_from(oid).unwrap(),
            &("public", "", Sql, Stable, "x"),
        )
    });
    let catalog = Catalog::new(Vec::new(), Vec::new(), functions.collect(), Vec::new());
    let key = Secret::new([0_u8; 32].as_slice());
    let masks = Arc::new(MaskSet::default());
    let database = Masked::new(Arc::new(catalog), masks, key, Edition::default());
    let path = SearchPath::of(["public"]);
    assert_eq!(call(&Tracer::new(&database, &path), &["f0"]), UNKNOWN);
    assert_eq!(
        text(
            &Tracer::new(&database, &path),
            "SELECT 1",
            None,
            Rows::Known
        ),
        Call::Pure
    );
}
