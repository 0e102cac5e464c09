//! Results that cannot be masked, with real clients and a real server: the statement ends, on the server too,
//! and the session goes on.

use std::sync::LazyLock;

use gateway_tests::gateway::Gateway;
use gateway_tests::sandbox::Sandbox;

use crate::credentials::secret;
use crate::stage::{agent, gateway, psql, python_client, server, shop};

const TABLE: &str = "
    SET ROLE app;
    CREATE TABLE endings (id int PRIMARY KEY, born text, name text);
    INSERT INTO endings SELECT n, CASE n WHEN 1001 THEN 'in spring' END, 'needle-' || n
        FROM generate_series(1, 100000) n;
";

static MADE: LazyLock<()> = LazyLock::new(|| {
    server().admin(TABLE).unwrap();
});

/// Birthdays that are no days are refused; names are masked.
fn masked(sandbox: &Sandbox) -> Gateway {
    LazyLock::force(&MADE);
    let file = secret(sandbox, "password", "unused\n");
    let policy = shop("upstream = { tls = \"disable\" }\ncredential = \"masks\"")
        .piece(&format!(
            "[[credential]]\nname = \"masks\"\nuser = \"app_trust\"\npassword_file = {file:?}\n\
             accept_unverified = true"
        ))
        .piece(
            "[[mask]]\nname = \"born\"\ncolumn = \"public.endings.born\"\nkind = \"bucket\"\n\
             bucket = \"year\"\notherwise = \"refuse\"",
        )
        .piece("[[mask]]\nname = \"names\"\ncolumn = \"public.endings.name\"\nkind = \"full\"");
    gateway(&policy.allow_all())
}

#[test]
fn a_value_that_is_refused_and_a_row_too_long_end_the_statement_alone() {
    let sandbox = Sandbox::new("endings").unwrap();
    let gateway = masked(&sandbox);
    let conninfo = server().conninfo("127.0.0.1", "app");
    let client = python_client("endings.py", &conninfo);
    assert_eq!(agent(&gateway, &client), "ok\n");
    let recordings = gateway.wait_recordings(1).unwrap();
    let end = recordings[0].events("end").next().unwrap();
    assert!(end.to_string().contains("client_closed"), "{end}");
    let told = recordings[0].events("outcome");
    let told = told.filter(|it| it["error"]["code"] == "0A000").count();
    assert!(told > 20, "{told}");
}

#[test]
fn rows_before_it_are_shown_masked_and_none_after_it() {
    let sandbox = Sandbox::new("endings").unwrap();
    let gateway = masked(&sandbox);
    let query =
        "SELECT name, CASE id WHEN 3 THEN repeat('x', 2097152) END FROM endings ORDER BY id";
    let arguments = ["-qAt", "-c", query, "-c", "SELECT 'goes on'"];
    let said = agent(&gateway, &psql(&arguments));
    assert!(
        said.contains("goes on") && !said.contains("needle"),
        "{said}"
    );
    assert!(
        said.contains("a row of more than 1 MiB cannot be masked"),
        "{said}"
    );
}
