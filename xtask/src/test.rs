//! `cargo xtask test`: the tests, in the order in which a failure is cheapest to understand.

use anyhow::Result;

use crate::servers;
use crate::setup::{self, Purpose};
use crate::steps::{cargo, command};

/// Which tests hold on every server: those that hang on what the server knows.
const EVERYWHERE: [&str; 2] = ["masks::", "reading::"];

/// Arguments of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only the end-to-end tests, with their output
    #[arg(long)]
    e2e: bool,
    /// Only the tests that hold on every server, on this major version: 16, 17 or 18
    #[arg(long, value_name = "VERSION", conflicts_with = "e2e")]
    server: Option<String>,
    /// Passed on to the end-to-end tests, such as a part of a name
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Runs the chosen tests.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(version) = &arguments.server {
        setup::ensure(&[Purpose::Build, Purpose::Test])?;
        return on_server(version, &arguments.rest);
    }
    if !arguments.e2e {
        unit()?;
        return end_to_end();
    }
    end_to_end_shown(&arguments.rest)
}

/// The end-to-end tests whose names contain what is given, with their output.
pub(crate) fn end_to_end_shown(names: &[String]) -> Result<()> {
    setup::ensure(&[Purpose::Build, Purpose::Test])?;
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
    setup::ensure(&[Purpose::Build, Purpose::Test])?;
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
    command("end-to-end tests", &mut test)?;
    on_server(servers::NEWEST, &[])
}

/// The tests that hold on every server, or those of these names, on another one than Debian's.
fn on_server(version: &str, names: &[String]) -> Result<()> {
    let programs = servers::fetch(version)?;
    let mut test = cargo();
    test.args(["test", "-p", "gateway-tests", "--test", "e2e", "--locked"])
        .args(["--no-fail-fast", "--"])
        .env("GATEWAY_TEST_SERVER", programs);
    match names {
        [] => test.args(EVERYWHERE),
        names => test.args(names),
    };
    let name = format!("masks and reading on PostgreSQL {version}");
    command(&name, &mut test)
}
