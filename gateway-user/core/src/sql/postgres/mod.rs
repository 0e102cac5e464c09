//! PostgreSQL's SQL, read with PostgreSQL's own grammar.

/// How a session makes the server read texts, where that is not fixed by the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    /// Where unqualified names are looked for.
    pub search_path: SearchPath,
    /// How `'…'` treats a backslash.
    pub strings: Strings,
    /// What the bytes of the text stand for.
    pub encoding: Encoding,
}

impl Default for Session {
    /// What a server has out of the box.
    fn default() -> Self {
        Self {
            search_path: SearchPath::Default,
            strings: Strings::Standard,
            encoding: Encoding::Utf8,
        }
    }
}

/// Where unqualified names are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SearchPath {
    /// `pg_catalog`, then `public`.
    Default,
    /// Somewhere else: an unqualified name could be in any schema.
    Changed,
}

/// The setting `standard_conforming_strings`, which the server reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strings {
    /// `on`: a backslash in `'…'` is itself.
    Standard,
    /// `off`: a backslash in `'…'` escapes.
    Escaping,
    /// Not known: a text that the two read differently cannot be read.
    Uncertain,
}

/// The setting `client_encoding`, which the server reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `UTF8`, or `SQL_ASCII`, which passes bytes as they are.
    Utf8,
    /// Another, or not known: a text that is not plain ASCII cannot be read.
    Uncertain,
}

/// Every verb, in no order that matters.
pub const VERBS: &[&str] = &["select"];
/// Every kind.
pub const KINDS: &[&str] = &[
    "read",
    "write",
    "ddl",
    "dcl",
    "transaction",
    "session",
    "admin",
    "code",
];
/// Every sort of object.
pub const OBJECTS: &[&str] = &["table"];
