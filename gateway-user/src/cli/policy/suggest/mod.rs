//! `gateway policy suggest`: the rules that let pass what recorded sessions did, and as little else as
//! can be read.
//!
//! `gather` goes through the sessions, `shape` says what of an action a rule has to ask for and puts
//! actions together that ask for the same, `write` makes TOML of that.

mod gather;
mod shape;
#[cfg(test)]
mod tests;
mod write;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use self::gather::Gathered;
use super::recorded::chosen;
use crate::cli::place::Places;
use crate::cli::printable;
use crate::config::Config;
use crate::recording::reader::Reader;

pub(super) const HELP: &str = "\
Prints [[rule]]s to look through and to put into the configuration. What was refused is not among what
they allow, nor what a deny rule refused by being observed. Where a rule lets pass more than was seen
because nothing narrower can be said, it says so.

Examples:
  gateway policy suggest --all --workload planner
  gateway policy suggest --from 019a9f3c 019a9f41 > rules.toml";

/// Arguments of `gateway policy suggest`.
#[derive(Debug, Args)]
pub(super) struct SuggestArgs {
    /// Sessions' ids, or beginnings of them
    #[arg(long, value_name = "SESSION", num_args = 1.., required_unless_present = "all")]
    from: Vec<String>,
    /// From all recordings
    #[arg(long, conflicts_with = "from")]
    all: bool,
    /// Only of this workload
    #[arg(long, value_name = "NAME")]
    workload: Option<String>,
    /// Only for this resource
    #[arg(long, value_name = "NAME")]
    resource: Option<String>,
    /// Read recordings from here [default: the configuration's recording directory]
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Write one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(places: &Places, args: &SuggestArgs) -> anyhow::Result<ExitCode> {
    let (config, _warnings) = Config::load(&places.config)?;
    let found = chosen(places, args.directory.as_ref(), &args.from, args.all)?;
    let mut gathered = Gathered::new(args.workload.as_deref(), args.resource.as_deref());
    for recording in found {
        let lines = Reader::open(&recording.path)?;
        gathered.add(&config, lines.map(|line| Ok(line?.event)))?;
    }
    let suggested = gathered.suggest(&config);
    let mut out = io::stdout().lock();
    if args.json {
        // The names are agents'.
        let text = serde_json::to_string(&write::for_machines(&suggested))?;
        writeln!(out, "{}", printable::json(&text))?;
    } else {
        write!(out, "{}", write::text(&suggested))?;
    }
    Ok(if suggested.rules.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
