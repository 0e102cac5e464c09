//! Patterns as a rule writes them: for explanations, and to tell whether two are the same.

use std::fmt::{self, Display, Formatter};
use std::ops::RangeInclusive;

use regex::Regex;

use super::pattern::{NamePattern, Pattern, TextPattern};
use crate::glob::Glob;

impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("[]"),
            Self::Text(patterns) => list(f, patterns, Display::fmt),
            Self::Names(patterns) => list(f, patterns, Display::fmt),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(ranges) => list(f, ranges, range),
            Self::Not(inner) => write!(f, "{{ not = {inner} }}"),
        }
    }
}

impl Display for TextPattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glob(glob) => write!(f, "{:?}", glob.to_string()),
            Self::Regex(regex) => expression(f, regex),
        }
    }
}

impl Display for NamePattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parts {
                schema: Glob::Any,
                name,
            } => write!(f, "{:?}", name.to_string()),
            Self::Parts { schema, name } => write!(f, "{:?}", format!("{schema}.{name}")),
            Self::Regex(regex) => expression(f, regex),
        }
    }
}

/// One stands for itself, several are a list.
fn list<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    one: impl Fn(&T, &mut Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    if let [item] = items {
        return one(item, f);
    }
    f.write_str("[")?;
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        one(item, f)?;
    }
    f.write_str("]")
}

/// Without the anchors that the compiler put around it.
fn expression(f: &mut Formatter<'_>, regex: &Regex) -> fmt::Result {
    let anchored = regex.as_str();
    let source = anchored
        .strip_prefix("^(?:")
        .and_then(|rest| rest.strip_suffix(")$"));
    write!(f, "{{ regex = {:?} }}", source.unwrap_or(anchored))
}

fn range(range: &RangeInclusive<u64>, f: &mut Formatter<'_>) -> fmt::Result {
    match (*range.start(), *range.end()) {
        (min, max) if min == max => write!(f, "{min}"),
        (min, u64::MAX) => write!(f, "{{ min = {min} }}"),
        (0, max) => write!(f, "{{ max = {max} }}"),
        (min, max) => write!(f, "{{ min = {min}, max = {max} }}"),
    }
}
