//! Takes the daemon's privileges away, once what needs them is in its keeper's hands.
//!
//! From then on the process that reads hostile bytes is an ordinary user's, can gain nothing by
//! `execve`, changes files in its own folders only, and has no system call by which to start or
//! touch another process. `filter` names the system calls, `files` the folders. What still needs
//! privileges is asked of the keeper (`kernel`).
//!
//! INVARIANT: it runs while there is one thread, so that what it sets holds for all later ones.

mod files;
mod filter;

use std::ffi::CString;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::{User, initgroups, setresgid, setresuid};

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
    /// The process could not become the user.
    #[error("cannot become user {user}: {source}")]
    User {
        /// Its name.
        user: String,
        /// What the kernel said.
        source: Errno,
    },
    /// Capabilities could not be given up.
    #[error("cannot give capabilities up: {0}")]
    Capabilities(#[from] caps::errors::CapsError),
    /// `no_new_privs` could not be set.
    #[error("cannot set no_new_privs: {0}")]
    NoNewPrivileges(Errno),
    /// Files could not be guarded.
    #[error("cannot restrict access to files: {0}")]
    Files(#[from] landlock::RulesetError),
    /// The system call filter could not be made or set.
    #[error("cannot filter system calls: {0}")]
    Filter(#[from] seccompiler::Error),
}

/// Confines this process for good.
pub fn confine(confinement: &Confinement) -> Result<Landlock, ConfineError> {
    become_user(&confinement.user, confinement.keeps_bpf)?;
    nix::sys::prctl::set_no_new_privs().map_err(ConfineError::NoNewPrivileges)?;
    let landlock = files::guard(&confinement.writable)?;
    filter::install()?;
    Ok(landlock)
}

/// Groups first and the user last: after that there is no right left to change them.
fn become_user(user: &User, keeps_bpf: bool) -> Result<(), ConfineError> {
    use caps::{CapSet, Capability, CapsHashSet};
    let failed = |source| ConfineError::User {
        user: user.name.clone(),
        source,
    };
    let name = CString::new(user.name.as_str()).map_err(|_nul| failed(Errno::EINVAL))?;
    let kept: CapsHashSet = keeps_bpf
        .then_some(Capability::CAP_BPF)
        .into_iter()
        .collect();
    for capability in caps::runtime::thread_all_supported() {
        if !kept.contains(&capability) {
            caps::drop(None, CapSet::Bounding, capability)?;
        }
    }
    caps::securebits::set_keepcaps(true)?;
    initgroups(&name, user.gid).map_err(failed)?;
    setresgid(user.gid, user.gid, user.gid).map_err(failed)?;
    setresuid(user.uid, user.uid, user.uid).map_err(failed)?;
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &kept)?;
    }
    if keeps_bpf {
        caps::set(None, CapSet::Effective, &kept)?;
    }
    caps::clear(None, CapSet::Inheritable)?;
    Ok(caps::securebits::set_keepcaps(false)?)
}
