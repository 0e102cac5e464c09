//! `gateway completions` and `gateway man`: what the clap tree tells of itself.

use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use clap_complete::Shell;

/// Arguments of `gateway completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell to write for.
    shell: Shell,
}

/// Arguments of `gateway man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write one page for each command into this directory; without it, the main page goes to
    /// standard output.
    directory: Option<PathBuf>,
}

/// Writes a completion script to standard output.
pub fn completions(args: &CompletionsArgs, mut command: clap::Command) {
    clap_complete::generate(args.shell, &mut command, "gateway", &mut io::stdout());
}

/// Writes manual pages.
pub fn man(args: &ManArgs, command: clap::Command) -> anyhow::Result<()> {
    let Some(directory) = &args.directory else {
        clap_mangen::Man::new(command).render(&mut io::stdout())?;
        return Ok(());
    };
    let failed = || format!("cannot write manual pages into {}", directory.display());
    std::fs::create_dir_all(directory).with_context(failed)?;
    clap_mangen::generate_to(command, directory).with_context(failed)
}
