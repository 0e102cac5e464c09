//! Every name, string and number of a JSON text, to be replaced where they are.
//!
//! Reads tokens and no tree, so that it needs no stack and allocates nothing where nothing is replaced. Who
//! gives it what is no JSON is told so, or gets back what is as little JSON as before.

use std::borrow::Cow;

use super::scan::{self, Fault, New};

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Piece<'a> {
    /// The name of a member, unescaped.
    Name(&'a str),
    /// A string, unescaped.
    Text(&'a str),
    /// A number as it is written.
    Number(&'a str),
}

/// What becomes of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It stays.
    Keep,
    /// This takes its place; of a name only a text can.
    New(New),
    /// Nothing may take its place.
    Refuse,
}

/// Replaces pieces of `text` by what `change` says of each. Nothing where all stay.
///
/// # Errors
/// It is no JSON, or something may not be replaced.
pub fn replace(
    text: &str,
    change: &mut dyn FnMut(Piece<'_>) -> Change,
) -> Result<Option<String>, Fault> {
    let mut out: Option<String> = None;
    let (mut at, mut copied) = (0, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let start = at;
        let first = rest.as_bytes().first().copied().unwrap_or_default();
        let changed = match first {
            b'"' => {
                let len = scan::end_of_string(rest).ok_or(Fault::Malformed)?;
                at += len;
                let behind = text.get(at..).unwrap_or_default();
                let is_name = behind.trim_start_matches(is_space).starts_with(':');
                let inner = rest.get(1..len - 1).ok_or(Fault::Malformed)?;
                let inner = match inner.contains('\\') {
                    true => Cow::Owned(
                        rest.get(..len)
                            .and_then(scan::unescape)
                            .ok_or(Fault::Malformed)?,
                    ),
                    false => Cow::Borrowed(inner),
                };
                change(match is_name {
                    true => Piece::Name(&inner),
                    false => Piece::Text(&inner),
                })
            }
            b'-' | b'0'..=b'9' => {
                let len = rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)))
                    .unwrap_or(rest.len());
                at += len;
                let number = rest.get(..len).ok_or(Fault::Malformed)?;
                if !scan::is_number(number) {
                    return Err(Fault::Malformed);
                }
                change(Piece::Number(number))
            }
            b't' | b'f' | b'n' => {
                let mut words = ["true", "false", "null"].into_iter();
                let word = words.find(|word| rest.starts_with(word));
                at += word.ok_or(Fault::Malformed)?.len();
                continue;
            }
            b'{' | b'}' | b'[' | b']' | b':' | b',' | b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            _ => return Err(Fault::Malformed),
        };
        let new = match changed {
            Change::Keep => continue,
            Change::New(new) => new,
            Change::Refuse => return Err(Fault::Refused),
        };
        let out = out.get_or_insert_with(|| String::with_capacity(text.len()));
        out.push_str(text.get(copied..start).ok_or(Fault::Malformed)?);
        copied = at;
        match new {
            New::Text(text) => scan::quote(&text, out),
            New::Number(number) if scan::is_number(&number) => out.push_str(&number),
            New::Bool(value) => out.push_str(if value { "true" } else { "false" }),
            New::Number(_) | New::Null => out.push_str("null"),
        }
    }
    if let Some(out) = &mut out {
        out.push_str(text.get(copied..).ok_or(Fault::Malformed)?);
    }
    Ok(out)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stars(text: &str) -> Result<Option<String>, Fault> {
        replace(text, &mut |piece| match piece {
            Piece::Name("k") | Piece::Text("x\"y") => Change::New(New::Text("*\"".to_owned())),
            Piece::Number("12") => Change::New(New::Number("0".to_owned())),
            Piece::Text("no") => Change::Refuse,
            _ => Change::Keep,
        })
    }

    #[test]
    fn pieces_are_replaced_where_they_are() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(stars(text), Ok(expected.map(str::to_owned)), "{text}");
        };
        check(r#"{"a": [1, "b", true, null, -2.5e3]}"#, None);
        check(r#"{"k" : "k", "a":12 }"#, Some(r#"{"*\"" : "k", "a":0 }"#));
        check(r#"["x\u0022y",12]"#, Some(r#"["*\"",0]"#));
        check("12", Some("0"));
        check("", None);
    }

    #[test]
    fn what_is_no_json() {
        for bad in ["\"", "\"\\x\"", "ann@example.org", "01", "nul", "\"no\""] {
            assert!(stars(bad).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_comes_back_or_is_refused(text in "[\\[\\]{}:,\" \\\\a-z0-9.-]{0,40}|\\PC{0,40}") {
            if let Ok(made) = replace(&text, &mut |_| Change::Keep) {
                assert_eq!(made, None);
            }
        }
    }
}
