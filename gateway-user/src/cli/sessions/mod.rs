//! `gateway sessions`: the recordings, for people and for scripts.
//!
//! Works on the files alone, so it needs no daemon and also reads recordings from another host.
//! `find` names sessions, `digest` sums one up; each command has its own file. How a recording is
//! read and checked is in `recording`.

mod digest;
pub(super) mod find;
mod list;
mod replay;
mod show;
mod statement;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::place::Places;
use super::tail::is_closed_pipe;

/// Arguments of `gateway sessions`.
#[derive(Debug, Args)]
pub(super) struct SessionsArgs {
    /// Read recordings from here [default: the configuration's recording directory]
    #[arg(long, global = true, value_name = "DIR")]
    directory: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List sessions, the newest last
    List(list::ListArgs),
    /// Show one session: who, what was asked, what came of it
    Show(show::ShowArgs),
    /// Show one session in the time it took
    Replay(replay::ReplayArgs),
    /// Check that recordings are as they were written
    #[command(after_help = "\
Exits with 1 if a recording was changed, cut, or does not end as the enforcement log says.

Examples:
  gateway sessions verify --all
  gateway sessions verify 019a9f3c")]
    Verify(verify::VerifyArgs),
}

/// Does what was asked.
pub(super) fn run(places: &Places, args: &SessionsArgs) -> anyhow::Result<ExitCode> {
    let directory = args.directory.as_ref().unwrap_or(&places.recordings);
    let done = match &args.command {
        Command::List(args) => list::run(directory, args),
        Command::Show(args) => show::run(directory, args),
        Command::Replay(args) => replay::run(directory, args),
        Command::Verify(args) => verify::run(directory, &places.log, args),
    };
    match done {
        Err(error) if is_closed_pipe(&error) => Ok(ExitCode::SUCCESS),
        done => done,
    }
}
