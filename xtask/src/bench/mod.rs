//! `cargo xtask bench`: what the gateway costs, against nothing and against PgBouncer.
//!
//! Rounds are interleaved and each round's ratios are its own, because a shared machine's speed
//! drifts by more than what is measured. `plan` says what is measured, `stand` sets up the ways
//! to the server, `pgbench`, `idle` and `bulk` measure, `report` tells. `connect` is what the kernel side
//! adds to a connection and `relay` what an uninspected stream loses: their clients are in `load`, their
//! servers in `target`. `inside` is what a decision takes, and the reading of a statement; `holds` what a
//! statement that waits for people does.

mod bulk;
mod connect;
mod cpu;
mod holds;
mod idle;
mod inside;
pub(crate) mod load;
mod open_way;
mod pgbench;
mod plan;
mod relay;
mod report;
mod rounds;
mod spread;
mod stand;
mod target;

use std::path::PathBuf;

use anyhow::Result;
use gateway_tests::programs::target;

use crate::setup::{self, Purpose};

/// Arguments of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// pgbench direct, through PgBouncer and through the gateway
    Postgres(Options),
    /// Connections: hooks off, on somebody else, redirecting; whole sessions; time in the kernel
    Connect(rounds::Options),
    /// An uninspected stream: direct, copied by tokio, and through the gateway
    Relay(rounds::Options),
    /// Decisions: by the number of rules, with conditions, and with conditions that mean harm
    Policy,
    /// Statements: how long one takes to be read that is new, and one that was read before
    Statements,
    /// Statements that wait for people: memory for each, and how fast all go on
    Holds,
}

/// How long and how much.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// A short run of a few cells, to see that nothing is badly wrong
    #[arg(long)]
    quick: bool,
    /// Interleaved rounds for each cell
    #[arg(long)]
    rounds: Option<u32>,
    /// Seconds for each measurement
    #[arg(long)]
    seconds: Option<u32>,
    /// Only cells whose name holds this, such as `select`, `tls`, `prepared`, `connect`, `idle`, `bulk`
    #[arg(long)]
    only: Option<String>,
    /// Only the paths that need no gateway
    #[arg(long)]
    without_gateway: bool,
    /// Idle connections for the memory measurement
    #[arg(long, default_value_t = 5_000)]
    idle: u32,
    /// Where the numbers go
    #[arg(long, default_value_os_t = target().join("bench-postgres.json"))]
    json: PathBuf,
}

impl Options {
    fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 2 } else { 3 })
    }

    fn seconds(&self) -> u32 {
        self.seconds.unwrap_or(if self.quick { 1 } else { 4 })
    }

    fn wants(&self, name: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| name.contains(only.as_str()))
    }
}

/// Measures and reports.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    setup::ensure(&[Purpose::Build, Purpose::Bench, Purpose::Test])?;
    match &arguments.what {
        What::Postgres(options) => postgres(options),
        What::Connect(options) => connect::run(options),
        What::Relay(options) => relay::run(options),
        What::Policy => inside::run("policy"),
        What::Statements => inside::run("statements"),
        What::Holds => holds::run(),
    }
}

fn postgres(options: &Options) -> Result<()> {
    let mut report = report::Report::begin(options)?;
    for tls in [false, true] {
        measure(options, tls, &mut report)?;
    }
    report.add_bulk(bulk::measure(options)?);
    report.finish(&options.json)
}

fn measure(options: &Options, tls: bool, report: &mut report::Report) -> Result<()> {
    let cells: Vec<plan::Cell> = plan::cells(options.quick, tls)
        .filter(|cell| options.wants(&cell.to_string()))
        .collect();
    if !cells.is_empty() {
        let stand = stand::Stand::set_up(tls, !options.without_gateway)?;
        for cell in cells {
            for round in 0..options.rounds() {
                for path in stand.in_turn(cell.work, round) {
                    let sample = pgbench::measure(&stand, &cell, path, options.seconds())?;
                    report.add(&cell, path, round, sample);
                }
            }
            report.show(&cell);
        }
    }
    let name = if tls {
        "idle connections, tls"
    } else {
        "idle connections"
    };
    if options.wants(name) && (tls || !options.quick) {
        report.add_idle(name, idle::measure(options, tls)?);
    }
    Ok(())
}
