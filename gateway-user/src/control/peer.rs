//! `Peer`: who speaks over the control socket, as the kernel says, and whether they may.
//!
//! The socket's own mode (0660, root and the operators' group) keeps others out already; this
//! check is the second look, and what the enforcement log names.

use std::path::PathBuf;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use tokio::net::UnixListener;

use crate::observe::enforcement::Operator;

/// The group whose members may speak to the daemon, where it exists.
pub const OPERATORS: &str = "gateway-operators";

/// The process at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
    /// Its process, when it is in our PID namespace or below.
    pub pid: Option<i32>,
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        match stream.io().peer_cred() {
            Ok(credentials) => Self {
                uid: credentials.uid(),
                gid: credentials.gid(),
                pid: credentials.pid(),
            },
            // Fails closed: nobody has these ids, so nobody is let in by them.
            Err(_) => Self {
                uid: u32::MAX,
                gid: u32::MAX,
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
    /// Whether the peer is root or an operator.
    pub fn is_permitted(&self) -> bool {
        self.uid == 0 || operators().is_some_and(|group| self.belongs_to(group))
    }

    /// The path of the cgroup that its process is in, below the cgroup v2 mount; none when the
    /// process has ended or cannot be seen from here.
    pub fn cgroup(&self) -> Option<PathBuf> {
        let pid = self.pid.filter(|pid| *pid > 0)?;
        let table = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let path = table.lines().find_map(|line| line.strip_prefix("0::/"))?;
        Some(PathBuf::from(path))
    }

    fn belongs_to(&self, group: Gid) -> bool {
        Gid::from_raw(self.gid) == group || supplementary(self.uid).contains(&group)
    }
}

/// The operators' group, where it exists.
pub fn operators() -> Option<Gid> {
    // A group database that cannot be read is like one without the group: only root is let in.
    Group::from_name(OPERATORS)
        .ok()
        .flatten()
        .map(|group| group.gid)
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
    fn root_is_permitted_and_nobody_is_not() {
        assert!(
            Peer {
                uid: 0,
                gid: 0,
                pid: None
            }
            .is_permitted()
        );
        assert!(
            !Peer {
                uid: u32::MAX,
                gid: u32::MAX,
                pid: None
            }
            .is_permitted()
        );
        assert!(
            !Peer {
                uid: 65534,
                gid: 65534,
                pid: None
            }
            .is_permitted()
        );
    }
}
