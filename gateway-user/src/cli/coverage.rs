//! `gateway coverage`: the inventory, for people and as JSON; `gateway metrics`: its numbers.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use gateway_core::ids::{ResourceName, WorkloadName};

use super::printable::{BAD, DIM, DOUBTFUL, GOOD, STRONG, line};
use super::wording::{counted, kind_word, local};
use crate::control::client::Client;
use crate::control::coverage::{Coverage, Inspected, Uninspected, Workload};

/// Arguments of `gateway coverage`.
#[derive(Debug, Args)]
pub struct CoverageArgs {
    /// Print the daemon's answer as JSON; docs/coverage.md describes it
    #[arg(long)]
    json: bool,
}

/// Shows the inventory.
pub async fn run(client: &Client, args: CoverageArgs) -> anyhow::Result<ExitCode> {
    let coverage = client.coverage().await?;
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&coverage)?);
    } else {
        print(&mut anstream::stdout().lock(), &coverage)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the daemon's numbers.
pub async fn metrics(client: &Client) -> anyhow::Result<ExitCode> {
    anstream::print!("{}", client.metrics().await?);
    Ok(ExitCode::SUCCESS)
}

fn print(out: &mut impl Write, coverage: &Coverage) -> io::Result<()> {
    writeln!(out, "{DIM}since {}{DIM:#}", local(coverage.since))?;
    for workload in &coverage.workloads {
        writeln!(out)?;
        print_workload(out, workload)?;
    }
    if coverage.workloads.is_empty() {
        writeln!(out, "\nnothing is attached, so nothing is seen")?;
    }
    writeln!(out, "\n{STRONG}on this host{STRONG:#}")?;
    for unseen in &coverage.host {
        note(out, "not seen", &unseen.what, &unseen.todo)?;
    }
    Ok(())
}

fn print_workload(out: &mut impl Write, workload: &Workload) -> io::Result<()> {
    let name = workload
        .workload
        .as_ref()
        .map_or("nobody", WorkloadName::as_str);
    writeln!(out, "{STRONG}{}{STRONG:#}", line(name))?;
    for cgroup in &workload.cgroups {
        writeln!(out, "  {DIM}{}{DIM:#}", line(cgroup))?;
    }
    for inspected in &workload.inspected {
        let Inspected {
            sessions,
            allowed,
            denied,
            observed,
            ..
        } = inspected;
        let place = place(inspected.resource.as_ref(), inspected.protocol.as_deref());
        let mut what = format!(
            "{place}: {}, {allowed} allowed, {denied} denied",
            counted(*sessions, "session")
        );
        if *observed > 0 {
            what = format!("{what}, {observed} only observed");
        }
        row(out, GOOD, "inspected", &what)?;
    }
    for passed in &workload.uninspected {
        row(out, DOUBTFUL, "uninspected", &uninspected(passed))?;
    }
    for (why, count) in &workload.refused {
        let what = match why.as_str() {
            "frozen" => "connection while the workload was frozen".to_owned(),
            "denied_by_rule" => "connection that a rule denies".to_owned(),
            "no_resource" => "connection to what is no resource".to_owned(),
            "not_allowed" => "connection that no rule allows, or beyond a limit".to_owned(),
            "no_workload" => "connection of nobody".to_owned(),
            kind => kind_word(kind),
        };
        row(out, BAD, "refused", &format!("{count} × {what}"))?;
    }
    let is_quiet = workload.inspected.is_empty()
        && workload.uninspected.is_empty()
        && workload.refused.is_empty();
    if is_quiet {
        row(out, DIM, "nothing yet", "")?;
    }
    for unseen in &workload.unseen {
        note(out, "not seen", &unseen.what, &unseen.todo)?;
    }
    Ok(())
}

fn uninspected(passed: &Uninspected) -> String {
    let mut what = match passed.resource.as_ref() {
        Some(resource) => place(Some(resource), Some(&passed.protocol)),
        None => kind_word(&passed.protocol),
    };
    if let Some(count) = passed.count {
        what = format!("{count} × {what}");
    }
    if !passed.addresses.is_empty() {
        what = format!("{what} may go to {}", line(&passed.addresses.join(", ")));
    }
    match (&passed.rule, &passed.resource) {
        (Some(rule), _) => format!("{what}, by rule {}", line(rule)),
        (None, Some(_)) => format!("{what}, only observed"),
        (None, None) => what,
    }
}

fn place(resource: Option<&ResourceName>, protocol: Option<&str>) -> String {
    let resource = resource.map_or("no resource", ResourceName::as_str);
    match protocol {
        Some(protocol) => format!("{} ({})", line(resource), line(protocol)),
        None => line(resource).to_string(),
    }
}

fn row(out: &mut impl Write, style: anstyle::Style, verdict: &str, what: &str) -> io::Result<()> {
    writeln!(out, "  {style}{verdict:<12}{style:#} {what}")
}

fn note(out: &mut impl Write, verdict: &str, what: &str, todo: &str) -> io::Result<()> {
    row(out, DOUBTFUL, verdict, &line(what).to_string())?;
    writeln!(out, "  {:<12} {DIM}{}{DIM:#}", "", line(todo))
}
