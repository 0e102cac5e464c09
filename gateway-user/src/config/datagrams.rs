//! Which datagrams a workload may send: decided for whole networks when the policy is loaded, because
//! the kernel lets them pass and asks nobody.

use gateway_core::descriptor::Shape;
use gateway_core::facts::Facts;
use gateway_core::ids::{ResourceName, RuleName, WorkloadName};
use gateway_core::policy::actor::Actor;
use gateway_core::policy::decision::Verdict;
use gateway_core::protocols::opaque;
use gateway_core::refusal::Refusal;
use gateway_core::subject::Identity;

use jiff::Timestamp;

use super::Config;
use super::address::Prefix;

/// Datagrams that pass uninspected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The resource.
    pub resource: ResourceName,
    /// Where they go.
    pub to: Prefix,
    /// The rule that allows it; none where a resource in observe mode lets them pass.
    pub rule: Option<RuleName>,
    /// The refusal that enforcing would have given.
    pub observed: Option<Refusal>,
}

/// What is known of datagrams to some destination in a network.
pub fn facts_of(to: &Prefix) -> Facts {
    match to.single() {
        Some(destination) => opaque::to_destination(destination),
        None => opaque::to_network(to.port()),
    }
}

impl Config {
    /// The datagrams that the workload of this name may send now; none for one that is not there.
    pub fn datagrams(
        &self,
        workload: &WorkloadName,
        identity: Option<&Identity>,
        now: Timestamp,
    ) -> Vec<Passage> {
        let Some(workload) = self.workload(workload) else {
            return Vec::new();
        };
        let resources = self.resources.iter();
        let datagrams = resources.filter(|it| it.protocol.shape == Shape::Datagrams);
        let prefixes = datagrams.flat_map(|it| it.addresses.iter().map(move |to| (&it.name, *to)));
        let decided = prefixes.filter_map(|(resource, to)| {
            let facts = facts_of(&to);
            let actor = Actor {
                identity,
                ..Actor::new(&workload.name, &workload.groups)
            };
            let decision = self.engine.decide_for(&actor, resource, &facts, now);
            match decision.verdict {
                Verdict::Allow(_) => Some(Passage {
                    resource: resource.clone(),
                    to,
                    rule: decision.rule,
                    observed: decision.observed,
                }),
                // Datagrams cannot wait, and policy knows.
                Verdict::Hold(_) | Verdict::Deny(_) => None,
            }
        });
        decided.collect()
    }
}
