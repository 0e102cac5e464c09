//! What a name means depends on `search_path`, which an agent can set in many ways. None of them
//! makes a forbidden table look like an allowed one.

use gateway_tests::gateway::Gateway;
use gateway_tests::sandbox::Sandbox;

use crate::stage::{agent, gateway, never_logged, psql, server, shop, sql};

/// Everything in `public`, all settings, and calls of functions; nothing in `secret`.
fn public_gateway() -> Gateway {
    let policy = shop("upstream = { tls = \"disable\" }")
        .rule(
            "public",
            "allow",
            "match = { table = [\"public.*\", \"pg_catalog.*\"] }",
        )
        .rule(
            "rest",
            "allow",
            "match = { kind = [\"transaction\", \"session\"] }",
        )
        .rule(
            "constants",
            "allow",
            "match = { kind = \"read\", table = [] }",
        )
        .rule("no-secrets", "deny", "match = { table = \"secret.*\" }");
    gateway(&policy)
}

/// Ways to have `keys` mean `secret.keys`.
const TRICKS: [&str; 14] = [
    "SET search_path = secret;",
    "SET search_path TO secret, public;",
    "SET SESSION search_path = 'secret';",
    "SET SCHEMA 'secret';",
    "SET \"search_path\" = secret;",
    "SELECT set_config('search_path', 'secret', false);",
    "SELECT pg_catalog.set_config('search' || '_path', 'secret', false);",
    "BEGIN; SET LOCAL search_path = secret;",
    "BEGIN; SET search_path = secret; COMMIT;",
    "SET search_path = secret; BEGIN; RESET search_path; ROLLBACK;",
    "SET search_path = secret; BEGIN; SET search_path = public; ROLLBACK;",
    "BEGIN; SET search_path = secret; SAVEPOINT a; RESET search_path; ROLLBACK TO a;",
    "SET search_path = secret; BEGIN; RESET ALL; ROLLBACK;",
    "SET search_path = secret; SELECT 1/0; SELECT 1 \\; SELECT 2;",
];

#[test]
fn no_search_path_makes_a_secret_public() {
    let gateway = public_gateway();
    let sandbox = Sandbox::new("tricks").unwrap();
    let mut script = String::new();
    for (number, trick) in TRICKS.iter().enumerate() {
        // Each in a session of its own, its statements one by one and then as one string.
        script.push_str(&format!(
            "{trick}\nSELECT key FROM keys /* forbidden_path_{number} */;\n\\c\n"
        ));
        let text = format!("{trick}\nSELECT key FROM keys /* forbidden_path_{number}_at_once */");
        let at_once = text.replace("\\;", ";").replace(';', "\\;");
        script.push_str(&format!("{at_once};\n\\c\n"));
    }
    let file = sandbox.write("script.sql", &script).unwrap();
    let shown = agent(&gateway, &psql(&["-At", "-f", file.to_str().unwrap()]));
    let refusals = shown.matches("no-secrets").count();
    assert_eq!(refusals, 2 * TRICKS.len(), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    never_logged(server(), "forbidden_path");
}

#[test]
fn search_path_of_the_start_counts_too() {
    let gateway = public_gateway();
    for options in [
        "-c search_path=secret",
        "-csearch_path=secret",
        "--search_path=secret",
        "--search-path=secret",
        "-c SEARCH_PATH=secret,public",
    ] {
        let mut psql = sql("SELECT key FROM keys /* forbidden_start */");
        psql.env("PGOPTIONS", options);
        let said = crate::stage::agent_fails(&gateway, &psql);
        assert!(said.contains("gateway: "), "{options}: {said}");
    }
    never_logged(server(), "forbidden_start");
}

#[test]
fn prepared_statement_is_judged_again_under_another_search_path() {
    let gateway = public_gateway();
    let program = "
import sys, psycopg
connection = psycopg.connect(sys.argv[1], autocommit=True)
ask = lambda: connection.execute('SELECT count(*) FROM orders /* twice */', prepare=True).fetchone()
print(ask())
connection.execute('SET search_path = secret')
try:
    print(ask())
except psycopg.Error as error:
    print(error.sqlstate)
connection.execute('RESET search_path')
print(ask())
";
    let mut client = crate::stage::client(gateway_tests::programs::python().unwrap());
    client.args(["-c", program, &server().conninfo("127.0.0.1", "app")]);
    let shown = agent(&gateway, &client);
    assert_eq!(shown, "(30,)\n42501\n(30,)\n");
}

#[test]
fn allowed_names_still_work_under_a_search_path_that_was_reset() {
    let gateway = public_gateway();
    let shown = agent(
        &gateway,
        &psql(&[
            "-qAt",
            "-c",
            "SET search_path = secret",
            "-c",
            "RESET search_path",
            "-c",
            "SELECT count(*) FROM orders",
        ]),
    );
    assert_eq!(shown.trim(), "30");
}
