//! `psql` through the gateway looks to its user like `psql` without it.

use gateway_tests::gateway::Gateway;
use gateway_tests::sandbox::Sandbox;
use gateway_tests::terminal::Terminal;

use crate::stage::{
    agent, gateway, looks_direct, open_gateway, psql, psql_to, server, shop, sql, wait_logged,
};

/// Runs a script by `psql -f` both ways; what is shown must be the same.
fn script_looks_direct(gateway: &Gateway, text: &str) -> String {
    let sandbox = Sandbox::new("script").unwrap();
    let file = sandbox.write("script.sql", text).unwrap();
    looks_direct(gateway, &psql(&["-f", file.to_str().unwrap()]))
}

/// What a person sees who types these lines, without the lines that tell of date and cipher.
fn screen(mut terminal: Terminal, lines: &[&str]) -> String {
    terminal.wait_for("shop=> ").unwrap();
    for line in lines {
        terminal.type_keys(&format!("{line}\n")).unwrap();
        // The prompt ends in `>`, `*>` or `!>` with the state of the transaction.
        terminal.wait_for("> ").unwrap();
    }
    terminal.type_keys("\\q\n").unwrap();
    assert_eq!(terminal.wait_end().unwrap(), Some(0));
    let shown = terminal.screen();
    let kept = shown.lines().filter(|line| {
        !line.starts_with("Script ") && !line.starts_with("SSL connection (protocol")
    });
    kept.map(|line| format!("{line}\n")).collect()
}

fn at_the_terminal_looks_direct(gateway: &Gateway, conninfo: &str, lines: &[&str]) {
    let psql = psql_to(conninfo, &["-n"]);
    let direct = screen(Terminal::start(&psql).unwrap(), lines);
    let through = screen(
        Terminal::start(&gateway.run("agent", &psql)).unwrap(),
        lines,
    );
    assert_eq!(
        direct, through,
        "left is direct, right is through the gateway"
    );
    assert!(through.contains("Type \"help\" for help."), "{through}");
}

#[test]
fn a_person_at_the_terminal_sees_no_difference() {
    let gateway = open_gateway();
    let lines = [
        "\\conninfo",
        "\\d",
        "\\d orders",
        "SELECT * FROM customers ORDER BY id;",
        "SELECT nonsense;",
        "BEGIN;",
        "SELECT 1/0;",
        "SELECT 1;",
        "ROLLBACK;",
    ];
    at_the_terminal_looks_direct(&gateway, &server().conninfo("127.0.0.1", "app"), &lines);
}

#[test]
fn the_terminal_over_tls_differs_in_nothing_but_the_cipher_line() {
    let gateway = open_gateway();
    let conninfo =
        server().conninfo("127.0.0.1", "app") + " sslmode=require channel_binding=disable";
    at_the_terminal_looks_direct(&gateway, &conninfo, &["SELECT count(*) FROM orders;"]);
}

#[test]
fn meta_commands_show_the_same() {
    let gateway = open_gateway();
    let shown = script_looks_direct(
        &gateway,
        "\\conninfo\n\\l\n\\dn\n\\dt\n\\d customers\n\\d+ totals\n\\df lo_*\n\\du\n\\timing off\n\
         \\dx\n\\encoding\nSELECT 1 AS a, 'x' AS b \\gdesc\nSELECT 2 AS v \\gset\n\\echo :v\n",
    );
    assert!(shown.contains("customers"), "{shown}");
}

#[test]
fn errors_notices_and_transactions_show_the_same() {
    let gateway = open_gateway();
    let shown = script_looks_direct(
        &gateway,
        "SELECT * FROM nowhere WHERE a = 1;\nSELECT 1 +;\nSELECT 'a'::int;\n\\set VERBOSITY verbose\n\
         SELECT 1/0;\nINSERT INTO customers VALUES (1, 'again');\n\\set VERBOSITY default\n\
         DO $$BEGIN RAISE NOTICE 'hello'; RAISE WARNING 'careful'; END$$;\n\
         BEGIN;\nSAVEPOINT a;\nSELECT 1/0;\nSELECT 1;\nROLLBACK TO a;\nSELECT 2;\nCOMMIT;\n\
         SET client_min_messages = notice;\nSELECT 3;\nDROP TABLE IF EXISTS not_there;\n\
         SELECT 1; SELECT 2 \\; SELECT 3;\nSELECT pg_typeof($$x$$);\n;\n-- nothing\nVALUES (1), (2);\n",
    );
    assert!(
        shown.contains("hello") && shown.contains("LINE 1: SELECT 1 +;"),
        "{shown}"
    );
}

#[test]
fn copy_works_both_ways() {
    let gateway = open_gateway();
    let shown = script_looks_direct(
        &gateway,
        "CREATE TEMP TABLE copied (id int, text text);\n\
         \\copy copied FROM PROGRAM 'seq 1 20000 | sed \"s/$/\\tsome text/\"'\n\
         SELECT count(*), sum(id) FROM copied;\n\
         \\copy (SELECT id FROM copied ORDER BY id LIMIT 5) TO STDOUT\n\
         COPY copied FROM STDIN;\n7\tseven\n8\teight\n\\.\n\
         COPY copied FROM STDIN;\nseven\tseven\n\\.\n\
         SELECT count(*) FROM copied;\nCOPY (SELECT 1, 'a') TO STDOUT WITH (FORMAT csv, HEADER);\n",
    );
    assert!(
        shown.contains("20002") && shown.contains("invalid input syntax"),
        "{shown}"
    );
}

#[test]
fn cursors_and_prepared_statements_show_the_same() {
    let gateway = open_gateway();
    script_looks_direct(
        &gateway,
        "PREPARE one (int) AS SELECT $1 + 1 AS next;\nEXECUTE one(1);\nEXECUTE one(41);\n\
         DEALLOCATE one;\nEXECUTE one(1);\n\\set FETCH_COUNT 7\nSELECT id FROM orders ORDER BY id;\n\
         BEGIN;\nDECLARE c CURSOR FOR SELECT id FROM orders ORDER BY id;\nFETCH 3 FROM c;\n\
         MOVE 2 FROM c;\nFETCH 1 FROM c;\nCLOSE c;\nCOMMIT;\n",
    );
}

#[test]
fn large_objects_go_in_and_out() {
    // psql uses the function call message for these, which nothing else here does.
    let gateway = open_gateway();
    let sandbox = Sandbox::new("lo").unwrap();
    let bytes: String = "0123456789abcdef".repeat(40_000);
    let input = sandbox.write("in", &bytes).unwrap();
    let output = sandbox.join("out");
    let text = format!(
        "\\lo_import {}\n\\lo_export :LASTOID {}\n\\lo_unlink :LASTOID\n",
        input.display(),
        output.display()
    );
    let file = sandbox.write("script.sql", &text).unwrap();
    agent(
        &gateway,
        &psql(&["-v", "ON_ERROR_STOP=1", "-f", file.to_str().unwrap()]),
    );
    assert!(
        std::fs::read_to_string(output).unwrap() == bytes,
        "the copy differs"
    );
}

#[test]
fn ctrl_c_cancels_the_statement_and_not_the_session() {
    let conninfo = server().conninfo("127.0.0.1", "app");
    cancels(&open_gateway(), &conninfo, "SELECT pg_sleep(61);");
}

#[test]
fn ctrl_c_cancels_over_tls_too() {
    // To the server by TLS as well, so that the request has to be encrypted and verified again.
    let authority = server().certificates().authority.display().to_string();
    let upstream = format!("upstream = {{ tls = \"verify-full\", ca_file = \"{authority}\" }}");
    let gateway = gateway(&shop(&upstream).allow_all());
    let conninfo = server().conninfo("localhost", "app") + " sslmode=require";
    cancels(&gateway, &conninfo, "SELECT pg_sleep(62);");
}

fn cancels(gateway: &Gateway, conninfo: &str, statement: &str) {
    let psql = gateway.run("agent", &psql_to(conninfo, &["-n"]));
    let mut terminal = Terminal::start(&psql).unwrap();
    terminal.wait_for("shop=> ").unwrap();
    terminal.type_keys(&format!("{statement}\n")).unwrap();
    wait_logged(server(), statement);
    terminal.type_keys("\x03").unwrap();
    terminal
        .wait_for("canceling statement due to user request")
        .unwrap();
    terminal.type_keys("SELECT 'still ' || 'here';\n").unwrap();
    terminal.wait_for("still here").unwrap();
    terminal.type_keys("\\q\n").unwrap();
    assert_eq!(terminal.wait_end().unwrap(), Some(0));
}

#[test]
fn exit_status_of_psql_is_kept() {
    let gateway = open_gateway();
    let wrong = gateway
        .agent(&psql(&["-v", "ON_ERROR_STOP=1", "-c", "SELECT 1/0"]))
        .unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    let nowhere = gateway
        .agent(&psql_to("host=127.0.0.1 port=1 user=app", &["-c", "x"]))
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
    assert_eq!(agent(&gateway, &sql("SELECT 40 + 2")).trim(), "42");
}
