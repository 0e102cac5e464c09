//! `Case`: one thing to be decided beside the rules for its resource, and how these are read.
//!
//! Whoever explains a decision asks the same functions that make it.

use std::cell::OnceCell;

use jiff::Timestamp;

use super::actor::Actor;
use super::claims::Claims;
use super::during::During;
use super::engine::Engine;
use super::index::Sought;
use super::matching::Condition;
use super::model::{Effect, Mode};
use super::outcome::{Outcome, add, denied_by, explain, held_by, no_session};
use super::pattern::{Quantifier, Truth};
use super::table::{Rule, Table};
use super::when::{Known, Steps, When};
use crate::descriptor::Shape;
use crate::facts::{Fact, FactSet, Facts, Scope};
use crate::ids::{GroupName, ResourceName, WorkloadName};
use crate::refusal::Refusal;

/// Whether the rule is about this workload, whatever its token says.
pub(super) fn is_about(rule: &Rule, workload: &WorkloadName, groups: &[GroupName]) -> bool {
    rule.who.includes(workload, groups)
}

/// How certain it must be that a rule matches for it to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It lets pass: surely.
    Surely,
    /// It stops: where it might.
    Possibly,
}

impl Reading {
    /// How a rule is read for what it mainly does.
    pub(super) fn of(effect: Effect) -> Self {
        match effect {
            Effect::Allow => Self::Surely,
            Effect::Approve | Effect::Deny => Self::Possibly,
        }
    }
}

/// What keeps a rule from holding.
#[derive(Clone, Copy, Debug)]
pub(super) enum Obstacle<'a> {
    /// It wants other claims, or they are not known.
    Claims(&'a Claims),
    /// People are asked about what is done, and the session has only begun.
    NothingDone,
    /// It allows what could not be read only if it says so.
    Unread,
    /// It denies by a fact that is not there before the session has begun.
    TooEarly(&'a Condition),
    /// This fact.
    Fact(&'a Condition, &'a Fact),
    /// Its condition.
    When(&'a When),
    /// It is there at other times.
    Outside(&'a During),
    /// It opens nothing by itself.
    OnlyStops,
}

/// One thing to be decided.
pub(super) struct Case<'a> {
    engine: &'a Engine,
    table: &'a Table,
    actor: &'a Actor<'a>,
    resource: &'a ResourceName,
    facts: &'a Facts,
    now: Timestamp,
    steps: Steps,
    /// Where the actor wanted to go, as text, once a condition looks at it.
    destination: OnceCell<String>,
}

impl<'a> Case<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        table: &'a Table,
        actor: &'a Actor<'a>,
        resource: &'a ResourceName,
        facts: &'a Facts,
        now: Timestamp,
    ) -> Self {
        Self {
            engine,
            table,
            actor,
            resource,
            facts,
            now,
            steps: Steps::new(),
            destination: OnceCell::new(),
        }
    }

    /// The same case, before anything of it has been decided.
    pub(super) fn afresh(&self) -> Self {
        Self {
            steps: Steps::new(),
            destination: OnceCell::new(),
            ..*self
        }
    }

    /// Whether what is refused is. Who must be known by a token and is not is refused wherever it is.
    pub(super) fn mode(&self) -> Mode {
        match self.engine.unknown(self.actor) {
            Some(_) => Mode::Enforce,
            None => self.table.mode,
        }
    }

    /// The rules for the resource.
    pub(super) fn table(&self) -> &'a Table {
        self.table
    }

    /// Each unit must be allowed, by rules or by people. A rule that denies one is told rather than
    /// that nothing allows another.
    pub(super) fn units(&self, units: &[FactSet]) -> Outcome<'a> {
        let mut all: Option<Outcome<'a>> = None;
        for unit in units {
            let outcome = self.unit(Some(unit));
            if matches!(&outcome, Outcome::Refused(refusal) if refusal.rule.is_some()) {
                return outcome;
            }
            all = Some(match all {
                None => outcome,
                Some(before) => before.and(outcome),
            });
        }
        // Codecs never ask about nothing; if one did, nothing would have been allowed.
        all.unwrap_or_else(|| Outcome::Refused(self.nothing_allows(None)))
    }

    /// Decides on one unit, or with `None` on the start of the session.
    pub(super) fn unit(&self, unit: Option<&FactSet>) -> Outcome<'a> {
        if let Some(refusal) = self.engine.unknown(self.actor) {
            return Outcome::Refused(refusal);
        }
        if self.unread(unit) && !self.table.openings().any(|rule| rule.unread) {
            // Every deny rule might match it; the plain reason helps more than one of theirs.
            return Outcome::Refused(self.nothing_allows(unit));
        }
        let sought = self.sought(unit);
        let mut observed = None;
        for rule in self.table.about(Effect::Deny, &sought) {
            if self.covers(rule) && self.holds(rule, Reading::Possibly, unit) {
                let refusal = denied_by(rule);
                match rule.mode {
                    Mode::Enforce => return Outcome::Refused(refusal),
                    Mode::Observe => observed = observed.or(Some(refusal)),
                }
            }
        }
        let mut held: Vec<&Rule> = Vec::new();
        for rule in self.table.about(Effect::Approve, &sought) {
            if self.covers(rule) && self.asks(rule, unit) {
                match rule.mode {
                    Mode::Enforce => add(&mut held, rule),
                    Mode::Observe => observed = observed.or_else(|| Some(held_by(rule))),
                }
            }
        }
        let allows = self.table.about(Effect::Allow, &sought);
        let allows = allows.chain(self.table.about(Effect::Approve, &sought));
        let surely = |rule: &&Rule| self.holds(rule, Reading::Surely, unit);
        let mut allows = allows.filter(|rule| self.covers(rule) && surely(rule));
        let Some(first) = allows.next() else {
            return Outcome::Refused(self.nothing_allows(unit));
        };
        if !held.is_empty() {
            return Outcome::Held { by: held, observed };
        }
        // A rule in observe mode allows, and what it alone allows is told.
        let enforced = std::iter::once(first)
            .chain(allows)
            .find(|it| it.mode == Mode::Enforce);
        match enforced {
            Some(by) => Outcome::Allowed { by, observed },
            None => {
                let observed = observed.or_else(|| Some(self.nothing_allows(unit)));
                Outcome::Allowed {
                    by: first,
                    observed,
                }
            }
        }
    }

    /// What rules are looked for by.
    pub(super) fn sought<'b>(&'b self, unit: Option<&'b FactSet>) -> Sought<'b> {
        let verb = match (unit, self.table.slots.verb) {
            (Some(unit), Some((slot, _))) => self.table.slots.bit(unit.fact(slot)),
            _ => u128::MAX,
        };
        Sought {
            verb,
            workload: self.actor.workload,
            groups: self.actor.groups,
            unit,
        }
    }

    /// Whether this is an action that could not be read.
    fn unread(&self, unit: Option<&FactSet>) -> bool {
        match (unit, self.table.slots.parsed) {
            (Some(unit), Some(slot)) => *unit.fact(slot) != Fact::Flag(true),
            _ => false,
        }
    }

    /// Whether the rule is about this subject.
    pub(super) fn covers(&self, rule: &Rule) -> bool {
        let used = |of| self.engine.may_use(self.actor, of, self.now);
        is_about(rule, self.actor.workload, self.actor.groups) && rule.of.as_ref().is_none_or(used)
    }

    /// Whether the actor has these claims.
    pub(super) fn claims(&self, claims: &Claims) -> Truth {
        claims.of(self.actor.identity)
    }

    /// Whether the rule holds for what is to be decided.
    fn holds(&self, rule: &Rule, reading: Reading, unit: Option<&FactSet>) -> bool {
        self.obstacle(rule, reading, unit).is_none()
    }

    /// Whether a rule that holds for an approval does so here: where it might match, and wherever it
    /// would let pass. Over an empty list `not` surely matches and still might not.
    pub(super) fn asks(&self, rule: &Rule, unit: Option<&FactSet>) -> bool {
        let holds = |reading| self.holds(rule, reading, unit);
        !self.is_early(unit) && (holds(Reading::Possibly) || holds(Reading::Surely))
    }

    /// Whether nothing is done yet that people could be asked about: of a stream that is not looked
    /// into it is the beginning.
    fn is_early(&self, unit: Option<&FactSet>) -> bool {
        unit.is_none() && self.table.shape != Shape::Stream
    }

    /// What keeps a rule that is about this subject from holding. Fails closed: what stops holds
    /// where it might match; what lets pass only where it surely matches, and for what could not be
    /// read only if it says so.
    pub(super) fn obstacle<'b>(
        &'b self,
        rule: &'b Rule,
        reading: Reading,
        unit: Option<&'b FactSet>,
    ) -> Option<Obstacle<'b>> {
        let claims = self.claims(&rule.who.claims);
        let least = match reading {
            Reading::Surely => Truth::Yes,
            Reading::Possibly => Truth::Maybe,
        };
        if claims < least {
            return Some(Obstacle::Claims(&rule.who.claims));
        }
        if reading == Reading::Surely && rule.only_stops {
            return Some(Obstacle::OnlyStops);
        }
        if reading == Reading::Surely && self.unread(unit) && !rule.unread {
            return Some(Obstacle::Unread);
        }
        if self.is_early(unit) && rule.effect == Effect::Approve && reading == Reading::Possibly {
            return Some(Obstacle::NothingDone);
        }
        let unmatched = rule.conditions.iter().find_map(|condition| {
            let fact = match (condition.scope, unit) {
                (Scope::Connection, _) | (Scope::Moment, Some(_)) => {
                    self.facts.connection.fact(condition.slot)
                }
                (Scope::Action, Some(unit)) => unit.fact(condition.slot),
                // At the start of the session what is done is still to come.
                (Scope::Action | Scope::Moment, None) => {
                    return match reading {
                        Reading::Surely => None,
                        Reading::Possibly => Some(Obstacle::TooEarly(condition)),
                    };
                }
            };
            let holds = match reading {
                Reading::Surely => condition.pattern.matches(fact, Quantifier::All) == Truth::Yes,
                Reading::Possibly => condition.pattern.matches(fact, Quantifier::Any) != Truth::No,
            };
            (!holds).then_some(Obstacle::Fact(condition, fact))
        });
        let untrue = || self.untrue(rule, reading, unit).map(Obstacle::When);
        unmatched.or_else(untrue).or_else(|| {
            let during = rule.during.as_ref()?;
            (!during.is_open(self.now)).then_some(Obstacle::Outside(during))
        })
    }

    /// The rule's condition, where that keeps it from holding.
    fn untrue<'b>(
        &'b self,
        rule: &'b Rule,
        reading: Reading,
        unit: Option<&'b FactSet>,
    ) -> Option<&'b When> {
        let when = rule.when.as_ref()?;
        let known = self.known(unit);
        let holds = match reading {
            Reading::Surely => when.allows(&known),
            Reading::Possibly => when.denies(&known),
        };
        (!holds).then_some(when)
    }

    /// What conditions are held against.
    pub(super) fn known<'b>(&'b self, unit: Option<&'b FactSet>) -> Known<'b> {
        Known {
            connection: &self.facts.connection,
            unit,
            actor: self.actor,
            destination: &self.destination,
            steps: &self.steps,
        }
    }

    /// The time that it is decided for.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// The refusal of what no rule allows, in words from the facts.
    fn nothing_allows(&self, unit: Option<&FactSet>) -> Refusal {
        let reason = match unit {
            Some(unit) => explain(unit, self.table.slots),
            None => return no_session(self.actor.workload, self.resource),
        };
        Refusal { rule: None, reason }
    }
}
