//! Tells the kernel where an attached cgroup's datagrams may go, whenever that may have changed: at
//! each attach, start and reload. What policy says to it is in `config::datagrams`.
//!
//! Fails closed: what cannot be told is taken back as a whole, and what cannot be written down is
//! not told.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gateway_core::ids::WorkloadName;
use jiff::Timestamp;

use super::operations::{OperationError, Operations};
use crate::config::datagrams::Passage;
use crate::kernel::{CgroupId, DatagramDestination};
use crate::observe::enforcement::What;
use crate::observe::enforcement::unseen::Datagrams;

/// What each attached cgroup was allowed last.
#[derive(Debug, Default)]
pub struct Allowed(Mutex<BTreeMap<CgroupId, Vec<Passage>>>);

impl Allowed {
    fn table(&self) -> MutexGuard<'_, BTreeMap<CgroupId, Vec<Passage>>> {
        // Single insertions and removals: a poisoned map is still a good one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kernel forgot it together with the hooks.
    pub(super) fn forget(&self, id: CgroupId) {
        self.table().remove(&id);
    }
}

impl Operations {
    /// Tells the kernel where the datagrams of an attached cgroup may go under the policy in force.
    pub(super) fn allow_datagrams(
        &self,
        id: CgroupId,
        workload: &WorkloadName,
    ) -> Result<(), OperationError> {
        let passages = match self.parts().frozen.find(workload) {
            Some(_) => Vec::new(),
            None => {
                let identities = self.parts().attachments.identities();
                let identity = identities.of(id.0, Timestamp::now());
                self.parts()
                    .settings
                    .datagrams(workload, identity.as_deref())
            }
        };
        let before = self.allowed().table().get(&id).cloned();
        if before.as_ref() == Some(&passages) {
            return Ok(());
        }
        let told = self.tell_datagrams(id, workload, &before.unwrap_or_default(), &passages);
        if told.is_err() {
            self.refuse_datagrams(id);
        } else {
            self.allowed().table().insert(id, passages);
        }
        told
    }

    /// Does it for all that is attached; what nobody knows the workload of gets nothing.
    pub(super) fn allow_all_datagrams(&self) {
        let known = self.parts().attachments.all();
        for attachment in &known {
            let (cgroup, workload) = (attachment.cgroup, &attachment.workload);
            if let Err(error) = self.allow_datagrams(cgroup, workload) {
                tracing::error!(%error, %cgroup, "its datagrams are refused");
            }
        }
        match self.parts().kernel.attached() {
            Ok(hooked) => hooked
                .into_iter()
                .filter(|hooked| known.iter().all(|one| one.cgroup != hooked.id))
                .for_each(|hooked| self.refuse_datagrams(hooked.id)),
            Err(error) => tracing::error!(%error, "cannot list what is attached"),
        }
    }

    /// First the log, then the kernel: evidence before access.
    fn tell_datagrams(
        &self,
        id: CgroupId,
        workload: &WorkloadName,
        before: &[Passage],
        now: &[Passage],
    ) -> Result<(), OperationError> {
        let describe = |all: &[Passage], one: &Passage| Datagrams {
            workload: workload.clone(),
            cgroup: id.0,
            resource: one.resource.clone(),
            rule: one.rule.clone(),
            addresses: all
                .iter()
                .filter(|other| is_of_one_line(one, other))
                .map(|other| other.to.to_string())
                .collect(),
            observed: one.observed.clone(),
        };
        for (index, one) in now.iter().enumerate() {
            let is_told = now
                .iter()
                .take(index)
                .any(|other| is_of_one_line(one, other));
            if !is_told && !before.contains(one) {
                self.note(What::DatagramsPass(describe(now, one)))?;
            }
        }
        let to: Vec<_> = now
            .iter()
            .map(|one| DatagramDestination {
                address: one.to.address(),
                prefix: one.to.length(),
                port: one.to.port(),
            })
            .collect();
        self.parts().kernel.set_datagrams(id, &to)?;
        for (index, one) in before.iter().enumerate() {
            let is_told = before
                .iter()
                .take(index)
                .any(|other| is_of_one_line(one, other));
            if !is_told && !now.iter().any(|other| other.resource == one.resource) {
                self.note(What::DatagramsEnd(describe(before, one)))?;
            }
        }
        Ok(())
    }

    fn refuse_datagrams(&self, id: CgroupId) {
        self.allowed().forget(id);
        if let Err(error) = self.parts().kernel.set_datagrams(id, &[]) {
            tracing::error!(%error, cgroup = %id, "cannot take the permission for datagrams back");
        }
    }
}

/// Whether both are told of in one line: one rule lets them pass to one resource.
fn is_of_one_line(one: &Passage, other: &Passage) -> bool {
    (&one.resource, &one.rule, &one.observed) == (&other.resource, &other.rule, &other.observed)
}
