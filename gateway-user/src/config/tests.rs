//! What people see when a configuration is wrong, and what a right one gives.

use std::net::SocketAddr;
use std::path::Path;

use gateway_core::policy::diagnostic::Level;

use super::{Config, ConfigError, check};

const PATH: &str = "gateway.toml";

fn load(source: &str) -> Result<(Config, Option<super::Report>), ConfigError> {
    check::check(Path::new(PATH), source.to_owned())
}

#[track_caller]
fn check_error(source: &str, expected: &str) {
    let error = load(source.trim_start()).unwrap_err();
    assert_eq!(error.to_string().trim(), expected.trim(), "\n{error}");
}

const RESOURCE: &str = r#"
[[resource]]
name = "orders-db"
protocol = "postgres"
addresses = ["10.0.0.5:5432", "10.1.0.0/16:5432", "[::1]:5432"]
"#;

#[test]
fn defaults_are_as_documented() {
    let (config, warnings) = load(RESOURCE).unwrap();
    assert!(warnings.is_none(), "{}", warnings.unwrap());
    assert_eq!(config.daemon.port, 15001);
    assert_eq!(config.daemon.workers, 0);
    assert_eq!(config.daemon.runtime, Path::new("/run/gateway"));
    assert_eq!(
        config.recording.directory,
        Path::new("/var/lib/gateway/sessions")
    );
    assert_eq!(
        config.log.file,
        Path::new("/var/log/gateway/enforcement.jsonl")
    );
    assert_eq!(config.digest.as_str().len(), 64);
}

#[test]
fn finds_the_resource_of_a_destination() {
    let (config, _) = load(RESOURCE).unwrap();
    let found = |destination: &str| {
        let destination: SocketAddr = destination.parse().unwrap();
        config.resource_for(destination).is_some()
    };
    assert!(found("10.0.0.5:5432"));
    assert!(found("10.1.77.3:5432"));
    assert!(found("[::1]:5432"));
    assert!(!found("10.0.0.6:5432"));
    assert!(!found("10.0.0.5:5433"));
}

#[test]
fn warns_of_what_has_no_effect() {
    let (_, warnings) = load("").unwrap();
    assert_eq!(warnings.unwrap().count(Level::Warning), 1);
    let source = format!("{RESOURCE}upstream = {{ ca_file = \"/nowhere.pem\" }}");
    let (_, warnings) = load(&source).unwrap();
    let warnings = warnings.unwrap().to_string();
    assert!(warnings.contains("has no effect"), "{warnings}");
}

#[test]
fn a_credential_is_for_servers_that_are_verified() {
    let source = |tls: &str, more: &str| {
        format!(
            "[[credential]]\nname = \"app\"\nuser = \"app\"\n{more}\n{}\n\
             credential = \"app\"\nupstream = {{ tls = \"{tls}\" }}",
            RESOURCE.trim()
        )
    };
    let expected = "it is not verified who the server is that the credential is shown to";
    for tls in ["disable", "prefer", "require"] {
        for more in ["", "accept_unverified = false"] {
            let found = mistakes(&source(tls, more));
            let is_told = |it: &&(usize, String)| it.0 == 9 && it.1 == expected;
            assert_eq!(found.iter().filter(is_told).count(), 1, "{tls}: {found:#?}");
        }
        let (config, warnings) = load(&source(tls, "accept_unverified = true")).unwrap();
        assert!(config.resources[0].login.is_some());
        let warnings = warnings.unwrap().to_string();
        assert!(warnings.contains(expected), "{warnings}");
    }
}

#[test]
fn not_toml() {
    check_error(
        "[daemon\nport = 1",
        r#"
error: unclosed table, expected `]`
 --> gateway.toml:1:8
  |
1 | [daemon
  |        ^
"#,
    );
}

#[test]
fn unknown_setting() {
    check_error(
        &format!("{RESOURCE}[daemon]\nprot = 15001"),
        r#"
error: unknown setting `prot`, expected one of `port`, `state`, `runtime`, `workers`, `user`
 --> gateway.toml:6:1
  |
6 | prot = 15001
  | ^^^^
  |
  = help: did you mean `port`?
"#,
    );
}

/// Line and message of everything that is wrong with a file.
#[track_caller]
fn mistakes(source: &str) -> Vec<(usize, String)> {
    let ConfigError::Invalid(report) = load(source).unwrap_err() else {
        panic!("it can be read");
    };
    let findings = report.findings();
    findings
        .map(|finding| (finding.line, finding.message))
        .collect()
}

#[test]
fn all_mistakes_are_told_at_once() {
    let source = "\
[daemon]
prot = 15001
workers = \"two\"
[recordings]
directory = \"/a\"
[[resource]]
nmae = \"a\"
protocol = \"postgres\"
upstream = { tls = \"verify_full\", ca = \"/b\" }
[[workload]]
name = \"b\"
groups = [\"c\", 7]
[[rule]]
name = \"d\"
action = \"alow\"
";
    let found = mistakes(source);
    for (line, start) in [
        (2, "unknown setting `prot`"),
        (3, "invalid type: string \"two\""),
        (4, "unknown setting `recordings`"),
        (6, "missing setting `name`"),
        (7, "unknown setting `nmae`"),
        (9, "unknown setting `ca`"),
        (9, "unknown value `verify_full`"),
        (12, "invalid type: integer `7`"),
        (15, "unknown value `alow`"),
    ] {
        let is_told = |it: &&(usize, String)| it.0 == line && it.1.starts_with(start);
        let told = found.iter().filter(is_told).count();
        assert_eq!(told, 1, "line {line}: {start}\n{found:#?}");
    }
    assert_eq!(found.len(), 9, "{found:#?}");
}

#[test]
fn beside_settings_that_do_not_exist_values_are_checked_too() {
    let source = "[daemon]\nprot = 1\nport = 0\nuser = \"a\"\nusre = \"b\"\n[[resource]]\n\
        name = \"a b\"\nprotocol = \"postgres\"\naddresses = [\"10.0.0.5:5432\"]\n";
    let lines: Vec<usize> = mistakes(source).into_iter().map(|it| it.0).collect();
    assert_eq!(lines, [2, 3, 5, 7]);
}

#[test]
fn text_that_is_no_toml_is_told_at_its_first_place() {
    assert_eq!(mistakes("[daemon]\nport = = 1\nuser = = 2\n").len(), 1);
}

/// Whatever is put in between, every setting that does not exist is told.
#[test]
fn no_unknown_setting_hides_another() {
    let pieces = [
        "[daemon]\nqqq = 1\n",
        "[log]\nqqq = { a = [1, { b = 2 }] }\n",
        "[qqq.a.b]\nc = 1\n",
        "[[workload]]\nname = \"w\"\nqqq.a = 1\n",
        "[[rule]]\nname = \"r\"\naction = \"allow\"\nqqq = [[1]]\n",
    ];
    for chosen in 1_u32..1 << pieces.len() {
        let pieces = (0..).zip(pieces).filter(|(bit, _)| chosen >> bit & 1 == 1);
        let source: String = pieces.map(|(_, piece)| piece).collect();
        let found = mistakes(&source);
        let unknown = found
            .iter()
            .filter(|it| it.1.starts_with("unknown setting `qqq`"));
        assert_eq!(
            u32::try_from(unknown.count()).unwrap(),
            chosen.count_ones(),
            "{source}\n{found:#?}"
        );
    }
}

#[test]
fn unknown_value() {
    let source = format!("{RESOURCE}upstream = {{ tls = \"verify_full\" }}");
    check_error(
        &source,
        r#"
error: unknown value `verify_full`, expected one of `disable`, `prefer`, `require`, `verify-ca`, `verify-full`
 --> gateway.toml:5:20
  |
5 | upstream = { tls = "verify_full" }
  |                    ^^^^^^^^^^^^^
  |
  = help: did you mean `verify-full`?
"#,
    );
}

#[test]
fn out_of_range() {
    check_error(
        "[daemon]\nport = 70000",
        r#"
error: invalid value: integer `70000`, expected a number from 0 to 65535
 --> gateway.toml:2:8
  |
2 | port = 70000
  |        ^^^^^
"#,
    );
}

#[test]
fn missing_setting() {
    check_error(
        "[[resource]]\nname = \"orders\"\nprotocol = \"postgres\"",
        r#"
error: a resource without addresses and hosts covers nothing
 --> gateway.toml:2:8
  |
2 | name = "orders"
  |        ^^^^^^^^
  |
  = help: give at least one, such as addresses = ["10.0.0.5:5432"] or hosts = ["db.internal:5432"]
"#,
    );
}

#[test]
fn everything_wrong_is_told_at_once() {
    check_error(
        r#"
[[workload]]
name = "planner"
[[workload]]
name = "planner"
[[resource]]
name = "a"
protocol = "postgresql"
addresses = ["db.internal:5432"]
[[resource]]
name = "b"
protocol = "postgres"
addresses = ["10.1.0.0/16:5432"]
upstream = { tls = "verify-full", ca_file = "/nowhere/ca.pem" }
[[resource]]
name = "c"
protocol = "postgres"
addresses = ["10.1.7.0/24:5432"]
"#,
        r#"
error: there are two workloads named `planner`
 --> gateway.toml:4:8
  |
4 | name = "planner"
  |        ^^^^^^^^^
  |
  = help: the other one is on line 2; give one another name

error: unknown protocol "postgresql"
 --> gateway.toml:7:12
  |
7 | protocol = "postgresql"
  |            ^^^^^^^^^^^^
  |
  = help: did you mean `postgres`?

error: "db.internal:5432" is not an address: this is not an IP address
 --> gateway.toml:8:14
  |
8 | addresses = ["db.internal:5432"]
  |              ^^^^^^^^^^^^^^^^^^
  |
  = help: a host's name belongs into `hosts`, such as hosts = ["db.internal:5432"]; an address is such as "10.0.0.5:5432", "10.1.0.0/16:5432" or "[::1]:5432"

error: cannot read /nowhere/ca.pem: No such file or directory (os error 2)
  --> gateway.toml:13:45
   |
13 | upstream = { tls = "verify-full", ca_file = "/nowhere/ca.pem" }
   |                                             ^^^^^^^^^^^^^^^^^

error: 10.1.7.0/24:5432 overlaps with 10.1.0.0/16:5432 of resource `b`
  --> gateway.toml:17:14
   |
17 | addresses = ["10.1.7.0/24:5432"]
   |              ^^^^^^^^^^^^^^^^^^
   |
   = help: that one is on line 12; a connection must belong to one resource, so narrow one of them
"#,
    );
}

#[test]
fn findings_for_machines_have_places() {
    let ConfigError::Invalid(report) = load("[daemon]\nport = -1").unwrap_err() else {
        panic!("expected findings");
    };
    let findings: Vec<_> = report.findings().collect();
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].line, findings[0].column), (2, 8));
}

#[test]
fn rules_are_shown_like_everything_else() {
    let source = format!(
        "{}\n[[rule]]\nname = \"read\"\naction = \"allow\"\nmatch = {{ vreb = \"select\" }}\n",
        RESOURCE.trim()
    );
    let error = load(&source).unwrap_err().to_string();
    assert!(error.contains(" --> gateway.toml:8:"), "{error}");
    assert!(error.contains("did you mean"), "{error}");
}
