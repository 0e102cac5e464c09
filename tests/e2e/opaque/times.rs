//! What passes by a rule with times stops passing when its time is over, and begins when it comes: by the
//! host's clock, so this takes up to a minute and a quarter.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gateway_tests::policy_file::PolicyFile;
use gateway_tests::wait;

use super::datagrams::{ping, server};
use super::peer::Peer;
use super::{Running, logged, one, streams};
use crate::stage::{agent, gateway};

/// What is between this and the boundary has to be enough to begin.
const ENOUGH: u64 = 15;

fn clock(minute: u64) -> String {
    let minute = minute % (24 * 60);
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[test]
fn streams_and_datagrams_pass_while_their_rules_are_there() {
    let (ending, beginning, port) = (Peer::start(), Peer::start(), server());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let boundary = (now.as_secs() + ENOUGH) / 60 + 1;
    let resource = |name: &str, protocol: &str, port: u16| {
        format!(
            "[[resource]]\nname = \"{name}\"\nprotocol = \"{protocol}\"\naddresses = [\"127.0.0.1:{port}\"]"
        )
    };
    let during = |from: u64, to: u64| {
        let (from, to) = (clock(from), clock(to));
        format!("during = {{ from = \"{from}\", to = \"{to}\", zone = \"UTC\" }}")
    };
    let before = during(boundary - 60, boundary);
    let after = during(boundary, boundary + 60);
    let policy = PolicyFile::new()
        .piece(&resource("ending", "tcp", ending.port))
        .piece(&resource("beginning", "tcp", beginning.port))
        .piece(&resource("metrics", "udp", port))
        .rule(
            "before",
            "allow",
            &format!("resource = [\"ending\", \"metrics\"]\n{before}"),
        )
        .rule(
            "after",
            "allow",
            &format!("resource = \"beginning\"\n{after}"),
        );
    let gateway = gateway(&policy);
    let mut stream = Running::start(&gateway, &streams("wait", ending.port, 1));
    assert_eq!(stream.line(), "ready");
    let mut datagrams = Running::start(&gateway, &ping(port, "sendto"));
    assert_eq!(datagrams.line(), "pong");
    let early = agent(&gateway, &streams("wait", beginning.port, 1));
    assert_eq!(early.trim(), "refused");
    // Now the boundary.
    assert_eq!(stream.line(), "reset");
    let over = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let late = over.saturating_sub(Duration::from_secs(boundary * 60));
    assert!(over.as_secs() >= boundary * 60, "it ended early");
    assert!(late < Duration::from_secs(10), "it ended {late:?} late");
    let asks: Vec<_> = one(&gateway)
        .events("ask")
        .map(|ask| ask["ruling"].clone())
        .collect();
    assert_eq!(asks, ["allow", "deny"]);
    wait::until("the permission for datagrams is gone", || {
        Ok((!logged(&gateway, "datagrams_end").is_empty()).then_some(()))
    })
    .unwrap();
    datagrams.go_on();
    assert_eq!(datagrams.line(), "EPERM");
    let mut stream = Running::start(&gateway, &streams("wait", beginning.port, 1));
    assert_eq!(stream.line(), "ready");
}
