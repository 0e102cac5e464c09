//! The settings that a start-up packet makes: its own parameters, and those in `options`, taken apart as the server
//! does (`pg_split_opts` and `process_postgres_switches` in PostgreSQL).

use std::borrow::Cow;

/// A setting and its value.
pub(super) type Set<'a> = (Cow<'a, str>, Cow<'a, str>);

/// What a parameter of a start-up packet sets. None where the server would not take it.
pub(super) fn settings<'a>(name: &'a [u8], value: &'a [u8]) -> Option<Vec<Set<'a>>> {
    let (name, value) = (
        String::from_utf8_lossy(name),
        String::from_utf8_lossy(value),
    );
    match name.eq_ignore_ascii_case("options") {
        // To a server with a locale of one byte a letter these are blanks.
        true if value.contains(['\u{85}', '\u{a0}', '\u{fffd}']) => None,
        true => switches(&words(&value)),
        false => Some(vec![(name, value)]),
    }
}

/// Between blanks, of which a backslash keeps one.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = text.trim_start_matches(is_blank).chars().peekable();
    while chars.peek().is_some() {
        let mut word = String::new();
        while let Some(letter) = chars.next_if(|it| !is_blank(*it)) {
            match letter {
                '\\' => word.extend(chars.next()),
                _ => word.push(letter),
            }
        }
        words.push(word);
        while chars.next_if(|it| is_blank(*it)).is_some() {}
    }
    words
}

/// `isspace` of C.
fn is_blank(letter: char) -> bool {
    letter.is_ascii_whitespace() || letter == '\x0b'
}

/// Switches that take no argument, and those that do.
const ALONE: &str = "bEeFijlnOPsT";
const GIVEN: &str = "BcCDdfhkNprStvW-";

fn switches(words: &[String]) -> Option<Vec<Set<'static>>> {
    let mut set = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut letters = word.strip_prefix('-').filter(|it| !it.is_empty())?.chars();
        if word == "--" {
            // Whatever comes behind it is not for a session.
            return words.next().is_none().then_some(set);
        }
        while let Some(letter) = letters.next() {
            if ALONE.contains(letter) {
                continue;
            }
            if !GIVEN.contains(letter) {
                return None;
            }
            let given = match letters.as_str() {
                "" => words.next()?,
                rest => rest,
            };
            letters = "".chars();
            match letter {
                'c' | '-' => set.push(assignment(given)?),
                'f' => set.push((plan(given)?.into(), "off".into())),
                _ => {}
            }
        }
    }
    Some(set)
}

fn assignment(text: &str) -> Option<Set<'static>> {
    let (name, value) = text.split_once('=')?;
    Some((name.replace('-', "_").into(), value.to_owned().into()))
}

/// Which plans `-f` takes away (`set_plan_disabling_options`).
fn plan(letter: &str) -> Option<&'static str> {
    Some(match letter.chars().next()? {
        's' => "enable_seqscan",
        'i' => "enable_indexscan",
        'o' => "enable_indexonlyscan",
        'b' => "enable_bitmapscan",
        't' => "enable_tidscan",
        'n' => "enable_nestloop",
        'm' => "enable_mergejoin",
        'h' => "enable_hashjoin",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(options: &str, expected: Option<&[(&str, &str)]>) {
        let read = settings(b"options", options.as_bytes());
        let read = read.as_deref().map(|read| {
            let pairs = read.iter().map(|(name, value)| (&**name, &**value));
            pairs.collect::<Vec<_>>()
        });
        assert_eq!(read.as_deref(), expected, "{options}");
    }

    #[test]
    fn options_are_taken_apart() {
        check("", Some(&[]));
        check("  \t", Some(&[]));
        for written in [
            "-c role=admin",
            "-crole=admin",
            "--role=admin",
            "-c r\\ole=admin",
            "\t-c\x0brole=admin\n",
            "-e -c role=admin",
            "-ec role=admin",
            "-ecrole=admin --",
            "-B 5 -d5 --role=admin",
        ] {
            check(written, Some(&[("role", "admin")]));
        }
        check(
            "-c a=1 --session-authorization=b\\ c -c d=e=f",
            Some(&[("a", "1"), ("session_authorization", "b c"), ("d", "e=f")]),
        );
        check("-fs", Some(&[("enable_seqscan", "off")]));
        check(
            "-OPfo -f i",
            Some(&[("enable_indexonlyscan", "off"), ("enable_indexscan", "off")]),
        );
        check("-c a=\\", Some(&[("a", "")]));
    }

    #[test]
    fn what_the_server_does_not_take_is_not_taken() {
        for written in [
            "role=admin",
            "-",
            "-c",
            "-c role",
            "--role",
            "-z",
            "-fz",
            "-- -c role=a",
        ] {
            check(written, None);
        }
    }

    #[test]
    fn other_parameters_are_settings_themselves() {
        let read = settings(b"Role", b"-c a=b").unwrap();
        assert_eq!(read, [("Role".into(), "-c a=b".into())]);
    }
}
