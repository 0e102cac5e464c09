//! One row of what is shown: pieces of one style each, that can be wrapped without an agent's text ever
//! standing where ours does.

use anstyle::Style;

use crate::cli::printable::DIM;

/// The width of labels.
const LABEL: usize = 11;
/// What every row of an agent's text begins with, and every row that continues one.
pub(super) const BAR: &str = "  │ ";
pub(super) const MORE: &str = "  ┊ ";
/// Nothing special.
pub(super) const PLAIN: Style = Style::new();

/// One row: what it begins with when it is wrapped, and its pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Row {
    /// Where it goes on in the next row, this is put first.
    more: Option<String>,
    /// Pieces of one style each. None has a line break or a character that drives a terminal.
    pub(in crate::cli) pieces: Vec<(Style, String)>,
}

impl Row {
    pub(in crate::cli) fn of(style: Style, text: impl Into<String>) -> Self {
        Self {
            more: Some(" ".repeat(LABEL + 1)),
            pieces: vec![(style, text.into())],
        }
    }

    pub(super) fn field(label: &str, value: impl Into<String>) -> Self {
        Self::styled(label, PLAIN, value)
    }

    pub(super) fn styled(label: &str, style: Style, value: impl Into<String>) -> Self {
        Self {
            more: Some(" ".repeat(LABEL + 1)),
            pieces: vec![(DIM, format!("{label:<LABEL$} ")), (style, value.into())],
        }
    }

    pub(super) fn agents(text: &str) -> Self {
        Self {
            more: Some(MORE.to_owned()),
            pieces: vec![(DIM, BAR.to_owned()), (PLAIN, text.to_owned())],
        }
    }

    /// As one text without styles.
    #[cfg(test)]
    pub(super) fn text(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }
}

/// The rows, none wider than `width` columns.
pub(in crate::cli) fn wrap(rows: &[Row], width: usize) -> Vec<Row> {
    let width = width.max(LABEL * 2);
    rows.iter().flat_map(|row| wrap_one(row, width)).collect()
}

fn wrap_one(row: &Row, width: usize) -> Vec<Row> {
    let more = row.more.clone().unwrap_or_default();
    let mut done = Vec::new();
    let mut pieces: Vec<(Style, String)> = Vec::new();
    let mut used = 0;
    for (style, text) in &row.pieces {
        let mut piece = String::new();
        for letter in text.chars() {
            let wide = width_of(letter);
            if used + wide > width {
                pieces.push((*style, std::mem::take(&mut piece)));
                done.push(Row {
                    more: None,
                    pieces: std::mem::take(&mut pieces),
                });
                pieces.push((DIM, more.clone()));
                used = more.chars().map(width_of).sum();
            }
            piece.push(letter);
            used += wide;
        }
        pieces.push((*style, piece));
    }
    done.push(Row { more: None, pieces });
    done
}

/// How many columns a letter takes at most. Terminals disagree about those that are not ASCII; where one
/// took more than was counted, it would wrap the row by itself, and what comes then has no bar.
fn width_of(letter: char) -> usize {
    if letter.is_ascii() { 1 } else { 2 }
}
