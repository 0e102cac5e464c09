//! Patterns of the configuration.

use std::ops::Range;

use regex::{Regex, RegexBuilder};

/// A pattern takes no more memory than this once it is compiled, in bytes.
const SIZE: usize = 1 << 20;
/// Words are looked for so far away from what a pattern has found, in bytes.
const NEAR: usize = 64;

/// What a regular expression finds, where one of some words is near.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    /// Any of its words; none where a match is enough.
    context: Option<Regex>,
}

impl Pattern {
    /// Reads it. `context` are words, in whatever case.
    ///
    /// # Errors
    /// What is wrong with the regular expression.
    pub fn new(regex: &str, context: &[&str]) -> Result<Self, String> {
        let compile = |text: &str| {
            let mut builder = RegexBuilder::new(text);
            builder.size_limit(SIZE).build()
        };
        let words: Vec<String> = context.iter().map(|word| regex::escape(word)).collect();
        let context = match words.is_empty() {
            true => None,
            false => Some(format!("(?i){}", words.join("|"))),
        };
        Ok(Self {
            regex: compile(regex).map_err(|error| error.to_string())?,
            context: context
                .map(|words| compile(&words))
                .transpose()
                .map_err(|error| error.to_string())?,
        })
    }

    /// Whether it finds something where there is nothing.
    pub fn matches_nothing(&self) -> bool {
        self.regex.is_match("")
    }

    /// Where it is.
    pub(super) fn find(&self, text: &str) -> impl Iterator<Item = Range<usize>> {
        let spans = self.regex.find_iter(text).map(|found| found.range());
        spans.filter(|at| !at.is_empty() && self.is_near(text, at))
    }

    fn is_near(&self, text: &str, at: &Range<usize>) -> bool {
        let Some(context) = &self.context else {
            return true;
        };
        let from = text.floor_char_boundary(at.start.saturating_sub(NEAR));
        let to = text.ceil_char_boundary(at.end.saturating_add(NEAR));
        let around = [text.get(from..at.start), text.get(at.end..to)];
        around.into_iter().flatten().any(|it| context.is_match(it))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        let words = |it: &Self| it.context.as_ref().map(|words| words.as_str().to_owned());
        self.regex.as_str() == other.regex.as_str() && words(self) == words(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_near() {
        let pattern = Pattern::new("[0-9]{6}", &["badge", "staff no."]).unwrap();
        let check = |text: &str, expected: &[(usize, usize)]| {
            let found = pattern.find(text).map(|at| (at.start, at.end));
            assert_eq!(found.collect::<Vec<_>>(), expected, "{text}");
        };
        check("Badge 123456", &[(6, 12)]);
        check("123456 is my STAFF NO.", &[(0, 6)]);
        check("123456", &[]);
        check("staff noX 123456", &[]);
        check(&format!("badge{}123456", "ä".repeat(40)), &[]);
        check(&format!("badge{}123456", "ä".repeat(20)), &[(45, 51)]);
        assert!(Pattern::new("(", &[]).is_err());
        assert!(Pattern::new("x*", &[]).unwrap().matches_nothing());
    }
}
