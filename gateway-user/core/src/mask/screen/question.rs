//! What a detector outside the gateway is asked, and what it answers.

use std::ops::Range;

/// One text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Which of what is looked for asks it.
    pub(super) by: usize,
    /// The name of the detector.
    pub detector: Box<str>,
    /// What type the value has that it is of, or is part of.
    pub ty: &'static str,
    /// The text.
    pub text: Box<str>,
}

/// Where something is, in characters of a text, from one to before another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans(pub Vec<Range<usize>>);

/// What was answered to questions, in their order; none where there was no answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers(pub Vec<Option<Spans>>);

impl Spans {
    /// The spans in bytes; none if one is empty, or out of the text.
    pub(super) fn in_bytes(&self, text: &str) -> Option<Vec<Range<usize>>> {
        let mut places: Vec<usize> = Vec::new();
        if !self.0.is_empty() {
            places.extend(text.char_indices().map(|(at, _)| at));
            places.push(text.len());
        }
        let place = |at: usize| places.get(at).copied();
        let spans = self.0.iter().map(|span| {
            let (from, to) = (place(span.start)?, place(span.end)?);
            (from < to).then_some(from..to)
        });
        spans.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_become_bytes() {
        let check = |spans: &[(usize, usize)], expected: Option<&[(usize, usize)]>| {
            let spans = spans.iter().map(|(from, to)| *from..*to);
            let made = Spans(spans.collect()).in_bytes("aäß€");
            let made = made.map(|made| made.iter().map(|at| (at.start, at.end)).collect());
            assert_eq!(made, expected.map(Vec::from));
        };
        check(&[], Some(&[]));
        check(&[(0, 1), (1, 3)], Some(&[(0, 1), (1, 5)]));
        check(&[(3, 4)], Some(&[(5, 8)]));
        check(&[(3, 5)], None);
        check(&[(2, 2)], None);
        check(&[(2, 1)], None);
        check(&[(9, 12)], None);
    }
}
