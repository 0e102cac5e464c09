//! `shape`: a text without its numbers, by which texts that differ in nothing else are one.
//!
//! A client that puts values into its texts sends a new text each time, and each means the same to
//! policy. So this finds the texts of which that is certain, and gives up on all others: only
//! queries and changes of rows, because options of commands can be numbers (`EXPLAIN (ANALYZE 0)`);
//! nothing that starts a string, a quoted name, a parameter or a comment; and no `float(25)`, the
//! one place in such statements where the grammar looks at the number. The numbers of `LIMIT` stay.
//! That nothing is overlooked is the subject of the tests.

/// Stands for a number in a shape. A text that has one has no shape.
pub(super) const NUMBER: u8 = 0;

/// Longest number that is taken out: all of these fit 32 bits, which the lexer tells from others.
const DIGITS: usize = 9;

/// The shape of `text`, if it has one.
pub(super) fn shape(text: &[u8]) -> Option<Vec<u8>> {
    let mut shape = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut before = b' ';
    let mut first = true;
    let mut counts_rows = false;
    while let Some((&byte, after)) = rest.split_first() {
        let length = rest.iter().take_while(|byte| part_of_word(**byte)).count();
        if length == 0 {
            if !harmless(before, byte, after) {
                return None;
            }
            shape.push(byte);
            (before, rest) = (byte, after);
            continue;
        }
        let (word, after) = rest.split_at(length);
        if std::mem::take(&mut first) && !starts_with_rows(word) {
            return None;
        }
        if word.eq_ignore_ascii_case(b"float") {
            return None;
        }
        // How many rows a `LIMIT` lets through is a fact of its own.
        let number = word.len() <= DIGITS && word.iter().all(u8::is_ascii_digit);
        match number && !counts_rows {
            true => shape.push(NUMBER),
            false => shape.extend_from_slice(word),
        }
        counts_rows = before_count(word);
        (before, rest) = (b'a', after);
    }
    Some(shape)
}

/// Letters, digits, and the dot, which makes numbers with a fraction and qualified names words that
/// are left as they are.
fn part_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || byte == b'_' || byte == b'.'
}

/// Whether a character between words starts nothing that hides words, and ends no statement before
/// the end.
fn harmless(before: u8, byte: u8, after: &[u8]) -> bool {
    match byte {
        NUMBER | b'\'' | b'"' | b'$' | b'\\' => false,
        b'-' => before != b'-',
        b'*' => before != b'/',
        b';' => after.iter().all(u8::is_ascii_whitespace),
        _ => true,
    }
}

/// Whether what follows may be how many rows there are at most: `LIMIT 5`, `FETCH FIRST (5) ROWS ONLY`.
fn before_count(word: &[u8]) -> bool {
    ["limit", "first", "next"]
        .iter()
        .any(|it| word.eq_ignore_ascii_case(it.as_bytes()))
}

/// Whether a statement that starts with this word has no options that are numbers.
fn starts_with_rows(word: &[u8]) -> bool {
    ["select", "insert", "update", "delete", "with"]
        .iter()
        .any(|start| word.eq_ignore_ascii_case(start.as_bytes()))
}

#[cfg(test)]
mod tests;
