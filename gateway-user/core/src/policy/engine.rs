//! `Engine`: a policy that loaded, and what it decides.
//!
//! Order does not decide: a deny rule beats an allow rule, and what nothing allows is denied. What
//! is not known counts against the one who asks: a deny rule matches where it might, an allow rule
//! only where it surely does.
//!
//! INVARIANT: more deny rules never allow more. Checked by a property test beside this file.

use std::collections::HashMap;

use toml::Spanned;

use super::compile::{Rule, Slots, Table, compile};
use super::decision::{Decision, Permit, Verdict};
use super::diagnostic::{Diagnostic, Level};
use super::index::Sought;
use super::matching::Condition;
use super::model::{Effect, Mode, RuleSpec};
use super::pattern::{Quantifier, Truth};
use super::when::{Known, Steps, When};
use crate::descriptor::Protocol;
use crate::facts::{Fact, FactSet, Facts, Name, Scope, Stage};
use crate::flow::{Flow, OriginalDst};
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
        table.mode == Mode::Observe || !is_off && table.allows.iter().any(about)
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

/// What came of the rules, before a resource in observe mode lets pass what they refuse.
pub(super) enum Outcome<'a> {
    Allowed {
        by: &'a Rule,
        /// What enforcing every rule would have refused.
        observed: Option<Refusal>,
    },
    Refused(Refusal),
}

impl Outcome<'_> {
    pub(super) fn decision(self, mode: Mode) -> Decision {
        match (self, mode) {
            (Self::Allowed { by, observed }, _) => Decision {
                verdict: Verdict::Allow(Permit::mint()),
                rule: Some(by.name.clone()),
                observed,
            },
            (Self::Refused(refusal), Mode::Enforce) => Decision {
                rule: refusal.rule.clone(),
                verdict: Verdict::Deny(refusal),
                observed: None,
            },
            (Self::Refused(refusal), Mode::Observe) => Decision {
                verdict: Verdict::Allow(Permit::mint()),
                rule: refusal.rule.clone(),
                observed: Some(refusal),
            },
        }
    }
}

/// What keeps a rule from holding.
#[derive(Clone, Copy, Debug)]
pub(super) enum Obstacle<'a> {
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

    /// Each unit must be allowed. A rule that denies one is told rather than that nothing allows
    /// another.
    fn units(&self, units: &[FactSet]) -> Outcome<'a> {
        let mut first: Option<Outcome<'a>> = None;
        for unit in units {
            first = Some(match (first, self.unit(Some(unit))) {
                (_, Outcome::Refused(refusal)) if refusal.rule.is_some() => {
                    return Outcome::Refused(refusal);
                }
                (None, outcome) => outcome,
                (Some(Outcome::Refused(refusal)), _) | (Some(_), Outcome::Refused(refusal)) => {
                    Outcome::Refused(refusal)
                }
                (
                    Some(Outcome::Allowed { by, observed }),
                    Outcome::Allowed {
                        observed: another, ..
                    },
                ) => Outcome::Allowed {
                    by,
                    observed: observed.or(another),
                },
            });
        }
        // Codecs never ask about nothing; if one did, nothing would have been allowed.
        first.unwrap_or_else(|| Outcome::Refused(self.nothing_allows(None)))
    }

    /// Decides on one unit, or with `None` on the start of the session.
    pub(super) fn unit(&self, unit: Option<&FactSet>) -> Outcome<'a> {
        if self.unread(unit) && !self.table.allows.iter().any(|rule| rule.unread) {
            // Every deny rule might match it; the plain reason helps more than one of theirs.
            return Outcome::Refused(self.nothing_allows(unit));
        }
        let sought = self.sought(unit);
        let mut observed = None;
        for rule in self.table.about(Effect::Deny, &sought) {
            if self.covers(rule) && self.holds(rule, unit) {
                let refusal = denied_by(rule);
                match rule.mode {
                    Mode::Enforce => return Outcome::Refused(refusal),
                    Mode::Observe => observed = observed.or(Some(refusal)),
                }
            }
        }
        let allows = self.table.about(Effect::Allow, &sought);
        let mut allows = allows.filter(|rule| self.covers(rule) && self.holds(rule, unit));
        let Some(first) = allows.next() else {
            return Outcome::Refused(self.nothing_allows(unit));
        };
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
    fn holds(&self, rule: &Rule, unit: Option<&FactSet>) -> bool {
        self.obstacle(rule, unit).is_none()
    }

    /// What keeps a rule that is about this subject from holding. Fails closed: a deny rule holds
    /// where it might match; an allow rule only where it surely matches, and for what could not be
    /// read only if it says so.
    pub(super) fn obstacle<'b>(
        &'b self,
        rule: &'b Rule,
        unit: Option<&'b FactSet>,
    ) -> Option<Obstacle<'b>> {
        if rule.effect == Effect::Allow && self.unread(unit) && !rule.unread {
            return Some(Obstacle::Unread);
        }
        let unmatched = rule.conditions.iter().find_map(|condition| {
            let fact = match (condition.scope, unit) {
                (Scope::Connection, _) => self.facts.connection.fact(condition.slot),
                (Scope::Action, Some(unit)) => unit.fact(condition.slot),
                // At the start of the session what is done is still to come.
                (Scope::Action, None) => {
                    return match rule.effect {
                        Effect::Allow => None,
                        Effect::Deny => Some(Obstacle::TooEarly(condition)),
                    };
                }
            };
            let holds = match rule.effect {
                Effect::Allow => condition.pattern.matches(fact, Quantifier::All) == Truth::Yes,
                Effect::Deny => condition.pattern.matches(fact, Quantifier::Any) != Truth::No,
            };
            (!holds).then_some(Obstacle::Fact(condition, fact))
        });
        unmatched.or_else(|| self.untrue(rule, unit).map(Obstacle::When))
    }

    /// The rule's condition, where that keeps it from holding.
    fn untrue<'b>(&'b self, rule: &'b Rule, unit: Option<&'b FactSet>) -> Option<&'b When> {
        let when = rule.when.as_ref()?;
        let known = self.known(unit);
        let holds = match rule.effect {
            Effect::Allow => when.allows(&known),
            Effect::Deny => when.denies(&known),
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

/// The refusal of a destination that no resource covers.
pub(super) fn not_a_resource(destination: OriginalDst) -> Refusal {
    let reason = format!("{} is not a resource of this gateway", destination.0);
    Refusal { rule: None, reason }
}

/// The refusal of a session that no rule allows.
pub(super) fn no_session(workload: &WorkloadName, resource: &ResourceName) -> Refusal {
    let reason = format!("no rule allows workload {workload} on {resource}");
    Refusal { rule: None, reason }
}

/// The refusal by a rule.
pub(super) fn denied_by(rule: &Rule) -> Refusal {
    let reason = rule
        .reason
        .clone()
        .unwrap_or_else(|| "denied by policy".to_owned());
    Refusal {
        rule: Some(rule.name.clone()),
        reason,
    }
}

/// Most names of a list that a refusal tells.
const NAMES_TOLD: usize = 3;

/// Such as `no rule allows delete on public.orders`.
fn explain(unit: &FactSet, slots: Slots) -> String {
    if slots
        .parsed
        .is_some_and(|slot| *unit.fact(slot) != Fact::Flag(true))
    {
        return "the statement could not be understood".to_owned();
    }
    let verb = match slots.verb.map(|(slot, _)| unit.fact(slot)) {
        Some(Fact::Text(verb)) => verb,
        _ => "this",
    };
    let told = slots
        .objects
        .into_iter()
        .flatten()
        .find_map(|slot| match unit.fact(slot) {
            Fact::Names(names) => tell(names),
            _ => None,
        });
    match told {
        Some(names) => format!("no rule allows {verb} on {names}"),
        None => format!("no rule allows {verb}"),
    }
}

fn tell(names: &[Name]) -> Option<String> {
    let mut told: Vec<String> = names
        .iter()
        .take(NAMES_TOLD)
        .map(ToString::to_string)
        .collect();
    if names.len() > NAMES_TOLD {
        told.push(format!("{} more", names.len() - NAMES_TOLD));
    }
    (!told.is_empty()).then(|| told.join(", "))
}
