//! As much of a statement as a message has room for: all of it, or its beginning and its end, and how
//! much is missing between them. An agent must not be able to push what matters out of sight at
//! either end without this being said.

use super::sheet::push;

/// So many characters of a line are kept together.
const PIECE: usize = 200;
/// More than this is never shown at one end, in bytes; it keeps the work small too.
const END: usize = 64 << 10;

/// A part of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// As it is shown: every character is visible.
    pub(super) shown: String,
    /// Whether the line ends with it.
    pub(super) ends_line: bool,
    /// How many bytes of the statement it stands for.
    bytes: usize,
}

/// What is shown of a statement.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// All of it, or its beginning.
    pub(super) head: Vec<Piece>,
    /// How many bytes are missing after `head`.
    pub(super) hidden: usize,
    /// Its end, where something is missing.
    pub(super) tail: Vec<Piece>,
}

/// Takes as much of `text` as costs no more than `budget`.
pub(super) fn excerpt(text: &str, budget: usize, cost: impl Fn(&Piece) -> usize) -> Excerpt {
    let (start, end) = ends(text);
    if end.is_empty() {
        let all = pieces(start);
        if all.iter().map(&cost).sum::<usize>() <= budget {
            return Excerpt {
                head: all,
                ..Excerpt::default()
            };
        }
    }
    let within = |pieces: Vec<Piece>, budget: usize| -> Vec<Piece> {
        let mut left = budget;
        let fits = |piece: &Piece| {
            let rest = left.checked_sub(cost(piece));
            left = rest.unwrap_or(0);
            rest.is_some()
        };
        pieces.into_iter().take_while(fits).collect()
    };
    let head = within(pieces(start), budget - budget / 4);
    let mut last = pieces(if end.is_empty() { start } else { end });
    // What is in the head is not in the tail as well.
    if end.is_empty() {
        last.drain(..head.len());
    }
    last.reverse();
    let mut tail = within(last, budget / 4);
    tail.reverse();
    let shown: usize = head.iter().chain(&tail).map(|piece| piece.bytes).sum();
    Excerpt {
        hidden: text.len() - shown,
        head,
        tail,
    }
}

/// The text, or the parts at both ends of one that is too long to be shown anyway.
fn ends(text: &str) -> (&str, &str) {
    if text.len() <= 2 * END {
        return (text, "");
    }
    let start = text.floor_char_boundary(END);
    let end = text.ceil_char_boundary(text.len() - END);
    text.get(..start).zip(text.get(end..)).unwrap_or((text, ""))
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for line in text.split_inclusive('\n') {
        let ended = line.strip_suffix('\n');
        let content = ended.map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
        let first = pieces.len();
        let mut piece = Piece::empty();
        for (count, letter) in content.chars().enumerate() {
            if count > 0 && count.is_multiple_of(PIECE) {
                pieces.push(std::mem::replace(&mut piece, Piece::empty()));
            }
            piece.bytes += letter.len_utf8();
            match letter {
                '\t' => piece.shown.push_str("    "),
                letter => push(&mut piece.shown, letter),
            }
        }
        piece.ends_line = ended.is_some();
        // The line break itself.
        let before: usize = pieces.iter().skip(first).map(|piece| piece.bytes).sum();
        piece.bytes = line.len() - before;
        pieces.push(piece);
    }
    pieces
}

impl Piece {
    fn empty() -> Self {
        Self {
            shown: String::new(),
            ends_line: false,
            bytes: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(pieces: &[Piece]) -> String {
        let shown = pieces.iter().map(|piece| match piece.ends_line {
            true => format!("{}\n", piece.shown),
            false => piece.shown.clone(),
        });
        shown.collect()
    }

    fn shown(text: &str, budget: usize) -> (String, usize, String) {
        let cut = excerpt(text, budget, |piece| piece.shown.len() + 1);
        (join(&cut.head), cut.hidden, join(&cut.tail))
    }

    #[test]
    fn short_ones_are_whole() {
        for text in ["", "select 1", "a\n\nb\n", "x", &"y".repeat(999)] {
            assert_eq!(shown(text, 2000), (text.to_owned(), 0, String::new()));
        }
        assert_eq!(
            shown("a\r\n\tb\rc\u{202e}", 2000).0,
            "a\n    b\\rc\\u{202e}"
        );
    }

    #[test]
    fn long_ones_show_both_ends() {
        let text = format!("first\n{}last", "middle\n".repeat(1000));
        let (head, hidden, tail) = shown(&text, 400);
        assert!(head.starts_with("first\nmiddle\n"));
        assert!(tail.ends_with("middle\nlast"));
        assert_eq!(head.len() + hidden + tail.len(), text.len());
        let one_line = format!("first{}last", "x".repeat(1 << 20));
        let (head, hidden, tail) = shown(&one_line, 4000);
        assert!(head.starts_with("first") && tail.ends_with("last"));
        assert_eq!(head.len() + hidden + tail.len(), one_line.len());
    }

    #[test]
    fn nothing_is_cut_without_being_counted() {
        let samples = ["ä", "\u{1F600}", "\n", "\r\n", "\t", "a", "\u{0}", "ab\r"];
        for sample in samples {
            for count in [1, 199, 200, 201, 1000, 50_000, 140_000] {
                let text = sample.repeat(count);
                let cut = excerpt(&text, 3000, |piece| piece.shown.len() + 10);
                let of = |pieces: &[Piece]| pieces.iter().map(|piece| piece.bytes).sum::<usize>();
                assert_eq!(of(&cut.head) + cut.hidden + of(&cut.tail), text.len());
                assert_eq!(
                    cut.hidden == 0,
                    cut.tail.is_empty() && of(&cut.head) == text.len()
                );
            }
        }
    }
}
