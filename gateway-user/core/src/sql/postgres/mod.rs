//! PostgreSQL's SQL, read with PostgreSQL's own grammar.
//!
//! [`analyse`] parses a text and walks the tree: `walk` is the machinery, `clauses` and `commands`
//! say where nodes have children, `queries`, `relations`, `names`, `statements` and `definitions` what the nodes mean,
//! `calls` which calls are more than a part of the statement, `effects` what functions do beside computing a value, `verbs` what a
//! command is called, `path` where names are looked for, `catalog` what the server has built in. `bodies` reads SQL that is in SQL as a text, with `plpgsql` and `texts` for where, and `words` for what no grammar here reads. `unit` is the result,
//! `bounds` what is not tried, `probe` how much a statement would touch, and `stack` the place where all this happens.
//!
//! Deliberately not here: slots of fact sets (`crate::protocols::postgres`), and any attempt to
//! look behind what is in the database, such as a function that is called or a view.

mod bodies;
mod bounds;
mod calls;
mod catalog;
mod clauses;
mod commands;
mod definitions;
mod effects;
pub mod lineage;
pub mod literals;
mod names;
mod path;
mod plpgsql;
pub mod probe;
mod queries;
mod relations;
mod stack;
mod statements;
mod texts;
mod unit;
mod verbs;
mod walk;
mod words;

#[cfg(test)]
mod tests;

use std::panic::catch_unwind;

use pg_query::{ParserOptions, protobuf};

pub use bounds::{MAX_BRACKETS, MAX_BYTES, MAX_OPERATORS, MAX_SIGNS, MAX_WORDS};
pub use effects::{SIDE_EFFECTS, side_effects};
pub use path::SearchPath;
pub use relations::DECIDE_PATH;
pub use unit::{Analysis, Effect, Most, Names, Setting, Unit};
pub use verbs::{KINDS, OBJECTS, VERBS};

use bounds::readable;
use queries::statement;
use stack::read_safely;
use walk::Walker;

/// Reads `text`. Never fails and never panics: what cannot be read is one unit whose `parsed` is
/// false.
///
/// The caller provides a stack of 16 MiB or more, of which less than a quarter is used: a text that
/// might nest deep is read on another thread, and the caller waits for it.
pub fn analyse(text: &[u8], session: &Session) -> Analysis {
    readable(text, session)
        .and_then(|text| read_safely(text, session))
        .unwrap_or_else(|| Analysis {
            units: vec![Unit::unread()],
            effects: vec![],
            statements: 1,
        })
}

const ESCAPING: ParserOptions = ParserOptions::DISABLE_STANDARD_CONFORMING_STRINGS;

/// Reads `text` on this thread's stack, see `stack`.
fn read(text: &str, session: &Session) -> Option<Analysis> {
    match session.strings {
        Strings::Standard => read_with(text, session, ParserOptions::DEFAULT),
        Strings::Escaping => read_with(text, session, ESCAPING),
        Strings::Uncertain => {
            let analysis = read_with(text, session, ParserOptions::DEFAULT)?;
            // Only a backslash makes a difference.
            let same = !text.contains('\\')
                || read_with(text, session, ESCAPING).as_ref() == Some(&analysis);
            same.then_some(analysis)
        }
    }
}

fn read_with(text: &str, session: &Session, options: ParserOptions) -> Option<Analysis> {
    // A panic in the library would be a bug of its own; here it means "not understood".
    let parsed = catch_unwind(|| {
        pg_query::parse(text, options | ParserOptions::DISABLE_ESCAPE_STRING_WARNING)
    });
    walk_all(&parsed.ok()?.ok()?.protobuf.stmts, session)
}

fn walk_all(statements: &[protobuf::RawStmt], session: &Session) -> Option<Analysis> {
    let count = u64::try_from(statements.len()).ok()?;
    let mut walker = Walker::new(session, statements.len().max(1));
    for raw in statements {
        let node = raw.stmt.as_ref()?;
        let made = walker.made(|walker| walker.top(|walker| statement(node, walker)));
        if made.is_empty() {
            return None;
        }
    }
    if statements.is_empty() {
        walker.unit(Unit::new("empty", "session"), |_| {});
    }
    walker.finish(count)
}

/// How a session makes the server read texts, where that is not fixed by the grammar.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    /// Where unqualified names are looked for.
    pub search_path: SearchPath,
    /// How `'…'` treats a backslash.
    pub strings: Strings,
    /// What the bytes of the text stand for.
    pub encoding: Encoding,
    /// What its names become in the database.
    pub database: Encoding,
}

impl Default for Session {
    /// What a server has out of the box.
    fn default() -> Self {
        Self {
            search_path: SearchPath::default(),
            strings: Strings::Standard,
            encoding: Encoding::Utf8,
            database: Encoding::Utf8,
        }
    }
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
