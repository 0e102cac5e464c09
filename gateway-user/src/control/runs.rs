//! Runs: a cgroup for each `gateway run`, from its making to its removal.
//!
//! INVARIANT: a run's hooks go only when its cgroup is gone. Removing the directory comes first,
//! and the kernel refuses that while a process is inside; so a process can never find itself in a
//! run's cgroup without hooks.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gateway_core::ids::WorkloadName;
use jiff::Timestamp;

use super::api::{Run, RunEnded, RunRequest};
use super::attachments::{Attachment, Purpose};
use super::operations::{OperationError, Operations};
use super::peer::Peer;
use crate::identity::known::Standing;
use crate::kernel::{CgroupId, Closing};

/// Below the cgroup v2 mount, what the names of the folders with runs begin with. Each daemon of the
/// host has its own, by the port that is its alone: none may take another's runs for abandoned.
const PARENT: &str = "gateway/agents-";
/// How long a run's cgroup may stay empty before its first process comes.
const ENTRY: Duration = Duration::from_secs(30);

/// What every run is given beside its cgroup.
#[derive(Clone, Debug)]
pub struct Given {
    /// Variables by which TLS clients trust the gateway's CA.
    pub environment: BTreeMap<String, String>,
    /// The daemon's own directories.
    pub hidden: Vec<PathBuf>,
    /// The files in them that the variables name.
    pub shown: Vec<PathBuf>,
}

/// What is remembered of runs beside their attachments.
#[derive(Debug, Default)]
pub struct Runs {
    /// Numbers the cgroups.
    made: AtomicU64,
    /// Runs whose first process is still awaited, and since when.
    awaited: Mutex<BTreeMap<CgroupId, Instant>>,
}

impl Runs {
    fn awaited(&self) -> MutexGuard<'_, BTreeMap<CgroupId, Instant>> {
        // Single insertions and removals: a poisoned map is still a good one.
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Operations {
    /// Makes an attached cgroup for one command.
    pub fn start_run(
        &self,
        request: &RunRequest,
        standing: Option<Standing>,
        by: Peer,
    ) -> Result<Run, OperationError> {
        let _change = self.changing();
        self.known_workload(&request.workload)?;
        let path = self.make_cgroup(&request.workload)?;
        let cgroup = self.parts().mount.at(&path)?;
        let attachment = Attachment {
            cgroup: cgroup.id,
            path: path.clone(),
            workload: request.workload.clone(),
            purpose: Purpose::Run,
            selector: None,
            before_start: false,
            identity_token: request.identity_token.clone(),
            since: Timestamp::now(),
            closing: Closing::default(),
        };
        let token = self.token_of(&attachment);
        if let Err(error) = self.put_hooks_known(&cgroup, attachment, standing, by) {
            // Nobody is in it yet. If even this fails the sweep tries again.
            if let Err(error) = self.parts().kernel.remove_cgroup(&path) {
                tracing::warn!(%error, path = %path.display(), "cannot remove a run's cgroup");
            }
            return Err(error);
        }
        self.runs().awaited().insert(cgroup.id, Instant::now());
        let (given, now) = (&self.parts().given, self.parts().settings.in_force());
        Ok(Run {
            id: cgroup.id,
            cgroup: path,
            environment: given.environment.clone(),
            hidden: [
                given.hidden.clone(),
                vec![now.file, now.log, now.recordings],
                token.into_iter().collect(),
            ]
            .concat(),
            shown: given.shown.clone(),
            daemon_uid: nix::unistd::geteuid().as_raw(),
        })
    }

    /// The command of a run ended. What it left running stays attached.
    pub fn end_run(&self, id: CgroupId) -> Result<RunEnded, OperationError> {
        let _change = self.changing();
        let attachment = self.parts().attachments.find(id);
        let run = attachment.filter(|one| one.purpose == Purpose::Run);
        let run = run.ok_or(OperationError::NoRun { id })?;
        self.runs().awaited().remove(&id);
        match self.parts().kernel.remove_cgroup(&run.path) {
            Ok(()) => {
                self.forget(&run)?;
                Ok(RunEnded { processes: 0 })
            }
            Err(error) if error.is(io::ErrorKind::ResourceBusy) => Ok(RunEnded {
                processes: processes(&run.path),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the runs that have no process any more, also those that an earlier daemon, a killed
    /// `gateway run` or a `gateway detach` left, and forgets attached cgroups that are gone.
    pub fn sweep(&self) -> Result<(), OperationError> {
        let _change = self.changing();
        for path in self.run_directories()? {
            let Ok(cgroup) = self.parts().mount.at(&path) else {
                continue; // It went away meanwhile, which is what was wanted.
            };
            if is_populated(&path) {
                self.runs().awaited().remove(&cgroup.id);
                continue;
            }
            let is_ours = self.parts().attachments.find(cgroup.id).is_some();
            if self.is_awaited(cgroup.id) || !(is_ours || is_old(&path)) {
                continue;
            }
            // Busy means that a process came in since; the next sweep looks again.
            match self.parts().kernel.remove_cgroup(&path) {
                Ok(()) => tracing::debug!(path = %path.display(), "removed an empty run"),
                Err(error) if error.is(io::ErrorKind::ResourceBusy) => {}
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "cannot remove a run's cgroup");
                }
            }
        }
        self.forget_gone()
    }

    /// Removes the folder of the runs if none is left in it; the daemon ends.
    pub fn leave_runs(&self) {
        let parent = self.parent();
        if directories(&parent).is_ok_and(|runs| !runs.is_empty()) {
            return; // Runs that go on stay, and so does their folder.
        }
        match self.parts().kernel.remove_cgroup(&parent) {
            Err(error) if error.is(io::ErrorKind::ResourceBusy) => {}
            Err(error) => tracing::warn!(%error, path = %parent.display(), "cannot remove it"),
            Ok(()) => {}
        }
    }

    fn is_awaited(&self, id: CgroupId) -> bool {
        let mut awaited = self.runs().awaited();
        awaited.retain(|_, since| since.elapsed() < ENTRY);
        awaited.contains_key(&id)
    }

    fn parent(&self) -> PathBuf {
        let name = format!("{PARENT}{}", self.parts().port);
        self.parts().mount.root().join(name)
    }

    fn make_cgroup(&self, workload: &WorkloadName) -> Result<PathBuf, OperationError> {
        let parent = self.parent();
        let mut tries = 0;
        loop {
            let number = self
                .runs()
                .made
                .fetch_add(1, Ordering::Relaxed)
                .saturating_add(1);
            let path = parent.join(format!("{}-{number}", directory_name(workload)));
            match self.parts().kernel.make_cgroup(&path) {
                Ok(()) => return Ok(path),
                // An earlier daemon's run that goes on.
                Err(error) if error.is(io::ErrorKind::AlreadyExists) => {}
                // A `gateway detach --all` for another daemon removed the folder, empty as it was.
                Err(error) if error.is(io::ErrorKind::NotFound) && tries < 3 => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn run_directories(&self) -> Result<Vec<PathBuf>, OperationError> {
        let parent = self.parent();
        directories(&parent).map_err(|source| OperationError::Cgroup {
            path: parent,
            source,
        })
    }
}

/// Whether a cgroup of this path was made for a run.
pub fn is_run(path: &Path) -> bool {
    let parent = path.parent().map(|parent| parent.to_string_lossy());
    parent.is_some_and(|parent| {
        let port = parent.rsplit_once(PARENT).map(|(_, port)| port);
        port.is_some_and(|port| port.parse::<u16>().is_ok())
    })
}

/// A workload's name as a directory may be called.
fn directory_name(workload: &WorkloadName) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '_'
        }
    };
    workload.as_str().chars().map(plain).collect()
}

/// The directories in `path`; none when it does not exist.
fn directories(path: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Whether a process is in the cgroup or below it. One that cannot be read counts as populated:
/// it is then left as it is.
fn is_populated(path: &Path) -> bool {
    let events = fs::read_to_string(path.join("cgroup.events"));
    !events.is_ok_and(|events| events.lines().any(|line| line == "populated 0"))
}

/// Whether a directory that is nobody's run here was made long enough ago: it may be the run of
/// another daemon on this host, whose first process is still awaited. One whose age cannot be told
/// is left alone.
fn is_old(path: &Path) -> bool {
    let made = fs::metadata(path).and_then(|found| found.modified());
    made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > 2 * ENTRY))
}

/// How many processes are in the cgroup and below it.
fn processes(path: &Path) -> usize {
    let here = fs::read_to_string(path.join("cgroup.procs"))
        .unwrap_or_default()
        .lines()
        .count();
    let below = directories(path).unwrap_or_default();
    below
        .iter()
        .fold(here, |sum, child| sum.saturating_add(processes(child)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_name_becomes_one_directory() {
        assert_eq!(
            directory_name(&WorkloadName::new("team/planner ü")),
            "team_planner__"
        );
        assert_eq!(
            directory_name(&WorkloadName::new("planner-2.1")),
            "planner-2.1"
        );
    }

    #[test]
    fn a_run_is_known_by_its_path() {
        let is = |path| is_run(Path::new(path));
        assert!(is("/sys/fs/cgroup/gateway/agents-15001/planner-1"));
        assert!(!is("/sys/fs/cgroup/gateway/agents-15001/planner-1/below"));
        assert!(!is("/sys/fs/cgroup/gateway/agents-15001"));
        assert!(!is("/sys/fs/cgroup/gateway/daemon"));
        assert!(!is("/sys/fs/cgroup/system.slice/planner.service"));
    }

    #[test]
    fn a_new_directory_is_not_taken_for_an_abandoned_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_old(folder.path()));
        let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
        fs::File::open(folder.path())
            .unwrap()
            .set_modified(hour_ago)
            .unwrap();
        assert!(is_old(folder.path()));
        assert!(!is_old(&folder.path().join("gone")));
    }

    #[test]
    fn what_cannot_be_read_counts_as_populated() {
        let folder = tempfile::tempdir().unwrap();
        assert!(is_populated(folder.path()));
        fs::write(
            folder.path().join("cgroup.events"),
            "populated 0\nfrozen 0\n",
        )
        .unwrap();
        assert!(!is_populated(folder.path()));
    }
}
