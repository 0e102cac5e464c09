//! The kernel's list of Internet sockets (netlink `sock_diag`, sock_diag(7)): read it, and destroy
//! sockets in it.
//!
//! One [`Diag`] speaks to one network namespace, whose sockets it sees. Only what closing needs is
//! read. What is closed and why is in `close`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

/// Message types (linux/netlink.h, linux/sock_diag.h).
const ERROR: u16 = 2;
const DONE: u16 = 3;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
/// `NLM_F_REQUEST`, `NLM_F_ACK`, `NLM_F_DUMP`.
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
/// `INET_DIAG_CGROUP_ID`, told of every socket since Linux 5.9.
const CGROUP_ID: u16 = 21;
/// Sizes of `nlmsghdr`, `inet_diag_sockid` and `inet_diag_msg`.
const HEADER: usize = 16;
const ID: usize = 48;
const MESSAGE: usize = 72;
/// More than the kernel puts into one part of a dump.
const BUFFER: usize = 64 << 10;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Speaks to one network namespace.
#[derive(Debug)]
pub(super) struct Diag(OwnedFd);

/// A TCP or UDP socket as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    family: u8,
    protocol: u8,
    state: u8,
    /// `struct inet_diag_sockid`, with the cookie that names this very socket.
    id: [u8; ID],
    /// As `/proc/PID/fd` names it; 0 if no process has it.
    pub(super) inode: u64,
    /// The cgroup it was made in; none for one that is not a whole socket.
    pub(super) cgroup: Option<u64>,
}

impl Diag {
    /// Speaks to the network namespace that `namespace` is open on.
    pub(super) fn in_namespace(namespace: impl AsFd + Send) -> io::Result<Self> {
        // On a thread of its own, since only a thread that ends need not find its way back.
        let opened = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(namespace, CloneFlags::CLONE_NEWNET)?;
                Self::open()
            });
            thread.join()
        });
        opened.unwrap_or_else(|_| Err(io::Error::other("the thread for the namespace failed")))
    }

    fn open() -> io::Result<Self> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkSockDiag,
        )?;
        Ok(Self(fd))
    }

    /// All TCP and UDP sockets of the namespace but those that wait for nothing any more.
    pub(super) fn all(&self) -> io::Result<Vec<Listed>> {
        let mut all = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            for protocol in [TCP, UDP] {
                self.list(number(family), protocol, &mut all)?;
            }
        }
        Ok(all)
    }

    /// Ends a socket as if its connection had failed (`ECONNABORTED`). Says whether it was still
    /// there. A kernel without `CONFIG_INET_DIAG_DESTROY` fails with `EOPNOTSUPP`.
    pub(super) fn destroy(&self, one: &Listed) -> io::Result<bool> {
        self.ask(
            SOCK_DESTROY,
            REQUEST | ACK,
            one.family,
            one.protocol,
            &one.id,
        )?;
        let mut buffer = vec![0; BUFFER];
        let length = self.receive(&mut buffer)?;
        let answer = buffer.get(..length).unwrap_or_default();
        match parts(answer)
            .next()
            .and_then(|(kind, body)| failure(kind, body))
        {
            Some(0) => Ok(true),
            Some(error) if [Errno::ENOENT, Errno::ESTALE].contains(&Errno::from_raw(error)) => {
                Ok(false)
            }
            Some(error) => Err(io::Error::from_raw_os_error(error)),
            None => Err(io::Error::other("no answer to SOCK_DESTROY")),
        }
    }

    fn list(&self, family: u8, protocol: u8, all: &mut Vec<Listed>) -> io::Result<()> {
        self.ask(
            SOCK_DIAG_BY_FAMILY,
            REQUEST | DUMP,
            family,
            protocol,
            &[0; ID],
        )?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = self.receive(&mut buffer)?;
            for (kind, body) in parts(buffer.get(..length).unwrap_or_default()) {
                match kind {
                    DONE => return Ok(()),
                    SOCK_DIAG_BY_FAMILY => all.extend(Listed::read(protocol, body)),
                    _ => {
                        if let Some(error) = failure(kind, body).filter(|error| *error != 0) {
                            // No such family on this host: it has no sockets either.
                            return match Errno::from_raw(error) {
                                Errno::EAFNOSUPPORT => Ok(()),
                                _ => Err(io::Error::from_raw_os_error(error)),
                            };
                        }
                    }
                }
            }
        }
    }

    /// Sends an `inet_diag_req_v2`.
    fn ask(
        &self,
        kind: u16,
        flags: u16,
        family: u8,
        protocol: u8,
        id: &[u8; ID],
    ) -> io::Result<()> {
        let mut message = Vec::with_capacity(HEADER + 8 + ID);
        let length = u32::try_from(HEADER + 8 + ID).unwrap_or_default();
        message.extend(length.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend([0; 8]);
        message.extend([family, protocol, 0, 0]);
        message.extend(Listed::STATES.to_ne_bytes());
        message.extend(id);
        send(self.0.as_raw_fd(), &message, MsgFlags::empty())?;
        Ok(())
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match recv(self.0.as_raw_fd(), buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                outcome => return Ok(outcome?),
            }
        }
    }
}

impl Listed {
    /// TCP states (net/tcp_states.h); UDP has `ESTABLISHED` for connected, `CLOSE` for others.
    const ESTABLISHED: u8 = 1;
    const TIME_WAIT: u8 = 6;
    const CLOSE: u8 = 7;
    const LISTEN: u8 = 10;
    /// All but `TIME_WAIT`, as a set of bits; the highest are bound sockets, since Linux 6.8.
    const STATES: u32 = 0x3fff & !(1 << Self::TIME_WAIT);

    /// Whether it has a peer.
    pub(super) fn is_connected(&self) -> bool {
        match self.protocol {
            TCP => ![Self::CLOSE, Self::LISTEN].contains(&self.state),
            _ => self.state == Self::ESTABLISHED,
        }
    }

    /// Whether connections come to it.
    pub(super) fn is_listener(&self) -> bool {
        self.protocol == TCP && self.state == Self::LISTEN
    }

    /// Whether it is a datagram socket.
    pub(super) fn is_udp(&self) -> bool {
        self.protocol == UDP
    }

    /// Its own address and its peer's, v4-mapped ones as IPv4.
    pub(super) fn ends(&self) -> (SocketAddr, SocketAddr) {
        let port = |at: usize| {
            let bytes = self
                .id
                .get(at..at + 2)
                .and_then(|bytes| bytes.try_into().ok());
            u16::from_be_bytes(bytes.unwrap_or_default())
        };
        let address = |at: usize| -> IpAddr {
            let bytes: [u8; 16] = self
                .id
                .get(at..at + 16)
                .and_then(|bytes| bytes.try_into().ok())
                .unwrap_or_default();
            match bytes {
                [a, b, c, d, ..] if self.family == number(AddressFamily::Inet) => {
                    Ipv4Addr::new(a, b, c, d).into()
                }
                _ => Ipv6Addr::from(bytes).to_canonical(),
            }
        };
        (
            SocketAddr::new(address(4), port(0)),
            SocketAddr::new(address(20), port(2)),
        )
    }

    /// `struct inet_diag_msg` and the attributes behind it.
    fn read(protocol: u8, body: &[u8]) -> Option<Self> {
        let (message, attributes) = body.split_at_checked(MESSAGE)?;
        let id = message.get(4..4 + ID)?.try_into().ok()?;
        let inode = message.get(68..72)?.try_into().ok()?;
        Some(Self {
            family: *message.first()?,
            protocol,
            state: *message.get(1)?,
            id,
            inode: u32::from_ne_bytes(inode).into(),
            cgroup: attribute(attributes, CGROUP_ID)
                .and_then(|value| Some(u64::from_ne_bytes(value.get(..8)?.try_into().ok()?))),
        })
    }
}

/// A family as netlink has it, in one byte.
fn number(family: AddressFamily) -> u8 {
    match family {
        AddressFamily::Inet6 => 10,
        _ => 2,
    }
}

/// The errno of an `NLMSG_ERROR`, 0 for success; none for another message.
fn failure(kind: u16, body: &[u8]) -> Option<i32> {
    let number = body.get(..4)?.try_into().ok()?;
    (kind == ERROR).then(|| i32::from_ne_bytes(number).saturating_neg())
}

/// The messages of a datagram: their types and bodies.
fn parts(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?);
        let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
        let length = usize::try_from(length).ok()?;
        let body = bytes.get(HEADER..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((kind, body))
    })
}

/// The value of the attribute `wanted`.
fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length: usize = u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?).into();
        let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?);
        let value = bytes.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        bytes = bytes.get(aligned(length)..)?;
    }
}

fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}
