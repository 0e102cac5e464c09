//! `gateway tail`: the enforcement log, as it is written.
//!
//! How an entry reads is in `entry` and `ask`; the log itself is made in `observe`. Follows the file across
//! rotation by looking at it five times a second, which needs no watch that could be lost.

mod ask;
mod attached;
mod entry;
mod follow;

use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use self::entry::Layout;
use self::follow::Follower;
use super::failure::Failure;
use super::printable::json;
use crate::observe::enforcement::Entry;

const INTERVAL: Duration = Duration::from_millis(200);

/// Arguments of `gateway tail`.
#[derive(Debug, Args)]
pub(super) struct TailArgs {
    /// Begin with so many of the last entries
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    lines: usize,
    /// Go on as the log grows; what happens on a terminal anyway
    #[arg(short, long)]
    follow: bool,
    /// Stop at the end of the log
    #[arg(long, conflicts_with = "follow")]
    no_follow: bool,
    /// Write the log's own JSON lines
    #[arg(long)]
    json: bool,
    /// Only this workload
    #[arg(short, long, value_name = "NAME")]
    workload: Option<String>,
    /// Only what was refused, or would have been
    #[arg(short, long)]
    denied: bool,
}

/// Shows the log at `log`.
pub(super) fn run(log: &Path, args: &TailArgs) -> anyhow::Result<ExitCode> {
    match show(log, args) {
        // Whoever reads has read enough.
        Err(error) if is_closed_pipe(&error) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

/// Whether the reader of our output has gone.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn show(log: &Path, args: &TailArgs) -> anyhow::Result<()> {
    let mut follower = Follower::open(log).map_err(|error| missing(log, error))?;
    let terminal = io::stdout().is_terminal();
    let mut printer = Printer {
        out: anstream::stdout(),
        layout: Layout::default(),
        terminal,
        args,
    };
    let last = follower
        .last(args.lines, |line| printer.wants(line))
        .with_context(|| format!("cannot read {}", log.display()))?;
    for line in &last {
        printer.print(line)?;
    }
    let follow = args.follow || (!args.no_follow && terminal);
    if last.is_empty() && terminal {
        let what = if follow { "; waiting" } else { "" };
        anstream::eprintln!("no such entries in {} yet{what}", log.display());
    }
    if !follow {
        return Ok(());
    }
    loop {
        let lines = follower
            .grown()
            .with_context(|| format!("cannot read {}", log.display()))?;
        for line in &lines {
            if printer.wants(line) {
                printer.print(line)?;
            }
        }
        if lines.is_empty() {
            thread::sleep(INTERVAL);
        }
    }
}

fn missing(log: &Path, error: io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        io::ErrorKind::NotFound => {
            "it is written once the daemon runs: `gateway daemon --config FILE`; if the daemon uses \
             another file, give its --config"
        }
        io::ErrorKind::PermissionDenied => "run this as root (sudo) or as a member of its group",
        _ => return anyhow::Error::new(error).context(format!("cannot read {}", log.display())),
    };
    let message = format!("cannot read the enforcement log {}: {error}", log.display());
    Failure::new(message).help(advice).into()
}

struct Printer<'a, W> {
    out: W,
    layout: Layout,
    terminal: bool,
    args: &'a TailArgs,
}

impl<W: Write> Printer<'_, W> {
    fn wants(&self, line: &str) -> bool {
        if self.args.workload.is_none() && !self.args.denied {
            return true;
        }
        let Ok(entry) = serde_json::from_str::<Entry>(line) else {
            return false;
        };
        let workload = entry::workload(&entry.what);
        let wanted = self.args.workload.as_deref();
        (wanted.is_none() || wanted == workload) && (!self.args.denied || entry::is_no(&entry.what))
    }

    fn print(&mut self, line: &str) -> anyhow::Result<()> {
        if self.args.json {
            // Scripts get the log's own bytes.
            if self.terminal {
                writeln!(self.out, "{}", json(line))?;
            } else {
                writeln!(self.out, "{line}")?;
            }
        } else {
            self.layout.print(&mut self.out, line)?;
        }
        self.out.flush()?;
        Ok(())
    }
}
