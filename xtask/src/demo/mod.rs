//! `cargo xtask demo`: a shop, its database, and an agent that tries what it should not.
//!
//! Everything runs in a throw-away folder and is gone afterwards, also after Ctrl-C (the harness's
//! guardian sees to it). The agent's acts and what must come of them are in `acts`, its ways around in
//! `around`, what people decide in `people`; how things look in `show`. If something comes out differently than told here, the demo fails.

mod acts;
mod around;
mod people;
mod show;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::{DAEMON_USER, PolicyFile};
use gateway_tests::postgres::{Options, PASSWORD, Postgres};
use gateway_tests::programs::{Profile, build_gateway, postgres_bin, said};
use gateway_tests::sandbox::{Sandbox, give_to};
use nix::sys::signal::Signal;

use crate::setup::{self, Purpose};
use crate::steps::step;
use acts::{ACTS, Outcome};

/// The shop's data.
const SHOP: &str = include_str!("shop.sql");
/// The shop's rules for its agents.
const RULES: &str = include_str!("rules.toml");

/// Who the agent is: not root, whose files the host is made of.
const AGENT: &[&str] = &["--as", "assistant", "--user", "nobody"];

/// Shows it.
pub(crate) fn run() -> Result<()> {
    gateway_tests::programs::require_root().context("the demo attaches kernel programs")?;
    setup::ensure(&[Purpose::Build, Purpose::Demo])?;
    let mut program = None;
    step("build the gateway (minutes the first time)", || {
        program = Some(build_gateway(Profile::Dev)?);
        Ok(())
    })?;
    let program = program.context("the gateway was not built")?;
    let mut server = None;
    step(
        "start a throw-away PostgreSQL with TLS and scram-sha-256",
        || {
            let started = Postgres::start(&Options::default())?;
            started.admin(SHOP)?;
            server = Some(started);
            Ok(())
        },
    )?;
    let server = server.context("PostgreSQL was not started")?;
    let secrets = Sandbox::new("demo-secrets")?;
    let mut gateway = None;
    step("start the gateway", || {
        let policy = policy(&server, &secrets)?;
        gateway = Some(Gateway::start_program(program, &policy)?);
        Ok(())
    })?;
    let mut gateway = gateway.context("the gateway was not started")?;

    show::title("The rules");
    show::text(RULES);
    agent_at_work(&gateway, &server)?;
    witness(&server)?;
    recording(&gateway)?;
    people::decide(&gateway, &server)?;
    around::tried(&gateway)?;
    show::title("What was seen of it, and what this host cannot see: gateway coverage");
    show::text(&printed(&gateway, ["coverage"])?.1);
    dead_daemon(&mut gateway, &server)?;
    show::title("Cleaning up");
    step(
        "detach everything, stop the servers, remove their folders",
        || {
            // No daemon runs any more; the hooks it left are removed without it.
            gateway.ask(["detach", "--all"])?;
            drop((gateway, server));
            Ok(())
        },
    )
}

fn policy(server: &Postgres, secrets: &Sandbox) -> Result<PolicyFile> {
    // Nobody but the daemon reads it, the agent least of all.
    let password = secrets.write("password", PASSWORD)?;
    fs::set_permissions(&password, fs::Permissions::from_mode(0o400))?;
    give_to(&password, DAEMON_USER)?;
    let (port, authority) = (
        server.port(),
        server.certificates().authority.display().to_string(),
    );
    let policy = PolicyFile::default()
        .piece("[[workload]]\nname = \"assistant\"")
        .piece(&format!(
            "[[credential]]\nname = \"shop-app\"\nuser = \"app\"\npassword_file = {password:?}"
        ))
        .shop(
            &format!("127.0.0.1:{port}"),
            &format!(
                "upstream = {{ tls = \"verify-full\", ca_file = \"{authority}\" }}\n\
                 credential = \"shop-app\""
            ),
        )
        .piece("[[approvers]]\nname = \"shop-owners\"\nusers = [\"root\"]")
        .piece(RULES);
    Ok(policy)
}

/// `psql` as the agent uses it: the server's own address, nothing of a gateway, and no password.
fn psql(server: &Postgres) -> Result<Command> {
    let mut psql = Command::new(postgres_bin()?.join("psql"));
    psql.args(["--no-psqlrc", "-d", &server.conninfo("127.0.0.1", "app")])
        .arg("--no-password")
        .env("PGSSLMODE", "verify-full");
    Ok(psql)
}

/// All acts in one session, and what came of each.
fn agent_at_work(gateway: &Gateway, server: &Postgres) -> Result<()> {
    show::title(
        "An agent at work: psql under `gateway run --as assistant --user nobody`, without a password",
    );
    let sandbox = Sandbox::new("demo")?;
    let script = sandbox.write("agent.sql", &acts::script())?;
    // One stream, so that answers and errors stay in order.
    let mut agent = Command::new("/bin/sh");
    agent.args(["-c", "exec \"$@\" 2>&1", "agent"]);
    let mut psql = psql(server)?;
    psql.arg("--file").arg(script).env("PSQL_PAGER", "cat");
    agent.arg(psql.get_program()).args(psql.get_args());
    for (name, value) in psql.get_envs() {
        if let Some(value) = value {
            agent.env(name, value);
        }
    }
    let ran = gateway.run_with(AGENT, &agent).output()?;
    let output = said(&ran);
    let answers = acts::answers(&output);
    ensure!(
        answers.len() == ACTS.len(),
        "the agent did not get through its acts:\n{output}"
    );
    ensure!(
        !["engine", "cobol", "fortran", "4111 1111", "AKIA"]
            .iter()
            .any(|it| output.contains(it)),
        "what is masked came through:\n{output}"
    );
    for (act, answer) in ACTS.iter().zip(&answers) {
        let outcome = match answer {
            answer if answer.contains("Ended by") => Outcome::Ended,
            answer if answer.contains("gateway:") => Outcome::Refused,
            _ => Outcome::Allowed,
        };
        show::act(act.intent, act.sql, outcome, answer);
        ensure!(
            outcome == act.outcome,
            "this act should have been {}",
            act.outcome
        );
    }
    Ok(())
}

/// The server's own log, which the gateway has no hand in.
fn witness(server: &Postgres) -> Result<()> {
    show::title("The witness: PostgreSQL's own log of every statement it was sent");
    let log = server.log();
    for (number, act) in ACTS.iter().enumerate() {
        let has_come = log.contains(&acts::marker(number));
        show::witness(act.sql, has_come);
        let expected = act.outcome != Outcome::Refused;
        ensure!(
            has_come == expected,
            "the server's log says otherwise: {}",
            act.sql
        );
    }
    Ok(())
}

fn recording(gateway: &Gateway) -> Result<()> {
    show::title("For the people on watch: gateway tail");
    show::text(&printed(gateway, ["tail", "--no-follow", "--denied"])?.1);
    let recording = gateway.wait_recordings(1)?.pop().context("no recording")?;
    let session = recording.session();
    show::title("The recording: gateway sessions show");
    show::text(&printed(gateway, ["sessions", "show", &session])?.1);
    show::title("Its chain of hashes: gateway sessions verify");
    let (is_good, verified) = printed(gateway, ["sessions", "verify", &session])?;
    show::text(&verified);
    ensure!(is_good, "the recording does not verify");
    show::say("\n  Now somebody changes one word of it:");
    let original = fs::read_to_string(&recording.path)?;
    fs::write(&recording.path, original.replacen("DELETE", "SELECT", 1))?;
    let (is_good, verified) = printed(gateway, ["sessions", "verify", &session])?;
    show::text(&verified);
    ensure!(!is_good, "the change went unseen");
    fs::write(&recording.path, original)?;
    Ok(())
}

/// Whether a command of the gateway went well, and what it printed, as it looks on a terminal.
fn printed<'a>(
    gateway: &Gateway,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<(bool, String)> {
    let mut command = gateway.command(arguments);
    if show::is_coloured() {
        command.env("CLICOLOR_FORCE", "1");
    }
    let ran = command.output()?;
    Ok((ran.status.success(), said(&ran)))
}

/// An attached agent whose daemon is killed.
fn dead_daemon(gateway: &mut Gateway, server: &Postgres) -> Result<()> {
    show::title("The daemon is killed (kill -9) while an agent runs");
    let mut agent = Command::new("/bin/sh");
    let wait_then_ask = "echo attached; read line; exec \"$@\" 2>&1";
    agent.args(["-c", wait_then_ask, "agent"]);
    let mut psql = psql(server)?;
    psql.args(["-c", "SELECT 'past the gateway'"]);
    agent.arg(psql.get_program()).args(psql.get_args());
    let mut running = gateway
        .run_with(AGENT, &agent)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut output = running.stdout.take().context("no pipe")?;
    let mut attached = [0; 9];
    std::io::Read::read_exact(&mut output, &mut attached).context("the agent did not start")?;
    gateway.stop(Signal::SIGKILL)?;
    running
        .stdin
        .take()
        .context("no pipe")?
        .write_all(b"go\n")?;
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut output, &mut answer)?;
    running.wait()?;
    let is_refused = answer.contains("Connection refused");
    let outcome = if is_refused {
        Outcome::Refused
    } else {
        Outcome::Allowed
    };
    show::act(
        "connect once more",
        "SELECT 'past the gateway'",
        outcome,
        &answer,
    );
    ensure!(is_refused, "the agent went past the gateway");
    show::say("\n  Refused, not direct: the kernel's hooks stay when the daemon is gone.");
    Ok(())
}
