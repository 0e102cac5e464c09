//! `Engine`: a policy that loaded, and what it decides.
//!
//! Order does not decide: a deny rule beats one that holds for an approval, which beats an allow rule,
//! and what nothing allows is denied. What is not known counts against the one who asks: a deny rule
//! matches where it might, an allow rule only where it surely does. A rule that holds does so where it
//! might match; what it surely matches may pass once people agree, without an allow rule.
//!
//! INVARIANT: more deny rules never allow more, nor without people do more rules that hold. Checked by a property test beside this file.

use std::collections::HashMap;

use toml::Spanned;

use super::compile::{Rule, Table, compile};
use super::decision::Decision;
use super::diagnostic::{Diagnostic, Level};
use super::index::Sought;
use super::matching::Condition;
use super::model::{Effect, Mode, RuleSpec};
use super::outcome::{Outcome, add, denied_by, explain, held_by, no_session, not_a_resource};
use super::pattern::{Quantifier, Truth};
use super::when::{Known, Steps, When};
use crate::descriptor::{Protocol, Shape};
use crate::facts::{Fact, FactSet, Facts, Scope, Stage};
use crate::flow::Flow;
use crate::held::ApproverSet;
use crate::ids::{GroupName, PolicyDigest, ResourceName, WorkloadName};
use crate::refusal::Refusal;
use crate::subject::Subject;

/// A `[[resource]]`, as far as policy cares.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its name.
    pub name: ResourceName,
    /// The protocol it speaks.
    pub protocol: &'static Protocol,
    /// Whether refusals are enforced on it.
    pub mode: Mode,
}

/// What rules can refer to.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Every resource of the configuration.
    pub resources: Vec<Resource>,
    /// Every workload of the configuration.
    pub workloads: Vec<WorkloadName>,
    /// Every group that a workload belongs to.
    pub groups: Vec<GroupName>,
    /// Those of the resources that nobody wrote down. A rule that allows everything everywhere is
    /// not meant for them: one that allows something there names them or looks at a fact.
    pub unwritten: Vec<ResourceName>,
    /// Those who can be asked.
    pub approvers: Vec<ApproverSet>,
    /// What the configuration allows besides its rules.
    pub grants: Vec<Grant>,
    /// What rules mean that leave something open.
    pub ordinary: Vec<Ordinary>,
}

/// Who may use one resource may do something on another: look up its host's name, for one. Named
/// as `hosts of` the resource in decisions; a deny rule beats it like any allow rule.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The resource that it comes with.
    pub of: ResourceName,
    /// The resource that it allows something on.
    pub on: ResourceName,
    /// The fact that must have one of the values.
    pub fact: &'static str,
    /// These, as they are.
    pub values: Vec<String>,
}

/// What an allow rule on a resource stands for that says nothing of a fact: so what is out of the
/// ordinary must be named to be allowed.
#[derive(Clone, Debug)]
pub struct Ordinary {
    /// The resource.
    pub on: ResourceName,
    /// The fact.
    pub fact: &'static str,
    /// Its ordinary values, as they are.
    pub values: Vec<String>,
}

/// A policy that loaded. Shared by `Arc`.
#[derive(Debug)]
pub struct Engine {
    digest: PolicyDigest,
    tables: HashMap<ResourceName, Table>,
}

impl Engine {
    /// Checks and resolves the rules; gives warnings beside the engine, or all that is wrong.
    pub fn compile(
        inventory: &Inventory,
        rules: &[Spanned<RuleSpec>],
        digest: PolicyDigest,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let (tables, diagnostics) = compile(inventory, rules);
        if diagnostics
            .iter()
            .any(|diagnostic| diagnostic.level == Level::Error)
        {
            return Err(diagnostics);
        }
        Ok((Self { digest, tables }, diagnostics))
    }

    /// Names the policy's source.
    pub fn digest(&self) -> &PolicyDigest {
        &self.digest
    }

    /// The rules for a resource; none for one that is not of this policy.
    pub(super) fn table(&self, resource: Option<&ResourceName>) -> Option<&Table> {
        resource.and_then(|resource| self.tables.get(resource))
    }

    /// Decides. Never fails: what is not known counts against the one who asks.
    pub fn decide(&self, subject: &Subject, flow: &Flow, facts: &Facts) -> Decision {
        let known = |resource: &&ResourceName| self.tables.contains_key(*resource);
        let Some(resource) = flow.resource.as_ref().filter(known) else {
            let refusal = match flow.unclear.clone() {
                Some(reason) => Refusal { rule: None, reason },
                None => not_a_resource(flow.destination),
            };
            return Outcome::Refused(refusal).decision(Mode::Enforce);
        };
        self.decide_for(&subject.workload, &subject.groups, resource, facts)
    }

    /// Decides on what a workload may do at a resource before anything of it is done: datagrams,
    /// whose destinations the kernel has to know beforehand.
    pub fn decide_for(
        &self,
        workload: &WorkloadName,
        groups: &[GroupName],
        resource: &ResourceName,
        facts: &Facts,
    ) -> Decision {
        let Some(case) = self.case(workload, groups, resource, facts) else {
            let reason = format!("{resource} is not a resource of this gateway");
            return Outcome::Refused(Refusal { rule: None, reason }).decision(Mode::Enforce);
        };
        let outcome = match &facts.stage {
            Stage::Connect => case.unit(None),
            Stage::Action(units) => case.units(units),
        };
        outcome.decision(case.table.mode)
    }

    /// What is to be decided, put beside the resource's rules; none for a resource that is not there.
    pub(super) fn case<'a>(
        &'a self,
        workload: &'a WorkloadName,
        groups: &'a [GroupName],
        resource: &'a ResourceName,
        facts: &'a Facts,
    ) -> Option<Case<'a>> {
        Some(Case {
            engine: self,
            table: self.tables.get(resource)?,
            workload,
            groups,
            resource,
            facts,
            steps: Steps::new(),
        })
    }

    /// The rules of every resource.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values()
    }

    /// Whether some rule lets the workload use the resource for something, and none keeps it off as
    /// a whole.
    fn may_use(
        &self,
        workload: &WorkloadName,
        groups: &[GroupName],
        resource: &ResourceName,
    ) -> bool {
        let Some(table) = self.tables.get(resource) else {
            return false;
        };
        let about = |rule: &Rule| is_about(rule, workload, groups);
        let off = |rule: &Rule| rule.is_unconditional() && rule.mode == Mode::Enforce;
        let is_off = table.denies.iter().any(|rule| off(rule) && about(rule));
        table.mode == Mode::Observe || !is_off && table.openings().any(about)
    }
}

/// Whether the rule is about this workload.
pub(super) fn is_about(rule: &Rule, workload: &WorkloadName, groups: &[GroupName]) -> bool {
    let named = |names: &[WorkloadName]| names.binary_search(workload).is_ok();
    let grouped = |names: &[GroupName]| {
        let mut groups = groups.iter();
        groups.any(|group| names.binary_search(group).is_ok())
    };
    rule.workloads.as_deref().is_none_or(named) && rule.groups.as_deref().is_none_or(grouped)
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
}

/// One thing to be decided.
pub(super) struct Case<'a> {
    engine: &'a Engine,
    table: &'a Table,
    workload: &'a WorkloadName,
    groups: &'a [GroupName],
    resource: &'a ResourceName,
    facts: &'a Facts,
    steps: Steps,
}

impl<'a> Case<'a> {
    /// The same case, before anything of it has been decided.
    pub(super) fn afresh(&self) -> Self {
        Self {
            steps: Steps::new(),
            ..*self
        }
    }

    /// The rules for the resource.
    pub(super) fn table(&self) -> &'a Table {
        self.table
    }

    /// Each unit must be allowed, by rules or by people. A rule that denies one is told rather than
    /// that nothing allows another.
    fn units(&self, units: &[FactSet]) -> Outcome<'a> {
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
            workload: self.workload,
            groups: self.groups,
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
        let used = |of| self.engine.may_use(self.workload, self.groups, of);
        is_about(rule, self.workload, self.groups) && rule.of.as_ref().is_none_or(used)
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
        if reading == Reading::Surely && self.unread(unit) && !rule.unread {
            return Some(Obstacle::Unread);
        }
        if self.is_early(unit) && rule.effect == Effect::Approve && reading == Reading::Possibly {
            return Some(Obstacle::NothingDone);
        }
        let unmatched = rule.conditions.iter().find_map(|condition| {
            let fact = match (condition.scope, unit) {
                (Scope::Connection, _) => self.facts.connection.fact(condition.slot),
                (Scope::Action, Some(unit)) => unit.fact(condition.slot),
                // At the start of the session what is done is still to come.
                (Scope::Action, None) => {
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
        unmatched.or_else(|| self.untrue(rule, reading, unit).map(Obstacle::When))
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
            workload: self.workload,
            groups: self.groups,
            steps: &self.steps,
        }
    }

    /// The refusal of what no rule allows, in words from the facts.
    fn nothing_allows(&self, unit: Option<&FactSet>) -> Refusal {
        let reason = match unit {
            Some(unit) => explain(unit, self.table.slots),
            None => return no_session(self.workload, self.resource),
        };
        Refusal { rule: None, reason }
    }
}
