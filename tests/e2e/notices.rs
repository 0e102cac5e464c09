//! People are told of what waits for them, by a confined daemon, and nothing waits for that.

use std::process::{Child, Stdio};

use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::programs::said;
use gateway_tests::wait;
use gateway_tests::webhook::Webhook;
use serde_json::{Value, json};

use crate::stage::{agent, agent_fails, gateway, psql, shop, sql};

fn held(targets: &[String], notify: &str, timeout: &str) -> PolicyFile {
    let rule = format!(
        "match = {{ verb = \"delete\" }}\napprovers = [\"owners\"]\ntimeout = \"{timeout}\"\n\
         reason = \"deletes are looked at\""
    );
    let policy = shop("upstream = { tls = \"disable\" }")
        .piece(&format!(
            "[[approvers]]\nname = \"owners\"\nusers = [\"root\"]\nnotify = {notify}"
        ))
        .rule("everything", "allow", "")
        .rule("deletes-wait", "approve", &rule);
    targets.iter().fold(policy, |policy, it| policy.piece(it))
}

/// An agent's client that is left waiting.
fn start(gateway: &Gateway, statement: &str) -> Child {
    let mut run = gateway.run("agent", &sql(statement));
    run.stdout(Stdio::piped()).stderr(Stdio::piped());
    run.spawn().unwrap()
}

fn events(posted: &[Value]) -> Vec<&str> {
    let events = posted.iter();
    events
        .filter_map(|it| it["body"]["event"].as_str())
        .collect()
}

#[test]
fn programs_are_told_everything_by_tls() {
    let hook = Webhook::start(true).unwrap();
    let target = hook.target("tickets", "generic", "/busy/s3cr3t").unwrap();
    let policy = held(&[target], "[\"tickets\"]", "3s");
    let authority = hook.authority().unwrap();
    // The host's authorities, as far as this daemon can see.
    let gateway = Gateway::start_within(&policy, |_| {
        let trusted = format!("SSL_CERT_FILE={}", authority.display());
        Ok(vec!["env".to_owned(), trusted])
    })
    .unwrap();
    // As long as a statement that is read can be, and told to the last byte.
    let long = format!(
        "DELETE FROM orders WHERE note = '{}'",
        "x".repeat(1_000_000)
    );
    let file = gateway.path("long.sql");
    std::fs::write(&file, &long).unwrap();
    let file = file.display().to_string();
    let shown = agent_fails(&gateway, &psql(&["-v", "ON_ERROR_STOP=1", "-f", &file]));
    assert!(shown.contains("nobody decided in time"), "{shown:.500}");
    // Two that were told to come again, one that arrived, and one for the end.
    let posted = hook.wait(4).unwrap();
    assert_eq!(events(&posted), ["opened", "opened", "opened", "timed_out"]);
    assert!(posted.iter().all(|it| it["signed"] == true));
    assert!(
        posted[..3]
            .iter()
            .all(|it| it["delivery"] == posted[0]["delivery"])
    );
    assert_ne!(posted[3]["delivery"], posted[0]["delivery"]);
    let body = &posted[2]["body"];
    assert_eq!(body["action"]["text"], long);
    assert_eq!(body["action"]["subject"]["workload"], "agent");
    assert_eq!(body["action"]["demands"][0]["rule"], "deletes-wait");
    assert_eq!(posted[3]["body"]["request"], body["request"]);
    assert_eq!(gateway.status().unwrap()["problems"], json!([]));
}

#[test]
fn people_are_told_in_slack_and_teams() {
    let hook = Webhook::start(false).unwrap();
    let targets = [
        hook.target("slack", "slack", "/ok/slack").unwrap(),
        hook.target("teams", "teams", "/ok/teams").unwrap(),
    ];
    let gateway = gateway(&held(&targets, "[\"slack\", \"teams\"]", "1m"));
    let statement = "DELETE FROM orders WHERE note = '<!channel> \u{202e}'";
    let child = start(&gateway, statement);
    let posted = hook.wait(2).unwrap();
    let of = |path: &str| {
        let found = posted.iter().find(|it| it["path"] == path);
        found.unwrap()["body"].clone()
    };
    let slack = of("/ok/slack");
    assert_eq!(slack["blocks"][0]["type"], "header");
    let teams = of("/ok/teams");
    assert_eq!(
        teams["attachments"][0]["contentType"],
        "application/vnd.microsoft.card.adaptive"
    );
    for message in [&slack, &teams] {
        let text = message.to_string();
        for expected in [
            "Approval wanted: agent on shop",
            "deletes-wait: deletes are looked at (asks owners)",
            "DELETE FROM orders WHERE note = '<!channel> \\\\u{202e}'",
            "gateway approvals approve",
            "database shop",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }
    // Whoever asked is gone, and nobody is left with a question.
    let held = gateway.enforcement().unwrap();
    let held = held
        .iter()
        .find(|line| line["event"] == "ask_held")
        .unwrap();
    gateway
        .ask(["kill", held["session"].as_str().unwrap()])
        .unwrap();
    child.wait_with_output().unwrap();
    let posted = hook.wait(4).unwrap();
    let last = posted[3]["body"].to_string();
    assert!(last.contains("Withdrawn: agent on shop"), "{last}");
    assert!(!last.contains("approvals approve"), "{last}");
}

/// Fails open as to people, who see it in the list, and closed as to the request.
#[test]
fn nothing_waits_for_messages() {
    let hook = Webhook::start(false).unwrap();
    let targets = [
        hook.target("silent", "slack", "/silent/s3cr3t").unwrap(),
        hook.target("gone", "slack", "/gone/s3cr3t").unwrap(),
    ];
    let gateway = gateway(&held(&targets, "[\"silent\", \"gone\"]", "1s"));
    let shown = agent_fails(&gateway, &sql("DELETE FROM orders WHERE id = -31"));
    assert!(shown.contains("nobody decided in time"), "{shown}");
    agent(&gateway, &sql("SELECT 1"));
    let lost = wait::until("a notice is given up", || {
        let mut lines = gateway.enforcement()?;
        lines.retain(|line| line["event"] == "notice_lost");
        Ok((lines.len() >= 2).then_some(lines))
    })
    .unwrap();
    for (line, about) in lost.iter().zip(["opened", "timed_out"]) {
        assert_eq!(line["target"], "gone", "{line}");
        assert_eq!(line["about"], about, "{line}");
        assert_eq!(line["reason"], "it answered 404", "{line}");
    }
    let status = gateway.status().unwrap()["problems"].to_string();
    assert!(
        status.contains("notices to `gone` have not arrived since"),
        "{status}"
    );
    let tail = said(&gateway.call(["tail", "--lines", "100"]).unwrap());
    let log = std::fs::read_to_string(gateway.path("enforcement.jsonl")).unwrap();
    for text in [&gateway.output(), &log, &status, &tail] {
        assert!(!text.contains("s3cr3t"), "{text}");
    }
}

#[test]
fn a_reload_brings_other_targets() {
    let hook = Webhook::start(false).unwrap();
    let policy = |name: &str| {
        let target = hook
            .target(name, "generic", &format!("/ok/{name}"))
            .unwrap();
        held(&[target], &format!("[\"{name}\"]"), "1s")
    };
    let gateway = gateway(&policy("first"));
    agent_fails(&gateway, &sql("DELETE FROM orders WHERE id = -32"));
    hook.wait(2).unwrap();
    gateway.write_policy(&policy("second")).unwrap();
    gateway.ask(["reload"]).unwrap();
    agent_fails(&gateway, &sql("DELETE FROM orders WHERE id = -33"));
    let posted = hook.wait(4).unwrap();
    let paths: Vec<_> = posted.iter().filter_map(|it| it["path"].as_str()).collect();
    assert_eq!(
        paths,
        ["/ok/first", "/ok/first", "/ok/second", "/ok/second"]
    );
}
