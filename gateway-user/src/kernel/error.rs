//! `KernelError`: what can go wrong between the daemon and the kernel, said so that an operator
//! can act on it.
//!
//! Every variant names the thing and what to do next. How errors reach people is the command
//! line's part.

use std::io;
use std::path::PathBuf;

use super::CgroupId;

/// Why the kernel side could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The process lacks a privilege.
    #[error("{what} needs {capability}: run the daemon as root, or give it what is missing")]
    Permission {
        /// The operation.
        what: &'static str,
        /// For example `CAP_BPF`.
        capability: String,
    },
    /// No cgroup v2 hierarchy is mounted.
    #[error(
        "no cgroup v2 hierarchy is mounted: `mount -t cgroup2 none /sys/fs/cgroup/unified` (or boot with systemd.unified_cgroup_hierarchy=1)"
    )]
    NoCgroup2,
    /// The kernel lacks something the programs need.
    #[error("this kernel ({release}) has no {missing}: Linux 5.15 or newer is needed")]
    TooOld {
        /// `uname -r`.
        release: String,
        /// The hook, map type or helper.
        missing: String,
    },
    /// The kernel refused the programs although it seems to have what they need.
    #[error(
        "the kernel ({release}) did not accept the programs, please report this with the text that follows: {detail}"
    )]
    Load {
        /// `uname -r`.
        release: String,
        /// The loader's or verifier's words.
        detail: String,
    },
    /// A program of somebody else forbids ours.
    #[error(
        "{cgroup} does not take the {hook} hook beside what is attached already (programs {programs:?} on {holder}, without the \"multi\" flag): detach them, or attach them with BPF_F_ALLOW_MULTI"
    )]
    Held {
        /// The cgroup that was to be attached.
        cgroup: PathBuf,
        /// The hook.
        hook: &'static str,
        /// The cgroup that carries the other programs.
        holder: PathBuf,
        /// Their ids, for `bpftool prog show id`.
        programs: Vec<u32>,
    },
    /// Another daemon works on this bpffs.
    #[error("{} is in use by another gateway daemon: stop it first, or give this one another `daemon.runtime`", .0.display())]
    Busy(PathBuf),
    /// The place for the private bpffs is not usable.
    #[error("the private bpffs at {}: {problem}", path.display())]
    Bpffs {
        /// The mount point or a file below it.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// No such cgroup.
    #[error("there is no cgroup {}: give a directory below {}", path.display(), mount.display())]
    NoSuchCgroup {
        /// What was asked for.
        path: PathBuf,
        /// Where cgroup v2 is mounted.
        mount: PathBuf,
    },
    /// No systemd unit of that name has a cgroup.
    #[error(
        "no unit named {unit} is running{}; one that is still to come is chosen by `units` in its [[workload]]",
        near_misses(near)
    )]
    NoSuchUnit {
        /// What was asked for.
        unit: String,
        /// Names that are like it.
        near: Vec<String>,
    },
    /// More than one cgroup bears the unit's name.
    #[error(
        "several cgroups are named {unit}, name one by its path: {}",
        list(paths)
    )]
    AmbiguousUnit {
        /// What was asked for.
        unit: String,
        /// All of them.
        paths: Vec<PathBuf>,
    },
    /// No such process, or it is not in the cgroup v2 hierarchy.
    #[error("process {0} is not running, or is in no cgroup that is visible here")]
    NoSuchProcess(u32),
    /// The root cgroup holds everything, the daemon among it.
    #[error(
        "the root cgroup cannot be attached, since every process of the host is in it: make a cgroup for the agents"
    )]
    RootCgroup,
    /// The daemon would intercept itself.
    #[error("{} contains the daemon's own cgroup {}: attach a cgroup beside it", cgroup.display(), daemon.display())]
    ContainsDaemon {
        /// What was to be attached.
        cgroup: PathBuf,
        /// Where the daemon is.
        daemon: PathBuf,
    },
    /// The daemon sits in a cgroup that is attached.
    #[error("the daemon's own cgroup {} is inside the attached cgroup {}: start the daemon outside it", daemon.display(), attached.display())]
    DaemonInside {
        /// Where the daemon is.
        daemon: PathBuf,
        /// The attached cgroup.
        attached: PathBuf,
    },
    /// `detach` of what is not attached.
    #[error("cgroup {0} is not attached: `gateway status` lists those that are")]
    NotAttached(CgroupId),
    /// The daemon left the cgroup whose accepted connections get their records.
    #[error("the daemon was moved from cgroup {} to {} since it started: restart it", from.display(), to.display())]
    DaemonMoved {
        /// Where it was at the start.
        from: PathBuf,
        /// Where it is.
        to: PathBuf,
    },
    /// The keeper could not do it, and says why.
    #[error("{0}")]
    Keeper(String),
    /// The operating system said no.
    #[error("{what}: {source}")]
    Os {
        /// The operation and its object.
        what: String,
        /// The reason.
        source: io::Error,
    },
}

impl KernelError {
    /// Whether the operating system said this.
    pub fn is(&self, kind: io::ErrorKind) -> bool {
        matches!(self, Self::Os { source, .. } if source.kind() == kind)
    }

    /// Wraps an error of the operating system with what was being done.
    pub(super) fn os(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Os {
            what: what.into(),
            source: source.into(),
        }
    }
}

fn near_misses(near: &[String]) -> String {
    if near.is_empty() {
        String::from(": `systemctl status NAME` shows whether it exists")
    } else {
        format!("; did you mean {}?", near.join(", "))
    }
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}
