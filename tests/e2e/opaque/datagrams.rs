//! Datagrams pass to where a rule allows them, and nowhere else.

use std::net::UdpSocket;
use std::process::Command;

use gateway_tests::policy_file::PolicyFile;
use gateway_tests::programs::find;
use gateway_tests::wait;
use nix::sys::signal::Signal;

use super::{Running, logged};
use crate::stage::{agent, client, gateway};

/// A server that answers `pong`; it ends with the test process.
pub(super) fn server() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut buffer = [0; 100];
        while let Ok((_, from)) = socket.recv_from(&mut buffer) {
            socket.send_to(b"pong", from).unwrap();
        }
    });
    port
}

pub(super) fn ping(port: u16, how: &str) -> Command {
    let mut command = client(find("python3").unwrap());
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/clients/datagrams.py");
    command.args([file, "127.0.0.1", &port.to_string(), how]);
    command
}

fn policy(port: u16, more: &str) -> PolicyFile {
    PolicyFile::new().piece(&format!(
        "[[resource]]\nname = \"metrics\"\nprotocol = \"udp\"\naddresses = [\"127.0.0.0/8:{port}\"]\n{more}"
    ))
}

fn allowed(port: u16) -> PolicyFile {
    policy(port, "").rule("metrics-pass", "allow", "resource = \"metrics\"")
}

#[test]
fn a_rule_lets_them_pass_and_no_rule_does_not() {
    let (port, other) = (server(), server());
    let gateway = gateway(&allowed(port));
    for how in ["sendto", "connect"] {
        assert_eq!(agent(&gateway, &ping(port, how)).trim(), "pong", "{how}");
        assert_eq!(agent(&gateway, &ping(other, how)).trim(), "EPERM", "{how}");
    }
    let passes = logged(&gateway, "datagrams_pass");
    assert_eq!(passes[0]["rule"], "metrics-pass", "{passes:?}");
    assert_eq!(passes[0]["resource"], "metrics");
    assert_eq!(passes[0]["addresses"][0], format!("127.0.0.0/8:{port}"));
    let told = wait::until("a datagram is told of", || {
        Ok(logged(&gateway, "kernel_passed").into_iter().next())
    })
    .unwrap();
    assert_eq!(told["kind"], "allowed_datagram", "{told}");
    assert_eq!(told["rule"], "metrics-pass", "{told}");
    assert_eq!(told["resource"], "metrics", "{told}");
    let shown = gateway.ask(["tail", "--no-follow", "-n", "100"]).unwrap();
    assert!(
        shown.contains("pass uninspected by rule metrics-pass"),
        "{shown}"
    );
}

#[test]
fn a_stream_to_the_same_port_is_another_thing() {
    let port = server();
    let gateway = gateway(&allowed(port));
    // No resource covers the stream, and nobody knows what is spoken there.
    let shown = agent(&gateway, &super::streams("wait", port, 1));
    assert_eq!(shown.trim(), "refused");
}

#[test]
fn a_rule_over_an_address_needs_to_know_it() {
    let port = server();
    let rule = "match = { address = \"127.0.0.1\" }";
    let gateway = gateway(&policy(port, "").rule("one", "allow", rule));
    // Of a network it is not known, and what is not known allows nothing.
    assert_eq!(agent(&gateway, &ping(port, "sendto")).trim(), "EPERM");
    let single = PolicyFile::new()
        .piece(&format!(
            "[[resource]]\nname = \"metrics\"\nprotocol = \"udp\"\naddresses = [\"127.0.0.1:{port}\"]"
        ))
        .rule("one", "allow", rule);
    gateway.reload(&single).unwrap();
    wait::until("the new policy is in force", || {
        Ok((logged(&gateway, "policy_loaded").len() == 2).then_some(()))
    })
    .unwrap();
    assert_eq!(agent(&gateway, &ping(port, "sendto")).trim(), "pong");
}

#[test]
fn observing_lets_them_pass_and_tells() {
    let port = server();
    let gateway = gateway(&policy(port, "mode = \"observe\""));
    assert_eq!(agent(&gateway, &ping(port, "sendto")).trim(), "pong");
    let passes = logged(&gateway, "datagrams_pass");
    assert!(passes[0]["observed"]["reason"].is_string(), "{passes:?}");
    assert!(passes[0].get("rule").is_none(), "{passes:?}");
}

#[test]
fn reload_restart_and_detach_are_heeded() {
    let port = server();
    let mut gateway = gateway(&allowed(port));
    let mut running = Running::start(&gateway, &ping(port, "sendto"));
    assert_eq!(running.line(), "pong");
    gateway.reload(&policy(port, "")).unwrap();
    wait::until("the permission is gone", || {
        Ok((!logged(&gateway, "datagrams_end").is_empty()).then_some(()))
    })
    .unwrap();
    running.go_on();
    assert_eq!(running.line(), "EPERM");
    gateway.reload(&allowed(port)).unwrap();
    wait::until("the permission is back", || {
        Ok((logged(&gateway, "datagrams_pass").len() == 2).then_some(()))
    })
    .unwrap();
    running.go_on();
    assert_eq!(running.line(), "pong");
    // What the kernel remembers of an earlier daemon's policy does not outlive it.
    gateway.stop(Signal::SIGKILL).unwrap();
    gateway.write_policy(&policy(port, "")).unwrap();
    gateway.restart().unwrap();
    running.go_on();
    assert_eq!(running.line(), "EPERM");
    gateway.ask(["detach", "--as", "agent"]).unwrap();
    running.go_on();
    assert_eq!(running.line(), "pong");
}

#[test]
fn questions_are_no_resource() {
    let gateway = gateway(&allowed(1));
    let file = gateway.path("wrong.toml");
    let wrong = policy(53, "").render(&gateway.path(""), gateway.port());
    std::fs::write(&file, wrong).unwrap();
    let said = gateway
        .call(["config", "check", "--config", &file.display().to_string()])
        .unwrap();
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(
        said.contains("datagrams to port 53 never pass uninspected"),
        "{said}"
    );
}
