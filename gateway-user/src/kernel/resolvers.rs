//! The sockets that agents' questions are sent to: one for IPv4, one for IPv6, at the listeners'
//! addresses and port.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;

use socket2::{Domain, Protocol, Socket, Type};

use super::listeners::{ListenError, has_no_ipv6};
use super::loopback;

/// Bytes of questions that may wait to be read. What comes when it is full is lost, and asked again.
const WAITING: usize = 1 << 20;

/// The two sockets.
#[derive(Debug)]
pub struct Resolvers {
    /// On 127.0.0.1.
    pub v4: UdpSocket,
    /// On `[::1]`; none on a host without IPv6.
    pub v6: Option<UdpSocket>,
}

/// Opens both, not blocking.
pub fn open(port: u16) -> Result<Resolvers, ListenError> {
    let v4 = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let v6 = match bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))) {
        Ok(socket) => Some(socket),
        Err(ListenError::Failed { source, .. }) if has_no_ipv6(&source) => None,
        Err(error) => return Err(error),
    };
    Ok(Resolvers { v4, v6 })
}

fn bind(address: SocketAddr) -> Result<UdpSocket, ListenError> {
    let open = || -> io::Result<UdpSocket> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        loopback::answer(socket.as_fd(), address.is_ipv6())?;
        socket.set_nonblocking(true)?;
        socket.set_recv_buffer_size(WAITING)?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    };
    open().map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken {
            address,
            holder: None,
        },
        _ => ListenError::Failed { address, source },
    })
}
