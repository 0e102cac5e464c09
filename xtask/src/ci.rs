//! `cargo xtask ci`: everything that must hold before a change goes in, cheapest first.

use anyhow::Result;

use crate::setup::{self, Purpose};
use crate::steps::{cargo, command, has_cargo_command, step};
use crate::{test, tidy};

/// Runs all of it; stops at the first failure.
pub(crate) fn run() -> Result<()> {
    setup::ensure(&[Purpose::Build, Purpose::Test])?;
    command("format", cargo().args(["fmt", "--all", "--check"]))?;
    step("tidy", tidy::check)?;
    let mut clippy = cargo();
    clippy.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]);
    command("lints", &mut clippy)?;
    if has_cargo_command("deny") {
        // Advisories need a database from the network; they are checked where that is.
        let mut deny = cargo();
        deny.args(["deny", "--offline", "check", "licenses", "bans", "sources"]);
        command("licences and sources of dependencies", &mut deny)?;
    } else {
        println!("licences and sources of dependencies … skipped: cargo-deny is not installed");
    }
    test::unit()?;
    test::end_to_end()?;
    println!("all is well");
    Ok(())
}
