//! `Budget`: how much may be done in a window of time, and what becomes of what is asked for when it is
//! used up.
//!
//! A budget allows nothing: it stands between what the rules decided and what is done. One that is
//! used up turns an allow into a hold or a deny, and a hold by a rule into a deny; deny beats approve.
//! What was used is in the [`Book`], which the session brings.
//!
//! INVARIANT: a budget never makes more of a decision than the rules did. Checked by a test.

mod spec;
pub mod words;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::actor::Actor;
use super::claims::Claims;
use super::decision::{Decision, Verdict};
use super::engine::Engine;
use super::hold::Hold;
use super::model::Mode;
use super::pattern::Truth;
use crate::budget::book::{Account, Book, Page, Whose};
use crate::budget::{Amounts, Kind, Limits};
use crate::facts::{Attribute, Fact, Facts, Stage};
use crate::flow::Flow;
use crate::held::Demand;
use crate::ids::{BudgetName, GroupName, ResourceName, RuleName, WorkloadName};
use crate::refusal::Refusal;
use crate::subject::Subject;

pub(super) use spec::framed;
pub use spec::{BudgetSpec, compile};

/// What becomes of what is asked for when it is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is refused.
    #[default]
    Deny,
    /// It waits until people decide.
    Approve,
}

/// Who has a count of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Each workload, at all resources of the budget together.
    #[default]
    Workload,
    /// Each group, for all that are in it and at all resources of the budget together.
    Group,
    /// Each resource, for all workloads of the budget together.
    Resource,
    /// Each session.
    Session,
}

/// A budget that was checked.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Its name.
    pub name: BudgetName,
    /// How decisions name it.
    pub rule: RuleName,
    /// What it is about; sorted.
    resources: Vec<ResourceName>,
    /// Sorted; none means any.
    workloads: Option<Vec<WorkloadName>>,
    /// Sorted; none means any.
    groups: Option<Vec<GroupName>>,
    /// What tokens must say, or might.
    claims: Claims,
    /// Who has a count of their own.
    pub per: Per,
    /// The span of time.
    pub window: Duration,
    /// How much there may be in it.
    pub limits: Limits,
    /// What becomes of what is asked for when it is used up.
    pub action: Action,
    /// Whether it takes effect.
    pub mode: Mode,
    /// Why.
    pub reason: Option<String>,
    /// Of one that holds: who must agree.
    demand: Option<Arc<Demand>>,
}

/// The budgets that are for one session, with the counts that it adds to.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    entries: Vec<Entry>,
    attributes: &'static [Attribute],
}

#[derive(Clone, Debug)]
struct Entry {
    budget: Arc<Budget>,
    /// Several only where the workload is in several groups that have counts of their own.
    accounts: Vec<Account>,
    /// What the resource's mode and the budget's come to.
    mode: Mode,
}

/// What an ask is counted as once it is let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// One statement.
    Statement,
    /// Nothing: it only prepares one, or is only looked at.
    Nothing,
}

/// What came of adding to counts in the middle of a result.
#[derive(Debug)]
pub enum Spent {
    /// So much more of rows and bytes may come before it has to be added.
    Within {
        /// Rows.
        rows: u64,
        /// Bytes.
        bytes_out: u64,
    },
    /// A budget that refuses is exceeded.
    Over(Refusal),
}

impl Engine {
    /// Adds budgets.
    #[must_use]
    pub fn with_budgets(mut self, budgets: Vec<Budget>) -> Self {
        self.budgets = budgets.into_iter().map(Arc::new).collect();
        self
    }

    /// All budgets, in the order of the file.
    pub fn budgets(&self) -> &[Arc<Budget>] {
        &self.budgets
    }

    /// Those that are for what somebody does at a resource.
    pub fn budgets_for<'a>(
        &'a self,
        actor: &'a Actor<'a>,
        resource: &'a ResourceName,
    ) -> impl Iterator<Item = &'a Arc<Budget>> {
        let budgets = self.budgets.iter();
        budgets.filter(|budget| budget.is_for(actor, resource))
    }

    /// The budgets that are for a session.
    pub fn accounts(&self, subject: &Subject, flow: &Flow) -> Accounts {
        let table = self.table(flow.resource.as_ref());
        let (Some(resource), Some(table)) = (&flow.resource, table) else {
            return Accounts::default();
        };
        let actor = Actor::of(subject, flow.destination);
        let entries = self.budgets_for(&actor, resource).map(|budget| Entry {
            accounts: budget.accounts(&actor, resource, flow),
            mode: match (budget.mode, table.mode) {
                (Mode::Enforce, Mode::Enforce) => Mode::Enforce,
                _ => Mode::Observe,
            },
            budget: Arc::clone(budget),
        });
        Accounts {
            entries: entries.collect(),
            attributes: table.attributes,
        }
    }
}

impl Budget {
    fn is_for(&self, actor: &Actor<'_>, resource: &ResourceName) -> bool {
        let named = |names: &Vec<WorkloadName>| names.binary_search(actor.workload).is_ok();
        self.resources.binary_search(resource).is_ok()
            && self.workloads.as_ref().is_none_or(named)
            && (self.groups.is_none() || self.groups_of(actor).next().is_some())
            && self.claims.of(actor.identity) != Truth::No
    }

    /// Those of the actor's groups that it is for.
    fn groups_of<'a>(&'a self, actor: &'a Actor<'_>) -> impl Iterator<Item = &'a GroupName> {
        let named = |group: &&GroupName| {
            let among = |names: &Vec<GroupName>| names.binary_search(group).is_ok();
            self.groups.as_ref().is_none_or(among)
        };
        actor.groups.iter().filter(named)
    }

    fn accounts(&self, actor: &Actor<'_>, resource: &ResourceName, flow: &Flow) -> Vec<Account> {
        let account = |whose| Account {
            budget: self.name.clone(),
            seconds: self.window.as_secs(),
            whose,
        };
        match self.per {
            Per::Workload => vec![account(Whose::Workload(actor.workload.clone()))],
            Per::Resource => vec![account(Whose::Resource(resource.clone()))],
            Per::Session => vec![account(Whose::Session(flow.session.clone()))],
            Per::Group => {
                let groups = self.groups_of(actor).cloned();
                groups.map(|group| account(Whose::Group(group))).collect()
            }
        }
    }

    /// The first limit that is reached, and when there will be room again.
    fn reached(&self, page: &mut Page, account: &Account, now: Timestamp) -> Option<Refusal> {
        let used = page.used(account, now);
        let mut limits = self.limits.each();
        let (kind, limit) = limits.find(|(kind, limit)| used.of(*kind) >= *limit)?;
        let room = self.room(page, account, now);
        Some(words::used_up(self, kind, limit, room, now))
    }

    /// When nothing of it will be used up; none if nothing is now.
    pub fn room(&self, page: &mut Page, account: &Account, now: Timestamp) -> Option<Timestamp> {
        let window = page.window(account)?;
        let each = self.limits.each();
        each.filter_map(|(kind, limit)| window.room(kind, limit, now))
            .max()
    }
}

/// Words of what ends a transaction. They pass when a budget is used up: locks are given back by them,
/// and what was done within the budget is kept or undone as a whole.
const ENDS: [&str; 3] = ["commit", "rollback", "rollback_to"];

impl Accounts {
    /// Whether no budget is for the session.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What budgets make of what the rules decided. What passes is counted in the same moment, so that
    /// sessions that ask at once share what is left.
    pub fn judge(
        &self,
        decision: Decision,
        facts: &Facts,
        counts: Counts,
        now: Timestamp,
        book: &Book,
    ) -> Decision {
        let Stage::Action(_) = &facts.stage else {
            return decision;
        };
        if self.is_empty() || matches!(decision.verdict, Verdict::Deny(_)) {
            return decision;
        }
        let mut page = book.open();
        let judged = match self.ends(facts) {
            true => decision,
            false => self.weigh(decision, now, &mut page),
        };
        if counts == Counts::Statement && matches!(judged.verdict, Verdict::Allow(_)) {
            self.add(&mut page, &Amounts::STATEMENT, now);
        }
        judged
    }

    fn weigh(&self, decision: Decision, now: Timestamp, page: &mut Page) -> Decision {
        let mut observed = None;
        let mut waits: Vec<&Budget> = Vec::new();
        for entry in &self.entries {
            let budget = &entry.budget;
            let mut accounts = entry.accounts.iter();
            let Some(refusal) = accounts.find_map(|it| budget.reached(page, it, now)) else {
                continue;
            };
            match (entry.mode, budget.action) {
                (Mode::Observe, _) => observed = observed.or(Some(refusal)),
                (Mode::Enforce, Action::Deny) => {
                    return Decision {
                        rule: refusal.rule.clone(),
                        verdict: Verdict::Deny(refusal),
                        observed: None,
                    };
                }
                (Mode::Enforce, Action::Approve) => waits.push(budget),
            }
        }
        let demands = waits.iter().filter_map(|it| it.demand.clone()).collect();
        let (verdict, by) = match decision.verdict {
            verdict if waits.is_empty() => (verdict, None),
            Verdict::Hold(hold) => (Verdict::Hold(hold.and(demands)), None),
            Verdict::Allow(_permit) => {
                let by = waits.first().map(|it| it.rule.clone());
                (Verdict::Hold(Hold::new(demands)), by)
            }
            verdict @ Verdict::Deny(_) => (verdict, None),
        };
        Decision {
            verdict,
            rule: by.or(decision.rule),
            observed: decision.observed.or(observed),
        }
    }

    /// The refusal by a budget that refuses and was used up while an ask waited for people. What they
    /// let pass is counted.
    ///
    /// # Errors
    /// The refusal.
    pub fn approved(&self, facts: &Facts, now: Timestamp, book: &Book) -> Result<(), Refusal> {
        if self.is_empty() {
            return Ok(());
        }
        let mut page = book.open();
        if !self.ends(facts) {
            for entry in self.refusing() {
                let mut accounts = entry.accounts.iter();
                let reached = |it| entry.budget.reached(&mut page, it, now);
                if let Some(refusal) = accounts.find_map(reached) {
                    return Err(refusal);
                }
            }
        }
        self.add(&mut page, &Amounts::STATEMENT, now);
        Ok(())
    }

    /// Counts what came back.
    pub fn spend(&self, used: &Amounts, now: Timestamp, book: &Book) -> Spent {
        let mut page = book.open();
        self.add(&mut page, used, now);
        let (mut rows, mut bytes_out) = (u64::MAX, u64::MAX);
        for entry in self.refusing() {
            let (budget, limits) = (&entry.budget, entry.budget.limits);
            for account in &entry.accounts {
                let used = page.used(account, now);
                for (kind, left) in [(Kind::Rows, &mut rows), (Kind::BytesOut, &mut bytes_out)] {
                    let Some(limit) = limits.of(kind) else {
                        continue;
                    };
                    if used.of(kind) > limit {
                        let room = budget.room(&mut page, account, now);
                        return Spent::Over(words::used_up(budget, kind, limit, room, now));
                    }
                    *left = (*left).min(limit - used.of(kind));
                }
            }
        }
        Spent::Within { rows, bytes_out }
    }

    /// Forgets what is counted for the session alone.
    pub fn forget_session(&self, book: &Book) {
        let accounts = self.entries.iter().flat_map(|entry| &entry.accounts);
        for account in accounts.filter(|it| matches!(it.whose, Whose::Session(_))) {
            book.open().forget(account);
        }
    }

    fn refusing(&self) -> impl Iterator<Item = &Entry> {
        let refuses =
            |entry: &&Entry| entry.mode == Mode::Enforce && entry.budget.action == Action::Deny;
        self.entries.iter().filter(refuses)
    }

    fn add(&self, page: &mut Page, used: &Amounts, now: Timestamp) {
        for account in self.entries.iter().flat_map(|entry| &entry.accounts) {
            page.add(account, used, now);
        }
    }

    /// Whether it only ends a transaction.
    fn ends(&self, facts: &Facts) -> bool {
        let Stage::Action(units) = &facts.stage else {
            return false;
        };
        let mut slots = self.attributes.iter();
        let Some(verb) = slots.position(|it| it.name.ends_with(".verb")) else {
            return false;
        };
        units.iter().all(
            |unit| matches!(unit.fact(verb), Fact::Text(text) if ENDS.contains(&text.as_ref())),
        )
    }
}
