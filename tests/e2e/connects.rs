//! What `connect` itself tells an agent: what it would without a gateway, and a plain "refused" where
//! policy lets nobody in.

use std::net::TcpListener;
use std::process::Command;

use gateway_tests::gateway::Gateway;
use gateway_tests::namespace::Namespace;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::programs::{find, python, said};
use gateway_tests::sandbox::free_port;

use crate::stage::{agent, agent_fails, client, gateway, looks_direct, psql, server, shop};

/// Python that prints how connects to `host port` end, blocking and not, one a line.
const CONNECT: &str = "
import errno, os, select, socket, sys
host, port, patience = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
family = socket.AF_INET6 if ':' in host else socket.AF_INET
def name(code): return {0: 'connected', errno.EAGAIN: 'nothing heard'}.get(code) or errno.errorcode[code]
with socket.socket(family) as one:
    one.settimeout(patience)
    print(name(one.connect_ex((host, port))))
with socket.socket(family) as one:
    one.setblocking(False)
    assert one.connect_ex((host, port)) == errno.EINPROGRESS
    heard = select.select([], [one], [], patience)[1]
    print(name(one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) if heard else 'nothing heard')
";

/// A gateway for everything at these addresses.
fn open_to(addresses: &str) -> Gateway {
    gateway(
        &PolicyFile::new()
            .shop(addresses, "upstream = { tls = \"disable\" }")
            .allow_all(),
    )
}

fn connect(host: &str, port: u16, patience: &str) -> Command {
    let mut command = client(python().unwrap());
    command.args(["-c", CONNECT, host, &port.to_string(), patience]);
    command
}

#[test]
fn closed_port_is_refused() {
    let port = free_port().unwrap();
    let gateway = open_to(&format!("127.0.0.1:{port}, [::1]:{port}"));
    for host in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        let shown = looks_direct(&gateway, &connect(host, port, "20"));
        assert_eq!(shown, "ECONNREFUSED\nECONNREFUSED\n", "{host}");
    }
    // Nothing of it is the gateway's doing, and nothing was said.
    let log = gateway.enforcement().unwrap();
    assert!(
        log.iter().all(|line| line["event"] != "connection_refused"),
        "{log:?}"
    );
    assert!(gateway.recordings().unwrap().is_empty());
}

#[test]
fn open_port_is_connected() {
    let gateway = open_to(&format!("127.0.0.1:{0}, [::1]:{0}", server().port()));
    for host in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        let shown = looks_direct(&gateway, &connect(host, server().port(), "20"));
        assert_eq!(shown, "connected\nconnected\n", "{host}");
    }
}

#[test]
fn hosts_that_are_not_there_are_not_there_for_agents() {
    let namespace = Namespace::new().unwrap();
    let net = namespace
        .guest()
        .trim_end_matches(".2")
        .replace("198.18", "198.19");
    let (silent, rejected) = (format!("{net}.1"), format!("{net}.2"));
    namespace.swallow(&silent).unwrap();
    namespace.reject(&rejected).unwrap();
    let gateway = open_to(&format!("{silent}/32:5432, {rejected}/32:5432"));
    let shown = looks_direct(&gateway, &connect(&rejected, 5432, "20"));
    assert_eq!(shown, "EHOSTUNREACH\nEHOSTUNREACH\n");
    let shown = looks_direct(&gateway, &connect(&silent, 5432, "1"));
    assert_eq!(shown, "nothing heard\nnothing heard\n");
}

#[test]
fn what_policy_bars_is_refused_at_once_and_told_to_operators() {
    let gateway = gateway(&shop("upstream = { tls = \"disable\" }").allow_all().rule(
        "closed",
        "deny",
        "workload = \"agent\"\nreason = \"moved away\"",
    ));
    let shown = agent(&gateway, &connect("127.0.0.1", server().port(), "20"));
    assert_eq!(shown, "ECONNREFUSED\nECONNREFUSED\n");
    let shown = agent_fails(&gateway, &psql(&["-c", "SELECT 1"]));
    assert!(shown.contains("Connection refused"), "{shown}");
    let log = gateway.enforcement().unwrap();
    let refused: Vec<_> = log
        .iter()
        .filter(|line| line["event"] == "connection_refused")
        .collect();
    assert_eq!(refused.len(), 3, "{log:?}");
    for line in refused {
        assert_eq!(line["rule"], "closed");
        assert_eq!(line["reason"], "moved away");
        assert_eq!(line["workload"], "agent");
        assert_eq!(line["resource"], "shop");
        assert_eq!(
            line["destination"],
            format!("127.0.0.1:{}", server().port())
        );
    }
    assert!(gateway.recordings().unwrap().is_empty());
}

#[test]
fn happy_eyeballs_find_the_address_that_works() {
    let good = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = good.local_addr().unwrap().port();
    let gateway = open_to(&format!(
        "127.0.0.1:{port}, [::1]:{port}, [2001:db8::1]:{port}"
    ));
    for dead in ["[::1]", "[2001:db8::1]"] {
        let mut curl = client(find("curl").unwrap());
        curl.args([
            "--silent",
            "--max-time",
            "20",
            "--write-out",
            "%{remote_ip}",
        ]);
        curl.args(["--resolve", &format!("two.test:{port}:{dead},127.0.0.1")]);
        curl.arg(format!("http://two.test:{port}/"));
        // It is no server for HTTP; what counts is which one curl takes.
        let ran = gateway.agent(&curl).unwrap();
        assert!(said(&ran).ends_with("127.0.0.1"), "{dead}: {}", said(&ran));
    }
}
