//! The records of connections: each accepted socket has its own, whatever the agent does.

use gateway_common::coverage::Kind;
use nix::libc;

use super::agent::Agent;
use super::internet::Internet;
use super::stage::{Stage, accept, total};
use super::{MAPPED, V4, V6, both_in, deeds, intercept, root_in};

#[test]
fn every_connection_has_its_record() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    let agent = Agent {
        cgroup: Some(&stage.cgroup),
        uid: 65534,
        namespace: None,
    };
    for (destination, listener) in [
        (V4, &listeners.v4),
        (V6, &listeners.v6),
        (MAPPED, &listeners.v4),
    ] {
        let task = format!("connect {destination} 2000 16");
        let (pid, records) = intercept(&kernel, listener, &agent, &task, 2000);
        let mut wanted: std::net::SocketAddr = destination.parse().unwrap();
        wanted.set_ip(wanted.ip().to_canonical());
        for record in records {
            assert_eq!(record.destination_addr(), wanted);
            assert_eq!(record.tgid, pid);
            assert_eq!((record.uid, record.gid), (65534, 0));
            assert_eq!(record.cgroup, stage.cgroup.id.0);
            assert_eq!(record.attached, stage.cgroup.id.0);
            assert_eq!(record.protocol, 6);
            assert!(record.boot_ns > 0 && record.netns > 0);
            assert!(!record.comm_bytes().is_empty());
        }
    }
    let counters = kernel.counters().unwrap();
    assert_eq!(total(&kernel, Kind::Redirected), 6000);
    assert_eq!(counters.delivered, 6000);
    assert_eq!(counters.missed, 0);
}

#[test]
fn a_reused_source_port_is_not_confused() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    let agent = root_in(&stage.cgroup);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| agent.run(&format!("reuse {V4} 2000")));
        let mut ports = std::collections::BTreeSet::new();
        for _ in 0..2000 {
            let record = accept(&kernel, &listeners.v4).checked_with_port();
            ports.insert(record.source_port);
        }
        assert_eq!(ports.len(), 1);
        run.join().unwrap();
    });
}

/// By the time they are accepted their port was used by others many times.
#[test]
fn connections_that_wait_keep_their_records() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    root_in(&stage.cgroup).run(&format!("pile {V4} 1000"));
    let first: std::net::SocketAddr = V4.parse().unwrap();
    let mut cookies = std::collections::BTreeSet::new();
    let mut ports = std::collections::BTreeSet::new();
    for index in 0..1000 {
        let accepted = accept(&kernel, &listeners.v4);
        let record = accepted.origin.unwrap();
        assert_eq!(record.destination_port, first.port() + index % 2);
        cookies.insert(record.cookie);
        ports.insert(record.source_port);
    }
    assert_eq!((cookies.len(), ports.len()), (1000, 1));
    assert_eq!(kernel.counters().unwrap().missed, 0);
}

#[test]
fn who_leaves_pushes_nobody_out() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    let agent = root_in(&stage.cgroup);
    // Nobody is held there from now on.
    agent.run(&format!("try {V4}"));
    accept(&kernel, &listeners.v4);
    agent.run(&format!("pile {V4} 100"));
    agent.run(&format!("leave {V4} 20000"));
    for _ in 0..100 {
        assert!(accept(&kernel, &listeners.v4).origin.is_some());
    }
}

/// With more half-open connections than a listener has room for, all further ones would begin with a SYN
/// cookie: the kernel keeps nothing of their SYNs.
#[test]
fn nobody_keeps_connections_half_open() {
    let stage = Stage::set();
    let kernel = stage.start();
    let _listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    for agent in both_in(&stage.cgroup) {
        for (destination, how) in [(V4, "hops4"), (V6, "hops6"), (V4, "filter"), (V6, "filter")] {
            let answer = agent.ask(&format!("drown {destination} {how}"));
            assert_eq!(answer, "EPERM: Operation not permitted", "{how}");
        }
    }
    assert_eq!(total(&kernel, Kind::OtherSocket), 8);
}

#[test]
fn a_socket_used_twice_has_the_second_destination() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    let agent = root_in(&stage.cgroup);
    let answer = agent.ask(&format!("again {V4} 198.51.100.7:3306"));
    assert_eq!(answer, "198.51.100.7:3306");
    let first = accept(&kernel, &listeners.v4).origin.unwrap();
    let second = accept(&kernel, &listeners.v4).origin.unwrap();
    assert_eq!(first.destination_addr(), V4.parse().unwrap());
    assert_eq!(
        second.destination_addr(),
        "198.51.100.7:3306".parse().unwrap()
    );
    // The daemon's own address stays closed to a socket that was redirected before.
    let own = format!("127.0.0.1:{}", stage.options.port);
    for how in ["again", "astray"] {
        let answer = agent.ask(&format!("{how} {V4} {own}"));
        assert_eq!(answer, "ECONNREFUSED: Connection refused", "{how}");
    }
}

#[test]
fn fast_open_is_intercepted() {
    let stage = Stage::set();
    let kernel = stage.start();
    kernel.attach(&stage.cgroup).unwrap();
    let internet = Internet::make();
    let listeners = Internet::within(&internet.inside, || {
        // Both ends of it, and data in the SYN from the second connection on.
        std::fs::write("/proc/sys/net/ipv4/tcp_fastopen", "3").unwrap();
        let listeners = stage.listen(&kernel);
        for listener in [&listeners.v4, &listeners.v6] {
            let queue = 64_i32.to_ne_bytes();
            deeds::set(listener, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, &queue).unwrap();
        }
        listeners
    });
    let agent = Agent {
        cgroup: Some(&stage.cgroup),
        uid: 1000,
        namespace: Some(&internet.inside),
    };
    for (destination, listener) in [(V4, &listeners.v4), (V6, &listeners.v6)] {
        let task = format!("fastopen {destination} 2000");
        let (_, records) = intercept(&kernel, listener, &agent, &task, 2000);
        for record in records {
            assert_eq!(record.destination_addr(), destination.parse().unwrap());
        }
    }
    let counted = Internet::within(&internet.inside, || {
        std::fs::read_to_string("/proc/thread-self/net/netstat").unwrap()
    });
    assert!(fast_opened(&counted) > 3000, "{counted}");
    assert_eq!(kernel.counters().unwrap().missed, 0);
}

/// Connections that came with data in the SYN, as the kernel counts them.
fn fast_opened(netstat: &str) -> u64 {
    let mut lines = netstat.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let mut pairs = names.split(' ').zip(values.split(' '));
    let (_, value) = pairs
        .find(|(name, _)| *name == "TCPFastOpenPassive")
        .unwrap();
    value.parse().unwrap()
}

#[test]
fn who_is_gone_at_once_has_left_his_record() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    let agent = root_in(&stage.cgroup);
    for (destination, listener) in [(V4, &listeners.v4), (V6, &listeners.v6)] {
        let task = format!("hasty {destination} 2000");
        let (_, records) = intercept(&kernel, listener, &agent, &task, 2000);
        assert_eq!(records.len(), 2000);
    }
    assert_eq!(kernel.counters().unwrap().missed, 0);
}

#[test]
fn who_comes_by_himself_has_no_record() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    let outside = Agent {
        cgroup: None,
        uid: 0,
        namespace: None,
    };
    let address = listeners.v4.local_addr().unwrap();
    outside.run(&format!("try {address}"));
    assert_eq!(accept(&kernel, &listeners.v4).origin, None);
    assert_eq!(kernel.counters().unwrap().missed, 1);
}
