//! The project's own chores: `cargo xtask …`, one file a chore.
mod ebpf;

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
    /// Build the kernel programs into the object that the daemon embeds
    Ebpf {
        /// Only compare with the object in the repository
        #[arg(long)]
        check: bool,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Ebpf { check } => ebpf::run(check),
    }
}
