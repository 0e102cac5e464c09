//! `Attachments`: which cgroup is which workload. Intake asks it for every connection.
//!
//! The table is kept in `<runtime>/daemon/attachments.json`, replaced atomically at each change, because
//! the kernel's hooks outlive the daemon: the next one has to know whose they are. Attaching and
//! detaching the hooks themselves is in [`super::operations`].
//!
//! INVARIANT: a cgroup is in the table before its hooks are attached and until after they are
//! detached, so that there is no moment at which a redirected connection has no workload. One
//! that has none all the same is refused by intake: there is no default identity.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use gateway_core::ids::WorkloadName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::identity::known::Identities;
use crate::kept::{Kept, KeptError, Sort};
use crate::kernel::{CgroupId, Closing};

/// The file.
const SORT: Sort = Sort {
    layout: 1,
    says: "which cgroup is which workload",
    remedy: "detach by the version that wrote it; after `gateway detach --all` it can be removed",
};

/// Why a cgroup is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// An operator attached a cgroup that was there.
    Attach,
    /// `gateway run` made it; it is removed when its last process ends.
    Run,
    /// The configuration chose it by a selector.
    Selected,
}

/// One attached cgroup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The cgroup.
    pub cgroup: CgroupId,
    /// Its directory.
    pub path: PathBuf,
    /// Who acts in it.
    pub workload: WorkloadName,
    /// Why it is attached.
    pub purpose: Purpose,
    /// What chose it, where the configuration did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Whether it was asked for from inside, by one that was alone there: so services ask before they start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub before_start: bool,
    /// The file with its token, where one was named when it was attached; never what is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_token: Option<PathBuf>,
    /// Since when.
    pub since: Timestamp,
    /// What was done about its sockets that were there before the hooks.
    #[serde(default, skip_serializing_if = "Closing::is_nothing")]
    pub closing: Closing,
}

/// The folder below the runtime directory that the daemon may still write to when it has given its
/// privileges up.
pub fn folder(runtime: &Path) -> PathBuf {
    runtime.join("daemon")
}

/// Where the table is.
pub fn file(runtime: &Path) -> PathBuf {
    folder(runtime).join("attachments.json")
}

/// Moves a table from where earlier versions kept it.
pub fn adopt_file(runtime: &Path) -> io::Result<()> {
    match fs::rename(runtime.join("attachments.json"), file(runtime)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The attached cgroups and their workloads.
#[derive(Debug)]
pub struct Attachments {
    kept: Kept,
    table: RwLock<BTreeMap<CgroupId, Attachment>>,
    identities: Identities,
    changed: watch::Sender<()>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    attachments: Vec<Attachment>,
}

impl Attachments {
    /// Reads the table that an earlier daemon left at `file`; without one it is empty.
    pub fn load(file: PathBuf) -> Result<Self, KeptError> {
        let kept = Kept::new(file, &SORT);
        let stored: Option<Stored> = kept.read()?;
        let attachments = stored.into_iter().flat_map(|it| it.attachments);
        let table = attachments.map(|one| (one.cgroup, one)).collect();
        Ok(Self {
            kept,
            table: RwLock::new(table),
            identities: Identities::default(),
            changed: watch::Sender::new(()),
        })
    }

    /// Who acts in the attached cgroup `id`; none means that the connection is to be refused.
    pub fn workload_of(&self, id: CgroupId) -> Option<WorkloadName> {
        self.read()
            .get(&id)
            .map(|attachment| attachment.workload.clone())
    }

    /// The attachment of cgroup `id`.
    pub fn find(&self, id: CgroupId) -> Option<Attachment> {
        self.read().get(&id).cloned()
    }

    /// All attachments, by cgroup id.
    pub fn all(&self) -> Vec<Attachment> {
        self.read().values().cloned().collect()
    }

    /// By which tokens they are known.
    pub fn identities(&self) -> &Identities {
        &self.identities
    }

    /// Tells of each change to come.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Adds an attachment, or replaces the one of the same cgroup, and keeps it.
    pub fn insert(&self, attachment: Attachment) -> Result<(), KeptError> {
        self.change(|table| {
            table.insert(attachment.cgroup, attachment);
        })
    }

    /// Forgets cgroup `id`.
    pub fn remove(&self, id: CgroupId) -> Result<(), KeptError> {
        self.change(|table| {
            table.remove(&id);
        })
    }

    /// The table in memory changes only if the file did.
    fn change(
        &self,
        edit: impl FnOnce(&mut BTreeMap<CgroupId, Attachment>),
    ) -> Result<(), KeptError> {
        let mut table = self.write();
        let mut next = table.clone();
        edit(&mut next);
        self.kept.replace(&Stored {
            attachments: next.values().cloned().collect(),
        })?;
        *table = next;
        self.changed.send_replace(());
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<CgroupId, Attachment>> {
        // The map is replaced as a whole, so it is good even after a panic under the lock.
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<CgroupId, Attachment>> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(cgroup: u64, workload: &str) -> Attachment {
        Attachment {
            cgroup: CgroupId(cgroup),
            path: PathBuf::from("/sys/fs/cgroup/agents"),
            workload: WorkloadName::new(workload),
            purpose: Purpose::Attach,
            selector: None,
            before_start: false,
            identity_token: None,
            since: Timestamp::UNIX_EPOCH,
            closing: Closing::default(),
        }
    }

    #[test]
    fn the_next_daemon_knows_the_workloads() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("attachments.json");
        let first = Attachments::load(file.clone()).unwrap();
        first.insert(attachment(7, "planner")).unwrap();
        first.insert(attachment(8, "coder")).unwrap();
        first.remove(CgroupId(8)).unwrap();
        let second = Attachments::load(file).unwrap();
        assert_eq!(second.all(), [attachment(7, "planner")]);
        assert_eq!(
            second.workload_of(CgroupId(7)),
            Some(WorkloadName::new("planner"))
        );
        assert_eq!(second.workload_of(CgroupId(8)), None);
    }

    #[test]
    fn a_table_that_cannot_be_kept_does_not_change() {
        let folder = tempfile::tempdir().unwrap();
        let attachments = Attachments::load(folder.path().join("gone/attachments.json")).unwrap();
        assert!(attachments.insert(attachment(7, "planner")).is_err());
        assert_eq!(attachments.workload_of(CgroupId(7)), None);
    }

    #[test]
    fn a_strange_file_is_refused_and_not_taken_for_an_empty_table() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("attachments.json");
        fs::write(&file, "[]").unwrap();
        assert!(matches!(
            Attachments::load(file.clone()),
            Err(KeptError::Malformed { .. })
        ));
        fs::write(&file, r#"{"layout":2,"attachments":[]}"#).unwrap();
        assert!(matches!(
            Attachments::load(file),
            Err(KeptError::Layout { found: 2, .. })
        ));
    }
}
