//! What agents attempt beside connecting: sockets of other kinds, servers of their own, and packets
//! that go another way. `agent` runs them; each tells what the process saw.

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd};
use std::time::Duration;

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, Socket, Type};

use super::agent::errno;

/// How long a connection that goes nowhere is waited for.
const SHORT: Duration = Duration::from_millis(600);

/// Does what the words say, the second of which is an address or a family of them, and tells how it went.
pub(super) fn attempt(words: &[&str]) -> String {
    if let ["family", family, kind] = words {
        let (family, kind): (i32, i32) = (family.parse().unwrap(), kind.parse().unwrap());
        return match Socket::new(family.into(), kind.into(), None) {
            Ok(_) => String::from("made"),
            Err(error) => told(Err(error)),
        };
    }
    let address: SocketAddr = words[1].parse().unwrap();
    let done = match words[0] {
        "socket" => socket(
            address,
            words[2].parse().unwrap(),
            words[3].parse().unwrap(),
        ),
        "bind" => TcpListener::bind(address).map(|_| String::from("bound")),
        "bind-udp" => UdpSocket::bind(address).map(|_| String::from("bound")),
        "own-tcp" => own_server(address, words[2].parse().unwrap()),
        "own-udp" => own_datagrams(address, words[2].parse().unwrap()),
        "send" => send(address, false),
        "send-connected" => send(address, true),
        "flood" => flood(words[2].parse().unwrap()),
        "broadcast" => broadcast(address),
        "listen" => listen(address),
        "device" => through_device(address, words[2]),
        "routing-header" => by_routing_header(address, words[2].parse().unwrap()),
        "source-route" => by_source_route(address, words[2].parse().unwrap()),
        "join" => join(address),
        other => panic!("no task {other}"),
    };
    done.unwrap_or_else(|error| told(Err(error)))
}

fn socket(family: SocketAddr, kind: i32, protocol: i32) -> std::io::Result<String> {
    let domain = Domain::for_address(family);
    Socket::new(domain, kind.into(), Some(protocol.into())).map(|_| String::from("made"))
}

/// A server and its client in one process. "direct" if they meet.
fn own_server(server: SocketAddr, ip: IpAddr) -> std::io::Result<String> {
    let server = TcpListener::bind(server)?;
    let address = SocketAddr::new(ip, server.local_addr()?.port());
    let mut client = TcpStream::connect(address)?;
    let shown = client.peer_addr()?;
    server.set_nonblocking(true)?;
    // The client may be connected a moment before the server's kernel side knows.
    let patience = PollTimeout::try_from(SHORT).unwrap_or(PollTimeout::ZERO);
    poll(
        &mut [PollFd::new(server.as_fd(), PollFlags::POLLIN)],
        patience,
    )?;
    let Ok((mut accepted, from)) = server.accept() else {
        return Ok(String::from("elsewhere"));
    };
    accepted.set_nonblocking(false)?;
    client.write_all(b"question")?;
    accepted.read_exact(&mut [0; 8])?;
    accepted.write_all(b"answer")?;
    client.read_exact(&mut [0; 6])?;
    assert_eq!(from.port(), client.local_addr()?.port());
    assert_eq!(shown.port(), address.port());
    Ok(format!("direct, {}", shown.ip()))
}

fn own_datagrams(server: SocketAddr, ip: IpAddr) -> std::io::Result<String> {
    let any: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let (server, client) = (UdpSocket::bind(server)?, UdpSocket::bind((any, 0))?);
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    }
    let address = SocketAddr::new(ip, server.local_addr()?.port());
    client.send_to(b"question", address)?;
    let (_, from) = server.recv_from(&mut [0; 8])?;
    server.send_to(b"answer", from)?;
    let (_, from) = client.recv_from(&mut [0; 8])?;
    // And connected, as getaddrinfo and QUIC do.
    client.connect(address)?;
    client.send(b"question")?;
    let (_, back) = server.recv_from(&mut [0; 8])?;
    server.send_to(b"answer", back)?;
    client.recv(&mut [0; 8])?;
    Ok(format!("direct, {}", from.ip()))
}

fn send(to: SocketAddr, is_connected: bool) -> std::io::Result<String> {
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM, None)?;
    if is_connected {
        socket.connect(&to.into())?;
        socket.send(b"datagram")?;
    } else {
        socket.send_to(b"datagram", &to.into())?;
    }
    Ok(String::from("sent"))
}

/// So many datagrams, each to somewhere else.
fn flood(count: u32) -> std::io::Result<String> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    for index in 0..count {
        let somewhere = Ipv4Addr::from(0x7f01_0000 + index);
        let sent = socket.send_to(b"datagram", (somewhere, 9));
        assert!(sent.is_err());
    }
    Ok(String::from("sent"))
}

/// To all sockets that have the port, of which one is the agent's own.
fn broadcast(to: SocketAddr) -> std::io::Result<String> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, to.port())).into())?;
    socket.send_to(b"datagram", &to.into())?;
    Ok(String::from("sent"))
}

/// Waits for somebody to connect.
fn listen(address: SocketAddr) -> std::io::Result<String> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.bind(&address.into())?;
    socket.listen(8)?;
    socket.set_read_timeout(Some(Duration::from_secs(3)))?;
    socket.accept().map(|_| String::from("somebody came"))
}

fn through_device(address: SocketAddr, device: &str) -> std::io::Result<String> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.bind_device(Some(device.as_bytes()))?;
    socket.connect_timeout(&address.into(), SHORT)?;
    Ok(String::from("connected"))
}

/// IPv6 segment routing: the packets go to `via` first, whatever `connect` was told.
fn by_routing_header(address: SocketAddr, via: Ipv6Addr) -> std::io::Result<String> {
    const IPV6_RTHDR: i32 = 57;
    // Next header, length in units of 8, type 4, segments left, last entry, flags, tag.
    let mut header = vec![0, 4, 4, 1, 1, 0, 0, 0];
    header.extend([via.octets(), via.octets()].concat());
    let sent = datagram_with(address, libc::IPPROTO_IPV6, IPV6_RTHDR, &header);
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None)?;
    set(&socket, libc::IPPROTO_IPV6, IPV6_RTHDR, &header)?;
    let connected = socket.connect_timeout(&address.into(), SHORT);
    Ok(format!("{}, {}", told(connected), told(sent)))
}

/// IPv4 loose source routing, likewise.
fn by_source_route(address: SocketAddr, via: Ipv4Addr) -> std::io::Result<String> {
    let SocketAddr::V4(to) = address else {
        panic!("{address} is not IPv4");
    };
    let mut options = vec![1, 131, 11, 4];
    options.extend([via.octets(), to.ip().octets()].concat());
    let sent = datagram_with(address, libc::IPPROTO_IP, libc::IP_OPTIONS, &options);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    set(&socket, libc::IPPROTO_IP, libc::IP_OPTIONS, &options)?;
    let connected = socket.connect_timeout(&address.into(), SHORT);
    Ok(format!("{}, {}", told(connected), told(sent)))
}

/// A question at port 53 with an option set.
fn datagram_with(to: SocketAddr, level: i32, option: i32, value: &[u8]) -> std::io::Result<()> {
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP))?;
    set(&socket, level, option, value)?;
    let to = SocketAddr::new(to.ip(), 53);
    socket.send_to(b"question", &to.into()).map(drop)
}

fn join(group: SocketAddr) -> std::io::Result<String> {
    let socket = Socket::new(Domain::for_address(group), Type::DGRAM, None)?;
    match group.ip() {
        IpAddr::V4(ip) => socket.join_multicast_v4(&ip, &Ipv4Addr::UNSPECIFIED)?,
        IpAddr::V6(ip) => socket.join_multicast_v6(&ip, 0)?,
    }
    // The report is on its way at once; membership ends with the socket.
    let mut nothing = [MaybeUninit::uninit()];
    socket.set_read_timeout(Some(SHORT))?;
    let _nothing_comes = socket.recv(&mut nothing);
    Ok(String::from("joined"))
}

pub(super) fn set(
    socket: &impl AsRawFd,
    level: i32,
    option: i32,
    value: &[u8],
) -> std::io::Result<()> {
    let size = libc::socklen_t::try_from(value.len()).unwrap();
    // SAFETY: `value` is as long as `size` says.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            value.as_ptr().cast(),
            size,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

fn told(result: std::io::Result<()>) -> String {
    match result {
        Ok(()) => String::from("ok"),
        Err(error) if error.raw_os_error().is_none() => error.kind().to_string(),
        Err(error) => errno(&error),
    }
}
