//! What may be handed to the grammar at all, judged by one pass over the bytes.
//!
//! Everything here counts too much rather than too little: a text could be made so that it takes
//! for a string or a comment what is none. Only strings and names in quotes before anything that
//! could confuse it (`$`, a backslash, a comment) are passed over.

use super::{Encoding, Session};

/// Longest text that is read. Longer ones are not understood, hence denied unless a rule says
/// otherwise.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Most words, numbers and signs of a text, which make nodes: 2 or 3 µs each.
pub const MAX_WORDS: usize = 100_000;

/// Deepest nesting of brackets.
pub const MAX_BRACKETS: usize = 500;

/// Longest run of operator characters. The grammar's lexer takes a run as a whole, keeps two
/// characters of it and starts again: 200 KB of `/*` kept it busy for a minute.
pub const MAX_OPERATORS: usize = 1_024;

/// Longest run of `+` and `-` that is no comment. From the end of an operator the lexer takes one
/// off after the other, and looks through the rest each time.
pub const MAX_SIGNS: usize = 64;

/// Most starts of comments in one run of operator characters. Each one has the lexer take the run
/// again.
const MAX_STARTS: usize = 64;

/// The text, if it is one that may be handed to the grammar.
pub(super) fn readable<'a>(text: &'a [u8], session: &Session) -> Option<&'a str> {
    let certain = session.encoding == Encoding::Utf8 || text.is_ascii();
    if text.len() > MAX_BYTES || !certain || memchr::memchr(0, text).is_some() {
        return None;
    }
    let mut count = Count::default();
    for byte in text {
        if !count.quoted(*byte) {
            count.next(*byte);
            if count.too_much() {
                return None;
            }
        }
    }
    std::str::from_utf8(text).ok()
}

#[derive(Default)]
struct Count {
    words: usize,
    brackets: usize,
    operators: usize,
    signs: usize,
    starts: usize,
    /// The quote that ends the string or name which this is within.
    quote: Option<u8>,
    /// Whether it can no longer be told what is within quotes.
    confused: bool,
    /// Whether the run of operator characters had the start of a comment.
    comment: bool,
    before: u8,
}

impl Count {
    /// Whether the byte is within quotes, for certain.
    fn quoted(&mut self, byte: u8) -> bool {
        if self.confused {
            return false;
        }
        match (self.quote, byte) {
            (_, b'\\') | (None, b'$') => self.confused = true,
            (None, b'-' | b'*') => self.confused = matches!(self.before, b'-' | b'/'),
            (None, b'\'' | b'"') => self.quote = Some(byte),
            (Some(quote), _) if quote == byte => {
                self.quote = None;
                self.before = b' ';
                return true;
            }
            (Some(_), _) => return true,
            (None, _) => {}
        }
        false
    }

    fn next(&mut self, byte: u8) {
        match byte {
            b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'+' | b'-' | b'*'
            | b'/' | b'%' | b'<' | b'>' | b'=' => {
                self.operator(byte);
                self.before = byte;
                return;
            }
            b'(' | b'[' => {
                self.brackets += 1;
                self.words += 1;
            }
            b')' | b']' => self.brackets = self.brackets.saturating_sub(1),
            _ if letter(byte) => self.words += usize::from(!letter(self.before)),
            b',' | b';' | b'.' | b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => self.words += 1,
        }
        self.operators = 0;
        self.signs = 0;
        self.starts = 0;
        self.comment = false;
        self.before = byte;
    }

    fn operator(&mut self, byte: u8) {
        self.operators += 1;
        match (self.before, byte) {
            (b'-', b'-') if self.operators > 1 => self.comment = true,
            (b'/', b'*') if self.operators > 1 => {
                self.comment = true;
                self.starts += 1;
            }
            (b'*', b'/') => self.comment = false,
            _ => {}
        }
        // What is in a comment or an operator of several characters makes no node of its own.
        self.words += usize::from(self.operators == 1);
        match byte {
            b'+' | b'-' if !self.comment => {
                self.signs += 1;
                self.words += 1;
            }
            _ => self.signs = 0,
        }
    }

    fn too_much(&self) -> bool {
        self.words > MAX_WORDS
            || self.brackets > MAX_BRACKETS
            || self.operators > MAX_OPERATORS
            || self.signs > MAX_SIGNS
            || self.starts > MAX_STARTS
    }
}

fn letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || byte == b'_'
}
