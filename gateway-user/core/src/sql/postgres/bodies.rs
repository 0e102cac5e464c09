//! SQL within SQL: the bodies of `DO` blocks and routines, and texts that functions run.
//!
//! What can be read counts as if it had been sent by itself: its statements are units within the one that
//! runs or keeps them. What cannot be read, because it is put together when it runs or because it is in
//! another language, is a unit of its own of which nothing is known but what runs it.

use std::panic::catch_unwind;

use pg_query::{ParserOptions, protobuf, protobuf::node::Node};

use super::bounds::readable;
use super::plpgsql::{self, Piece};
use super::queries::statement;
use super::unit::Unit;
use super::walk::{Walk, Walker, constant, string};
use super::{ESCAPING, SearchPath, Session};

/// Deepest nesting of texts in texts.
const MAX_NESTED: u8 = 6;

/// Where the statements that are read stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    /// In the text itself, which the server runs from its beginning to its end.
    Text,
    /// In a text that is run with it, all of it or a part, once or often.
    Run,
    /// In a text that is kept, or that another server runs.
    Kept,
}

/// The body of a `DO` block.
pub(super) fn block(arguments: &[protobuf::Node], walker: &mut Walker) {
    match Written::of(arguments, "plpgsql") {
        Some(written) => {
            walker.note(|unit| unit.language = Some(written.language.into()));
            // Where the path changes within, a loop may come back to what stands before.
            let path = match moves_path(written.text) {
                true => SearchPath::Unknown,
                false => walker.search_path.clone(),
            };
            walker.inside(Within::Run, path, |walker| written.walk(walker));
        }
        None => walker.dynamic("body"),
    }
}

/// The body of a `CREATE FUNCTION` or `CREATE PROCEDURE`, in a text. Where its names are looked for is known
/// when it is called.
pub(super) fn routine(options: &[protobuf::Node], walker: &mut Walker) {
    walker.inside(
        Within::Kept,
        SearchPath::Unknown,
        |walker| match Written::of(options, "sql") {
            Some(written) => {
                walker.note(|unit| unit.language = Some(written.language.into()));
                written.walk(walker);
            }
            None => walker.dynamic("body"),
        },
    );
}

/// A body as it is written.
struct Written<'a> {
    language: &'a str,
    text: &'a str,
}

impl<'a> Written<'a> {
    fn of(options: &'a [protobuf::Node], usual: &'a str) -> Option<Self> {
        let (mut text, mut language) = (None, usual);
        for option in options {
            let Some(Node::DefElem(option)) = &option.node else {
                return None;
            };
            let arg = option.arg.as_deref();
            match &*option.defname {
                // A second string would be the name of a symbol in a library.
                "as" => {
                    text = match &arg?.node {
                        Some(Node::List(list)) => match &*list.items {
                            [body] => string(body),
                            _ => Some(""),
                        },
                        _ => string(arg?),
                    }
                }
                "language" => language = string(arg?)?,
                _ => {}
            }
        }
        Some(Self {
            language,
            text: text?,
        })
    }

    fn walk(&self, walker: &mut Walker) {
        match self.language {
            "sql" => walker.embedded(self.text, "body"),
            "plpgsql" => match plpgsql::read(self.text) {
                Some(pieces) => pieces.iter().for_each(|piece| walker.piece(piece)),
                None => walker.dynamic("body"),
            },
            _ => walker.dynamic("body"),
        }
    }
}

/// Whether a text may change where names are looked for. Says so too often.
fn moves_path(text: &str) -> bool {
    const WORDS: [&str; 9] = [
        "search_path",
        "set_config",
        "role",
        "authorization",
        "discard",
        "reset",
        "execute",
        "schema",
        "extension",
    ];
    let text = text.to_ascii_lowercase();
    text.contains("u&") || WORDS.iter().any(|word| text.contains(word))
}

impl Walker {
    /// Walks `inside`, a text within the text. No name of a common table expression is in sight there.
    fn inside(&mut self, within: Within, path: SearchPath, inside: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.search_path, path);
        let kept = self.within == Within::Kept;
        let within = std::mem::replace(&mut self.within, if kept { Within::Kept } else { within });
        let moved = std::mem::take(&mut self.moved);
        self.apart(inside);
        self.within = within;
        self.search_path = match self.moved {
            true => SearchPath::Unknown,
            false => outer,
        };
        self.moved |= moved;
    }

    fn piece(&mut self, piece: &Piece) {
        match piece {
            Piece::Statement(text) => self.embedded(text, "body"),
            Piece::Expression(text) => self.computed(text),
            Piece::Run(text) => match parsed(&format!("SELECT {text}")) {
                Some(statements) => match only(&statements).and_then(constant) {
                    Some(text) => self.embedded(text, "execute"),
                    None => {
                        self.computed(text);
                        self.dynamic("execute");
                    }
                },
                None => self.dynamic("execute"),
            },
            Piece::Fetch => self.unit(Unit::new("fetch", "session"), |walker| walker.lose()),
        }
    }

    /// What an expression does, which is a query where it has one in it.
    fn computed(&mut self, text: &str) {
        let lower = text.to_ascii_lowercase();
        let queries = ["from", "select", "table", "with", "values"];
        let query = queries.iter().any(|word| lower.contains(word));
        let text = format!("SELECT {text}");
        match parsed(&text) {
            Some(_) if query => self.embedded(&text, "body"),
            Some(statements) => statements
                .iter()
                .filter_map(|raw| raw.stmt.as_ref())
                .for_each(|node| node.walk(self)),
            None => self.dynamic("body"),
        }
    }

    /// Reads `text` as statements that are run by the current unit, or kept by it. `what` runs them.
    pub(super) fn embedded(&mut self, text: &str, what: &str) {
        if self.overflows() {
            return;
        }
        let statements = match self.nested < MAX_NESTED {
            true => parsed(text).unwrap_or_default(),
            false => Vec::new(),
        };
        if statements.is_empty() {
            return self.dynamic(what);
        }
        self.nested += 1;
        self.apart(|walker| {
            for raw in &statements {
                match &raw.stmt {
                    Some(node) => walker.descend(|walker| statement(node, walker)),
                    None => walker.dynamic(what),
                }
            }
        });
        self.nested -= 1;
    }

    /// Reads `text` as statements that another server runs, or another session.
    pub(super) fn elsewhere(&mut self, text: &str, what: &str) {
        self.inside(Within::Kept, SearchPath::Unknown, |walker| {
            walker.embedded(text, what);
        });
    }

    /// The current unit runs SQL of which nothing is known.
    pub(super) fn dynamic(&mut self, what: &str) {
        let unit = Unit {
            dynamic: Some(what.into()),
            ..Unit::new("", "")
        };
        self.unit(unit, |walker| walker.lose());
        self.unsettled(None);
    }
}

/// The only value that a query has.
fn only(statements: &[protobuf::RawStmt]) -> Option<&protobuf::Node> {
    let [raw] = statements else { return None };
    let Some(Node::SelectStmt(select)) = &raw.stmt.as_ref()?.node else {
        return None;
    };
    let bare = select.from_clause.is_empty() && select.where_clause.is_none();
    match &*select.target_list {
        [target] if bare => match &target.node {
            Some(Node::ResTarget(target)) => target.val.as_deref(),
            _ => None,
        },
        _ => None,
    }
}

/// The statements of a text, if it means the same whatever the session is set to: that may change before
/// the text is run.
fn parsed(text: &str) -> Option<Vec<protobuf::RawStmt>> {
    let text = readable(text.as_bytes(), &Session::default())?;
    let read = |options: ParserOptions| {
        // A panic in the library would be a bug of its own; here it means "not understood".
        let parsed = catch_unwind(|| {
            pg_query::parse(text, options | ParserOptions::DISABLE_ESCAPE_STRING_WARNING)
        });
        Some(parsed.ok()?.ok()?.protobuf.stmts)
    };
    let statements = read(ParserOptions::DEFAULT)?;
    let same = !text.contains('\\') || read(ESCAPING).as_ref() == Some(&statements);
    same.then_some(statements)
}
