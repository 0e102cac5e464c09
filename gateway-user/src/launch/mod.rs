//! What a process does to itself before it becomes an agent's command, so that nothing the command
//! does later leads around the gateway.
//!
//! One step a file, in the order of [`Launch::prepare`]: nothing open comes in (`descriptors`), the
//! run's cgroup with its hooks, what the file system shows (`view`, by the lists in [`deputies`]),
//! optionally no network but loopback (`isolation`), no privileges (`confine::privileges`), no reach into
//! other processes (`shield`), no system calls that open other ways (`filter`). What this cannot
//! close is told in docs/run.md. The caller is a process with one thread; each step that fails
//! ends it.

pub mod deputies;
mod descriptors;
mod filter;
mod isolation;
mod mounts;
mod shield;
mod view;

use std::fs;
use std::io;
use std::path::PathBuf;

use nix::unistd::User;
use rustix::thread::CapabilitySet;

use crate::confine::{privileges, seccomp};

pub use descriptors::DescriptorError;

/// Whether the command has a network namespace of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// The host's.
    Shared,
    /// One of its own, with nothing but loopback.
    Isolated,
}

/// How a command is to run.
#[derive(Debug)]
pub struct Launch {
    /// The run's cgroup, attached and empty.
    pub cgroup: PathBuf,
    /// Whose process it becomes.
    pub user: User,
    /// Its network.
    pub network: Network,
    /// Sockets, or folders with sockets, that stay although they are hidden otherwise.
    pub allowed: Vec<PathBuf>,
    /// The gateway's own files, which no agent has to see.
    pub hidden: Vec<PathBuf>,
    /// Files within those that it has to read.
    pub shown: Vec<PathBuf>,
}

/// Why the command cannot be started safely.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Something open that leads outside.
    #[error(transparent)]
    Descriptors(#[from] DescriptorError),
    /// The run's cgroup cannot be entered.
    #[error("cannot enter cgroup {}", path.display())]
    Cgroup {
        /// Its directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system cannot be arranged.
    #[error(transparent)]
    View(#[from] view::ViewError),
    /// No network of its own.
    #[error("cannot give the command a network namespace of its own")]
    Isolation(#[source] io::Error),
    /// Privileges that stay.
    #[error("cannot become user {user}")]
    Privileges {
        /// Whom to become.
        user: String,
        /// What the system said.
        source: io::Error,
    },
    /// Other processes stay in reach.
    #[error("cannot close the command off from other processes")]
    Shield(#[source] shield::ShieldError),
    /// System calls stay open.
    #[error("cannot install the filter of system calls")]
    Filter(#[from] seccomp::FilterError),
}

impl Launch {
    /// Does all of it to this process, for good; what is left is to become the command.
    pub fn prepare(&self) -> Result<(), LaunchError> {
        descriptors::close_foreign()?;
        // "0" means the writer itself.
        fs::write(self.cgroup.join("cgroup.procs"), "0").map_err(|source| LaunchError::Cgroup {
            path: self.cgroup.clone(),
            source,
        })?;
        view::enter(self)?;
        if self.network == Network::Isolated {
            isolation::enter().map_err(LaunchError::Isolation)?;
            isolation::await_daemon().map_err(LaunchError::Isolation)?;
        }
        privileges::give_up(&self.user, CapabilitySet::empty()).map_err(|source| {
            LaunchError::Privileges {
                user: self.user.name.clone(),
                source,
            }
        })?;
        let outsiders = shield::raise().map_err(LaunchError::Shield)?;
        // Last: the steps above need what it refuses.
        filter::install(outsiders)?;
        Ok(())
    }
}
