//! Who of those who must agree has agreed.
//!
//! Within one demand each set needs people of its own: who counts for one set does not count for
//! another, so that two sets are never met by one person. Where the sets are asked in no order, people
//! who are in several count for whichever helps most; where they are asked one after the other, for
//! the one whose turn it was.

use serde::{Deserialize, Serialize};

use crate::held::Demand;
use crate::ids::RuleName;

/// How far a demand is met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The rule that demands it.
    pub rule: RuleName,
    /// Each of its sets, in its order.
    pub sets: Vec<Standing>,
}

/// How far a set of approvers is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// How many of it agreed.
    pub have: u32,
    /// How many must.
    pub need: u32,
    /// Whether it is asked now: it is not met, and no set before it has to be met first.
    pub asked: bool,
}

impl Progress {
    /// Of `demand`, by the places of the sets that each person who agreed counts for.
    pub(super) fn of<'a>(demand: &Demand, agreed: impl Iterator<Item = &'a [usize]>) -> Self {
        let quorums = demand.approvers.iter().map(|set| set.quorum.max(1));
        let quorums: Vec<u32> = quorums.collect();
        let agreed: Vec<&[usize]> = agreed.collect();
        let have = distribute(&quorums, &agreed);
        let mut reached = true;
        let sets = demand.approvers.iter().zip(quorums).zip(have);
        let sets = sets.map(|((set, need), have)| {
            let is_met = have >= need;
            let asked = !is_met && (reached || !demand.in_order);
            reached &= is_met;
            Standing {
                name: set.name.clone(),
                have,
                need,
                asked,
            }
        });
        Self {
            rule: demand.rule.clone(),
            sets: sets.collect(),
        }
    }

    /// Whether nobody else has to agree. A demand without sets is never met.
    pub fn is_met(&self) -> bool {
        !self.sets.is_empty() && self.sets.iter().all(|set| set.have >= set.need)
    }

    /// The place of the first set that is asked now.
    pub(super) fn turn(&self) -> Option<usize> {
        self.sets.iter().position(|set| set.asked)
    }
}

/// Gives each set as many people as it needs, as far as there are: a largest matching, by augmenting
/// paths. No set gets more than it needs.
fn distribute(quorums: &[u32], people: &[&[usize]]) -> Vec<u32> {
    let mut holders = vec![Vec::new(); quorums.len()];
    for person in 0..people.len() {
        let mut seen = vec![false; quorums.len()];
        seat(person, people, quorums, &mut holders, &mut seen);
    }
    let counts = holders.iter().map(|it| u32::try_from(it.len()));
    counts.map(|it| it.unwrap_or(u32::MAX)).collect()
}

/// Finds a place for one person, moving others where they may go elsewhere. As deep as there are sets.
fn seat(
    person: usize,
    people: &[&[usize]],
    quorums: &[u32],
    holders: &mut [Vec<usize>],
    seen: &mut [bool],
) -> bool {
    for &set in people.get(person).copied().unwrap_or_default() {
        let (Some(quorum), Some(seen_before)) = (quorums.get(set), seen.get_mut(set)) else {
            continue;
        };
        if std::mem::replace(seen_before, true) {
            continue;
        }
        let quorum = usize::try_from(*quorum).unwrap_or(usize::MAX);
        let seated = holders.get(set).cloned().unwrap_or_default();
        if seated.len() < quorum {
            if let Some(set) = holders.get_mut(set) {
                set.push(person);
            }
            return true;
        }
        for (place, other) in seated.into_iter().enumerate() {
            if seat(other, people, quorums, holders, seen) {
                if let Some(there) = holders.get_mut(set).and_then(|it| it.get_mut(place)) {
                    *there = person;
                }
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_counts_twice() {
        // One person in both sets meets one of them.
        assert_eq!(distribute(&[1, 1], &[&[0, 1]]), [1, 0]);
        assert_eq!(distribute(&[1, 1], &[&[0, 1], &[0]]), [1, 1]);
        assert_eq!(distribute(&[1, 1], &[&[0], &[0, 1]]), [1, 1]);
        assert_eq!(distribute(&[2, 1], &[&[0], &[0], &[0]]), [2, 0]);
        // The third person makes the first move aside, who makes the second.
        let people: [&[usize]; 3] = [&[0, 1], &[1, 2], &[0]];
        assert_eq!(distribute(&[1, 1, 1], &people), [1, 1, 1]);
    }
}
