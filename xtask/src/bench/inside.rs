//! `bench policy` and `bench statements`: how long a decision takes, and the reading of a statement. What is
//! measured is in `gateway-core`, where engine and reader are; the tables that it prints are those of
//! `docs/benchmarks.md`.

use anyhow::{Result, ensure};

use crate::steps::cargo;

/// Measures and reports: what is in the core under this name.
pub(crate) fn run(name: &str) -> Result<()> {
    let mut bench = cargo();
    bench.args(["bench", "--quiet", "-p", "gateway-core", "--bench", name]);
    let status = bench.status()?;
    ensure!(status.success(), "the measurement ended with {status}");
    Ok(())
}
