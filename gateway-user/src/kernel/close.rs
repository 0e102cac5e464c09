//! Closes what a cgroup had open before it was attached.
//!
//! The hooks are there when this begins, so nothing new becomes direct; what was under way in a
//! `connect` at that moment is found by looking again until there is nothing left. Closed are
//! connections of sockets made in the cgroup, and of sockets made elsewhere which its processes
//! hold; in every network namespace in which one of them lives. Left alone are connections that
//! the daemon has already, and those between two sockets of the cgroup: the hooks are told that
//! they are the cgroup's, as its listeners are.

use std::collections::btree_map::{BTreeMap, Entry};
use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use nix::libc;
use serde::{Deserialize, Serialize};

use super::cgroup::{Cgroup, CgroupId};
use super::diag::{Diag, Listed};
use super::error::KernelError;
use super::foreign::{self, Holder};

/// Looks at most. Each finds what got through since the one before; after two or three there is
/// nothing left, unless somebody moves processes in all the time.
const MOST_LOOKS: usize = 10;

/// What was done about sockets that were there before the hooks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Connections that were closed.
    pub closed: usize,
    /// Sockets made outside of the cgroup that were cut off: they cannot be used any more.
    pub cut_off: usize,
    /// Sockets that stay although the hooks may not see them: listeners that were made outside of
    /// the cgroup, and unconnected sockets of which the kernel does not tell where they were made.
    pub left: usize,
    /// Why not everything was closed that had to be; none when it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Closing {
    /// Whether there was nothing to close.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// A network namespace: its file's device and inode.
type Namespace = (u64, u64);

/// A socket by its namespace and inode.
type Known = HashSet<(Namespace, u64)>;

/// What is there at one look.
struct Scene {
    /// The cgroup and all below it.
    cgroups: BTreeSet<u64>,
    held: BTreeMap<u64, Holder>,
    namespaces: BTreeMap<Namespace, File>,
}

/// One closing, over its looks.
struct Closer<F, K> {
    /// Knows the addresses to which the hooks redirect.
    is_ours: F,
    /// Tells the hooks of a socket that stays.
    keep: K,
    speakers: BTreeMap<Namespace, Diag>,
    /// Sockets of elsewhere that were dealt with.
    foreign: Known,
    /// Sockets of the cgroup that stay, which the hooks were told of.
    kept: Known,
    /// The inodes of all that the kernel listed.
    listed: HashSet<u64>,
    closing: Closing,
}

/// Closes what `cgroup`, whose hooks are in place, has open past them.
pub(super) fn close(
    cgroup: &Cgroup,
    is_ours: impl Fn(SocketAddr) -> bool,
    keep: impl Fn(OwnedFd) -> Result<(), KernelError>,
) -> Closing {
    let mut closer = Closer {
        is_ours,
        keep,
        speakers: BTreeMap::new(),
        foreign: Known::new(),
        kept: Known::new(),
        listed: HashSet::new(),
        closing: Closing::default(),
    };
    if let Err(error) = closer.look_and_look_again(cgroup) {
        closer.closing.problem = Some(explain(&error));
    }
    closer.closing
}

impl<F, K> Closer<F, K>
where
    F: Fn(SocketAddr) -> bool,
    K: Fn(OwnedFd) -> Result<(), KernelError>,
{
    fn look_and_look_again(&mut self, cgroup: &Cgroup) -> io::Result<()> {
        // Namespaces of sockets that a process brought along from there.
        let mut brought: BTreeMap<Namespace, File> = BTreeMap::new();
        for look in 0..MOST_LOOKS {
            let scene = Scene::of(cgroup)?;
            let mut found = 0_usize;
            for (name, file) in scene.namespaces.iter().chain(&brought) {
                found = found.saturating_add(self.namespace(&scene, *name, file)?);
            }
            if look == 0 {
                brought = self.unlisted(&scene);
            } else if found == 0 {
                return Ok(());
            }
        }
        let text = format!("there were new connections after {MOST_LOOKS} looks");
        Err(io::Error::other(text))
    }

    /// Closes what is open in one namespace; says how many that were.
    fn namespace(&mut self, scene: &Scene, name: Namespace, file: &File) -> io::Result<usize> {
        let diag = match self.speakers.entry(name) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => free.insert(Diag::in_namespace(file)?),
        };
        let all = diag.all()?;
        self.listed.extend(all.iter().map(|one| one.inode));
        let is_home = |one: &Listed| one.cgroup.is_some_and(|id| scene.cgroups.contains(&id));
        let home = all.iter().filter(|one| is_home(one));
        let home: HashSet<_> = home.map(|one| (one.is_udp(), one.ends())).collect();
        let mut found = 0_usize;
        for one in &all {
            let holder = scene.held.get(&one.inode).filter(|_| one.inode != 0);
            let is_open = match (is_home(one), holder) {
                (true, _) => {
                    let (here, there) = one.ends();
                    let is_inner = home.contains(&(one.is_udp(), (there, here)));
                    let is_open = one.is_connected() && !is_inner && !(self.is_ours)(there);
                    if let (false, Some(holder)) = (is_open, holder)
                        && self.kept.insert((name, one.inode))
                    {
                        // It may have been closed meanwhile; without the note it has no use.
                        if let Ok(Some(socket)) = foreign::take(*holder) {
                            (self.keep)(socket).map_err(io::Error::other)?;
                        }
                    }
                    is_open
                }
                (false, Some(holder)) => {
                    if self.foreign.insert((name, one.inode)) {
                        self.closing.deal_with(one, *holder);
                    }
                    one.is_connected()
                }
                (false, None) => false,
            };
            if is_open && diag.destroy(one)? {
                self.closing.closed = self.closing.closed.saturating_add(1);
                found = found.saturating_add(1);
            }
        }
        Ok(found)
    }

    /// Counts the sockets that no namespace listed because they are not bound to anything, and
    /// finds the namespaces of those that were not listed because they are from elsewhere.
    fn unlisted(&mut self, scene: &Scene) -> BTreeMap<Namespace, File> {
        let mut brought = BTreeMap::new();
        let unlisted = scene
            .held
            .iter()
            .filter(|(inode, _)| !self.listed.contains(inode));
        for (_, holder) in unlisted {
            // It may have been closed meanwhile, or is no Internet socket.
            let Ok(Some(socket)) = foreign::take(*holder) else {
                continue;
            };
            match foreign::namespace(&socket).and_then(named) {
                Ok((name, file)) if !self.speakers.contains_key(&name) => {
                    brought.insert(name, file);
                }
                Ok(_) | Err(_) => self.closing.left = self.closing.left.saturating_add(1),
            }
        }
        brought
    }
}

impl Closing {
    /// Does what can be done about a socket of elsewhere, beside closing its connection.
    fn deal_with(&mut self, one: &Listed, holder: Holder) {
        let is_cut_off = !one.is_listener()
            && foreign::take(holder)
                .is_ok_and(|socket| socket.is_some_and(|it| foreign::cut_off(&it).is_ok()));
        let count = if is_cut_off {
            &mut self.cut_off
        } else {
            &mut self.left
        };
        *count = count.saturating_add(1);
    }
}

impl Scene {
    fn of(cgroup: &Cgroup) -> io::Result<Self> {
        let mut scene = Self {
            cgroups: BTreeSet::new(),
            held: BTreeMap::new(),
            namespaces: BTreeMap::new(),
        };
        let mut pids = Vec::new();
        scene.enter(cgroup, &mut pids);
        scene.held = foreign::held(&pids);
        // A socket of the cgroup whose process has gone is most likely in our own namespace.
        let (name, own) = named(File::open("/proc/self/ns/net")?)?;
        scene.namespaces.insert(name, own);
        for pid in pids {
            // A process that has ended has no namespace.
            let namespace = File::open(format!("/proc/{pid}/ns/net")).and_then(named);
            scene.namespaces.extend(namespace);
        }
        Ok(scene)
    }

    fn enter(&mut self, cgroup: &Cgroup, pids: &mut Vec<u32>) {
        self.cgroups.insert(cgroup.id.0);
        // Cgroups come and go while we look; one that is gone has no process and no socket in use.
        pids.extend(cgroup.processes().unwrap_or_default());
        for entry in fs::read_dir(&cgroup.path).into_iter().flatten().flatten() {
            let metadata = entry.metadata().ok();
            if let Some(folder) = metadata.filter(fs::Metadata::is_dir) {
                let child = Cgroup {
                    id: CgroupId(folder.ino()),
                    path: entry.path(),
                };
                self.enter(&child, pids);
            }
        }
    }
}

fn named(namespace: File) -> io::Result<(Namespace, File)> {
    let metadata = namespace.metadata()?;
    Ok(((metadata.dev(), metadata.ino()), namespace))
}

fn explain(error: &io::Error) -> String {
    let stay = "connections that were open before stay direct: restart the processes";
    match error.raw_os_error() {
        Some(libc::EOPNOTSUPP) => {
            format!("this kernel cannot close sockets (CONFIG_INET_DIAG_DESTROY is off); {stay}")
        }
        Some(libc::ENOENT) => {
            format!("this kernel cannot list sockets (modules tcp_diag and udp_diag); {stay}")
        }
        Some(libc::EPERM) => format!("closing sockets needs CAP_NET_ADMIN; {stay}"),
        _ => format!("{error}; {stay}"),
    }
}
