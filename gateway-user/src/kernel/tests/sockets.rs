//! Which sockets agents may have, where they may be bound, and that their own servers are theirs.

use std::net::{TcpListener, TcpStream};

use gateway_common::coverage::Kind;

use super::stage::{Stage, accept, is_idle, total};
use super::{Agent, both_in, root_in};

#[test]
fn only_tcp_and_udp_sockets_are_made() {
    const STREAM: i32 = 1;
    const DGRAM: i32 = 2;
    const RAW: i32 = 3;
    const SEQPACKET: i32 = 5;
    let stage = Stage::set();
    let kernel = stage.start();
    kernel.attach(&stage.cgroup).unwrap();
    // Whether the kernel has the protocol at all is known from outside.
    let outside = Agent {
        cgroup: None,
        uid: 0,
        namespace: None,
    };
    for agent in both_in(&stage.cgroup) {
        for family in ["0.0.0.0:0", "[::]:0"] {
            let ask = |agent: &Agent<'_>, kind: i32, protocol: i32| {
                agent.ask(&format!("socket {family} {kind} {protocol}"))
            };
            for (kind, protocol) in [(STREAM, 0), (STREAM, 6), (DGRAM, 0), (DGRAM, 17)] {
                assert_eq!(ask(&agent, kind, protocol), "made");
            }
            for (kind, protocol, told) in [
                (STREAM, 262, Kind::Mptcp),
                (RAW, 255, Kind::Raw),
                (RAW, 17, Kind::Raw),
                (DGRAM, 1, Kind::Ping),
                (DGRAM, 58, Kind::Ping),
                (DGRAM, 136, Kind::UdpLite),
                (STREAM, 132, Kind::Sctp),
                (SEQPACKET, 132, Kind::Sctp),
                (6, 33, Kind::OtherSocket),
            ] {
                let before = total(&kernel, told);
                let answer = ask(&agent, kind, protocol);
                assert_ne!(answer, "made", "{family} {kind} {protocol}");
                // Raw sockets of unprivileged users are refused before the hook.
                let is_there = ask(&outside, kind, protocol) == "made";
                if is_there && (agent.uid == 0 || kind != RAW) {
                    assert_eq!(total(&kernel, told), before + 1, "{kind} {protocol}");
                    let expected = match told {
                        Kind::Raw | Kind::Ping => "EPERM: Operation not permitted",
                        _ => "EPROTONOSUPPORT: Protocol not supported",
                    };
                    assert_eq!(answer, expected);
                }
            }
        }
    }
}

#[test]
fn families_that_lead_elsewhere_are_refused_where_the_kernel_asks() {
    const STREAM: i32 = 1;
    const DGRAM: i32 = 2;
    const RAW: i32 = 3;
    let stage = Stage::set();
    let kernel = stage.start();
    kernel.attach(&stage.cgroup).unwrap();
    let inside = root_in(&stage.cgroup);
    let outside = Agent {
        cgroup: None,
        ..root_in(&stage.cgroup)
    };
    let ask =
        |agent: &Agent<'_>, family: i32, kind: i32| agent.ask(&format!("family {family} {kind}"));
    // Unix, IPv4, IPv6, netlink and AF_ALG.
    for (family, kind) in [(1, STREAM), (2, STREAM), (10, DGRAM), (16, RAW), (38, 5)] {
        assert_eq!(ask(&inside, family, kind), ask(&outside, family, kind));
    }
    // Packets, vsock, Bluetooth, AF_XDP.
    for (family, kind) in [(17, RAW), (17, DGRAM), (40, STREAM), (31, RAW), (44, RAW)] {
        let before = total(&kernel, Kind::Family);
        let (free, seen) = (ask(&outside, family, kind), ask(&inside, family, kind));
        match kernel.without_family() {
            Some(reason) => {
                assert!(
                    reason.contains("BPF LSM") || reason.contains("this kernel"),
                    "{reason}"
                );
                assert_eq!(seen, free, "{family}");
            }
            None => {
                assert!(seen.starts_with("EAFNOSUPPORT"), "{family}: {seen}");
                assert_eq!(total(&kernel, Kind::Family), before + 1, "{family}");
            }
        }
    }
}

#[test]
fn nobody_binds_the_daemons_port() {
    let stage = Stage::set();
    let kernel = stage.start();
    kernel.attach(&stage.cgroup).unwrap();
    let port = stage.options.port;
    for agent in both_in(&stage.cgroup) {
        for ip in ["127.0.0.1", "0.0.0.0", "[::1]", "[::]", "127.9.9.9"] {
            for how in ["bind", "bind-udp"] {
                let answer = agent.ask(&format!("{how} {ip}:{port}"));
                assert_eq!(answer, "EADDRINUSE: Address already in use", "{how} {ip}");
                assert_eq!(agent.ask(&format!("{how} {ip}:0")), "bound");
            }
        }
    }
    assert_eq!(total(&kernel, Kind::Bind), 20);
}

#[test]
fn own_servers_are_direct() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    for agent in both_in(&stage.cgroup) {
        for (server, ip, shown) in [
            ("127.0.0.1:0", "127.0.0.1", "127.0.0.1"),
            ("0.0.0.0:0", "127.0.0.1", "127.0.0.1"),
            ("0.0.0.0:0", "127.8.8.8", "127.8.8.8"),
            ("0.0.0.0:0", "0.0.0.0", "127.0.0.1"),
            ("[::1]:0", "::1", "::1"),
            ("[::]:0", "::1", "::1"),
            ("[::]:0", "::", "::1"),
            ("[::]:0", "127.0.0.1", "127.0.0.1"),
            ("[::]:0", "::ffff:127.0.0.1", "::ffff:127.0.0.1"),
            ("127.0.0.1:0", "::ffff:127.0.0.1", "::ffff:127.0.0.1"),
        ] {
            let answer = agent.ask(&format!("own-tcp {server} {ip}"));
            assert_eq!(answer, format!("direct, {shown}"), "{server} {ip}");
            // A datagram server that is bound to no address answers from 127.0.0.1.
            if ip != "127.8.8.8" {
                let answer = agent.ask(&format!("own-udp {server} {ip}"));
                assert_eq!(answer, format!("direct, {shown}"), "{server} {ip}");
            }
        }
    }
    assert!(is_idle(&listeners.v4) && is_idle(&listeners.v6));
    assert_eq!(total(&kernel, Kind::OwnServer), 20);
    assert_eq!(total(&kernel, Kind::Redirected), 0);
    assert_eq!(total(&kernel, Kind::LocalService), 0);
}

#[test]
fn servers_of_others_are_not() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    let (one, other) = (stage.child("one"), stage.child("other"));
    kernel.attach(&one).unwrap();
    kernel.attach(&other).unwrap();
    let port = super::free_port();
    let server = format!("127.0.0.1:{port}");
    std::thread::scope(|scope| {
        let run = scope.spawn(|| root_in(&one).ask(&format!("listen {server}")));
        // A process that is not attached may connect to an agent's server.
        let host = loop {
            if let Ok(stream) = TcpStream::connect(&server) {
                break stream;
            }
            std::thread::yield_now();
        };
        assert_eq!(run.join().unwrap(), "somebody came");
        drop(host);
        let run = scope.spawn(|| root_in(&one).ask(&format!("listen {server}")));
        while TcpListener::bind(&server).is_ok() {
            std::thread::yield_now();
        }
        assert_eq!(root_in(&other).ask(&format!("try {server}")), server);
        let record = accept(&kernel, &listeners.v4).origin.unwrap();
        assert_eq!(record.destination_addr(), server.parse().unwrap());
        assert_eq!(record.attached, other.id.0);
        assert_ne!(run.join().unwrap(), "somebody came");
    });
}
