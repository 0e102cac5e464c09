//! `gateway coverage`, the enforcement log and the metrics tell of what went where, also of what never
//! came to the gateway.

use std::process::Command;

use gateway_tests::gateway::Gateway;
use gateway_tests::namespace::Namespace;
use gateway_tests::programs::find;
use gateway_tests::sandbox::free_port;
use gateway_tests::wait;
use serde_json::Value;

use super::peer::Peer;
use super::{allowed, logged, streams};
use crate::stage::{agent, client, gateway};

/// Tries ways that the kernel closes, and says how each was refused.
const WAYS: &str = "
import errno, socket, sys
def way(name, make):
    try:
        make()
        print(name, 'open')
    except OSError as error:
        print(name, errno.errorcode[error.errno])
def datagram(address, port):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', (address, port))
way('local', lambda: datagram('127.0.0.1', int(sys.argv[2])))
way('datagram', lambda: datagram(sys.argv[1], 9))
way('quic', lambda: datagram(sys.argv[1], 443))
way('mptcp', lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262))
";

fn ways(elsewhere: &Namespace) -> Command {
    let mut python = client(find("python3").unwrap());
    let port = free_port().unwrap().to_string();
    python.args(["-c", WAYS, elsewhere.guest(), &port]);
    python
}

fn coverage(gateway: &Gateway) -> Value {
    serde_json::from_str(&gateway.ask(["coverage", "--json"]).unwrap()).unwrap()
}

/// The part about the workload `agent`.
fn of_agent(coverage: &Value) -> Value {
    let workloads = coverage["workloads"].as_array().unwrap();
    let found = workloads.iter().find(|one| one["workload"] == "agent");
    found.cloned().unwrap_or_else(|| panic!("{coverage}"))
}

#[test]
fn inventory_has_what_passed_and_what_was_refused() {
    let peer = Peer::start();
    let gateway = gateway(&allowed(peer.port));
    assert_eq!(
        agent(&gateway, &streams("echoes", peer.port, 2)).trim(),
        "2"
    );
    let nowhere = free_port().unwrap();
    assert_eq!(
        agent(&gateway, &streams("wait", nowhere, 1)).trim(),
        "refused"
    );
    let elsewhere = Namespace::new().unwrap();
    let said = agent(&gateway, &ways(&elsewhere));
    assert!(!said.contains("open"), "{said}");
    // The runs have ended, their cgroups are gone: what was counted for them is not.
    gateway.wait_recordings(2).unwrap();
    let coverage = coverage(&gateway);
    let of_agent = of_agent(&coverage);
    let passed = &of_agent["uninspected"][0];
    assert_eq!(passed["resource"], "peer", "{of_agent}");
    assert_eq!(passed["rule"], "let-it-pass", "{of_agent}");
    assert_eq!(passed["count"], 2, "{of_agent}");
    for kind in [
        "no_resource",
        "refused_datagram",
        "refused_quic",
        "dropped_local_service",
        "refused_mptcp",
    ] {
        assert!(
            of_agent["refused"][kind].as_u64() >= Some(1),
            "{kind}: {of_agent}"
        );
    }
    assert!(coverage["host"][0]["todo"].is_string(), "{coverage}");
    let shown = gateway.ask(["coverage"]).unwrap();
    for text in [
        "2 × peer (tcp), by rule let-it-pass",
        "1 × QUIC",
        "not seen",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
}

#[test]
fn inventory_has_what_was_inspected() {
    let gateway = crate::stage::open_gateway();
    agent(&gateway, &crate::stage::sql("SELECT 1"));
    wait::until("the session is counted", || {
        let coverage = coverage(&gateway);
        let inspected = of_agent(&coverage)["inspected"][0].clone();
        let is_counted = inspected["resource"] == "shop"
            && inspected["protocol"] == "postgres"
            && inspected["sessions"] == 1
            && inspected["allowed"].as_u64() > Some(0);
        Ok(is_counted.then_some(()))
    })
    .unwrap();
    let shown = gateway.ask(["coverage"]).unwrap();
    assert!(shown.contains("shop (postgres): 1 session,"), "{shown}");
}

#[test]
fn kernel_events_are_in_the_log() {
    let gateway = gateway(&allowed(1));
    let elsewhere = Namespace::new().unwrap();
    agent(&gateway, &ways(&elsewhere));
    let quic = wait::until("the log tells of QUIC", || {
        let lines = logged(&gateway, "kernel_refused");
        Ok(lines
            .into_iter()
            .find(|line| line["kind"] == "refused_quic"))
    })
    .unwrap();
    assert_eq!(quic["workload"], "agent", "{quic}");
    let destination = format!("{}:443", elsewhere.guest());
    assert_eq!(quic["destination"], destination, "{quic}");
    assert!(
        quic["comm"].as_str().unwrap().starts_with("python"),
        "{quic}"
    );
    let shown = gateway.ask(["tail", "--no-follow", "-n", "100"]).unwrap();
    let expected = format!("QUIC to {destination} by python");
    assert!(shown.contains(&expected), "{shown}");
}

#[test]
fn a_flood_of_kernel_events_is_a_few_lines() {
    let gateway = gateway(&allowed(1));
    let mut python = client(find("python3").unwrap());
    let flood = "
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(1024, 3024):
    try: sock.sendto(b'x', ('127.0.0.1', port))
    except PermissionError: pass
";
    python.args(["-c", flood]);
    agent(&gateway, &python);
    wait::until("the rest is a number", || {
        Ok((!logged(&gateway, "kernel_more").is_empty()).then_some(()))
    })
    .unwrap();
    assert!(logged(&gateway, "kernel_refused").len() < 100);
    let refused = of_agent(&coverage(&gateway))["refused"]["dropped_local_service"].clone();
    assert_eq!(refused, 2_000);
}

#[test]
fn what_cannot_be_seen_of_an_attached_cgroup_is_said() {
    let gateway = gateway(&allowed(1));
    let cgroup = gateway_tests::cgroup::Cgroup::new("unseen").unwrap();
    gateway
        .ask(["attach", "--as", "agent", "--cgroup", cgroup.name()])
        .unwrap();
    let mut sleeper = cgroup
        .enter(Command::new("sleep").arg("1000"))
        .unwrap()
        .spawn()
        .unwrap();
    let said = wait::until("the process is seen", || {
        let unseen = of_agent(&coverage(&gateway))["unseen"].to_string();
        Ok(unseen.contains("cap_sys_admin").then_some(unseen))
    })
    .unwrap();
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    for text in ["1 process", "may write", "moved into"] {
        assert!(said.contains(text), "{text}: {said}");
    }
}

#[test]
fn metrics_count_what_happened_and_stay_small() {
    let peer = Peer::start();
    let gateway = gateway(&allowed(peer.port));
    let elsewhere = Namespace::new().unwrap();
    agent(&gateway, &streams("echoes", peer.port, 3));
    agent(&gateway, &ways(&elsewhere));
    gateway.wait_recordings(3).unwrap();
    let wanted = [
        r#"gateway_sessions_total{workload="agent",resource="peer",protocol="tcp",passed="uninspected"} 3"#,
        r#"gateway_ended_sessions_total{workload="agent",resource="peer",protocol="tcp",how="client_closed"} 3"#,
        r#"gateway_asks_total{workload="agent",resource="peer",protocol="tcp",ruling="allow"} 3"#,
        r#"gateway_kernel_events_total{workload="agent",kind="refused_quic"} 1"#,
        r#"gateway_kernel_records_delivered_total 3"#,
        "gateway_heartbeat_age_seconds 0.",
        "# EOF",
    ];
    // The end of a session is told a moment after its recording is complete.
    wait::until("everything is counted", || {
        let text = gateway.ask(["metrics"])?;
        Ok(wanted.iter().all(|line| text.contains(line)).then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error}: {}", gateway.ask(["metrics"]).unwrap()));
    let lines = |gateway: &Gateway| gateway.ask(["metrics"]).unwrap().lines().count();
    let before = lines(&gateway);
    agent(&gateway, &streams("echoes", peer.port, 20));
    agent(&gateway, &ways(&elsewhere));
    gateway.wait_recordings(23).unwrap();
    assert_eq!(
        lines(&gateway),
        before,
        "more of the same needs no more lines"
    );
}
