//! The words and signs of a text, by PostgreSQL's own scanner: of PL/pgSQL, which no grammar here reads, and of
//! bodies in any language of SQL's.

use pg_query::protobuf::{KeywordKind, Token};

use super::Session;
use super::bounds::readable;

/// Longest text that is taken apart.
const MAX_BYTES: usize = 256 * 1024;

/// One word or sign.
#[derive(Debug)]
pub(super) struct Item {
    /// A word in lower case, unless it is in quotes.
    text: String,
    sort: Sort,
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// A name that is not in quotes.
    Word,
    /// One that means something to SQL's grammar.
    Keyword,
    /// A name in quotes.
    Quoted,
    Constant,
    Sign,
}

impl Item {
    /// Whether it is this word, not in quotes, or this sign.
    pub(super) fn is(&self, text: &str) -> bool {
        matches!(self.sort, Sort::Word | Sort::Keyword | Sort::Sign) && self.text == text
    }

    pub(super) fn is_name(&self) -> bool {
        matches!(self.sort, Sort::Word | Sort::Keyword | Sort::Quoted)
    }

    pub(super) fn is_constant(&self) -> bool {
        self.sort == Sort::Constant
    }

    pub(super) fn sort(&self) -> Sort {
        self.sort
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn start(&self) -> usize {
        self.start
    }

    pub(super) fn end(&self) -> usize {
        self.end
    }
}

/// None if it cannot be taken apart for certain.
pub(super) fn scan(text: &str) -> Option<Vec<Item>> {
    // Such a backslash ends a string in one setting of the session and does not in another.
    if text.len() > MAX_BYTES || text.contains("\\'") {
        return None;
    }
    let text = readable(text.as_bytes(), &Session::default())?;
    // `pg_query` 18.1 makes a slice of a null pointer where there is no token at all: so there is always one.
    let ended = format!("{text}\n;");
    // A panic in the library would be a bug of its own; here it means "not understood".
    let tokens = std::panic::catch_unwind(|| pg_query::scan_tokens(&ended));
    let mut tokens = tokens.ok()?.ok()?;
    tokens.pop()?;
    let mut items = Vec::new();
    for token in tokens {
        let start = usize::try_from(token.start).ok()?;
        let end = usize::try_from(token.end).ok()?;
        let written = text.get(start..end)?;
        let word = token.keyword_kind != i32::from(KeywordKind::NoKeyword);
        let sort = match Token::try_from(token.token).ok()? {
            Token::SqlComment | Token::CComment => continue,
            // A name in another alphabet, which the scanner does not yet take apart.
            Token::Uident => return None,
            Token::Sconst | Token::Usconst | Token::Bconst | Token::Xconst => Sort::Constant,
            Token::Iconst | Token::Fconst | Token::Param => Sort::Constant,
            Token::Ident if written.starts_with('"') => Sort::Quoted,
            Token::Ident => Sort::Word,
            _ if word => Sort::Keyword,
            _ => Sort::Sign,
        };
        let text = match sort {
            Sort::Quoted => {
                let inside = written.strip_prefix('"')?.strip_suffix('"')?;
                inside.replace("\"\"", "\"")
            }
            _ => written.to_ascii_lowercase(),
        };
        items.push(Item {
            text,
            sort,
            start,
            end,
        });
    }
    Some(items)
}
