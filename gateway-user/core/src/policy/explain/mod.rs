//! `Explanation`: why a policy decides as it does, rule by rule.
//!
//! INVARIANT: there is no second evaluator that could say otherwise. What is ruled is what `engine`
//! decides, and whether a rule holds is asked of the function that decides. Checked by a test over
//! the corpus of statements.
//!
//! `masks` tells which masks are in force.

pub mod masks;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use self::masks::MaskExplanation;
use super::actor::Actor;
use super::case::{Case, Obstacle, Reading};
use super::decision::{Decision, Verdict};
use super::engine::Engine;
use super::matching::Condition;
use super::model::{Effect, Mode};
use super::pattern::Truth;
use super::table::{Rule, Table};
use crate::event::{Ruling, Value};
use crate::facts::{Fact, FactSet, Facts, Name, Schema, Stage};
use crate::ids::{ResourceName, RuleName};
use crate::refusal::Refusal;

/// What is decided, without the permit that opens the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ruled {
    /// Pass or not.
    pub ruling: Ruling,
    /// The rule that decided; none where nothing matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
    /// What the agent is told, when it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// In observe mode: the refusal that enforcing would have given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<Refusal>,
}

/// Why a policy decides as it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What is decided on all of it.
    #[serde(flatten)]
    pub ruled: Ruled,
    /// The units that it consists of, each of which must be allowed; at the start of a session one
    /// with the facts of the connection.
    pub units: Vec<UnitExplanation>,
    /// The masks that are in force for who asks, in the order in which they count.
    pub masks: Vec<MaskExplanation>,
    /// Rules that are not about this resource.
    pub elsewhere: BTreeSet<RuleName>,
}

/// Why a policy decides on one unit as it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnitExplanation {
    /// What is known of it, by the facts' names.
    pub facts: BTreeMap<&'static str, Value>,
    /// What is decided on this unit alone.
    #[serde(flatten)]
    pub ruled: Ruled,
    /// The rules for the resource: those that deny, those that hold, those that allow, each kind in
    /// the order of the file.
    pub rules: Vec<Considered>,
}

/// One rule, held against one unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Considered {
    /// The rule.
    pub rule: RuleName,
    /// What it does where it holds.
    pub action: Effect,
    /// Whether that takes effect.
    pub mode: Mode,
    /// The times at which it is there; none means always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub during: Option<String>,
    /// What keeps it from holding; none where it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_because: Option<NotBecause>,
    /// Of one that holds for an approval: what keeps it from letting pass, once that is given, by
    /// itself and without a rule that allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opens_not_because: Option<NotBecause>,
}

/// What keeps a rule from holding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum NotBecause {
    /// It is about others than this workload.
    Subject,
    /// It wants claims that the workload's token does not have, or that are not known.
    Claims {
        /// What it wants, as a rule writes it.
        wanted: String,
        /// Whether it is known that the token says otherwise.
        known: bool,
    },
    /// People are asked about what is done, and the session has only begun.
    NothingDone,
    /// The statement could not be read, and the rule does not say that it allows such.
    Unread,
    /// It denies by this fact, which is not there before the session has begun.
    TooEarly {
        /// The fact.
        fact: &'static str,
    },
    /// The fact does not match the pattern, or is not known to.
    Fact {
        /// The fact.
        fact: &'static str,
        /// The pattern, as a rule writes it.
        pattern: String,
        /// The fact's value, of a list as much as does not match.
        is: String,
    },
    /// Its condition is not true, or not known to be.
    When {
        /// The condition.
        condition: String,
        /// Whether it is known to be false.
        known: bool,
    },
    /// It is there at other times.
    Outside {
        /// At these.
        during: String,
        /// The time that was asked for, in the zone of the first of these.
        now: String,
    },
    /// It only stops what other rules allow.
    OnlyStops,
}

impl fmt::Display for NotBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject => f.write_str("it is about others than this workload"),
            Self::Claims {
                wanted,
                known: true,
            } => write!(f, "it wants {wanted}, and the token says otherwise"),
            Self::Claims {
                wanted,
                known: false,
            } => write!(
                f,
                "it wants {wanted}, and that is not known of the workload"
            ),
            Self::NothingDone => f.write_str("it is asked when something is done in the session"),
            Self::Unread => f.write_str(
                "the statement could not be read, and the rule does not say `parsed = false`",
            ),
            Self::TooEarly { fact } => {
                write!(f, "`{fact}` is not there before the session has begun")
            }
            Self::Fact { fact, pattern, is } => write!(f, "it wants {fact} = {pattern}, but {is}"),
            Self::When {
                condition,
                known: true,
            } => write!(f, "it is not true that {condition}"),
            Self::When {
                condition,
                known: false,
            } => write!(f, "it is not known whether {condition}"),
            Self::Outside { during, now } => {
                write!(f, "it is there {during} only, and it is {now}")
            }
            Self::OnlyStops => f.write_str("it comes with a mask"),
        }
    }
}

impl Ruled {
    fn of(decision: Decision) -> Self {
        let (ruling, reason) = match decision.verdict {
            Verdict::Allow(_) => (Ruling::Allow, None),
            Verdict::Hold(_) => (Ruling::Hold, None),
            Verdict::Deny(refusal) => (Ruling::Deny, Some(refusal.reason)),
        };
        Self {
            ruling,
            rule: decision.rule,
            reason,
            observed: decision.observed,
        }
    }
}

impl Engine {
    /// Explains what [`Engine::decide_for`] decides; nothing for a resource that is not there.
    pub fn explain(
        &self,
        actor: &Actor<'_>,
        resource: &ResourceName,
        facts: &Facts,
        now: Timestamp,
    ) -> Option<Explanation> {
        let case = self.case(actor, resource, facts, now)?;
        let units: Vec<_> = match &facts.stage {
            Stage::Connect | Stage::Cancel => vec![unit(&case, None, &facts.connection)],
            Stage::Action(units) => units
                .iter()
                .map(|facts| unit(&case, Some(facts), facts))
                .collect(),
        };
        let mut elsewhere: BTreeSet<RuleName> =
            self.tables().flat_map(Table::rules).map(name).collect();
        for rule in case.table().rules() {
            elsewhere.remove(&rule.name);
        }
        Some(Explanation {
            ruled: Ruled::of(self.decide_for(actor, resource, facts, now)),
            masks: masks::explain(&self.masks_for(actor, resource), &units),
            units,
            elsewhere,
        })
    }
}

fn name(rule: &Rule) -> RuleName {
    rule.name.clone()
}

fn unit(case: &Case<'_>, unit: Option<&FactSet>, known: &FactSet) -> UnitExplanation {
    let table = case.table();
    let facts = table.attributes.iter().enumerate();
    UnitExplanation {
        facts: facts
            .filter_map(|(slot, attribute)| {
                let value = Value::recorded(attribute, known.fact(slot))?;
                Some((attribute.name, value))
            })
            .collect(),
        ruled: Ruled::of(case.afresh().unit(unit).decision(case.mode())),
        rules: table
            .rules()
            .map(|rule| Considered {
                rule: rule.name.clone(),
                action: rule.effect,
                mode: rule.mode,
                during: rule.during.as_ref().map(ToString::to_string),
                not_because: not_because(case, rule, Reading::of(rule.effect), unit),
                opens_not_because: (rule.effect == Effect::Approve)
                    .then(|| not_because(case, rule, Reading::Surely, unit))
                    .flatten(),
            })
            .collect(),
    }
}

fn not_because(
    case: &Case<'_>,
    rule: &Rule,
    reading: Reading,
    unit: Option<&FactSet>,
) -> Option<NotBecause> {
    let case = &case.afresh();
    if !case.covers(rule) {
        return Some(NotBecause::Subject);
    }
    let named = |condition: &Condition| {
        let attribute = case.table().attributes.get(condition.slot);
        attribute.map_or("", |attribute| attribute.name)
    };
    if reading == Reading::Possibly && rule.effect == Effect::Approve && case.asks(rule, unit) {
        return None;
    }
    Some(match case.obstacle(rule, reading, unit)? {
        Obstacle::Claims(claims) => NotBecause::Claims {
            wanted: claims.to_string(),
            known: case.claims(claims) == Truth::No,
        },
        Obstacle::NothingDone => NotBecause::NothingDone,
        Obstacle::Unread => NotBecause::Unread,
        Obstacle::TooEarly(condition) => NotBecause::TooEarly {
            fact: named(condition),
        },
        Obstacle::Fact(condition, fact) => NotBecause::Fact {
            fact: named(condition),
            pattern: condition.pattern.to_string(),
            is: is(reading, condition, fact),
        },
        Obstacle::When(when) => NotBecause::When {
            condition: when.to_string(),
            known: when.truth(&case.known(unit)) == Truth::No,
        },
        Obstacle::OnlyStops => NotBecause::OnlyStops,
        Obstacle::Outside(during) => NotBecause::Outside {
            during: during.to_string(),
            now: during.told(case.now()),
        },
    })
}

/// Most names of a list that are told.
const NAMES_TOLD: usize = 5;

/// What the fact is, after "but".
fn is(reading: Reading, condition: &Condition, fact: &Fact) -> String {
    match fact {
        Fact::Absent => "there is none".to_owned(),
        Fact::Unknown => "its value is not known".to_owned(),
        Fact::Text(text) => format!("it is {text:?}"),
        Fact::Texts(texts) => told(texts.iter().map(|text| format!("{text:?}"))),
        Fact::Flag(flag) => format!("it is {flag}"),
        Fact::Number(number) => format!("it is {number}"),
        Fact::Names(names) => {
            let fits = |name: &Name| condition.pattern.name(name) == Truth::Yes;
            // What lets pass wants all of them to match, what stops is content with one.
            let amiss = |name: &&Name| reading == Reading::Possibly || !fits(name);
            told(names.iter().filter(amiss).map(whole))
        }
    }
}

fn told(items: impl Iterator<Item = String>) -> String {
    let mut items: Vec<String> = items.collect();
    let more = items.len().saturating_sub(NAMES_TOLD);
    items.truncate(NAMES_TOLD);
    match (items.is_empty(), more) {
        (true, _) => "there is none".to_owned(),
        (false, 0) => format!("there is {}", items.join(", ")),
        (false, more) => format!("there is {} and {more} more", items.join(", ")),
    }
}

/// A name with all that is known of its schema.
fn whole(name: &Name) -> String {
    match &name.schema {
        Schema::In(_) => name.to_string(),
        Schema::OneOf(schemas) => format!("{name} (in {})", schemas.join(" or ")),
        Schema::Any => format!("{name} (in any schema)"),
    }
}
