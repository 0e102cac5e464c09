//! Takes the daemon's privileges away, once what needs them is in its keeper's hands.
//!
//! From then on the process that reads hostile bytes is an ordinary user's, can gain nothing by
//! `execve`, changes files in its own folders only, and has no system call by which to start or
//! touch another process. `privileges` and `seccomp` are what `launch` shares, `filter` names the system calls,
//! `files` the folders. What still needs
//! privileges is asked of the keeper (`kernel`).
//!
//! INVARIANT: it runs while there is one thread, so that what it sets holds for all later ones.

mod files;
mod filter;
pub mod privileges;
pub mod seccomp;

use std::io;
use std::path::PathBuf;

use nix::unistd::User;
use rustix::thread::CapabilitySet;

/// What a confined daemon may still do.
#[derive(Debug)]
pub struct Confinement {
    /// Whose process it becomes.
    pub user: User,
    /// The folders and files below which it may write.
    pub writable: Vec<PathBuf>,
    /// Whether it needs `CAP_BPF` to look into maps it has open already: before Linux 5.19.
    pub keeps_bpf: bool,
}

/// How far files are guarded: older kernels know less, or nothing, of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landlock {
    /// All that was asked for.
    Full,
    /// Only what this kernel knows.
    Partial,
    /// The kernel has no Landlock.
    None,
}

/// Why the daemon could not be confined. It does not run unconfined.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// The process could not become the user, or not give its capabilities up.
    #[error("cannot become user {user} without privileges: {source}")]
    Privileges {
        /// Its name.
        user: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// Files could not be guarded.
    #[error("cannot restrict access to files: {0}")]
    Files(#[from] landlock::RulesetError),
    /// The system call filter could not be made or set.
    #[error("cannot filter system calls: {0}")]
    Filter(#[from] seccomp::FilterError),
}

/// Confines this process for good.
pub fn confine(confinement: &Confinement) -> Result<Landlock, ConfineError> {
    let kept = match confinement.keeps_bpf {
        true => CapabilitySet::BPF,
        false => CapabilitySet::empty(),
    };
    privileges::give_up(&confinement.user, kept).map_err(|source| ConfineError::Privileges {
        user: confinement.user.name.clone(),
        source,
    })?;
    let landlock = files::guard(&confinement.writable)?;
    filter::install()?;
    Ok(landlock)
}
