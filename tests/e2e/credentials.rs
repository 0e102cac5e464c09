//! The gateway logs in itself: agents have nothing that opens the database.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::DAEMON_USER;
use gateway_tests::postgres::{PASSWORD, USERS};
use gateway_tests::programs::{postgres_bin, said};
use gateway_tests::sandbox::{Sandbox, give_to};
use gateway_tests::wait;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::stage::{client, gateway, plain_server, server, shop};

/// A file that the daemon may read and the agent may not.
pub(crate) fn secret(sandbox: &Sandbox, name: &str, text: &str) -> String {
    let path = sandbox.write(name, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    give_to(&path, DAEMON_USER).unwrap();
    path.display().to_string()
}

fn with_login(sandbox: &Sandbox, user: &str, password: &str, upstream: &str) -> Gateway {
    let file = secret(
        sandbox,
        &format!("{user}.password"),
        &format!("{password}\n"),
    );
    let policy = shop(&format!(
        "upstream = {{ {upstream} }}\ncredential = \"shop\""
    ));
    let accepts = !upstream.contains("verify-full");
    let credential = format!(
        "[[credential]]\nname = \"shop\"\nuser = {user:?}\npassword_file = {file:?}\n\
         accept_unverified = {accepts}"
    );
    gateway(&policy.piece(&credential).allow_all())
}

/// `psql` without any password, as whoever it likes to be.
fn without_password(port: u16, user: &str, more: &str) -> Command {
    let mut psql = client(postgres_bin().unwrap().join("psql"));
    let conninfo = format!("host=127.0.0.1 port={port} user={user} dbname=shop {more}");
    psql.env_remove("PGPASSWORD")
        .args(["--no-psqlrc", "--no-password", "-qAt", "-d", &conninfo])
        .args(["-c", "SELECT session_user"]);
    psql
}

fn verified() -> String {
    let authority = server().certificates().authority.display();
    format!("tls = \"verify-full\", ca_file = \"{authority}\"")
}

/// What the recording says of the login.
fn login(gateway: &Gateway) -> Value {
    let recordings = gateway.wait_recordings(1).unwrap();
    let mut logins = recordings.last().unwrap().events("login");
    let login = logins.next();
    login
        .expect("it is recorded as whom the gateway logged in")
        .clone()
}

#[test]
fn an_agent_without_a_password_is_in_as_the_account_of_the_credential() {
    let sandbox = Sandbox::new("credentials").unwrap();
    let verified = verified();
    for user in USERS {
        for (upstream, is_encrypted) in [(verified.as_str(), true), ("tls = \"disable\"", false)] {
            let gateway = with_login(&sandbox, user.name, PASSWORD, upstream);
            let psql = without_password(server().port(), "nobody-in-particular", "");
            let ran = gateway.agent(&psql).unwrap();
            let expected = match user.name {
                "app_tls" => is_encrypted,
                // A password in plain text is for servers that are known.
                "app_clear" => is_encrypted,
                "app_plain" => !is_encrypted,
                _ => true,
            };
            let said = said(&ran);
            assert_eq!(
                ran.status.success(),
                expected,
                "{}, {upstream}: {said}",
                user.name
            );
            if expected {
                assert_eq!(said.trim(), user.name);
                let login = login(&gateway);
                let method = match (user.method, is_encrypted) {
                    ("scram-sha-256", true) => "SCRAM-SHA-256-PLUS",
                    ("scram-sha-256", false) => "SCRAM-SHA-256",
                    ("trust", _) => "none",
                    (other, _) => other,
                };
                assert_eq!(login["method"], method, "{}", user.name);
                assert_eq!(login["asked"], "nobody-in-particular");
            } else {
                assert!(!said.contains(user.name), "{said}");
            }
        }
    }
}

#[test]
fn what_opens_the_database_is_nowhere_to_be_seen() {
    let sandbox = Sandbox::new("credentials").unwrap();
    let gateway = with_login(&sandbox, "app", PASSWORD, &verified());
    let psql = without_password(server().port(), "x", "sslmode=require");
    assert!(gateway.agent(&psql).unwrap().status.success());
    let recordings = gateway.wait_recordings(1).unwrap();
    let recorded = fs::read_to_string(&recordings[0].path).unwrap();
    let told = [
        recorded,
        gateway
            .enforcement()
            .unwrap()
            .iter()
            .map(Value::to_string)
            .collect(),
        said(&gateway.call(["status", "--json"]).unwrap()),
        said(&gateway.call(["config", "check"]).unwrap()),
    ];
    for text in told {
        assert!(!text.contains(PASSWORD), "{text}");
    }
}

#[test]
fn a_password_that_the_server_does_not_take_tells_the_agent_nothing() {
    let sandbox = Sandbox::new("credentials").unwrap();
    let gateway = with_login(&sandbox, "app", "wrong", &verified());
    let ran = gateway
        .agent(&without_password(server().port(), "x", ""))
        .unwrap();
    let said = said(&ran);
    assert!(!ran.status.success());
    assert!(
        said.contains("the server did not take the gateway's own credential")
            && !said.contains("\"app\""),
        "{said}"
    );
}

#[test]
fn a_new_password_is_taken_at_a_reload() {
    let sandbox = Sandbox::new("credentials").unwrap();
    let gateway = with_login(&sandbox, "app", "wrong", &verified());
    let psql = || without_password(server().port(), "x", "");
    assert!(!gateway.agent(&psql()).unwrap().status.success());
    secret(&sandbox, "app.password", PASSWORD);
    gateway.signal(Signal::SIGHUP).unwrap();
    wait::until("the new password is used", || {
        Ok(gateway.agent(&psql())?.status.success().then_some(()))
    })
    .unwrap();
}

#[test]
fn an_agents_own_password_opens_nothing_there() {
    let sandbox = Sandbox::new("credentials").unwrap();
    let gateway = with_login(&sandbox, "app_trust", "unused", "tls = \"disable\"");
    // libpq sends a password only when it is asked for one: an agent that guesses gains nothing.
    let mut psql = without_password(server().port(), "postgres", "");
    psql.env("PGPASSWORD", PASSWORD);
    let ran = gateway.agent(&psql).unwrap();
    assert_eq!(said(&ran).trim(), "app_trust");
}

#[test]
fn a_server_without_tls_gets_no_password_in_plain_text() {
    let sandbox = Sandbox::new("credentials").unwrap();
    let file = secret(&sandbox, "password", PASSWORD);
    let port = plain_server().port();
    let policy = gateway_tests::policy_file::PolicyFile::new()
        .shop(
            &format!("127.0.0.1:{port}"),
            "upstream = { tls = \"prefer\" }\ncredential = \"shop\"",
        )
        .piece(&format!(
            "[[credential]]\nname = \"shop\"\nuser = \"app_clear\"\npassword_file = {file:?}\n\
             accept_unverified = true"
        ))
        .allow_all();
    let gateway = gateway(&policy);
    let ran = gateway.agent(&without_password(port, "x", "")).unwrap();
    let said = said(&ran);
    assert!(
        said.contains("it asks for the password in plain text without TLS"),
        "{said}"
    );
}

#[test]
fn a_server_that_is_not_verified_gets_no_password_in_plain_text() {
    let sandbox = Sandbox::new("credentials").unwrap();
    let gateway = with_login(&sandbox, "app_clear", PASSWORD, "tls = \"require\"");
    let ran = gateway
        .agent(&without_password(server().port(), "x", ""))
        .unwrap();
    let said = said(&ran);
    assert!(
        said.contains("it asks for the password in plain text, and who it is is not verified"),
        "{said}"
    );
}
