//! `cargo xtask test`: the tests, in the order in which a failure is cheapest to understand.

use anyhow::Result;

use crate::setup::{self, Purpose};
use crate::steps::{cargo, command};

/// Arguments of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only the end-to-end tests, with their output
    #[arg(long)]
    e2e: bool,
    /// Passed on to the end-to-end tests, such as a part of a name
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Runs the chosen tests.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if !arguments.e2e {
        unit()?;
        return end_to_end();
    }
    end_to_end_shown(&arguments.rest)
}

/// The end-to-end tests whose names contain what is given, with their output.
pub(crate) fn end_to_end_shown(names: &[String]) -> Result<()> {
    setup::ensure(&[Purpose::Test])?;
    let status = cargo()
        .args(["test", "--quiet", "-p", "gateway-tests", "--"])
        .args(names)
        .status()?;
    anyhow::ensure!(status.success(), "the end-to-end tests ended with {status}");
    Ok(())
}

/// Tests that need neither servers nor programs: parsers, policy, conformance laws, chores.
pub(crate) fn unit() -> Result<()> {
    let mut build = cargo();
    build.args([
        "test",
        "--workspace",
        "--exclude",
        "gateway-tests",
        "--locked",
        "--no-run",
    ]);
    command("build the unit tests", &mut build)?;
    let mut test = cargo();
    test.args([
        "test",
        "--workspace",
        "--exclude",
        "gateway-tests",
        "--locked",
        "--no-fail-fast",
    ]);
    command("unit and conformance tests", &mut test)
}

/// Tests with real clients, servers and the kernel.
pub(crate) fn end_to_end() -> Result<()> {
    setup::ensure(&[Purpose::Test])?;
    let mut build = cargo();
    build.args([
        "build",
        "-p",
        "gateway-user",
        "--bin",
        "gateway",
        "--locked",
    ]);
    command("build the gateway", &mut build)?;
    let mut build = cargo();
    build.args(["test", "-p", "gateway-tests", "--locked", "--no-run"]);
    command("build the end-to-end tests", &mut build)?;
    let mut test = cargo();
    test.args(["test", "-p", "gateway-tests", "--locked", "--no-fail-fast"]);
    command("end-to-end tests", &mut test)
}
