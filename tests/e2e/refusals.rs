//! What policy forbids never reaches the server, and the session goes on as if the server itself
//! had refused. The server's own log is the witness.

use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::terminal::Terminal;
use gateway_tests::wait;

use crate::stage::{
    agent, agent_fails, client, gateway, never_logged, psql, psql_to, python_client, server, shop,
    sql,
};

/// Reading and careful writing in `public`; nothing in `secret`, nothing without a WHERE.
fn careful(file: PolicyFile) -> PolicyFile {
    file.rule(
        "read",
        "allow",
        "match = { kind = \"read\", table = [\"public.*\", \"pg_catalog.*\"] }",
    )
    .rule(
        "constants",
        "allow",
        "match = { kind = \"read\", table = [] }",
    )
    .rule(
        "housekeeping",
        "allow",
        "match = { kind = [\"transaction\", \"session\"] }",
    )
    .rule(
        "write",
        "allow",
        "match = { kind = \"write\", table = [\"public.*\"] }",
    )
    .rule(
        "no-secrets",
        "deny",
        "match = { table = \"secret.*\" }\nreason = \"secrets are not for agents\"",
    )
    .rule(
        "say-which",
        "deny",
        "match = { verb = [\"delete\", \"update\"], where = false }\nreason = \"say which rows\"",
    )
}

fn careful_gateway() -> Gateway {
    gateway(&careful(shop("upstream = { tls = \"disable\" }")))
}

/// Ways to say what is forbidden.
const FORBIDDEN: [&str; 24] = [
    "SELECT * FROM secret.keys",
    "SELECT * FROM ONLY secret.keys",
    "TABLE secret.keys",
    "SELECT * FROM \"secret\".\"keys\"",
    "SELECT * FROM U&\"\\0073ecret\".keys",
    "SELECT * FROM/**/secret/**/./**/keys",
    "SELECT * FROM shop.secret.keys",
    "SELECT (SELECT key FROM secret.keys LIMIT 1)",
    "SELECT 1 WHERE EXISTS (SELECT FROM secret.keys)",
    "SELECT * FROM orders WHERE note IN (SELECT key FROM secret.keys)",
    "SELECT * FROM orders JOIN secret.keys ON true",
    "SELECT 1 UNION SELECT id FROM secret.keys",
    "WITH orders AS (SELECT * FROM secret.keys) SELECT * FROM orders",
    "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone",
    "EXPLAIN ANALYZE DELETE FROM orders",
    "EXPLAIN (ANALYZE, FORMAT json) DELETE FROM orders",
    "PREPARE hidden AS SELECT * FROM secret.keys",
    "DECLARE hidden CURSOR WITH HOLD FOR SELECT * FROM secret.keys",
    "COPY secret.keys TO STDOUT",
    "COPY (SELECT * FROM secret.keys) TO STDOUT",
    "CREATE TABLE public.mine AS SELECT * FROM secret.keys",
    "DO $$BEGIN DELETE FROM orders; END$$",
    "DELETE FROM orders",
    "UPDATE orders SET total = 0",
];

/// Statements with a comment by which they would be found in the log.
fn marked(marker: &str) -> impl Iterator<Item = String> {
    FORBIDDEN
        .iter()
        .enumerate()
        .map(move |(number, statement)| format!("{statement} /* {marker}_{number}_ */"))
}

#[test]
fn forbidden_statements_never_reach_the_server_by_the_simple_protocol() {
    let gateway = careful_gateway();
    for statement in marked("forbidden_simple") {
        let said = agent_fails(
            &gateway,
            &psql(&["-v", "VERBOSITY=verbose", "-c", &statement]),
        );
        assert!(said.contains("42501"), "{statement}: {said}");
    }
    never_logged(server(), "forbidden_simple");
}

#[test]
fn forbidden_statements_never_reach_the_server_among_others() {
    let gateway = careful_gateway();
    for statement in marked("forbidden_multi") {
        let said = agent_fails(&gateway, &sql(&format!("SELECT 1; {statement}; SELECT 2")));
        assert!(said.contains("gateway:"), "{statement}: {said}");
    }
    never_logged(server(), "forbidden_multi");
}

#[test]
fn forbidden_statements_never_reach_the_server_by_the_extended_protocol() {
    let gateway = careful_gateway();
    let mut program = client(gateway_tests::programs::python().unwrap());
    program.args(["-c", EXTENDED, &server().conninfo("127.0.0.1", "app")]);
    program.args(marked("forbidden_extended"));
    let said = agent(&gateway, &program);
    assert_eq!(
        said.matches("42501 42501 in step").count(),
        FORBIDDEN.len(),
        "{said}"
    );
    never_logged(server(), "forbidden_extended");
}

/// Each statement by Parse, Bind, Execute, alone and in the middle of a pipeline.
const EXTENDED: &str = r#"
import sys, psycopg
connection = psycopg.connect(sys.argv[1], autocommit=True)
for statement in sys.argv[2:]:
    codes = []
    try:
        connection.execute(statement, prepare=True, binary=True)
    except psycopg.Error as error:
        codes.append(error.sqlstate)
    try:
        with connection.pipeline() as pipeline:
            connection.execute("SELECT %s::int", (1,))
            refused = connection.execute(statement)
            connection.execute("SELECT %s::int", (2,))
            pipeline.sync()
    except psycopg.Error as error:
        codes.append(error.sqlstate)
    print(*codes, connection.execute("SELECT %s", ("in step",)).fetchone()[0])
"#;

#[test]
fn refusal_names_the_reason_and_the_rule() {
    let gateway = careful_gateway();
    let said = agent_fails(&gateway, &psql(&["-c", "SELECT * FROM secret.keys"]));
    assert!(
        said.contains("ERROR:  gateway: secrets are not for agents"),
        "{said}"
    );
    assert!(said.contains("no-secrets"), "{said}");
    let said = agent_fails(&gateway, &psql(&["-c", "CREATE ROLE intruder"]));
    assert!(said.contains("ERROR:  gateway: "), "{said}");
}

#[test]
fn allowed_statements_work_under_the_same_policy() {
    let gateway = careful_gateway();
    let total = agent(
        &gateway,
        &sql("SELECT count(*) FROM orders JOIN customers c ON c.id = customer"),
    );
    assert_eq!(total.trim(), "30");
    agent(
        &gateway,
        &sql("BEGIN; UPDATE orders SET note = 'x' WHERE id = 1; ROLLBACK"),
    );
    agent(
        &gateway,
        &sql("BEGIN; DELETE FROM orders WHERE id = 2; ROLLBACK"),
    );
    agent(
        &gateway,
        &sql("WITH a AS (SELECT * FROM orders) SELECT count(*) FROM a"),
    );
}

#[test]
fn unreadable_statements_are_refused() {
    let gateway = careful_gateway();
    let said = agent_fails(&gateway, &sql("SELEC * FROM orders /* forbidden_unread */"));
    assert!(said.contains("gateway:"), "{said}");
    let long = format!(
        "SELECT {} /* forbidden_long */",
        "(".repeat(30_000) + &")".repeat(30_000)
    );
    agent_fails(&gateway, &sql(&long));
    never_logged(server(), "forbidden_");
}

/// Runs a scenario of `clients/wire.py`; its lines.
fn wire(gateway: &Gateway, scenario: &str) -> Vec<String> {
    let mut client = python_client("wire.py", "127.0.0.1");
    client.args([&server().port().to_string(), scenario]);
    agent(gateway, &client).lines().map(str::to_owned).collect()
}

#[test]
fn session_is_in_step_after_a_refusal() {
    let gateway = careful_gateway();
    let row = "T D C ZI";
    let refused = "E42501 ZI";
    let executed = "1 2 D C";
    check(&gateway, "simple", &[row, refused, row]);
    check(&gateway, "simple, all at once", &[row, refused, row]);
    check(&gateway, "several statements", &[refused, row]);
    check(&gateway, "extended", &["1 2 D C ZI", refused, "1 2 D C ZI"]);
    check(&gateway, "flush before sync", &[refused, row]);
    check(&gateway, "copy in, refused", &[refused, row]);
    check(&gateway, "function call", &[refused, row]);
    // What was before the refused message ran, what came behind it up to Sync did not.
    check(
        &gateway,
        "pipelined",
        &[&format!("{executed} E42501 ZI"), "1 2 D C ZI"],
    );
    never_logged(server(), "forbidden_wire");
}

#[test]
fn transaction_status_after_a_refusal_is_the_servers() {
    let gateway = careful_gateway();
    // A refused statement of the simple protocol leaves the server's transaction as it was.
    let simple = wire(&gateway, "simple in a transaction");
    assert_eq!(simple[0], "C ZT");
    assert_eq!(simple.last().unwrap(), "C ZI");
    match simple[1].as_str() {
        "E42501 ZT" => assert_eq!(simple[2], "T D C ZT"),
        "E42501 ZE" => assert_eq!(simple[2], "E25P02 ZE"),
        other => panic!("{other}"),
    }
    // In a pipeline the server would have rolled back to the beginning.
    let pipelined = wire(&gateway, "pipelined in a transaction");
    assert!(
        pipelined[1].starts_with("1 2 D C E42501 Z"),
        "{pipelined:?}"
    );
    assert_eq!(pipelined.last().unwrap(), "C ZI");
}

#[test]
fn forbidden_statement_that_has_a_name_cannot_be_run_later() {
    let gateway = careful_gateway();
    let named = wire(&gateway, "named and run twice");
    assert_eq!(named[0], "E42501 ZI");
    assert!(
        named[1].starts_with('E') && named[1].ends_with("ZI"),
        "{named:?}"
    );
    assert_eq!(named[2], "T D C ZI");
    let renamed = wire(&gateway, "prepared over another");
    assert!(renamed[1].ends_with("E42501 ZI"), "{renamed:?}");
    never_logged(server(), "forbidden_wire");
}

#[test]
fn new_policy_holds_for_sessions_and_statements_that_are_there_already() {
    let allowed = shop("upstream = { tls = \"disable\" }").allow_all();
    let gateway = gateway(&allowed);
    let mut terminal = Terminal::start(&gateway.run("agent", &psql(&["-n"]))).unwrap();
    terminal.wait_for("shop=> ").unwrap();
    terminal
        .type_keys("PREPARE early AS SELECT 'ran' || count(*) FROM secret.keys;\nEXECUTE early;\n")
        .unwrap();
    terminal.wait_for("ran1").unwrap();
    let forbidden = "match = { table = \"secret.*\" }";
    gateway
        .reload(&allowed.rule("no-secrets", "deny", forbidden))
        .unwrap();
    wait::until("the new policy is in force", || {
        let log = serde_json::to_string(&gateway.enforcement()?)?;
        Ok((log.matches("policy_loaded").count() > 1).then_some(()))
    })
    .unwrap();
    terminal.type_keys("EXECUTE early;\n").unwrap();
    terminal.wait_for("no-secrets").unwrap();
    terminal.type_keys("SELECT 'still ' || 'here';\n").unwrap();
    terminal.wait_for("still here").unwrap();
}

fn check(gateway: &Gateway, scenario: &str, expected: &[&str]) {
    assert_eq!(wire(gateway, scenario), expected, "{scenario}");
}

#[test]
fn observe_mode_lets_pass_and_records_what_would_have_been() {
    let gateway = gateway(&careful(shop(
        "mode = \"observe\"\nupstream = { tls = \"disable\" }",
    )));
    assert_eq!(
        agent(&gateway, &sql("SELECT key FROM secret.keys")).trim(),
        "hunter2"
    );
    let recording = gateway.wait_recordings(1).unwrap().remove(0);
    let observed: Vec<_> = recording
        .events("ask")
        .filter_map(|ask| ask.get("observed"))
        .collect();
    assert_eq!(observed.len(), 1, "{:?}", recording.lines);
    assert_eq!(observed[0]["rule"], "no-secrets");
}

#[test]
fn unknown_destination_is_refused() {
    let other = crate::stage::plain_server();
    let gateway = careful_gateway();
    // As if nobody were there, and without having reached the server.
    let conninfo = other.conninfo("127.0.0.1", "app");
    let received = || other.log().matches("connection received").count();
    let before = received();
    let said = agent_fails(&gateway, &psql_to(&conninfo, &["-c", "SELECT 1"]));
    assert!(said.contains("Connection refused"), "{said}");
    let marker = psql_to(&conninfo, &["-qAt", "-c", "SELECT 'marker_unknown'"]);
    assert!(crate::stage::direct(&marker).status.success());
    crate::stage::wait_logged(other, "marker_unknown");
    assert_eq!(received(), before + 1, "only the marker's connection came");
    let log = gateway.enforcement().unwrap();
    let refused = log
        .iter()
        .find(|line| line["event"] == "connection_refused");
    let refused = refused.unwrap();
    let destination = format!("127.0.0.1:{}", other.port());
    assert_eq!(refused["destination"], destination);
    let reason = format!("{destination} is not a resource of this gateway");
    assert_eq!(refused["reason"], reason);
}
