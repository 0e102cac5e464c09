//! Who made a connection: the workload by its cgroup, the process by what `/proc` still tells.
//!
//! The record of the kernel is evidence. What is read from `/proc` afterwards adds to it only when
//! it is about the same process: one that is gone, or whose number another has taken, is named by
//! the kernel's record alone.

mod process;

use std::sync::Arc;

use gateway_common::origin::Origin;
use gateway_core::ids::{GroupName, WorkloadName};
use gateway_core::subject::{Process, Subject};

/// The workload behind a connection, as the attachments and the configuration tell.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name.
    pub name: WorkloadName,
    /// Its groups.
    pub groups: Arc<[GroupName]>,
    /// The attached cgroup, for a process that is gone.
    pub cgroup: String,
}

/// Names who made the connection that `origin` tells of. Reads some small files of `/proc`.
pub fn subject(origin: &Origin, workload: Workload) -> Subject {
    let seen = process::look(origin.tgid, origin.boot_ns);
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
    }
}
