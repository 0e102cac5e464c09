//! `cargo xtask e2e`: the end-to-end tests, here or on other kernels.
//!
//! `--kernel` boots Debian's kernels in QEMU, each with a root file system in memory that holds the
//! kernel tests and the bypass suite: `packages` gets kernels, `image` makes the file system,
//! `machine` runs it. No acceleration is used, so it works in a virtual machine and takes minutes.

mod image;
mod machine;
mod packages;

use anyhow::{Result, bail};

use crate::setup::{self, Purpose};
use crate::steps::step;
use crate::test;
use image::Image;

/// What is tried when nothing is named: the kernel of Debian 12, and the newer one that Debian
/// keeps for it.
const KERNELS: [&str; 2] = ["linux-image-cloud-amd64", "linux-image-6.12-cloud-amd64"];

/// Arguments of `cargo xtask e2e`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// On Debian's kernels in QEMU instead of this one; or on the kernels in these packages
    #[arg(long, value_name = "PACKAGE", num_args = 0..)]
    kernel: Option<Vec<String>>,
    /// Only tests whose name contains this
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Runs them.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Some(named) = &arguments.kernel else {
        return test::end_to_end_shown(&arguments.rest);
    };
    setup::ensure(&[Purpose::Build, Purpose::Kernel])?;
    let image = Image::build(&arguments.rest)?;
    let all: Vec<&str> = match named.as_slice() {
        [] => KERNELS.to_vec(),
        named => named.iter().map(String::as_str).collect(),
    };
    let mut tried = 0;
    let mut failed = Vec::new();
    for name in all {
        let Some(kernel) = packages::kernel(name)? else {
            println!("{name}: not among this machine's packages");
            continue;
        };
        tried += 1;
        let done = step(&format!("tests on {}", kernel.release), || {
            machine::run(&image, &kernel)
        });
        if let Err(error) = done {
            println!("{error:#}");
            failed.push(kernel.release);
        }
    }
    if tried == 0 {
        bail!("no kernel to try: name a package with `--kernel PACKAGE`");
    }
    if !failed.is_empty() {
        bail!("failed on {}", failed.join(", "));
    }
    Ok(())
}
