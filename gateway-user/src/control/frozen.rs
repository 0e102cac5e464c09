//! `Frozen`: which workloads an operator has stopped. Intake, dialer and the rules for datagrams ask
//! it before anything of a workload begins.
//!
//! The list is kept in `<state>/daemon/frozen.json`, so that neither a restart of the daemon nor one
//! of the host thaws anybody. Fails closed: a list that cannot be read ends the daemon's start, and
//! attached agents are refused without a daemon. Who may freeze, and what else happens then, is in
//! [`super::freezing`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use gateway_core::event::SessionEnd;
use gateway_core::ids::WorkloadName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kept::{Kept, KeptError, Sort};
use crate::observe::enforcement::Operator;

/// The file.
const SORT: Sort = Sort {
    layout: 1,
    says: "which workloads are frozen",
    remedy: "the enforcement log tells who was frozen (`workload_frozen`): remove the file, and freeze them \
             again when the daemon runs",
};

/// A workload that an operator has stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// The workload.
    pub workload: WorkloadName,
    /// Since when.
    pub since: Timestamp,
    /// Who did it.
    pub by: Operator,
    /// Why, as agents are told too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Freeze {
    /// How its sessions end.
    pub fn end(&self) -> SessionEnd {
        SessionEnd::Frozen {
            reason: self.reason.clone(),
        }
    }

    /// Why its connections are refused, in a sentence.
    pub fn why(&self) -> String {
        let why = self.reason.as_ref().map(|reason| format!(": {reason}"));
        format!(
            "the workload is frozen by an operator{}",
            why.unwrap_or_default()
        )
    }
}

/// The folder below the state directory that the daemon may still write to when it has given its
/// privileges up.
pub fn folder(state: &Path) -> PathBuf {
    state.join("daemon")
}

/// Where the list is.
pub fn file(state: &Path) -> PathBuf {
    folder(state).join("frozen.json")
}

/// Where it is kept what was used of budgets: among what the daemon may write.
pub fn budgets_file(state: &Path) -> PathBuf {
    folder(state).join("budgets.json")
}

/// Where it is kept which placeholders were issued.
pub fn placeholders_file(state: &Path) -> PathBuf {
    folder(state).join("placeholders.json")
}

/// The workloads that are frozen. Clones share one list.
#[derive(Clone, Debug)]
pub struct Frozen(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kept: Kept,
    list: RwLock<List>,
}

type List = BTreeMap<WorkloadName, Freeze>;

#[derive(Serialize, Deserialize)]
struct Stored {
    frozen: Vec<Freeze>,
}

impl Frozen {
    /// Reads the list that an earlier daemon left at `file`; without one nobody is frozen.
    pub fn load(file: PathBuf) -> Result<Self, KeptError> {
        let kept = Kept::new(file, &SORT);
        let stored: Option<Stored> = kept.read()?;
        let frozen = stored.into_iter().flat_map(|it| it.frozen);
        let list = frozen.map(|one| (one.workload.clone(), one)).collect();
        Ok(Self(Arc::new(Inner {
            kept,
            list: RwLock::new(list),
        })))
    }

    /// The freeze of `workload`; none if it may act.
    pub fn find(&self, workload: &WorkloadName) -> Option<Freeze> {
        let list = self.0.list.read().unwrap_or_else(PoisonError::into_inner);
        list.get(workload).cloned()
    }

    /// All of them, by workload.
    pub fn all(&self) -> Vec<Freeze> {
        let list = self.0.list.read().unwrap_or_else(PoisonError::into_inner);
        list.values().cloned().collect()
    }

    /// Freezes a workload, at once. The error means that it is frozen all the same, and will not be
    /// after a restart.
    pub fn insert(&self, freeze: Freeze) -> Result<(), KeptError> {
        // The map takes single insertions and removals only, so a poisoned one is still good.
        let mut list = self.0.list.write().unwrap_or_else(PoisonError::into_inner);
        list.insert(freeze.workload.clone(), freeze);
        self.0.store(&list)
    }

    /// Thaws a workload. The error means that it stays frozen.
    pub fn remove(&self, workload: &WorkloadName) -> Result<(), KeptError> {
        let mut list = self.0.list.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = list.clone();
        next.remove(workload);
        self.0.store(&next)?;
        *list = next;
        Ok(())
    }
}

impl Inner {
    fn store(&self, list: &List) -> Result<(), KeptError> {
        self.kept.replace(&Stored {
            frozen: list.values().cloned().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn freeze(workload: &str) -> Freeze {
        Freeze {
            workload: WorkloadName::new(workload),
            since: Timestamp::UNIX_EPOCH,
            by: Operator { uid: 0, pid: 7 },
            reason: Some("it deletes".to_owned()),
        }
    }

    #[test]
    fn the_next_daemon_knows_who_is_frozen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("frozen.json");
        let first = Frozen::load(file.clone()).unwrap();
        first.insert(freeze("planner")).unwrap();
        first.insert(freeze("coder")).unwrap();
        first.remove(&WorkloadName::new("coder")).unwrap();
        let second = Frozen::load(file).unwrap();
        assert_eq!(second.all(), [freeze("planner")]);
        assert_eq!(second.find(&WorkloadName::new("coder")), None);
    }

    #[test]
    fn what_cannot_be_kept_is_frozen_and_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        let frozen = Frozen::load(folder.path().join("gone/frozen.json")).unwrap();
        frozen.insert(freeze("planner")).unwrap_err();
        assert!(frozen.find(&WorkloadName::new("planner")).is_some());
        frozen.remove(&WorkloadName::new("planner")).unwrap_err();
        assert!(frozen.find(&WorkloadName::new("planner")).is_some());
    }

    #[test]
    fn a_strange_file_is_refused_and_thaws_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("frozen.json");
        for text in ["", "[]", r#"{"layout":2,"frozen":[]}"#] {
            fs::write(&file, text).unwrap();
            let error = Frozen::load(file.clone()).unwrap_err();
            assert!(!matches!(error, KeptError::Read { .. }), "{text}");
        }
        let unreadable = Frozen::load(folder.path().to_owned()).unwrap_err();
        assert!(matches!(unreadable, KeptError::Read { .. }));
    }
}
