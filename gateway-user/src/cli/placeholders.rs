//! `gateway placeholders`: what agents are given in a password's place.

use std::process::ExitCode;
use std::time::Duration;

use anstream::{eprintln, println};
use clap::{Args, Subcommand};
use gateway_core::duration;
use gateway_core::ids::{ResourceName, WorkloadName};
use jiff::Timestamp;

use super::printable::{DIM, line};
use super::wording::{counted, local};
use crate::control::client::Client;
use crate::control::placeholders::{IssueRequest, Lease, USUAL};

/// Arguments of `gateway placeholders`.
#[derive(Debug, Args)]
#[command(after_help = "\
For resources whose [[credential]] has `placeholder`. One opens nothing by itself: it proves something
for its workload, at its resource, through the gateway, until its time is over.

Examples:
  gateway placeholders issue --as planner --resource orders-db --for 1h
  gateway placeholders list
  gateway placeholders revoke 5d7e2c41")]
pub struct PlaceholdersArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Issue one: it is printed this once, and kept nowhere
    Issue(IssueArgs),
    /// List those that are in force, and those that ended within a day
    List(ListArgs),
    /// Take one back, and end the sessions that showed it
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct IssueArgs {
    /// The workload that may show it
    #[arg(long = "as", value_name = "WORKLOAD")]
    workload: String,
    /// The resource that it is for
    #[arg(long, value_name = "NAME")]
    resource: String,
    /// How long it lasts, such as 15m or 2d, at most 30d [default: 8h]
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    lasting: Option<Duration>,
    /// Only for clients that present themselves as this database user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Print the daemon's answer as JSON; docs/control.md describes it
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Print the daemon's answer as JSON; docs/control.md describes it
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// The placeholder's id: its beginning or its end, as long as no other has it
    id: String,
}

fn span(text: &str) -> Result<Duration, String> {
    duration::parse(text).ok_or_else(|| duration::EXPECTED.to_owned())
}

/// Does what the arguments say.
pub async fn run(client: &Client, args: PlaceholdersArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Issue(args) => issue(client, args).await,
        Command::List(args) => list(client, &args).await,
        Command::Revoke(args) => revoke(client, &args).await,
    }
}

async fn issue(client: &Client, args: IssueArgs) -> anyhow::Result<ExitCode> {
    let request = IssueRequest {
        workload: WorkloadName::new(args.workload),
        resource: ResourceName::new(args.resource),
        user: args.user,
        cgroup: None,
        lasting_s: Some(args.lasting.unwrap_or(USUAL).as_secs()),
    };
    let issued = client.issue(&request).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&issued)?);
        return Ok(ExitCode::SUCCESS);
    }
    // Alone, so that a script can take it.
    println!("{}", issued.placeholder);
    let lease = &issued.lease;
    eprintln!(
        "{DIM}placeholder {} of {} for {}, until {}: it is not shown again{DIM:#}",
        lease.id,
        lease.workload,
        lease.resource,
        local(lease.until),
    );
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &Client, args: &ListArgs) -> anyhow::Result<ExitCode> {
    let all = client.placeholders().await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        println!("no placeholder is in force");
    }
    let now = Timestamp::now();
    for lease in &all {
        println!("{}", about(lease, now));
    }
    Ok(ExitCode::SUCCESS)
}

/// A placeholder in a line.
fn about(lease: &Lease, now: Timestamp) -> String {
    let left = Duration::try_from(lease.until.duration_since(now)).unwrap_or_default();
    let state = match lease.ended {
        None => format!("{} left", duration::written(left)),
        Some(ended) => ended.told().to_owned(),
    };
    let user = lease.user.as_ref();
    let user = user.map(|user| format!(" as {}", line(user)));
    let cgroup = lease
        .cgroup
        .map(|cgroup| format!(" through cgroup {}", cgroup.0));
    format!(
        "{}  {}  {}{}{}  {DIM}{state}, issued {} by uid {}{DIM:#}",
        lease.id,
        line(lease.workload.as_str()),
        line(lease.resource.as_str()),
        user.unwrap_or_default(),
        cgroup.unwrap_or_default(),
        local(lease.since),
        lease.by.uid,
    )
}

async fn revoke(client: &Client, args: &RevokeArgs) -> anyhow::Result<ExitCode> {
    let revoked = client.revoke_placeholder(&args.id).await?;
    println!(
        "placeholder {} of {} is revoked: {} ended",
        revoked.lease.id,
        revoked.lease.workload,
        counted(revoked.sessions, "open session"),
    );
    Ok(ExitCode::SUCCESS)
}
