//! Patterns that a rule holds against facts, and the three answers they can give.
//!
//! A pattern is built by `compile`, which has checked that it fits the fact's type. What the
//! answers mean for a rule is in `engine`.

use std::ops::RangeInclusive;

use regex::Regex;

use crate::facts::{Fact, Name, Schema};
use crate::glob::Glob;

/// Whether something matches, as far as it is known. Ordered: a conjunction is the least of its
/// parts, an alternative the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    No,
    Maybe,
    Yes,
}

impl From<bool> for Truth {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

impl std::ops::Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
            Self::Yes => Self::No,
        }
    }
}

/// How many values of a list must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    /// One is enough: a deny rule.
    Any,
    /// All, and there must be one: an allow rule.
    All,
}

/// What is held against one fact.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// No value at all.
    Empty,
    /// A text, or texts of a list.
    Text(Vec<TextPattern>),
    /// Names of a list.
    Names(Vec<NamePattern>),
    /// True or false.
    Flag(bool),
    /// Numbers in any of these ranges.
    Number(Vec<RangeInclusive<u64>>),
    /// Values that do not match.
    Not(Box<Pattern>),
}

impl Pattern {
    /// Whether the fact matches.
    pub(super) fn matches(&self, fact: &Fact, quantifier: Quantifier) -> Truth {
        match fact {
            Fact::Unknown => Truth::Maybe,
            Fact::Absent if self.is_of_list() => self.list(&[], quantifier, Self::name),
            Fact::Absent => self.absent(),
            Fact::Names(names) => self.list(names, quantifier, Self::name),
            Fact::Texts(texts) => self.list(texts, quantifier, |pattern, text| pattern.text(text)),
            Fact::Text(text) => self.text(text),
            Fact::Flag(flag) => self.flag(*flag),
            Fact::Number(number) => self.number(*number),
        }
    }

    fn is_of_list(&self) -> bool {
        match self {
            Self::Names(_) => true,
            Self::Not(inner) => inner.is_of_list(),
            _ => false,
        }
    }

    fn absent(&self) -> Truth {
        match self {
            Self::Empty => Truth::Yes,
            Self::Not(inner) => !inner.absent(),
            _ => Truth::No,
        }
    }

    fn list<T>(
        &self,
        items: &[T],
        quantifier: Quantifier,
        item: impl Fn(&Self, &T) -> Truth,
    ) -> Truth {
        match (self, quantifier) {
            (Self::Empty, _) => items.is_empty().into(),
            (Self::Not(inner), _) if matches!(**inner, Self::Empty) => (!items.is_empty()).into(),
            // Nothing is there that would have to be refused.
            (Self::Not(_), Quantifier::All) if items.is_empty() => Truth::Yes,
            (_, Quantifier::All) if items.is_empty() => Truth::No,
            (_, Quantifier::All) => items
                .iter()
                .map(|it| item(self, it))
                .min()
                .unwrap_or(Truth::No),
            (_, Quantifier::Any) => items
                .iter()
                .map(|it| item(self, it))
                .max()
                .unwrap_or(Truth::No),
        }
    }

    /// Whether a name matches; public to `explain`, which tells the ones that do not.
    pub(super) fn name(&self, name: &Name) -> Truth {
        match self {
            Self::Names(patterns) => any_matches(patterns, name),
            Self::Not(inner) => !inner.name(name),
            _ => Truth::No,
        }
    }

    /// Whether a text matches; public to `compile`, which tries all values of a closed list.
    pub(super) fn text(&self, text: &str) -> Truth {
        match self {
            Self::Text(patterns) => patterns.iter().any(|pattern| pattern.matches(text)).into(),
            Self::Not(inner) => !inner.text(text),
            _ => Truth::No,
        }
    }

    fn flag(&self, flag: bool) -> Truth {
        match self {
            Self::Flag(wanted) => (*wanted == flag).into(),
            Self::Not(inner) => !inner.flag(flag),
            _ => Truth::No,
        }
    }

    fn number(&self, number: u64) -> Truth {
        match self {
            Self::Number(ranges) => ranges.iter().any(|range| range.contains(&number)).into(),
            Self::Not(inner) => !inner.number(number),
            _ => Truth::No,
        }
    }
}

/// A pattern for one text.
#[derive(Clone, Debug)]
pub(super) enum TextPattern {
    Glob(Glob),
    /// Anchored at both ends.
    Regex(Regex),
}

impl TextPattern {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Glob(glob) => glob.matches(text),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// A pattern for a name that may carry a schema.
#[derive(Clone, Debug)]
pub(super) enum NamePattern {
    /// `schema.name`, or `name` for that name in any schema.
    Parts { schema: Glob, name: Glob },
    /// Anchored at both ends; held against `schema.name`.
    Regex(Regex),
}

/// Whether a name matches one of these. Where it may be in several schemas, it does so for certain
/// if it does in each of them, by whichever pattern.
fn any_matches(patterns: &[NamePattern], name: &Name) -> Truth {
    let within = |schema: &str| {
        patterns
            .iter()
            .any(|pattern| pattern.within(schema, &name.name))
    };
    match &name.schema {
        Schema::In(schema) => within(schema).into(),
        Schema::OneOf(schemas) => {
            let mut schemas = schemas.iter().map(|schema| within(schema));
            match schemas.next() {
                Some(first) if schemas.all(|other| other == first) => first.into(),
                _ => Truth::Maybe,
            }
        }
        Schema::Any => patterns
            .iter()
            .map(|pattern| pattern.anywhere(&name.name))
            .max()
            .unwrap_or(Truth::No),
    }
}

impl NamePattern {
    /// Whether the name matches in this schema.
    fn within(&self, schema: &str, name: &str) -> bool {
        match self {
            Self::Parts {
                schema: schemas,
                name: names,
            } => names.matches(name) && schemas.matches(schema),
            Self::Regex(regex) => with_schema(schema, name, |text| regex.is_match(text)),
        }
    }

    /// Whether the name matches when it could be in any schema.
    fn anywhere(&self, name: &str) -> Truth {
        match self {
            Self::Parts { name: names, .. } if !names.matches(name) => Truth::No,
            Self::Parts {
                schema: Glob::Any, ..
            } => Truth::Yes,
            Self::Parts { .. } | Self::Regex(_) => Truth::Maybe,
        }
    }
}

/// Longest `schema.name` that is put together on the stack: two of PostgreSQL's names and a dot.
const STACK: usize = 127;

/// Does something with `schema.name`.
pub(super) fn with_schema<T>(schema: &str, name: &str, of: impl FnOnce(&str) -> T) -> T {
    let mut buffer = [0_u8; STACK];
    let len = schema.len() + 1 + name.len();
    let parts = schema.bytes().chain([b'.']).chain(name.bytes());
    let text = buffer.get_mut(..len).and_then(|buffer| {
        buffer
            .iter_mut()
            .zip(parts)
            .for_each(|(to, from)| *to = from);
        std::str::from_utf8(buffer).ok()
    });
    match text {
        Some(text) => of(text),
        None => of(&format!("{schema}.{name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_whose_schema_is_uncertain() {
        let pattern = |schema, name| NamePattern::Parts {
            schema: Glob::new(schema),
            name: Glob::new(name),
        };
        let check = |pattern: NamePattern, schema: &Schema, expected: Truth| {
            let name = Name {
                schema: schema.clone(),
                name: "orders".into(),
            };
            let patterns = [pattern];
            assert_eq!(
                any_matches(&patterns, &name),
                expected,
                "{patterns:?} {schema:?}"
            );
        };
        let public = Schema::In("public".into());
        check(pattern("public", "*"), &public, Truth::Yes);
        check(pattern("s", "*"), &public, Truth::No);
        check(pattern("public", "*"), &Schema::Any, Truth::Maybe);
        check(pattern("*", "orders"), &Schema::Any, Truth::Yes);
        check(pattern("public", "x"), &Schema::Any, Truth::No);
        let either = Schema::OneOf(["app".into(), "public".into()].into());
        check(pattern("public", "*"), &either, Truth::Maybe);
        check(pattern("app", "*"), &either, Truth::Maybe);
        check(pattern("*p*", "*"), &either, Truth::Yes);
        check(pattern("s", "*"), &either, Truth::No);
        check(pattern("*", "orders"), &either, Truth::Yes);
        let both = [pattern("public", "*"), pattern("app", "*")];
        let name = Name {
            schema: either.clone(),
            name: "orders".into(),
        };
        assert_eq!(any_matches(&both, &name), Truth::Yes);
        let regex = |text: &str| NamePattern::Regex(Regex::new(text).unwrap());
        check(regex("^(?:public[.].*)$"), &either, Truth::Maybe);
        check(regex("^(?:(app|public)[.]orders)$"), &either, Truth::Yes);
        check(regex("^(?:s[.].*)$"), &either, Truth::No);
    }
}
