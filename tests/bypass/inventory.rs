//! `gateway coverage` against the attacker: what was tried is in the inventory, by its kind.

use gateway_tests::wait;
use serde_json::Value;

use crate::attacker::{User, Way};
use crate::world::World;

/// Attempts, and where the inventory counts them.
const TOLD: [(&str, &str); 24] = [
    ("tcp4", "no_resource"),
    ("tcp6", "no_resource"),
    ("proxy-loopback", "no_resource"),
    ("tcp-listen", "dropped_inbound"),
    ("mptcp4", "refused_mptcp"),
    ("uring-mptcp", "refused_mptcp"),
    ("udp4", "refused_datagram"),
    ("udp6-connected", "refused_datagram"),
    ("uring-sendmsg", "refused_datagram"),
    ("udp-broadcast", "refused_datagram"),
    ("udp-multicast4", "refused_datagram"),
    ("udp-quic", "refused_quic"),
    ("relay-udp", "dropped_local_service"),
    ("join4", "refused_multicast"),
    ("join6", "refused_multicast"),
    ("tcp-srh", "dropped_header"),
    ("tcp-record-route", "dropped_header"),
    ("ping4", "refused_ping"),
    ("raw-icmp4", "refused_raw"),
    ("udplite", "refused_udplite"),
    ("daemon4", "refused_loop"),
    ("squat-loopback", "refused_bind"),
    ("squat-udp6", "refused_bind"),
    ("relay-udp6", "dropped_local_service"),
];

/// The same of those that are seen where the kernel has BPF LSM.
const SEEN: [(&str, &str); 3] = [
    ("vsock", "refused_family"),
    ("packet-raw", "refused_family"),
    ("uring-vsock", "refused_family"),
];

#[test]
fn coverage_tells_of_what_was_tried() {
    let world = World::new("coverage");
    let sees_families = world.sees_families();
    let mut told = TOLD.to_vec();
    if sees_families {
        told.extend(SEEN);
    }
    let attempts: Vec<_> = told.iter().map(|(attempt, _)| *attempt).collect();
    world.go(world.ready(Way::Attached, User::Root, &attempts));
    for (_, kind) in &told {
        let tried = told.iter().filter(|(_, other)| other == kind).count();
        // What the kernel sends again is counted as it goes.
        wait::until(&format!("{tried} attempts are {kind}"), || {
            Ok((count(&coverage(&world), kind) >= tried).then_some(()))
        })
        .unwrap_or_else(|error| panic!("{error}: {}", coverage(&world)));
    }
    let coverage = coverage(&world);
    // What no hook sees cannot be counted; it is said that it is not.
    let host = coverage["host"].to_string();
    assert!(host.contains("Unix"), "{host}");
    for family in ["vsock", "packet"] {
        assert_eq!(host.contains(family), !sees_families, "{family}: {host}");
    }
}

fn coverage(world: &World) -> Value {
    let said = world.gateway.ask(["coverage", "--json"]).unwrap();
    serde_json::from_str(&said).unwrap()
}

fn count(coverage: &Value, kind: &str) -> usize {
    let workloads = coverage["workloads"].as_array().unwrap();
    let counts = workloads.iter().map(|one| &one["refused"][kind]);
    let sum: u64 = counts.filter_map(Value::as_u64).sum();
    usize::try_from(sum).unwrap()
}
