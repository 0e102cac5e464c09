//! Hooks that somebody takes away while the daemon runs: put back, told of, and nothing passes on.

use std::path::PathBuf;

use gateway_tests::cgroup::Cgroup;
use gateway_tests::gateway::Gateway;
use gateway_tests::terminal::Terminal;
use gateway_tests::wait;

use crate::stage::{gateway, never_logged, open_gateway, psql, server, shop, sql};

fn links(gateway: &Gateway, cgroup: &Cgroup) -> PathBuf {
    let id = std::os::unix::fs::MetadataExt::ino(&cgroup.path().metadata().unwrap());
    let bpffs = gateway.path("run/bpf");
    let layouts = std::fs::read_dir(bpffs).unwrap().flatten();
    let mut folders = layouts.map(|one| one.path().join("links").join(id.to_string()));
    folders.find(|folder| folder.exists()).unwrap()
}

fn damages(gateway: &Gateway) -> Vec<serde_json::Value> {
    let mut log = gateway.enforcement().unwrap();
    log.retain(|line| line["event"] == "damaged");
    log
}

#[test]
fn removed_hooks_come_back_and_what_slipped_through_is_closed() {
    let gateway = open_gateway();
    let cgroup = Cgroup::new("repair").unwrap();
    gateway
        .ask(["attach", "--as", "agent", "--cgroup", cgroup.name()])
        .unwrap();
    // Nobody sees it connect: the hooks are gone, and the daemon is stopped for so long.
    gateway.signal(nix::sys::signal::Signal::SIGSTOP).unwrap();
    std::fs::remove_dir_all(links(&gateway, &cgroup)).unwrap();
    let mut slipped = Terminal::start(&cgroup.enter(&psql(&["-n"])).unwrap()).unwrap();
    slipped.wait_for("shop=> ").unwrap();
    gateway.signal(nix::sys::signal::Signal::SIGCONT).unwrap();
    wait::until("the damage is told of", || {
        Ok((!damages(&gateway).is_empty()).then_some(()))
    })
    .unwrap();
    let told = damages(&gateway).remove(0);
    assert_eq!(told["workload"], "agent", "{told}");
    assert!(
        told["what"]
            .as_str()
            .unwrap()
            .contains("connect4 was detached"),
        "{told}"
    );
    assert!(told["remains"].is_null(), "{told}");
    wait::until("what slipped through is closed", || {
        let log = gateway.enforcement()?;
        Ok(log
            .iter()
            .any(|line| line["event"] == "closed_earlier")
            .then_some(()))
    })
    .unwrap();
    slipped
        .type_keys("SELECT 'forbidden' || '_slipped';\n")
        .unwrap();
    slipped.wait_for("Succeeded").unwrap();
    never_logged(server(), "'forbidden' || '_slipped'");
    let shown = gateway.ask(["status"]).unwrap();
    assert!(shown.contains("repaired  1 time"), "{shown}");
    assert!(!shown.contains("problem"), "{shown}");
    assert!(cgroup.run(&sql("SELECT 1")).unwrap().status.success());
}

#[test]
fn hooks_that_went_while_no_daemon_ran_come_back_with_the_next() {
    let cgroup = Cgroup::new("gap").unwrap();
    let name = cgroup.path().file_name().unwrap().to_str().unwrap();
    let policy = shop("upstream = { tls = \"disable\" }")
        .piece(&format!(
            "[[workload]]\nname = \"chosen\"\ncgroups = [{name:?}]"
        ))
        .allow_all();
    let mut gateway = gateway(&policy);
    gateway.stop(nix::sys::signal::Signal::SIGKILL).unwrap();
    std::fs::remove_dir_all(links(&gateway, &cgroup)).unwrap();
    let mut slipped = Terminal::start(&cgroup.enter(&psql(&["-n"])).unwrap()).unwrap();
    slipped.wait_for("shop=> ").unwrap();
    gateway.restart().unwrap();
    slipped
        .type_keys("SELECT 'forbidden' || '_gap';\n")
        .unwrap();
    slipped.wait_for("Succeeded").unwrap();
    never_logged(server(), "'forbidden' || '_gap'");
}
