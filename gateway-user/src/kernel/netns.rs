//! Network namespaces: which one a socket is in, and how to make sockets in another than ours.
//!
//! A thread that has entered another namespace is never used for anything else, so it is made for
//! the purpose and ends. It needs privileges, which the keeper has; the sockets do not.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

use super::cgroup::CgroupId;
use super::error::KernelError;
use super::keeper::{Request, descriptors};
use super::listeners::{self, Listeners};
use super::loopback;
use super::resolvers::{self, Resolvers};
use super::syscall;
use super::unreachable::Icmp;
use super::{Kernel, Privileges};

/// So many new namespaces of an attached cgroup are looked into at a time: the next look has the
/// others, and what an agent makes without end does not keep the keeper from its work.
const NEW_AT_A_TIME: usize = 4;
/// A namespace's loopback device gets its address of IPv6 a moment after that of IPv4.
const COMING_UP: Duration = Duration::from_millis(10);

/// `SO_NETNS_COOKIE`: names a network namespace until the next boot.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetnsId(pub u64);

/// The namespaces that are held open.
#[derive(Debug, Default)]
pub(super) struct NetnsTable(Mutex<HashMap<NetnsId, Netns>>);

/// What the daemon needs to serve a namespace: where its agents are sent to, and how they are told
/// of servers that cannot be reached.
#[derive(Debug)]
pub struct Foothold {
    /// Not marked yet.
    pub listeners: Listeners,
    /// Likewise.
    pub resolvers: Resolvers,
    /// For the agents of that namespace.
    pub icmp: Icmp,
}

/// A network namespace in which an agent was found.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inhabited {
    /// The namespace.
    pub id: NetnsId,
    /// The agent's attached cgroup.
    pub attached: CgroupId,
    /// Its process.
    pub process: u32,
}

/// A network namespace that is held open.
#[derive(Debug)]
struct Netns {
    id: NetnsId,
    file: File,
    /// Device and inode of the namespace's file, by which processes are compared with it.
    inode: (u64, u64),
}

impl Kernel {
    /// Lets agents to both listeners, which have the mark before anybody can reach them.
    pub fn admit(&self, listeners: &Listeners) -> Result<(), KernelError> {
        self.mark(listeners)?;
        let listens = listeners.listen();
        listens.map_err(|error| KernelError::os("listening for agents", error))
    }

    /// Opens listeners, and sockets to tell agents by, in another network namespace: the one that
    /// one of these threads should be in. It is held open until [`Kernel::leave_netns`].
    pub fn enter(&self, id: NetnsId, threads: [u32; 2]) -> Result<Foothold, KernelError> {
        match &self.privileges {
            Privileges::Here(here) => here
                .namespaces
                .enter(id, &threads, here.port)
                .map_err(|error| KernelError::os("entering a network namespace", error)),
            Privileges::Asked(keeper) => {
                let (packed, with) = keeper.ask_for(&Request::Enter { id, threads })?;
                descriptors::unpack(packed, with)
            }
        }
    }

    /// A socket made in a network namespace that was entered, for a loopback address, which is that
    /// namespace's own; none for other destinations.
    pub fn socket_in(
        &self,
        id: NetnsId,
        destination: SocketAddr,
    ) -> Result<Option<Socket>, KernelError> {
        match &self.privileges {
            Privileges::Here(here) => here
                .namespaces
                .socket_to(id, destination)
                .map_err(|error| KernelError::os("making a socket in a network namespace", error)),
            Privileges::Asked(keeper) => {
                let request = Request::SocketIn { id, destination };
                let ((), with) = keeper.ask_for(&request)?;
                Ok(with.into_iter().next().map(Socket::from))
            }
        }
    }

    /// Whether a thread of one of these cgroups, or of one below them, is in a network namespace
    /// that was entered.
    pub fn is_used(&self, id: NetnsId, cgroups: &[PathBuf]) -> Result<bool, KernelError> {
        match &self.privileges {
            Privileges::Here(here) => here.namespaces.is_used(id, cgroups).map_err(|error| {
                KernelError::os("looking for users of a network namespace", error)
            }),
            Privileges::Asked(keeper) => {
                let cgroups = cgroups.to_vec();
                keeper.ask(&Request::IsUsed { id, cgroups })
            }
        }
    }

    /// Namespaces other than ours that were not entered, with a process of one of these attached
    /// cgroups in each; not all at once where there are many.
    pub fn inhabited(
        &self,
        attached: &[(CgroupId, PathBuf)],
    ) -> Result<Vec<Inhabited>, KernelError> {
        match &self.privileges {
            Privileges::Here(here) => here
                .namespaces
                .inhabited(attached)
                .map_err(|error| KernelError::os("looking for agents' network namespaces", error)),
            Privileges::Asked(keeper) => keeper.ask(&Request::Inhabited(attached.to_vec())),
        }
    }

    /// Closes a network namespace that was entered.
    pub fn leave_netns(&self, id: NetnsId) -> Result<(), KernelError> {
        match &self.privileges {
            Privileges::Here(here) => {
                here.namespaces.leave(id);
                Ok(())
            }
            Privileges::Asked(keeper) => keeper.ask(&Request::LeaveNetns(id)),
        }
    }
}

impl NetnsId {
    /// The namespace that this thread makes its sockets in.
    pub fn own() -> io::Result<Self> {
        // A datagram socket that is never used: the cheapest there is.
        Self::of_socket(&Socket::new(Domain::IPV4, Type::DGRAM, None)?)
    }

    /// The namespace of a socket.
    pub fn of_socket(socket: &impl AsFd) -> io::Result<Self> {
        syscall::netns_cookie(socket.as_fd()).map(Self)
    }
}

impl NetnsTable {
    /// Opens a foothold in namespace `id`, by way of one of the threads that should be in it. The
    /// kernel's name for it tells whether the thread still is where it was.
    pub(super) fn enter(&self, id: NetnsId, threads: &[u32], port: u16) -> io::Result<Foothold> {
        let mut failed = io::Error::other("none of its threads is in the connection's namespace");
        for thread in threads {
            match Netns::of_thread(*thread) {
                Ok(netns) if netns.id == id => {
                    let foothold = within(&netns.file, || match Foothold::open(port) {
                        Ok(early) if early.listeners.v6.is_none() => {
                            drop(early);
                            std::thread::sleep(COMING_UP);
                            Foothold::open(port)
                        }
                        opened => opened,
                    })??;
                    self.lock().insert(id, netns);
                    return Ok(foothold);
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// A socket made in namespace `id` for a destination that means something else there: a loopback
    /// address. None for all others. Where these lead, the namespace's own addresses and routes
    /// say, which may be an agent's to change: so the socket does not leave the loopback device.
    pub(super) fn socket_to(
        &self,
        id: NetnsId,
        destination: SocketAddr,
    ) -> io::Result<Option<Socket>> {
        let table = self.lock();
        let netns = table.get(&id).ok_or_else(unknown)?;
        if !destination.ip().to_canonical().is_loopback() {
            return Ok(None);
        }
        within(&netns.file, || {
            let kind = Type::STREAM.nonblocking();
            let domain = Domain::for_address(destination);
            let socket = Socket::new(domain, kind, Some(Protocol::TCP))?;
            loopback::stay(socket.as_fd())?;
            Ok(Some(socket))
        })?
    }

    /// Whether a thread of one of these cgroups, or of one below them, is in namespace `id`.
    pub(super) fn is_used(&self, id: NetnsId, cgroups: &[PathBuf]) -> io::Result<bool> {
        let table = self.lock();
        let netns = table.get(&id).ok_or_else(unknown)?;
        Ok(cgroups.iter().any(|path| netns.is_used_in(path)))
    }

    /// See [`Kernel::inhabited`].
    pub(super) fn inhabited(&self, attached: &[(CgroupId, PathBuf)]) -> io::Result<Vec<Inhabited>> {
        let mut known: HashSet<_> = self.lock().values().map(|netns| netns.inode).collect();
        known.insert(inode(&fs::metadata("/proc/self/ns/net")?));
        let mut found = Vec::new();
        for (attached, path) in attached {
            let mut looked = 0;
            each_process(path, &mut |process| {
                // One that ended meanwhile is in none.
                let Ok(metadata) = fs::metadata(format!("/proc/{process}/ns/net")) else {
                    return true;
                };
                if !known.insert(inode(&metadata)) {
                    return true;
                }
                if let Ok(netns) = Netns::of_thread(process) {
                    found.push(Inhabited {
                        id: netns.id,
                        attached: *attached,
                        process,
                    });
                }
                looked += 1;
                looked < NEW_AT_A_TIME
            });
        }
        Ok(found)
    }

    /// Closes namespace `id`.
    pub(super) fn leave(&self, id: NetnsId) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NetnsId, Netns>> {
        // Single insertions and removals: a poisoned map is still a good one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Foothold {
    /// Opens everything in the namespace of this thread.
    fn open(port: u16) -> io::Result<Self> {
        Ok(Self {
            listeners: listeners::open(port).map_err(io::Error::other)?,
            resolvers: resolvers::open(port).map_err(io::Error::other)?,
            icmp: Icmp::open()?,
        })
    }
}

/// Calls `look` with each process of the cgroup at `path` and those below, as long as it says so.
fn each_process(path: &Path, look: &mut impl FnMut(u32) -> bool) -> bool {
    // A cgroup that is gone has no processes, and neither has one that cannot be read.
    let processes = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    let mut processes = processes.lines().filter_map(|line| line.parse().ok());
    processes.all(&mut *look) && children(path).all(|child| each_process(&child, look))
}

/// The cgroups in the one at `path`.
fn children(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
}

/// By which a namespace's file is told from others.
fn inode(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn unknown() -> io::Error {
    io::Error::other("the network namespace is not held open")
}

impl Netns {
    /// The namespace that a thread is in now.
    fn of_thread(id: u32) -> io::Result<Self> {
        let file = File::open(format!("/proc/{id}/ns/net"))?;
        let metadata = file.metadata()?;
        let id = within(&file, NetnsId::own)??;
        Ok(Self {
            id,
            file,
            inode: inode(&metadata),
        })
    }

    /// Whether a thread of the cgroup at `path`, or of one below it, is in it.
    fn is_used_in(&self, path: &Path) -> bool {
        // A cgroup that is gone has no threads, and neither has one that cannot be read.
        let threads = fs::read_to_string(path.join("cgroup.threads")).unwrap_or_default();
        if threads.lines().any(|thread| self.has_thread(thread)) {
            return true;
        }
        children(path).any(|child| self.is_used_in(&child))
    }

    fn has_thread(&self, thread: &str) -> bool {
        fs::metadata(format!("/proc/{thread}/ns/net"))
            .is_ok_and(|found| inode(&found) == self.inode)
    }
}

/// Does `work` in a namespace, on a thread of its own; blocks until that is done.
fn within<T: Send>(file: &File, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(String::from("netns"));
        let entered = thread.spawn_scoped(scope, || {
            setns(file, CloneFlags::CLONE_NEWNET)?;
            Ok(work())
        })?;
        match entered.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_made_in_another_namespace() {
        let own = NetnsId::own().unwrap();
        let (started, thread) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                nix::sched::unshare(CloneFlags::CLONE_NEWNET).unwrap();
                let mut up = std::process::Command::new("ip");
                assert!(
                    up.args(["link", "set", "lo", "up"])
                        .status()
                        .unwrap()
                        .success()
                );
                let thread = nix::unistd::gettid().as_raw();
                let id = NetnsId::own().unwrap();
                started.send((u32::try_from(thread).unwrap(), id)).unwrap();
                let _until_dropped = ended.recv();
            });
            let (thread, id) = thread.recv().unwrap();
            let table = NetnsTable::default();
            let port = 15098;
            let error = table.enter(id, &[std::process::id()], port).unwrap_err();
            assert!(error.to_string().contains("none of its threads"), "{error}");
            let threads = [std::process::id(), thread];
            let foothold = table.enter(id, &threads, port).unwrap();
            assert_eq!(NetnsId::of_socket(&foothold.listeners.v4).unwrap(), id);
            let local = "127.0.0.1:1".parse().unwrap();
            let socket = table.socket_to(id, local).unwrap().unwrap();
            assert_eq!(NetnsId::of_socket(&socket).unwrap(), id);
            let elsewhere = "198.51.100.1:1".parse().unwrap();
            assert!(table.socket_to(id, elsewhere).unwrap().is_none());
            assert_eq!(NetnsId::own().unwrap(), own);
            let cgroup = std::fs::read_to_string("/proc/self/cgroup").unwrap();
            let path = cgroup.lines().find_map(|line| line.strip_prefix("0::/"));
            let root = crate::kernel::CgroupMount::find()
                .unwrap()
                .root()
                .to_owned();
            let cgroups = [root.join(path.unwrap())];
            assert!(table.is_used(id, &cgroups).unwrap());
            assert!(!table.is_used(id, &[]).unwrap());
            table.leave(id);
            assert!(table.is_used(id, &cgroups).is_err());
            drop(end);
        });
    }
}
