//! Values that an approver may not see reach them by none of the ways on which requests are shown.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::programs::said;
use gateway_tests::sandbox::Sandbox;
use gateway_tests::webhook::Webhook;
use serde_json::Value;

use crate::credentials::secret;
use crate::deciding::{ended, start, text, waiting};
use crate::stage::{gateway, shop, sql};

const NEEDLE: &str = "needle-7f3a";

/// Deletes wait, and the notes of orders are masked for all but those in `seen_by`.
fn masked(sandbox: &Sandbox, targets: &[String], seen_by: &str) -> PolicyFile {
    let file = secret(sandbox, "password", "unused\n");
    let names = match targets.is_empty() {
        true => "[]",
        false => "[\"slack\", \"tickets\"]",
    };
    let policy = shop("upstream = { tls = \"disable\" }\ncredential = \"masks\"")
        .piece(&format!(
            "[[credential]]\nname = \"masks\"\nuser = \"app_trust\"\npassword_file = {file:?}\n\
             accept_unverified = true"
        ))
        .piece(&format!(
            "[[approvers]]\nname = \"owners\"\nusers = [\"root\"]\nnotify = {names}"
        ))
        .piece(&format!(
            "[[mask]]\nname = \"notes\"\ncolumn = \"public.orders.note\"\nkind = \"full\"\n\
             masked_in_predicate = \"allow\"\n{seen_by}"
        ))
        .rule("everything", "allow", "")
        .rule(
            "deletes-wait",
            "approve",
            "match = { verb = \"delete\" }\napprovers = [\"owners\"]\ntimeout = \"1m\"",
        );
    targets.iter().fold(policy, |policy, it| policy.piece(it))
}

/// An agent's client that waits, and its request.
fn begin(gateway: &Gateway, statement: &str) -> (Child, String) {
    let child = start(gateway, &sql(statement));
    (child, text(&waiting(gateway), "id").to_owned())
}

/// The first line of what those who watch are told.
fn watched(gateway: &Gateway) -> String {
    let mut watch = gateway.command(["approvals", "watch", "--json"]);
    let mut watch = watch.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(watch.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    watch.kill().unwrap();
    watch.wait().unwrap();
    line
}

#[test]
fn who_may_not_see_values_gets_them_by_no_way() {
    let sandbox = Sandbox::new("veiled").unwrap();
    let hook = Webhook::start(false).unwrap();
    let targets = [
        hook.target("slack", "slack", "/ok/slack").unwrap(),
        hook.target("tickets", "generic", "/ok/tickets").unwrap(),
    ];
    let gateway = gateway(&masked(&sandbox, &targets, ""));
    let statement = format!("DELETE FROM orders WHERE note = '{NEEDLE}'");
    let (child, id) = begin(&gateway, &statement);
    let show = gateway.ask(["approvals", "show", &id]).unwrap();
    assert!(show.contains("note = '[text of 11]'"), "{show}");
    assert!(show.contains("values are left out"), "{show}");
    let json = gateway.ask(["approvals", "show", &id, "--json"]).unwrap();
    let shown: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(shown["action"]["hidden_by"][0], "notes", "{json}");
    let mut ways = vec![show, json, watched(&gateway)];
    ways.extend(hook.wait(2).unwrap().iter().map(ToString::to_string));
    // What is approved is all of it.
    let digest = shown["action"]["action"].as_str().unwrap();
    let approve = ["approvals", "approve", &id, "--yes", "--digest", digest];
    let like = ["--for", "10m", "--like", "parameters"];
    ways.push(gateway.ask([&approve[..], &like].concat()).unwrap());
    let ran = ended(child);
    assert!(ran.status.success(), "{}", said(&ran));
    for arguments in [
        &["approvals", "list", "--all"][..],
        &["approvals", "list", "--all", "--json"],
        &["approvals", "show", &id, "--json"],
        &["grants", "list"],
        &["grants", "list", "--json"],
    ] {
        ways.push(gateway.ask(arguments.iter().copied()).unwrap());
    }
    ways.extend(hook.wait(4).unwrap().iter().map(ToString::to_string));
    for way in ways {
        assert!(!way.contains(NEEDLE), "{way}");
    }
    // By the rights that they have when they look.
    gateway
        .reload(&masked(&sandbox, &targets, "seen_by = [\"owners\"]"))
        .unwrap();
    let show = gateway.ask(["approvals", "show", &id]).unwrap();
    assert!(show.contains(&statement), "{show}");
}

#[test]
fn what_goes_by_masked_tables_is_shown_whole() {
    let sandbox = Sandbox::new("veiled").unwrap();
    let gateway = gateway(&masked(&sandbox, &[], ""));
    let statement = "DELETE FROM customers WHERE id = -771";
    let (mut child, id) = begin(&gateway, statement);
    let show = gateway.ask(["approvals", "show", &id]).unwrap();
    assert!(show.contains(statement), "{show}");
    child.kill().unwrap();
    child.wait().unwrap();
}
