//! PL/pgSQL, taken apart into the SQL that it runs.
//!
//! The text becomes words by PostgreSQL's own scanner, and statements by the rules of PL/pgSQL's grammar:
//! where an expression ends (`THEN`, `LOOP`, a semicolon outside of brackets), and which `INTO` is not the
//! statement's own. Each word belongs to a statement of the language or to a [`Piece`] of SQL, which is read
//! by PostgreSQL's grammar afterwards. A text that is not understood whole is not understood at all.

mod statements;

use std::collections::BTreeSet;

use super::words::{Item, scan};

/// Most pieces of one text.
const MAX_PIECES: usize = 2_000;

/// Deepest nesting of blocks, loops and branches.
const MAX_DEPTH: usize = 64;

/// SQL in a text of PL/pgSQL.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A statement.
    Statement(String),
    /// What a `SELECT` goes in front of.
    Expression(String),
    /// An expression whose value is run as a statement.
    Run(String),
    /// Rows of a cursor are taken, which may be anybody's.
    Fetch,
}

/// Takes a body apart. None if that cannot be done for certain.
pub(super) fn read(text: &str) -> Option<Vec<Piece>> {
    let mut reader = Reader {
        text,
        items: scan(text)?,
        at: 0,
        depth: 0,
        pieces: Vec::new(),
        cursors: BTreeSet::new(),
    };
    reader.body()?;
    Some(reader.pieces)
}

/// A place in the text, and what was found before it.
struct Reader<'a> {
    text: &'a str,
    items: Vec<Item>,
    at: usize,
    depth: usize,
    pieces: Vec<Piece>,
    /// Cursors that are declared with their query.
    cursors: BTreeSet<String>,
}

impl Reader<'_> {
    fn item(&self, ahead: usize) -> Option<&Item> {
        self.items.get(self.at + ahead)
    }

    /// Whether the item here is this word, not in quotes, or this sign.
    fn is(&self, ahead: usize, text: &str) -> bool {
        self.item(ahead).is_some_and(|item| item.is(text))
    }

    /// Whether a statement begins here with this word, which is not a variable that is given a value.
    fn begins(&self, word: &str) -> bool {
        self.is(0, word) && !self.assigns(1)
    }

    /// Whether what stands there makes what is before it a variable.
    fn assigns(&self, ahead: usize) -> bool {
        [":=", "=", "[", "."]
            .iter()
            .any(|sign| self.is(ahead, sign))
    }

    fn eat(&mut self, text: &str) -> bool {
        let here = self.is(0, text);
        self.at += usize::from(here);
        here
    }

    fn expect(&mut self, text: &str) -> Option<()> {
        self.eat(text).then_some(())
    }

    /// A name, in quotes or not.
    fn name(&mut self) -> Option<String> {
        let item = self.item(0).filter(|item| item.is_name())?;
        let name = item.text().to_owned();
        self.at += 1;
        Some(name)
    }

    fn deeper(&mut self, inside: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        inside(self)?;
        self.depth -= 1;
        Some(())
    }

    fn add(&mut self, piece: Piece) -> Option<()> {
        self.pieces.push(piece);
        (self.pieces.len() <= MAX_PIECES).then_some(())
    }

    /// What is written up to the first of these words or signs outside of brackets, which is not taken.
    /// An expression does not go past a semicolon.
    fn until(&mut self, ends: &[&str]) -> Option<String> {
        let start = self.at;
        let mut brackets = 0_usize;
        loop {
            let item = self.item(0)?;
            if brackets == 0 && ends.iter().any(|end| item.is(end)) {
                return self.written(start, self.at);
            }
            if item.is(";") {
                return None;
            } else if item.is("(") || item.is("[") {
                brackets += 1;
            } else if item.is(")") || item.is("]") {
                brackets = brackets.checked_sub(1)?;
            }
            self.at += 1;
        }
    }

    /// The text from one item up to another.
    fn written(&self, from: usize, to: usize) -> Option<String> {
        if from == to {
            return Some(String::new());
        }
        let start = self.items.get(from)?.start();
        let end = self.items.get(to.checked_sub(1)?)?.end();
        self.text.get(start..end).map(str::to_owned)
    }

    fn expression(&mut self, ends: &[&str]) -> Option<()> {
        let text = self.until(ends)?;
        if text.is_empty() {
            return None;
        }
        self.add(Piece::Expression(text))
    }

    /// Expressions with commas between them, up to one of `ends`.
    fn expressions(&mut self, ends: &[&str]) -> Option<()> {
        let all: Vec<&str> = ends.iter().copied().chain([","]).collect();
        loop {
            self.expression(&all)?;
            if !self.eat(",") {
                return Some(());
            }
        }
    }

    /// Passes over words, numbers and signs without a bracket up to a semicolon.
    fn plain(&mut self) -> Option<()> {
        while !self.eat(";") {
            if self.is(0, "(") || self.is(0, "[") {
                return None;
            }
            self.item(0)?;
            self.at += 1;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
