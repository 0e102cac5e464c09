//! Everything that `gateway status` shows: what is attached, open and counted, and what is wrong.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::api::{Attached, Hooks, KnownAs, Status, Waiting};
use super::approvals::api::time;
use super::attachments::Attachment;
use super::operations::{OperationError, Operations};
use crate::kernel::{CgroupId, Counters, Covered};

impl Operations {
    /// Everything that `gateway status` shows.
    pub fn status(&self) -> Result<Status, OperationError> {
        self.check();
        let attachments = self.attached()?;
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: self.started(),
            port: self.parts().port,
            configuration: self.parts().settings.in_force(),
            frozen: self.parts().frozen.all(),
            problems: self.problems(&attachments),
            waiting: self.waiting(),
            repairs: self.health().repairs(),
            unmatched: self.unmatched(),
            attachments,
            connections: self.parts().live.sessions(),
            sessions: self.parts().live.total(),
            counters: counters(
                self.parts().kernel.counters()?,
                &self.parts().kernel.coverage()?,
            ),
        })
    }

    /// The attached cgroups: those of the table and those whose hooks are all that is known.
    pub fn attached(&self) -> Result<Vec<Attached>, OperationError> {
        let mut known: BTreeMap<_, _> = self
            .parts()
            .attachments
            .all()
            .into_iter()
            .map(|one| (one.cgroup, one))
            .collect();
        let mut open: BTreeMap<CgroupId, usize> = BTreeMap::new();
        for session in self.parts().live.sessions() {
            let count = open.entry(session.info.cgroup).or_default();
            *count = count.saturating_add(1);
        }
        let mut all = Vec::new();
        for hooked in self.parts().kernel.attached()? {
            let hooks = match (&hooked.path, hooked.dead.is_empty()) {
                (None, _) => Hooks::Gone,
                (Some(_), true) => Hooks::Ok,
                (Some(_), false) => Hooks::Damaged,
            };
            all.push(describe(
                hooked.id,
                hooked.path,
                known.remove(&hooked.id),
                hooks,
            ));
        }
        for (id, attachment) in known {
            let hooks = if attachment.path.exists() {
                Hooks::Damaged
            } else {
                Hooks::Gone
            };
            all.push(describe(
                id,
                Some(attachment.path.clone()),
                Some(attachment),
                hooks,
            ));
        }
        for one in &mut all {
            one.connections = open.get(&one.cgroup).copied().unwrap_or_default();
            one.identity = self.standing_of(one.cgroup);
        }
        Ok(all)
    }

    /// What waits for people.
    pub(super) fn waiting(&self) -> Vec<Waiting> {
        let waiting = self.parts().approvals.tally().waiting().into_iter();
        waiting
            .map(|((resource, rule), waiting)| Waiting {
                resource,
                rule,
                count: waiting.count,
                oldest: time(waiting.oldest),
            })
            .collect()
    }

    /// Who an attached cgroup is by its token, now.
    pub(super) fn standing_of(&self, cgroup: CgroupId) -> Option<KnownAs> {
        let identities = self.parts().attachments.identities();
        let standing = identities.standing(cgroup.0, Timestamp::now())?;
        Some(KnownAs {
            identity: standing.identity,
            until: standing.until,
        })
    }

    /// What does not work as it should, in sentences.
    fn problems(&self, attachments: &[Attached]) -> Vec<String> {
        let mut problems = self.health().problems();
        problems.extend(self.following().problems());
        problems.extend(self.parts().notifier.problems());
        problems.extend(self.parts().approvals.problem());
        problems.extend(self.recognition().problems());
        for Attached { path, closing, .. } in attachments {
            if let (Some(path), Some(problem)) = (path, &closing.problem) {
                problems.push(format!("{}: {problem}", path.display()));
            }
        }
        problems
    }
}

/// The kernel programs' counts by name, over all cgroups that are attached.
fn counters(counted: Counters, coverage: &[Covered]) -> BTreeMap<String, u64> {
    let Counters {
        delivered,
        missed,
        sights_lost,
    } = counted;
    let mut named: BTreeMap<_, _> = [
        ("delivered", delivered),
        ("missed", missed),
        ("sights_lost", sights_lost),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for (kind, count) in coverage.iter().flat_map(|covered| &covered.counts) {
        *named.entry(kind.name().to_owned()).or_default() += count;
    }
    named
}

pub(super) fn describe(
    cgroup: CgroupId,
    path: Option<PathBuf>,
    attachment: Option<Attachment>,
    hooks: Hooks,
) -> Attached {
    Attached {
        cgroup,
        path,
        workload: attachment.as_ref().map(|one| one.workload.clone()),
        purpose: attachment.as_ref().map(|one| one.purpose),
        selector: attachment.as_ref().and_then(|one| one.selector.clone()),
        since: attachment.as_ref().map(|one| one.since),
        closing: attachment.map(|one| one.closing).unwrap_or_default(),
        identity: None,
        hooks,
        connections: 0,
    }
}
