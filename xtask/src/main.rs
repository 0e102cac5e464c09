//! The project's own chores: `cargo xtask …`.
//!
//! What a person or CI does to this repository is here in Rust, one file a chore; the scripts in
//! `scripts/` only find a toolchain and call this. The servers that demo and bench use come from
//! the test harness.
#![expect(clippy::print_stdout, reason = "a chore talks to whoever runs it")]

mod bench;
mod ci;
mod demo;
mod e2e;
mod ebpf;
mod servers;
mod setup;
mod steps;
mod suite;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the project
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Install what is missing on this machine (Debian, as root)
    Setup(setup::Arguments),
    /// Everything that must hold: format, lints, tidy, unit and end-to-end tests
    Ci,
    /// Run tests: those without privileges, then the end-to-end ones
    Test(test::Arguments),
    /// Run the end-to-end tests with their output, here or on other kernels in QEMU
    E2e(e2e::Arguments),
    /// Check the shape of the source: layers, headers, sizes, dependencies, code map
    Tidy,
    /// Build the kernel programs into the object that the daemon embeds
    Ebpf {
        /// Only compare with the object in the repository
        #[arg(long)]
        check: bool,
    },
    /// Show what the gateway does, on a throw-away database
    Demo,
    /// Measure
    Bench(bench::Arguments),
    /// The client's part of a measurement; `bench` starts this
    #[command(hide = true)]
    Load(bench::load::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Setup(arguments) => setup::run(&arguments),
        Chore::Ci => ci::run(),
        Chore::Test(arguments) => test::run(&arguments),
        Chore::E2e(arguments) => e2e::run(&arguments),
        Chore::Tidy => tidy::run(),
        Chore::Ebpf { check } => ebpf::run(check),
        Chore::Demo => demo::run(),
        Chore::Bench(arguments) => bench::run(&arguments),
        Chore::Load(arguments) => bench::load::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
