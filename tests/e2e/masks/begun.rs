//! Sessions that begin with settings by which masked values could be measured.

use std::process::Command;

use gateway_tests::sandbox::Sandbox;

use super::guarded::guarded;
use super::world::server;
use crate::stage::{agent, agent_fails, psql_to};

/// `psql` in a session that begins with these options.
fn begun(options: &str, sql: &str) -> Command {
    let conninfo = server().conninfo("127.0.0.1", "app");
    let conninfo = format!("{conninfo} dbname=masks_begun");
    let mut psql = psql_to(&conninfo, &["-qAt", "-c", sql]);
    psql.env("PGOPTIONS", options);
    psql
}

#[test]
fn what_measures_from_the_start_asks_where_something_is_masked() {
    let sandbox = Sandbox::new("masks-password").unwrap();
    let database = "CREATE DATABASE masks_begun TEMPLATE masks_template";
    server().admin_in("postgres", database).unwrap();
    let gateway = guarded(&sandbox, "deny", "allow");
    let masked = "SELECT id, email FROM customers";
    let plain = "SELECT count(*) FROM orders";
    for options in [
        "",
        "-c search_path=public -c jit=off",
        "-c enable_seqscan=on",
    ] {
        assert!(agent(&gateway, &begun(options, masked)).contains("***"));
    }
    for options in [
        "-c enable_seqscan=off",
        "-c search_path=public --enable-seqscan=0",
        "-fs",
        "-OPfi",
        "-c extra_float_digits=-15",
        "-cTEMP_FILE_LIMIT=1MB",
        "-c application_name=a\\ b --seq-page-cost=1e9",
    ] {
        let said = agent_fails(&gateway, &begun(options, masked));
        assert!(said.contains("predicate"), "{options}: {said}");
        agent(&gateway, &begun(options, plain));
    }
    for options in ["enable_seqscan=off", "-c role", "-Z"] {
        let said = agent_fails(&gateway, &begun(options, plain));
        assert!(
            said.contains("options of the start-up"),
            "{options}: {said}"
        );
    }
}
