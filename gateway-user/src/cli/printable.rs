//! Text from agents and servers, made harmless for a terminal.
//!
//! A hostile agent chooses its statements, its process name and its errors. Printed as they are,
//! they could move the cursor, recolour what was said about them, or reorder what is read by
//! characters that change direction. Everything that is not plainly visible is shown as its code.

use std::fmt;

use anstyle::{AnsiColor, Style};
use gateway_core::visible::is_hidden;

/// Let pass.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// Refused or broken.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Would have been refused; incomplete.
pub(super) const DOUBTFUL: Style = AnsiColor::Yellow.on_default();
/// Less important.
pub(super) const DIM: Style = Style::new().dimmed();
/// More important.
pub(super) const STRONG: Style = Style::new().bold();

/// Text that is safe to print in one line.
pub(super) fn line(text: &str) -> Printable<'_> {
    Printable { text, indent: None }
}

/// Text that is safe to print with its line breaks, each followed by `indent` spaces. Tabs become
/// four spaces.
pub(super) fn block(text: &str, indent: usize) -> Printable<'_> {
    Printable {
        text,
        indent: Some(indent),
    }
}

/// A line of JSON that says the same and is safe to print: JSON escapes what is below a space by
/// itself, but not the other characters that a terminal may act on.
pub(super) fn json(line: &str) -> String {
    let mut safe = String::with_capacity(line.len());
    for letter in line.chars() {
        if is_hidden(letter) {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(letter);
        }
    }
    safe
}

/// A text as TOML writes it, in one line and safe to print.
pub(super) fn toml_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            letter if is_hidden(letter) => out.push_str(&format!("\\U{:08X}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// See [`line`] and [`block`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Printable<'a> {
    text: &'a str,
    indent: Option<usize>,
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        let mut letters = self.text.chars().peekable();
        while let Some(letter) = letters.next() {
            match (letter, self.indent) {
                ('\r', Some(_)) if letters.peek() == Some(&'\n') => {}
                ('\n', Some(indent)) => write!(f, "\n{:indent$}", "")?,
                ('\t', Some(_)) => f.write_str("    ")?,
                ('\n' | '\r' | '\t', _) => write!(f, "{}", letter.escape_debug())?,
                (letter, _) if is_hidden(letter) => write!(f, "{}", letter.escape_unicode())?,
                (letter, _) => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_drives_the_terminal() {
        for (text, expected) in [
            ("select 1", "select 1"),
            ("größer 数", "größer 数"),
            ("\x1b[2J\x1b]0;owned\x07", "\\u{1b}[2J\\u{1b}]0;owned\\u{7}"),
            ("a\u{9b}31mb", "a\\u{9b}31mb"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("a\u{200b}b\u{e0041}", "a\\u{200b}b\\u{e0041}"),
            ("a\nb\rc\td\u{7f}", "a\\nb\\rc\\td\\u{7f}"),
        ] {
            assert_eq!(line(text).to_string(), expected);
        }
    }

    #[test]
    fn blocks_keep_their_lines_and_nothing_else() {
        assert_eq!(
            block("select\r\n\t1\rx\x1b", 2).to_string(),
            "select\n      1\\rx\\u{1b}"
        );
    }

    #[test]
    fn json_stays_what_it_was() {
        let value = serde_json::json!({ "a": "x\u{9b}2J\u{7f}\u{202e}\u{e0041}ä\n" });
        let text = value.to_string();
        let safe = json(&text);
        assert!(!safe.chars().any(is_hidden), "{safe}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&safe).unwrap(),
            value
        );
    }

    #[test]
    fn toml_stays_what_it_was() {
        let text = "a\"\\b\n\u{9b}2J\u{202e}\u{e0041}ä\0";
        let written = toml_string(text);
        assert!(!written.chars().any(is_hidden), "{written}");
        let read: toml::Table = toml::from_str(&format!("it = {written}")).unwrap();
        assert_eq!(read["it"].as_str(), Some(text));
    }

    #[test]
    fn every_control_character_is_hidden() {
        let all = ('\0'..='\u{9f}').filter(|letter| letter.is_control());
        for letter in all {
            let text = letter.to_string();
            assert!(!line(&text).to_string().contains(letter), "{letter:?}");
        }
    }
}
