//! `Peer`: who speaks over the control socket, as the kernel says, and whether they may.
//!
//! The socket's own mode (0660, root and the operators' group) keeps others out already; this
//! check is the second look, and what the enforcement log names.

use std::path::{Path, PathBuf};

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use gateway_core::approvals::person::{Person, Seat};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use tokio::net::UnixListener;

use crate::observe::enforcement::Operator;

/// The group whose members may speak to the daemon, where it exists.
pub const OPERATORS: &str = "gateway-operators";

/// The group whose members may speak to the daemon about approvals, where it exists. It makes nobody
/// an approver.
pub const APPROVERS: &str = "gateway-approvers";

/// The process at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its process, when it is in our PID namespace or below.
    pub pid: Option<i32>,
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        match stream.io().peer_cred() {
            Ok(credentials) => Self {
                uid: credentials.uid(),
                pid: credentials.pid(),
            },
            // Fails closed: nobody has these ids, so nobody is let in by them.
            Err(_) => Self {
                uid: u32::MAX,
                pid: None,
            },
        }
    }
}

impl From<Peer> for Operator {
    fn from(peer: Peer) -> Self {
        // A process outside our PID namespace has no number here, as the kernel itself shows it.
        let pid = peer
            .pid
            .and_then(|pid| u32::try_from(pid).ok())
            .unwrap_or(0);
        Self { uid: peer.uid, pid }
    }
}

impl Peer {
    /// Whether the peer is root or an operator, by the user database: what groups its process runs with is not
    /// looked at, here and below, for a program may lend them. Blocks.
    pub fn is_permitted(&self) -> bool {
        self.uid == 0 || group_of(OPERATORS).is_some_and(|group| self.belongs_to(group))
    }

    /// Whether the peer may speak about approvals. Blocks.
    pub fn may_approve(&self) -> bool {
        group_of(APPROVERS).is_some_and(|group| self.belongs_to(group))
    }

    /// The account, and the groups that the user database gives it; none for a user that it does not
    /// know. Blocks.
    pub fn person(&self, seat: Seat) -> Option<Person> {
        let user = User::from_uid(Uid::from_raw(self.uid)).ok().flatten()?;
        let groups = supplementary(self.uid).into_iter();
        let names = groups.filter_map(|id| Some(Group::from_gid(id).ok()??.name));
        Some(Person {
            name: user.name,
            uid: self.uid,
            groups: names.collect(),
            seat,
        })
    }

    /// The path of the cgroup that its process is in, below the cgroup v2 mount; none when the
    /// process has ended or cannot be seen from here.
    pub fn cgroup(&self) -> Option<PathBuf> {
        let pid = self.pid.filter(|pid| *pid > 0)?;
        let table = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let path = table.lines().find_map(|line| line.strip_prefix("0::/"))?;
        Some(PathBuf::from(path))
    }

    /// Whether all processes in a cgroup, or below it, are the peer and who started it. False where that
    /// cannot be found out.
    pub fn is_alone_in(&self, cgroup: &Path) -> bool {
        let Some(pid) = self.pid.filter(|pid| *pid > 0) else {
            return false;
        };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
        let parent = status.ok().and_then(|text| {
            let mut lines = text.lines();
            let parent = lines.find_map(|line| line.strip_prefix("PPid:"))?;
            parent.trim().parse::<i32>().ok()
        });
        parent.is_some_and(|parent| holds_none_but(cgroup, &[pid, parent]))
    }

    fn belongs_to(&self, group: Gid) -> bool {
        supplementary(self.uid).contains(&group)
    }
}

fn holds_none_but(cgroup: &Path, allowed: &[i32]) -> bool {
    let Ok(listed) = std::fs::read_to_string(cgroup.join("cgroup.procs")) else {
        return false;
    };
    let mut pids = listed.lines().map(str::parse::<i32>);
    let Ok(entries) = std::fs::read_dir(cgroup) else {
        return false;
    };
    let folders = entries.flatten().map(|entry| entry.path());
    pids.all(|pid| pid.is_ok_and(|pid| allowed.contains(&pid)))
        && folders
            .filter(|path| path.is_dir())
            .all(|below| holds_none_but(&below, allowed))
}

/// A group, where the host has it.
pub fn group_of(name: &str) -> Option<Gid> {
    // A group database that cannot be read is like one without the group: only root is let in.
    Group::from_name(name).ok().flatten().map(|group| group.gid)
}

/// The groups that the user database gives to `uid`; none for a user it does not know.
fn supplementary(uid: u32) -> Vec<Gid> {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.and_then(|user| {
        let name = std::ffi::CString::new(user.name).ok()?;
        getgrouplist(&name, user.gid).ok()
    })
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_alone_in_a_cgroup_is_told_by_all_below_it() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let write = |at: &Path, pids: &str| std::fs::write(at.join("cgroup.procs"), pids).unwrap();
        write(folder.path(), "7\n8\n");
        write(&inner, "");
        assert!(holds_none_but(folder.path(), &[8, 7]));
        write(&inner, "9\n");
        assert!(!holds_none_but(folder.path(), &[8, 7]));
        std::fs::remove_file(inner.join("cgroup.procs")).unwrap();
        assert!(!holds_none_but(folder.path(), &[8, 7]));
    }

    #[test]
    fn a_person_is_who_the_user_database_says() {
        let peer = |uid| Peer { uid, pid: None };
        let root = peer(0).person(Seat::Host).unwrap();
        assert_eq!((root.name.as_str(), root.uid), ("root", 0));
        assert!(root.groups.contains(&"root".to_owned()), "{root:?}");
        // Not by the group that its process runs with.
        let nobody = peer(65534).person(Seat::Host).unwrap();
        assert!(!nobody.groups.contains(&"root".to_owned()), "{nobody:?}");
        assert_eq!(peer(3_999_999_999).person(Seat::Host), None);
    }

    #[test]
    fn root_is_permitted_and_nobody_is_not() {
        assert!(Peer { uid: 0, pid: None }.is_permitted());
        assert!(
            !Peer {
                uid: u32::MAX,
                pid: None
            }
            .is_permitted()
        );
        assert!(
            !Peer {
                uid: 65534,
                pid: None
            }
            .is_permitted()
        );
    }
}
