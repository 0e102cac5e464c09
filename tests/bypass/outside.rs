//! Who is not an agent: a machine in the internet that answers and calls, and a relay on the
//! agent's host that would carry anything out for whoever reaches it.

use std::collections::VecDeque;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use gateway_tests::wait;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket,
    sockopt,
};
use nix::unistd::setfsuid;

use crate::network::{Network, OWN4, inside};

/// The port where the agent listens, and that is called.
const CALLED: u16 = 4000;
const RELAY: u16 = 1080;
/// The port of the server that is a resource.
pub(crate) const NEAR: u16 = 5432;

/// Servers that run until they are dropped.
pub(crate) struct Outside {
    stop: Arc<AtomicBool>,
    /// How often the relay has found nothing more to do.
    idle: Arc<AtomicU32>,
    /// The internet's server; the kernel answers for it, nobody needs to accept.
    _far: TcpListener,
}

impl Outside {
    /// `relay` is the folder of the relay's Unix sockets.
    pub(crate) fn start(network: &Network, relay: &Path) -> Outside {
        let stop = Arc::<AtomicBool>::default();
        let far = inside(network.internet(), || TcpListener::bind("[::]:7").unwrap());
        let near = inside(network.host(), || TcpListener::bind(("::", NEAR)).unwrap());
        std::thread::spawn(move || keep_some(&near));
        let (stream, datagram, local) = inside(network.host(), || {
            (
                TcpListener::bind(("::", RELAY)).unwrap(),
                UdpSocket::bind(("::", RELAY)).unwrap(),
                listen(&relay.join("near")),
            )
        });
        // Servers of the agent's own users that let others of the same user share their port.
        let shared = [(65534, 1081), (0, 1082)]
            .map(|(user, port)| inside(network.host(), || shared(user, port)));
        // A path leads to a socket in whatever network namespace it was made.
        let elsewhere = listen(&relay.join("far"));
        let out = inside(network.host(), || UdpSocket::bind("0.0.0.0:0").unwrap());

        stream.set_nonblocking(true).unwrap();
        datagram
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        let idle = Arc::<AtomicU32>::default();
        let (stopped, looks) = (stop.clone(), idle.clone());
        std::thread::spawn(move || {
            let mut text = [0; 64];
            while !stopped.load(Ordering::Relaxed) {
                for stream in [&stream].into_iter().chain(&shared) {
                    while let Ok((guest, _)) = stream.accept() {
                        carry(&out, hear(guest, &mut text));
                    }
                }
                for local in [&local, &elsewhere] {
                    while let Ok((guest, _)) = local.accept() {
                        carry(&out, hear(OwnedFd::from(guest).into(), &mut text));
                    }
                }
                while let Ok(size) = datagram.recv(&mut text) {
                    carry(&out, &text[..size]);
                }
                looks.fetch_add(1, Ordering::Relaxed);
            }
        });
        Outside {
            stop,
            idle,
            _far: far,
        }
    }

    /// Waits until the relay has carried out all that it was given.
    pub(crate) fn settle(&self) {
        let before = self.idle.load(Ordering::Relaxed);
        wait::until("the relay has nothing to do", || {
            // The look that is under way may have begun too early.
            Ok((self.idle.load(Ordering::Relaxed) > before + 1).then_some(()))
        })
        .unwrap();
    }

    /// Keeps calling the agent's host from these addresses of the internet, until the answer is
    /// dropped.
    pub(crate) fn call(&self, network: &Network, from: &[Ipv4Addr]) -> Caller {
        let stop = Arc::<AtomicBool>::default();
        let (stopped, from) = (stop.clone(), from.to_owned());
        let internet = network.internet().to_owned();
        std::thread::spawn(move || {
            inside(&internet, || {
                while !stopped.load(Ordering::Relaxed) {
                    let _calls: Vec<_> = from.iter().map(|from| knock(*from)).collect();
                    std::thread::sleep(Duration::from_millis(15));
                }
            });
        });
        Caller(stop)
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Calls until it is dropped.
pub(crate) struct Caller(Arc<AtomicBool>);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A listener of that user, whose port others may share.
fn shared(user: u32, port: u16) -> TcpListener {
    // For this thread alone, which is about to end.
    setfsuid(user.into());
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let listener = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
    setsockopt(&listener, sockopt::ReusePort, &true).unwrap();
    let here = SockaddrIn::new(127, 0, 0, 1, port);
    bind(listener.as_raw_fd(), &here).unwrap();
    nix::sys::socket::listen(&listener, Backlog::MAXCONN).unwrap();
    listener.into()
}

fn listen(path: &Path) -> UnixListener {
    let listener = UnixListener::bind(path).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

fn hear(mut guest: TcpStream, text: &mut [u8]) -> &[u8] {
    guest
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let size = guest.read(text).unwrap_or(0);
    &text[..size]
}

/// Accepts whoever comes, and has the latest of them open.
fn keep_some(server: &TcpListener) {
    const MOST: usize = 256;
    let mut open = VecDeque::new();
    for guest in server.incoming() {
        open.push_back(guest);
        if open.len() > MOST {
            open.pop_front();
        }
    }
}

/// `ADDRESS TEXT`: sends the text there.
fn carry(out: &UdpSocket, errand: &[u8]) {
    let errand = String::from_utf8_lossy(errand);
    if let Some((address, text)) = errand.split_once(' ')
        && let Ok(address) = address.parse::<Ipv4Addr>()
    {
        out.send_to(text.as_bytes(), (address, 7)).unwrap();
    }
}

/// A SYN from that address; the connection lives as long as the socket.
fn knock(from: Ipv4Addr) -> Option<std::os::fd::OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let call = socket(AddressFamily::Inet, SockType::Stream, flags, None).ok()?;
    setsockopt(&call, sockopt::ReuseAddr, &true).ok()?;
    // Ends with a reset, so that the address is free for the next call.
    let at_once = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&call, sockopt::Linger, &at_once).ok()?;
    let from = SockaddrIn::from(std::net::SocketAddrV4::new(from, CALLED));
    bind(call.as_raw_fd(), &from).ok()?;
    let SocketAddr::V4(to) = SocketAddr::new(OWN4.parse().ok()?, CALLED) else {
        return None;
    };
    // It is in progress, or refused: both are an answer.
    let _ = connect(call.as_raw_fd(), &SockaddrIn::from(to));
    Some(call)
}
