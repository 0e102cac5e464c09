//! What the generated statements are about: tables, views and functions of `schema.sql`, with types.

/// The kinds of types that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
    Big,
    Number,
    Date,
    Json,
    Texts,
}

pub(super) const KINDS: [Kind; 7] = [
    Kind::Text,
    Kind::Int,
    Kind::Big,
    Kind::Number,
    Kind::Date,
    Kind::Json,
    Kind::Texts,
];

impl Kind {
    /// As SQL names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Int => "int",
            Kind::Big => "int8",
            Kind::Number => "numeric",
            Kind::Date => "date",
            Kind::Json => "jsonb",
            Kind::Texts => "text[]",
        }
    }
}

/// A column that can be named.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Whether what it holds hangs on masked values.
    pub(super) is_secret: bool,
}

impl Column {
    pub(super) fn new(name: &str, kind: Kind, is_secret: bool) -> Column {
        Column {
            name: name.to_owned(),
            kind,
            is_secret,
        }
    }
}

/// What stands in FROM: how it is written, and its columns. A column that is masked has a `!`.
const SOURCES: [(&str, &str); 16] = [
    ("customers", CUSTOMERS),
    ("ONLY customers", CUSTOMERS),
    ("public.customers", CUSTOMERS),
    ("everybody()", CUSTOMERS),
    ("vips", VIPS),
    ("orders", ORDERS),
    ("orders", ORDERS),
    ("notes", "id int, body text"),
    ("newsletter", "email! text"),
    ("visits", "id int, customer int, email! text, day date"),
    ("visits_2024", "id int, customer int, email! text, day date"),
    ("people", "id int, name text, email! text"),
    ("renamed", "number int, nothing_special! text"),
    ("made", "id int, loud! text, name text"),
    ("mailing", "id int, email! text"),
    ("listed()", "who text, what! text"),
];

const CUSTOMERS: &str = "id int, name text, email! text, ssn! text, card! int8, born! date, profile! jsonb, token! uuid, tags! text[]";
const VIPS: &str = "id int, name text, email! text, ssn! text, card! int8, born! date, profile! jsonb, token! uuid, tags! text[], discount int";
const ORDERS: &str = "id int, customer int, total numeric, note text, mood mood";

/// Each source with the columns whose type is told apart.
pub(super) fn sources() -> Vec<(&'static str, Vec<Column>)> {
    SOURCES
        .iter()
        .map(|(name, columns)| (*name, columns.split(", ").filter_map(read).collect()))
        .collect()
}

fn read(text: &str) -> Option<Column> {
    let (name, kind) = text.split_once(' ').unwrap();
    let kind = KINDS.into_iter().find(|it| it.name() == kind)?;
    Some(Column::new(
        name.trim_end_matches('!'),
        kind,
        name.ends_with('!'),
    ))
}
