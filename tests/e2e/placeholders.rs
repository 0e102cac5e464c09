//! What agents show instead of a password: who is let in by it, who is not, and for how long.

use std::process::{Child, Command, Stdio};

use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::postgres::PASSWORD;
use gateway_tests::programs::said;
use gateway_tests::sandbox::Sandbox;
use gateway_tests::wait;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::credentials::secret;
use crate::stage::{agent, gateway, psql_to, python_client, server, shop, wait_logged};

fn policy(sandbox: &Sandbox, asking: &str, more: &str) -> PolicyFile {
    let file = secret(sandbox, "password", PASSWORD);
    let other = "[[workload]]\nname = \"other\"\ngroups = [\"agents\"]";
    shop(&format!(
        "upstream = {{ tls = \"disable\" }}\ncredential = \"shop\"\n{more}"
    ))
    .piece(&format!(
        "[[credential]]\nname = \"shop\"\nuser = \"app\"\npassword_file = {file:?}\n\
         accept_unverified = true\nplaceholder = {asking:?}"
    ))
    .piece(other)
    .allow_all()
}

fn asking(sandbox: &Sandbox, how: &str) -> Gateway {
    gateway(&policy(sandbox, how, ""))
}

fn issue(gateway: &Gateway, more: &[&str]) -> Value {
    let issue = ["placeholders", "issue", "--resource", "shop", "--json"];
    let arguments: Vec<_> = issue.iter().chain(more).collect();
    serde_json::from_str(&gateway.ask(arguments).unwrap()).unwrap()
}

fn text(issued: &Value) -> &str {
    issued["placeholder"].as_str().unwrap()
}

/// `psql` as whoever it likes to be, with this in the password's place.
fn shows(placeholder: &str, conninfo: &str, statement: &str) -> Command {
    let to = format!("{} {conninfo}", server().conninfo("127.0.0.1", "anyone"));
    let mut psql = psql_to(&to, &["--no-password", "-qAt", "-c", statement]);
    psql.env("PGPASSWORD", placeholder);
    psql
}

#[track_caller]
fn is_refused(gateway: &Gateway, workload: &str, psql: &Command, expected: &str) {
    let before = gateway.enforcement().unwrap().len();
    let mut run = gateway.run(workload, psql);
    let ran = run.output().unwrap();
    let told = said(&ran);
    assert!(!ran.status.success(), "{told}");
    assert!(
        told.contains("FATAL:  password authentication failed for user \"anyone\""),
        "{told}"
    );
    let why = wait::until("the log tells", || {
        let mut lines = gateway.enforcement()?.into_iter().skip(before);
        let line = lines.find(|line| line["event"] == "connection_refused");
        Ok(line.map(|line| line["reason"].to_string()))
    });
    let why = why.unwrap();
    assert!(why.contains(expected), "{why}");
}

fn open(gateway: &Gateway, placeholder: &str, statement: &str) -> Child {
    let mut run = gateway.run("agent", &shows(placeholder, "", statement));
    run.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = run.spawn().unwrap();
    wait_logged(server(), statement);
    child
}

#[track_caller]
fn ends(mut child: Child) -> String {
    wait::until("the client ends", || Ok(child.try_wait()?)).unwrap();
    said(&child.wait_with_output().unwrap())
}

#[test]
fn clients_of_all_kinds_show_one_in_a_passwords_place() {
    let sandbox = Sandbox::new("placeholders").unwrap();
    let gateway = asking(&sandbox, "scram");
    let issued = issue(&gateway, &["--as", "agent"]);
    let placeholder = text(&issued);
    for conninfo in [
        "sslmode=disable",
        "sslmode=require channel_binding=disable",
        "sslmode=require channel_binding=prefer",
        "sslmode=verify-full channel_binding=require",
    ] {
        let psql = shows(placeholder, conninfo, "SELECT session_user");
        assert_eq!(agent(&gateway, &psql).trim(), "app", "{conninfo}");
    }
    let to = server().conninfo("127.0.0.1", "anyone");
    let mut others = python_client("placeholders.py", &to);
    others.env("PGPASSWORD", placeholder);
    let told = agent(&gateway, &others);
    for client in ["psycopg", "psycopg in TLS", "asyncpg", "asyncpg in TLS"] {
        assert!(
            told.contains(&format!("{client}: app\n")),
            "{client}: {told}"
        );
    }
    let recordings = gateway.wait_recordings(8).unwrap();
    for recording in &recordings {
        let login = recording.events("login").next().unwrap();
        assert_eq!(login["placeholder"], issued["id"]);
    }
    let told = [
        std::fs::read_to_string(&recordings[0].path).unwrap(),
        gateway.ask(["placeholders", "list", "--json"]).unwrap(),
        std::fs::read_to_string(gateway.path("state/daemon/placeholders.json")).unwrap(),
        gateway.output(),
        format!("{:?}", gateway.enforcement().unwrap()),
    ];
    for text in told {
        assert!(!text.contains(placeholder), "{text}");
    }
}

#[test]
fn whoever_shows_another_one_hears_the_same_and_the_log_says_what_it_was() {
    let sandbox = Sandbox::new("placeholders").unwrap();
    let gateway = asking(&sandbox, "scram");
    let (ours, theirs) = (
        issue(&gateway, &["--as", "agent"]),
        issue(&gateway, &["--as", "other"]),
    );
    let reader = issue(&gateway, &["--as", "agent", "--user", "reader"]);
    let guess = shows("gwp_guess", "", "SELECT 1");
    is_refused(&gateway, "agent", &guess, "no placeholder that was issued");
    let stolen = shows(text(&theirs), "", "SELECT 1");
    is_refused(&gateway, "agent", &stolen, "issued to workload `other`");
    let bound = shows(text(&reader), "sslmode=require", "SELECT 1");
    is_refused(&gateway, "agent", &bound, "is for another user");
    let real = shows(PASSWORD, "", "SELECT 1");
    is_refused(&gateway, "agent", &real, "no placeholder that was issued");
    let id = ours["id"].as_str().unwrap();
    gateway.ask(["placeholders", "revoke", id]).unwrap();
    let revoked = shows(text(&ours), "", "SELECT 1");
    is_refused(&gateway, "agent", &revoked, "was revoked");
    // Nobody was asked at the server.
    let recordings = gateway.wait_recordings(5).unwrap();
    assert!(
        recordings
            .iter()
            .all(|it| it.events("login").next().is_none())
    );
    // And without any, libpq says so itself.
    let mut none = shows("", "", "SELECT 1");
    none.env_remove("PGPASSWORD");
    let told = said(&gateway.agent(&none).unwrap());
    assert!(told.contains("no password supplied"), "{told}");
}

#[test]
fn sessions_end_with_the_placeholder_that_they_showed() {
    let sandbox = Sandbox::new("placeholders").unwrap();
    let gateway = asking(&sandbox, "scram");
    let (one, other) = (
        issue(&gateway, &["--as", "agent"]),
        issue(&gateway, &["--as", "agent"]),
    );
    let mine = open(&gateway, text(&one), "SELECT pg_sleep(311)");
    let theirs = open(&gateway, text(&other), "SELECT pg_sleep(312)");
    let short = issue(&gateway, &["--as", "agent", "--for", "3s"]);
    let brief = open(&gateway, text(&short), "SELECT pg_sleep(313)");
    let told = ends(brief);
    let words = "FATAL:  gateway: the placeholder of this session has expired";
    assert!(told.contains(words), "{told}");
    let expired = shows(text(&short), "", "SELECT 1");
    is_refused(&gateway, "agent", &expired, "has expired");

    let id = one["id"].as_str().unwrap();
    let told = gateway.ask(["placeholders", "revoke", id]).unwrap();
    assert!(told.contains("1 open session ended"), "{told}");
    let told = ends(mine);
    let words = "FATAL:  gateway: the placeholder of this session was revoked";
    assert!(told.contains(words), "{told}");
    let status = gateway.status().unwrap();
    assert_eq!(status["connections"][0]["placeholder"], other["id"]);
    assert_eq!(status["connections"].as_array().unwrap().len(), 1);
    let mut ended = gateway.enforcement().unwrap();
    ended.retain(|line| line["event"] == "placeholder_ended");
    assert_eq!(ended[0]["placeholder"], short["id"]);
    assert!(ended[0]["by"].is_null());
    assert_eq!(ended[1]["by"]["uid"], 0);
    gateway.ask(["freeze", "agent"]).unwrap();
    ends(theirs);
}

#[test]
fn they_outlive_the_daemon() {
    let sandbox = Sandbox::new("placeholders").unwrap();
    let mut gateway = asking(&sandbox, "scram");
    let issued = issue(&gateway, &["--as", "agent"]);
    gateway.stop(Signal::SIGKILL).unwrap();
    gateway.restart().unwrap();
    let psql = shows(text(&issued), "", "SELECT session_user");
    assert_eq!(agent(&gateway, &psql).trim(), "app");
}

#[test]
fn one_is_shown_as_it_is_in_tls_only() {
    let sandbox = Sandbox::new("placeholders").unwrap();
    let gateway = asking(&sandbox, "password");
    let issued = issue(&gateway, &["--as", "agent"]);
    let ask = "SELECT session_user";
    for conninfo in ["sslmode=require", "sslmode=disable"] {
        let psql = shows(text(&issued), conninfo, ask);
        assert_eq!(agent(&gateway, &psql).trim(), "app", "{conninfo}");
    }
    is_refused(
        &gateway,
        "agent",
        &shows("gwp_guess", "sslmode=require", ask),
        "no placeholder that was issued",
    );
    // A client that shows nothing as it is keeps it.
    let to = server().conninfo("127.0.0.1", "anyone");
    let mut strict = python_client("placeholders.py", &to);
    strict.env("PGPASSWORD", text(&issued)).arg("strict");
    let told = said(&gateway.agent(&strict).unwrap());
    assert!(
        told.contains("psycopg: app") && told.contains("server requested a cleartext password"),
        "{told}"
    );
}

#[test]
fn a_run_is_given_one_that_nobody_else_can_use() {
    let sandbox = Sandbox::new("placeholders").unwrap();
    let gateway = asking(&sandbox, "scram");
    let mut shell = shows("", "", "SELECT session_user");
    shell.env_remove("PGPASSWORD");
    let mut run = gateway.run_with(
        &["--as", "agent", "--user", "root", "--placeholder", "shop"],
        &shell,
    );
    let ran = run.output().unwrap();
    assert_eq!(said(&ran).trim(), "app");
    let listed: Value =
        serde_json::from_str(&gateway.ask(["placeholders", "list", "--json"]).unwrap()).unwrap();
    assert_eq!(listed[0]["ended"]["how"], "revoked", "{listed}");
    assert!(listed[0]["cgroup"].is_u64());

    let printing = gateway
        .run_with(
            &["--as", "agent", "--user", "root", "--placeholder", "shop"],
            Command::new("printenv").arg("PGPASSWORD"),
        )
        .output()
        .unwrap();
    let stolen = said(&printing);
    let psql = shows(stolen.trim(), "", "SELECT 1");
    is_refused(&gateway, "agent", &psql, "is for another cgroup");
}

#[test]
fn mistakes_are_told_with_what_was_meant() {
    let sandbox = Sandbox::new("placeholders").unwrap();
    let gateway = asking(&sandbox, "none");
    let check = |arguments: &[&str], expected: &str| {
        let ran = gateway
            .call(["placeholders"].iter().chain(arguments))
            .unwrap();
        assert!(!ran.status.success());
        assert!(
            said(&ran).contains(expected),
            "{arguments:?}: {}",
            said(&ran)
        );
    };
    let issue = ["issue", "--as", "agent", "--resource", "shop"];
    check(&issue, "placeholder = \"scram\"");
    check(
        &["issue", "--as", "agnet", "--resource", "shop"],
        "did you mean `agent`?",
    );
    gateway.reload(&policy(&sandbox, "scram", "")).unwrap();
    check(&[&issue[..], &["--for", "31d"]].concat(), "30 days");
    check(&[&issue[..], &["--user", "a\nb"]].concat(), "database user");
    check(&["revoke", "nothing"], "placeholders list");
    let none = gateway.ask(["placeholders", "list"]).unwrap();
    assert!(none.contains("no placeholder is in force"), "{none}");
}
