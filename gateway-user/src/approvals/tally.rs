//! `Tally`: how many requests wait and since when, and how many ended in which way.
//!
//! It is told what those who watch are told, so it says what has happened since the daemon started. Read
//! by `gateway status` and the metrics, without asking the clerk.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gateway_core::approvals::change::Notice;
use gateway_core::approvals::moment::Moment;
use gateway_core::approvals::request::{Request, State};
use gateway_core::ids::{RequestId, ResourceName, RuleName};

/// The counts.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    waiting: BTreeMap<RequestId, (ResourceName, Vec<RuleName>, Moment)>,
    ended: BTreeMap<(ResourceName, &'static str), u64>,
}

/// What waits by one rule on one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// How many requests. One that several rules hold is counted for each.
    pub count: u64,
    /// Since when the oldest of them waits.
    pub oldest: Moment,
}

impl Tally {
    /// Takes what happened.
    pub(super) fn note(&self, notice: &Notice) {
        match notice {
            Notice::Opened(request) => self.opened(request),
            Notice::Closed(request) => self.closed(request),
            _ => {}
        }
    }

    fn opened(&self, request: &Request) {
        let action = &request.action;
        let rules = action.demands.iter().map(|it| it.rule.clone()).collect();
        let entry = (action.resource.clone(), rules, request.opened);
        self.counts().waiting.insert(request.id.clone(), entry);
    }

    fn closed(&self, request: &Request) {
        let mut counts = self.counts();
        counts.waiting.remove(&request.id);
        let key = (request.action.resource.clone(), how(&request.state));
        let count = counts.ended.entry(key).or_default();
        *count = count.saturating_add(1);
    }

    /// What waits, by resource and rule.
    pub fn waiting(&self) -> BTreeMap<(ResourceName, RuleName), Waiting> {
        let mut all: BTreeMap<_, Waiting> = BTreeMap::new();
        for (resource, rules, since) in self.counts().waiting.values() {
            for rule in rules {
                let waiting = all
                    .entry((resource.clone(), rule.clone()))
                    .or_insert(Waiting {
                        count: 0,
                        oldest: *since,
                    });
                waiting.count = waiting.count.saturating_add(1);
                waiting.oldest = waiting.oldest.min(*since);
            }
        }
        all
    }

    /// How many ended since the daemon started, by resource and how.
    pub fn ended(&self) -> BTreeMap<(ResourceName, &'static str), u64> {
        self.counts().ended.clone()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Nothing under the lock can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a request ended, in a word.
fn how(state: &State) -> &'static str {
    match state {
        State::Open => "open",
        State::Approved { .. } => "approved",
        State::ApprovedLate { .. } => "approved_late",
        State::Refused { .. } => "refused",
        State::TimedOut => "timed_out",
        State::Withdrawn { .. } => "withdrawn",
    }
}
