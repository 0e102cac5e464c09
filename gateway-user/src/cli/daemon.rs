//! `gateway daemon`: the daemon's own log, then the daemon.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use tracing_subscriber::EnvFilter;

use super::failure::Failure;
use super::place::CONFIG;
use crate::app::{self, AppError};

/// Arguments of `gateway daemon`.
#[derive(Debug, Args)]
pub struct DaemonArgs {
    /// What to write to standard error: error, warn, info, debug or trace, or a filter such as
    /// `info,gateway::relay=debug` [default: $RUST_LOG, else info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

/// Runs the daemon until a signal ends it.
pub fn run(args: DaemonArgs, config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let filter = match args.log_level {
        Some(level) => EnvFilter::try_new(&level)
            .map_err(|error| Failure::new(format!("--log-level {level}: {error}")).status(2))?,
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .try_init()
        .map_err(|error| anyhow::anyhow!(error))
        .context("cannot start the daemon's log")?;
    let ended = app::run(config.unwrap_or_else(|| PathBuf::from(CONFIG)));
    ended.map(|()| ExitCode::SUCCESS).map_err(explain)
}

/// Without root many things fail, each in its own words; what to do is always the same.
fn explain(error: AppError) -> anyhow::Error {
    let is_configuration = matches!(error, AppError::Configuration(_));
    let error = anyhow::Error::from(error);
    if is_configuration || nix::unistd::geteuid().is_root() {
        return error;
    }
    let help = "the daemon has to run as root, and you are not: use sudo";
    Failure::new(format!("{error:#}")).help(help).into()
}
