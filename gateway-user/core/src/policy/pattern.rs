//! Patterns that a rule holds against facts, and the three answers they can give.
//!
//! A pattern is built by `compile`, which has checked that it fits the fact's type. What the
//! answers mean for a rule is in `engine`.

use std::ops::RangeInclusive;

use regex::Regex;

use crate::facts::{Fact, Name};
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

    fn name(&self, name: &Name) -> Truth {
        match self {
            Self::Names(patterns) => patterns
                .iter()
                .map(|pattern| pattern.matches(name))
                .max()
                .unwrap_or(Truth::No),
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

impl NamePattern {
    fn matches(&self, name: &Name) -> Truth {
        match (self, &name.schema) {
            (Self::Parts { name: pattern, .. }, _) if !pattern.matches(&name.name) => Truth::No,
            (
                Self::Parts {
                    schema: Glob::Any, ..
                },
                _,
            ) => Truth::Yes,
            (
                Self::Parts {
                    schema: pattern, ..
                },
                Some(schema),
            ) => pattern.matches(schema).into(),
            (Self::Regex(regex), Some(schema)) => {
                regex.is_match(&format!("{schema}.{}", name.name)).into()
            }
            (Self::Parts { .. } | Self::Regex(_), None) => Truth::Maybe,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_a_schema_are_uncertain() {
        let pattern = |schema, name| NamePattern::Parts {
            schema: Glob::new(schema),
            name: Glob::new(name),
        };
        let name = |schema: Option<&str>| Name {
            schema: schema.map(Into::into),
            name: "orders".into(),
        };
        assert_eq!(
            pattern("public", "*").matches(&name(Some("public"))),
            Truth::Yes
        );
        assert_eq!(pattern("public", "*").matches(&name(Some("s"))), Truth::No);
        assert_eq!(pattern("public", "*").matches(&name(None)), Truth::Maybe);
        assert_eq!(pattern("*", "orders").matches(&name(None)), Truth::Yes);
        assert_eq!(pattern("public", "x").matches(&name(None)), Truth::No);
    }
}
