//! `gateway uninstall`: enforcement goes when an operator says so, and evidence stays.

use std::fs;

use gateway_tests::cgroup::Cgroup;
use gateway_tests::gateway::Gateway;
use gateway_tests::programs::said;
use nix::sys::signal::Signal;

use crate::stage::{direct, open_gateway, sql};

/// A gateway that was killed while `cgroup` was attached and had made a recording.
fn killed(cgroup: &Cgroup) -> Gateway {
    let mut gateway = open_gateway();
    let attach = ["attach", "--as", "agent", "--cgroup", cgroup.name()];
    gateway.ask(attach).unwrap();
    assert!(cgroup.run(&sql("SELECT 1")).unwrap().status.success());
    gateway.wait_recordings(1).unwrap();
    gateway.stop(Signal::SIGKILL).unwrap();
    assert!(!cgroup.run(&sql("SELECT 1")).unwrap().status.success());
    gateway
}

fn has_let_go(gateway: &Gateway, cgroup: &Cgroup) {
    let ran = gateway.call(["uninstall", "--yes"]).unwrap();
    let said = said(&ran);
    assert!(ran.status.success(), "{said}");
    assert!(said.contains(cgroup.name()), "{said}");
    assert!(cgroup.run(&sql("SELECT 1")).unwrap().status.success());
    assert!(!gateway.path("run").exists(), "{said}");
}

#[test]
fn uninstall_lets_go_and_leaves_the_evidence() {
    let cgroup = Cgroup::new("uninstall").unwrap();
    let gateway = killed(&cgroup);
    // Nobody can be asked here.
    let ran = direct(&gateway.command(["uninstall"]));
    assert_eq!(ran.status.code(), Some(2), "{}", said(&ran));
    assert!(said(&ran).contains("--yes"), "{}", said(&ran));
    assert!(!cgroup.run(&sql("SELECT 1")).unwrap().status.success());
    has_let_go(&gateway, &cgroup);
    assert_eq!(gateway.recordings().unwrap().len(), 1);
    assert!(gateway.path("state/ca").exists());
    let log = gateway.enforcement().unwrap();
    let last: Vec<_> = log
        .iter()
        .rev()
        .take(2)
        .map(|line| &line["event"])
        .collect();
    assert_eq!(last, ["uninstalled", "detached"]);
    // Again there is nothing to do, and that is fine.
    let again = gateway.call(["uninstall", "--yes"]).unwrap();
    assert!(again.status.success(), "{}", said(&again));
}

#[test]
fn what_a_daemon_of_another_layout_left_goes_too() {
    let cgroup = Cgroup::new("layout").unwrap();
    let gateway = killed(&cgroup);
    let bpffs = gateway.path("run/bpf");
    let now = fs::read_dir(&bpffs)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::rename(now, bpffs.join("v0")).unwrap();
    has_let_go(&gateway, &cgroup);
}

#[test]
fn uninstall_is_refused_while_the_daemon_runs() {
    let gateway = open_gateway();
    let ran = gateway.call(["uninstall", "--yes"]).unwrap();
    assert!(!ran.status.success());
    let said = said(&ran);
    assert!(
        said.contains(&gateway.id().to_string()) && said.contains("stop it"),
        "{said}"
    );
    gateway.status().unwrap();
}
