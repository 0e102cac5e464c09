//! The daemon reads what agents write, so it has no privileges while it does; its keeper has them,
//! and neither goes on without the other.

use std::fs;
use std::path::Path;

use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::DAEMON_USER;
use gateway_tests::wait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};

use crate::closed::daemon_fails;
use crate::stage::{agent, open_gateway, server, shop, sql};

/// A line of `/proc/PID/status`.
fn status_of(pid: u32, line: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let found = status.lines().find_map(|text| text.strip_prefix(line));
    found.unwrap().trim().to_owned()
}

/// The keeper of a daemon: its only child.
fn keeper(gateway: &Gateway) -> Pid {
    let pid = gateway.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    Pid::from_raw(children.trim().parse().unwrap())
}

#[test]
fn daemon_has_no_privileges() {
    let gateway = open_gateway();
    agent(&gateway, &sql("SELECT 1"));
    let user = User::from_name(DAEMON_USER).unwrap().unwrap();
    // All threads: what was set while there was one holds for each.
    for task in fs::read_dir(format!("/proc/{}/task", gateway.id())).unwrap() {
        let task = task.unwrap().file_name().to_str().unwrap().parse().unwrap();
        let ids = vec![user.uid.to_string(); 4].join("\t");
        assert_eq!(status_of(task, "Uid:"), ids);
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(status_of(task, set), "0000000000000000", "{set}");
        }
        assert_eq!(status_of(task, "NoNewPrivs:"), "1");
        assert_eq!(status_of(task, "Seccomp:"), "2", "no filter");
    }
}

#[test]
fn daemon_owns_what_it_writes_and_nothing_else() {
    let gateway = open_gateway();
    agent(&gateway, &sql("SELECT 1"));
    gateway.wait_recordings(1).unwrap();
    let user = User::from_name(DAEMON_USER).unwrap().unwrap().uid.as_raw();
    let owner = |path: &Path| {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(path).unwrap().uid()
    };
    for (name, expected) in [
        ("sessions", user),
        ("enforcement.jsonl", user),
        ("run/daemon/attachments.json", user),
        // What the next start, as root, relies on.
        ("run", 0),
        ("run/daemon.lock", 0),
        ("run/bpf", 0),
        ("state", 0),
        ("state/ca", 0),
    ] {
        assert_eq!(owner(&gateway.path(name)), expected, "{name}");
    }
}

#[test]
fn daemon_ends_with_its_keeper_and_agents_are_refused() {
    let mut gateway = open_gateway();
    agent(&gateway, &sql("SELECT 'before'"));
    kill(keeper(&gateway), Signal::SIGKILL).unwrap();
    let status = gateway.wait_end().unwrap();
    assert!(!status.success());
    let said = gateway.output();
    assert!(said.contains("the keeper"), "{said}");
    gateway.restart().unwrap();
    agent(&gateway, &sql("SELECT 'after'"));
}

#[test]
fn keeper_ends_with_its_daemon() {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let mut gateway = open_gateway();
        let keeper = keeper(&gateway);
        gateway.stop(signal).unwrap();
        wait::until("the keeper ends", || Ok(kill(keeper, None).err().map(drop))).unwrap();
    }
}

#[test]
fn user_that_is_missing_is_told_with_how_to_make_it() {
    let said = daemon_fails(|folder| {
        let text = shop("").allow_all().render(folder, server().port());
        text.replace(&format!("{DAEMON_USER:?}"), "\"gateway-nowhere\"")
    });
    assert!(said.contains("useradd --system"), "{said}");
    assert!(said.contains("gateway-nowhere"), "{said}");
}

#[test]
fn folder_that_the_user_does_not_reach_is_told_at_the_start() {
    let said = daemon_fails(|folder| {
        use std::os::unix::fs::PermissionsExt as _;
        let closed = folder.join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        let port = gateway_tests::sandbox::free_port().unwrap();
        let text = shop("").allow_all().render(folder, port);
        text.replace("/sessions\"", "/closed/sessions\"")
    });
    assert!(
        said.contains("cannot write to") && said.contains("closed/sessions"),
        "{said}"
    );
    // And nothing is left of the start.
    let place = said
        .split_whitespace()
        .find(|word| word.contains("/closed/"));
    let folder = place.unwrap().split("/closed/").next().unwrap();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(folder), "{mounts}");
}
