//! `gateway sessions replay`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Args;

use super::{digest, find, show, statement};
use crate::recording::reader::Reader;

/// Arguments of `gateway sessions replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The session's id, or so much of its beginning that it is the only one
    #[arg(value_name = "ID")]
    id: String,
    /// So many times as fast
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = parse_speed)]
    speed: f64,
    /// Never wait longer than this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    max_wait: Option<u64>,
    /// Do not wait at all
    #[arg(long, conflicts_with_all = ["speed", "max_wait"])]
    no_wait: bool,
}

pub(super) fn run(directory: &Path, args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let found = find::one(directory, &args.id)?;
    let mut out = anstream::stdout();
    show::head(&mut out, &digest::of(&found)?)?;
    writeln!(out)?;
    let mut started = None;
    let mut before = None;
    for read in Reader::open(&found.path)? {
        let read = read?;
        let begin = *started.get_or_insert(read.time);
        let since = before
            .replace(read.time)
            .map_or(Duration::ZERO, |before: jiff::Timestamp| {
                // A clock that was set back in between is no reason to wait.
                Duration::try_from(read.time.duration_since(before)).unwrap_or(Duration::ZERO)
            });
        wait(since, args);
        statement::print(&mut out, begin, &read)?;
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn wait(since: Duration, args: &ReplayArgs) {
    if args.no_wait {
        return;
    }
    let wait = since.div_f64(args.speed);
    let longest = args.max_wait.map_or(Duration::MAX, Duration::from_secs);
    thread::sleep(wait.min(longest));
}

fn parse_speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.001..=1_000_000.0).contains(&speed) => Ok(speed),
        _ => Err("expected a number from 0.001 to 1000000, such as 10".to_owned()),
    }
}
