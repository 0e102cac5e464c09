//! `bench policy`: how long a decision takes. What is measured is in `gateway-core`, where the engine
//! is; the tables that it prints are those of `docs/benchmarks.md`.

use anyhow::{Result, ensure};

use crate::steps::cargo;

/// Measures and reports.
pub(crate) fn run() -> Result<()> {
    let mut bench = cargo();
    bench.args([
        "bench",
        "--quiet",
        "-p",
        "gateway-core",
        "--bench",
        "policy",
    ]);
    let status = bench.status()?;
    ensure!(status.success(), "the measurement ended with {status}");
    Ok(())
}
