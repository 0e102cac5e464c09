//! `Index`: which rules may be about an action, found without looking at each.
//!
//! A bit for each rule, by the verb and by the workload: a policy of a thousand rules costs little
//! more than the few of them that remain. It only leaves out rules that could not hold; whether one
//! does is still asked of the rule.

use std::collections::{BTreeSet, HashMap};

use super::compile::Rule;
use crate::ids::WorkloadName;

/// One bit for each rule, in their order.
type Bits = Box<[u64]>;

/// Most values of a fact that are told apart.
const MAX_VALUES: usize = 128;

/// The rules of one kind for one resource, by verb and by workload.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By the place of the verb in its closed list.
    verbs: Box<[Bits]>,
    /// Of workloads that some rule names: those and the ones for any.
    workloads: HashMap<WorkloadName, Bits>,
    /// The rules for any workload.
    any: Bits,
}

impl Index {
    pub(super) fn of(rules: &[Rule]) -> Self {
        let bits = |has: &dyn Fn(&Rule) -> bool| -> Bits {
            rules
                .chunks(64)
                .map(|chunk| {
                    let chunk = chunk.iter().enumerate();
                    chunk.fold(0, |bits, (place, rule)| {
                        bits | u64::from(has(rule)) << place
                    })
                })
                .collect()
        };
        let names = rules.iter().filter_map(|rule| rule.workloads.as_deref());
        let names: BTreeSet<&WorkloadName> = names.flatten().collect();
        let workloads = names.into_iter().map(|name| {
            let has = |rule: &Rule| {
                let names = rule.workloads.as_deref();
                names.is_none_or(|names| names.binary_search(name).is_ok())
            };
            (name.clone(), bits(&has))
        });
        Self {
            verbs: (0..MAX_VALUES)
                .map(|verb| bits(&|rule| rule.values >> verb & 1 == 1))
                .collect(),
            workloads: workloads.collect(),
            any: bits(&|rule| rule.workloads.is_none()),
        }
    }

    /// The places of the rules that may be about a verb, given as its bit or all bits if it is none
    /// of the list, and a workload; in order.
    pub(super) fn places(
        &self,
        verb: u128,
        workload: &WorkloadName,
    ) -> impl Iterator<Item = usize> {
        let by_workload = self.workloads.get(workload).unwrap_or(&self.any);
        let place = usize::try_from(verb.trailing_zeros()).ok();
        let by_verb = place.filter(|_| verb.count_ones() == 1);
        let by_verb = by_verb.and_then(|place| self.verbs.get(place));
        by_workload
            .iter()
            .enumerate()
            .flat_map(move |(chunk, bits)| {
                let of_verb =
                    by_verb.map_or(u64::MAX, |all| all.get(chunk).copied().unwrap_or_default());
                set(bits & of_verb).map(move |place| chunk * 64 + place)
            })
    }
}

/// The places of the bits that are set.
fn set(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = usize::try_from(bits.trailing_zeros())
            .ok()
            .filter(|_| bits != 0)?;
        bits &= bits - 1;
        Some(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_bits() {
        let check = |bits: u64, expected: &[usize]| {
            assert_eq!(set(bits).collect::<Vec<_>>(), expected);
        };
        check(0, &[]);
        check(1, &[0]);
        check(1 << 63 | 5, &[0, 2, 63]);
    }
}
