//! What people decide in the demo: a statement that waits on the wire, approved and refused from a second
//! terminal.

use std::io::Read as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use gateway_tests::gateway::Gateway;
use gateway_tests::postgres::Postgres;
use gateway_tests::wait;
use serde_json::Value;

use super::acts::Outcome;
use super::{AGENT, printed, psql, show};

const APPROVED: &str = "DELETE FROM orders WHERE id = 3";
/// The same but for one character.
const REFUSED: &str = "DELETE FROM orders WHERE id = 4";

/// One statement is approved; the same with another number waits again, and is refused.
pub(super) fn decide(gateway: &Gateway, server: &Postgres) -> Result<()> {
    show::title("Some things are for people: what deletes rows waits, in the agent's own psql");
    let answer = held(gateway, server, APPROVED, &["--comment", "looked at it"])?;
    show::act("delete one order", APPROVED, Outcome::Allowed, &answer);
    ensure!(
        answer.contains("DELETE 1"),
        "it should have been let pass: {answer}"
    );
    show::say("\n  An approval is for exactly that. The same with another number waits again:");
    let no = ["--reason", "this one is not paid yet"];
    let answer = held(gateway, server, REFUSED, &no)?;
    show::act("delete another one", REFUSED, Outcome::Refused, &answer);
    ensure!(
        answer.contains("not paid yet"),
        "it should have been refused: {answer}"
    );
    let log = server.log();
    ensure!(log.contains(APPROVED), "what was approved never arrived");
    ensure!(!log.contains(REFUSED), "what was refused arrived");
    Ok(())
}

/// Runs a statement that waits, shows it to people, and decides: yes with a comment, no with a reason.
fn held(gateway: &Gateway, server: &Postgres, sql: &str, word: &[&str; 2]) -> Result<String> {
    let mut agent = Command::new("/bin/sh");
    agent.args(["-c", "exec \"$@\" 2>&1", "agent"]);
    let mut psql = psql(server)?;
    psql.args(["-c", sql]);
    agent.arg(psql.get_program()).args(psql.get_args());
    for (name, value) in psql.get_envs() {
        if let Some(value) = value {
            agent.env(name, value);
        }
    }
    let mut running = gateway
        .run_with(AGENT, &agent)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (id, digest) = wait::until("a request waits", || waiting(gateway))?;
    let short = id.get(id.len().saturating_sub(8)..).unwrap_or(&id);
    show::say(&format!("\n  # gateway approvals show {short}"));
    show::text(&printed(gateway, ["approvals", "show", &id])?.1);
    let [flag, text] = word;
    let verb = match *flag {
        "--reason" => "deny",
        _ => "approve",
    };
    show::say(&format!(
        "\n  # gateway approvals {verb} {short} {flag} '{text}'"
    ));
    let sure: &[&str] = match verb {
        "approve" => &["--yes", "--digest", &digest],
        _ => &[],
    };
    let arguments = ["approvals", verb, &id, flag, text].into_iter();
    let arguments = arguments.chain(sure.iter().copied());
    let (is_done, told) = printed(gateway, arguments)?;
    show::text(&told);
    ensure!(is_done, "the word of a person did not count: {told}");
    let mut answer = String::new();
    let mut output = running.stdout.take().context("no pipe")?;
    output.read_to_string(&mut answer)?;
    running.wait()?;
    Ok(answer)
}

/// The request that waits, by id and digest.
fn waiting(gateway: &Gateway) -> Result<Option<(String, String)>> {
    let list = gateway.ask(["approvals", "list", "--json"])?;
    let list: Value = serde_json::from_str(&list)?;
    let mut all = list.as_array().into_iter().flatten();
    let Some(open) = all.find(|one| one["state"] == "open") else {
        return Ok(None);
    };
    let id = open["id"].as_str().context("a request without an id")?;
    let shown = gateway.ask(["approvals", "show", id, "--json"])?;
    let shown: Value = serde_json::from_str(&shown)?;
    let digest = shown.pointer("/action/action").and_then(Value::as_str);
    let digest = digest.context("a request without a digest")?;
    Ok(Some((id.to_owned(), digest.to_owned())))
}
