//! The sockets that agents' questions are sent to: one for IPv4, one for IPv6, at the listeners'
//! addresses and port.

use std::net::UdpSocket;
use std::os::fd::AsFd as _;

use socket2::Type;

use super::listeners::{ListenError, OnLoopback, socket};
use super::loopback;

/// Bytes of questions that may wait to be read. What comes when it is full is lost, and asked again.
const WAITING: usize = 1 << 20;

/// The two sockets.
pub type Resolvers = OnLoopback<UdpSocket>;

/// Opens both, not blocking.
pub fn open(port: u16) -> Result<Resolvers, ListenError> {
    let opened = OnLoopback::open(port, |address| {
        let socket = socket(address, Type::DGRAM)?;
        loopback::answer(socket.as_fd(), address.is_ipv6())?;
        socket.set_recv_buffer_size(WAITING)?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    });
    opened.map_err(|(address, error)| ListenError::new(address, error, |_| None))
}
