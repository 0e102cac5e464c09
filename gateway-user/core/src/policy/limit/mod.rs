//! `Limit`: how much one statement may bring and how long it may take.
//!
//! A limit allows nothing and refuses nothing: what it is for runs, and is ended where it reaches it. All
//! limits that are for a statement hold, in whatever order they are written. A fact that is not known
//! counts as one that matches, and so does a claim.

mod spec;

use std::sync::Arc;
use std::time::Duration;

use super::actor::Actor;
use super::engine::Engine;
use super::matching::Condition;
use super::model::Mode;
use super::pattern::{Quantifier, Truth};
use super::table::Who;
use crate::budget;
use crate::facts::{FactSet, Facts, Scope, Stage};
use crate::flow::Flow;
use crate::ids::{LimitName, ResourceName, RuleName};
use crate::limit::{Bar, Ceiling, Kind};
use crate::subject::Subject;

pub use spec::{LimitSpec, compile};

/// A limit that was checked.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Its name.
    pub name: LimitName,
    /// How decisions name it.
    pub rule: RuleName,
    /// What it is about, with what it matches there; sorted.
    resources: Vec<(ResourceName, Arc<[Condition]>)>,
    who: Who,
    /// Rows that may be returned.
    pub rows: Option<u64>,
    /// Bytes of rows and copied data.
    pub bytes: Option<u64>,
    /// How long it may run.
    pub time: Option<Duration>,
    /// Whether it takes effect.
    pub mode: Mode,
    /// Why.
    pub reason: Option<String>,
}

/// The limits that are for one session.
#[derive(Clone, Debug, Default)]
pub struct Limits(Box<[Entry]>);

/// A limit, what it matches, and what the resource's mode and its own come to.
type Entry = (Arc<Limit>, Arc<[Condition]>, Mode);

impl Engine {
    /// Adds limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Vec<Limit>) -> Self {
        self.limits = limits.into_iter().map(Arc::new).collect();
        self
    }

    /// The limits that are for what somebody does at a resource.
    pub fn limits_for(&self, actor: &Actor<'_>, resource: &ResourceName) -> Limits {
        let Some(table) = self.table(Some(resource)) else {
            return Limits::default();
        };
        let of = |limit: &Arc<Limit>| {
            let conditions = limit.conditions(resource)?;
            let is_for = limit.who.includes(actor.workload, actor.groups)
                && limit.who.claims.of(actor.identity) != Truth::No;
            let mode = match (limit.mode, table.mode) {
                (Mode::Enforce, Mode::Enforce) => Mode::Enforce,
                _ => Mode::Observe,
            };
            is_for.then(|| (Arc::clone(limit), conditions, mode))
        };
        Limits(self.limits.iter().filter_map(of).collect())
    }

    /// The limits that are for a session.
    pub fn limits(&self, subject: &Subject, flow: &Flow) -> Limits {
        let actor = Actor::of(subject, flow.destination);
        let resource = flow.resource.as_ref();
        resource.map_or_else(Limits::default, |it| self.limits_for(&actor, it))
    }
}

impl Limits {
    /// What is above an ask; none if nothing is.
    pub fn ceiling(&self, facts: &Facts) -> Option<Arc<Ceiling>> {
        let limits = self.about(facts);
        let bars: Vec<_> = limits.flat_map(|(limit, mode)| limit.bars(mode)).collect();
        (!bars.is_empty()).then(|| Arc::new(Ceiling::new(bars)))
    }

    /// Those that are for an action, each with what the resource's mode and its own come to.
    pub fn about(&self, facts: &Facts) -> impl Iterator<Item = (&Limit, Mode)> {
        let units: &[FactSet] = match &facts.stage {
            Stage::Connect | Stage::Cancel => &[],
            Stage::Action(units) => units,
        };
        let connection = &facts.connection;
        let about = move |conditions: &[Condition]| {
            units.iter().any(|unit| {
                conditions.iter().all(|condition| {
                    let set = match condition.scope {
                        Scope::Connection | Scope::Moment => connection,
                        Scope::Action => unit,
                    };
                    let fact = set.fact(condition.slot);
                    condition.pattern.matches(fact, Quantifier::Any) != Truth::No
                })
            })
        };
        let all = self.0.iter();
        all.filter(move |(_, conditions, _)| about(conditions))
            .map(|(limit, _, mode)| (&**limit, *mode))
    }
}

impl Limit {
    fn conditions(&self, resource: &ResourceName) -> Option<Arc<[Condition]>> {
        let place = self
            .resources
            .binary_search_by(|(name, _)| name.cmp(resource));
        let (_, conditions) = self.resources.get(place.ok()?)?;
        Some(Arc::clone(conditions))
    }

    pub(super) fn looks_at_moment(&self, resource: &ResourceName) -> bool {
        let conditions = self.conditions(resource);
        let mut conditions = conditions.iter().flat_map(|it| it.iter());
        conditions.any(|it| it.scope == Scope::Moment)
    }

    /// What it limits, as people read it: `10,000 rows`, `50 MB`, `30 seconds`.
    pub fn told(&self) -> Vec<String> {
        self.each().map(|(kind, most)| told(kind, most)).collect()
    }

    fn each(&self) -> impl Iterator<Item = (Kind, u64)> + use<> {
        let time = self.time.map(|time| time.as_secs());
        let each = [
            (Kind::Rows, self.rows),
            (Kind::Bytes, self.bytes),
            (Kind::Time, time),
        ];
        each.into_iter()
            .filter_map(|(kind, most)| Some((kind, most?)))
    }

    fn bars(&self, mode: Mode) -> impl Iterator<Item = Bar> {
        self.each().map(move |(kind, most)| Bar {
            rule: self.rule.clone(),
            kind,
            most,
            reason: self.reached(kind, most),
            observed: mode == Mode::Observe,
        })
    }

    /// Such as `limit "small-reads" is reached: 1,000 rows; ask the data team for an extract`.
    fn reached(&self, kind: Kind, most: u64) -> String {
        let reached = format!("limit \"{}\" is reached: {}", self.name, told(kind, most));
        match &self.reason {
            Some(why) => format!("{reached}; {why}"),
            None => reached,
        }
    }
}

fn told(kind: Kind, most: u64) -> String {
    match kind {
        Kind::Rows => budget::Kind::Rows.told(most),
        Kind::Bytes => budget::Kind::BytesOut.told(most),
        Kind::Time => super::budget::words::span(Duration::from_secs(most)),
    }
}
