//! `gateway approvals` and `gateway grants`: what waits for people, and their word on it.
//!
//! `view` is a request as it is looked at, `list` the short form and what happens as it does, `decide`
//! takes the word, `ui` is the same as a screen. Whose word it is, the daemon knows from the kernel.

mod decide;
mod grants;
mod list;
mod ui;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

pub use self::grants::GrantsArgs;
use super::place::Places;
use crate::control::client::Client;

/// Arguments of `gateway approvals`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gateway approvals list                       what waits, and whether you are asked
  gateway approvals show 5d7e2c41              all of it
  gateway approvals approve 5d7e2c41           asks, after it has shown all of it
  gateway approvals approve 5d7e2c41 --for 1h --max-uses 10
  gateway approvals deny 5d7e2c41 --reason 'use the archive job'
  gateway approvals ui                         the same on one screen")]
pub struct ApprovalsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what waits for people
    List(list::ListArgs),
    /// Show a request: all of it, never cut
    Show(decide::ShowArgs),
    /// Let a request pass
    Approve(decide::ApproveArgs),
    /// Refuse a request
    Deny(decide::DenyArgs),
    /// Tell of requests and grants as they come and go
    Watch(list::WatchArgs),
    /// Look at requests and decide on one screen
    Ui,
}

/// Does what the arguments say.
pub async fn run(places: &Places, args: ApprovalsArgs) -> anyhow::Result<ExitCode> {
    let client = client(places);
    match args.command {
        Command::List(args) => list::list(&client, &args).await,
        Command::Show(args) => decide::show(&client, &args).await,
        Command::Approve(args) => decide::approve(&client, args).await,
        Command::Deny(args) => decide::deny(&client, args).await,
        Command::Watch(args) => list::watch(&client, &args).await,
        Command::Ui => ui::run(&client).await,
    }
}

/// Does what the arguments of `gateway grants` say.
pub async fn run_grants(places: &Places, args: GrantsArgs) -> anyhow::Result<ExitCode> {
    grants::run(&client(places), args).await
}

/// Speaks by the operators' door, or where that is shut by the one for people who only decide.
fn client(places: &Places) -> Client {
    let is_shut = |path: &PathBuf| access(path, AccessFlags::W_OK) == Err(Errno::EACCES);
    let other = places.socket.with_file_name("approvals.sock");
    if is_shut(&places.socket) && other.exists() {
        return Client::new(other);
    }
    Client::new(places.socket.clone())
}
