//! `Engine`: a policy that loaded, and what it decides.
//!
//! Order does not decide: a deny rule beats one that holds for an approval, which beats an allow rule,
//! and what nothing allows is denied. What is not known counts against the one who asks: a deny rule
//! matches where it might, an allow rule only where it surely does. A rule that holds does so where it
//! might match; what it surely matches may pass once people agree, without an allow rule.
//!
//! INVARIANT: more deny rules never allow more, nor without people do more rules that hold. Checked by a property test beside this file.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use jiff::Timestamp;
use toml::Spanned;

use super::actor::Actor;
use super::budget::Budget;
use super::case::{Case, is_about};
use super::claims::Issuer;
use super::compile::{Compiled, compile};
use super::decision::{Decision, Permit, Verdict};
use super::diagnostic::{Diagnostic, Level};
use super::during::During;
use super::limit::Limit;
use super::masks::Applied;
use super::model::{MaskSpec, Mode, RuleSpec};
use super::outcome::{Outcome, not_a_resource, not_known};
use super::pattern::Truth;
use super::table::{Rule, Table};
use super::when::When;
use crate::descriptor::Protocol;
use crate::facts::{Facts, Scope, Stage};
use crate::flow::Flow;
use crate::held::{ApproverSet, HeldAction};
use crate::ids::{DetectorName, GroupName, MaskName, PolicyDigest, ResourceName, WorkloadName};
use crate::mask::MaskSet;
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
    /// Whose tokens are believed.
    pub issuers: Vec<Issuer>,
    /// The workloads of which nothing passes while they are not known by a token.
    pub strict: Vec<WorkloadName>,
    /// Those of the resources that nobody wrote down. A rule that allows everything everywhere is
    /// not meant for them: one that allows something there names them or looks at a fact.
    pub unwritten: Vec<ResourceName>,
    /// Those who can be asked.
    pub approvers: Vec<ApproverSet>,
    /// The detectors outside the gateway.
    pub detectors: Vec<DetectorName>,
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
    /// The workloads of which nothing passes while they are not known by a token.
    strict: HashSet<WorkloadName>,
    tables: HashMap<ResourceName, Table>,
    /// The masks of each resource that has some, in the order of the file.
    masks: HashMap<ResourceName, Vec<Applied>>,
    /// No masks, shared by all sessions that have none.
    unmasked: Arc<MaskSet>,
    /// The sets of masks that sessions have now, each once: what is found out of one is found out for all.
    sets: Mutex<Vec<Weak<MaskSet>>>,
    /// The times that rules name, each once.
    windows: Vec<During>,
    pub(super) budgets: Vec<Arc<Budget>>,
    pub(super) limits: Vec<Arc<Limit>>,
}

impl Engine {
    /// Checks and resolves the rules and masks; gives warnings beside the engine, or all that is wrong.
    pub fn compile(
        inventory: &Inventory,
        rules: &[Spanned<RuleSpec>],
        masks: &[Spanned<MaskSpec>],
        digest: PolicyDigest,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let Compiled {
            tables,
            masks,
            diagnostics,
        } = compile(inventory, rules, masks);
        if diagnostics
            .iter()
            .any(|diagnostic| diagnostic.level == Level::Error)
        {
            return Err(diagnostics);
        }
        let mut windows: Vec<During> = Vec::new();
        let rules = tables.values().flat_map(Table::rules);
        for during in rules.filter_map(|rule| rule.during.as_ref()) {
            if !windows.contains(during) {
                windows.push(during.clone());
            }
        }
        let engine = Self {
            digest,
            strict: inventory.strict.iter().cloned().collect(),
            tables,
            masks,
            unmasked: Arc::default(),
            sets: Mutex::default(),
            windows,
            budgets: Vec::new(),
            limits: Vec::new(),
        };
        Ok((engine, diagnostics))
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
    pub fn decide(
        &self,
        subject: &Subject,
        flow: &Flow,
        facts: &Facts,
        now: Timestamp,
    ) -> Decision {
        let known = |resource: &&ResourceName| self.tables.contains_key(*resource);
        let Some(resource) = flow.resource.as_ref().filter(known) else {
            let refusal = match flow.unclear.clone() {
                Some(reason) => Refusal { rule: None, reason },
                None => not_a_resource(flow.destination),
            };
            return Outcome::Refused(refusal).decision(Mode::Enforce);
        };
        self.decide_for(&Actor::of(subject, flow.destination), resource, facts, now)
    }

    /// Decides on what somebody may do at a resource of whom less is known: datagrams, whose
    /// destinations the kernel has to know beforehand.
    pub fn decide_for(
        &self,
        actor: &Actor<'_>,
        resource: &ResourceName,
        facts: &Facts,
        now: Timestamp,
    ) -> Decision {
        let Some(case) = self.case(actor, resource, facts, now) else {
            let reason = format!("{resource} is not a resource of this gateway");
            return Outcome::Refused(Refusal { rule: None, reason }).decision(Mode::Enforce);
        };
        let outcome = match &facts.stage {
            Stage::Cancel if self.may_use(actor, resource, now) => {
                return Decision {
                    verdict: Verdict::Allow(Permit::mint()),
                    rule: None,
                    observed: None,
                };
            }
            Stage::Connect | Stage::Cancel => case.unit(None),
            Stage::Action(units) => case.units(units),
        };
        outcome.decision(case.mode())
    }

    /// The refusal of one who must be known by a token, and is not.
    pub(super) fn unknown(&self, actor: &Actor<'_>) -> Option<Refusal> {
        let is_unknown = actor.identity.is_none() && self.strict.contains(actor.workload);
        is_unknown.then(|| not_known(actor.workload))
    }

    /// What is to be decided, put beside the resource's rules; none for a resource that is not there.
    pub(super) fn case<'a>(
        &'a self,
        actor: &'a Actor<'a>,
        resource: &'a ResourceName,
        facts: &'a Facts,
        now: Timestamp,
    ) -> Option<Case<'a>> {
        let table = self.tables.get(resource)?;
        Some(Case::new(self, table, actor, resource, facts, now))
    }

    /// Which of the times that rules name are now. What hangs on a rule and is not asked for again has
    /// to be decided anew when this changes.
    pub fn open_windows(&self, now: Timestamp) -> Vec<bool> {
        self.windows.iter().map(|it| it.is_open(now)).collect()
    }

    /// The masks that apply to what somebody reads from the flow's resource.
    pub fn masks(&self, subject: &Subject, flow: &Flow) -> Arc<MaskSet> {
        let resource = flow.resource.as_ref();
        let masks = resource.map(|it| self.masks_for(&Actor::of(subject, flow.destination), it));
        masks.unwrap_or_else(|| Arc::clone(&self.unmasked))
    }

    /// The masks that apply to what somebody reads from a resource, and those that might.
    pub fn masks_for(&self, actor: &Actor<'_>, resource: &ResourceName) -> Arc<MaskSet> {
        let all = self.masks.get(resource).into_iter().flatten();
        let about = all.filter(|it| {
            it.who.includes(actor.workload, actor.groups)
                && it.who.claims.of(actor.identity) != Truth::No
        });
        let masks: Vec<_> = about.map(|it| Arc::clone(&it.mask)).collect();
        match masks.is_empty() {
            true => Arc::clone(&self.unmasked),
            false => self.shared(MaskSet::new(masks)),
        }
    }

    /// The masks of a resource that hide their values from somebody who looks at what waits there; `sees`
    /// says in which sets of approvers they are. Whom a mask is for makes no difference: the values are
    /// the same whoever asks.
    pub fn hidden_on(
        &self,
        resource: &ResourceName,
        sees: impl Fn(&ApproverSet) -> bool,
    ) -> Vec<MaskName> {
        let all = self.masks.get(resource).into_iter().flatten();
        // What waits has not come out of the database: what is looked for in results is not in it.
        let all = all.filter(|it| it.mask.selector.says_something());
        let hidden = all.filter(|it| !it.seen_by.iter().any(&sees));
        hidden.map(|it| it.mask.name.clone()).collect()
    }

    /// Those of them by whose columns an action may go. What was found out under another policy does not
    /// count.
    pub fn hidden_of(
        &self,
        action: &HeldAction,
        sees: impl Fn(&ApproverSet) -> bool,
    ) -> Vec<MaskName> {
        let mut hidden = self.hidden_on(&action.resource, sees);
        if action.policy == self.digest {
            hidden.retain(|mask| !action.clear_of.contains(mask));
        }
        hidden
    }

    /// The same set, which sessions that have it share.
    fn shared(&self, set: MaskSet) -> Arc<MaskSet> {
        // Each change is a single one, so a poisoned one is still good.
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.retain(|it| it.strong_count() > 0);
        if let Some(known) = sets.iter().filter_map(Weak::upgrade).find(|it| **it == set) {
            return known;
        }
        let set = Arc::new(set);
        sets.push(Arc::downgrade(&set));
        set
    }

    /// When a rule's time begins or ends next; none if no rule has times.
    pub fn next_boundary(&self, now: Timestamp) -> Option<Timestamp> {
        let changes = self.windows.iter();
        changes.filter_map(|it| it.next_change(now)).min()
    }

    /// Whether some rule or limit for the flow's resource looks at what a session has done by then.
    pub fn looks_at_moment(&self, flow: &Flow) -> bool {
        let Some(resource) = &flow.resource else {
            return false;
        };
        let table = self.tables.get(resource);
        let mut rules = table.into_iter().flat_map(Table::rules);
        rules.any(|rule| {
            let mut conditions = rule.conditions.iter();
            conditions.any(|it| it.scope == Scope::Moment)
                || rule.when.as_ref().is_some_and(When::looks_at_moment)
        }) || self.limits.iter().any(|it| it.looks_at_moment(resource))
    }

    /// Whether some rule for the resource looks at what process it is that acts.
    pub fn looks_at_process(&self, resource: &ResourceName) -> bool {
        let table = self.tables.get(resource);
        let mut rules = table.into_iter().flat_map(Table::rules);
        rules.any(|rule| rule.when.as_ref().is_some_and(When::looks_at_process))
    }

    /// The rules of every resource.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values()
    }

    /// Whether some rule lets the workload use the resource for something, and none keeps it off as
    /// a whole.
    pub(super) fn may_use(
        &self,
        actor: &Actor<'_>,
        resource: &ResourceName,
        now: Timestamp,
    ) -> bool {
        let Some(table) = self.tables.get(resource) else {
            return false;
        };
        let about =
            |rule: &Rule| is_about(rule, actor.workload, actor.groups) && rule.is_there(now);
        let claims = |rule: &Rule| rule.who.claims.of(actor.identity);
        let off = |rule: &Rule| {
            rule.is_unconditional() && rule.mode == Mode::Enforce && claims(rule) != Truth::No
        };
        let on = |rule: &Rule| claims(rule) == Truth::Yes && about(rule);
        let is_off = table.denies.iter().any(|rule| off(rule) && about(rule));
        table.mode == Mode::Observe || !is_off && table.openings().any(on)
    }
}
