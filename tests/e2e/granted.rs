//! What passes by a grant, and what becomes of it when the grant ends.

use std::process::Child;

use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::programs::said;
use gateway_tests::wait;

use crate::deciding::{ended, json, start, text, waiting};
use crate::stage::{gateway, never_logged, server, shop, sql, wait_logged};

const PLAIN: &str = "upstream = { tls = \"disable\" }";

/// What matches waits for root.
fn held(matching: &str, timeout: &str) -> PolicyFile {
    let rule =
        format!("match = {{ {matching} }}\napprovers = [\"owners\"]\ntimeout = \"{timeout}\"");
    shop(PLAIN)
        .piece("[[approvers]]\nname = \"owners\"\nusers = [\"root\"]")
        .rule("everything", "allow", "")
        .rule("some-wait", "approve", &rule)
}

/// Says yes to a request.
fn approve(gateway: &Gateway, id: &str, more: &[&str]) {
    let whole = json(gateway, &["approvals", "show", id, "--json"]);
    let digest = text(&whole["action"], "action");
    let yes = ["approvals", "approve", id, "--yes", "--digest", digest];
    gateway.ask([&yes[..], more].concat()).unwrap();
}

/// Has a statement wait, says yes, and leaves it running.
fn run(gateway: &Gateway, statement: &str, more: &[&str]) -> Child {
    let client = start(gateway, &sql(statement));
    approve(gateway, text(&waiting(gateway), "id"), more);
    client
}

fn is_busy(statement: &str) -> bool {
    let question = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = '{statement}'"
    );
    server().admin(&question).unwrap().trim() == "1"
}

#[test]
fn what_runs_ends_with_its_grant() {
    let gateway = gateway(&held("function = \"pg_sleep\"", "2m"));
    let (first, second) = ("SELECT pg_sleep(401)", "SELECT pg_sleep(402)");
    let one = run(&gateway, first, &["--for", "10m"]);
    wait_logged(server(), first);
    // By the same grant, and nobody is asked.
    let two = start(&gateway, &sql(second));
    wait_logged(server(), second);
    let grants = json(&gateway, &["grants", "list", "--json"]);
    gateway
        .ask(["grants", "revoke", text(&grants[0], "id")])
        .unwrap();
    for client in [one, two] {
        let shown = said(&ended(client));
        let expected = "FATAL:  gateway: root took the approval back";
        assert!(shown.contains(expected), "{shown}");
    }
    // They do not go on without their clients either.
    for statement in [first, second] {
        wait::until("the server stops", || {
            Ok((!is_busy(statement)).then_some(()))
        })
        .unwrap();
    }
    for recording in gateway.wait_recordings(2).unwrap() {
        let end = recording.events("end").next().unwrap();
        assert_eq!(end["end"], "approval_ended", "{end}");
    }
}

#[test]
fn what_runs_when_the_time_is_over_ends() {
    let gateway = gateway(&held("function = \"pg_sleep\"", "2m"));
    let client = run(&gateway, "SELECT pg_sleep(403)", &["--for", "3s"]);
    let shown = said(&ended(client));
    let expected = "FATAL:  gateway: the time that the approval was given for is over";
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn rows_are_counted() {
    server()
        .admin("CREATE TABLE counted AS SELECT generate_series(1, 9) AS id; GRANT ALL ON counted TO app")
        .unwrap();
    let gateway = gateway(&held("verb = \"delete\"", "2s"));
    let delete = |which: &str| sql(&format!("DELETE FROM counted WHERE id {which}"));
    let first = start(&gateway, &delete("= 1"));
    let more = ["--for", "10m", "--max-rows", "3"];
    approve(&gateway, text(&waiting(&gateway), "id"), &more);
    assert!(ended(first).status.success());
    assert!(
        ended(start(&gateway, &delete("IN (2, 3)")))
            .status
            .success()
    );
    // Three are gone.
    let shown = said(&ended(start(&gateway, &delete("= 4"))));
    assert!(shown.contains("nobody decided in time"), "{shown}");
    let left = server().admin("SELECT count(*) FROM counted").unwrap();
    assert_eq!(left.trim(), "6");
}

#[test]
fn what_comes_too_late_is_for_the_next_time() {
    let gateway = gateway(&held("verb = \"delete\"", "2s"));
    let statement = "DELETE FROM orders WHERE id = -404";
    let client = start(&gateway, &sql(statement));
    let id = text(&waiting(&gateway), "id").to_owned();
    let shown = said(&ended(client));
    assert!(shown.contains("nobody decided in time"), "{shown}");
    never_logged(server(), "id = -404");
    approve(&gateway, &id, &[]);
    // Exactly this, and once.
    let other = said(&ended(start(
        &gateway,
        &sql("DELETE FROM orders WHERE id = -405"),
    )));
    assert!(other.contains("nobody decided in time"), "{other}");
    assert!(ended(start(&gateway, &sql(statement))).status.success());
    wait_logged(server(), "id = -404");
    let again = said(&ended(start(&gateway, &sql(statement))));
    assert!(again.contains("nobody decided in time"), "{again}");
}

#[test]
fn a_stream_that_nobody_looks_into_waits_and_ends() {
    let port = server().port();
    let resource = format!(
        "[[resource]]\nname = \"peer\"\nprotocol = \"tcp\"\naddresses = [\"127.0.0.1:{port}\"]"
    );
    let policy = PolicyFile::new()
        .piece(&resource)
        .piece("[[approvers]]\nname = \"owners\"\nusers = [\"root\"]")
        .rule(
            "waits",
            "approve",
            "approvers = [\"owners\"]\ntimeout = \"2m\"",
        );
    let gateway = gateway(&policy);
    let client = run(&gateway, "SELECT pg_sleep(406)", &["--for", "4s"]);
    wait_logged(server(), "SELECT pg_sleep(406)");
    // Until it ends there is nothing to ask again.
    let second = start(&gateway, &sql("SELECT 'by the same grant'"));
    assert!(said(&ended(second)).contains("by the same grant"));
    let shown = said(&ended(client));
    assert!(shown.contains("server closed the connection"), "{shown}");
    // Who leaves waits no longer.
    let third = start(&gateway, &sql("SELECT 'never'"));
    let id = text(&waiting(&gateway), "id").to_owned();
    drop(ended(third));
    let gone = json(&gateway, &["approvals", "show", &id, "--json"]);
    assert_eq!(gone["state"], "withdrawn", "{gone}");
    never_logged(server(), "SELECT 'never'");
}
