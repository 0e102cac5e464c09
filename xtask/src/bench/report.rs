//! What was measured, for people and as JSON.
//!
//! A ratio is taken within a round, where machine and neighbours were the same; shown are the
//! median of the rounds and the lowest and highest.

use std::fs;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::json;

use super::Options;
use super::bulk;
use super::idle::Idle;
use super::pgbench::Sample;
use super::plan::{Cell, Path};
use super::rounds::{Samples, show};
use super::spread::{Spread, median};

/// One figure of a sample.
type Figure = fn(&Sample) -> f64;

#[derive(Debug, Serialize)]
struct Measured {
    cell: Cell,
    path: Path,
    round: u32,
    sample: Sample,
}

/// Collects samples and prints each cell when it is complete.
#[derive(Debug)]
pub(crate) struct Report {
    rounds: u32,
    seconds: u32,
    measured: Vec<Measured>,
    idle: Vec<(String, Vec<Idle>)>,
    bulk: Vec<(&'static str, Samples)>,
}

impl Report {
    /// Prints the head of the table.
    pub(crate) fn begin(options: &Options) -> Result<Report> {
        let (rounds, seconds) = (options.rounds(), options.seconds());
        println!(
            "{rounds} interleaved rounds of {seconds} s. Ratios are medians of the rounds [lowest–highest].\n\
             proxy CPU: processor seconds of PgBouncer's or the gateway's process for 1,000 transactions\n\
             all CPU: the same with PostgreSQL's processes\n"
        );
        println!(
            "{:<28} {:<17} {:>9} {:>8} {:>8} {:>9} {:>8}  {:<18} {:<18}",
            "",
            "",
            "per s",
            "p50 ms",
            "p99 ms",
            "proxy CPU",
            "all CPU",
            "rate : direct",
            "rate : PgBouncer"
        );
        Ok(Report {
            rounds,
            seconds,
            measured: Vec::new(),
            idle: Vec::new(),
            bulk: Vec::new(),
        })
    }

    /// Takes a sample.
    pub(crate) fn add(&mut self, cell: &Cell, path: Path, round: u32, sample: Sample) {
        self.measured.push(Measured {
            cell: *cell,
            path,
            round,
            sample,
        });
    }

    /// Prints a cell's lines.
    pub(crate) fn show(&self, cell: &Cell) {
        let mut title = cell.to_string();
        for path in [
            Path::Direct,
            Path::PgBouncer,
            Path::PgBouncerFresh,
            Path::Gateway,
        ] {
            let of = |value: Figure| median(self.values(cell, path, value));
            let Some(rate) = of(|sample| sample.per_second) else {
                continue;
            };
            let shown = |value: Option<f64>| value.map(|v| format!("{v:.3}")).unwrap_or_default();
            println!(
                "{:<28} {:<17} {:>9.0} {:>8} {:>8} {:>9} {:>8}  {:<18} {:<18}",
                std::mem::take(&mut title),
                path.to_string(),
                rate,
                shown(of(|sample| sample.p50)),
                shown(of(|sample| sample.p99)),
                shown(of(|sample| sample.proxy_cpu)),
                shown(of(|sample| sample.proxy_cpu + sample.server_cpu)),
                self.rate_ratio(cell, path, Path::Direct)
                    .unwrap_or_default(),
                self.rate_ratio(cell, path, Path::PgBouncer)
                    .unwrap_or_default(),
            );
        }
    }

    /// Takes and prints the memory of idle connections.
    pub(crate) fn add_idle(&mut self, name: &str, found: Vec<Idle>) {
        for idle in &found {
            println!(
                "{name:<28} {:<17} {:>9} connections, {:.1} KiB each",
                idle.path.to_string(),
                idle.connections,
                idle.kib_per_connection
            );
        }
        self.idle.push((name.to_owned(), found));
    }

    /// Takes what large results took, and prints where their goals stand.
    pub(crate) fn add_bulk(&mut self, measured: Vec<(&'static str, Samples)>) {
        show(&bulk::goals(&measured));
        self.bulk = measured;
    }

    /// Writes the file.
    pub(crate) fn finish(&self, file: &std::path::Path) -> Result<()> {
        let mut cells: Vec<Cell> = Vec::new();
        for measured in &self.measured {
            if !cells.contains(&measured.cell) {
                cells.push(measured.cell);
            }
        }
        let ratios: Vec<_> = cells.iter().map(|cell| self.ratios(cell)).collect();
        let text = serde_json::to_string_pretty(&json!({
            "rounds": self.rounds,
            "seconds": self.seconds,
            "cpu": "processor seconds for 1,000 transactions: proxy_cpu of the proxy's process, \
                    server_cpu of PostgreSQL's processes",
            "latency": "milliseconds",
            "ratios": ratios,
            "samples": self.measured,
            "idle": self.idle,
            "bulk": self.bulk,
        }))?;
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("\nall numbers: {}", file.display());
        Ok(())
    }

    /// Everything as ratios to direct and to PgBouncer.
    fn ratios(&self, cell: &Cell) -> serde_json::Value {
        let figures: [(&str, Figure); 5] = [
            ("per_second", |sample| sample.per_second),
            ("p50", |sample| sample.p50),
            ("p99", |sample| sample.p99),
            ("proxy_cpu", |sample| sample.proxy_cpu),
            ("all_cpu", |sample| sample.proxy_cpu + sample.server_cpu),
        ];
        let mut all = serde_json::Map::new();
        for path in [Path::PgBouncer, Path::PgBouncerFresh, Path::Gateway] {
            for base in [Path::Direct, Path::PgBouncer, Path::PgBouncerFresh] {
                for (name, value) in figures {
                    if path != base
                        && let Some(spread) = self.ratio(cell, path, base, value)
                    {
                        all.insert(format!("{name}: {path} / {base}"), json!(spread));
                    }
                }
            }
        }
        json!({ "cell": cell.to_string(), "ratios": all })
    }

    fn rate_ratio(&self, cell: &Cell, path: Path, base: Path) -> Option<String> {
        let spread = self.ratio(cell, path, base, |sample| sample.per_second)?;
        (path != base).then(|| spread.to_string())
    }

    fn ratio(&self, cell: &Cell, path: Path, base: Path, value: Figure) -> Option<Spread> {
        let ours = self.values(cell, path, value);
        let theirs = self.values(cell, base, value);
        Spread::of(
            ours.iter()
                .zip(&theirs)
                .map(|(our, their)| our / their)
                .collect(),
        )
    }

    /// One figure of a path, a value for each round in order.
    fn values(&self, cell: &Cell, path: Path, value: Figure) -> Vec<f64> {
        self.measured
            .iter()
            .filter(|measured| measured.cell == *cell && measured.path == path)
            .map(|measured| value(&measured.sample))
            .collect()
    }
}
