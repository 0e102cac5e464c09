//! `Admission`: how many sessions a workload may have open, so that one agent cannot take the
//! sockets, memory and disk of all.
//!
//! A session has a [`Place`] from before its server is reached and its recording is made until it
//! ended; a connect that is held while the server is reached has the place of its session to be.
//! Refusals are told of once a second and workload, with the number of those in between: a flood is
//! not to fill the log either.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gateway_core::ids::WorkloadName;

/// Refusals of one workload are told of this often.
const TELL: Duration = Duration::from_secs(1);

/// Counts the sessions of each workload. Clones share one table.
#[derive(Clone, Debug, Default)]
pub struct Admission(Arc<Mutex<HashMap<WorkloadName, Count>>>);

#[derive(Debug, Default)]
struct Count {
    open: usize,
    /// When a refusal was told of last, and how many were not since.
    told: Option<Instant>,
    untold: u64,
}

/// One session's place, given back when dropped.
#[derive(Debug)]
pub struct Place {
    workload: WorkloadName,
    admission: Admission,
}

/// The workload has as many sessions as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// How many that is.
    pub limit: usize,
    /// How many refusals nobody was told of before this one; none if this is not to be told of
    /// either.
    pub tell: Option<u64>,
}

impl Place {
    /// Whose session it is for.
    pub fn workload(&self) -> &WorkloadName {
        &self.workload
    }
}

impl Admission {
    /// A place for one more session of `workload`, unless it has `limit` of them. A refusal is to be
    /// told of as the error says.
    pub fn admit(
        &self,
        workload: &WorkloadName,
        limit: usize,
        now: Instant,
    ) -> Result<Place, Full> {
        let mut table = self.table();
        let count = table.entry(workload.clone()).or_default();
        if let Some(place) = self.take(count, workload, limit) {
            return Ok(place);
        }
        let is_due = count
            .told
            .is_none_or(|told| now.duration_since(told) >= TELL);
        let tell = is_due.then(|| std::mem::take(&mut count.untold));
        match tell {
            Some(_) => count.told = Some(now),
            None => count.untold = count.untold.saturating_add(1),
        }
        Err(Full { limit, tell })
    }

    /// Likewise, for who leaves the refusal to another who asks again.
    pub fn place(&self, workload: &WorkloadName, limit: usize) -> Option<Place> {
        let mut table = self.table();
        let count = table.entry(workload.clone()).or_default();
        self.take(count, workload, limit)
    }

    fn take(&self, count: &mut Count, workload: &WorkloadName, limit: usize) -> Option<Place> {
        if count.open >= limit {
            return None;
        }
        count.open = count.open.saturating_add(1);
        Some(Place {
            workload: workload.clone(),
            admission: self.clone(),
        })
    }

    fn table(&self) -> MutexGuard<'_, HashMap<WorkloadName, Count>> {
        // Nothing under the lock can leave a count half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(count) = self.admission.table().get_mut(&self.workload) {
            count.open = count.open.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_given_back_can_be_taken() {
        let admission = Admission::default();
        let (one, other) = (WorkloadName::new("one"), WorkloadName::new("other"));
        let now = Instant::now();
        let first = admission.admit(&one, 2, now).unwrap();
        let _second = admission.admit(&one, 2, now).unwrap();
        assert_eq!(admission.admit(&one, 2, now).unwrap_err().limit, 2);
        // The others do not suffer.
        let _other = admission.admit(&other, 2, now).unwrap();
        drop(first);
        let _third = admission.admit(&one, 2, now).unwrap();
        // A limit that was lowered ends nothing, and admits nobody.
        admission.admit(&one, 1, now).unwrap_err();
    }

    #[test]
    fn a_flood_is_told_of_once_a_second() {
        let admission = Admission::default();
        let name = WorkloadName::new("one");
        let start = Instant::now();
        let _only = admission.admit(&name, 1, start).unwrap();
        let refused = |at| admission.admit(&name, 1, at).unwrap_err().tell;
        assert_eq!(refused(start), Some(0));
        assert_eq!(refused(start), None);
        assert_eq!(refused(start), None);
        assert_eq!(refused(start + TELL), Some(2));
        assert_eq!(refused(start + TELL), None);
    }

    #[test]
    fn who_leaves_the_refusal_to_another_keeps_it_from_nobody() {
        let admission = Admission::default();
        let name = WorkloadName::new("one");
        let start = Instant::now();
        let only = admission.place(&name, 1).unwrap();
        assert_eq!(only.workload(), &name);
        assert!(admission.place(&name, 1).is_none());
        let refused = admission.admit(&name, 1, start).unwrap_err();
        assert_eq!(refused.tell, Some(0));
        drop(only);
        assert!(admission.place(&name, 1).is_some());
    }
}
