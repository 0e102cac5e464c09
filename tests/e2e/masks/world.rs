//! A server with the data of `schema.sql`, and the client that makes attempts.

use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::sync::LazyLock;

use gateway_tests::postgres::{Options, Postgres};
use gateway_tests::programs::python;
use gateway_tests::sandbox::Sandbox;
use serde_json::json;

use super::answer::Answer;
use super::table::{Mode, Row, rows};
use crate::stage::{client, direct};

const SCHEMA: &str = include_str!("schema.sql");

/// What only servers from version 18 on know.
const SCHEMA_18: &str = include_str!("schema_18.sql");

/// The database in which rows are tried that have none of their own.
const SHARED: &str = "masks";

/// Sessions in one run of the client.
const BATCH: usize = 50;

/// One row in one mode.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) row: &'a Row,
    pub(crate) mode: Mode,
    database: String,
}

/// The server that all of these tests share. Agents are superusers there: what they may do is not for
/// the server to say.
pub(crate) fn server() -> &'static Postgres {
    static SERVER: LazyLock<Postgres> = LazyLock::new(|| {
        let options = Options {
            tls: false,
            log_statements: false,
            settings: "max_locks_per_transaction = 256\nmax_prepared_transactions = 8\nautovacuum = off",
            ..Options::default()
        };
        let server = Postgres::start(&options).expect("the PostgreSQL of the masks starts");
        let sql = "CREATE DATABASE masks_template";
        server
            .admin_in("postgres", "ALTER ROLE app_trust SUPERUSER")
            .unwrap();
        server.admin_in("postgres", sql).unwrap();
        let newer = if server.version().unwrap() < 18 {
            ""
        } else {
            SCHEMA_18
        };
        let schema = format!("SET ROLE app_trust; {SCHEMA} {newer}");
        server.admin_in("masks_template", &schema).unwrap();
        server
    });
    &SERVER
}

/// The major version of that server.
pub(crate) fn version() -> u32 {
    static VERSION: LazyLock<u32> = LazyLock::new(|| server().version().unwrap());
    *VERSION
}

/// What came of each attempt without the gateway.
pub(crate) fn unguarded() -> &'static [Answer] {
    static ANSWERS: LazyLock<Vec<Answer>> = LazyLock::new(|| {
        let rows = rows();
        let attempts = with_databases(&rows, "direct");
        answers(&attempts, direct)
    });
    &ANSWERS
}

/// All rows in all their modes, with databases for them, which are new for each `run`.
pub(crate) fn with_databases<'a>(rows: &'a [Row], run: &str) -> Vec<Attempt<'a>> {
    let attempts = attempts(rows, run);
    let databases: BTreeSet<&String> = attempts.iter().map(|attempt| &attempt.database).collect();
    for database in databases {
        let sql = format!("CREATE DATABASE {database} TEMPLATE masks_template");
        server().admin_in("postgres", &sql).unwrap();
    }
    attempts
}

/// All rows in all their modes.
pub(crate) fn attempts<'a>(rows: &'a [Row], run: &str) -> Vec<Attempt<'a>> {
    let mut attempts = Vec::new();
    let shared = format!("{SHARED}_{run}");
    for (number, row) in rows.iter().enumerate() {
        for mode in &row.modes {
            let database = if row.is_own {
                format!("{shared}_{number}_{mode:?}").to_lowercase()
            } else {
                shared.clone()
            };
            attempts.push(Attempt {
                row,
                mode: *mode,
                database,
            });
        }
    }
    attempts
}

/// What came of each. `run` runs the client, one batch at a time.
pub(crate) fn answers(attempts: &[Attempt<'_>], run: impl Fn(&Command) -> Output) -> Vec<Answer> {
    let lines: Vec<String> = attempts.iter().map(line).collect();
    let answers = replies(&lines, run);
    for attempt in attempts {
        for of in ["", "-of-objects"] {
            // Only some have the server write it.
            let _ = std::fs::remove_file(format!("/tmp/gateway-{}-attempt{of}", attempt.database));
        }
    }
    answers
}

/// What came back in each session of which a [`session`] tells. `run` runs the client, one batch at a time.
pub(crate) fn replies(sessions: &[String], run: impl Fn(&Command) -> Output) -> Vec<Answer> {
    let sandbox = Sandbox::new("masks").unwrap();
    let mut answers = Vec::new();
    for batch in sessions.chunks(BATCH) {
        let file = sandbox.write("attempts", &batch.concat()).unwrap();
        let mut command = client(python().unwrap());
        command.arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/e2e/clients/attempts.py"
        ));
        command
            .args(["127.0.0.1", &server().port().to_string()])
            .arg(file);
        let ran = run(&command);
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        let read: Vec<Answer> = said.lines().map(Answer::read).collect();
        let complaints = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(
            read.len(),
            batch.len(),
            "the client ends early: {complaints}"
        );
        answers.extend(read);
    }
    answers
}

fn line(attempt: &Attempt<'_>) -> String {
    let port = server().port().to_string();
    let named = |step: &String| {
        let step = step.replace(":database", &attempt.database);
        step.replace(":port", &port)
    };
    let steps: Vec<String> = attempt.row.steps.iter().map(named).collect();
    session(&attempt.database, attempt.mode, &steps)
}

/// What the client is told of one session.
pub(crate) fn session(database: &str, mode: Mode, steps: &[String]) -> String {
    let mode = format!("{mode:?}").to_lowercase();
    let job = json!({ "database": database, "mode": mode, "steps": steps });
    format!("{job}\n")
}
