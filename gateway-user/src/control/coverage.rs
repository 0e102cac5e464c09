//! The inventory: for each workload what was inspected, what passed uninspected and by which rule,
//! what was refused and where, and what nobody here can see.
//!
//! Two books are read together: the tally of the enforcement log, since the daemon started, and the
//! kernel programs' counts, which go with their cgroup and are kept here when it goes. What is not
//! seen is found out in `unseen`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gateway_common::coverage::Kind;
use gateway_core::ids::{ResourceName, WorkloadName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::hooks::is_gone;
use super::operations::{OperationError, Operations};
use super::unseen::{self, Unseen};
use crate::kernel::{CgroupId, Covered};
use crate::observe::tally::{Counts, Tally};

/// Answer to `GET /v1/coverage`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Coverage {
    /// Since when the daemon counts; the kernel may have counted longer.
    pub since: Timestamp,
    /// Each workload that is attached or that something is known of.
    pub workloads: Vec<Workload>,
    /// What is not seen of any workload on this host.
    pub host: Vec<Unseen>,
}

/// One workload.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Workload {
    /// Its name; none for attached cgroups that are nobody's, of which everything is refused.
    pub workload: Option<WorkloadName>,
    /// Its attached cgroups.
    pub cgroups: Vec<String>,
    /// What was inspected.
    pub inspected: Vec<Inspected>,
    /// What passed and was not looked into.
    pub uninspected: Vec<Uninspected>,
    /// What was refused, by why, and how often.
    pub refused: BTreeMap<String, u64>,
    /// What is not seen.
    pub unseen: Vec<Unseen>,
}

/// Sessions at one resource that are inspected.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inspected {
    /// The resource.
    pub resource: Option<ResourceName>,
    /// What is spoken there.
    pub protocol: Option<String>,
    /// Sessions that began.
    pub sessions: u64,
    /// Asks that were let pass.
    pub allowed: u64,
    /// Asks that were refused.
    pub denied: u64,
    /// Asks that were let pass only because of observing.
    pub observed: u64,
    /// Bytes to the server.
    pub bytes_in: u64,
    /// Bytes from the server.
    pub bytes_out: u64,
}

/// What passed and was not looked into.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Uninspected {
    /// `tcp`, `udp`, or `own_server` for servers that the workload itself runs.
    pub protocol: String,
    /// The resource; none of own servers.
    pub resource: Option<ResourceName>,
    /// The rule that allows it; none of own servers and where a resource is only observed.
    pub rule: Option<String>,
    /// Where to, of datagrams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// How many connections; of datagrams none, since the kernel does not count by resource.
    pub count: Option<u64>,
}

/// Cgroups that are not attached any more and whose workload is still known.
const REMEMBERED: usize = 1024;

/// What the kernel counted for cgroups that are not attached any more.
#[derive(Debug, Default)]
pub struct Retired {
    counts: Mutex<KernelCounts>,
    /// Whose the last of them were, for events that are told after the end.
    workloads: Mutex<BTreeMap<CgroupId, WorkloadName>>,
}

/// The kernel programs' counts by workload.
pub type KernelCounts = BTreeMap<Option<WorkloadName>, BTreeMap<Kind, u64>>;

impl Operations {
    /// The whole inventory.
    pub fn coverage(&self) -> Result<Coverage, OperationError> {
        let mut workloads: BTreeMap<Option<WorkloadName>, Workload> = BTreeMap::new();
        for attached in self.attached()? {
            let entry = entry(&mut workloads, &attached.workload);
            let path = attached.path.map(|path| path.display().to_string());
            let name = path.unwrap_or_else(|| format!("id {}", attached.cgroup));
            entry.cgroups.push(name);
        }
        for ((workload, resource), counts) in self.tally_with_open() {
            let protocol = self.protocol(resource.as_ref());
            add_sessions(entry(&mut workloads, &workload), resource, protocol, counts);
        }
        let kernel = {
            // Between the keeping of a cgroup's counts and their end nobody may look.
            let _change = self.changing();
            self.kernel_counts()?
        };
        for (workload, counts) in kernel {
            add_kernel(entry(&mut workloads, &workload), &counts);
        }
        for attachment in self.parts().attachments.all() {
            let workload = Some(attachment.workload.clone());
            let of_workload = entry(&mut workloads, &workload);
            let identities = self.parts().attachments.identities();
            let identity = identities.of(attachment.cgroup.0, Timestamp::now());
            let settings = &self.parts().settings;
            let passages = settings.datagrams(&attachment.workload, identity.as_deref());
            add_datagrams(of_workload, &passages);
        }
        let mut host = unseen::of_host(self.parts().kernel.without_family());
        host.extend(self.lost()?);
        let mut attachments = self.parts().attachments.all();
        // Those that are gone are forgotten in a moment.
        attachments.retain(|one| !is_gone(one));
        for workload in workloads.values_mut() {
            let own = attachments
                .iter()
                .filter(|one| Some(&one.workload) == workload.workload.as_ref());
            workload.unseen = unseen::of_attachments(&own.collect::<Vec<_>>(), &attachments);
        }
        Ok(Coverage {
            since: self.started(),
            workloads: workloads.into_values().collect(),
            host,
        })
    }

    /// What the enforcement log told of, with what the sessions that are open have done so far.
    pub(super) fn tally_with_open(&self) -> Tally {
        let mut tally = self.parts().log.tally();
        for session in self.parts().live.sessions() {
            let key = (Some(session.info.workload), session.info.resource);
            let counts = tally.entry(key).or_default();
            counts.allowed = counts.allowed.saturating_add(session.allowed);
            counts.denied = counts.denied.saturating_add(session.denied);
            counts.bytes_in = counts.bytes_in.saturating_add(session.bytes_in);
            counts.bytes_out = counts.bytes_out.saturating_add(session.bytes_out);
        }
        tally
    }

    /// What the kernel counted, of what is attached and of what was.
    pub(super) fn kernel_counts(&self) -> Result<KernelCounts, OperationError> {
        let mut all = held(&self.retired().counts).clone();
        for covered in self.parts().kernel.coverage()? {
            self.count_in(&mut all, covered);
        }
        Ok(all)
    }

    /// Keeps what was counted for a cgroup whose hooks are about to go, with its counters.
    pub(super) fn retire(&self, id: CgroupId) -> Result<(), OperationError> {
        if let Some(workload) = self.parts().attachments.workload_of(id) {
            let mut workloads = held(&self.retired().workloads);
            workloads.insert(id, workload);
            if workloads.len() > REMEMBERED {
                workloads.pop_first();
            }
        }
        let coverage = self.parts().kernel.coverage()?;
        let mut retired = held(&self.retired().counts);
        for covered in coverage.into_iter().filter(|one| one.cgroup == id) {
            self.count_in(&mut retired, covered);
        }
        Ok(())
    }

    /// Whose an attached cgroup is, or was until lately.
    pub(super) fn whose(&self, id: CgroupId) -> Option<WorkloadName> {
        let now = self.parts().attachments.workload_of(id);
        now.or_else(|| held(&self.retired().workloads).get(&id).cloned())
    }

    fn count_in(&self, all: &mut KernelCounts, covered: Covered) {
        let workload = self.parts().attachments.workload_of(covered.cgroup);
        let counts = all.entry(workload).or_default();
        for (kind, count) in covered.counts {
            let sum = counts.entry(kind).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    fn lost(&self) -> Result<Option<Unseen>, OperationError> {
        let lost = self.parts().kernel.counters()?.sights_lost;
        Ok((lost > 0).then(|| Unseen {
            what: format!("{lost} single events of the kernel found its buffer full"),
            todo: "they are counted above; the enforcement log does not have them one by one"
                .to_owned(),
        }))
    }

    /// What is spoken at a resource of the configuration in force.
    pub(super) fn protocol(&self, resource: Option<&ResourceName>) -> Option<String> {
        self.parts().settings.protocol(resource?).map(str::to_owned)
    }
}

/// Nothing under these locks can leave a map half changed.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn entry<'a>(
    workloads: &'a mut BTreeMap<Option<WorkloadName>, Workload>,
    name: &Option<WorkloadName>,
) -> &'a mut Workload {
    workloads.entry(name.clone()).or_insert_with(|| Workload {
        workload: name.clone(),
        ..Workload::default()
    })
}

fn add_sessions(
    to: &mut Workload,
    resource: Option<ResourceName>,
    protocol: Option<String>,
    counts: Counts,
) {
    for (why, count) in &counts.refused {
        let sum = to.refused.entry((*why).to_owned()).or_default();
        *sum = sum.saturating_add(*count);
    }
    for (rule, count) in &counts.uninspected {
        to.uninspected.push(Uninspected {
            protocol: "tcp".to_owned(),
            resource: resource.clone(),
            rule: Some(rule.clone()).filter(|rule| !rule.is_empty()),
            addresses: Vec::new(),
            count: Some(*count),
        });
    }
    if counts.inspected > 0 {
        to.inspected.push(Inspected {
            resource,
            protocol,
            sessions: counts.inspected,
            allowed: counts.allowed,
            denied: counts.denied,
            observed: counts.observed,
            bytes_in: counts.bytes_in,
            bytes_out: counts.bytes_out,
        });
    }
}

fn add_kernel(to: &mut Workload, counts: &BTreeMap<Kind, u64>) {
    for (kind, count) in counts {
        match kind {
            // The sessions tell the same in more detail; questions are answered by the gateway.
            Kind::Redirected | Kind::Resolver => {}
            Kind::OwnServer | Kind::AllowedDatagram => to.uninspected.push(Uninspected {
                protocol: kind.name().to_owned(),
                resource: None,
                rule: None,
                addresses: Vec::new(),
                count: Some(*count),
            }),
            _ => {
                let sum = to.refused.entry(kind.name().to_owned()).or_default();
                *sum = sum.saturating_add(*count);
            }
        }
    }
}

/// Where datagrams may go now.
fn add_datagrams(to: &mut Workload, passages: &[crate::config::datagrams::Passage]) {
    for passage in passages {
        let rule = passage.rule.as_ref().map(ToString::to_string);
        let address = passage.to.to_string();
        let same = to.uninspected.iter_mut().find(|one| {
            one.protocol == "udp"
                && one.resource.as_ref() == Some(&passage.resource)
                && one.rule == rule
        });
        match same {
            Some(same) if same.addresses.contains(&address) => {}
            Some(same) => same.addresses.push(address),
            None => to.uninspected.push(Uninspected {
                protocol: "udp".to_owned(),
                resource: Some(passage.resource.clone()),
                rule,
                addresses: vec![address],
                count: None,
            }),
        }
    }
}
