//! What detectors find is masked in whatever comes back, and what they do not find stays as it is.

mod false_alarms;
mod outside;

use std::sync::LazyLock;

use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use serde_json::Value;

use crate::stage::{agent, agent_fails, gateway, psql, python_client, server, shop, sql};

/// The table that the tests read, once.
static NOTES: LazyLock<()> = LazyLock::new(|| {
    server()
        .admin(
            "CREATE SCHEMA net; GRANT ALL ON SCHEMA net TO app; SET ROLE app;
             CREATE TYPE net.mood AS ENUM ('ann@secret.example', 'ok');
             CREATE DOMAIN net.mail AS text;
             CREATE TABLE net.notes (id int PRIMARY KEY, t text, v varchar(40), c char(30), n name,
                 j json, b jsonb, x xml, a text[], ja jsonb[], card bigint, num numeric, host inet,
                 raw bytea, mood net.mood, dom net.mail);
             INSERT INTO net.notes VALUES (1, 'mail ann@secret.example, call +49 30 901820',
                 'ann@secret.example', 'ann@secret.example', 'ann@secret.example',
                 '{\"to\": [\"ann\\u0040secret.example\"]}', '{\"ann@secret.example\": {\"k\": \"4111111111111111\"}}',
                 '<to>ann@secret.example</to>', ARRAY['a \"b\"', 'ann@secret.example', NULL],
                 ARRAY['{\"to\": \"ann@secret.example\"}'::jsonb], 4111111111111111, 4111111111111111,
                 '203.0.113.77', 'ann@secret.example', 'ann@secret.example', 'ann@secret.example');
             INSERT INTO net.notes (id, t) VALUES (2, 'nothing here');
             CREATE TABLE net.unique_notes (t text UNIQUE);
             INSERT INTO net.unique_notes SELECT t FROM net.notes WHERE id = 1;",
        )
        .unwrap();
});

/// A mask with detectors and nothing else: the resource has no credential.
const ALL: &str = "[[mask]]\nname = \"net\"\nresource = \"shop\"\ngroup = \"agents\"\n\
    except_group = \"dbas\"\n\
    detector = [\"email\", \"card\", \"iban\", \"jwt\", \"private_key\", \"api_key\", \"ip\", \"phone\", \"ssn\"]";

fn policy(mask: &str) -> PolicyFile {
    LazyLock::force(&NOTES);
    shop("upstream = { tls = \"disable\" }")
        .piece("[[workload]]\nname = \"dba\"\ngroups = [\"agents\", \"dbas\"]")
        .piece(mask)
        .allow_all()
}

fn guarded() -> Gateway {
    gateway(&policy(ALL))
}

/// What must be in nothing that an agent sees.
const SECRETS: [&str; 6] = [
    "secret.example",
    "901820",
    "411111111111",
    "203.0.113",
    // The same as bytes, and as hexadecimal digits.
    "736563726574",
    "ann@",
];

#[track_caller]
fn holds_no_secret(shown: &str) {
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn psql_shows_only_what_is_left() {
    let gateway = guarded();
    let shown = agent(&gateway, &sql("SELECT * FROM net.notes ORDER BY id"));
    holds_no_secret(&shown);
    let expected = "1|mail a****@*****.example, call ****|a****@*****.example|a****@*****.example            \
        |a****@*****.example|{\"to\": [\"a****@*****.example\"]}\
        |{\"a****@*****.example\": {\"k\": \"************1111\"}}|<to>a****@*****.example</to>\
        |{\"a \\\"b\\\"\",a****@*****.example,NULL}|{\"{\\\"to\\\": \\\"a****@*****.example\\\"}\"}\
        |||0.0.0.0|\\x612a2a2a2a402a2a2a2a2a2e6578616d706c65|a****@*****.example|a****@*****.example\n\
        2|nothing here||||||||||||||\n";
    assert_eq!(shown, expected);
    // The same statement by somebody who is excepted.
    let seen = gateway
        .run("dba", &sql("SELECT v FROM net.notes WHERE id = 1"))
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&seen.stdout),
        "ann@secret.example\n"
    );
}

#[test]
fn no_way_of_psycopg_shows_more() {
    let gateway = guarded();
    let conninfo = server().conninfo("127.0.0.1", "app");
    let shown = agent(&gateway, &python_client("detectors.py", &conninfo));
    holds_no_secret(&shown);
    for way in [
        "binary=True prepare=True",
        "copy (FORMAT binary)",
        "cursor binary=True",
    ] {
        assert!(shown.contains(way), "{shown}");
    }
    for line in [
        "notice ('it is mail a****@*****.example, call ****', None)",
        "error ('22P02', 'invalid input syntax for type integer: \"mail a****@*****.example, call ****\"', None)",
        "Key (t)=(mail a****@*****.example, call ****) already exists.",
        "notify ('news', 'mail a****@*****.example, call ****')",
        "setting 'was a****@*****.example'",
        "binary=True prepare=False card None",
        "binary=True prepare=False j {'to': ['a****@*****.example']}",
        "binary=True prepare=False a ['a \"b\"', 'a****@*****.example', None]",
        "binary=True prepare=False raw b'a****@*****.example'",
    ] {
        assert!(shown.contains(line), "{line} is not in {shown}");
    }
}

#[test]
fn it_is_recorded_how_often_something_was_found() {
    let gateway = guarded();
    agent(
        &gateway,
        &psql(&[
            "-qAt",
            "-c",
            "SELECT t FROM net.notes, generate_series(1, 3)",
            "-c",
            "SELECT 1",
        ]),
    );
    let recordings = gateway.wait_recordings(1).unwrap();
    let outcomes: Vec<Value> = recordings[0].events("outcome").cloned().collect();
    let found: Vec<&Value> = outcomes
        .iter()
        .filter_map(|it| it.get("detected"))
        .collect();
    assert_eq!(found, [&serde_json::json!({ "email": 3, "phone": 3 })]);
    let text = serde_json::to_string(&outcomes).unwrap();
    holds_no_secret(&text);
}

#[test]
fn errors_in_the_recording_hold_no_value() {
    let gateway = guarded();
    agent_fails(&gateway, &sql("SELECT t::int FROM net.notes"));
    let recordings = gateway.wait_recordings(1).unwrap();
    let outcomes: Vec<&Value> = recordings[0].events("outcome").collect();
    let text = serde_json::to_string(&outcomes).unwrap();
    assert!(text.contains("a****@*****.example"), "{text}");
    holds_no_secret(&text);
}

#[test]
fn what_is_too_long_to_be_looked_at_does_not_pass() {
    let gateway = guarded();
    let long = "SELECT repeat('x', 2000000) || t FROM net.notes WHERE id = 1";
    let said = agent_fails(&gateway, &sql(long));
    assert!(said.contains("more than 1 MiB"), "{said}");
    holds_no_secret(&said);
    let short = "SELECT length(repeat('x', 900000) || t), repeat('x', 900000) || t FROM net.notes WHERE id = 1";
    let said = agent(&gateway, &sql(short));
    assert!(said.starts_with("900043|xxx"), "{}", said.len());
    assert!(said.ends_with("a****@*****.example, call ****\n"));
}

#[test]
fn kinds_and_patterns_are_as_they_are_written() {
    let shown = |mask: &str, statement: &str| {
        let gateway = gateway(&policy(&format!(
            "[[mask]]\nname = \"net\"\nresource = \"shop\"\n{mask}"
        )));
        agent(&gateway, &sql(statement))
    };
    let value = "SELECT v, t FROM net.notes WHERE id = 1";
    let full = shown("detector = \"email\"\nkind = \"full\"", value);
    assert_eq!(full, "****|mail ****, call +49 30 901820\n");
    let null = shown("detector = [\"email\"]\nkind = \"null\"", value);
    assert_eq!(null, "|\n");
    let hash = "detector = [\"email\"]\nkind = \"hash\"";
    let hashed = shown(
        hash,
        "SELECT v, 'mail ' || v, v = v FROM net.notes WHERE id = 1",
    );
    let parts: Vec<&str> = hashed.trim().split('|').collect();
    assert_eq!(parts[0].len(), 32);
    assert_eq!(parts[1], format!("mail {}", parts[0]));
    let pattern = "detector = [{ name = \"badge\", regex = '\\b[A-Z]{2}[0-9]{6}\\b', context = [\"badge\"] }]\n\
        kind = \"partial\"\nkeep = { first = 2, last = 2 }";
    let badge = shown(
        pattern,
        "SELECT 'Badge: AB123456', 'order AB123456', '{\"badge\": \"AB123456\"}'::json",
    );
    assert_eq!(
        badge,
        "Badge: AB****56|order AB123456|{\"badge\": \"AB123456\"}\n"
    );
}

#[test]
fn numbers_are_refused_where_the_mask_says_so() {
    let gateway = gateway(&policy(&format!("{ALL}\notherwise = \"refuse\"")));
    let said = agent_fails(&gateway, &sql("SELECT card FROM net.notes"));
    assert!(said.contains("a value cannot be masked"), "{said}");
    holds_no_secret(&said);
}

/// Beside `column` a detector masks what it finds there; what is made of the column is masked fully.
#[test]
fn in_columns_only_what_is_found_is_masked() {
    use gateway_tests::sandbox::Sandbox;
    LazyLock::force(&NOTES);
    let sandbox = Sandbox::new("detectors").unwrap();
    let file = crate::credentials::secret(
        &sandbox,
        "password",
        &format!("{}\n", gateway_tests::postgres::PASSWORD),
    );
    let policy = shop("upstream = { tls = \"disable\" }\ncredential = \"masks\"")
        .piece(&format!(
            "[[credential]]\nname = \"masks\"\nuser = \"app\"\npassword_file = {file:?}\n\
             accept_unverified = true"
        ))
        .piece(
            "[[mask]]\nname = \"notes\"\nresource = \"shop\"\ncolumn = [\"net.notes.t\"]\n\
             detector = [\"phone\"]",
        )
        .allow_all();
    let gateway = gateway(&policy);
    let shown = agent(
        &gateway,
        &sql("SELECT t, upper(t), v FROM net.notes ORDER BY id"),
    );
    let expected =
        "mail ann@secret.example, call ****|****|ann@secret.example\nnothing here|****|\n";
    assert_eq!(shown, expected);
    let said = agent_fails(
        &gateway,
        &sql("SELECT 1 FROM net.notes WHERE t LIKE 'mail%'"),
    );
    assert!(said.contains("mask notes in predicates"), "{said}");
}
