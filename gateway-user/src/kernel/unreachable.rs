//! Tells an agent that its server cannot be reached, as the network would have: by an ICMP error
//! about the SYN that is held.
//!
//! The agent's kernel turns it into the errno that the network's own error would have become, at
//! once and for every kind of `connect`. It believes the error because the quoted SYN has the
//! sequence number of the agent's own. Sources: RFC 792, RFC 4443 section 3.1; the kernel's
//! `icmp_err_convert` and `tcp_v6_err_convert` for the errno.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd as _;

use gateway_common::held::Held;
use gateway_common::origin::Origin;
use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};

use super::loopback;

/// The sockets by which agents of one network namespace are told. Making them needs privileges,
/// using them does not.
#[derive(Debug)]
pub struct Icmp {
    pub(super) v4: Socket,
    /// None where there is no IPv6, over which nobody waits then.
    pub(super) v6: Option<Socket>,
}

/// What the network says of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// Nobody listens there: `ECONNREFUSED`.
    Port,
    /// The host does not answer: `EHOSTUNREACH`.
    Host,
    /// There is no way there: `ENETUNREACH`.
    Net,
}

impl Unreachable {
    /// What an error of a `connect` of our own means for the agent's; none if the agent would have
    /// heard nothing and waited.
    pub fn from_error(error: &io::Error) -> Option<Self> {
        match error.kind() {
            io::ErrorKind::TimedOut => None,
            io::ErrorKind::ConnectionRefused => Some(Self::Port),
            io::ErrorKind::NetworkUnreachable => Some(Self::Net),
            // A firewall's EPERM and EACCES are told like this from one host to another too.
            _ => Some(Self::Host),
        }
    }

    fn code_v4(self) -> u8 {
        match self {
            Self::Net => 0,
            Self::Host => 1,
            Self::Port => 3,
        }
    }

    fn code_v6(self) -> u8 {
        match self {
            Self::Net => 0,
            Self::Host => 3,
            Self::Port => 4,
        }
    }
}

impl Icmp {
    /// Makes them in the network namespace of this thread.
    pub(super) fn open() -> io::Result<Self> {
        let v6 = match raw(Domain::IPV6, Protocol::ICMPV6) {
            Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => None,
            socket => Some(socket?),
        };
        let v4 = raw(Domain::IPV4, Protocol::ICMPV4)?;
        Ok(Self { v4, v6 })
    }

    /// Tells whoever made the connect that is held, as the answer to a SYN to the daemon's `port`.
    pub fn tell(&self, held: &Held, port: u16, why: Unreachable) -> io::Result<()> {
        let agent = held.origin.source_addr();
        let tcp = tcp(&held.origin, held.sequence, port);
        let (socket, message) = match agent {
            SocketAddr::V4(agent) => {
                let quoted = quoted_v4(*agent.ip(), &tcp);
                let message = with_checksum(message(3, why.code_v4(), &quoted));
                (Some(&self.v4), message)
            }
            SocketAddr::V6(agent) => {
                let quoted = quoted_v6(*agent.ip(), &tcp);
                // The kernel computes the checksum of this one.
                (self.v6.as_ref(), message(1, why.code_v6(), &quoted))
            }
        };
        let socket = socket.ok_or(io::ErrorKind::Unsupported)?;
        // To the address alone: raw sockets of IPv6 refuse a port.
        let to = SocketAddr::new(agent.ip(), 0);
        socket.send_to(&message, &to.into()).map(drop)
    }
}

fn raw(domain: Domain, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::RAW.nonblocking(), Some(protocol))?;
    // The address that a SYN came from may be another host's, with `IP_TRANSPARENT`.
    loopback::stay(socket.as_fd())?;
    // It gets all that comes by ICMP too, which nobody reads.
    socket.set_recv_buffer_size(0)?;
    Ok(socket)
}

/// Type, code, checksum to come, unused, and the packet that it is about.
fn message(kind: u8, code: u8, quoted: &[u8]) -> Vec<u8> {
    [&[kind, code, 0, 0, 0, 0, 0, 0], quoted].concat()
}

/// The first eight bytes of the SYN's TCP header: ports and sequence number.
fn tcp(origin: &Origin, sequence: u32, port: u16) -> [u8; 8] {
    let mut header = [0; 8];
    let (ports, number) = header.split_at_mut(4);
    let (from, to) = ports.split_at_mut(2);
    from.copy_from_slice(&origin.source_port.to_be_bytes());
    to.copy_from_slice(&port.to_be_bytes());
    number.copy_from_slice(&sequence.to_be_bytes());
    header
}

fn quoted_v4(from: Ipv4Addr, tcp: &[u8; 8]) -> Vec<u8> {
    // Version and length, service, total length, id, fragment, hops, TCP, checksum left out.
    let head = [0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0];
    let to = Ipv4Addr::LOCALHOST;
    [&head, &from.octets()[..], &to.octets(), tcp].concat()
}

fn quoted_v6(from: Ipv6Addr, tcp: &[u8; 8]) -> Vec<u8> {
    // Version, class and label, payload length, TCP, hops.
    let head = [0x60, 0, 0, 0, 0, 20, 6, 64];
    let to = Ipv6Addr::LOCALHOST;
    [&head, &from.octets()[..], &to.octets(), tcp].concat()
}

/// The checksum of RFC 1071 in its place; the message has an even number of bytes.
fn with_checksum(mut message: Vec<u8>) -> Vec<u8> {
    let (words, _even) = message.as_chunks::<2>();
    let mut sum: u32 = words
        .iter()
        .map(|word| u32::from(u16::from_be_bytes(*word)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !u16::try_from(sum).unwrap_or(0);
    if let Some(place) = message.get_mut(2..4) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_with_its_checksum_sums_to_zero() {
        let quoted = quoted_v4(Ipv4Addr::new(10, 77, 0, 2), &[0xab; 8]);
        let message = with_checksum(message(3, 1, &quoted));
        let (words, _even) = message.as_chunks::<2>();
        let sum: u32 = words
            .iter()
            .map(|word| u32::from(u16::from_be_bytes(*word)))
            .sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        assert_eq!(message.len(), 36);
    }
}
