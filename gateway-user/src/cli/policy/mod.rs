//! `gateway policy`: what the rules do, without a daemon and without a connection.
//!
//! `question` turns what a person writes into what policy is asked, `recorded` what a session did; each command has its own file,
//! but for `check`, which is `config check`'s. What is decided and why is `gateway_core::policy`'s.

mod bearer;
mod docs;
mod explain;
mod question;
mod recorded;
mod replay;
mod suggest;
mod test;
#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::thread;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::check::{self, About, CheckArgs};
use super::place::Places;
use super::tail::is_closed_pipe;

/// What statements are read on, as [`gateway_core::protocols::request::facts`] wants it.
const STACK: usize = 16 << 20;

/// Arguments of `gateway policy`.
#[derive(Debug, Args)]
pub(super) struct PolicyArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether the rules are good, and which never take effect
    #[command(after_help = "\
What else is wrong with the file is `gateway config check`'s, unless it keeps the file from being
used.

Example:
  gateway policy check --strict              for a pipeline: exits with 1 on warnings too")]
    Check(CheckArgs),
    /// Say what would happen to a statement, and why
    #[command(after_help = explain::HELP)]
    Explain(Box<explain::ExplainArgs>),
    /// Try cases that say what is expected of the policy
    #[command(after_help = test::HELP)]
    Test(test::TestArgs),
    /// Say what of recorded sessions a policy would decide differently
    #[command(after_help = replay::HELP)]
    Replay(replay::ReplayArgs),
    /// Suggest rules that allow what recorded sessions did
    #[command(after_help = suggest::HELP)]
    Suggest(suggest::SuggestArgs),
    /// Print the facts that rules can look at
    #[command(after_help = "\
Example:
  gateway policy docs postgres")]
    Docs(docs::DocsArgs),
}

/// Does what was asked.
pub(super) fn run(places: &Places, args: PolicyArgs) -> anyhow::Result<ExitCode> {
    let config = places.config.as_path();
    let done = match args.command {
        Command::Check(args) => check::run(config, About::Rules, &args),
        Command::Docs(args) => docs::run(&args),
        Command::Replay(args) => on_deep_stack(|| replay::run(places, &args)),
        Command::Suggest(args) => on_deep_stack(|| suggest::run(places, &args)),
        Command::Test(args) => on_deep_stack(|| test::run(config, &args)),
        Command::Explain(args) => on_deep_stack(|| explain::run(config, &args)),
    };
    match done {
        Err(error) if is_closed_pipe(&error) => Ok(ExitCode::SUCCESS),
        done => done,
    }
}

/// Statements are read on a stack that is deep enough for them.
fn on_deep_stack(
    work: impl FnOnce() -> anyhow::Result<ExitCode> + Send,
) -> anyhow::Result<ExitCode> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .context("cannot start a thread")?;
        match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
