//! A thousand statements that wait for people: what each costs in memory, and how fast all of them go on
//! once they are let pass.
//!
//! One grant for each workload lets pass all of its statements that wait, which are alike. The time is
//! from the first word of a person to the last answer at a client, with the starting of the commands.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::programs::{Profile, build_gateway, said};
use gateway_tests::sandbox::Sandbox;
use gateway_tests::wait;
use serde_json::Value;

use super::{cpu, idle};

/// So many may wait of one workload, and then one less.
const OF_WORKLOAD: u32 = 63;
const WORKLOADS: u32 = 16;
/// All of them are sent within this.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures and tells.
pub(super) fn run() -> Result<()> {
    let sandbox = Sandbox::new("holds")?;
    let (_server, port) = idle::start_server(&sandbox, false)?;
    let gateway = Gateway::start_program(build_gateway(Profile::Release)?, &policy(port))?;
    // Once with few, so that what is allocated once does not count.
    let few = waiting(&gateway, port, 1, 0)?;
    wait::within(PATIENCE, "few wait", || {
        Ok((open(&gateway)?.len() == 1).then_some(()))
    })?;
    approve(&gateway, &asked(&gateway)?)?;
    done(few)?;
    let before = cpu::resident(gateway.id())?;
    let clients: Result<Vec<_>> = (1..=WORKLOADS)
        .map(|workload| waiting(&gateway, port, OF_WORKLOAD, workload))
        .collect();
    let clients = clients?;
    let count = usize::try_from(OF_WORKLOAD * WORKLOADS)?;
    wait::within(PATIENCE, "all of them wait", || {
        Ok((open(&gateway)?.len() == count).then_some(()))
    })?;
    let after = cpu::resident(gateway.id())?;
    let asked = asked(&gateway)?;
    let begun = Instant::now();
    approve(&gateway, &asked)?;
    for clients in clients {
        done(clients)?;
    }
    let took = begun.elapsed();
    let each = (after - before) / f64::from(OF_WORKLOAD * WORKLOADS);
    println!("{count} statements waited: {each:.1} KiB each, with their sessions");
    println!(
        "all were answered {:.2} s after the first word",
        took.as_secs_f64()
    );
    Ok(())
}

fn policy(port: u16) -> PolicyFile {
    let workloads = (0..=WORKLOADS).fold(PolicyFile::default(), |policy, number| {
        policy.piece(&format!("[[workload]]\nname = \"agent-{number}\""))
    });
    workloads
        .shop(
            &format!("127.0.0.1:{port}"),
            "upstream = { tls = \"disable\" }",
        )
        .piece("[[approvers]]\nname = \"owners\"\nusers = [\"root\"]")
        .rule("everything", "allow", "")
        .rule(
            "deletes-wait",
            "approve",
            "match = { verb = \"delete\" }\napprovers = [\"owners\"]",
        )
}

/// Clients of one workload whose statements wait.
fn waiting(
    gateway: &Gateway,
    port: u16,
    count: u32,
    workload: u32,
) -> Result<(Child, BufReader<ChildStdout>)> {
    let clients = idle::clients("held_clients.py", port, false, count)?;
    let name = format!("agent-{workload}");
    let mut clients = gateway
        .run_with(&["--as", &name, "--user", "nobody"], &clients)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = clients.stdout.take().context("no pipe")?;
    let mut output = BufReader::new(output);
    ensure!(
        line(&mut output)? == "ready",
        "the clients could not connect"
    );
    Ok((clients, output))
}

fn done((mut clients, mut output): (Child, BufReader<ChildStdout>)) -> Result<()> {
    ensure!(line(&mut output)? == "done", "not all were let pass");
    drop(clients.stdin.take());
    clients.wait()?;
    Ok(())
}

fn line(output: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// The requests that wait: workload and id.
fn open(gateway: &Gateway) -> Result<Vec<(String, String)>> {
    let list = gateway.ask(["approvals", "list", "--json"])?;
    let list: Vec<Value> = serde_json::from_str(&list)?;
    let open = list
        .iter()
        .filter(|one| one.get("state").is_some_and(|it| it == "open"));
    let word = |one: &Value, name: &str| {
        let word = one.get(name).and_then(Value::as_str);
        word.map(str::to_owned)
            .with_context(|| format!("no {name} in {one}"))
    };
    open.map(|one| Ok((word(one, "workload")?, word(one, "id")?)))
        .collect()
}

/// One request of each workload, and its digest.
fn asked(gateway: &Gateway) -> Result<Vec<(String, String)>> {
    let mut all = open(gateway)?;
    all.sort();
    all.dedup_by(|one, other| one.0 == other.0);
    let digest = |(_, id): (String, String)| {
        let shown = gateway.ask(["approvals", "show", &id, "--json"])?;
        let shown: Value = serde_json::from_str(&shown)?;
        let digest = shown.pointer("/action/action").and_then(Value::as_str);
        let digest = digest.context("a request without a digest")?;
        Ok((id, digest.to_owned()))
    };
    all.into_iter().map(digest).collect()
}

/// A word on each, all at once: what is like it passes too.
fn approve(gateway: &Gateway, asked: &[(String, String)]) -> Result<()> {
    let mut words: Vec<Child> = Vec::new();
    for (id, digest) in asked {
        let sure = ["--for", "1h", "--yes", "--digest", digest];
        let arguments = [&["approvals", "approve", id][..], &sure].concat();
        let mut word: Command = gateway.command(arguments);
        words.push(word.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
    }
    for word in words {
        let ran = word.wait_with_output()?;
        ensure!(ran.status.success(), "{}", said(&ran));
    }
    Ok(())
}
