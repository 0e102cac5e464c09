//! Budgets: what is used up is refused in the server's stead, until there is room again; for each
//! workload by itself, over a restart too.

use std::process::Command;

use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::programs::said;
use gateway_tests::wait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::deciding::{json, start, text, waiting};
use crate::stage::{agent, agent_fails, gateway, never_logged, server, shop, sql};

const PLAIN: &str = "upstream = { tls = \"disable\" }";

fn with(budget: &str) -> PolicyFile {
    let other = "[[workload]]\nname = \"other\"\ngroups = [\"agents\"]";
    let budget = format!("[[budget]]\nname = \"few\"\n{budget}");
    shop(PLAIN).piece(other).piece(&budget).allow_all()
}

fn by(gateway: &Gateway, workload: &str, command: &Command) -> String {
    said(&gateway.run(workload, command).output().unwrap())
}

fn used(gateway: &Gateway) -> Value {
    let told = gateway.ask(["budgets", "--json"]).unwrap();
    serde_json::from_str::<Value>(&told).unwrap()[0]["used"].clone()
}

fn logged(gateway: &Gateway, event: &str) -> Vec<Value> {
    let mut lines = gateway.enforcement().unwrap();
    lines.retain(|line| line["event"] == event);
    lines
}

#[test]
fn statements_beyond_the_limit_are_refused_for_one_workload_until_there_is_room() {
    let gateway = gateway(&with("window = \"5s\"\nstatements = 2"));
    assert_eq!(
        agent(&gateway, &sql("SELECT 'budget one'")).trim(),
        "budget one"
    );
    assert_eq!(
        agent(&gateway, &sql("SELECT 'budget two'")).trim(),
        "budget two"
    );
    let no = agent_fails(&gateway, &sql("SELECT 'budget three'"));
    let expected = "gateway: budget \"few\" is used up: 2 statements in 5 seconds; room again at ";
    assert!(no.contains(expected), "{no}");
    assert!(no.contains("Refused by rule \"budget few\"."), "{no}");
    never_logged(server(), "SELECT 'budget three'");
    let refused = logged(&gateway, "ask_denied");
    assert_eq!(refused[0]["rule"], "budget few", "{refused:?}");
    assert_eq!(
        by(&gateway, "other", &sql("SELECT 'budget of others'")).trim(),
        "budget of others"
    );
    wait::until("there is room again", || {
        let ran = gateway.agent(&sql("SELECT 'budget again'"))?;
        Ok(ran.status.success().then_some(()))
    })
    .unwrap();
}

#[test]
fn a_result_is_stopped_where_the_room_ends() {
    let gateway = gateway(&with("window = \"1h\"\nrows = 100"));
    let long = "SELECT n FROM generate_series(1, 100000000) n";
    let mut command = sql(long);
    command.args(["-v", "FETCH_COUNT=0"]);
    let told = agent_fails(&gateway, &command);
    assert!(
        told.contains("FATAL:  gateway: budget \"few\" is used up: 100 rows in 1 hour"),
        "{told}"
    );
    let busy = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = '{long}'"
    );
    wait::until("the server stops", || {
        Ok((server().admin(&busy)?.trim() == "0").then_some(()))
    })
    .unwrap();
    let ended = logged(&gateway, "session_ended");
    assert_eq!(ended[0]["end"], "budget_used_up", "{ended:?}");
    let no = agent_fails(&gateway, &sql("SELECT 'after the result'"));
    assert!(no.contains("100 rows in 1 hour"), "{no}");
    let numbers = gateway.ask(["metrics"]).unwrap();
    let expected = "gateway_budget_used_ratio{budget=\"few\",whose=\"agent\",kind=\"rows\"} 1.";
    assert!(numbers.contains(expected), "{numbers}");
}

#[test]
fn what_was_used_is_known_after_a_restart() {
    let mut gateway = gateway(&with("window = \"1h\"\nstatements = 1"));
    agent(&gateway, &sql("SELECT 'before the restart'"));
    gateway.stop(Signal::SIGTERM).unwrap();
    gateway.restart().unwrap();
    assert_eq!(used(&gateway)[0]["statements"], 1);
    let no = agent_fails(&gateway, &sql("SELECT 'after the restart'"));
    assert!(no.contains("1 statement in 1 hour"), "{no}");
    never_logged(server(), "SELECT 'after the restart'");
    let shown = gateway.ask(["budgets"]).unwrap();
    assert!(
        shown.contains("used up  1 of 1 statement (100 %); room again"),
        "{shown}"
    );

    // Another limit takes what was used into account.
    gateway
        .reload(&with("window = \"1h\"\nstatements = 2"))
        .unwrap();
    agent(&gateway, &sql("SELECT 'with more room'"));
    agent_fails(&gateway, &sql("SELECT 'with no more room'"));
}

fn statements(gateway: &Gateway) -> u64 {
    used(gateway)[0]["statements"].as_u64().unwrap_or(0)
}

/// The file with what was used, as it is now.
fn on_disk(gateway: &Gateway) -> String {
    let file = gateway.path("state/daemon/budgets.json");
    std::fs::read_to_string(file).unwrap_or_default()
}

#[test]
fn what_was_written_down_outlasts_a_kill() {
    let mut gateway = gateway(&with("window = \"1h\"\nstatements = 100"));
    let mut least = 0;
    for round in 1..=3 {
        let file = on_disk(&gateway);
        agent(&gateway, &sql("SELECT 'before the kill'"));
        wait::until("it is written down", || {
            Ok((on_disk(&gateway) != file).then_some(()))
        })
        .unwrap();
        least += 1;
        // What is used at the very moment of the kill may be forgotten, and nothing else.
        agent(&gateway, &sql("SELECT 'at the kill'"));
        let all = statements(&gateway);
        let daemon = Pid::from_raw(gateway.id().try_into().unwrap());
        kill(daemon, Signal::SIGKILL).unwrap();
        gateway.wait_end().unwrap();
        gateway.restart().unwrap();
        let known = statements(&gateway);
        assert!(
            least <= known && known <= all,
            "round {round}: {least} was on disk, {all} was used, and {known} is known"
        );
        least = known;
    }
}

#[test]
fn one_that_approves_holds() {
    let people = "[[approvers]]\nname = \"people\"\nusers = [\"root\"]";
    let budget = "window = \"1h\"\nstatements = 1\naction = \"approve\"\napprovers = [\"people\"]\ntimeout = \"60s\"";
    let gateway = gateway(&with(budget).piece(people));
    agent(&gateway, &sql("SELECT 'within the budget'"));
    let child = start(&gateway, &sql("SELECT 'beyond the budget'"));
    let brief = waiting(&gateway);
    let id = text(&brief, "id");
    never_logged(server(), "SELECT 'beyond the budget'");
    let whole = json(&gateway, &["approvals", "show", id, "--json"]);
    let digest = text(&whole["action"], "action");
    let approve = ["approvals", "approve", id, "--yes", "--digest", digest];
    gateway.ask(approve).unwrap();
    let told = said(&child.wait_with_output().unwrap());
    assert!(told.contains("beyond the budget"), "{told}");
}
