//! What people see who ask the policy.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use clap::Parser as _;
use gateway_core::policy::diagnostic::Level;
use tempfile::TempDir;

use super::explain::{self, ExplainArgs};
use super::{Command, PolicyArgs};
use crate::config::{Config, ConfigError};

const POLICY: &str = r#"
[[workload]]
name = "planner"
groups = ["agents"]

[[workload]]
name = "writer"

[[resource]]
name = "orders-db"
protocol = "postgres"
addresses = ["10.0.0.5:5432"]

[[resource]]
name = "cache"
protocol = "tcp"
addresses = ["10.0.0.7:6379", "10.2.0.0/24:443"]

[[resource]]
name = "metrics"
protocol = "udp"
addresses = ["10.3.0.0/24:8125"]

[[rule]]
name = "read-shop"
action = "allow"
resource = "orders-db"
group = "agents"
match = { kind = "read", user = "app" }

[[rule]]
name = "no-customers"
action = "deny"
resource = "orders-db"
match = { table = "public.customers" }
reason = "ask the data team"

[[rule]]
name = "passes"
action = "allow"
resource = ["cache", "metrics"]
match = { address = { not = "10.2.0.13" } }
"#;

pub(super) struct Stage {
    folder: TempDir,
    pub(super) config: Config,
}

impl Stage {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, POLICY).unwrap();
        let (config, warnings) = Config::load(&path).unwrap();
        assert!(warnings.is_none(), "{}", warnings.unwrap());
        Self { folder, config }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What is printed, or what is said to be wrong.
    fn explain(&self, arguments: &[&str]) -> Result<String, String> {
        let command = ["policy", "explain", "--as", "planner"].iter();
        let args = Program::parse_from(command.chain(arguments));
        let Command::Explain(args) = args.policy.command else {
            panic!("not what was asked");
        };
        let args: &ExplainArgs = &args;
        let answer = args.question().ask(&self.config);
        let answer = answer.map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        explain::print(&mut out, &self.config, &answer).unwrap();
        let text = String::from_utf8(out).unwrap();
        Ok(anstream::adapter::strip_str(&text).to_string())
    }
}

#[derive(Debug, clap::Parser)]
struct Program {
    #[command(flatten)]
    policy: PolicyArgs,
}

#[test]
fn what_would_happen_and_why() {
    let stage = Stage::new();
    let orders = |more: &[&str]| {
        let resource = ["--resource", "orders-db"];
        stage.explain(&[&resource, more].concat()).unwrap()
    };
    assert_eq!(
        orders(&["--user", "app", "SELECT count(*) FROM customers, hr.pay"]),
        r#"DENIED by rule no-customers: planner on orders-db
  the agent is told: gateway: ask the data team

  sql.function      count
  sql.kind          read
  sql.limit         false
  sql.parsed        true
  sql.read          public.customers, hr.pay
  sql.risk          low
  sql.side_effects  none
  sql.statements    1
  sql.table         public.customers, hr.pay
  sql.verb          select
  sql.where         false
  sql.write         none
  no-customers  line 32    denies
  read-shop     line 25    allows

not about orders-db: passes
"#
    );
    // What is not given is not known.
    assert_eq!(
        orders(&["SELECT 1"]),
        r#"DENIED: planner on orders-db, at the start of the session
  the agent is told: gateway: no rule allows workload planner on orders-db

  sql.application_name  not known
  sql.database          not known
  sql.user              not known
  no-customers  line 32    does not deny: `sql.table` is not there before the session has begun
  read-shop     line 25    does not allow: it wants sql.user = "app", but its value is not known

not about orders-db: passes
"#
    );
    let both = orders(&["--fact", "user=app", "SELECT 1; DELETE FROM a"]);
    assert!(both.contains("unit 1 of 2: allowed by rule read-shop"));
    assert!(both.contains("unit 2 of 2: DENIED\n"));
    let anywhere = orders(&["--user", "app", "--search-path", "", "TABLE a"]);
    assert!(anywhere.starts_with("allowed by rule read-shop"));
    let facts = ["parsed=true", "kind=read", r#"table=["hr.a", "b"]"#];
    let facts = facts.iter().flat_map(|fact| ["--fact", fact]);
    let facts: Vec<&str> = facts.chain(["--user", "app"]).collect();
    assert!(orders(&facts).starts_with("allowed by rule read-shop: planner on orders-db\n"));
}

#[test]
fn what_passes_uninspected_is_asked_by_its_destination() {
    let stage = Stage::new();
    let ask = |resource: &str, more: &[&str]| {
        let resource = ["--resource", resource];
        let said = stage.explain(&[&resource, more].concat());
        let said = said.unwrap_or_else(|error| error);
        said.lines().next().unwrap_or_default().to_owned()
    };
    let allowed = "allowed by rule passes: planner on cache";
    assert_eq!(ask("cache", &["10.0.0.7:6379"]), allowed);
    assert_eq!(ask("cache", &["10.2.0.13:443"]), "DENIED: planner on cache");
    // The kernel lets datagrams pass to a network as a whole, so no address of it is known.
    assert_eq!(
        ask("metrics", &["10.3.0.1:8125"]),
        "DENIED: planner on metrics"
    );
    for (resource, arguments, expected) in [
        (
            "cache",
            vec!["10.9.0.1:443"],
            "10.9.0.1:443 is not of resource `cache`",
        ),
        (
            "cache",
            vec!["redis"],
            "expected an address with a port, such as 10.0.0.5:6379",
        ),
        ("cache", vec![], "`cache` is judged by where something goes"),
        ("cahce", vec![], "there is no resource `cahce`"),
        (
            "orders-db",
            vec!["--fact", "where=false", "SELECT 1"],
            "a statement tells its facts itself",
        ),
        (
            "orders-db",
            vec!["--fact", "vreb=select"],
            "there is no fact `vreb` here: did you mean `verb`?",
        ),
    ] {
        assert_eq!(ask(resource, &arguments), expected);
    }
}

#[test]
fn look_ups_are_asked_by_name_and_type() {
    let stage = Stage::new();
    let ask = |text: &str| stage.explain(&["--resource", "dns", text]).unwrap();
    let refused = ask("db.internal");
    assert!(refused.starts_with("DENIED: planner on dns"), "{refused}");
    assert!(refused.contains("\n  dns.type  a\n"), "{refused}");
    assert!(ask("X.internal txt").contains("  dns.name  x.internal\n  dns.type  txt\n"));
    let wrong = stage.explain(&["--resource", "dns", "a.internal a b"]);
    assert!(wrong.unwrap_err().starts_with("expected a name"));
}

#[test]
fn who_and_when_are_asked_for_too() {
    let stage = Stage::new();
    let path = stage.path("timed.toml");
    let rules = r#"
[[rule]]
name = "office"
action = "allow"
resource = "orders-db"
match = { verb = "select" }
when = "subject.uid == 1000 && subject.exe.startsWith('/usr/') && flow.destination.endsWith(':5432')"
during = { days = "mon-fri", from = "09:00", to = "17:00", zone = "Europe/Berlin" }
"#;
    std::fs::write(&path, format!("{POLICY}{rules}")).unwrap();
    let stage = Stage {
        config: Config::load(&path).unwrap().0,
        ..stage
    };
    let ask = |more: &[&str]| {
        let all = ["--resource", "orders-db", "--user", "x", "SELECT 1"];
        stage.explain(&[&all, more].concat()).unwrap()
    };
    let who = ["--uid", "1000", "--exe", "/usr/bin/psql"];
    let to = ["--destination", "10.0.0.5:5432"];
    let noon = ["--at", "2026-11-26T12:00:00+01:00"];
    let night = ["--at", "2026-11-26T20:00:00+01:00"];
    let all = ask(&[&who[..], &to, &noon].concat());
    assert!(all.starts_with("allowed by rule office: planner"), "{all}");
    assert!(
        all.contains("allows (mon-fri 09:00-17:00 Europe/Berlin)\n"),
        "{all}"
    );
    let late = ask(&[&who[..], &to, &night].concat());
    let why = "it is there mon-fri 09:00-17:00 Europe/Berlin only, and it is thu 2026-11-26 20:00";
    assert!(late.starts_with("DENIED") && late.contains(why), "{late}");
    let unknown = ask(&[&who[..2], &to, &noon].concat());
    assert!(
        unknown.contains("it is not known whether subject.uid"),
        "{unknown}"
    );
    let other = ask(&[&["--uid", "0"], &to[..], &noon].concat());
    assert!(other.contains("it is not true that subject.uid"), "{other}");
}

#[test]
fn masks_that_are_in_force_are_told() {
    let stage = Stage::new();
    let path = stage.path("masked.toml");
    let password = stage.path("password");
    std::fs::write(&password, "secret").unwrap();
    std::fs::set_permissions(&password, Permissions::from_mode(0o600)).unwrap();
    let rules = r#"
[[credential]]
name = "owner"
user = "owner"
password_file = "PASSWORD"

[[mask]]
name = "emails"
group = "agents"
column = ["public.customers.email", "hr.*"]
kind = "partial"
keep = "email"
masked_in_predicate = "allow"

[[mask]]
name = "cards"
workload = "planner"
type = "jsonb"
json = ["$.card[*]"]
kind = "partial"
keep = { last = 4 }
otherwise = "refuse"

[[mask]]
name = "others"
workload = "writer"
column = "*.*.phone"
kind = "null"
"#;
    let login = "addresses = [\"10.0.0.5:5432\"]\ncredential = \"owner\"\nupstream = { tls = \"verify-full\" }";
    let policy = POLICY.replace("addresses = [\"10.0.0.5:5432\"]", login);
    let rules = rules.replace("PASSWORD", password.to_str().unwrap());
    std::fs::write(&path, format!("{policy}{rules}")).unwrap();
    let stage = Stage {
        config: Config::load(&path).unwrap().0,
        ..stage
    };
    let ask = |more: &[&str]| {
        let all = ["--resource", "orders-db", "--user", "app"];
        stage.explain(&[&all, more].concat()).unwrap()
    };
    let all = ask(&["SELECT * FROM hr.pay, orders"]);
    let (head, _) = all.split_once("\n\n").unwrap();
    assert_eq!(
        head,
        "allowed by rule read-shop: planner on orders-db
  unless it compares, sorts by or copies masked values, which only the daemon can tell"
    );
    let (_, masks) = all.split_once("masked for").unwrap();
    assert_eq!(
        masks,
        r#" planner on orders-db
  emails: columns public.customers.email hr.*; kind partial, email; otherwise null
    may have such columns here: hr.pay
    rule mask emails denies what copies its values
    rule mask emails redefined denies what changes what names in the database mean
  cards: types jsonb; kind partial, first 0 and last 4, in JSON at $.card[*]; otherwise refuse
    may have such columns here: hr.pay, public.orders
    rule mask cards denies what copies its values
    rule mask cards in predicates denies what compares or sorts by them
    rule mask cards redefined denies what changes what names in the database mean
  Of columns that more than one means, the first counts. Which results have such columns, through views,
  partitions and functions too, is known by the database's catalog, which is not asked here.

not about orders-db: passes
"#
    );
    // Who is refused anyway needs no proviso.
    let refused = ask(&["SELECT 1 FROM customers"]);
    assert!(!refused.contains("unless it"), "{refused}");
    assert!(refused.contains("may have such columns here: public.customers\n"));
    let unknown = ask(&["--search-path", "", "SELECT 1 FROM pay"]);
    assert!(
        unknown.contains("may have such columns here: pay\n"),
        "{unknown}"
    );
}

#[test]
fn the_check_of_rules_tells_of_rules_only() {
    let stage = Stage::new();
    let path = stage.path("other.toml");
    let more = "[[rule]]\nname = \"nobody\"\naction = \"allow\"\nworkload = \"writer\"\ngroup = \"agents\"\n\
                [[resource]]\nname = \"x\"\nprotocol = \"postgres\"\naddresses = [\"10.0.0.6:5432\"]\n\
                upstream = { ca_file = \"/nowhere.pem\" }\n";
    std::fs::write(&path, format!("{POLICY}{more}")).unwrap();
    let (config, warnings) = Config::load(&path).unwrap();
    let warnings = warnings.unwrap();
    assert_eq!(warnings.count(Level::Warning), 2, "{warnings}");
    let of_rules = warnings.about(&config.rules).to_string();
    assert!(of_rules.starts_with("warning: rule `nobody` is about nobody"));
    assert!(!of_rules.contains("ca_file"), "{of_rules}");
    std::fs::write(&path, "[[rule]]\nname = 1").unwrap();
    assert!(matches!(Config::load(&path), Err(ConfigError::Invalid(_))));
}
