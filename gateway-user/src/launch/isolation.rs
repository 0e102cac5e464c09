//! A network namespace with nothing but loopback: whatever the hooks did or did not do, nothing
//! could leave. The daemon's listeners and resolver are made in it before the command starts.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

/// How long the daemon's resolver is waited for, and the pause between two looks.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(2);
/// Where names are looked up.
const DNS: u16 = 53;

/// `RTM_NEWLINK` for interface 1, which is always loopback, with `IFF_UP` (rtnetlink(7)).
const LOOPBACK_UP: Request = Request {
    length: 32,
    kind: 16,
    // NLM_F_REQUEST and NLM_F_ACK
    flags: 1 | 4,
    interface: 1,
    interface_flags: 1,
    interface_change: 1,
};

/// `struct nlmsghdr` and `struct ifinfomsg`, as far as they are not zero.
struct Request {
    length: u32,
    kind: u16,
    flags: u16,
    interface: i32,
    interface_flags: u32,
    interface_change: u32,
}

impl Request {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32);
        bytes.extend(self.length.to_ne_bytes());
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend(self.flags.to_ne_bytes());
        // Sequence number and port, then the interface's family and type.
        bytes.extend([0; 8]);
        bytes.extend([0; 4]);
        bytes.extend(self.interface.to_ne_bytes());
        bytes.extend(self.interface_flags.to_ne_bytes());
        bytes.extend(self.interface_change.to_ne_bytes());
        bytes
    }
}

/// Leaves the host's network for one of our own.
pub(super) fn enter() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let route = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    send(route.as_raw_fd(), &LOOPBACK_UP.bytes(), MsgFlags::empty())?;
    let mut answer = [0; 128];
    let length = recv(route.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    acknowledged(answer.get(..length).unwrap_or_default())
}

/// Waits until the daemon serves the namespace, so that not even the first question is refused. To be
/// called in the run's cgroup: there its hooks refuse to connect a datagram socket to port 53 as
/// long as there is no resolver, and tell the daemon that one is missed. Nothing is sent.
///
/// Goes on after a while all the same: without the daemon the command reaches nothing, and is told.
pub(super) fn await_daemon() -> io::Result<()> {
    let question = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let deadline = Instant::now() + PATIENCE;
    while question.connect((Ipv4Addr::LOCALHOST, DNS)).is_err() && Instant::now() < deadline {
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// `struct nlmsgerr` after the header: 0, or a negated error number.
fn acknowledged(answer: &[u8]) -> io::Result<()> {
    match answer.get(16..20).and_then(|field| field.try_into().ok()) {
        Some(field) => match i32::from_ne_bytes(field) {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error.saturating_neg())),
        },
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_as_long_as_it_says() {
        let length = u32::try_from(LOOPBACK_UP.bytes().len()).unwrap();
        assert_eq!(length, LOOPBACK_UP.length);
    }

    #[test]
    fn refusals_are_errors() {
        let answer = |error: i32| [&[0; 16][..], &error.to_ne_bytes()].concat();
        acknowledged(&answer(0)).unwrap();
        let refused = acknowledged(&answer(-1)).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(1));
        acknowledged(&[0; 4]).unwrap_err();
    }
}
