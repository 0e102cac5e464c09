//! `Screen`: what is looked for in every text that comes back, and what becomes of what is found.
//!
//! The second net behind the masks of columns: it knows values and not where they come from. `question` is
//! what detectors outside the gateway are asked; how a protocol's values are taken apart into texts is
//! that protocol's. Fails closed: a text that an outside detector does not answer for is masked whole.

pub mod question;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use self::question::{Answers, Question, Spans};
use super::detect::{self, Look, Span, What};
use super::{Kind, MaskKey, Otherwise, Partial, keyed, text};
use crate::ids::MaskName;

/// What a `[[mask]]` looks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its name.
    pub mask: MaskName,
    /// What, each with its name.
    pub looks: Vec<(Box<str>, Look)>,
    /// How what is found is masked; none for what suits each.
    pub kind: Option<Kind>,
    /// What becomes of a value of a type that cannot be masked so.
    pub otherwise: Otherwise,
}

/// All that is looked for in a session, in the order of the file: where two find the same, the first counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Screen {
    parts: Vec<Arc<Part>>,
    /// Something is looked for by a detector outside the gateway.
    asks: bool,
    /// Something is looked for that may be in few digits.
    counts: bool,
}

impl Screen {
    /// These.
    pub fn new(parts: Vec<Arc<Part>>) -> Self {
        let looks = || parts.iter().flat_map(|part| &part.looks);
        let asks = looks().any(|(_, look)| matches!(look, Look::Outside));
        let counts = looks().any(|(_, look)| !matches!(look, Look::For(_)));
        Self {
            parts,
            asks,
            counts,
        }
    }

    fn looks(&self) -> impl Iterator<Item = &Look> {
        let all = self.parts.iter().flat_map(|part| &part.looks);
        all.map(|(_, look)| look)
    }

    /// Whether bytes may have in them what is looked for, whatever they are part of.
    pub fn may_find(&self, bytes: &[u8]) -> bool {
        detect::may_have(bytes, self.looks())
    }

    /// Whether it looks at numbers of so many digits.
    pub fn minds_number(&self, digits: usize) -> bool {
        // Of what the gateway knows a card's number is the only one that is all digits.
        self.counts || digits >= 13
    }

    /// Whether it asks detectors outside the gateway.
    pub fn asks(&self) -> bool {
        self.asks
    }

    /// By which part something was found, and how it is called.
    fn by(&self, by: usize) -> Option<(&Part, &str, &Look)> {
        let all = self.parts.iter();
        let mut all = all.flat_map(|part| part.looks.iter().map(move |look| (&**part, look)));
        let (part, (name, look)) = all.nth(by)?;
        Some((part, name, look))
    }

    fn kind(&self, by: usize) -> (Cow<'_, Kind>, Otherwise) {
        let Some((part, _, look)) = self.by(by) else {
            return (Cow::Owned(Kind::Full), Otherwise::Null);
        };
        let kind = match (&part.kind, look) {
            (Some(kind), _) => Cow::Borrowed(kind),
            (None, Look::For(What::Email)) => Cow::Owned(Kind::Partial(Partial::Email)),
            (None, Look::For(What::Card)) => {
                Cow::Owned(Kind::Partial(Partial::Ends { first: 0, last: 4 }))
            }
            (None, _) => Cow::Owned(Kind::Full),
        };
        (kind, part.otherwise)
    }
}

/// What is around a text that something is replaced in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    /// Nothing: any text may take its place.
    Nothing,
    /// A value of unknown shape, which must not be changed by what is put into it.
    Shape,
    /// Tags.
    Xml,
}

/// What becomes of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing was found: it stays.
    Nothing,
    /// This takes its place.
    Text(String),
    /// NULL takes the place of the whole.
    Null,
}

/// How often each has found something, by name.
pub type Counts = BTreeMap<String, u64>;

/// What is remembered while values are screened.
#[derive(Debug, Default)]
pub struct Memory {
    /// What was found, and counted nowhere yet.
    pub counts: Counts,
    /// What is still to be asked.
    pub open: Vec<Question>,
    answers: HashMap<Box<str>, Vec<(usize, Option<Spans>)>>,
}

impl Memory {
    /// Takes what was answered to all that was open.
    pub fn answered(&mut self, answers: Answers) {
        let mut answers = answers.0.into_iter();
        for question in std::mem::take(&mut self.open) {
            // Who says too little has said nothing.
            let spans = answers.next().flatten();
            let known = self.answers.entry(question.text).or_default();
            known.push((question.by, spans));
        }
    }

    /// Forgets what was answered: what it was about has passed.
    pub fn forget(&mut self) {
        self.answers.clear();
        self.open.clear();
    }
}

/// A screen at work.
#[derive(Debug)]
pub struct Screening<'s> {
    /// What is looked for.
    pub screen: &'s Screen,
    /// What hashes and pseudonyms are made with; without it nothing is left instead.
    pub key: Option<&'s MaskKey>,
    /// What is remembered.
    pub memory: &'s mut Memory,
}

impl Screening<'_> {
    /// Looks at a text that is a value of this type, or part of one.
    pub fn text(&mut self, text: &str, ty: &'static str, around: Around) -> Found {
        let spans = match self.spans(text, ty) {
            Ok(spans) if spans.is_empty() => return Found::Nothing,
            Ok(spans) => spans,
            // Nothing is known of it: nothing of it passes.
            Err(by) => vec![Span {
                at: 0..text.len(),
                by,
            }],
        };
        if around == Around::Xml && spans.iter().any(|span| breaks_tags(text, span)) {
            spans.iter().for_each(|span| self.count(span.by));
            return Found::Text(text::FULL.to_owned());
        }
        let mut made = String::with_capacity(text.len());
        let mut copied = 0;
        for span in &spans {
            self.count(span.by);
            let found = text.get(span.at.clone()).unwrap_or_default();
            let Some(new) = self.masked(found, span.by) else {
                return Found::Null;
            };
            made.push_str(text.get(copied..span.at.start).unwrap_or_default());
            let fits = match around {
                Around::Nothing => true,
                Around::Shape => !found.contains(has_meaning) && !new.contains(has_meaning),
                Around::Xml => !new.contains(['<', '>', '&']),
            };
            made.push_str(if fits { &new } else { text::FULL });
            copied = span.at.end;
        }
        made.push_str(text.get(copied..).unwrap_or_default());
        Found::Text(made)
    }

    /// Looks at a number, or another value that is one whole, as it is written: how it is masked, if it is
    /// something that is looked for.
    pub fn whole(&mut self, text: &str, ty: &'static str) -> Option<(Kind, Otherwise)> {
        let by = match self.spans(text, ty) {
            Ok(spans) => spans.first()?.by,
            Err(by) => by,
        };
        self.count(by);
        let (kind, otherwise) = self.screen.kind(by);
        let keyed = matches!(*kind, Kind::Hash | Kind::Pseudonym);
        Some(match keyed && self.key.is_none() {
            true => (Kind::Full, otherwise),
            false => (kind.into_owned(), otherwise),
        })
    }

    /// Where something is; or by what it is not known.
    fn spans(&mut self, text: &str, ty: &'static str) -> Result<Vec<Span>, usize> {
        let mut found = detect::find(text, self.screen.looks());
        if !self.screen.asks || text.is_empty() {
            return Ok(found);
        }
        let known = self.memory.answers.get(text);
        for (by, look) in self.screen.looks().enumerate() {
            if !matches!(look, Look::Outside) {
                continue;
            }
            let known = known.and_then(|known| known.iter().find(|(it, _)| *it == by));
            match known {
                Some((_, Some(spans))) => {
                    let spans = spans.in_bytes(text).ok_or(by)?;
                    found.extend(spans.into_iter().map(|at| Span { at, by }));
                }
                Some((_, None)) => return Err(by),
                None => {
                    let name = self.screen.by(by).map_or("", |(_, name, _)| name);
                    let mut open = self.memory.open.iter();
                    if !open.any(|it| it.by == by && *it.text == *text) {
                        self.memory.open.push(Question {
                            by,
                            detector: name.into(),
                            ty,
                            text: text.into(),
                        });
                    }
                }
            }
        }
        Ok(detect::apart(found))
    }

    /// What takes the place of what was found; none for NULL.
    fn masked<'t>(&self, found: &'t str, by: usize) -> Option<Cow<'t, str>> {
        let (kind, _) = self.screen.kind(by);
        Some(match (&*kind, self.key) {
            (Kind::Null, _) => return None,
            (Kind::Partial(partial), _) => text::partial(found, *partial).into(),
            (Kind::Hash, Some(key)) => keyed::hash_text(key, found.as_bytes()).into(),
            (Kind::Pseudonym, Some(key)) => keyed::pseudonym(key, found).into(),
            (Kind::Full | Kind::Bucket(_) | Kind::Hash | Kind::Pseudonym, _) => text::FULL.into(),
        })
    }

    fn count(&mut self, by: usize) {
        let name = self.screen.by(by).map_or("", |(_, name, _)| name);
        match self.memory.counts.get_mut(name) {
            Some(count) => *count = count.saturating_add(1),
            None => {
                self.memory.counts.insert(name.to_owned(), 1);
            }
        }
    }
}

fn breaks_tags(text: &str, span: &Span) -> bool {
    let found = text.get(span.at.clone()).unwrap_or_default();
    found.contains(['<', '>', '&'])
}

/// What arrays, rows and the like are written with.
fn has_meaning(c: char) -> bool {
    c.is_whitespace() || "\"'\\,;:(){}[]<>=".contains(c)
}

#[cfg(test)]
mod tests;
