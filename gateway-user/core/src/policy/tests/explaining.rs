//! That explanations say what is decided, and why in which words.

use super::indexing::many;
use super::*;
use crate::event::Ruling;
use crate::policy::draft::Draft;
use crate::policy::explain::{Considered, Explanation, UnitExplanation};
use crate::policy::model::{Effect, Tree};

const POLICIES: [&str; 4] = [SHOP, HARSH, TRIAL, WAITING];

const WAITING: &str = r#"
    [[rule]]
    name = "reads"
    action = "allow"
    match = { kind = ["read", "write"] }
    [[rule]]
    name = "writes-wait"
    action = "approve"
    approvers = ["owners"]
    match = { kind = ["write", "schema"] }
    [[rule]]
    name = "public-waits"
    action = "approve"
    approvers = ["security"]
    match = { table = "public.*" }
    [[rule]]
    name = "no-catalog"
    action = "deny"
    match = { table = "pg_catalog.*" }
"#;

const HARSH: &str = r#"
    [[rule]]
    name = "reads"
    action = "allow"
    match = { kind = "read", table = { not = ["hr.*", "secrets"] } }
    [[rule]]
    name = "unread"
    action = "allow"
    workload = "writer"
    match = { parsed = false }
    [[rule]]
    name = "writes"
    action = "allow"
    match = { kind = ["write", "ddl"], where = { not = false } }
    [[rule]]
    name = "no-functions"
    action = "deny"
    match = { function = { not = ["pg_catalog.*", "public.*"] } }
    [[rule]]
    name = "nobody"
    action = "deny"
    match = { user = "root" }
"#;

const TRIAL: &str = r#"
    [[rule]]
    name = "session"
    action = "allow"
    mode = "observe"
    match = { kind = ["session", "transaction"] }
    [[rule]]
    name = "all"
    action = "allow"
    match = { verb = { not = "drop" } }
    [[rule]]
    name = "no-public"
    action = "deny"
    mode = "observe"
    match = { table = "public.*" }
    [[rule]]
    name = "no-catalog"
    action = "deny"
    match = { table = "pg_catalog.*" }
"#;

const CORPUS: [&str; 3] = [
    include_str!("../../../../../tests/corpus/postgres/queries.sql"),
    include_str!("../../../../../tests/corpus/postgres/writes.sql"),
    include_str!("../../../../../tests/corpus/postgres/commands.sql"),
];

fn explain(engine: &Engine, workload: &str, resource: &str, stage: Stage) -> Explanation {
    let facts = Facts {
        stage,
        connection: connection(),
    };
    let subject = subject(workload);
    let resource = ResourceName::new(resource);
    let actor = Actor::new(&subject.workload, &subject.groups);
    let explained = engine.explain(&actor, &resource, &facts, NOW);
    explained.unwrap()
}

/// The ruling that follows from which rules hold.
fn follows(unit: &UnitExplanation) -> Ruling {
    let holds = |rule: &&Considered| rule.not_because.is_none();
    let mut held = unit.rules.iter().filter(holds);
    let denied = held
        .clone()
        .any(|rule| rule.action == Effect::Deny && rule.mode == Mode::Enforce);
    let waits = held
        .clone()
        .any(|rule| rule.action == Effect::Approve && rule.mode == Mode::Enforce);
    let allowed = held.any(|rule| rule.action == Effect::Allow);
    let mut rules = unit.rules.iter();
    let opened = rules.any(|it| it.action == Effect::Approve && it.opens_not_because.is_none());
    match (denied, allowed || opened) {
        (true, _) | (false, false) => Ruling::Deny,
        (false, true) if waits => Ruling::Hold,
        (false, true) => Ruling::Allow,
    }
}

#[test]
fn explanations_say_what_is_decided() {
    let mut seen = 0;
    let texts = CORPUS.iter().flat_map(|file| file.lines());
    let stages: Vec<(&str, Stage)> = texts
        .map(|sql| {
            let units = Script::read(sql.as_bytes(), &Session::default()).resolve(|_| None);
            (sql, Stage::Action(units))
        })
        .chain([("SELEC", Stage::Action([unknown(false)].into()))])
        .chain([("", Stage::Connect)])
        .collect();
    let policies = POLICIES.into_iter().map(str::to_owned);
    for policy in policies.chain([many()]) {
        let engine = engine(&policy);
        for (sql, stage) in &stages {
            for workload in ["planner", "writer"] {
                let explained = explain(&engine, workload, "orders-db", stage.clone());
                let decided = decide(&engine, workload, "orders-db", stage.clone());
                let (ruling, reason) = match &decided.verdict {
                    Verdict::Allow(_) => (Ruling::Allow, None),
                    Verdict::Hold(_) => (Ruling::Hold, None),
                    Verdict::Deny(refusal) => (Ruling::Deny, Some(&refusal.reason)),
                };
                assert_eq!(explained.ruled.ruling, ruling, "{sql}");
                assert_eq!(explained.ruled.reason.as_ref(), reason, "{sql}");
                assert_eq!(explained.ruled.rule, decided.rule, "{sql}");
                assert_eq!(explained.ruled.observed, decided.observed, "{sql}");
                // The rules that are said to hold lead there, unit by unit.
                for unit in &explained.units {
                    assert_eq!(unit.ruled.ruling, follows(unit), "{sql}: {unit:#?}");
                }
                let all = explained.units.iter();
                let each: Vec<Ruling> = all.map(follows).collect();
                let whole = [Ruling::Deny, Ruling::Hold]
                    .into_iter()
                    .find(|it| each.contains(it));
                assert_eq!(whole.unwrap_or(Ruling::Allow), ruling, "{sql}");
                seen += 1;
            }
        }
    }
    assert!(seen > 1000, "the corpus is gone");
}

/// What is said of each rule, one a line, for the first unit.
fn said(explained: &Explanation) -> String {
    let unit = explained.units.first().unwrap();
    let mut lines: Vec<String> = unit
        .rules
        .iter()
        .map(|rule| match &rule.not_because {
            Some(why) => format!("{}: no, {why}", rule.rule),
            None => format!("{}: yes", rule.rule),
        })
        .collect();
    let elsewhere = explained.elsewhere.iter();
    lines.extend(elsewhere.map(|rule| format!("{rule}: elsewhere")));
    lines.join("\n")
}

#[test]
fn what_keeps_a_rule_from_holding() {
    let with = |policy: &str, workload: &str, session: &Session, sql: &str| {
        let units = Script::read(sql.as_bytes(), session).resolve(|_| None);
        said(&explain(
            &engine(policy),
            workload,
            "users-db",
            Stage::Action(units),
        ))
    };
    let path = |search_path| Session {
        search_path,
        ..Session::default()
    };
    let (plain, unknown_path) = (Session::default(), path(SearchPath::Unknown));
    let two = path(SearchPath::of(["app", "public"]));
    let limits = "[[rule]]\nname = 'few'\naction = 'deny'\nmatch = { statements = { min = 3 }, database = { regex = 'sh.*' } }";
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!([
            with(SHOP, "planner", &plain, "SELECT * FROM orders, hr.pay"),
            with(HARSH, "planner", &plain, "SELECT count(*) FROM hr.pay, secrets, orders"),
            with(HARSH, "planner", &plain, "SELEC"),
            with(TRIAL, "writer", &unknown_path, "TABLE orders"),
            with(TRIAL, "writer", &two, "TABLE orders"),
            with(HARSH, "planner", &plain, "DO 'x'"),
            with(limits, "planner", &plain, "BEGIN"),
        ].join("\n\n"));
    });
    let start = explain(&engine(TRIAL), "planner", "users-db", Stage::Connect);
    assert!(said(&start).contains("no-public: no, `sql.table` is not there before"));
}

#[test]
fn drafts_know_what_they_are_given() {
    let mut draft = Draft::new(ATTRIBUTES);
    let text = |text: &str| Tree::Text(text.to_owned());
    draft.give("user", &text("agent")).unwrap();
    assert!(!draft.acts());
    draft.give("sql.table", &text("public.orders")).unwrap();
    draft.give("verb", &text("select")).unwrap();
    draft.give("parsed", &text("true")).unwrap();
    assert!(draft.acts());
    let wrong = |draft: &mut Draft, name: &str, value| draft.give(name, &value).unwrap_err();
    assert_eq!(
        wrong(&mut draft, "tabel", text("x")),
        "there is no fact `tabel` here: did you mean `table`?"
    );
    assert_eq!(
        wrong(&mut draft, "where", text("yes")),
        "`sql.where` is `true` or `false`"
    );
    let facts = draft.facts();
    assert_eq!(*facts.connection.fact(attributes::DATABASE), Fact::Unknown);
    let Stage::Action(units) = &facts.stage else {
        panic!("facts of an action make one");
    };
    assert_eq!(*units[0].fact(attributes::WHERE), Fact::Unknown);
    let rules = "[[rule]]\nname = 'r'\naction = 'allow'\nmatch = { table = 'public.*', user = 'a*'";
    let allowed = |more: &str| {
        let engine = engine(&format!("{rules}{more} }}"));
        let subject = subject("planner");
        let decision = engine.decide(&subject, &flow(Some("users-db")), &facts, NOW);
        matches!(decision.verdict, Verdict::Allow(_))
    };
    assert!(allowed(""));
    assert!(!allowed(", database = '*'"), "what is not given is unknown");
}
