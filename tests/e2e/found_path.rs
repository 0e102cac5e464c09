//! Search paths that no client set, and what else decides which schemas an unqualified name may be
//! in: none of it makes a forbidden table look like an allowed one.

use std::process::Command;
use std::sync::LazyLock;

use gateway_tests::gateway::Gateway;
use gateway_tests::pgbouncer::{self, PgBouncer};
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::postgres::{Options, Postgres};

use crate::stage::{agent, agent_fails, gateway, never_logged, psql_to};

/// A server whose roles have search paths that no client set. `hidden` is in `public` and in
/// schemas that a rule on `public.*` does not open.
fn server_of_paths() -> &'static Postgres {
    static SERVER: LazyLock<Postgres> = LazyLock::new(|| {
        let server = Postgres::start(&Options::default()).expect("the server with paths starts");
        server
            .admin(
                "CREATE TABLE public.hidden AS SELECT 'open' AS key;
                 CREATE TABLE public.shown AS SELECT 'open' AS key;
                 CREATE SCHEMA secret; CREATE TABLE secret.hidden AS SELECT 'hunter2' AS key;
                 CREATE SCHEMA app_trust; CREATE TABLE app_trust.hidden AS SELECT 'hunter2' AS key;
                 CREATE SCHEMA \"Ä, \"\"\"; CREATE TABLE \"Ä, \"\"\".hidden AS SELECT 'hunter2' AS key;
                 GRANT ALL ON SCHEMA public, secret, app_trust, \"Ä, \"\"\" TO PUBLIC;
                 GRANT ALL ON ALL TABLES IN SCHEMA public, secret, app_trust, \"Ä, \"\"\" TO PUBLIC;
                 CREATE ROLE clerk; GRANT clerk TO app; CREATE SCHEMA clerk AUTHORIZATION clerk;
                 CREATE TABLE clerk.hidden AS SELECT 'hunter2' AS key;
                 GRANT ALL ON clerk.hidden TO PUBLIC;
                 GRANT CREATE ON DATABASE shop TO app;
                 ALTER ROLE app_md5 SET search_path = secret;
                 ALTER ROLE app_clear SET search_path = public, secret;
                 ALTER ROLE app_plain SET search_path = \"Ä, \"\"\", public",
            )
            .expect("the paths are set up");
        for sql in [
            "CREATE DATABASE other OWNER app",
            "ALTER DATABASE other SET search_path = secret",
        ] {
            server.admin(sql).expect("there is another database");
        }
        server
            .admin_in(
                "other",
                "CREATE SCHEMA secret; CREATE TABLE secret.hidden AS SELECT 'hunter2' AS key;
                 GRANT ALL ON SCHEMA secret TO PUBLIC; GRANT ALL ON secret.hidden TO PUBLIC",
            )
            .expect("the other database is set up");
        server
    });
    &SERVER
}

/// A policy file with the server of paths as its resource.
fn paths() -> PolicyFile {
    PolicyFile::new().shop(
        &format!("127.0.0.1:{}", server_of_paths().port()),
        "upstream = { tls = \"disable\" }",
    )
}

/// A gateway to it that allows these tables, and all settings.
fn gateway_for(tables: &str) -> Gateway {
    let policy = paths()
        .rule(
            "tables",
            "allow",
            &format!("match = {{ table = [{tables}] }}"),
        )
        .rule(
            "rest",
            "allow",
            "match = { kind = [\"transaction\", \"session\"] }",
        );
    gateway(&policy)
}

fn psql_as(user: &str, arguments: &[&str]) -> Command {
    psql_to(&server_of_paths().conninfo("127.0.0.1", user), arguments)
}

#[test]
fn a_path_that_the_client_did_not_set_is_known() {
    let gateway = gateway_for("\"public.*\"");
    // The schema named after the role, `ALTER ROLE`, a path of two schemas, a name that needs quotes.
    for user in ["app_trust", "app_md5", "app_clear", "app_plain"] {
        let query = "SELECT key FROM hidden /* forbidden_found */";
        let said = agent_fails(&gateway, &psql_as(user, &["-c", query]));
        assert!(said.contains("gateway: "), "{user}: {said}");
        let query = "SELECT key FROM public.hidden";
        let shown = agent(&gateway, &psql_as(user, &["-qAt", "-c", query]));
        assert_eq!(shown.trim(), "open", "{user}");
    }
    let conninfo = server_of_paths()
        .conninfo("127.0.0.1", "app")
        .replace("dbname=shop", "dbname=other");
    let query = "SELECT key FROM hidden /* forbidden_found */";
    agent_fails(&gateway, &psql_to(&conninfo, &["-c", query]));
    // Nobody has a schema of this name, so `public` is all that the default path comes to.
    let query = "SELECT key FROM hidden";
    let shown = agent(&gateway, &psql_as("app", &["-qAt", "-c", query]));
    assert_eq!(shown.trim(), "open");
    never_logged(server_of_paths(), "forbidden_found");
}

#[test]
fn a_name_that_may_be_in_several_schemas_must_be_allowed_in_all() {
    let both = gateway_for("\"public.*\", \"app_trust.*\"");
    let shown = agent(
        &both,
        &psql_as("app_trust", &["-qAt", "-c", "SELECT key FROM hidden"]),
    );
    assert_eq!(shown.trim(), "hunter2", "the role's own schema comes first");
    let one = gateway_for("\"app_trust.*\"");
    let query = "SELECT key FROM hidden /* forbidden_in_one */";
    agent_fails(&one, &psql_as("app_trust", &["-c", query]));
    never_logged(server_of_paths(), "forbidden_in_one");
}

/// Ways to have `hidden` mean another table in the middle of a session of `app`, which may become
/// `clerk`.
const TURNS: [&str; 8] = [
    "SET ROLE clerk",
    "SELECT set_config('role', 'clerk', false)",
    "BEGIN; SET LOCAL ROLE clerk",
    "BEGIN; SELECT set_config('role', 'clerk', false); COMMIT",
    "SET search_path = \"$user\", public; SET ROLE clerk",
    "SET search_path = secret; RESET ALL; SET ROLE clerk; RESET ALL",
    "SET search_path = public; SET search_path = secret, public; BEGIN; RESET ALL; ROLLBACK",
    "SET search_path = late, public; SELECT key FROM hidden; CREATE SCHEMA late; CREATE TABLE late.hidden AS SELECT 'hunter2' AS key",
];

#[test]
fn what_changes_the_path_within_a_session_is_followed() {
    let policy = paths().allow_all().rule(
        "closed",
        "deny",
        "match = { table = [\"clerk.*\", \"secret.*\", \"late.*\"], verb = \"select\" }",
    );
    let gateway = gateway(&policy);
    for (number, turn) in TURNS.iter().enumerate() {
        let query = format!("SELECT key FROM hidden /* forbidden_turn_{number} */");
        let mut arguments = vec!["-c", "SELECT key FROM hidden"];
        for statement in turn.split("; ") {
            arguments.extend(["-c", statement]);
        }
        arguments.extend(["-c", &query]);
        let said = agent_fails(&gateway, &psql_as("app", &arguments));
        assert!(said.contains("\"closed\""), "{turn}: {said}");
    }
    never_logged(server_of_paths(), "forbidden_turn");
}

#[test]
fn a_path_that_comes_back_to_public_opens_public_again() {
    let gateway = gateway_for("\"public.*\"");
    for turn in [
        "SET search_path = public",
        "SET search_path = \"$user\", public",
        "SET search_path = secret; RESET search_path",
        "SET ROLE clerk; SET search_path = public",
        "SET ROLE clerk; DISCARD ALL",
        "BEGIN; SET LOCAL search_path = secret; COMMIT",
        "BEGIN; SET search_path = secret; ROLLBACK",
    ] {
        let mut arguments = vec!["-qAt"];
        for statement in turn.split("; ") {
            arguments.extend(["-c", statement]);
        }
        arguments.extend(["-c", "SELECT key FROM shown"]);
        let shown = agent(&gateway, &psql_as("app", &arguments));
        assert_eq!(shown.trim(), "open", "{turn}");
    }
}

#[test]
fn a_pooler_is_asked_like_a_server() {
    let pooler = PgBouncer::start(
        server_of_paths().port(),
        &pgbouncer::Options {
            tls: false,
            is_pooling: true,
        },
    )
    .unwrap();
    let policy = PolicyFile::new()
        .shop(
            &format!("127.0.0.1:{}", pooler.port()),
            "upstream = { tls = \"disable\" }",
        )
        .rule("tables", "allow", "match = { table = \"public.*\" }")
        .rule("rest", "allow", "match = { kind = \"session\" }");
    let gateway = gateway(&policy);
    let conninfo = format!("host=127.0.0.1 port={} dbname=shop user=app", pooler.port());
    let shown = agent(
        &gateway,
        &psql_to(&conninfo, &["-qAt", "-c", "SELECT key FROM shown"]),
    );
    assert_eq!(shown.trim(), "open");
    let query = "SELECT key FROM hidden /* forbidden_pooled */";
    agent_fails(
        &gateway,
        &psql_to(&conninfo, &["-c", "SET search_path = secret", "-c", query]),
    );
    never_logged(server_of_paths(), "forbidden_pooled");
}

#[test]
fn the_recording_tells_the_path_and_the_agent_hears_nothing_of_the_question() {
    let gateway = gateway(&paths().allow_all());
    let arguments = [
        "-qAt",
        "-c",
        "SET search_path = secret, public",
        "-c",
        "SELECT count(*) FROM hidden",
    ];
    let shown = agent(&gateway, &psql_as("app_trust", &arguments));
    assert_eq!(shown, "1\n");
    let recording = gateway.wait_recordings(1).unwrap().remove(0);
    let found: Vec<String> = recording
        .events("found")
        .map(|event| event["facts"]["sql.search_path"].to_string())
        .collect();
    assert_eq!(
        found,
        [r#"["app_trust","public"]"#, r#"["secret","public"]"#]
    );
    let statements: Vec<String> = recording
        .statements()
        .into_iter()
        .map(|(text, _)| text)
        .collect();
    assert_eq!(statements, [arguments[2], arguments[4]]);
}

#[test]
fn a_replication_connection_goes_on() {
    server_of_paths()
        .admin("ALTER ROLE app_tls REPLICATION")
        .unwrap();
    let policy = PolicyFile::new()
        .shop(
            &format!("127.0.0.1:{}", server_of_paths().port()),
            "upstream = { tls = \"require\" }",
        )
        .allow_all();
    let gateway = gateway(&policy);
    let conninfo = server_of_paths().conninfo("127.0.0.1", "app_tls") + " replication=database";
    let shown = agent(
        &gateway,
        &psql_to(&conninfo, &["-qAt", "-c", "IDENTIFY_SYSTEM"]),
    );
    assert!(shown.trim().ends_with("|shop"), "{shown}");
}
