//! One run of pgbench: throughput, latencies and what it cost.

use std::fs;

use anyhow::{Context, Result, bail};
use gateway_tests::programs::{postgres_bin, said};
use serde::Serialize;

use super::plan::{Cell, Mode, Path, Work};
use super::stand::Stand;

/// What one run gave.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    /// Transactions (or connections) a second, as pgbench says.
    pub(crate) per_second: f64,
    /// Median latency of a transaction in milliseconds.
    pub(crate) p50: f64,
    /// 99th percentile, likewise.
    pub(crate) p99: f64,
    /// Processor seconds for 1,000 transactions of PgBouncer's or the gateway's process, the
    /// kernel's part for it included; 0 on the direct path.
    pub(crate) proxy_cpu: f64,
    /// The same of PostgreSQL's processes.
    pub(crate) server_cpu: f64,
}

/// Runs pgbench for `seconds`.
pub(crate) fn measure(stand: &Stand, cell: &Cell, path: Path, seconds: u32) -> Result<Sample> {
    let threads = cell.clients.min(2).to_string();
    let mut pgbench = stand.client(path, postgres_bin()?.join("pgbench"))?;
    pgbench
        .args(["--no-vacuum", "--log", "--log-prefix=latency"])
        .args(["--time", &seconds.to_string(), "--jobs", &threads])
        .args(["--client", &cell.clients.to_string(), "--protocol"])
        .arg(match cell.mode {
            Mode::Simple => "simple",
            Mode::Prepared => "prepared",
        });
    match cell.work {
        Work::Select => pgbench.arg("--select-only"),
        Work::TpcB => pgbench.arg("--builtin=tpcb-like"),
        Work::Connect => {
            fs::write(stand.folder().join("connect.sql"), "SELECT 1;\n")?;
            pgbench.args(["--connect", "--file=connect.sql"])
        }
    };
    let mut launched = stand.launch(path, pgbench)?;
    let before = stand.processor_time(path)?;
    let ran = launched.output()?;
    let after = stand.processor_time(path)?;
    if !ran.status.success() {
        bail!("pgbench, {path}, {cell}: {}\n{}", ran.status, said(&ran));
    }
    let text = String::from_utf8_lossy(&ran.stdout);
    let number = |begin: &str| -> Result<f64> {
        let rest = text.lines().find_map(|line| line.strip_prefix(begin));
        let word = rest.and_then(|rest| rest.split([' ', '/']).next());
        word.with_context(|| format!("pgbench did not say `{begin}`:\n{text}"))?
            .parse()
            .with_context(|| format!("pgbench said `{begin}` oddly:\n{text}"))
    };
    let transactions = number("number of transactions actually processed: ")?;
    let mut latencies = latencies(stand)?;
    Ok(Sample {
        per_second: number("tps = ")?,
        p50: percentile(&mut latencies, 50)?,
        p99: percentile(&mut latencies, 99)?,
        proxy_cpu: (after.0 - before.0) / transactions * 1_000.0,
        server_cpu: (after.1 - before.1) / transactions * 1_000.0,
    })
}

/// Reads and removes pgbench's log: the third field of each line is microseconds.
fn latencies(stand: &Stand) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(stand.folder())? {
        let path = entry?.path();
        if !path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("latency."))
        {
            continue;
        }
        for line in fs::read_to_string(&path)?.lines() {
            let field = line
                .split(' ')
                .nth(2)
                .context("pgbench's log has changed")?;
            all.push(field.parse::<f64>()? / 1_000.0);
        }
        fs::remove_file(path)?;
    }
    Ok(all)
}

fn percentile(values: &mut [f64], percent: usize) -> Result<f64> {
    let rank = (values.len() * percent / 100).min(values.len().saturating_sub(1));
    anyhow::ensure!(!values.is_empty(), "pgbench finished no transaction");
    let (_, value, _) = values.select_nth_unstable_by(rank, f64::total_cmp);
    Ok(*value)
}
