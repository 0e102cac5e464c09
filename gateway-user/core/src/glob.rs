//! `Glob`: the pattern for names that everything the configuration says in patterns is written in.

use std::fmt::{self, Write as _};

/// A text in which `*` stands for any characters and `?` for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Glob {
    /// `*` alone.
    Any,
    /// No wildcard in it.
    Exact(Box<str>),
    /// Anything else.
    Wild(Box<[char]>),
}

impl Glob {
    /// Every text is a glob.
    pub fn new(text: &str) -> Self {
        if text == "*" {
            Self::Any
        } else if text.contains(['*', '?']) {
            Self::Wild(text.chars().collect())
        } else {
            Self::Exact(text.into())
        }
    }

    /// Whether it stands for `text`, all of it.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => **exact == *text,
            Self::Wild(pattern) => wild(pattern, text),
        }
    }

    /// Whether there is a text that both stand for.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Exact(text), glob) | (glob, Self::Exact(text)) => glob.matches(text),
            (Self::Wild(one), Self::Wild(other)) => share(one, other),
        }
    }
}

/// As it was written.
impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_char('*'),
            Self::Exact(text) => f.write_str(text),
            Self::Wild(pattern) => pattern.iter().try_for_each(|letter| f.write_char(*letter)),
        }
    }
}

/// The usual match with one place to go back to: linear for one `*`, never worse than the product
/// of both lengths.
fn wild(pattern: &[char], text: &str) -> bool {
    let (mut pattern, mut text) = (pattern, text.chars());
    let mut retry: Option<(&[char], std::str::Chars<'_>)> = None;
    loop {
        let mut ahead = text.clone();
        match (pattern.split_first(), ahead.next()) {
            (Some(('*', rest)), _) => {
                retry = Some((rest, text.clone()));
                pattern = rest;
                continue;
            }
            (Some((wanted, rest)), Some(next)) if *wanted == '?' || *wanted == next => {
                pattern = rest;
                text = ahead;
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((rest, mut from)) = retry.take() else {
            return false;
        };
        if from.next().is_none() {
            return false;
        }
        pattern = rest;
        text = from.clone();
        retry = Some((rest, from));
    }
}

/// Whether two patterns share a text, found from their ends: `below` says for each rest of `other`
/// whether it shares one with the rest of `one` behind the character at hand.
fn share(one: &[char], other: &[char]) -> bool {
    let at = |row: &[bool], index: usize| row.get(index).copied().unwrap_or(false);
    let ends = other.iter().rev().scan(true, |all, c| {
        *all &= *c == '*';
        Some(*all)
    });
    let mut below: Vec<bool> = std::iter::once(true).chain(ends).collect();
    below.reverse();
    for left in one.iter().rev() {
        let mut row = vec![false; below.len()];
        if let Some(last) = row.last_mut() {
            *last = *left == '*' && below.last().copied().unwrap_or(false);
        }
        for (index, right) in other.iter().enumerate().rev() {
            let next = index.saturating_add(1);
            let shared = match (left, right) {
                ('*', _) | (_, '*') => at(&below, index) || at(&row, next),
                ('?', _) | (_, '?') => at(&below, next),
                (left, right) => left == right && at(&below, next),
            };
            if let Some(place) = row.get_mut(index) {
                *place = shared;
            }
        }
        below = row;
    }
    at(&below, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(
                Glob::new(pattern).matches(text),
                expected,
                "{pattern} on {text}"
            );
        };
        check("*", "", true);
        check("a*", "a", true);
        check("a*", "ba", false);
        check("*a", "ba", true);
        check("*a*b*", "xxaxxbxx", true);
        check("*a*b", "xxaxxbxx", false);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("?", "é", true);
        check("**", "x", true);
        check("orders", "Orders", false);
        check("*ab", "aab", true);
    }

    #[test]
    fn overlaps() {
        let check = |one: &str, other: &str, expected: bool| {
            let (left, right) = (Glob::new(one), Glob::new(other));
            assert_eq!(left.overlaps(&right), expected, "{one} and {other}");
            assert_eq!(right.overlaps(&left), expected, "{other} and {one}");
        };
        check("*", "a", true);
        check("a*", "ab", true);
        check("a*", "b*", false);
        check("a*", "*b", true);
        check("agent@*.service", "*@1.service", true);
        check("agent@*.service", "coder@*.service", false);
        check("a?", "a*", true);
        check("a?", "?b*", true);
        check("a?", "a??", false);
        check("a*b*c", "ac*", true);
        check("a*c", "a*d", false);
        check("*a*", "*b*", true);
        check("", "**", true);
        check("", "?*", false);
    }
}
