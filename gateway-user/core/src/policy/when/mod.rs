//! `when` of a rule: a condition over several facts at once, in CEL, for what patterns cannot say.
//!
//! The parser is the crate `cel`'s. `check` finds out when the policy is loaded whether every name is
//! a fact and every type fits, and makes of the syntax a [`Test`]; `truth` evaluates that, in three
//! values and without a way to fail: what is not known stays unknown. So a condition costs no more
//! than its length times the names that it looks at, and nothing of it is interpreted anew.
//!
//! Source: the Common Expression Language's specification, of which this is a part.

mod check;
mod truth;

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::ops::Range;
use std::thread;

use cel::IdedExpr;
use cel::common::ast::SourceInfo;
use cel::parser::Parser;
use regex::Regex;
use toml::Spanned;

use super::actor::Actor;
use super::claims::Issuer;
use super::diagnostic::Diagnostic;
use super::pattern::Truth;
use crate::facts::{Attribute, FactSet, Scope};
use crate::ids::IssuerName;

/// Longest condition, in bytes.
const MAX_BYTES: usize = 4096;
/// Most signs in it, in texts too: what parses it and what walks the tree may recurse by each.
const MAX_SIGNS: usize = 512;
/// Most of those that open something, `(`, `[`, `{` and `?`: each may be within another.
const MAX_OPENINGS: usize = 48;
/// The stack that it is parsed on. The parser ends the program where the stack ends.
const STACK: usize = 64 << 20;

/// A condition that was read, before it is known what its names stand for.
pub(super) struct Parsed {
    source: Box<str>,
    tree: IdedExpr,
    places: SourceInfo,
    span: Range<usize>,
}

/// A condition for the resources of one protocol.
#[derive(Clone, Debug)]
pub(super) struct When {
    source: Box<str>,
    test: Test,
    /// Whether it looks at facts that are not there before the session has begun.
    acts: bool,
    /// Whether it looks at what process it is that acts.
    process: bool,
    /// Whether it looks at what the session has done by then.
    moment: bool,
}

/// What a condition is held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub(super) connection: &'a FactSet,
    /// None at the start of a session.
    pub(super) unit: Option<&'a FactSet>,
    pub(super) actor: &'a Actor<'a>,
    /// Where the actor wanted to go, as text.
    pub(super) destination: &'a OnceCell<String>,
    /// What is left to do.
    pub(super) steps: &'a Steps,
}

/// How much conditions may do for one decision, so that none of them holds up the thread that decides:
/// each part of one that is looked at is a step, for each value of a list, and a regular expression
/// takes more. When they are used up, nothing more is known.
#[derive(Clone, Debug)]
pub(super) struct Steps(Cell<u64>);

impl Steps {
    /// Of a decision. What is usual takes less than 20 for each condition and statement, and
    /// statements come in thousands; a million is some tens of milliseconds.
    pub(super) const ALL: u64 = 1_000_000;

    /// None has been taken.
    pub(super) fn new() -> Self {
        Self(Cell::new(Self::ALL))
    }

    /// Takes some, if they are left.
    fn take(&self, steps: u64) -> bool {
        let left = self.0.get().checked_sub(steps);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// A regular expression, with what it may cost.
#[derive(Clone, Debug)]
struct Expression {
    regex: Regex,
    /// Steps for each byte that it is held against.
    weight: u64,
}

impl Expression {
    fn steps(&self, text: &str) -> u64 {
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        bytes.saturating_add(1).saturating_mul(self.weight)
    }
}

/// A fact's slot, with the set that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    index: usize,
    scope: Scope,
}

/// Something that is true or false.
#[derive(Clone, Debug)]
enum Test {
    Is(bool),
    Flag(Slot),
    /// `has(…)`.
    Has(Slot),
    Not(Box<Test>),
    And(Box<[Test; 2]>),
    Or(Box<[Test; 2]>),
    /// `… ? … : …`.
    Choice(Box<[Test; 3]>),
    /// Both true or both false.
    Agree(Box<[Test; 2]>),
    Numbers(Order, Number, Number),
    Texts(Relation, Text, Text),
    Matches(Text, Expression),
    NumberIn(Number, Box<[Number]>),
    TextIn(Text, List),
    /// `….all(x, …)`.
    Every(List, Box<Test>),
    /// `….exists(x, …)`.
    Some(List, Box<Test>),
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
}

#[derive(Clone, Copy, Debug)]
enum Relation {
    Equal,
    Starts,
    Ends,
    Contains,
}

#[derive(Clone, Debug)]
enum Number {
    Is(i128),
    Fact(Slot),
    Uid,
    Gid,
    /// How many letters.
    Length(Text),
    /// How many values.
    Count(List),
}

#[derive(Clone, Debug)]
enum Text {
    Is(Box<str>),
    Fact(Slot),
    Workload,
    Exe,
    Cgroup,
    Destination,
    /// Whose token it is.
    Issuer,
    /// Whom this issuer means.
    Subject(IssuerName),
    Claim(Claimed),
    /// The value at hand of `all` or `exists`.
    Element,
}

#[derive(Clone, Debug)]
enum List {
    Of(Box<[Text]>),
    Fact(Slot),
    Groups,
    Claim(Claimed),
}

/// A claim of one issuer's tokens.
#[derive(Clone, Debug)]
struct Claimed {
    issuer: IssuerName,
    name: Box<str>,
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Parsed {
    /// Reads a condition.
    pub(super) fn read(source: &Spanned<String>) -> Result<Self, Diagnostic> {
        let (text, span) = (source.get_ref().as_str(), source.span());
        if let Some(help) = beyond(text) {
            let message = "this condition is too long";
            return Err(Diagnostic::error(span, message).help(help));
        }
        match parse(text) {
            Ok((tree, places)) => Ok(Self {
                source: text.into(),
                tree,
                places,
                span,
            }),
            Err(why) => {
                let message = "this condition cannot be read";
                Err(Diagnostic::error(span, message).help(why))
            }
        }
    }

    /// Resolves it against the facts of a protocol, and the claims of the rule's issuer. Names of facts that the protocol does not have go
    /// to `missing`, with their place; all else that is wrong to `diagnostics`.
    pub(super) fn resolve(
        &self,
        attributes: &[Attribute],
        issuer: Option<&Issuer>,
        missing: &mut Vec<(String, Range<usize>)>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<When> {
        check::check(self, attributes, issuer, missing, diagnostics)
    }

    /// Where in the file a part of the condition is; the whole where the file writes the text with
    /// escapes or over several lines.
    fn place(&self, part: Option<Range<usize>>) -> Range<usize> {
        let is_plain = self.span.len() == self.source.len() + 2;
        match part.filter(|_| is_plain && self.source.is_ascii()) {
            Some(part) if part.start < part.end && part.end <= self.source.len() => {
                let start = self.span.start + 1;
                start + part.start..start + part.end
            }
            _ => self.span.clone(),
        }
    }
}

impl When {
    /// Whether it lets an allow rule hold: for certain, or at the start of a session unless it
    /// rules that out whatever will be done.
    pub(super) fn allows(&self, known: &Known<'_>) -> bool {
        let least = if self.is_early(known) {
            Truth::Maybe
        } else {
            Truth::Yes
        };
        self.truth(known) >= least
    }

    /// Whether it lets a deny rule hold: where it might be true; or at the start of a session if it
    /// is true whatever will be done.
    pub(super) fn denies(&self, known: &Known<'_>) -> bool {
        let least = if self.is_early(known) {
            Truth::Yes
        } else {
            Truth::Maybe
        };
        self.truth(known) >= least
    }

    /// Whether what it looks at is still to come.
    pub(super) fn is_early(&self, known: &Known<'_>) -> bool {
        self.acts && known.unit.is_none()
    }

    /// Whether it looks at what the session has done by then.
    pub(super) fn looks_at_moment(&self) -> bool {
        self.moment
    }

    /// Whether it looks at what process it is that acts.
    pub(super) fn looks_at_process(&self) -> bool {
        self.process
    }

    /// Whether it is true, as far as that is known.
    pub(super) fn truth(&self, known: &Known<'_>) -> Truth {
        truth::truth(&self.test, known)
    }
}

/// The syntax of a condition, with the places of its parts; or why it has none.
#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the size of the stack is a matter of parsing, and no caller has one of this size"
)]
fn parse(text: &str) -> Result<(IdedExpr, SourceInfo), String> {
    let read = || {
        let parsed = Parser::new().parse_with_source_info(text);
        parsed.map_err(|errors| {
            let first = errors
                .errors
                .first()
                .map(|error| error.msg.replace('\n', " "));
            first.unwrap_or_default()
        })
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK);
        let thread = thread
            .spawn_scoped(scope, read)
            .map_err(|error| error.to_string())?;
        // A panic in the parser would be a bug of its own; here it means "not understood".
        thread
            .join()
            .unwrap_or_else(|_| Err("its parser gave up".to_owned()))
    })
}

/// Which limit a condition is beyond.
fn beyond(text: &str) -> Option<String> {
    let opens = |letter: &char| matches!(letter, '(' | '[' | '{' | '?');
    let limits = [
        (text.len(), MAX_BYTES, "bytes"),
        (
            text.chars().filter(char::is_ascii_punctuation).count(),
            MAX_SIGNS,
            "signs",
        ),
        (
            text.chars().filter(opens).count(),
            MAX_OPENINGS,
            "brackets and choices",
        ),
    ];
    let (_, most, what) = limits.into_iter().find(|(count, most, _)| count > most)?;
    Some(format!(
        "it may have {most} {what}: make several rules of it"
    ))
}
