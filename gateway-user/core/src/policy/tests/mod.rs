//! Tables of rules and what they decide on statements; `approving` for what waits for people, `bars` for what is refused before it begins, `budgets` for what was used up,
//! `conditions` for `when`, `during` for when rules are there, `grants` for what is allowed besides rules, `laws` for any rules,
//! `masks` for what comes with `[[mask]]`, `loading` for what is found when a policy is loaded, `patterns` for what they match, `indexing` for which rules are looked at, and
//! `explaining` for why it decides so.

mod approving;
mod bars;
mod budgets;
mod claims;
mod conditions;
mod detectors;
mod during;
mod explaining;
mod grants;
mod indexing;
mod laws;
mod limits;
mod loading;
mod masks;
mod patterns;

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use toml::Spanned;

use super::actor::Actor;
use super::decision::{Decision, Verdict};
use super::diagnostic::{Diagnostic, Level};
use super::engine::{Engine, Inventory, Resource};
use super::model::{MaskSpec, Mode, RuleSpec};
use crate::facts::{Fact, FactSet, Facts, Stage};
use crate::flow::{ClientAddr, Flow, OriginalDst};
use crate::held::ApproverSet;
use crate::ids::{GroupName, IssuerName, PolicyDigest, ResourceName, SessionId, WorkloadName};
use crate::protocols::postgres::PROTOCOL;
use crate::protocols::postgres::attributes::{self, ATTRIBUTES};
use crate::protocols::postgres::script::{Script, unknown};
use crate::sql::postgres::{SearchPath, Session};
use crate::subject::{Process, Subject};

/// A Thursday.
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    rule: Vec<Spanned<RuleSpec>>,
    #[serde(default)]
    mask: Vec<Spanned<MaskSpec>>,
}

fn inventory() -> Inventory {
    let resource = |name: &str, mode| Resource {
        name: ResourceName::new(name),
        protocol: &PROTOCOL,
        mode,
    };
    Inventory {
        resources: vec![
            resource("orders-db", Mode::Enforce),
            resource("users-db", Mode::Enforce),
            resource("trial-db", Mode::Observe),
        ],
        workloads: ["planner", "writer"].map(WorkloadName::new).into(),
        groups: ["agents"].map(GroupName::new).into(),
        approvers: ["owners", "security"].map(approvers).into(),
        issuers: claims::issuers(),
        ..Inventory::default()
    }
}

fn approvers(name: &str) -> ApproverSet {
    ApproverSet {
        name: name.to_owned(),
        users: vec!["alice".to_owned()],
        groups: Vec::new(),
        quorum: 1,
        notify: Vec::new(),
    }
}

fn load(rules: &str) -> Result<(Engine, Vec<Diagnostic>), Vec<Diagnostic>> {
    let file: File = toml::from_str(rules).unwrap();
    Engine::compile(
        &inventory(),
        &file.rule,
        &file.mask,
        PolicyDigest::new("digest"),
    )
}

fn engine(rules: &str) -> Engine {
    load(rules).unwrap().0
}

fn subject(workload: &str) -> Subject {
    Subject {
        workload: WorkloadName::new(workload),
        groups: if workload == "planner" {
            [GroupName::new("agents")].into()
        } else {
            [].into()
        },
        cgroup: "/agents".into(),
        process: Process {
            pid: 1,
            uid: 1,
            gid: 1,
            comm: "psql".into(),
            exe: None,
            command_line: None,
            start_ticks: None,
        },
        identity: None,
    }
}

fn flow(resource: Option<&str>) -> Flow {
    Flow {
        session: SessionId::new("s"),
        client: ClientAddr("10.0.0.1:4000".parse().unwrap()),
        destination: OriginalDst("10.0.0.9:5432".parse().unwrap()),
        resource: resource.map(ResourceName::new),
        hosts: Vec::new(),
        unclear: None,
    }
}

fn connection() -> Arc<FactSet> {
    let mut set = FactSet::new(ATTRIBUTES);
    set.set(attributes::DATABASE, Fact::Text("shop".into()));
    set.set(attributes::USER, Fact::Text("agent".into()));
    Arc::new(set)
}

fn decide(engine: &Engine, workload: &str, resource: &str, stage: Stage) -> Decision {
    let facts = Facts {
        stage,
        connection: connection(),
    };
    engine.decide(&subject(workload), &flow(Some(resource)), &facts, NOW)
}

/// A decision in one line: `allow RULE`, or `deny [RULE:] REASON`, and what was observed.
fn told(decision: &Decision) -> String {
    let refusal = |refusal: &crate::refusal::Refusal| match &refusal.rule {
        Some(rule) => format!("{rule}: {}", refusal.reason),
        None => refusal.reason.clone(),
    };
    let mut out = match &decision.verdict {
        Verdict::Allow(_) => {
            format!(
                "allow {}",
                decision.rule.as_ref().map_or("-", |rule| rule.as_str())
            )
        }
        Verdict::Hold(hold) => {
            let demands = hold.demands();
            let rules: Vec<_> = demands.iter().map(|it| it.rule.as_str()).collect();
            format!("hold {}", rules.join(" "))
        }
        Verdict::Deny(denied) => format!("deny {}", refusal(denied)),
    };
    if let Some(observed) = &decision.observed {
        out += &format!(" | observed {}", refusal(observed));
    }
    out
}

fn check_on(engine: &Engine, resource: &str, sql: &str, expected: &str) {
    let units = Arc::clone(&Script::read(sql.as_bytes(), &Session::default()).units);
    let decision = decide(engine, "planner", resource, Stage::Action(units));
    assert_eq!(told(&decision), expected, "{sql}");
}

fn check(engine: &Engine, sql: &str, expected: &str) {
    check_on(engine, "orders-db", sql, expected);
}

const SHOP: &str = r#"
    [[rule]]
    name = "read-shop"
    action = "allow"
    resource = "orders-db"
    group = "agents"
    match = { verb = ["select", "show", "explain"], table = ["public.*", "pg_catalog.*"] }

    [[rule]]
    name = "no-tables"
    action = "allow"
    match = { verb = "select", table = [] , function = { not = ["pg_read_file", "set_config"] } }

    [[rule]]
    name = "write-log"
    action = "allow"
    match = { sql.verb = ["insert"], sql.write = "log", "sql.read" = [] }

    [[rule]]
    name = "delete-few"
    action = "allow"
    match = { verb = "delete", table = "orders", where = true }

    [[rule]]
    name = "no-secrets"
    action = "deny"
    match = { table = "secrets" }
    reason = "secrets stay secret"

    [[rule]]
    name = "one-at-a-time"
    action = "deny"
    match = { statements = { min = 3 } }
"#;

#[test]
fn statements() {
    let engine = engine(SHOP);
    check(&engine, "SELECT * FROM orders", "allow read-shop");
    check(&engine, "SELECT * FROM orders, pg_class", "allow read-shop");
    check(
        &engine,
        "SELECT * FROM other.orders",
        "deny no rule allows select on other.orders",
    );
    check(
        &engine,
        "SELECT * FROM orders, other.orders",
        "deny no rule allows select on public.orders, other.orders",
    );
    check(&engine, "SELECT 1", "allow no-tables");
    check(
        &engine,
        "SELECT pg_read_file('/etc/passwd')",
        "deny no rule allows select on pg_read_file",
    );
    check(
        &engine,
        "SELECT table_to_xml('a', true, true, '')",
        "deny no-secrets: secrets stay secret",
    );
    check(
        &engine,
        "SELECT * FROM secrets",
        "deny no-secrets: secrets stay secret",
    );
    check(
        &engine,
        "WITH secrets AS (SELECT 1) SELECT * FROM secrets, orders",
        "allow read-shop",
    );
    check(&engine, "INSERT INTO log VALUES (1)", "allow write-log");
    check(
        &engine,
        "INSERT INTO log SELECT * FROM orders",
        "deny no rule allows insert on public.log, public.orders",
    );
    check(
        &engine,
        "DELETE FROM orders WHERE id = 1",
        "allow delete-few",
    );
    check(
        &engine,
        "DELETE FROM orders",
        "deny no rule allows delete on public.orders",
    );
    check(
        &engine,
        "WITH d AS (DELETE FROM orders RETURNING 1) SELECT * FROM d",
        "deny no rule allows delete on public.orders",
    );
    check(&engine, "EXPLAIN DELETE FROM orders", "allow read-shop");
    check(
        &engine,
        "EXPLAIN ANALYZE DELETE FROM orders",
        "deny no rule allows delete on public.orders",
    );
    check(
        &engine,
        "DROP TABLE a, b, c, d",
        "deny no rule allows drop on public.a, public.b, public.c, 1 more",
    );
    check(&engine, "BEGIN", "deny no rule allows begin");
    check(&engine, "SELECT 1; SELECT * FROM orders", "allow no-tables");
    check(
        &engine,
        "SELECT 1; SELECT 2; SELECT 3",
        "deny one-at-a-time: denied by policy",
    );
    check(
        &engine,
        "TRUNCATE x; SELECT * FROM secrets",
        "deny no-secrets: secrets stay secret",
    );
    check(
        &engine,
        "SELEC",
        "deny the statement could not be understood",
    );
}

#[test]
fn who_and_where() {
    let engine = engine(
        r#"
        [[rule]]
        name = "one"
        action = "allow"
        workload = ["plan*"]
        match = { user = "agent", database = { regex = "sh.p" } }
        [[rule]]
        name = "two"
        action = "allow"
        resource = ["*-db"]
        group = ["agents"]
        match = { verb = "begin" }
        "#,
    );
    let at = |workload, resource| told(&decide(&engine, workload, resource, Stage::Connect));
    assert_eq!(at("planner", "orders-db"), "allow one");
    assert_eq!(
        at("writer", "orders-db"),
        "deny no rule allows workload writer on orders-db"
    );
    assert_eq!(
        at("stranger", "orders-db"),
        "deny no rule allows workload stranger on orders-db"
    );
    assert_eq!(
        at("planner", "unknown-db"),
        "deny 10.0.0.9:5432 is not a resource of this gateway"
    );
    let facts = Facts {
        stage: Stage::Connect,
        connection: connection(),
    };
    let nowhere = engine.decide(&subject("planner"), &flow(None), &facts, NOW);
    assert_eq!(
        told(&nowhere),
        "deny 10.0.0.9:5432 is not a resource of this gateway"
    );
}

#[test]
fn the_start_of_a_session() {
    let deny = r#"
        [[rule]]
        name = "all"
        action = "allow"
        match = { verb = "select" }
        [[rule]]
        name = "no-drop"
        action = "deny"
        match = { verb = "drop", user = "agent" }
    "#;
    // What is done is still to come: it keeps no allow rule from matching, and denies nothing.
    let start = decide(&engine(deny), "planner", "orders-db", Stage::Connect);
    assert_eq!(told(&start), "allow all");
    let deny =
        format!("{deny}\n[[rule]]\nname = \"out\"\naction = \"deny\"\nmatch = {{ user = \"a*\" }}");
    let start = decide(&engine(&deny), "planner", "orders-db", Stage::Connect);
    assert_eq!(told(&start), "deny out: denied by policy");
}

#[test]
fn observing() {
    let engine = engine(
        r#"
        [[rule]]
        name = "read"
        action = "allow"
        match = { verb = "select" }
        [[rule]]
        name = "trial-deny"
        action = "deny"
        mode = "observe"
        match = { table = "secrets" }
        [[rule]]
        name = "trial-allow"
        action = "allow"
        mode = "observe"
        match = { kind = "write" }
        "#,
    );
    check(&engine, "SELECT 1", "allow read");
    check(
        &engine,
        "SELECT * FROM secrets",
        "allow read | observed trial-deny: denied by policy",
    );
    check(
        &engine,
        "DELETE FROM a",
        "allow trial-allow | observed no rule allows delete on public.a",
    );
    check(
        &engine,
        "DROP TABLE a",
        "deny no rule allows drop on public.a",
    );
    check_on(
        &engine,
        "trial-db",
        "DROP TABLE a",
        "allow - | observed no rule allows drop on public.a",
    );
}

#[test]
fn what_is_not_known() {
    let engine = engine(
        r#"
        [[rule]]
        name = "everything"
        action = "allow"
        resource = "users-db"
        [[rule]]
        name = "public"
        action = "allow"
        resource = "orders-db"
        match = { verb = "select", table = ["public.*"] }
        [[rule]]
        name = "any-orders"
        action = "allow"
        resource = "orders-db"
        match = { verb = "select", table = "orders" }
        [[rule]]
        name = "no-hr"
        action = "deny"
        match = { table = "hr.*" }
        "#,
    );
    let changed = Session {
        search_path: SearchPath::Unknown,
        ..Session::default()
    };
    let check = |resource: &str, sql: &str, expected: &str| {
        let units = Arc::clone(&Script::read(sql.as_bytes(), &changed).units);
        assert_eq!(
            told(&decide(&engine, "planner", resource, Stage::Action(units))),
            expected
        );
    };
    check("orders-db", "SELECT * FROM public.orders", "allow public");
    check(
        "orders-db",
        "SELECT * FROM orders",
        "deny no-hr: denied by policy",
    );
    check("users-db", "SELECT 1", "allow everything");
    check(
        "users-db",
        "SELEC 1",
        "deny the statement could not be understood",
    );
    let portal = Stage::Action([unknown(true)].into());
    assert_eq!(
        told(&decide(&engine, "planner", "users-db", portal)),
        "deny no-hr: denied by policy"
    );
}

#[test]
fn unread_statements_may_be_allowed_by_name() {
    let engine = engine(
        r#"
        [[rule]]
        name = "anything-goes"
        action = "allow"
        match = { parsed = false }
        [[rule]]
        name = "planned"
        action = "allow"
        "#,
    );
    check(&engine, "SELEC", "allow anything-goes");
    check(&engine, "SELECT 1", "allow planned");
}
