//! `gateway freeze`, `thaw` and `kill`: stops agents, at once.

use std::process::ExitCode;

use anstream::println;
use clap::Args;
use gateway_core::ids::WorkloadName;

use super::printable::line;
use super::wording::counted;
use crate::control::api::FreezeRequest;
use crate::control::client::Client;

/// Arguments of `gateway freeze`.
#[derive(Debug, Args)]
pub struct FreezeArgs {
    /// The workload to stop.
    workload: String,
    /// Why, in one line. It is logged, shown by `gateway status`, and told to the agents.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Arguments of `gateway thaw`.
#[derive(Debug, Args)]
pub struct ThawArgs {
    /// The workload that may act again.
    workload: String,
}

/// Arguments of `gateway kill`.
#[derive(Debug, Args)]
pub struct KillArgs {
    /// The open session: the beginning or the end of its id, as long as no other has it.
    session: String,
}

/// Stops a workload.
pub async fn freeze(client: &Client, args: FreezeArgs) -> anyhow::Result<ExitCode> {
    let workload = WorkloadName::new(args.workload);
    let reason = args.reason;
    let froze = client.freeze(&FreezeRequest { workload, reason }).await?;
    let workload = froze.freeze.workload;
    println!(
        "{workload} is frozen: {} ended, new connections are refused until `gateway thaw {workload}`",
        counted(froze.ended, "open session"),
    );
    Ok(ExitCode::SUCCESS)
}

/// Lets a workload act again.
pub async fn thaw(client: &Client, args: ThawArgs) -> anyhow::Result<ExitCode> {
    let thawed = client.thaw(&WorkloadName::new(args.workload)).await?;
    println!("{} may act again", thawed.workload);
    Ok(ExitCode::SUCCESS)
}

/// Ends one session.
pub async fn kill(client: &Client, args: KillArgs) -> anyhow::Result<ExitCode> {
    let killed = client.kill(&args.session).await?.session.info;
    println!(
        "killed session {} of {}: {} (pid {}) to {}",
        killed.session,
        killed.workload,
        line(&killed.comm),
        killed.pid,
        killed.destination.0,
    );
    println!(
        "note: the workload may connect again; `gateway freeze {}` stops all of it",
        killed.workload
    );
    Ok(ExitCode::SUCCESS)
}
