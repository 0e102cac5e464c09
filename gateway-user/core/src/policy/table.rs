//! `Table`: the rules for one resource as they are decided by, made by `compile`.

use std::sync::Arc;

use jiff::Timestamp;

use super::claims::Claims;
use super::during::During;
use super::index::{Index, Sought};
use super::matching::Condition;
use super::model::{Effect, Mode};
use super::when::When;
use crate::descriptor::Shape;
use crate::facts::{Attribute, Fact, Type};
use crate::held::Demand;
use crate::ids::{GroupName, ResourceName, RuleName, WorkloadName};

/// Whom a rule or a mask is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Who {
    /// Sorted; none means any.
    pub(super) workloads: Option<Box<[WorkloadName]>>,
    /// Sorted; none means any.
    pub(super) groups: Option<Box<[GroupName]>>,
    /// Sorted; nobody who is in one of these.
    pub(super) except: Box<[GroupName]>,
    /// What tokens must say.
    pub(super) claims: Claims,
}

impl Who {
    /// Whether it is about this workload, whatever its token says.
    pub(super) fn includes(&self, workload: &WorkloadName, groups: &[GroupName]) -> bool {
        let named = |names: &[WorkloadName]| names.binary_search(workload).is_ok();
        let grouped = |names: &[GroupName]| {
            let mut groups = groups.iter();
            groups.any(|group| names.binary_search(group).is_ok())
        };
        self.workloads.as_deref().is_none_or(named)
            && self.groups.as_deref().is_none_or(grouped)
            && !grouped(&self.except)
    }
}

/// A rule as it is for the resources of one protocol.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) name: RuleName,
    pub(super) effect: Effect,
    pub(super) mode: Mode,
    pub(super) reason: Option<String>,
    pub(super) who: Who,
    pub(super) conditions: Box<[Condition]>,
    /// What must be true besides.
    pub(super) when: Option<When>,
    /// The times at which it is there; none means always.
    pub(super) during: Option<During>,
    /// One bit for each value of the protocol's closed fact that the rule can match.
    pub(super) values: u128,
    /// Whether it says of itself that it is for what could not be read.
    pub(super) unread: bool,
    /// It holds only for who may use this resource.
    pub(super) of: Option<ResourceName>,
    /// Of a rule that holds: who must agree.
    pub(super) demand: Option<Arc<Demand>>,
    /// It holds what a rule allows, and opens nothing by itself.
    pub(super) only_stops: bool,
}

impl Rule {
    /// Whether it holds whatever is done, while it is there and for whom it is about.
    pub(super) fn is_unconditional(&self) -> bool {
        self.conditions.is_empty() && self.when.is_none()
    }

    /// Whether it is there at this time.
    pub(super) fn is_there(&self, now: Timestamp) -> bool {
        self.during
            .as_ref()
            .is_none_or(|during| during.is_open(now))
    }
}

/// The rules for one resource.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) mode: Mode,
    pub(super) attributes: &'static [Attribute],
    /// How what is spoken is dealt with.
    pub(super) shape: Shape,
    pub(super) slots: Slots,
    pub(super) denies: Vec<Rule>,
    pub(super) approves: Vec<Rule>,
    pub(super) allows: Vec<Rule>,
    /// Of the rules that deny, of those that hold, and of those that allow.
    pub(super) index: [Index; 3],
}

impl Table {
    /// The rules of this effect that may be about what is sought, in the order of the file.
    pub(super) fn about(
        &self,
        effect: Effect,
        sought: &Sought<'_>,
    ) -> impl Iterator<Item = &Rule> + use<'_> {
        let [denies, approves, allows] = &self.index;
        let (rules, index) = match effect {
            Effect::Deny => (&self.denies, denies),
            Effect::Approve => (&self.approves, approves),
            Effect::Allow => (&self.allows, allows),
        };
        let places = index.places(sought);
        places.filter_map(|place| rules.get(place))
    }

    /// Those that deny, those that hold, those that allow, each kind in the order of the file.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.denies.iter().chain(&self.approves).chain(&self.allows)
    }

    /// The rules by which something may pass, at once or after an approval.
    pub(super) fn openings(&self) -> impl Iterator<Item = &Rule> {
        let approves = self.approves.iter().filter(|rule| !rule.only_stops);
        approves.chain(&self.allows)
    }
}

/// Slots of a protocol's facts that mean something to policy itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slots {
    /// What is done, such as `sql.verb`; also the one that rules are sorted out by.
    pub(super) verb: Option<(usize, &'static [&'static str])>,
    /// Whether the action could be read.
    pub(super) parsed: Option<usize>,
    /// What it is done to, for explanations.
    pub(super) objects: [Option<usize>; 2],
}

impl Slots {
    pub(super) fn of(attributes: &'static [Attribute]) -> Self {
        let ends = |word: &str| {
            let with_dot = format!(".{word}");
            attributes
                .iter()
                .position(|attribute| attribute.name.ends_with(&with_dot))
        };
        let names = |slot: &usize| attributes.get(*slot).is_some_and(|it| it.ty == Type::Names);
        let verb = ends("verb");
        Self {
            verb: verb.and_then(|slot| Some((slot, attributes.get(slot)?.values))),
            parsed: ends("parsed"),
            objects: [ends("table").filter(names), ends("function").filter(names)],
        }
    }

    /// The bit of a verb; all bits where there is none for it.
    pub(super) fn bit(&self, verb: &Fact) -> u128 {
        let Some((_, values)) = self.verb.filter(|(_, values)| values.len() <= 128) else {
            return u128::MAX;
        };
        let Fact::Text(verb) = verb else {
            return u128::MAX;
        };
        match values.iter().position(|value| **value == **verb) {
            Some(index) => 1 << index,
            None => u128::MAX,
        }
    }
}
