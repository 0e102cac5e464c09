//! Datagrams: questions reach the daemon's resolver with their record, everything else is refused
//! and told.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use gateway_common::coverage::Kind;
use gateway_common::origin::Origin;
use socket2::{Domain, Socket, Type};

use super::stage::{Stage, free_port, total};
use super::{Agent, root_in};
use crate::kernel::{DatagramDestination, Kernel, NetnsId};

/// The daemon's resolver socket at an address, marked.
fn resolver(kernel: &Kernel, stage: &Stage, ip: &str) -> UdpSocket {
    let address = format!("{ip}:{}", stage.options.port);
    let socket = UdpSocket::bind(address).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    kernel.mark_listener(socket.as_fd()).unwrap();
    socket
}

/// Answers one question and returns its record, checked against the cookie that it carries.
fn answer(kernel: &Kernel, resolver: &UdpSocket) -> Origin {
    let mut cookie = [0; 8];
    let (_, from) = resolver.recv_from(&mut cookie).unwrap();
    let netns = NetnsId::of_socket(resolver).unwrap();
    let origin = kernel.datagram_origin(netns, from).unwrap();
    let origin = origin.expect("a record of who asks");
    assert_eq!(origin.source_addr(), from);
    assert_eq!(origin.cookie, u64::from_ne_bytes(cookie));
    assert_eq!(origin.protocol, 17);
    resolver.send_to(&cookie, from).unwrap();
    origin
}

#[test]
fn questions_go_to_the_resolver_with_their_record() {
    let stage = Stage::set();
    let kernel = stage.start();
    kernel.attach(&stage.cgroup).unwrap();
    let v4 = resolver(&kernel, &stage, "127.0.0.1");
    let v6 = resolver(&kernel, &stage, "[::1]");
    for uid in [0, 1000] {
        let agent = Agent {
            cgroup: Some(&stage.cgroup),
            uid,
            namespace: None,
        };
        for (server, resolver) in [
            ("203.0.113.53:53", &v4),
            ("127.0.0.53:53", &v4),
            ("[2001:db8::53]:53", &v6),
            ("[::ffff:203.0.113.53]:53", &v4),
        ] {
            for how in ["ask", "ask-connected"] {
                let asked = std::thread::scope(|scope| {
                    let run = scope.spawn(|| agent.run(&format!("{how} {server}")));
                    let origin = answer(&kernel, resolver);
                    let outcome = run.join().unwrap();
                    assert_eq!(outcome.answers, [server], "{how}");
                    assert_eq!(origin.tgid, outcome.pid);
                    origin
                });
                let mut wanted: SocketAddr = server.parse().unwrap();
                wanted.set_ip(wanted.ip().to_canonical());
                assert_eq!(asked.destination_addr(), wanted);
                assert_eq!(asked.attached, stage.cgroup.id.0);
                assert_eq!(asked.uid, uid);
            }
        }
    }
    assert_eq!(total(&kernel, Kind::Resolver), 16);
}

#[test]
fn without_the_resolver_questions_are_refused() {
    let stage = Stage::set();
    let kernel = stage.start();
    kernel.attach(&stage.cgroup).unwrap();
    let agent = root_in(&stage.cgroup);
    let refused = "ECONNREFUSED: Connection refused";
    assert_eq!(agent.ask("ask 203.0.113.53:53"), refused);
    // Somebody else at the port is not the resolver.
    let squatter = UdpSocket::bind(("127.0.0.1", stage.options.port)).unwrap();
    assert_eq!(agent.ask("ask 203.0.113.53:53"), refused);
    assert_eq!(agent.ask("ask-connected [::ffff:203.0.113.53]:53"), refused);
    squatter.set_nonblocking(true).unwrap();
    assert!(squatter.recv(&mut [0; 8]).is_err());
    assert_eq!(total(&kernel, Kind::NoListener), 3);
}

#[test]
fn other_datagrams_are_refused_and_told() {
    let stage = Stage::set();
    let kernel = stage.start();
    kernel.attach(&stage.cgroup).unwrap();
    let mut sights = kernel.take_sights().unwrap();
    let outside = UdpSocket::bind("127.0.0.1:0").unwrap();
    let local = outside.local_addr().unwrap();
    outside.set_nonblocking(true).unwrap();
    let agent = Agent {
        cgroup: Some(&stage.cgroup),
        uid: 1000,
        namespace: None,
    };
    for how in ["ask", "ask-connected"] {
        let outcome = agent.run(&format!("{how} {local}"));
        assert_eq!(outcome.answers, ["EPERM: Operation not permitted"]);
    }
    assert!(outside.recv(&mut [0; 8]).is_err());
    assert_eq!(total(&kernel, Kind::LocalService), 2);
    let sight = sights.next().expect("the refusal is told");
    assert_eq!(sight.kind(), Some(Kind::LocalService));
    assert_eq!(sight.destination_addr(), local);
    assert_eq!(sight.attached, stage.cgroup.id.0);
    assert_eq!((sight.protocol, sight.process.uid), (17, 1000));
    assert_eq!(sights.next(), None, "the same is told once");

    let allowed = DatagramDestination {
        address: local.ip(),
        prefix: 32,
        port: local.port(),
    };
    kernel.set_datagrams(stage.cgroup.id, &[allowed]).unwrap();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| agent.ask(&format!("ask {local}")));
        outside.set_nonblocking(false).unwrap();
        let mut data = [0; 8];
        let (_, from) = outside.recv_from(&mut data).unwrap();
        outside.send_to(&data, from).unwrap();
        assert_eq!(run.join().unwrap(), local.to_string());
    });
    assert_eq!(total(&kernel, Kind::AllowedDatagram), 1);
    assert_eq!(
        sights.next().and_then(|sight| sight.kind()),
        Some(Kind::AllowedDatagram)
    );
    kernel.set_datagrams(stage.cgroup.id, &[]).unwrap();
    let answer = agent.ask(&format!("ask {local}"));
    assert_eq!(answer, "EPERM: Operation not permitted");
}

#[test]
fn with_nested_cgroups_the_innermost_asks() {
    let stage = Stage::set();
    let kernel = stage.start();
    let inner = stage.child("inner");
    kernel.attach(&stage.cgroup).unwrap();
    kernel.attach(&inner).unwrap();
    let v4 = resolver(&kernel, &stage, "127.0.0.1");
    let agent = root_in(&inner);
    for how in ["ask", "ask-connected"] {
        std::thread::scope(|scope| {
            let run = scope.spawn(|| agent.ask(&format!("{how} 203.0.113.53:53")));
            let origin = answer(&kernel, &v4);
            assert_eq!(origin.attached, inner.id.0);
            assert_eq!(run.join().unwrap(), "203.0.113.53:53");
        });
    }
    assert_eq!(total(&kernel, Kind::Resolver), 2);
    assert_eq!(
        agent.ask("own-udp 127.0.0.1:0 127.0.0.1"),
        "direct, 127.0.0.1"
    );
}

#[test]
fn an_agent_cannot_drown_the_others() {
    let stage = Stage::set();
    let kernel = stage.start();
    kernel.attach(&stage.cgroup).unwrap();
    let mut sights = kernel.take_sights().unwrap();
    assert!(kernel.take_sights().is_none());
    let start = std::time::Instant::now();
    assert_eq!(
        root_in(&stage.cgroup).ask("flood 127.0.0.1:0 20000"),
        "sent"
    );
    let seconds = start.elapsed().as_secs() + 2;
    let told = std::iter::from_fn(|| sights.next()).count();
    let processors = std::thread::available_parallelism().unwrap().get();
    let limit = u64::try_from(64 * processors).unwrap() * seconds;
    assert!(told > 0 && u64::try_from(told).unwrap() <= limit, "{told}");
    assert_eq!(total(&kernel, Kind::LocalService), 20000);
    assert_eq!(kernel.counters().unwrap().sights_lost, 0);
}

#[test]
fn a_broadcast_reaches_nobody_behind_an_own_socket() {
    let stage = Stage::set();
    let kernel = stage.start();
    kernel.attach(&stage.cgroup).unwrap();
    let service = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    service.set_reuse_address(true).unwrap();
    let port = free_port();
    let any = SocketAddr::from(([0, 0, 0, 0], port));
    service.bind(&any.into()).unwrap();
    let service = UdpSocket::from(service);
    service.set_nonblocking(true).unwrap();
    for ip in ["127.255.255.255", "127.0.0.0"] {
        let task = format!("broadcast {ip}:{port}");
        let outside = Agent {
            cgroup: None,
            uid: 1000,
            namespace: None,
        };
        if outside.ask(&task) == "sent" && ip == "127.255.255.255" {
            assert!(service.recv(&mut [0; 8]).is_ok(), "{ip} is no broadcast");
        }
        while service.recv(&mut [0; 8]).is_ok() {}
        let answer = root_in(&stage.cgroup).ask(&task);
        assert_eq!(answer, "EPERM: Operation not permitted", "{ip}");
        assert!(service.recv(&mut [0; 8]).is_err(), "{ip}");
    }
}
