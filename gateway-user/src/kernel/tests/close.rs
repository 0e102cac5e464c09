//! What was open before a cgroup was attached, and what becomes of it.
//!
//! The test itself makes the sockets: while its process is in the cgroup they are the cgroup's.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use socket2::{Domain, SockRef, Socket, Type};

use super::stage::{Stage, accept, listener};
use crate::kernel::{Cgroup, Closing, Kernel};

/// Makes something while the process is in the cgroup.
fn inside<T>(stage: &Stage, kernel: &Kernel, make: impl FnOnce() -> T) -> T {
    stage.cgroup.add_process(std::process::id()).unwrap();
    let made = make();
    kernel.daemon.add_process(std::process::id()).unwrap();
    made
}

/// A process in the cgroup that holds `socket` and does nothing.
struct Holder(Child);

impl Holder {
    fn start(cgroup: &Cgroup, socket: impl Into<OwnedFd>) -> Self {
        let child = Command::new("sleep")
            .arg("600")
            .stdin(Stdio::from(socket.into()))
            .spawn()
            .unwrap();
        cgroup.add_process(child.id()).unwrap();
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _waited = self.0.wait();
    }
}

fn server(address: &str) -> (TcpListener, SocketAddr) {
    let server = listener(address.parse().unwrap());
    let address = server.local_addr().unwrap();
    (server, address)
}

fn is_closed(mut stream: &TcpStream) -> bool {
    stream
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let read = stream.read(&mut [0]);
    read.is_err_and(|error| error.kind() == ErrorKind::ConnectionAborted)
}

fn is_open(mut here: &TcpStream, mut there: &TcpStream) -> bool {
    let mut byte = [0];
    here.write_all(&[7]).is_ok() && there.read_exact(&mut byte).is_ok() && byte == [7]
}

fn closed(count: usize) -> Closing {
    Closing {
        closed: count,
        ..Closing::default()
    }
}

#[test]
fn connections_from_before_are_closed_and_no_others() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    let (v4, to_v4) = server("127.0.0.1:0");
    let (v6, to_v6) = server("[::1]:0");
    let mapped = format!("[::ffff:127.0.0.1]:{}", to_v4.port())
        .parse()
        .unwrap();
    let bystander = TcpStream::connect(to_v4).unwrap();
    let by_it = v4.accept().unwrap().0;
    let streams = inside(&stage, &kernel, || {
        [to_v4, to_v6, mapped].map(|to: SocketAddr| TcpStream::connect(to).unwrap())
    });
    let (own, pair) = inside(&stage, &kernel, || {
        let (own, to_own) = server("127.0.0.1:0");
        let here = TcpStream::connect(to_own).unwrap();
        let there = own.accept().unwrap().0;
        (own, (here, there))
    });
    let _accepted = (v4.accept().unwrap(), v6.accept().unwrap());
    let _holders =
        [&pair.0, &pair.1].map(|socket| Holder::start(&stage.cgroup, socket.try_clone().unwrap()));
    kernel.attach(&stage.cgroup).unwrap();
    assert_eq!(kernel.close_earlier(&stage.cgroup).unwrap(), closed(3));
    assert!(streams.iter().all(is_closed));
    assert!(is_open(&bystander, &by_it));
    assert!(is_open(&pair.0, &pair.1), "the agent's own connection");
    drop(own);

    // What the hooks have sent to the daemon is not past them.
    let agent = super::root_in(&stage.cgroup);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| agent.run(&format!("connect {} 1 1", super::V4)));
        let mut accepted = accept(&kernel, &listeners.v4);
        assert_eq!(kernel.close_earlier(&stage.cgroup).unwrap().closed, 0);
        accepted.checked();
        drop(accepted);
        run.join().unwrap();
    });
}

#[test]
fn connected_datagram_sockets_lose_their_peer() {
    let stage = Stage::set();
    let kernel = stage.start();
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let socket = inside(&stage, &kernel, || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server.local_addr().unwrap()).unwrap();
        socket
    });
    kernel.attach(&stage.cgroup).unwrap();
    assert_eq!(kernel.close_earlier(&stage.cgroup).unwrap(), closed(1));
    let _told_of_it = socket.take_error();
    assert!(socket.peer_addr().is_err());
    assert_eq!(kernel.close_earlier(&stage.cgroup).unwrap(), closed(0));
}

#[test]
fn sockets_made_elsewhere_are_cut_off_for_good() {
    let stage = Stage::set();
    let kernel = stage.start();
    let (server, to) = server("127.0.0.1:0");
    let stream = TcpStream::connect(to).unwrap();
    let _accepted = server.accept().unwrap();
    let _holder = Holder::start(&stage.cgroup, stream.try_clone().unwrap());
    kernel.attach(&stage.cgroup).unwrap();
    let expected = Closing {
        closed: 1,
        cut_off: 1,
        ..Closing::default()
    };
    assert_eq!(kernel.close_earlier(&stage.cgroup).unwrap(), expected);
    assert!(is_closed(&stream));
    // Whoever knows how makes a socket free again, but the answer to its SYN does not arrive.
    let socket = SockRef::from(&stream);
    super::agent::disconnect(&socket);
    let address = to.into();
    let again = socket.connect_timeout(&address, Duration::from_millis(300));
    assert_eq!(again.unwrap_err().kind(), ErrorKind::TimedOut);
}

#[test]
fn datagrams_of_a_socket_made_elsewhere_stay_on_the_host() {
    let stage = Stage::set();
    let kernel = stage.start();
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let _holder = Holder::start(&stage.cgroup, socket.try_clone().unwrap());
    kernel.attach(&stage.cgroup).unwrap();
    let closing = kernel.close_earlier(&stage.cgroup).unwrap();
    assert_eq!((closing.cut_off, closing.closed, closing.left), (1, 0, 0));
    let device = SockRef::from(&socket).device().unwrap();
    assert_eq!(device.as_deref(), Some(b"lo".as_slice()));
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.send_to(&[1], ("127.0.0.1", port)).unwrap();
    assert!(socket.recv(&mut [0]).is_err());
}

#[test]
fn what_cannot_be_cut_off_is_told() {
    let stage = Stage::set();
    let kernel = stage.start();
    // As systemd hands it to a service that it starts by its socket.
    let (handed, to) = server("127.0.0.1:0");
    let _holder = Holder::start(&stage.cgroup, handed);
    let fresh = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let _other = Holder::start(&stage.cgroup, fresh);
    kernel.attach(&stage.cgroup).unwrap();
    let closing = kernel.close_earlier(&stage.cgroup).unwrap();
    assert_eq!((closing.left, closing.cut_off), (2, 0), "{closing:?}");
    TcpStream::connect(to).unwrap();
}

#[test]
fn other_network_namespaces_are_looked_into() {
    let stage = Stage::set();
    let kernel = stage.start();
    let elsewhere = |lives_there: bool| {
        let cgroup = &stage.cgroup;
        let thread = move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            let up = Command::new("ip")
                .args(["link", "set", "lo", "up"])
                .status();
            assert!(up.unwrap().success());
            let (server, to) = server("127.0.0.1:0");
            let stream = TcpStream::connect(to).unwrap();
            let accepted = server.accept().unwrap().0;
            let copy = stream.try_clone().unwrap();
            let holder = lives_there.then(|| Holder::start(cgroup, copy));
            (stream, accepted, holder)
        };
        std::thread::scope(|scope| scope.spawn(thread).join().unwrap())
    };
    // One process lives there, the other has only brought a socket from there.
    let (there, _server, _lives_there) = elsewhere(true);
    let (brought, _other_server, _) = elsewhere(false);
    let _lives_here = Holder::start(&stage.cgroup, brought.try_clone().unwrap());
    kernel.attach(&stage.cgroup).unwrap();
    let closing = kernel.close_earlier(&stage.cgroup).unwrap();
    assert_eq!((closing.closed, closing.left), (2, 0), "{closing:?}");
    assert!(is_closed(&there) && is_closed(&brought));
}
