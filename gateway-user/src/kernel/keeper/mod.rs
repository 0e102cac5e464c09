//! The keeper: the small process that keeps the privileges while the daemon gives its own up.
//!
//! The daemon loads the programs, then splits in two ([`Kernel::split`]). The keeper attaches,
//! detaches and looks after cgroups when the daemon asks; it reads nothing that an agent has
//! written, and it ends with the daemon. The daemon keeps the maps, which it reads and writes by
//! descriptors that it has open already. `wire` is how the two talk,
//! `descriptors` how sockets in other network namespaces come over.

pub(super) mod descriptors;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{ForkResult, Pid, fork, getppid};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::wire::End;
use super::cgroup::{Cgroup, CgroupId};
use super::error::KernelError;
use super::netns::NetnsId;
use super::{Kernel, Privileges};

/// What the daemon asks for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// [`Kernel::attach`].
    Attach(Cgroup),
    /// [`Kernel::check`].
    Check(Vec<Cgroup>),
    /// [`Kernel::close_earlier`].
    CloseEarlier(Cgroup),
    /// [`Kernel::detach`].
    Detach(CgroupId),
    /// [`Kernel::attached`].
    Attached,
    /// [`Kernel::leave`].
    Leave,
    /// [`Kernel::make_cgroup`].
    MakeCgroup(PathBuf),
    /// [`Kernel::remove_cgroup`].
    RemoveCgroup(PathBuf),
    /// [`Kernel::executable`].
    Executable(u32),
    /// [`Kernel::enter`]; the answer comes with the descriptors.
    Enter { id: NetnsId, threads: [u32; 2] },
    /// [`Kernel::socket_in`], likewise.
    SocketIn {
        id: NetnsId,
        destination: SocketAddr,
    },
    /// [`Kernel::is_used`].
    IsUsed { id: NetnsId, cgroups: Vec<PathBuf> },
    /// [`Kernel::inhabited`].
    Inhabited(Vec<(CgroupId, PathBuf)>),
    /// [`Kernel::leave_netns`].
    LeaveNetns(NetnsId),
}

/// Why it was not done, as far as the daemon acts on the difference.
#[derive(Debug, Serialize, Deserialize)]
enum Failure {
    NotAttached(CgroupId),
    Os { what: String, number: i32 },
    Other(String),
}

/// The daemon's end.
#[derive(Debug)]
pub(super) struct Keeper {
    /// One request at a time, with its answer.
    end: Mutex<End>,
    /// Readable once the keeper has ended.
    life: OwnedFd,
}

/// The keeper's own side of the split.
#[derive(Debug)]
pub struct Duty {
    kernel: Kernel,
    end: End,
    daemon: Pid,
    _life: OwnedFd,
}

/// Which of the two processes this is.
#[derive(Debug)]
pub enum Side {
    /// The daemon, whose [`Kernel`] asks the keeper for what needs privileges.
    Daemon(Kernel),
    /// The keeper: it drops all that is not the kernel side's, then does its [`Duty::perform`].
    Keeper(Duty),
}

/// Makes a second process of this one; both have `kernel`.
pub(super) fn split(mut kernel: Kernel) -> Result<Side, KernelError> {
    let failed = |error| KernelError::os("starting the keeper", error);
    let (ours, theirs) = wire::pair().map_err(failed)?;
    let (life, their_life) = io::pipe().map_err(failed)?;
    let daemon = nix::unistd::getpid();
    // SAFETY: there is one thread yet, so the child finds no lock held by another.
    match unsafe { fork() }.map_err(|error| failed(error.into()))? {
        ForkResult::Child => {
            drop((ours, life));
            Ok(Side::Keeper(Duty {
                kernel,
                end: theirs,
                daemon,
                _life: their_life.into(),
            }))
        }
        ForkResult::Parent { child: _ } => {
            kernel.programs.forget();
            kernel.privileges = Privileges::Asked(Keeper {
                end: Mutex::new(ours),
                life: life.into(),
            });
            Ok(Side::Daemon(kernel))
        }
    }
}

impl Keeper {
    /// Asks for something and waits for the answer.
    pub(super) fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, KernelError> {
        self.ask_for(request).map(|(answer, _none)| answer)
    }

    /// Likewise for descriptors.
    pub(super) fn ask_for<T: DeserializeOwned>(
        &self,
        request: &Request,
    ) -> Result<(T, Vec<OwnedFd>), KernelError> {
        // A request and its answer are taken whole, so a panic of another holder leaves none half.
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = |error| KernelError::os("asking the keeper", error);
        end.send(request, &[]).map_err(gone)?;
        let answer = end.receive::<Result<serde_json::Value, Failure>>();
        match answer.map_err(gone)? {
            Some((Ok(value), with)) => match serde_json::from_value(value) {
                Ok(answer) => Ok((answer, with)),
                Err(error) => Err(gone(error.into())),
            },
            Some((Err(failure), _)) => Err(failure.into()),
            None => Err(gone(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Readable once the keeper has ended; nothing else ever comes.
    pub(super) fn life(&self) -> BorrowedFd<'_> {
        self.life.as_fd()
    }
}

impl Duty {
    /// Serves the daemon until it ends.
    pub fn perform(self) -> Result<(), KernelError> {
        let failed = |error: Errno| KernelError::os("becoming the keeper", error);
        // The daemon's stop is the keeper's: what a terminal or a service manager sends to both is
        // for the daemon to act on, which may need the keeper for it.
        for ignored in [
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGQUIT,
        ] {
            // SAFETY: no handler is installed, the signal is only ignored.
            unsafe { signal(ignored, SigHandler::SigIgn) }.map_err(failed)?;
        }
        nix::sys::prctl::set_name(c"gateway-keeper").map_err(failed)?;
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(failed)?;
        if getppid() != self.daemon {
            return Ok(()); // It ended before that could be told.
        }
        let failed = |error| KernelError::os("talking to the daemon", error);
        while let Some((request, _)) = self.end.receive().map_err(failed)? {
            let mut with = Vec::new();
            let answer = self.answer(request, &mut with);
            let with: Vec<_> = with.iter().map(AsFd::as_fd).collect();
            match self.end.send(&answer, &with) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                sent => sent.map_err(failed)?,
            }
        }
        Ok(())
    }

    /// Does what is asked. Descriptors for the daemon go to `with`.
    fn answer(
        &self,
        request: Request,
        with: &mut Vec<OwnedFd>,
    ) -> Result<serde_json::Value, Failure> {
        let kernel = &self.kernel;
        match request {
            Request::Attach(cgroup) => told(kernel.attach(&cgroup)),
            Request::Check(expected) => told(kernel.check(&expected)),
            Request::CloseEarlier(cgroup) => told(kernel.close_earlier(&cgroup)),
            Request::Detach(id) => told(kernel.detach(id)),
            Request::Attached => told(kernel.attached()),
            Request::Leave => told(kernel.leave()),
            Request::MakeCgroup(path) => told(kernel.make_cgroup(&path)),
            Request::RemoveCgroup(path) => told(kernel.remove_cgroup(&path)),
            Request::Executable(pid) => told(kernel.executable(pid)),
            Request::Enter { id, threads } => {
                let foothold = kernel.enter(id, threads)?;
                told(Ok(descriptors::pack(foothold, with)))
            }
            Request::SocketIn { id, destination } => {
                let socket = kernel.socket_in(id, destination)?;
                with.extend(socket.map(OwnedFd::from));
                told(Ok(()))
            }
            Request::IsUsed { id, cgroups } => told(kernel.is_used(id, &cgroups)),
            Request::Inhabited(attached) => told(kernel.inhabited(&attached)),
            Request::LeaveNetns(id) => told(kernel.leave_netns(id)),
        }
    }
}

fn told<T: Serialize>(outcome: Result<T, KernelError>) -> Result<serde_json::Value, Failure> {
    let value = outcome.map_err(Failure::from)?;
    serde_json::to_value(value).map_err(|error| Failure::Other(error.to_string()))
}

impl From<KernelError> for Failure {
    fn from(error: KernelError) -> Self {
        match error {
            KernelError::NotAttached(id) => Self::NotAttached(id),
            KernelError::Os { what, source } => match source.raw_os_error() {
                Some(number) => Self::Os { what, number },
                None => Self::Other(format!("{what}: {source}")),
            },
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<Failure> for KernelError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotAttached(id) => Self::NotAttached(id),
            Failure::Os { what, number } => Self::os(what, io::Error::from_raw_os_error(number)),
            Failure::Other(text) => Self::Keeper(text),
        }
    }
}
