//! Rewrites scalars of a JSON text (RFC 8259) and copies all else.
//!
//! Strict: a text that is no JSON, or nested deeper than `MAX_DEPTH`, is not rewritten at all. Of members
//! with the same name each is meant.

use std::fmt::Write as _;

use super::{Path, Step};

/// Deeper nesting is not read.
const MAX_DEPTH: usize = 512;

/// A string, unescaped, a number or a boolean. NULL stays NULL.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// A string.
    Text(&'a str),
    /// A number as it is written.
    Number(&'a str),
    /// `true` or `false`.
    Bool(bool),
}

/// What becomes of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum New {
    /// A string, not escaped.
    Text(String),
    /// A number as JSON writes it.
    Number(String),
    /// A boolean.
    Bool(bool),
    /// `null`.
    Null,
}

/// Why a text was not rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is no JSON, or nested too deeply.
    Malformed,
    /// A scalar may not become anything else.
    Refused,
}

/// Rewrites what is at the paths of `text` by `change`, which says nothing for what is refused.
///
/// # Errors
/// Why nothing was rewritten.
pub fn rewrite(
    text: &str,
    paths: &[Path],
    change: &mut dyn FnMut(Scalar<'_>) -> Option<New>,
) -> Result<String, Fault> {
    let mut scan = Scan {
        text,
        at: 0,
        out: String::with_capacity(text.len()),
        copied: 0,
        change,
    };
    let paths: Vec<&[Step]> = paths.iter().map(|path| &*path.0).collect();
    scan.skip_space();
    scan.value(&paths, MAX_DEPTH)?;
    scan.skip_space();
    if scan.at != text.len() {
        return Err(Fault::Malformed);
    }
    scan.copy_to(text.len())?;
    Ok(scan.out)
}

/// Where the string ends that `text` begins with, quotes included.
pub(crate) fn end_of_string(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate();
    if bytes.next()?.1 != b'"' {
        return None;
    }
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(at + 1),
            b'\\' => match bytes.next()?.1 {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                b'u' => {
                    for _ in 0..4 {
                        bytes.next().filter(|(_, byte)| byte.is_ascii_hexdigit())?;
                    }
                }
                _ => return None,
            },
            0..0x20 => return None,
            _ => {}
        }
    }
    None
}

/// What a string in quotes says. Half a surrogate pair becomes a replacement character.
pub(super) fn unescape(quoted: &str) -> Option<String> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut units: Vec<u16> = Vec::new();
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        let escape = if c == '\\' { chars.next()? } else { ' ' };
        if c == '\\' && escape == 'u' {
            let mut unit = 0_u32;
            for _ in 0..4 {
                unit = unit * 16 + chars.next()?.to_digit(16)?;
            }
            units.push(u16::try_from(unit).ok()?);
            continue;
        }
        text.push_str(&String::from_utf16_lossy(&units));
        units.clear();
        text.push(match (c, escape) {
            ('\\', 'b') => '\u{8}',
            ('\\', 'f') => '\u{c}',
            ('\\', 'n') => '\n',
            ('\\', 'r') => '\r',
            ('\\', 't') => '\t',
            ('\\', '"' | '\\' | '/') => escape,
            ('\\', _) => return None,
            (c, _) => c,
        });
    }
    text.push_str(&String::from_utf16_lossy(&units));
    Some(text)
}

/// Writes a string in quotes.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..' ' => {
                // Writing to a string does not fail.
                write!(out, "\\u{:04x}", u32::from(c)).unwrap_or_default();
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

struct Scan<'a, 'b> {
    text: &'a str,
    at: usize,
    out: String,
    /// So much of the text is written.
    copied: usize,
    change: &'b mut dyn FnMut(Scalar<'_>) -> Option<New>,
}

impl<'a> Scan<'a, '_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> Result<(), Fault> {
        if self.peek() != Some(byte) {
            return Err(Fault::Malformed);
        }
        self.at += 1;
        Ok(())
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn copy_to(&mut self, end: usize) -> Result<(), Fault> {
        let part = self.text.get(self.copied..end).ok_or(Fault::Malformed)?;
        self.out.push_str(part);
        self.copied = end;
        Ok(())
    }

    /// One value; `paths` are what is left of the paths that lead here.
    fn value(&mut self, paths: &[&[Step]], depth: usize) -> Result<(), Fault> {
        match self.peek() {
            Some(b'{') => self.object(paths, depth.checked_sub(1).ok_or(Fault::Malformed)?),
            Some(b'[') => self.array(paths, depth.checked_sub(1).ok_or(Fault::Malformed)?),
            _ => self.scalar(paths.iter().any(|path| path.is_empty())),
        }
    }

    fn object(&mut self, paths: &[&[Step]], depth: usize) -> Result<(), Fault> {
        self.eat(b'{')?;
        self.skip_space();
        if self.peek() == Some(b'}') {
            return self.eat(b'}');
        }
        loop {
            self.skip_space();
            let quoted = self.string()?;
            let below = self.below_member(paths, quoted)?;
            self.skip_space();
            self.eat(b':')?;
            self.skip_space();
            self.value(&below, depth)?;
            self.skip_space();
            if self.peek() == Some(b'}') {
                return self.eat(b'}');
            }
            self.eat(b',')?;
        }
    }

    fn below_member<'p>(
        &self,
        paths: &[&'p [Step]],
        quoted: &str,
    ) -> Result<Vec<&'p [Step]>, Fault> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let name = unescape(quoted).ok_or(Fault::Malformed)?;
        let below = paths.iter().filter_map(|path| match path.split_first() {
            None => Some(*path),
            Some((Step::Each, rest)) => Some(rest),
            Some((Step::Member(member), rest)) => (**member == *name).then_some(rest),
        });
        Ok(below.collect())
    }

    fn array(&mut self, paths: &[&[Step]], depth: usize) -> Result<(), Fault> {
        let below: Vec<&[Step]> = paths
            .iter()
            .map(|path| match path.split_first() {
                Some((Step::Each, rest)) => rest,
                // A member of an array's elements, or already at the end.
                _ => *path,
            })
            .collect();
        self.eat(b'[')?;
        self.skip_space();
        if self.peek() == Some(b']') {
            return self.eat(b']');
        }
        loop {
            self.skip_space();
            self.value(&below, depth)?;
            self.skip_space();
            if self.peek() == Some(b']') {
                return self.eat(b']');
            }
            self.eat(b',')?;
        }
    }

    fn string(&mut self) -> Result<&'a str, Fault> {
        let rest = self.text.get(self.at..).ok_or(Fault::Malformed)?;
        let end = end_of_string(rest).ok_or(Fault::Malformed)?;
        self.at += end;
        rest.get(..end).ok_or(Fault::Malformed)
    }

    fn scalar(&mut self, meant: bool) -> Result<(), Fault> {
        let start = self.at;
        let unescaped;
        let scalar = if self.peek() == Some(b'"') {
            let quoted = self.string()?;
            if !meant {
                return Ok(());
            }
            unescaped = unescape(quoted).ok_or(Fault::Malformed)?;
            Scalar::Text(&unescaped)
        } else {
            let rest = self.text.get(start..).ok_or(Fault::Malformed)?;
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)))
                .unwrap_or(rest.len());
            self.at += end;
            match rest.get(..end).ok_or(Fault::Malformed)? {
                "null" => return Ok(()),
                "true" => Scalar::Bool(true),
                "false" => Scalar::Bool(false),
                number if is_number(number) => Scalar::Number(number),
                _ => return Err(Fault::Malformed),
            }
        };
        if !meant {
            return Ok(());
        }
        let new = (self.change)(scalar).ok_or(Fault::Refused)?;
        self.copy_to(start)?;
        self.copied = self.at;
        match new {
            New::Text(text) => quote(&text, &mut self.out),
            New::Number(number) if is_number(&number) => self.out.push_str(&number),
            New::Bool(value) => self.out.push_str(if value { "true" } else { "false" }),
            New::Number(_) | New::Null => self.out.push_str("null"),
        }
        Ok(())
    }
}

pub(super) fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (text, exponent) = text
        .split_once(['e', 'E'])
        .map_or((text, None), |(text, exponent)| (text, Some(exponent)));
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stars(text: &str, paths: &[&str]) -> Result<String, Fault> {
        let paths: Vec<Path> = paths
            .iter()
            .map(|path| Path::parse(path).unwrap())
            .collect();
        rewrite(text, &paths, &mut |scalar| {
            Some(match scalar {
                Scalar::Text(text) => New::Text(format!("<{text}>")),
                Scalar::Number(_) => New::Number("0".into()),
                Scalar::Bool(_) => New::Null,
            })
        })
    }

    #[test]
    fn only_what_is_at_the_paths() {
        let check = |text: &str, path: &str, expected: &str| {
            assert_eq!(stars(text, &[path]).unwrap(), expected, "{text} {path}");
        };
        check(
            r#"{"a": 1 , "b":[true]}"#,
            "$.a",
            r#"{"a": 0 , "b":[true]}"#,
        );
        check(r#"{"a":"x","a":"y"}"#, "$.a", r#"{"a":"<x>","a":"<y>"}"#);
        check(r#"{"\u0061":"x"}"#, "$.a", r#"{"\u0061":"<x>"}"#);
        check(
            r#"{"a":{"b":"x","c":[1,null,{"d":true}]}}"#,
            "$.a",
            r#"{"a":{"b":"<x>","c":[0,null,{"d":null}]}}"#,
        );
        check(
            r#"{"a":[{"b":1},{"c":2}]}"#,
            "$.a[*].b",
            r#"{"a":[{"b":0},{"c":2}]}"#,
        );
        check(
            r#"{"a":[{"b":1},[{"b":2}]]}"#,
            "$.a.b",
            r#"{"a":[{"b":0},[{"b":0}]]}"#,
        );
        check(
            r#"{"a":{"b":1},"c":{"b":2}}"#,
            "$.*.b",
            r#"{"a":{"b":0},"c":{"b":0}}"#,
        );
        check(r#" "x\n\"\ud83d\ude00" "#, "$", " \"<x\\n\\\"\u{1f600}>\" ");
        check(r#"["\ud800"]"#, "$", "[\"<\u{fffd}>\"]");
        check(r#"["\u0000\u001f"]"#, "$", r#"["<\u0000\u001f>"]"#);
        check(
            r#"{"a":1e5,"b":-0.5E-7}"#,
            "$.x",
            r#"{"a":1e5,"b":-0.5E-7}"#,
        );
        check("[]", "$[*]", "[]");
        check("{ }", "$", "{ }");
    }

    #[test]
    fn what_is_no_json() {
        for bad in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "01",
            "1.",
            "+1",
            "1e",
            "-",
            "nul",
            "\"",
            "\"\\x\"",
            "\"\t\"",
            "[1] 2",
            "tru",
            "'a'",
            "[1 2]",
            "NaN",
            "\"\\u12\"",
            "{\"a\" 1}",
        ] {
            assert_eq!(stars(bad, &["$"]), Err(Fault::Malformed), "{bad}");
            assert_eq!(stars(bad, &[]), Err(Fault::Malformed), "{bad}");
        }
        let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(stars(&deep(512), &["$"]).is_ok());
        assert_eq!(stars(&deep(513), &["$"]), Err(Fault::Malformed));
    }

    #[test]
    fn refuses_the_whole() {
        let path = [Path::parse("$.a").unwrap()];
        let refused = rewrite(r#"{"a":1}"#, &path, &mut |_| None);
        assert_eq!(refused, Err(Fault::Refused));
    }

    fn json() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            ".{0,6}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::btree_map("[ab]", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest::proptest! {
        #[test]
        fn copies_what_is_not_meant(value in json()) {
            let text = serde_json::to_string_pretty(&value).unwrap();
            assert_eq!(stars(&text, &["$.nowhere"]).unwrap(), text);
        }

        #[test]
        fn changes_every_scalar_from_the_root(value in json()) {
            let text = value.to_string();
            let mut count = 0;
            let path = [Path::parse("$").unwrap()];
            let made = rewrite(&text, &path, &mut |_| { count += 1; Some(New::Text("*".into())) }).unwrap();
            let made: serde_json::Value = serde_json::from_str(&made).unwrap();
            fn scalars(value: &serde_json::Value) -> usize {
                match value {
                    serde_json::Value::Null => 0,
                    serde_json::Value::Array(values) => values.iter().map(scalars).sum(),
                    serde_json::Value::Object(values) => values.values().map(scalars).sum(),
                    serde_json::Value::String(text) => { assert_eq!(text, "*"); 1 }
                    _ => panic!("a scalar was left: {value}"),
                }
            }
            assert_eq!(scalars(&made), count);
        }

        #[test]
        fn strings_go_there_and_back(text: String) {
            let mut quoted = String::new();
            quote(&text, &mut quoted);
            assert_eq!(unescape(&quoted).unwrap(), text);
            assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
        }

        #[test]
        fn agrees_with_another_reader(text in "[\\[\\]{}:,\"a0-9.eE+ tru\\\\-]{0,12}") {
            let other = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            let number_range = text.contains(['e', 'E']);
            if !number_range {
                assert_eq!(stars(&text, &[]).is_ok(), other, "{text}");
            }
        }
    }
}
