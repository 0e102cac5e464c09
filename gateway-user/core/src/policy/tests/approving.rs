//! Rules that hold an action until people decide.

use std::time::Duration;

use super::*;
use crate::descriptor::Protocol;
use crate::protocols::{dns, opaque, postgres};

const DELETES: &str = r#"
    [[rule]]
    name = "orders"
    action = "allow"
    match = { table = "public.orders", verb = ["select", "insert", "delete"] }
    [[rule]]
    name = "deletes-wait"
    action = "approve"
    match = { verb = "delete" }
    approvers = ["owners"]
    timeout = "90s"
    reason = "deletes are looked at"
    [[rule]]
    name = "users-wait"
    action = "approve"
    match = { table = "public.users", verb = ["select", "delete"] }
    approvers = ["owners", "security"]
    in_order = true
    [[rule]]
    name = "no-secrets"
    action = "deny"
    match = { table = "public.secrets" }
"#;

#[test]
fn deny_beats_approve_beats_allow() {
    let engine = engine(DELETES);
    check(&engine, "SELECT * FROM orders", "allow orders");
    check(&engine, "DELETE FROM orders", "hold deletes-wait");
    check(
        &engine,
        "DELETE FROM secrets",
        "deny no-secrets: denied by policy",
    );
    check(
        &engine,
        "INSERT INTO users VALUES (1)",
        "deny no rule allows insert on public.users",
    );
}

#[test]
fn what_a_rule_surely_matches_needs_no_other_to_allow_it() {
    let engine = engine(DELETES);
    check(&engine, "DELETE FROM anything", "hold deletes-wait");
    check(&engine, "SELECT * FROM users", "hold users-wait");
    // One of the tables waits, and nothing lets the other pass.
    check(
        &engine,
        "SELECT * FROM users, others",
        "deny no rule allows select on public.users, public.others",
    );
}

#[test]
fn every_rule_that_holds_is_asked() {
    let engine = engine(DELETES);
    check(&engine, "DELETE FROM users", "hold deletes-wait users-wait");
    check(
        &engine,
        "SELECT * FROM users; SELECT * FROM orders; DELETE FROM orders",
        "hold users-wait deletes-wait",
    );
    check(
        &engine,
        "SELECT * FROM users; DROP TABLE orders",
        "deny no rule allows drop on public.orders",
    );
}

#[test]
fn what_might_match_waits() {
    let rules = r#"
        [[rule]]
        name = "all"
        action = "allow"
        [[rule]]
        name = "users-wait"
        action = "approve"
        approvers = ["owners"]
        match = { table = "public.users" }
    "#;
    let engine = engine(rules);
    check(&engine, "SELECT * FROM orders", "allow all");
    check(&engine, "SELECT * FROM orders, users", "hold users-wait");
    // Which tables a library touches is not known.
    check(&engine, "LOAD 'x'", "hold users-wait");
    check(
        &engine,
        "SELEC",
        "deny the statement could not be understood",
    );
}

#[test]
fn sessions_begin_without_asking() {
    let engine = engine("[[rule]]\nname = 'all'\naction = 'approve'\napprovers = ['owners']");
    let decision = decide(&engine, "planner", "orders-db", Stage::Connect);
    assert_eq!(told(&decision), "allow all");
    check(&engine, "SELECT 1", "hold all");
}

#[test]
fn in_observe_mode_it_passes_and_is_told() {
    let observing = |rules: &str| {
        rules.replace(
            "name = \"deletes-wait\"",
            "name = \"deletes-wait\"\nmode = \"observe\"",
        )
    };
    let told = "allow orders | observed deletes-wait: it would wait for an approval";
    check(&engine(&observing(DELETES)), "DELETE FROM orders", told);
    let told = "allow deletes-wait | observed deletes-wait: it would wait for an approval";
    check_on(&engine(DELETES), "trial-db", "DELETE FROM orders", told);
}

#[test]
fn a_hold_says_who_must_agree() {
    let units = Script::read(b"SELECT * FROM users", &Session::default()).resolve(|_| None);
    let decision = decide(
        &engine(DELETES),
        "planner",
        "orders-db",
        Stage::Action(units),
    );
    let Verdict::Hold(hold) = decision.verdict else {
        panic!("it waits");
    };
    let demands = hold.demands();
    let [demand] = demands.as_slice() else {
        panic!("one rule holds it: {demands:?}");
    };
    let names: Vec<_> = demand.approvers.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["owners", "security"]);
    assert!(demand.in_order);
    assert_eq!(demand.timeout, Duration::from_secs(600));
}

#[test]
fn what_is_wrong_is_told() {
    let check = |rule: &str, expected: &str| {
        let findings = load(&format!("[[rule]]\nname = 'r'\n{rule}")).unwrap_err();
        let told: Vec<_> = findings
            .iter()
            .map(|it| format!("{} ({})", it.message, it.help.as_deref().unwrap_or("")))
            .collect();
        assert_eq!(told.join("\n"), expected);
    };
    check(
        "action = 'approve'",
        "a rule that approves says by whom (add `approvers = [\"…\"]`, the names of [[approvers]])",
    );
    check(
        "action = 'approve'\napprovers = []",
        "an empty list of approvers approves nothing ()",
    );
    check(
        "action = 'approve'\napprovers = ['owner']",
        "there are no [[approvers]] named `owner` (did you mean `owners`?)",
    );
    check(
        "action = 'approve'\napprovers = ['owners', 'owners']",
        "`owners` is named twice ()",
    );
    check(
        "action = 'allow'\ntimeout = '5m'",
        "`timeout` is for rules with `action = \"approve\"` ()",
    );
    check(
        "action = 'approve'\napprovers = ['owners']\ntimeout = '5 minutes'",
        "`5 minutes` is no span of time (write a number and `s`, `m`, `h` or `d`, such as \"90s\" or \"1h30m\")",
    );
    check(
        "action = 'approve'\napprovers = ['owners']\ntimeout = '25h'",
        "an action waits 24 hours at most (who comes later than that can still approve it for the next try)",
    );
}

/// What an approve rule on `protocol` decides before a session begins.
fn beginning(protocol: &'static Protocol, rule: &str, unwritten: bool) -> (String, usize) {
    let name = ResourceName::new("it");
    let inventory = Inventory {
        resources: vec![Resource {
            name: name.clone(),
            protocol,
            mode: Mode::Enforce,
        }],
        workloads: vec![WorkloadName::new("planner")],
        approvers: vec![approvers("owners")],
        unwritten: unwritten.then_some(name).into_iter().collect(),
        ..Inventory::default()
    };
    let file: File = toml::from_str(rule).unwrap();
    let compiled = Engine::compile(&inventory, &file.rule, &[], PolicyDigest::new("digest"));
    let (engine, warnings) = compiled.unwrap();
    let facts = Facts {
        stage: Stage::Connect,
        connection: Arc::new(FactSet::new(protocol.attributes)),
    };
    let decision = engine.decide(&subject("planner"), &flow(Some("it")), &facts, NOW);
    (told(&decision), warnings.len())
}

#[test]
fn what_cannot_wait_is_denied() {
    let rule = "[[rule]]\nname = 'all'\naction = 'approve'\napprovers = ['owners']\n";
    let named = format!("{rule}resource = 'it'\n");
    let denied = "deny all: it would need an approval, and cannot wait for one";
    assert_eq!(beginning(&opaque::UDP, rule, false), (denied.to_owned(), 0));
    assert_eq!(
        beginning(&opaque::UDP, &named, false),
        (denied.to_owned(), 1)
    );
    assert_eq!(
        beginning(&dns::PROTOCOL, &named, false),
        (denied.to_owned(), 1)
    );
    // Nobody who holds everything thinks of a resource that is not in the file.
    let none = "deny no rule allows workload planner on it";
    assert_eq!(beginning(&dns::PROTOCOL, rule, true), (none.to_owned(), 0));
    // A stream waits as a whole, the sessions of other protocols begin.
    assert_eq!(
        beginning(&opaque::TCP, rule, false),
        ("hold all".to_owned(), 0)
    );
    assert_eq!(
        beginning(&postgres::PROTOCOL, rule, false),
        ("allow all".to_owned(), 0)
    );
}
