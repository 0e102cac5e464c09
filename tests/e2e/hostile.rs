//! What is made to exhaust, confuse or end whoever reads it: the daemon lives, the session it came in goes
//! on or ends by itself, and nobody else waits.
//!
//! What is sent is in `clients/hostile.py`. Meanwhile a session of another workload is asked for something
//! usual again and again; it gives up where it waits for ten seconds, which only says that it was stalled.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::postgres::{Options, Postgres};
use gateway_tests::programs::{bounded, python, said};
use gateway_tests::sandbox::Sandbox;

use crate::credentials::secret;
use crate::stage::{client, gateway};

/// Most memory that one statement takes, in KiB: less than the longest that are sent, and a few times the
/// longest that is read.
const FOR_ONE: u64 = 64 << 10;

/// A server of its own: what is sent would be all that the log of a shared one has.
fn server() -> &'static Postgres {
    static SERVER: LazyLock<Postgres> = LazyLock::new(|| {
        let options = Options {
            tls: false,
            log_statements: false,
            settings: "log_min_error_statement = panic",
            ..Options::default()
        };
        let server = Postgres::start(&options).expect("the PostgreSQL for hostile clients starts");
        let sql = "CREATE TABLE customers (id int PRIMARY KEY, name text, card text);
            INSERT INTO customers VALUES (1, 'Ada', '4111-1'), (2, 'Grace', '4111-2');
            GRANT ALL ON customers TO app_trust";
        server.admin(sql).expect("the table is made");
        server
    });
    &SERVER
}

/// A gateway where everything passes that is not masked, so that all that reads statements is at work.
fn guarded(sandbox: &Sandbox) -> Gateway {
    let file = secret(sandbox, "password", "unused\n");
    let addresses = format!("127.0.0.1:{}", server().port());
    let more = "upstream = { tls = \"disable\" }\ncredential = \"masks\"";
    let policy = PolicyFile::new()
        .piece("[[workload]]\nname = \"other\"")
        .piece(&format!(
            "[[credential]]\nname = \"masks\"\nuser = \"app_trust\"\npassword_file = {file:?}\n\
             accept_unverified = true"
        ))
        .piece(
            "[[mask]]\nname = \"cards\"\ngroup = \"agents\"\ncolumn = \"public.customers.card\"\n\
             kind = \"hash\"\nmasked_in_predicate = \"allow\"",
        )
        .shop(&addresses, more);
    gateway(&policy.allow_all())
}

fn hostile(scenario: &str) -> Command {
    let mut command = client(python().unwrap());
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/clients/");
    command.arg(folder.to_owned() + "hostile.py");
    command.args(["127.0.0.1", &server().port().to_string(), scenario]);
    command
}

/// A session of another workload that is asked for something usual without a pause.
struct Steady {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Steady {
    fn start(gateway: &Gateway) -> Self {
        let mut run = gateway.run("other", &hostile("steady"));
        run.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = run.stderr(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "steady\n");
        Self { child, output }
    }

    /// Ends it; it was answered each time.
    fn end(mut self) {
        drop(self.child.stdin.take());
        let mut told = String::new();
        self.output.read_to_string(&mut told).unwrap();
        let ran = self.child.wait_with_output().unwrap();
        assert!(ran.status.success(), "it was stalled: {}", said(&ran));
        let (times, longest) = told.trim().split_once(' ').unwrap();
        println!("answered {times} times, after {longest} s at most");
        assert!(times.parse::<u64>().unwrap() > 0);
    }
}

/// What came of an attempt.
struct Attempt {
    name: String,
    answers: String,
    /// Most memory that the daemon had meanwhile, in KiB.
    memory: u64,
}

/// What came of the attempts of a scenario.
fn attempts(gateway: &Gateway, scenario: &str) -> Vec<Attempt> {
    let mut run = bounded(&gateway.run("agent", &hostile(scenario)));
    run.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = run.spawn().unwrap();
    let mut attempts = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let memory = memory(gateway, "VmHWM");
        println!("{line}\t{memory} kB");
        // From here on the most is measured anew.
        std::fs::write(format!("/proc/{}/clear_refs", gateway.id()), "5").unwrap();
        let mut parts = line.split('\t').map(str::to_owned);
        attempts.push(Attempt {
            name: parts.next().unwrap(),
            answers: parts.next().unwrap(),
            memory,
        });
    }
    let ran = child.wait_with_output().unwrap();
    assert!(ran.status.success(), "{}\n{}", said(&ran), gateway.output());
    attempts
}

/// The daemon is there, nobody was stalled, and somebody new is answered.
fn goes_on(gateway: &Gateway, steady: Steady) {
    steady.end();
    Steady::start(gateway).end();
    let output = gateway.output();
    assert!(!output.contains("panicked"), "{output}");
}

/// A number of KiB of the daemon's memory.
fn memory(gateway: &Gateway, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.id())).unwrap();
    let mut lines = status.lines();
    let number = lines.find_map(|line| line.strip_prefix(what)).unwrap();
    number
        .trim_matches([':', ' ', '\t', 'k', 'B'])
        .parse()
        .unwrap()
}

/// Each is answered, by the server or by the gateway, in step with what comes after it.
fn statements(scenario: &str) {
    let sandbox = Sandbox::new("hostile").unwrap();
    let gateway = guarded(&sandbox);
    let steady = Steady::start(&gateway);
    for Attempt { name, answers, .. } in attempts(&gateway, scenario) {
        assert!(answers.ends_with('Z'), "{name}: {answers}");
    }
    goes_on(&gateway, steady);
}

#[test]
fn statements_are_answered_and_nobody_else_waits() {
    statements("statements");
}

#[test]
fn what_only_refers_to_a_long_statement_takes_no_longer() {
    statements("referred");
}

#[test]
fn statements_that_are_prepared_are_answered_and_nobody_else_waits() {
    statements("prepared");
}

#[test]
fn long_statements_are_not_held_in_memory() {
    let sandbox = Sandbox::new("hostile").unwrap();
    let gateway = guarded(&sandbox);
    let steady = Steady::start(&gateway);
    let mut before = memory(&gateway, "VmRSS");
    for attempt in attempts(&gateway, "long") {
        let Attempt { name, answers, .. } = &attempt;
        assert!(answers.ends_with('Z'), "{name}: {answers}");
        let most = before + FOR_ONE;
        assert!(
            attempt.memory < most,
            "{name}: {} kB, of {most}",
            attempt.memory
        );
        before = attempt.memory;
    }
    goes_on(&gateway, steady);
}

#[test]
fn messages_end_no_more_than_their_session() {
    let sandbox = Sandbox::new("hostile").unwrap();
    let gateway = guarded(&sandbox);
    let steady = Steady::start(&gateway);
    for Attempt { name, answers, .. } in attempts(&gateway, "messages") {
        let ends = answers.ends_with('Z') || answers.ends_with("closed");
        assert!(ends, "{name}: {answers}");
    }
    attempts(&gateway, "starts");
    goes_on(&gateway, steady);
}
