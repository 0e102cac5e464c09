//! Numbers of cards, accounts, phones and people.

use std::ops::Range;

use super::{goes_on, is_inside, runs, trim};

/// Countries and how long their IBANs are (the SWIFT registry).
const IBAN_LENGTHS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HN", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];

/// No IBAN is longer, with a space after each four.
const MAX_IBAN: usize = 42;

/// No card number is longer with its separators, and none has more groups.
const MAX_CARD: usize = 23;
const MAX_GROUPS: usize = 5;

/// Card numbers: known prefixes with their lengths, Luhn's check, and one kind of separator.
pub(super) fn cards(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (start, run) in runs(text, |c| c.is_ascii_digit() || matches!(c, ' ' | '-')) {
        for (first, _) in runs(run, |c| c.is_ascii_digit()) {
            let Some(part) = card(run.get(first..).unwrap_or_default()) else {
                continue;
            };
            let at = start + first;
            if !is_inside(text, at)
                && !goes_on(text, at + part.len())
                && !in_a_fraction(text, at, part.len())
            {
                found.push(at..at + part.len());
            }
        }
    }
    found
}

/// The longest card number that a text of digits and separators begins with.
fn card(text: &str) -> Option<&str> {
    let mut ends = [0; MAX_GROUPS];
    let groups = runs(text, |c| c.is_ascii_digit()).take_while(|(at, _)| *at < MAX_CARD);
    for (end, (at, group)) in ends.iter_mut().zip(groups) {
        *end = at + group.len();
    }
    let parts = ends.iter().rev().filter_map(|end| text.get(..*end));
    parts
        .filter(|part| part.len() <= MAX_CARD)
        .find(|part| is_card(part) && is_grouped(part))
}

fn digits(text: &str) -> impl DoubleEndedIterator<Item = u32> {
    text.chars().filter_map(|c| c.to_digit(10))
}

fn is_grouped(part: &str) -> bool {
    let mut separators = part.chars().filter(|c| !c.is_ascii_digit());
    let first = separators.next();
    if !separators.all(|c| Some(c) == first) {
        return false;
    }
    let mut lens = [0; MAX_GROUPS];
    let mut count = 0;
    for group in part.split([' ', '-']) {
        let Some(len) = lens.get_mut(count) else {
            return false;
        };
        *len = group.len();
        count += 1;
    }
    match lens.get(..count) {
        Some([_] | [4, 6, 4 | 5]) => true,
        Some([rest @ .., last]) => rest.iter().all(|len| *len == 4) && (1..=4).contains(last),
        Some([]) | None => false,
    }
}

/// Whether it is part of a decimal number or of a version.
fn in_a_fraction(text: &str, at: usize, len: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let mut before = before.chars().rev();
    let joins = |c: Option<char>| matches!(c, Some('.' | ','));
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let mut behind = text.get(at + len..).unwrap_or_default().chars();
    (joins(before.next()) && digit(before.next())) || (joins(behind.next()) && digit(behind.next()))
}

fn is_card(part: &str) -> bool {
    let head = digits(part).take(4).fold(0, |sum, digit| sum * 10 + digit);
    let len = digits(part).count();
    let known = match head {
        4000..=4999 => matches!(len, 13 | 16 | 19),
        5100..=5599 | 2221..=2720 => len == 16,
        3400..=3499 | 3700..=3799 => len == 15,
        3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => (14..=19).contains(&len),
        3528..=3589 | 6011 | 6440..=6599 | 6200..=6299 => (16..=19).contains(&len),
        5018 | 5020 | 5038 | 6304 | 6759 | 6761..=6763 => (13..=19).contains(&len),
        _ => false,
    };
    let last = digits(part).next_back();
    known && digits(part).any(|digit| Some(digit) != last) && luhn(part)
}

fn luhn(part: &str) -> bool {
    let sum: u32 = digits(part)
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => digit,
            (_, twice @ 10..) => twice - 9,
            (_, twice) => twice,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// IBANs in one piece or in groups of four, in capitals or not.
pub(super) fn ibans(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (start, word) in runs(text, |c| c.is_alphanumeric()) {
        let past = found.last().map_or(0, |last| last.end);
        if start < past || is_inside(text, start) {
            continue;
        }
        let Some((_, len)) = word.get(..2).and_then(|country| {
            IBAN_LENGTHS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(country))
        }) else {
            continue;
        };
        if let Some(end) = iban(text.get(start..).unwrap_or_default(), *len)
            && !goes_on(text, start + end)
        {
            found.push(start..start + end);
        }
    }
    found
}

/// Where an IBAN of so many characters ends; nothing if the text does not begin with one.
fn iban(text: &str, len: usize) -> Option<usize> {
    let mut chars = [' '; MAX_IBAN];
    let mut count = 0_usize;
    let mut end = 0;
    let mut spaced = false;
    for (at, c) in text.char_indices().take(MAX_IBAN) {
        if count == len {
            break;
        }
        match c {
            ' ' if count.is_multiple_of(4) && count > 0 && at == end => {
                spaced |= count == 4;
                if !spaced {
                    return None;
                }
            }
            c if c.is_ascii_alphanumeric() => {
                *chars.get_mut(count)? = c;
                count += 1;
                end = at + 1;
            }
            _ => return None,
        }
    }
    let chars = chars.get(..count)?;
    let check = chars.get(2..4)?;
    if count != len || !check.iter().all(char::is_ascii_digit) {
        return None;
    }
    let moved = chars.get(4..)?.iter().chain(chars.get(..4)?);
    let rest = moved.fold(0_u32, |rest, c| {
        let value = c.to_digit(36).unwrap_or_default();
        (rest * if value < 10 { 10 } else { 100 } + value) % 97
    });
    (rest == 1).then_some(end)
}

/// Phone numbers: with `+` and a country's code (E.164), or in North America's groups `(212) 555-0123`.
pub(super) fn phones(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let of_phone =
        |c: char| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '.' | '(' | ')' | '/');
    for (start, run) in runs(text, of_phone) {
        // Two numbers are told apart by two separators that do not go together.
        let mut at = start;
        for part in run
            .split_inclusive("  ")
            .flat_map(|part| part.split_inclusive(" / "))
        {
            let from = at;
            at += part.len();
            for (from, part) in plus_parts(from, part) {
                let (from, part) = trim(from, part, |c| matches!(c, ' ' | '-' | '.' | '/'));
                let part = close(part);
                let fits = is_international(part) || is_american(part);
                if fits && !is_inside(text, from) && !goes_on(text, from + part.len()) {
                    found.push(from..from + part.len());
                }
            }
        }
    }
    found
}

/// The parts of a run that begin with `+`, and what is before the first.
fn plus_parts(start: usize, run: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = run.get(at..).filter(|rest| !rest.is_empty())?;
        let next = rest.get(1..).and_then(|behind| behind.find('+'));
        let part = rest.get(..next.map_or(rest.len(), |next| next + 1))?;
        let from = start + at;
        at += part.len();
        Some((from, part))
    })
}

/// Without a parenthesis at its end that opens nothing.
fn close(part: &str) -> &str {
    part.trim_end_matches(['(', ' ', '-', '.', '/'])
        .strip_suffix(')')
        .filter(|rest| !rest.contains('('))
        .unwrap_or_else(|| part.trim_end_matches(['(', ' ', '-', '.', '/']))
}

fn is_international(part: &str) -> bool {
    let Some(rest) = part.strip_prefix('+') else {
        return false;
    };
    let count = rest.bytes().filter(u8::is_ascii_digit).count();
    let groups = rest
        .split(|c: char| !c.is_ascii_digit())
        .filter(|group| !group.is_empty())
        .count();
    let first = rest.chars().next();
    (8..=15).contains(&count)
        && groups <= 7
        && first.is_some_and(|c| matches!(c, '1'..='9'))
        && !rest.contains("..")
        && !rest.contains("--")
        && rest.matches('(').count() == rest.matches(')').count()
}

fn is_american(part: &str) -> bool {
    let national = part
        .strip_prefix("1-")
        .or_else(|| part.strip_prefix("1 "))
        .unwrap_or(part);
    let (area, rest) = if let Some(rest) = national.strip_prefix('(') {
        let Some((area, rest)) = rest.split_once(')') else {
            return false;
        };
        (area, rest.trim_start_matches([' ', '-']))
    } else {
        let Some((area, rest)) = national.split_once(['-', '.']) else {
            return false;
        };
        // The same separator goes on.
        let separator = national.chars().nth(3);
        if rest.chars().nth(3) != separator {
            return false;
        }
        (area, rest)
    };
    let Some((exchange, line)) = rest.split_once(['-', '.', ' ']) else {
        return false;
    };
    let all = |text: &str, len| text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    let valid = |code: &str| matches!(code.chars().next(), Some('2'..='9'));
    all(area, 3) && all(exchange, 3) && all(line, 4) && valid(area) && valid(exchange)
}

/// Social security numbers, `123-45-6789`, of areas, groups and serials that are given out.
pub(super) fn ssns(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (start, run) in runs(text, |c| c.is_ascii_digit() || matches!(c, '-' | ' ')) {
        for (at, word) in runs(run, |c| c.is_ascii_digit() || c == '-') {
            let (at, word) = trim(start + at, word, |c| c == '-');
            if is_ssn(word)
                && !is_inside(text, at)
                && !goes_on(text, at + word.len())
                && !in_a_fraction(text, at, word.len())
            {
                found.push(at..at + word.len());
            }
        }
    }
    found
}

fn is_ssn(word: &str) -> bool {
    let mut parts = word.split('-');
    let (Some(area), Some(group), Some(serial), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    // Numbers of the Woolworth wallet and of an old pamphlet.
    (area.len(), group.len(), serial.len()) == (3, 2, 4)
        && !matches!(area, "000" | "666")
        && !area.starts_with('9')
        && group != "00"
        && serial != "0000"
        && !matches!(word, "078-05-1120" | "219-09-9999")
}
