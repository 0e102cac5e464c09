//! That suggested rules load, and allow what was seen and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use gateway_core::event::{Event, Value};
use gateway_core::facts::{Facts, Stage};
use gateway_core::protocols::{postgres, request};
use gateway_core::sql::postgres::SearchPath;
use serde_json::json;

use super::gather::{Gathered, Suggested};
use super::write;
use crate::cli::policy::question::{Process, Question, Upshot};
use crate::config::Config;

const PLACES: &str = r#"
[[workload]]
name = "planner"

[[resource]]
name = "orders-db"
protocol = "postgres"
mode = "observe"
addresses = ["10.0.0.5:5432"]

[[resource]]
name = "cache"
protocol = "tcp"
addresses = ["10.0.0.7:6379"]
"#;

const CORPUS: [&str; 3] = [
    include_str!("../../../../../tests/corpus/postgres/queries.sql"),
    include_str!("../../../../../tests/corpus/postgres/writes.sql"),
    include_str!("../../../../../tests/corpus/postgres/commands.sql"),
];

/// The statements of the corpus.
fn corpus() -> Vec<&'static str> {
    let texts = CORPUS.iter().flat_map(|file| file.lines());
    let texts = texts.map(str::trim).filter(|text| !text.is_empty());
    texts.collect()
}

/// The configuration with these rules.
fn config(rules: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, format!("{PLACES}\n{rules}")).unwrap();
    let loaded = Config::load(&path);
    loaded.unwrap_or_else(|error| panic!("{error}\n{rules}")).0
}

fn open(protocol: &str, resource: &str) -> Event {
    let open = json!({
        "event": "open",
        "session": "019a9f3c",
        "subject": {
            "workload": "planner",
            "groups": [],
            "cgroup": "/agents",
            "process": {
                "pid": 1, "uid": 1000, "gid": 1000, "comm": "psql",
                "exe": null, "command_line": null, "start_ticks": null,
            },
        },
        "client": "10.0.0.1:4000",
        "destination": "10.0.0.5:5432",
        "resource": resource,
        "protocol": protocol,
        "gateway": "test",
    });
    serde_json::from_value(open).unwrap()
}

fn facts_of(text: &str, path: Option<&[&str]>) -> Facts {
    let path = path.map_or(SearchPath::Unknown, |path| {
        SearchPath::of(path.iter().copied())
    });
    let connection = gateway_core::facts::FactSet::new(postgres::PROTOCOL.attributes);
    request::facts(&postgres::PROTOCOL, text, connection, path).unwrap()
}

/// An ask as a session records it.
fn ask(number: usize, text: &str, path: Option<&[&str]>) -> Event {
    let facts = facts_of(text, path);
    let Stage::Action(units) = &facts.stage else {
        panic!("no action: {text}");
    };
    let attributes = postgres::PROTOCOL.attributes.iter().enumerate();
    let units = units.iter().map(|unit| {
        let values = attributes.clone().filter_map(|(slot, attribute)| {
            Some((
                attribute.name.to_owned(),
                Value::recorded(attribute, unit.fact(slot))?,
            ))
        });
        values.collect::<BTreeMap<_, _>>()
    });
    let ask = json!({
        "event": "ask",
        "ask": number,
        "request": "Query",
        "text": text,
        "units": units.collect::<Vec<_>>(),
        "ruling": "allow",
        "observed": { "rule": null, "reason": "no rule allows it" },
    });
    serde_json::from_value(ask).unwrap()
}

fn start(user: &str) -> Event {
    let ask = json!({
        "event": "ask",
        "ask": 1,
        "request": "StartupMessage",
        "connection": { "sql.user": user, "sql.database": "shop" },
        "ruling": "allow",
    });
    serde_json::from_value(ask).unwrap()
}

fn found(path: Option<&[&str]>) -> Event {
    let found = json!({ "event": "found", "facts": { "sql.search_path": path } });
    serde_json::from_value(found).unwrap()
}

/// A session of these statements.
fn session(texts: &[&str], path: Option<&[&str]>) -> Vec<Event> {
    let asks = texts.iter().enumerate();
    let asks = asks.map(|(n, text)| ask(n + 2, text, path));
    let head = [open("postgres", "orders-db"), start("app"), found(path)];
    head.into_iter().chain(asks).collect()
}

fn suggest(sessions: &[Vec<Event>]) -> Suggested {
    let config = config("");
    let mut gathered = Gathered::new(None, None);
    for session in sessions {
        let events = session.iter().cloned().map(Ok);
        gathered.add(&config, events).unwrap();
    }
    gathered.suggest(&config)
}

/// What becomes of a statement.
fn upshot(config: &Config, text: &str, path: Option<&[&str]>) -> Upshot {
    let text_of = |text: &str| gateway_core::policy::model::Tree::Text(text.to_owned());
    let question = Question {
        bearer: Default::default(),
        workload: "planner".to_owned(),
        resource: "orders-db".to_owned(),
        text: Some(text.to_owned()),
        facts: vec![
            ("user".to_owned(), text_of("app")),
            ("database".to_owned(), text_of("shop")),
        ],
        search_path: path.map(|path| path.iter().map(ToString::to_string).collect()),
        process: Process::default(),
        at: jiff::Timestamp::UNIX_EPOCH,
    };
    let answer = question.ask(config).unwrap();
    Upshot::of(&answer.explanation.ruled)
}

const READ: &str = r#"# Suggested from 1 session and 9 actions that passed.
# A rule lets pass every combination of what it lists. Nothing is asked of the names of cursors and
# prepared statements, of how many statements come together, and of WHERE and LIMIT where something
# is read.
# Left out: 1 statement, which could not be read: to allow such, a rule says `parsed = false`.

# 2 actions, 2 different.
[[rule]]
name = "planner-orders-db-begin-commit"
action = "allow"
workload = "planner"
resource = "orders-db"
[rule.match]
database = "shop"
user = "app"
verb = ["begin", "commit"]

# 2 actions, 2 different.
[[rule]]
name = "planner-orders-db-select"
action = "allow"
workload = "planner"
resource = "orders-db"
[rule.match]
database = "shop"
user = "app"
verb = "select"
kind = "read"
table = ["public.customers", "public.orders"]
function = []

# 2 actions.
[[rule]]
name = "planner-orders-db-update"
action = "allow"
workload = "planner"
resource = "orders-db"
[rule.match]
database = "shop"
user = "app"
verb = "update"
read = []
write = "public.orders"
function = []
where = true

# 1 action.
[[rule]]
name = "planner-orders-db-insert"
action = "allow"
workload = "planner"
resource = "orders-db"
[rule.match]
database = "shop"
user = "app"
verb = "insert"
read = []
write = "public.log"
function = []

# 1 action.
[[rule]]
name = "planner-orders-db-select-with-functions"
action = "allow"
workload = "planner"
resource = "orders-db"
[rule.match]
database = "shop"
user = "app"
verb = "select"
kind = "read"
table = "public.orders"
function = ["pg_catalog.count", "public.count"]

# 1 action.
[[rule]]
name = "planner-orders-db-set"
action = "allow"
workload = "planner"
resource = "orders-db"
[rule.match]
database = "shop"
user = "app"
verb = "set"
setting = "work_mem"
"#;

const PATH: Option<&[&str]> = Some(&["public"]);

#[test]
fn what_was_done_becomes_rules_that_can_be_read() {
    let seen = [
        "BEGIN",
        "SELECT * FROM orders WHERE id = 1",
        "SELECT * FROM orders JOIN customers USING (id)",
        "SELECT count(*) FROM orders",
        "UPDATE orders SET total = 2 WHERE id = 1",
        "UPDATE orders SET total = 3 WHERE id = 2",
        "INSERT INTO log VALUES (1)",
        "SET work_mem = 1",
        "SELEC",
        "COMMIT",
    ];
    let suggested = suggest(&[session(&seen, PATH)]);
    assert_eq!(write::text(&suggested), READ);
    let config = config(&write::text(&suggested));
    for text in seen.iter().filter(|text| **text != "SELEC") {
        assert_eq!(upshot(&config, text, PATH), Upshot::Allow, "{text}");
    }
    for text in [
        "SELECT * FROM secrets",
        "SELECT sum(total) FROM orders",
        "SELECT * FROM hr.orders",
        "SELECT * FROM orders FOR UPDATE",
        "UPDATE orders SET total = 2",
        "UPDATE customers SET total = 2 WHERE id = 1",
        "INSERT INTO log SELECT * FROM orders",
        "DELETE FROM orders WHERE id = 1",
        "SET role = x",
        "SHOW work_mem",
        "BEGIN; TABLE secrets",
        "SELEC",
    ] {
        assert_eq!(upshot(&config, text, PATH), Upshot::Observe, "{text}");
    }
}

#[test]
fn everything_of_the_corpus_is_allowed_again() {
    for path in [PATH, Some(&["app", "public"][..]), None] {
        let all = corpus();
        let suggested = suggest(&[session(&all, path)]);
        let text = write::text(&suggested);
        let config = config(&text);
        let mut unread = 0;
        for text in &all {
            let is_unread = facts_are_unread(text, path);
            unread += u64::from(is_unread);
            let expected = if is_unread {
                Upshot::Observe
            } else {
                Upshot::Allow
            };
            assert_eq!(upshot(&config, text, path), expected, "{text}");
        }
        assert_eq!(suggested.left_out.not_told, 0);
        assert!(unread < 10, "{unread}");
    }
}

fn facts_are_unread(text: &str, path: Option<&[&str]>) -> bool {
    let Stage::Action(units) = facts_of(text, path).stage else {
        return true;
    };
    let parsed = postgres::attributes::PARSED;
    let is_unread = |unit: &gateway_core::facts::FactSet| {
        *unit.fact(parsed) != gateway_core::facts::Fact::Flag(true)
    };
    units.iter().any(is_unread)
}

/// Of some statements of the corpus, each is allowed again, and each other one only if the rules have
/// all that its units ask for: a verb that was not seen is not allowed.
#[test]
fn some_of_the_corpus_is_allowed_and_other_verbs_are_not() {
    let all = corpus();
    let verbs = |text: &str| -> BTreeSet<String> {
        let Stage::Action(units) = facts_of(text, PATH).stage else {
            return BTreeSet::new();
        };
        let verb = postgres::attributes::VERB;
        let verbs = units.iter().filter_map(|unit| match unit.fact(verb) {
            gateway_core::facts::Fact::Text(verb) => Some(verb.to_string()),
            _ => None,
        });
        verbs.collect()
    };
    for start in 0..13 {
        let seen: Vec<&str> = all.iter().skip(start).step_by(13).copied().collect();
        let suggested = suggest(&[session(&seen, PATH)]);
        let config = config(&write::text(&suggested));
        let known: BTreeSet<String> = seen.iter().flat_map(|text| verbs(text)).collect();
        for text in &all {
            let is = upshot(&config, text, PATH);
            if seen.contains(text) && !facts_are_unread(text, PATH) {
                assert_eq!(is, Upshot::Allow, "{text}");
            }
            if !verbs(text).is_subset(&known) {
                assert_eq!(is, Upshot::Observe, "{text}");
            }
        }
    }
}

#[test]
fn hostile_names_stand_for_themselves() {
    let seen = [
        "SELECT * FROM \"*\"",
        "SELECT * FROM \"a.b\".\"c?\"",
        "SELECT * FROM \"x\"\" = 1]\n[[rule]]\nname = \"\"y\"",
        "SET \"a*\".b = 1",
    ];
    let suggested = suggest(&[session(&seen, PATH)]);
    let config = config(&write::text(&suggested));
    assert_eq!(config.rules.len(), 2, "{}", write::text(&suggested));
    for text in seen {
        assert_eq!(upshot(&config, text, PATH), Upshot::Allow, "{text}");
    }
    for text in [
        "TABLE orders",
        "SELECT * FROM orders",
        "SELECT * FROM \"a.b\".cd",
    ] {
        assert_eq!(upshot(&config, text, PATH), Upshot::Observe, "{text}");
    }
}

#[test]
fn what_is_not_known_is_said_to_be_broader() {
    let suggested = suggest(&[session(&["DO 'x'", "SELECT * FROM orders"], None)]);
    let text = write::text(&suggested);
    assert_eq!(
        text.matches("# BROADER than what was seen:").count(),
        3,
        "{text}"
    );
    // The block, and what it runs, which nobody can read.
    assert!(text.contains("verb = \"do\"") && text.contains("dynamic = \"body\""));
    assert!(!text.contains("verb = \"\""), "{text}");
    assert_eq!(upshot(&config(&text), "DO 'x'", PATH), Upshot::Allow);
    let known = suggest(&[session(&["SELECT * FROM orders"], PATH)]);
    assert!(!write::text(&known).contains("BROADER"));
}

#[test]
fn sessions_that_do_nothing_and_requests_to_cancel() {
    let cancel = json!({ "event": "ask", "ask": 1, "request": "CancelRequest", "ruling": "allow" });
    let cancel = serde_json::from_value(cancel).unwrap();
    let suggested = suggest(&[
        session(&[], PATH),
        vec![open("postgres", "orders-db"), cancel],
    ]);
    let names = suggested.rules.iter().map(|rule| rule.name.as_str());
    // Who may do something may cancel it.
    assert_eq!(names.collect::<Vec<_>>(), ["planner-orders-db-start"]);
    let config = config(&write::text(&suggested));
    assert_eq!(upshot(&config, "SELECT 1", PATH), Upshot::Observe);
}

#[test]
fn streams_are_told_by_where_they_go() {
    let ask = json!({
        "event": "ask", "ask": 1, "request": "connect", "ruling": "allow",
        "connection": { "net.address": "10.0.0.7", "net.port": 6379 },
    });
    let ask: Event = serde_json::from_value(ask).unwrap();
    let suggested = suggest(&[vec![open("tcp", "cache"), ask.clone(), ask]]);
    let text = write::text(&suggested);
    config(&text);
    assert!(
        text.contains("\n# 2 actions.\n[[rule]]\nname = \"planner-cache-6379\"\n"),
        "{text}"
    );
    let end = "[rule.match]\nport = 6379\naddress = \"10.0.0.7\"\n";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn what_did_not_pass_is_left_out() {
    let mut refused = ask(2, "TABLE a", PATH);
    let mut denied = ask(3, "TABLE b", PATH);
    if let (Event::Ask(refused), Event::Ask(denied)) = (&mut refused, &mut denied) {
        refused.ruling = gateway_core::event::Ruling::Deny;
        let rule = gateway_core::ids::RuleName::new("no-b");
        denied.observed.as_mut().unwrap().rule = Some(rule);
    }
    let all = vec![
        open("postgres", "orders-db"),
        start("app"),
        found(PATH),
        refused,
        denied,
    ];
    let suggested = suggest(&[all, vec![open("postgres", "gone-db")]]);
    let text = write::text(&suggested);
    for line in [
        "# Left out: 1 action, refused or held.\n",
        "# Left out: 1 action, which rule \"no-b\" refuses where it is enforced.\n",
        "# Left out: 1 session, of a workload or resource",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert_eq!(suggested.rules.len(), 1);
}
