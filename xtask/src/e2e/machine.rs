//! An emulated machine that runs the tests and tells by its serial console how they went.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use gateway_tests::programs::{find, target};

use super::image::Image;
use super::packages::Kernel;

/// What the tests may take, in seconds: emulation is some twenty times slower than the machine.
const PATIENCE: &str = "1800";

/// Runs both suites; an error holds what failed.
pub(super) fn run(image: &Image, kernel: &Kernel) -> Result<()> {
    let archive = image.pack(kernel)?;
    let path = target().join(format!("logs/kernel-{}.log", kernel.release));
    fs::create_dir_all(path.parent().context("a log is in a folder")?)?;
    let console = File::create(&path)?;
    let mut machine = Command::new("timeout");
    machine
        .arg(PATIENCE)
        .arg(find("qemu-system-x86_64")?)
        .args([
            "-accel",
            "tcg",
            "-smp",
            "2",
            "-m",
            "3072",
            "-nographic",
            "-no-reboot",
        ])
        // Without cmpxchg16b, which QEMU before 8 emulates wrongly: Linux 6.12 stumbles over it.
        .args(["-nodefaults", "-serial", "stdio", "-cpu", "max,cx16=off"])
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(&archive)
        // On a busy host the emulated timer is late when the kernel looks whether it works at all.
        .args(["-append", "console=ttyS0 quiet panic=-1 no_timer_check"]);
    let status = machine
        .stdin(Stdio::null())
        .stdout(console.try_clone()?)
        .stderr(console)
        .status()
        .context("cannot run QEMU")?;
    fs::remove_file(archive)?;
    let said = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
    let result = |suite: &str| {
        let line = said.lines().find(|line| line.starts_with(suite))?;
        line.rsplit(' ').next().map(str::trim)
    };
    for suite in ["== kernel tests:", "== bypass suite:"] {
        if result(suite) != Some("0") {
            let failed = said
                .lines()
                .filter(|line| line.contains("FAILED") || line.contains("panicked"));
            let failed: Vec<&str> = failed.collect();
            bail!(
                "{suite} failed (the machine ended with {status}):\n{}\nall of it is in {}",
                failed.join("\n"),
                path.display()
            );
        }
    }
    Ok(())
}
