//! Actions that wait for people: what the agent meets meanwhile, and what is kept of it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::{DAEMON_USER, PolicyFile};
use gateway_tests::programs::{bounded, said};
use gateway_tests::wait;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};
use serde_json::Value;

use crate::stage::{agent, agent_fails, gateway, psql, server, shop, sql};

const OWNERS: &str = "[[approvers]]\nname = \"data-owners\"\nusers = [\"root\"]";

fn held(timeout: &str) -> PolicyFile {
    let rule = format!(
        "match = {{ verb = \"delete\" }}\napprovers = [\"data-owners\"]\ntimeout = \"{timeout}\""
    );
    shop("upstream = { tls = \"disable\" }")
        .piece(OWNERS)
        .rule("everything", "allow", "")
        .rule("deletes-wait", "approve", &rule)
}

/// A client of the agent's whose statement waits.
fn start(gateway: &Gateway, statement: &str) -> Child {
    let mut run = gateway.run("agent", &sql(statement));
    run.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = run.spawn().unwrap();
    wait_event(gateway, "ask_held");
    child
}

fn wait_event(gateway: &Gateway, event: &str) -> Value {
    wait::until(event, || {
        let mut lines = gateway.enforcement()?;
        lines.retain(|line| line["event"] == event);
        Ok(lines.pop())
    })
    .unwrap()
}

#[test]
fn what_nobody_decides_is_refused_in_time() {
    let gateway = gateway(&held("1s"));
    let both = psql(&[
        "-qAt",
        "-c",
        "DELETE FROM orders WHERE id = -1",
        "-c",
        "SELECT 'after'",
    ]);
    let shown = said(&gateway.agent(&both).unwrap());
    let waits = "NOTICE:  gateway: waiting for an approval by data-owners until ";
    for expected in [waits, "ERROR:  gateway: nobody decided in time", "after"] {
        assert!(shown.contains(expected), "{shown}");
    }
    let numbers = gateway.ask(["metrics"]).unwrap();
    let ended = "gateway_ended_requests_total{resource=\"shop\",how=\"timed_out\"} 1";
    assert!(numbers.contains(ended), "{numbers}");
    // By the confined daemon, in a folder of its own, and for nobody else.
    let user = User::from_name(DAEMON_USER).unwrap().unwrap();
    for (name, mode) in [
        ("state/approvals", 0o700),
        ("state/approvals/approvals.sqlite", 0o600),
        ("state/approvals/approvals.sqlite-wal", 0o600),
    ] {
        let found = fs::metadata(gateway.path(name)).unwrap();
        assert_eq!(found.uid(), user.uid.as_raw(), "{name}");
        assert_eq!(found.permissions().mode() & 0o777, mode, "{name}");
    }
}

#[test]
fn what_waits_has_not_reached_the_server() {
    let gateway = gateway(&held("1m"));
    let statement = "DELETE FROM orders WHERE id = -21";
    let child = start(&gateway, statement);
    assert!(!server().log().contains(statement));
    let told = gateway.ask(["status"]).unwrap();
    let waits = "1 request on shop by rule deletes-wait, the oldest for";
    assert!(told.contains(waits), "{told}");
    let numbers = gateway.ask(["metrics"]).unwrap();
    let waits = "gateway_waiting_requests{resource=\"shop\",rule=\"deletes-wait\"} 1";
    assert!(numbers.contains(waits), "{numbers}");
    // Others go on.
    assert!(agent(&gateway, &sql("SELECT 'meanwhile'")).contains("meanwhile"));
    let session = wait_event(&gateway, "ask_held")["session"].clone();
    gateway.ask(["kill", session.as_str().unwrap()]).unwrap();
    let shown = said(&child.wait_with_output().unwrap());
    assert!(shown.contains("an operator ended this session"), "{shown}");
    let answered = wait_event(&gateway, "ask_answered");
    assert_eq!(answered["ruling"], "deny", "{answered}");
    assert!(!server().log().contains(statement));
}

#[test]
fn a_daemon_that_is_gone_has_approved_nothing() {
    let mut gateway = gateway(&held("1m"));
    let statement = "DELETE FROM orders WHERE id = -22";
    let child = start(&gateway, statement);
    kill(
        Pid::from_raw(gateway.id().try_into().unwrap()),
        Signal::SIGKILL,
    )
    .unwrap();
    gateway.wait_end().unwrap();
    let shown = said(&child.wait_with_output().unwrap());
    assert!(
        shown.contains("closed the connection unexpectedly"),
        "{shown}"
    );
    gateway.restart().unwrap();
    assert!(agent(&gateway, &sql("SELECT 'again'")).contains("again"));
    assert!(!server().log().contains(statement));
}

/// Fails closed: a store that is not one keeps the daemon from starting, and says so.
#[test]
fn a_damaged_store_is_told_at_the_start() {
    let mut gateway = gateway(&held("1s"));
    agent_fails(&gateway, &sql("DELETE FROM orders WHERE id = -1"));
    gateway.stop(Signal::SIGTERM).unwrap();
    let file = gateway.path("state/approvals/approvals.sqlite");
    fs::write(&file, vec![7; 8192]).unwrap();
    for beside in ["sqlite-wal", "sqlite-shm"] {
        // They are gone after an orderly end.
        drop(fs::remove_file(file.with_extension(beside)));
    }
    let daemon = gateway.command(["daemon"]);
    let ran = bounded(&daemon).output().unwrap();
    let shown = said(&ran);
    assert!(!ran.status.success(), "{shown}");
    assert!(shown.contains("approvals.sqlite: "), "{shown}");
    fs::remove_file(&file).unwrap();
    gateway.restart().unwrap();
}

/// A file system of its own, which holds so little.
struct Small(PathBuf);

impl Small {
    fn at(path: PathBuf) -> Self {
        let (none, size) = (None::<&str>, Some("size=1m"));
        mount(none, &path, Some("tmpfs"), MsFlags::empty(), size).unwrap();
        Self(path)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        umount2(&self.0, MntFlags::MNT_DETACH).unwrap();
    }
}

#[test]
fn what_cannot_be_written_down_is_refused() {
    let mut gateway = gateway(&held("1s"));
    gateway.stop(Signal::SIGTERM).unwrap();
    let small = Small::at(gateway.path("state/approvals"));
    gateway.restart().unwrap();
    let filler = small.0.join("filler");
    fs::write(&filler, vec![0; 2 << 20]).unwrap_err();
    let long = format!("DELETE FROM orders WHERE note = '{}'", "x".repeat(64 << 10));
    let shown = agent_fails(&gateway, &sql(&long));
    assert!(
        shown.contains("ERROR:  gateway: approvals cannot be written down"),
        "{shown}"
    );
    let status = gateway.call(["status"]).unwrap();
    let problem = said(&status);
    assert!(
        problem.contains("approvals.sqlite: database or disk is full"),
        "{problem}"
    );
    fs::remove_file(&filler).unwrap();
    wait::until("approvals work again", || {
        let shown = said(&gateway.agent(&sql("DELETE FROM orders WHERE id = -1"))?);
        Ok(shown.contains("nobody decided in time").then_some(()))
    })
    .unwrap();
    assert!(!said(&gateway.call(["status"]).unwrap()).contains("approvals.sqlite"));
    gateway.stop(Signal::SIGTERM).unwrap();
}
