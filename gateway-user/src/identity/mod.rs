//! Who made a connection: the workload by its cgroup, the process by what `/proc` still tells, and
//! what a token says of the workload: `file` reads it, the `verifier` believes it by the `keys` of its
//! `issuer` or does not, and `known` remembers for how long.
//!
//! The record of the kernel is evidence. What is read from `/proc` afterwards adds to it only when
//! it is about the same process: one that is gone, or whose number another has taken, is named by
//! the kernel's record alone.

pub mod file;
pub mod issuer;
mod keys;
pub mod known;
mod process;
pub mod token;
pub mod verifier;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gateway_common::origin::Origin;
use gateway_core::ids::{GroupName, WorkloadName};
use gateway_core::subject::{Identity, Process, Subject};
use tokio::sync::Semaphore;

pub use self::process::Parent;

/// A look at `/proc` may take so long.
const LOOK: Duration = Duration::from_millis(500);
/// So many processes above another one are shown.
const PARENTS: usize = 8;
/// So many looks are under way at a time. What a process may hold up are these threads.
static LOOKS: Semaphore = Semaphore::const_new(16);

/// The workload behind a connection, as the attachments and the configuration tell.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name.
    pub name: WorkloadName,
    /// Its groups.
    pub groups: Arc<[GroupName]>,
    /// What a token says of it.
    pub identity: Option<Arc<Identity>>,
    /// The attached cgroup, for a process that is gone.
    pub cgroup: String,
}

/// Names who made the connection that `origin` tells of. Reads some small files of `/proc`;
/// `executable` tells which file a process runs, which needs a privilege.
pub async fn subject(
    origin: &Origin,
    workload: Workload,
    executable: impl FnOnce(u32) -> Option<PathBuf> + Send + 'static,
) -> Subject {
    let (pid, boot_ns) = (origin.tgid, origin.boot_ns);
    let seen = look(move || process::look(pid, boot_ns, executable)).await;
    let (exe, command_line, start_ticks, cgroup) = match seen {
        Some(seen) => (
            seen.exe,
            seen.command_line,
            Some(seen.start_ticks),
            seen.cgroup,
        ),
        None => (None, None, None, None),
    };
    Subject {
        workload: workload.name,
        groups: workload.groups,
        cgroup: cgroup.unwrap_or(workload.cgroup),
        process: Process {
            pid: origin.tgid,
            uid: origin.uid,
            gid: origin.gid,
            comm: String::from_utf8_lossy(origin.comm_bytes()).into_owned(),
            exe,
            command_line,
            start_ticks,
        },
        identity: workload.identity,
    }
}

/// Whether the number of a process is still its own. One that is gone has left it to nobody yet.
pub fn is_still(process: &Process) -> bool {
    match (process.start_ticks, process::start_ticks(process.pid)) {
        (Some(then), Some(now)) => then == now,
        _ => true,
    }
}

/// Whether the process has ended, as far as it can be told.
pub fn is_gone(process: &Process) -> bool {
    process.start_ticks.is_some() && process::start_ticks(process.pid) != process.start_ticks
}

/// The processes above one that may still run, nearest first. Like its own name and command line, theirs
/// are what they say of themselves.
pub async fn parents(process: &Process) -> Vec<Parent> {
    let (pid, start_ticks) = (process.pid, process.start_ticks);
    let above = look(move || Some(process::above(pid, start_ticks?, PARENTS))).await;
    above.unwrap_or_default()
}

/// Runs a look where it may block. The command line lies in the process's own memory, which may be
/// of a kind (`userfaultfd`, a file of FUSE) that it never lets anybody read to the end.
async fn look<T: Send + 'static>(at: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
    let look = async {
        let turn = LOOKS.acquire().await.ok()?;
        let look = tokio::task::spawn_blocking(move || {
            let seen = at();
            drop(turn);
            seen
        });
        look.await.ok()?
    };
    tokio::time::timeout(LOOK, look).await.ok()?
}

#[cfg(test)]
mod tests {
    use super::look;

    #[tokio::test]
    async fn a_process_that_cannot_be_looked_at_holds_up_nobody() {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let seen: Option<()> = look(move || held.recv().ok().and(None)).await;
        assert!(seen.is_none());
        drop(release);
    }
}
