//! Looks after what is attached: every few seconds, and for each `gateway status`.
//!
//! What the kernel side put right is told at once; what it could not put right is told once, and
//! stays in the status until it is. None of it lets anything pass: without a link of its own, a
//! mark or a record the daemon refuses, and a cgroup whose hooks were away for a moment has its
//! connections of that moment closed.

use std::os::fd::AsFd as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::api::Repairs;
use super::attachments::Attachment;
use super::hooks::is_gone;
use super::operations::Operations;
use crate::kernel::{Cgroup, Damage};
use crate::observe::enforcement::What;

/// What was found so far.
#[derive(Debug, Default)]
pub struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    remaining: Vec<Damage>,
    /// Why nothing could be looked at, the last time.
    blind: Option<String>,
    repairs: Option<Repairs>,
}

impl Health {
    /// What was put right since the daemon started.
    pub fn repairs(&self) -> Option<Repairs> {
        self.state().repairs.clone()
    }

    /// What is wrong, for people.
    pub fn problems(&self) -> Vec<String> {
        let state = self.state();
        let remaining = state.remaining.iter().map(|damage| {
            let remains = damage.remains.as_deref().unwrap_or_default();
            match damage.cgroup {
                Some(id) => format!("cgroup {id}: {}: {remains}", damage.what),
                None => format!("{}: {remains}", damage.what),
            }
        });
        remaining.chain(state.blind.clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The next look replaces whatever a panic left of it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Operations {
    /// Looks whether all that is attached is still so, and puts it right.
    pub fn check(&self) {
        let _change = self.changing();
        let attachments = self.parts().attachments.all();
        let there = attachments.iter().filter(|one| !is_gone(one));
        let expected: Vec<_> = there
            .map(|one| Cgroup {
                id: one.cgroup,
                path: one.path.clone(),
            })
            .collect();
        let listeners = self.parts().listeners.iter();
        let marks = listeners.filter_map(|one| self.parts().kernel.check_listener(one.as_fd()));
        let mut damages: Vec<_> = marks.collect();
        let blind = match self.parts().kernel.check(&expected) {
            Ok(found) => {
                damages.extend(found);
                None
            }
            Err(error) => Some(format!("cannot look whether all is attached: {error}")),
        };
        let known = {
            let mut state = self.health().state();
            if let Some(error) = blind.as_ref().filter(|_| state.blind != blind) {
                tracing::error!("{error}");
            }
            state.blind = blind;
            let remaining = damages.iter().filter(|one| one.remains.is_some());
            std::mem::replace(&mut state.remaining, remaining.cloned().collect())
        };
        for damage in damages.into_iter().filter(|one| !known.contains(one)) {
            let of = attachments
                .iter()
                .find(|one| Some(one.cgroup) == damage.cgroup);
            self.tell(damage, of);
        }
    }

    fn tell(&self, damage: Damage, of: Option<&Attachment>) {
        let Damage {
            cgroup,
            what,
            remains,
        } = damage;
        let path = of.map(|one| one.path.clone());
        tracing::error!(
            ?cgroup,
            ?path,
            what,
            remains,
            "what was attached was damaged"
        );
        if remains.is_none() {
            let mut state = self.health().state();
            let count = state.repairs.as_ref().map_or(0, |before| before.count);
            state.repairs = Some(Repairs {
                count: count.saturating_add(1),
                last: Timestamp::now(),
                cgroup: path.clone(),
                what: what.clone(),
            });
        }
        let is_repaired = remains.is_none();
        let line = What::Damaged {
            workload: of.map(|one| one.workload.clone()),
            cgroup: cgroup
                .map(|id| path.map_or_else(|| id.to_string(), |path| path.display().to_string())),
            what,
            remains,
        };
        // It is in the daemon's own log already.
        if let Err(error) = self.note(line) {
            tracing::error!(%error, "cannot write the enforcement log");
        }
        // What it connected to while a hook was away.
        if let Some(attachment) = of.filter(|_| is_repaired)
            && let Err(error) = self.close_earlier(attachment.clone())
        {
            tracing::error!(%error, "cannot close what was opened meanwhile");
        }
    }
}
