//! Policies of realistic shape in any size, and what is asked of them.

use std::fmt::Write as _;
use std::sync::Arc;

use gateway_core::facts::{Fact, FactSet, Facts};
use gateway_core::flow::{ClientAddr, Flow, OriginalDst};
use gateway_core::ids::{GroupName, PolicyDigest, ResourceName, SessionId, WorkloadName};
use gateway_core::policy::engine::{Engine, Inventory, Resource};
use gateway_core::policy::model::{Mode, RuleSpec};
use gateway_core::protocols::postgres::PROTOCOL;
use gateway_core::protocols::postgres::attributes::{ATTRIBUTES, DATABASE, USER};
use gateway_core::protocols::request;
use gateway_core::sql::postgres::SearchPath;
use gateway_core::subject::{Process, Subject};
use toml::Spanned;

/// Of ten rules, what each is: one team's tables are in a schema of their own, some of them are
/// written, a few are nobody's. All are for the same workload.
fn rule(n: usize) -> String {
    let schema = format!("team{}", n / 10);
    let table = |more: usize| format!("\"{schema}.t{}\"", n / 10 * 10 + more);
    let (action, matching) = match n % 10 {
        0 => (
            "allow",
            format!(
                "verb = \"select\", table = [{}, {}, {}]",
                table(0),
                table(1),
                table(2)
            ),
        ),
        1 => (
            "allow",
            format!("verb = [\"select\", \"explain\"], table = {}", table(3)),
        ),
        2 => (
            "allow",
            format!("verb = \"insert\", write = {}, read = []", table(1)),
        ),
        3 => (
            "allow",
            format!(
                "verb = [\"update\", \"delete\"], table = {}, where = true",
                table(1)
            ),
        ),
        4 => ("deny", format!("table = {}", table(4))),
        5 => (
            "deny",
            format!("verb = \"delete\", table = [{}, {}]", table(0), table(2)),
        ),
        6 => (
            "allow",
            format!("kind = \"read\", table = \"{schema}.log_*\""),
        ),
        7 => ("deny", format!("function = \"{schema}.danger\"")),
        8 => (
            "deny",
            format!(
                "verb = \"update\", write = {}, user = \"intern*\"",
                table(1)
            ),
        ),
        _ => ("deny", format!("kind = \"ddl\", table = \"{schema}.*\"")),
    };
    format!(
        "[[rule]]\nname = \"r{n}\"\naction = \"{action}\"\ngroup = \"agents\"\nmatch = {{ {matching} }}\n"
    )
}

/// Conditions that apply to every statement.
pub(crate) const CONDITIONS: [&str; 5] = [
    "has(sql.where) && !sql.where && sql.verb in ['update', 'delete']",
    "sql.read.exists(t, t.startsWith('hr.')) && !sql.write.all(t, t.startsWith('hr.'))",
    "size(sql.table) > 8 || sql.statements > 20",
    "sql.user == 'intern' && sql.table.exists(t, t.matches('^team[0-9]+[.]secret'))",
    "subject.workload != 'planner' && !('agents' in subject.groups)",
];

/// A policy of so many rules, and these conditions that deny.
pub(crate) fn policy(count: usize, conditions: &[&str]) -> Engine {
    let mut source: String = (0..count).map(rule).collect();
    for (n, when) in conditions.iter().enumerate() {
        let head = format!("[[rule]]\nname = \"c{n}\"\naction = \"deny\"\n");
        writeln!(source, "{head}when = \"{when}\"").expect("a text takes anything");
    }
    engine(&source)
}

/// A policy as it is written.
pub(crate) fn engine(source: &str) -> Engine {
    #[derive(serde::Deserialize)]
    struct File {
        rule: Vec<Spanned<RuleSpec>>,
    }
    let inventory = Inventory {
        resources: vec![Resource {
            name: ResourceName::new("orders-db"),
            protocol: &PROTOCOL,
            mode: Mode::Enforce,
        }],
        workloads: vec![WorkloadName::new("planner")],
        groups: vec![GroupName::new("agents")],
        ..Inventory::default()
    };
    let file: File = toml::from_str(source).expect("the rules are TOML");
    let compiled = Engine::compile(&inventory, &file.rule, &[], PolicyDigest::new("digest"));
    compiled.expect("the rules load").0
}

/// Statements of the team in the middle of a policy of so many rules, each of which a rule allows.
pub(crate) fn allowed(count: usize) -> Vec<String> {
    let team = count / 20;
    let (schema, table) = (format!("team{team}"), |n: usize| {
        format!("team{team}.t{}", team * 10 + n)
    });
    vec![
        format!("SELECT * FROM {} WHERE id = 1", table(0)),
        format!(
            "SELECT a.x FROM {} a JOIN {} USING (id) JOIN {} USING (id)",
            table(0),
            table(1),
            table(2)
        ),
        format!("INSERT INTO {} (a, b) VALUES (1, 2)", table(1)),
        format!("UPDATE {} SET a = 1 WHERE id = 7", table(1)),
        format!("SELECT * FROM {schema}.log_2026"),
    ]
}

/// One that none allows.
pub(crate) const REFUSED: &str = "DELETE FROM team1.t10";

/// Who asks, and the facts of a statement.
pub(crate) struct Asked {
    pub(crate) subject: Subject,
    pub(crate) flow: Flow,
    pub(crate) facts: Facts,
}

/// Asks for a statement.
pub(crate) fn asked(sql: &str) -> Asked {
    let mut connection = FactSet::new(ATTRIBUTES);
    connection.set(DATABASE, Fact::Text("shop".into()));
    connection.set(USER, Fact::Text("app".into()));
    let path = SearchPath::of(["public"]);
    let facts = request::facts(&PROTOCOL, sql, connection, path).expect("it is a statement");
    Asked {
        subject: Subject {
            workload: WorkloadName::new("planner"),
            groups: Arc::new([GroupName::new("agents")]),
            cgroup: "/agents".into(),
            process: Process {
                pid: 1,
                uid: 1000,
                gid: 1000,
                comm: "psql".into(),
                exe: None,
                command_line: None,
                start_ticks: None,
            },
            identity: None,
        },
        flow: Flow {
            session: SessionId::new("s"),
            client: ClientAddr(([10, 0, 0, 1], 4000).into()),
            destination: OriginalDst(([10, 0, 0, 9], 5432).into()),
            resource: Some(ResourceName::new("orders-db")),
            hosts: Vec::new(),
            unclear: None,
        },
        facts,
    }
}
