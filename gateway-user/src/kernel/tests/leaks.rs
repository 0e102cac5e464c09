//! Ways around `connect`, each tried where packets could leave: none does.
//!
//! What is tried leaves from outside an attached cgroup, so that a silent wire means the hooks.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use gateway_common::coverage::Kind;

use super::Agent;
use super::internet::{Internet, Tap};
use super::stage::{Listeners, Stage, total};
use crate::kernel::Kernel;

/// The daemon's listeners and resolver, in the agents' namespace.
fn serve(stage: &Stage, kernel: &Kernel, internet: &Internet) -> (Listeners, [UdpSocket; 2]) {
    Internet::within(&internet.inside, || {
        let listeners = stage.listen(kernel);
        let resolvers = ["127.0.0.1", "[::1]"].map(|ip| {
            let socket = UdpSocket::bind(format!("{ip}:{}", stage.options.port)).unwrap();
            kernel.mark_listener(socket.as_fd()).unwrap();
            socket
        });
        (listeners, resolvers)
    })
}

/// Runs a task outside an attached cgroup, as root, then inside, as root and as nobody special.
fn compare(stage: &Stage, internet: &Internet, tap: &Tap, task: &str) -> Vec<String> {
    let agent = |cgroup, uid| Agent {
        cgroup,
        uid,
        namespace: Some(&internet.inside),
    };
    agent(None, 0).run(task);
    assert!(!tap.packets().is_empty(), "`{task}` sends nothing anyway");
    let mut answers = Vec::new();
    for uid in [0, 1000] {
        answers.push(agent(Some(&stage.cgroup), uid).ask(task));
        let leaked = tap.packets();
        assert!(leaked.is_empty(), "`{task}` as {uid} sends {leaked:x?}");
    }
    answers
}

#[test]
fn no_packet_leaves() {
    let stage = Stage::set();
    let kernel = stage.start();
    kernel.attach(&stage.cgroup).unwrap();
    let internet = Internet::make();
    let served = serve(&stage, &kernel, &internet);
    let tap = internet.tap();
    let check = |task: &str| compare(&stage, &internet, &tap, task);
    let refused = ["EPERM: Operation not permitted"; 2];
    for datagram in [
        "send 10.77.0.1:9",
        "send-connected 10.77.0.1:9",
        "send 203.0.113.9:443",
        "send-connected [2001:db8::9]:443",
        "send [2001:db8::9]:9",
        "send [::ffff:203.0.113.9]:9",
        "send 224.0.0.251:5353",
    ] {
        assert_eq!(check(datagram), refused, "{datagram}");
    }
    assert_eq!(total(&kernel, Kind::Quic), 4);
    assert_eq!(total(&kernel, Kind::Datagram), 10);
    for task in [
        "routing-header [2001:db8::9]:5432 2001:db8:77::1",
        "source-route 203.0.113.9:5432 10.77.0.1",
        "device 203.0.113.9:5432 cable",
        "device [2001:db8::9]:5432 cable",
    ] {
        check(task);
    }
    assert!(total(&kernel, Kind::Header) > 0);
    assert_eq!(
        total(&kernel, Kind::Device),
        2,
        "not undone for the unprivileged"
    );
    drop(served);
}

#[test]
fn no_group_is_told_to_the_network() {
    let stage = Stage::set();
    let kernel = stage.start();
    kernel.attach(&stage.cgroup).unwrap();
    let internet = Internet::make();
    let tap = internet.tap();
    // The kernel reports a group again and again, so each of them joins one of its own.
    let reports = |cgroup, uid, group: &str| {
        let agent = Agent {
            cgroup,
            uid,
            namespace: Some(&internet.inside),
        };
        let answer = agent.ask(&format!("join {group}"));
        let bytes = match group.parse::<SocketAddr>().unwrap().ip() {
            std::net::IpAddr::V4(ip) => ip.octets().to_vec(),
            std::net::IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let tells = |packet: &Vec<u8>| packet.windows(bytes.len()).any(|part| part == bytes);
        (answer, tap.packets().iter().any(tells))
    };
    for (outside, inside) in [
        ("239.9.9.9:9", ["239.1.2.3:9", "239.1.2.4:9"]),
        ("[ff05::9:9:9]:9", ["[ff05::1:2:3]:9", "[ff05::1:2:4]:9"]),
    ] {
        let told = reports(None, 1000, outside);
        assert_eq!(told, (String::from("joined"), true));
        for (uid, group) in [0, 1000].into_iter().zip(inside) {
            let told = reports(Some(&stage.cgroup), uid, group);
            assert_eq!(
                told,
                (String::from("EPERM: Operation not permitted"), false)
            );
        }
    }
    assert_eq!(total(&kernel, Kind::Multicast), 4);
}

#[test]
fn nobody_elsewhere_connects_to_an_agent() {
    let stage = Stage::set();
    let kernel = stage.start();
    kernel.attach(&stage.cgroup).unwrap();
    let internet = Internet::make();
    let address: SocketAddr = "10.77.0.2:8080".parse().unwrap();
    let agent = Agent {
        cgroup: Some(&stage.cgroup),
        uid: 1000,
        namespace: Some(&internet.inside),
    };
    std::thread::scope(|scope| {
        let run = scope.spawn(|| agent.ask(&format!("listen {address}")));
        let error = Internet::within(&internet.outside, || {
            loop {
                match TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
                    Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                        std::thread::yield_now();
                    }
                    outcome => return outcome.unwrap_err(),
                }
            }
        });
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        assert_ne!(run.join().unwrap(), "somebody came");
    });
    assert!(total(&kernel, Kind::Inbound) > 0);
}
