//! Whose cancel requests work: those of the session's own workload, with the key that the gateway
//! gave it. Nobody else's.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use gateway_tests::gateway::Gateway;
use gateway_tests::programs::{python, said};

use gateway_tests::wait;

use crate::stage::{client, direct, gateway, never_logged, server, shop, wait_logged};

fn cancel_py(what: &str, rest: &str) -> Command {
    let mut command = client(python().unwrap());
    command.arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/e2e/clients/cancel.py"
    ));
    let port = server().port().to_string();
    command.args([what, "127.0.0.1", &port, rest]);
    command
}

/// A session of the workload `agent` that is busy with `statement`, its output, and its key.
fn busy(gateway: &Gateway, statement: &str) -> (Child, impl BufRead + use<>, String) {
    let mut child = gateway
        .run("agent", &cancel_py("hold", statement))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut key = String::new();
    output.read_line(&mut key).unwrap();
    wait_logged(server(), statement);
    (child, output, key.trim().to_owned())
}

fn is_busy(statement: &str) -> bool {
    let question = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = '{statement}'"
    );
    server().admin(&question).unwrap().trim() == "1"
}

#[test]
fn cancel_works_for_the_sessions_own_workload_only() {
    let policy = shop("upstream = { tls = \"disable\" }")
        .piece("[[workload]]\nname = \"other\"")
        .allow_all();
    let gateway = gateway(&policy);
    let statement = "SELECT pg_sleep(64)";
    let (mut child, mut output, key) = busy(&gateway, statement);

    // Another workload with the right key, the same one with a wrong key, and the key at the
    // server itself, which has never heard of it. Each waits until its request was dealt with.
    let run = |workload: &str, key: &str| {
        let ran = direct(&gateway.run(workload, &cancel_py("cancel", key)));
        assert!(ran.status.success(), "{}", said(&ran));
    };
    run("other", &key);
    let wrong: String = key
        .chars()
        .map(|digit| if digit == '0' { '1' } else { '0' })
        .collect();
    run("agent", &wrong);
    assert!(direct(&cancel_py("cancel", &key)).status.success());
    assert!(is_busy(statement), "a stranger's cancel was honoured");
    let daemon = gateway.output();
    assert_eq!(
        daemon.matches("not one of this workload's").count(),
        2,
        "{daemon}"
    );

    run("agent", &key);
    let mut outcome = String::new();
    output.read_line(&mut outcome).unwrap();
    assert_eq!(outcome.trim(), "57014");
    assert!(child.wait().unwrap().success());
}

/// A request to cancel does not say who asks.
#[test]
fn a_policy_that_pins_the_user_lets_its_sessions_be_cancelled() {
    let policy = shop("upstream = { tls = \"disable\" }").rule(
        "pinned",
        "allow",
        "match = { user = \"app_trust\" }",
    );
    let gateway = gateway(&policy);
    let (mut child, mut output, key) = busy(&gateway, "SELECT pg_sleep(66)");
    let ran = direct(&gateway.run("agent", &cancel_py("cancel", &key)));
    assert!(ran.status.success(), "{}", said(&ran));
    let mut outcome = String::new();
    output.read_line(&mut outcome).unwrap();
    assert_eq!(outcome.trim(), "57014");
    assert!(child.wait().unwrap().success());
}

#[test]
fn key_of_a_session_that_ended_is_no_key() {
    let gateway = gateway(&shop("upstream = { tls = \"disable\" }").allow_all());
    let (mut child, mut output, key) = busy(&gateway, "SELECT pg_sleep(0.065)");
    let mut outcome = String::new();
    output.read_line(&mut outcome).unwrap();
    assert_eq!(outcome.trim(), "done");
    assert!(child.wait().unwrap().success());
    gateway.wait_recordings(1).unwrap();
    assert!(
        direct(&gateway.run("agent", &cancel_py("cancel", &key)))
            .status
            .success()
    );
    assert!(gateway.output().contains("not one of this workload's"));
}

#[test]
fn what_waits_for_people_can_be_cancelled_too() {
    let policy = shop("upstream = { tls = \"disable\" }")
        .piece("[[workload]]\nname = \"other\"")
        .piece("[[approvers]]\nname = \"owners\"\nusers = [\"root\"]")
        .rule("everything", "allow", "")
        .rule(
            "deletes-wait",
            "approve",
            "match = { verb = \"delete\" }\napprovers = [\"owners\"]",
        );
    let gateway = gateway(&policy);
    let statement = "DELETE FROM orders WHERE id = -77";
    let mut child = gateway
        .run("agent", &cancel_py("hold", statement))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut key = String::new();
    output.read_line(&mut key).unwrap();
    let logged = |event: &str| {
        let lines = gateway.enforcement().unwrap();
        lines.into_iter().find(|line| line["event"] == event)
    };
    wait::until("it waits", || Ok(logged("ask_held"))).unwrap();
    let run = |workload: &str| direct(&gateway.run(workload, &cancel_py("cancel", key.trim())));
    assert!(run("other").status.success());
    assert!(
        logged("ask_answered").is_none(),
        "a stranger's cancel was honoured"
    );
    assert!(run("agent").status.success());
    let mut outcome = String::new();
    output.read_line(&mut outcome).unwrap();
    assert_eq!(outcome.trim(), "57014");
    child.wait().unwrap();
    let answered = wait::until("it is logged", || Ok(logged("ask_answered"))).unwrap();
    assert_eq!(answered["ruling"], "deny", "{answered}");
    let open = gateway.ask(["approvals", "list", "--json"]).unwrap();
    assert!(!open.contains("\"open\""), "{open}");
    never_logged(server(), statement);
}
