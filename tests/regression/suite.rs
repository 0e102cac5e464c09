//! Runs one of PostgreSQL's suites, compares what came of it, and looks at the recordings.
//!
//! What PostgreSQL expects is shipped with it, so a run through the gateway is enough where it
//! passes. Where a test does not, the suite runs once more without the gateway: what differs there
//! in the same way is the machine's doing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::postgres::{OWNER, Options, PASSWORD, Postgres, as_owner};
use gateway_tests::programs::{find, output, postgres_bin, postgres_suite, said};
use gateway_tests::recordings::Recording;
use gateway_tests::sandbox::{Sandbox, give_to};
use gateway_tests::wait;

/// One of the suites.
#[derive(Debug)]
pub(crate) struct Suite {
    /// Its folder in the source.
    name: &'static str,
    /// The program that runs it, below the server's folder of libraries.
    program: &'static str,
    schedule: &'static str,
    arguments: &'static [&'static str],
    /// libpq's `sslmode`, on both legs.
    tls: &'static str,
    /// So many tests it has at least: fewer were not all of them.
    least: usize,
}

/// One statement after the other.
pub(crate) const REGRESS: Suite = Suite {
    name: "regress",
    program: "pgxs/src/test/regress/pg_regress",
    schedule: "parallel_schedule",
    arguments: &["--max-concurrent-tests=20", "--no-locale"],
    tls: "disable",
    least: 200,
};

/// Sessions beside each other.
pub(crate) const ISOLATION: Suite = Suite {
    name: "isolation",
    program: "pgxs/src/test/isolation/pg_isolation_regress",
    schedule: "isolation_schedule",
    arguments: &["--dbname=isolation_regression"],
    tls: "require",
    least: 100,
};

/// So long a run may take, in seconds. It takes one or two minutes where nothing else runs.
const LONGEST: &str = "1500";

/// Runs a suite through the gateway and fails if something came out otherwise than without it; else
/// says how much was compared.
///
/// One suite at a time: some of the tests wait for something to be reached in time.
pub(crate) fn check(suite: &Suite) -> Result<String> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let server = server()?;
    let gateway = Gateway::start(
        &PolicyFile::new()
            .shop(
                &format!("127.0.0.1:{}", server.port()),
                &format!("upstream = {{ tls = {:?} }}", suite.tls),
            )
            .allow_all(),
    )?;
    let mut run = Run::new(suite, &server)?;
    let mut command = Command::new(find("timeout")?);
    command.args(["--foreground", "--kill-after=5", LONGEST]);
    let inside = gateway.run_with(&["--as", "agent", "--user", OWNER], &run.command);
    command.arg(inside.get_program()).args(inside.get_args());
    run.start(&mut command)?;
    ensure!(
        run.tests() >= suite.least,
        "{}: not all tests were run:\n{}",
        suite.name,
        run.summary
    );
    let sessions = recorded(&gateway, suite)?;
    let differing = run.differing();
    let mut told = format!(
        "{}: {} tests through the gateway, {} as expected, in {sessions} recordings\n",
        suite.name,
        run.tests(),
        run.tests() - differing.len(),
    );
    if !differing.is_empty() {
        told.push_str(&blame(suite, &run, &differing)?);
    }
    Ok(told)
}

/// Runs the suite without the gateway and fails unless the same tests differ in the same way; else says
/// which.
fn blame(suite: &Suite, through: &Run, differing: &[String]) -> Result<String> {
    let server = server()?;
    let mut direct = Run::new(suite, &server)?;
    let mut command = as_owner(None)?;
    command
        .args([find("timeout")?.as_os_str(), "--kill-after=5".as_ref()])
        .arg(LONGEST)
        .arg(direct.command.get_program())
        .args(direct.command.get_args());
    direct.start(&mut command)?;
    let (mut report, mut told) = (String::new(), String::new());
    for test in differing {
        let mut diff = Command::new(find("diff")?);
        diff.args(["-U3", "--label", "direct", "--label", "through the gateway"])
            .args([direct.result(test), through.result(test)]);
        let ran = diff.output()?;
        if ran.status.success() {
            told.push_str(&format!(
                "{test} differs from what is expected, without the gateway too\n"
            ));
        } else {
            report.push_str(&format!("{test}:\n{}", said(&ran)));
        }
    }
    ensure!(
        report.is_empty(),
        "{}: these come out otherwise through the gateway:\n{report}",
        suite.name
    );
    Ok(told)
}

/// A server as the suites expect it: whoever they make may log in, and transactions can be prepared.
fn server() -> Result<Postgres> {
    let access = format!("host all {OWNER} 127.0.0.1/32 scram-sha-256\n");
    Postgres::start(&Options {
        listen: "127.0.0.1",
        log_statements: false,
        settings: "max_prepared_transactions = 2",
        access: &access,
        ..Options::default()
    })
}

/// How many recordings there are, of which nothing is wrong.
fn recorded(gateway: &Gateway, suite: &Suite) -> Result<usize> {
    // The last ones end a moment after their clients.
    wait::until("all recordings have an end", || {
        let recordings = gateway.recordings()?;
        Ok(recordings.iter().all(Recording::is_complete).then_some(()))
    })?;
    gateway
        .ask(["sessions", "verify", "--all"])
        .context("the recordings do not verify")?;
    let recordings = gateway.recordings()?;
    ensure!(
        recordings.len() >= suite.least,
        "{}: {} recordings are fewer than the tests",
        suite.name,
        recordings.len()
    );
    Ok(recordings.len())
}

/// A run of a suite, in folders of its own.
struct Run {
    command: Command,
    out: PathBuf,
    /// What it said of each test, one a line.
    summary: String,
    _sandbox: Sandbox,
}

impl Run {
    fn new(suite: &Suite, server: &Postgres) -> Result<Run> {
        let sandbox = Sandbox::new(suite.name)?;
        let out = sandbox.folder_for("out", OWNER)?;
        let input = sandbox.join("in");
        // The server reads some of the files, and its user may not be able to where the source is.
        let mut copy = Command::new(find("cp")?);
        copy.arg("--recursive")
            .arg(postgres_suite()?.join(suite.name))
            .arg(&input);
        output(&mut copy)?;
        let bin = postgres_bin()?;
        let lib = bin.with_file_name("lib");
        for library in ["refint.so", "autoinc.so"] {
            fs::copy(lib.join(library), input.join(library))?;
        }
        give_to(&input, OWNER)?;
        let mut command = Command::new(lib.join(suite.program));
        let option = |name: &str, path: &Path| format!("--{name}={}", path.display());
        command
            .arg(option("bindir", bin))
            .arg(option("inputdir", &input))
            .arg(option("outputdir", &out))
            .arg(option("dlpath", &input))
            .arg(option("schedule", &input.join(suite.schedule)))
            .args(["--host=127.0.0.1", &format!("--user={OWNER}")])
            .arg(format!("--port={}", server.port()))
            .args(suite.arguments)
            .env("HOME", "/nonexistent")
            .env("PGPASSWORD", PASSWORD)
            .env("PGSSLMODE", suite.tls);
        Ok(Run {
            command,
            out,
            summary: String::new(),
            _sandbox: sandbox,
        })
    }

    /// Runs it as `command`, to its end. That tests fail is not an error.
    fn start(&mut self, command: &mut Command) -> Result<()> {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        let settings = self.command.get_envs();
        let settings = settings.filter_map(|(name, value)| Some((name, value?)));
        let ran = command.envs(settings).current_dir("/").output()?;
        // 1: some tests failed.
        ensure!(
            matches!(ran.status.code(), Some(0 | 1)),
            "the suite did not run to its end: {}\n{}",
            ran.status,
            said(&ran)
        );
        self.summary = said(&ran);
        Ok(())
    }

    fn tests(&self) -> usize {
        self.summary.lines().filter_map(verdict).count()
    }

    /// The tests that did not print what was expected.
    fn differing(&self) -> Vec<String> {
        let verdicts = self.summary.lines().filter_map(verdict);
        let bad = verdicts.filter(|(_, good)| !good);
        bad.map(|(test, _)| test.to_owned()).collect()
    }

    /// What a test printed.
    fn result(&self, test: &str) -> PathBuf {
        self.out.join("results").join(test).with_extension("out")
    }
}

/// A line as `test boolean ... ok  12 ms`: the test, and whether it went well. What fails may be
/// ignored.
fn verdict(line: &str) -> Option<(&str, bool)> {
    let (test, said) = line.split_once("... ")?;
    let test = test.trim().trim_start_matches("test ").trim();
    Some((test, !said.starts_with("FAILED")))
}
