//! `Pace`: how many requests each workload opened lately.
//!
//! What waits is bounded, and so is what waits at once; this bounds what an agent that opens and leaves can have
//! written down and told. It is not written down itself: a desk that is read back begins anew.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::approvals::moment::Moment;
use crate::ids::WorkloadName;

/// Lately.
const WINDOW: Duration = Duration::from_secs(60);

/// How many requests each workload opened lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    opened: BTreeMap<WorkloadName, VecDeque<Moment>>,
}

/// No desk is another one by how fast it came about.
impl PartialEq for Pace {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Pace {}

impl Pace {
    /// One more was opened; what is no longer lately is let go.
    pub(super) fn count(&mut self, workload: &WorkloadName, at: Moment) {
        self.opened.retain(|_, moments| {
            while moments.front().is_some_and(|it| !is_lately(*it, at)) {
                moments.pop_front();
            }
            !moments.is_empty()
        });
        let moments = self.opened.entry(workload.clone()).or_default();
        moments.push_back(at);
    }

    /// How many this workload opened lately.
    pub(super) fn of(&self, workload: &WorkloadName, now: Moment) -> usize {
        let moments = self.opened.get(workload).into_iter().flatten();
        moments.filter(|it| is_lately(**it, now)).count()
    }
}

fn is_lately(at: Moment, now: Moment) -> bool {
    now.since(at) < WINDOW
}
