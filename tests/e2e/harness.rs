//! The harness itself, on the direct path: what the other tests stand on.

use gateway_tests::namespace::Namespace;
use gateway_tests::pgbouncer::{self, PgBouncer};
use gateway_tests::postgres::{Options, Postgres, USERS};
use gateway_tests::programs::said;
use gateway_tests::terminal::Terminal;

use crate::stage::{direct, never_logged, plain_server, psql, psql_to, server, sql, wait_logged};

fn login(conninfo: &str) -> (bool, String) {
    let ran = direct(&psql_to(conninfo, &["-qAt", "-c", "SELECT 'in'"]));
    (ran.status.success(), said(&ran))
}

#[test]
fn every_user_can_log_in_as_it_should() {
    for user in USERS {
        for (mode, is_tls) in [("disable", false), ("require", true)] {
            let conninfo = server().conninfo("127.0.0.1", user.name);
            let (is_in, said) = login(&format!("{conninfo} sslmode={mode}"));
            let expected = match user.name {
                "app_tls" => is_tls,
                "app_plain" => !is_tls,
                _ => true,
            };
            assert_eq!(is_in, expected, "{} with sslmode={mode}: {said}", user.name);
        }
    }
}

#[test]
fn wrong_passwords_are_refused_but_for_trust() {
    for user in USERS {
        let conninfo = server().conninfo("127.0.0.1", user.name);
        let mode = if user.name == "app_tls" {
            "require"
        } else {
            "disable"
        };
        let mut psql = psql_to(&format!("{conninfo} sslmode={mode}"), &["-c", "SELECT 1"]);
        let ran = direct(psql.env("PGPASSWORD", "wrong"));
        assert_eq!(
            ran.status.success(),
            user.method == "trust",
            "{}: {}",
            user.name,
            said(&ran)
        );
    }
}

#[test]
fn certificate_verifies_for_names_and_addresses() {
    let authority = server().certificates().authority.display();
    for host in ["127.0.0.1", "::1", "localhost"] {
        let conninfo = server().conninfo(host, "app");
        let (is_in, said) = login(&format!(
            "{conninfo} sslmode=verify-full sslrootcert={authority}"
        ));
        assert!(is_in, "{host}: {said}");
    }
    assert!(
        !login(&format!(
            "{} sslmode=require",
            plain_server().conninfo("::1", "app")
        ))
        .0
    );
}

#[test]
fn log_tells_of_what_was_parsed_and_run() {
    direct(&sql("SELECT 'log_one'"));
    wait_logged(server(), "log_one");
    direct(&psql(&["-c", "PREPARE p AS SELECT 'log_two'"]));
    wait_logged(server(), "log_two");
    never_logged(server(), "log_three");
}

#[test]
fn terminal_shows_what_a_person_sees() {
    let mut terminal = Terminal::start(&psql(&[])).unwrap();
    terminal.wait_for("shop=>").unwrap();
    terminal.type_keys("SELECT pg_sleep(60);\n").unwrap();
    wait_logged(server(), "SELECT pg_sleep(60)");
    terminal.type_keys("\x03").unwrap();
    terminal
        .wait_for("canceling statement due to user request")
        .unwrap();
    terminal.type_keys("\\q\n").unwrap();
    assert_eq!(terminal.wait_end().unwrap(), Some(0));
}

#[test]
fn pgbouncer_serves_with_and_without_tls() {
    for (tls, mode) in [(false, "disable"), (true, "require")] {
        let bouncer = PgBouncer::start(
            server().port(),
            &pgbouncer::Options {
                tls,
                is_pooling: true,
            },
        )
        .unwrap();
        let port = bouncer.port();
        let (is_in, said) = login(&format!(
            "host=127.0.0.1 port={port} dbname=shop user=app sslmode={mode}"
        ));
        assert!(is_in, "sslmode={mode}: {said}");
    }
}

#[test]
fn server_in_another_namespace_is_reached() {
    let namespace = Namespace::new().unwrap();
    let options = Options {
        listen: namespace.guest(),
        certificate_addresses: &[namespace.guest()],
        namespace: Some(&namespace),
        ..Options::default()
    };
    let server = Postgres::start(&options).unwrap();
    let authority = server.certificates().authority.display().to_string();
    let conninfo = server.conninfo(namespace.guest(), "app");
    let (is_in, said) = login(&format!(
        "{conninfo} sslmode=verify-full sslrootcert={authority}"
    ));
    assert!(is_in, "{said}");
}
