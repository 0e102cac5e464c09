//! `Diagnostic`: what is wrong with a policy, and where in the file. Shown by `config check`.

use std::ops::Range;

/// Whether the policy can be used in spite of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It cannot.
    Error,
    /// It can, but does not do what it seems to.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub level: Level,
    /// Bytes of the file it is about.
    pub span: Range<usize>,
    /// What is wrong, lower case, without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Something that keeps the policy from being used.
    pub fn error(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            span,
            message: message.into(),
            help: None,
        }
    }

    /// Something that is surely not meant.
    pub fn warning(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            span,
            message: message.into(),
            help: None,
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// Adds the known word that is nearest to `word`, or else all of them.
    #[must_use]
    pub fn suggest<'a>(self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let close = known
            .iter()
            .map(|candidate| (distance(&word.to_ascii_lowercase(), candidate), *candidate))
            .filter(|(distance, candidate)| *distance * 2 <= word.len().min(candidate.len()))
            .min();
        match close {
            Some((_, candidate)) => self.help(format!("did you mean `{candidate}`?")),
            None if known.is_empty() => self,
            None => self.help(format!("known are: {}", known.join(", "))),
        }
    }
}

/// How many characters must be put in, taken out or replaced to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = *cell;
            left = replaced.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("verb", "verb"), 0);
        assert_eq!(distance("vreb", "verb"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("table", "tables"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
