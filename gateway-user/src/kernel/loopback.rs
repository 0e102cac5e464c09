//! Sockets whose packets stay on the loopback device, whatever addresses, rules and routes their
//! network namespace has: whoever rules a namespace rules these, and an agent may.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;

/// The loopback device's index, in every network namespace; its name can be changed.
const DEVICE: libc::c_int = 1;

/// Of linux/in.h and linux/in6.h.
const IP_UNICAST_IF: libc::c_int = 50;
const IPV6_UNICAST_IF: libc::c_int = 76;

/// Has a socket of TCP, or a raw one, send and receive there only. Needs no privileges where it is
/// not bound to a device yet.
pub fn stay(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_BINDTOIFINDEX, DEVICE)
}

/// Has a datagram socket send there only. It is found by the kernel programs as before, which look
/// for sockets of no device.
pub(super) fn answer(socket: BorrowedFd<'_>, is_ipv6: bool) -> io::Result<()> {
    let (level, option) = match is_ipv6 {
        true => (libc::IPPROTO_IPV6, IPV6_UNICAST_IF),
        false => (libc::IPPROTO_IP, IP_UNICAST_IF),
    };
    // In network byte order, unlike everywhere else.
    set(socket, level, option, DEVICE.to_be())
}

fn set(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let size: libc::socklen_t = 4;
    // SAFETY: each of these options is a number of this size, and `value` lives on.
    let result = unsafe {
        let value = (&raw const value).cast();
        libc::setsockopt(socket.as_raw_fd(), level, option, value, size)
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
