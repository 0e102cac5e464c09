//! Cgroups that the configuration chooses: attached as they appear, let go only by hand.
//!
//! To the kernel a systemd unit is a cgroup of that name, so none of this needs systemd.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use gateway_tests::cgroup::{Cgroup, mount};
use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::programs::said;
use gateway_tests::wait;

use crate::stage::{gateway, server, shop, sql};

/// A policy whose workload `chosen` has these lines and may do everything.
fn policy(more: &str) -> PolicyFile {
    shop("upstream = { tls = \"disable\" }")
        .piece(&format!("[[workload]]\nname = \"chosen\"\n{more}"))
        .allow_all()
}

/// A name that no other test has.
fn own(name: &str) -> String {
    format!("gateway-test-{}-{name}", std::process::id())
}

/// A slice of the test's own: units are looked for in slices only.
fn slice(name: &str) -> Cgroup {
    Cgroup::at(mount().unwrap().join(format!("{}.slice", own(name)))).unwrap()
}

/// Waits until `path` is attached; its entry in the status.
fn attached(gateway: &Gateway, cgroup: &Cgroup) -> serde_json::Value {
    let what = format!("{} is attached", cgroup.name());
    wait::until(&what, || Ok(entry(gateway, cgroup.name()))).unwrap()
}

fn entry(gateway: &Gateway, path: &str) -> Option<serde_json::Value> {
    let status = gateway.status().unwrap();
    let all = status["attachments"].as_array().unwrap();
    all.iter().find(|one| one["path"] == path).cloned()
}

/// The workload as which a statement from the cgroup was recorded.
fn asks_as(gateway: &Gateway, cgroup: &Cgroup) -> String {
    let before = gateway.wait_recordings(0).unwrap().len();
    let ran = cgroup.run(&sql("SELECT 1")).unwrap();
    assert!(ran.status.success(), "{}", said(&ran));
    let all = gateway.wait_recordings(before + 1).unwrap();
    let open = all.last().unwrap().events("open").next().unwrap().clone();
    open["subject"]["workload"].as_str().unwrap().to_owned()
}

#[test]
fn units_are_attached_as_they_appear_and_reappear() {
    let unit = own("agent@1.service");
    let gateway = gateway(&policy(&format!("units = [\"{}\"]", own("agent@*"))));
    let slice = slice("appearing");
    for _ in 0..2 {
        let inner = slice.child("system-agent.slice").unwrap();
        let unit = inner.child(&unit).unwrap();
        let entry = attached(&gateway, &unit);
        assert_eq!(entry["workload"], "chosen");
        assert_eq!(entry["purpose"], "selected");
        assert_eq!(
            entry["selector"],
            format!("unit {}", own("agent@*.service"))
        );
        assert_eq!(asks_as(&gateway, &unit), "chosen");
        let path = unit.name().to_owned();
        drop(unit);
        wait::until("the unit is forgotten", || {
            Ok(entry_gone(&gateway, &path).then_some(()))
        })
        .unwrap();
    }
    let shown = gateway.ask(["status"]).unwrap();
    assert!(!shown.contains("problem"), "{shown}");
}

fn entry_gone(gateway: &Gateway, path: &str) -> bool {
    entry(gateway, path).is_none()
}

#[test]
fn what_is_there_at_the_start_is_attached_before_ready() {
    let slice = slice("early");
    let unit = slice.child(&own("early.service")).unwrap();
    let other = slice.child(&own("early.scope")).unwrap();
    let gateway = gateway(&policy(&format!("units = [\"{}\"]", own("early"))));
    assert!(entry(&gateway, unit.name()).is_some());
    assert!(entry(&gateway, other.name()).is_none());
}

#[test]
fn names_count_only_where_the_system_manager_keeps_units() {
    let slice = slice("spoof");
    let manager = slice.child("user@1000.service").unwrap();
    let spoof = manager.child(&own("trusted.service")).unwrap();
    let gateway = gateway(&policy(&format!("units = [\"{}\"]", own("trusted"))));
    let honest = slice.child(&own("trusted.service")).unwrap();
    attached(&gateway, &honest);
    assert!(entry(&gateway, spoof.name()).is_none());
}

#[test]
fn paths_are_followed_part_by_part() {
    let pods = Cgroup::new("pods").unwrap();
    let gateway = gateway(&policy(&format!(
        "cgroups = [\"/{}/*/box-?\"]",
        own("pods")
    )));
    let pod = pods.child("pod").unwrap();
    let inside = pod.child("box-1").unwrap();
    attached(&gateway, &inside);
    let below = inside.child("box-2").unwrap();
    assert_eq!(asks_as(&gateway, &below), "chosen");
    let deeper = pod.child("box-10").unwrap();
    let last = pod.child("box-3").unwrap();
    attached(&gateway, &last);
    for path in [&pod, &below, &deeper] {
        assert!(entry(&gateway, path.name()).is_none(), "{}", path.name());
    }
}

#[test]
fn innermost_choice_says_who_and_is_logged() {
    let outer = Cgroup::new("nest").unwrap();
    let gateway = gateway(&policy(&format!("cgroups = [\"{}/inner\"]", own("nest"))));
    gateway
        .ask(["attach", "--as", "agent", "--cgroup", outer.name()])
        .unwrap();
    let inner = outer.child("inner").unwrap();
    attached(&gateway, &inner);
    assert_eq!(asks_as(&gateway, &inner), "chosen");
    assert_eq!(asks_as(&gateway, &outer), "agent");
    let log = gateway.enforcement().unwrap();
    let line = log
        .iter()
        .find(|line| line["workload"] == "chosen")
        .unwrap();
    assert_eq!(line["event"], "attached");
    assert_eq!(line["inside"], "agent");
}

#[test]
fn an_attachment_by_hand_is_not_taken_over() {
    let cgroup = Cgroup::new("hand").unwrap();
    let gateway = gateway(&policy(""));
    gateway
        .ask(["attach", "--as", "agent", "--cgroup", cgroup.name()])
        .unwrap();
    let chosen = format!("cgroups = [\"{}\"]", own("hand"));
    reload(&gateway, &policy(&chosen));
    assert_eq!(asks_as(&gateway, &cgroup), "agent");
    let shown = gateway.ask(["status"]).unwrap();
    assert!(
        shown.contains("problem") && shown.contains("by hand"),
        "{shown}"
    );
    let log = gateway.enforcement().unwrap();
    assert!(
        log.iter().any(|line| line["event"] == "attach_failed"),
        "{log:?}"
    );
}

#[test]
fn selectors_come_and_go_by_reload_and_detach_nothing() {
    let cgroup = Cgroup::new("reloaded").unwrap();
    let gateway = gateway(&policy(""));
    let chosen = format!("cgroups = [\"{}\"]", own("reloaded"));
    reload(&gateway, &policy(&chosen));
    assert_eq!(asks_as(&gateway, &cgroup), "chosen");
    reload(&gateway, &policy(""));
    assert_eq!(asks_as(&gateway, &cgroup), "chosen");
    // Another workload takes it over.
    let taken = policy("").piece(&format!("[[workload]]\nname = \"next\"\n{chosen}"));
    reload(&gateway, &taken);
    assert_eq!(asks_as(&gateway, &cgroup), "next");
}

#[test]
fn detached_by_hand_is_left_alone_until_the_next_reload() {
    let cgroup = Cgroup::new("released").unwrap();
    let chosen = policy(&format!("cgroups = [\"{}\"]", own("released")));
    let gateway = gateway(&chosen);
    let told = gateway.ask(["detach", "--cgroup", cgroup.name()]).unwrap();
    assert!(told.contains("chosen by"), "{told}");
    assert!(entry(&gateway, cgroup.name()).is_none());
    let ran = cgroup.run(&sql("SELECT 1")).unwrap();
    assert!(ran.status.success(), "{}", said(&ran));
    assert!(gateway.recordings().unwrap().is_empty());
    reload_nothing(&gateway);
    attached(&gateway, &cgroup);
    gateway.ask(["detach", "--all"]).unwrap();
    assert!(entry(&gateway, cgroup.name()).is_none());
}

#[test]
fn a_restart_knows_what_was_chosen() {
    let cgroup = Cgroup::new("again").unwrap();
    let mut gateway = gateway(&policy(&format!("cgroups = [\"{}\"]", own("again"))));
    gateway.stop(nix::sys::signal::Signal::SIGKILL).unwrap();
    let ran: Output = cgroup.run(&sql("SELECT 1")).unwrap();
    assert!(!ran.status.success(), "a dead daemon let an agent pass");
    gateway.restart().unwrap();
    assert_eq!(asks_as(&gateway, &cgroup), "chosen");
}

#[test]
fn choices_that_two_workloads_share_are_refused_at_load() {
    let sandbox = gateway_tests::sandbox::Sandbox::new("overlap").unwrap();
    let text = "[[workload]]\nname = \"a\"\nunits = [\"agent@*\"]\n\
                [[workload]]\nname = \"b\"\ncgroups = [\"system.slice/*\"]\n";
    let file = sandbox.write("gateway.toml", text).unwrap();
    let mut check = std::process::Command::new(gateway_tests::programs::gateway().unwrap());
    check.args(["config", "check", "--config"]).arg(&file);
    let ran = check.output().unwrap();
    let said = said(&ran);
    assert!(
        !ran.status.success() && said.contains("another workload"),
        "{said}"
    );
    assert!(
        said.contains("unit agent@*.service") && said.contains("line 3"),
        "{said}"
    );
}

/// Has the daemon read another policy, and waits until it did.
fn reload(gateway: &Gateway, policy: &PolicyFile) {
    let folder: PathBuf = gateway.config().parent().unwrap().to_owned();
    fs::write(gateway.config(), policy.render(&folder, gateway.port())).unwrap();
    reload_nothing(gateway);
}

fn reload_nothing(gateway: &Gateway) {
    let _server_is_up = server();
    gateway.ask(["reload"]).unwrap();
}
