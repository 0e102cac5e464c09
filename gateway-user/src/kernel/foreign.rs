//! Sockets that the processes of a cgroup hold, and how one that was made elsewhere is cut off.
//!
//! A socket belongs for ever to the cgroup it was made in, so the hooks of another cgroup never
//! see it. It can be destroyed, but a process that knows how connects it anew; so what is cut off
//! gets a filter that lets nothing in, not even the answer to a SYN, and is bound to the loopback
//! device, so that no datagram leaves the host. The process cannot take the filter off again, the
//! device only with `CAP_NET_RAW`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{
    AddressFamily, SockaddrLike, SockaddrStorage, getsockname, setsockopt, sockopt,
};

/// Where a socket is found: a process and its descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) pid: u32,
    fd: i32,
}

/// The sockets that the processes hold, by inode. Those of threads with descriptors of their own
/// and those hidden in io_uring are not found.
pub(super) fn held(pids: &[u32]) -> BTreeMap<u64, Holder> {
    let mut held = BTreeMap::new();
    for pid in pids {
        // A process that has ended holds nothing.
        let entries = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        for entry in entries {
            let fd = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            let target = fs::read_link(entry.path()).ok();
            let inode = target.and_then(|target| {
                let text = target.to_str()?;
                text.strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .parse()
                    .ok()
            });
            if let (Some(fd), Some(inode)) = (fd, inode) {
                held.insert(inode, Holder { pid: *pid, fd });
            }
        }
    }
    held
}

/// The process's own socket, in our hands too; none if it is no Internet socket.
pub(super) fn take(holder: Holder) -> io::Result<Option<OwnedFd>> {
    let pidfd = {
        // SAFETY: takes and gives numbers only.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, holder.pid, 0) };
        owned(fd)?
    };
    // SAFETY: takes and gives numbers only; `pidfd` is open.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), holder.fd, 0) };
    let socket = owned(fd)?;
    let family = getsockname::<SockaddrStorage>(socket.as_raw_fd())?.family();
    let is_internet = matches!(family, Some(AddressFamily::Inet | AddressFamily::Inet6));
    Ok(is_internet.then_some(socket))
}

/// The network namespace that a socket is in.
pub(super) fn namespace(socket: &impl AsFd) -> io::Result<File> {
    /// `SIOCGSKNS`.
    const GET_NAMESPACE: libc::c_ulong = 0x894c;
    // SAFETY: the request takes no argument and gives a descriptor.
    let fd = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), GET_NAMESPACE) };
    owned(fd.into()).map(File::from)
}

/// Cuts a socket off, whatever becomes of it.
pub(super) fn cut_off(socket: &impl AsFd) -> io::Result<()> {
    const RETURN: u16 = 0x06;
    // "Keep 0 bytes of every packet", which drops it.
    let nothing = libc::sock_filter {
        code: RETURN,
        jt: 0,
        jf: 0,
        k: 0,
    };
    let program = libc::sock_fprog {
        len: 1,
        filter: (&raw const nothing).cast_mut(),
    };
    set(socket, libc::SO_ATTACH_FILTER, &program)?;
    set(socket, libc::SO_LOCK_FILTER, &1_i32)?;
    setsockopt(socket, sockopt::BindToDevice, &"lo".into())?;
    Ok(())
}

fn set<T>(socket: &impl AsFd, option: i32, value: &T) -> io::Result<()> {
    let size = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: `value` is a whole value of `size` bytes, and what it points to lives in the caller.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            std::ptr::from_ref(value).cast(),
            size,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    match i32::try_from(fd) {
        // SAFETY: the kernel has just given it to us, close-on-exec, and nobody else owns it.
        Ok(fd @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
