//! What one workload may take of the daemon.

use std::process::{Child, Stdio};

use gateway_tests::gateway::Gateway;
use gateway_tests::programs::said;
use gateway_tests::wait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stage::{agent, direct, gateway, shop, sql};

/// A session that stays open until it is ended.
fn hold(gateway: &Gateway) -> Child {
    let open = || {
        gateway.status().unwrap()["connections"]
            .as_array()
            .unwrap()
            .len()
    };
    let before = open();
    let mut run = gateway.run("few", &sql("SELECT pg_sleep(600)"));
    let child = run
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait::until(
        "the session is open",
        || Ok((open() > before).then_some(())),
    )
    .unwrap();
    child
}

fn end(child: &Child) {
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
}

#[test]
fn workload_has_no_more_sessions_than_it_may() {
    let policy = shop("upstream = { tls = \"disable\" }")
        .piece("[[workload]]\nname = \"few\"\nmax_sessions = 2")
        .allow_all();
    let gateway = gateway(&policy);
    let mut held: Vec<Child> = (0..2).map(|_| hold(&gateway)).collect();
    let ran = direct(&gateway.run("few", &sql("SELECT 'one too many'")));
    let said = said(&ran);
    assert!(!ran.status.success());
    assert!(said.contains("this workload has 2 sessions open"), "{said}");
    let log = gateway.enforcement().unwrap();
    let refused = log
        .iter()
        .find(|line| line["event"] == "connection_refused")
        .unwrap();
    assert_eq!(refused["workload"], "few", "{refused}");
    assert_eq!(
        refused["reason"],
        "the workload has 2 sessions open already"
    );
    // The others are not concerned.
    agent(&gateway, &sql("SELECT 'other'"));
    let mut first = held.remove(0);
    end(&first);
    first.wait().unwrap();
    wait::until("there is a place again", || {
        let open = gateway.status()?["connections"].as_array().unwrap().len();
        Ok((open == 1).then_some(()))
    })
    .unwrap();
    let ran = direct(&gateway.run("few", &sql("SELECT 'next'")));
    assert!(ran.status.success());
    for mut child in held {
        end(&child);
        child.wait().unwrap();
    }
}
