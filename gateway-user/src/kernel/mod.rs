//! The kernel side, from user space: loads the programs, attaches cgroups, reads records.
//!
//! All of aya and all of bpf(2) is behind this folder. `load` makes programs and maps, `refusal`
//! says why it could not, `family` is the part that a kernel may be without, `maps` speaks to the programs, `link` keeps them attached at each `hook`,
//! `bpffs` is the private place where both are pinned, `cgroup` finds cgroups, `check` looks
//! whether all is still so, `close` ends what cgroups had open before, by the list of `diag` and
//! what `foreign` does to sockets, `orphans` what they leave behind, `record` finds out whose an accepted connection is, `held` tells of connects that
//! wait for the daemon's word and `unreachable` says "no" to one, `netns` makes sockets in other
//! network namespaces, `listeners` and `resolvers` are where agents are sent to, `loopback` keeps
//! packets from leaving, `syscall` is the part of bpf(2) that aya lacks, `keeper` is the process that does what needs privileges once the daemon has
//! none. Which workload a cgroup stands for is not known here. The programs are in `gateway-ebpf`;
//! `docs/kernel.md` tells how it all works.
#![allow(unsafe_code, reason = "the kernel is spoken to by raw system calls")]

mod bpffs;
mod capability;
mod cgroup;
mod check;
mod close;
mod diag;
mod error;
mod family;
mod foreign;
mod held;
mod hook;
mod keeper;
mod link;
pub mod listeners;
mod load;
pub mod loopback;
mod maps;
mod netns;
mod orphans;
mod record;
mod refusal;
pub mod resolvers;
mod syscall;
#[cfg(test)]
mod tests;
mod unreachable;

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gateway_common::origin::Origin;
use serde::{Deserialize, Serialize};

pub use cgroup::{Cgroup, CgroupId, CgroupMount};
pub use check::Damage;
pub use close::Closing;
pub use error::KernelError;
pub use held::HeldConnects;
pub use hook::Hook;
pub use keeper::{Duty, Side};
pub use maps::{Counters, Covered, DatagramDestination, Sights};
pub use netns::{Foothold, Inhabited, NetnsId};
pub use refusal::needs_cap_bpf;
pub use unreachable::{Icmp, Unreachable};

use bpffs::{Bpffs, Folders};
use check::PinnedMap;
use keeper::{Keeper, Request};
use listeners::OnLoopback;
use load::Programs;
use netns::NetnsTable;

/// What the kernel side needs to know to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Mount point of the private bpffs; made and mounted where it is missing.
    pub bpffs: PathBuf,
    /// Port of the daemon's listeners, and of its resolver sockets, on 127.0.0.1 and ::1.
    pub port: u16,
}

/// The loaded programs and their attachments. Dropping it leaves the attachments in place: agents
/// are then refused until the next start adopts them.
#[derive(Debug)]
pub struct Kernel {
    mount: CgroupMount,
    daemon: Cgroup,
    programs: Programs,
    icmp: Icmp,
    /// Cgroups whose hooks were not whole when they were adopted.
    damaged: Vec<CgroupId>,
    privileges: Privileges,
}

/// What attaching needs: at hand, or with the keeper.
#[derive(Debug)]
enum Privileges {
    Here(Here),
    Asked(Keeper),
}

/// What only the privileged process has.
#[derive(Debug)]
struct Here {
    bpffs: Bpffs,
    port: u16,
    /// Held while links of a cgroup are changed, so that two requests do not mix theirs.
    changing: Mutex<()>,
    /// The network namespaces that were entered.
    namespaces: NetnsTable,
    maps: Vec<PinnedMap>,
}

/// An attached cgroup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// Its id.
    pub id: CgroupId,
    /// Its directory; none if the cgroup is gone.
    pub path: Option<PathBuf>,
    /// Hooks whose link is missing or severed; empty when all is well.
    pub dead: Vec<Hook>,
}

impl Kernel {
    /// Loads the programs, moves the daemon into its own cgroup, adopts what an earlier daemon
    /// left attached and gives it the fresh programs.
    ///
    /// Call it before any listener is opened, since a socket belongs for ever to the cgroup it
    /// was made in.
    pub fn start(options: &Options) -> Result<Self, KernelError> {
        capability::check()?;
        let mount = CgroupMount::find()?;
        let bpffs = Bpffs::open(&options.bpffs)?;
        let daemon = cgroup::daemon_home(&mount)?;
        let programs = Programs::load(&bpffs.folders, options.port)?;
        let maps = check::maps(&bpffs.folders)?;
        let here = Here {
            bpffs,
            port: options.port,
            changing: Mutex::new(()),
            namespaces: NetnsTable::default(),
            maps,
        };
        let damaged = here.adopt(&mount, &daemon, &programs)?;
        let icmp = Icmp::open().map_err(|error| KernelError::os("making raw sockets", error))?;
        Ok(Self {
            mount,
            daemon,
            programs,
            icmp,
            damaged,
            privileges: Privileges::Here(here),
        })
    }

    /// Makes a second process that keeps the privileges, so that this one can give them up. Both
    /// return from it. Call it while there is one thread and before listeners are opened.
    pub fn split(self) -> Result<Side, KernelError> {
        keeper::split(self)
    }

    /// Readable once the keeper has ended, without whom the daemon is of no use; none before
    /// [`Kernel::split`].
    pub fn keeper_life(&self) -> Option<BorrowedFd<'_>> {
        match &self.privileges {
            Privileges::Here(_) => None,
            Privileges::Asked(keeper) => Some(keeper.life()),
        }
    }

    /// Marks a listener or a resolver socket (UDP) of the daemon; without the mark agents are
    /// refused. Every socket that agents are redirected to needs it, each of a `SO_REUSEPORT`
    /// group too. Nor is an agent let to it before the daemon [`beat`](Self::beat)s.
    pub fn mark_listener(&self, listener: BorrowedFd<'_>) -> Result<(), KernelError> {
        let now = self.mount.own()?;
        if now.id != self.daemon.id {
            return Err(KernelError::DaemonMoved {
                from: self.daemon.path.clone(),
                to: now.path,
            });
        }
        self.programs.maps.mark(listener)
    }

    /// Marks both of a pair.
    pub fn mark(&self, sockets: &OnLoopback<impl AsFd>) -> Result<(), KernelError> {
        let mut each = sockets.each();
        each.try_for_each(|socket| self.mark_listener(socket.as_fd()))
    }

    /// Marks a listener again that has lost its mark; says whether it had.
    pub fn check_listener(&self, listener: BorrowedFd<'_>) -> Option<Damage> {
        if self.programs.maps.is_marked(listener) {
            return None;
        }
        let marked = self.programs.maps.mark(listener);
        Some(Damage {
            cgroup: None,
            what: "a listener of the daemon had lost its mark".to_owned(),
            remains: marked.err().map(|error| error.to_string()),
        })
    }

    /// Looks whether everything is in place, for the cgroups that have to be attached and those that are, and
    /// puts right what is not. Says what that was.
    pub fn check(&self, expected: &[Cgroup]) -> Result<Vec<Damage>, KernelError> {
        match &self.privileges {
            Privileges::Here(here) => here.check(&self.mount, &self.programs, expected),
            Privileges::Asked(keeper) => keeper.ask(&Request::Check(expected.to_owned())),
        }
    }

    /// Attaches a cgroup with all below it. Attaching it again repairs what is missing.
    pub fn attach(&self, cgroup: &Cgroup) -> Result<(), KernelError> {
        if cgroup.path == self.mount.root() {
            return Err(KernelError::RootCgroup);
        }
        if cgroup.contains(&self.daemon) {
            return Err(KernelError::ContainsDaemon {
                cgroup: cgroup.path.clone(),
                daemon: self.daemon.path.clone(),
            });
        }
        match &self.privileges {
            Privileges::Here(here) => here.attach(&self.programs, cgroup),
            Privileges::Asked(keeper) => keeper.ask(&Request::Attach(cgroup.clone())),
        }
    }

    /// Closes the connections that an attached cgroup opened past its hooks, before they were
    /// there.
    pub fn close_earlier(&self, cgroup: &Cgroup) -> Result<Closing, KernelError> {
        match &self.privileges {
            Privileges::Here(here) => Ok(here.close_earlier(&self.programs, cgroup)),
            Privileges::Asked(keeper) => keeper.ask(&Request::CloseEarlier(cgroup.clone())),
        }
    }

    /// Detaches a cgroup: new connections from it go directly. Those that are open stay as they
    /// are.
    pub fn detach(&self, id: CgroupId) -> Result<(), KernelError> {
        match &self.privileges {
            Privileges::Here(here) => here.detach(&self.programs, id),
            Privileges::Asked(keeper) => keeper.ask(&Request::Detach(id)),
        }
    }

    /// The attached cgroups, by id.
    pub fn attached(&self) -> Result<Vec<Attached>, KernelError> {
        match &self.privileges {
            Privileges::Here(here) => list(&self.mount, &here.bpffs.folders),
            Privileges::Asked(keeper) => keeper.ask(&Request::Attached),
        }
    }

    /// Whether hooks of a cgroup were missing when it was adopted at the start: it may have opened
    /// connections past them.
    pub fn found_damaged(&self, id: CgroupId) -> bool {
        self.damaged.contains(&id)
    }

    /// Makes a cgroup, and those above it where they are missing. One that is there is an error.
    pub fn make_cgroup(&self, path: &Path) -> Result<(), KernelError> {
        match &self.privileges {
            Privileges::Here(_) => cgroup::make(&self.mount, path),
            Privileges::Asked(keeper) => keeper.ask(&Request::MakeCgroup(path.to_owned())),
        }
    }

    /// Removes a cgroup and those below it, deepest first; one that is gone is no error. Fails with
    /// `ResourceBusy` while a process is in one of them.
    pub fn remove_cgroup(&self, path: &Path) -> Result<(), KernelError> {
        match &self.privileges {
            Privileges::Here(_) => cgroup::remove(&self.mount, path),
            Privileges::Asked(keeper) => keeper.ask(&Request::RemoveCgroup(path.to_owned())),
        }
    }

    /// The file that process `pid` runs; none for one that is gone or has none.
    pub fn executable(&self, pid: u32) -> Result<Option<PathBuf>, KernelError> {
        match &self.privileges {
            Privileges::Here(_) => Ok(std::fs::read_link(format!("/proc/{pid}/exe")).ok()),
            Privileges::Asked(keeper) => keeper.ask(&Request::Executable(pid)),
        }
    }

    /// The record of an accepted connection, which is told once. None means that the kernel did not see
    /// it being redirected: refuse it.
    pub fn origin(&self, accepted: BorrowedFd<'_>) -> Result<Option<Origin>, KernelError> {
        self.programs.maps.origin(accepted)
    }

    /// The record of whoever asked the resolver last from `source`, an address in the network
    /// namespace of the resolver's socket. None: do not answer. Ask as soon as the question is read:
    /// a port that is free again may be another agent's next.
    pub fn datagram_origin(
        &self,
        netns: NetnsId,
        source: SocketAddr,
    ) -> Result<Option<Origin>, KernelError> {
        self.programs.maps.datagram_origin(netns, source)
    }

    /// Sets where datagrams of an attached cgroup may go, uninspected, in place of what was set
    /// before; a start keeps what the daemon before it set. Everywhere else they are refused.
    pub fn set_datagrams(
        &self,
        id: CgroupId,
        allowed: &[DatagramDestination],
    ) -> Result<(), KernelError> {
        self.programs.maps.set_datagrams(id, allowed)
    }

    /// Tells the programs that the daemon serves. Call it every quarter of a second from what
    /// serves agents: their connects are held when the last is older than
    /// [`HEARTBEAT_LIMIT_NS`](gateway_common::HEARTBEAT_LIMIT_NS), and refused when it is older than
    /// [`HUNG_AFTER_NS`](gateway_common::HUNG_AFTER_NS).
    pub fn beat(&self) -> Result<(), KernelError> {
        self.programs.maps.beat()
    }

    /// How long ago the last beat was.
    pub fn heartbeat_age(&self) -> Result<Duration, KernelError> {
        self.programs.maps.heartbeat_age()
    }

    /// What happened in each attached cgroup since it was attached, by kind.
    pub fn coverage(&self) -> Result<Vec<Covered>, KernelError> {
        self.programs.maps.coverage()
    }

    /// Why sockets that are not IP are not seen; none where they are.
    pub fn without_family(&self) -> Option<&str> {
        self.programs.without_family.as_deref()
    }

    /// Single events of the same kinds, as they happen, for the one who asks first.
    pub fn take_sights(&self) -> Option<Sights> {
        self.programs.maps.take_sights()
    }

    /// What was counted on the daemon's side.
    pub fn counters(&self) -> Result<Counters, KernelError> {
        self.programs.maps.counters()
    }

    /// Takes the private bpffs away if nothing is attached: then there is nothing to keep for the
    /// next daemon. Says whether it did. Nothing can be attached after that.
    pub fn leave(&self) -> Result<bool, KernelError> {
        match &self.privileges {
            Privileges::Here(here) => here.leave(),
            Privileges::Asked(keeper) => keeper.ask(&Request::Leave),
        }
    }
}

impl Here {
    fn close_earlier(&self, programs: &Programs, cgroup: &Cgroup) -> Closing {
        let is_ours = |to: SocketAddr| to.ip().is_loopback() && to.port() == self.port;
        let keep = |socket: OwnedFd| programs.maps.own(cgroup.id, socket.as_fd());
        close::close(cgroup, is_ours, keep)
    }

    fn attach(&self, programs: &Programs, cgroup: &Cgroup) -> Result<(), KernelError> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        link::attach(&self.bpffs.folders, programs, cgroup)
    }

    fn detach(&self, programs: &Programs, id: CgroupId) -> Result<(), KernelError> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = orphans::close(id) {
            // A kernel that cannot list or destroy sockets would keep its cgroups attached for ever.
            tracing::warn!(%error, cgroup = %id, "what its processes left behind may still be sent");
        }
        link::detach(&self.bpffs.folders, id)?;
        programs.maps.uncover(id)
    }

    fn leave(&self) -> Result<bool, KernelError> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if !link::pinned(&self.bpffs.folders)?.is_empty() {
            return Ok(false);
        }
        self.bpffs.unmount()?;
        Ok(true)
    }

    fn adopt(
        &self,
        mount: &CgroupMount,
        daemon: &Cgroup,
        programs: &Programs,
    ) -> Result<Vec<CgroupId>, KernelError> {
        let folders = &self.bpffs.folders;
        let mut damaged = Vec::new();
        let adopt = |id| self.adopt_one(id, mount, daemon, programs);
        for id in link::pinned(folders)? {
            if !link::dead(folders, id)?.is_empty() {
                damaged.push(id);
            }
            adopt(id)?;
        }
        // Links of another layout hold on to its maps, so they are not renewed: ours come beside
        // them. Meanwhile theirs refuse everything, for want of a daemon with their mark.
        for other in folders.others()? {
            for id in link::pinned(&other)? {
                adopt(id)?;
                link::detach(&other, id)?;
            }
            other.remove()?;
        }
        Ok(damaged)
    }

    /// Attaches a cgroup that an earlier daemon had attached, or tidies up after it if it is gone.
    fn adopt_one(
        &self,
        id: CgroupId,
        mount: &CgroupMount,
        daemon: &Cgroup,
        programs: &Programs,
    ) -> Result<(), KernelError> {
        let folders = &self.bpffs.folders;
        if let Some(path) = mount.path_of(id)? {
            let cgroup = Cgroup { id, path };
            if cgroup.contains(daemon) {
                return Err(KernelError::DaemonInside {
                    daemon: daemon.path.clone(),
                    attached: cgroup.path,
                });
            }
            match link::attach(folders, programs, &cgroup) {
                Ok(()) => return Ok(()),
                // It may have gone meanwhile, with its links; only then is that no error.
                Err(error) if mount.path_of(id)?.is_some() => return Err(error),
                Err(_) => {}
            }
        }
        match link::detach(folders, id) {
            Ok(()) | Err(KernelError::NotAttached(_)) => programs.maps.uncover(id),
            Err(error) => Err(error),
        }
    }
}

/// What is attached, for when no daemon runs that could be asked. It takes no lock, so that looking
/// never keeps a daemon from starting.
pub fn left_attached(bpffs: &Path) -> Result<Vec<Attached>, KernelError> {
    let Some(folders) = Folders::existing(bpffs)? else {
        return Ok(Vec::new());
    };
    list_all(&folders)
}

/// Detaches everything and unmounts the bpffs when no daemon runs; returns what was attached.
pub fn remove_all(bpffs: &Path) -> Result<Vec<Attached>, KernelError> {
    capability::check()?;
    let Some(bpffs) = Bpffs::existing(bpffs)? else {
        return Ok(Vec::new());
    };
    let attached = list_all(&bpffs.folders)?;
    for folders in bpffs.folders.others()?.iter().chain([&bpffs.folders]) {
        for id in link::pinned(folders)? {
            link::detach(folders, id)?;
        }
    }
    bpffs.unmount()?;
    Ok(attached)
}

/// As [`list`], with what daemons of other layouts left.
fn list_all(folders: &Folders) -> Result<Vec<Attached>, KernelError> {
    let mount = CgroupMount::find()?;
    let mut attached = list(&mount, folders)?;
    for other in folders.others()? {
        attached.extend(list(&mount, &other)?);
    }
    attached.sort_by_key(|one| one.id);
    attached.dedup_by_key(|one| one.id);
    Ok(attached)
}

fn list(mount: &CgroupMount, folders: &Folders) -> Result<Vec<Attached>, KernelError> {
    let mut attached = Vec::new();
    for id in link::pinned(folders)? {
        attached.push(Attached {
            id,
            path: mount.path_of(id)?,
            dead: link::dead(folders, id)?,
        });
    }
    attached.sort_by_key(|attached| attached.id);
    Ok(attached)
}
