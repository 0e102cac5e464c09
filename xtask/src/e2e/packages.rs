//! Debian's kernels, unpacked and not installed.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use gateway_tests::programs::{output, target};

use crate::steps::{quietly, step};

/// An unpacked kernel.
pub(super) struct Kernel {
    /// As `uname -r` says it.
    pub(super) release: String,
    /// The kernel itself.
    pub(super) image: PathBuf,
    /// The folder of its modules.
    pub(super) modules: PathBuf,
}

/// The kernel in a package, or in the one that it stands for; none when there is no such package.
pub(super) fn kernel(name: &str) -> Result<Option<Kernel>> {
    let shown = Command::new("apt-cache")
        .args(["depends", "--important", name])
        .output()?;
    if !shown.status.success() {
        return Ok(None);
    }
    let depends = String::from_utf8_lossy(&shown.stdout);
    let package = depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|package| package.starts_with("linux-image-"))
        .unwrap_or(name)
        .to_owned();
    let release = package
        .strip_prefix("linux-image-")
        .unwrap_or(&package)
        .to_owned();
    let folder = target().join("kernels").join(&release);
    let kernel = Kernel {
        image: folder.join(format!("boot/vmlinuz-{release}")),
        modules: folder.join(format!("lib/modules/{release}")),
        release,
    };
    if !kernel.image.is_file() {
        step(&format!("package {package}"), || unpack(&package, &folder))?;
    }
    Ok(Some(kernel))
}

fn unpack(package: &str, folder: &PathBuf) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut download = Command::new("apt-get");
    download
        .current_dir(folder)
        .args(["--quiet", "download", package]);
    quietly("apt-get download", &mut download)?;
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let archive = entries
        .iter()
        .map(fs::DirEntry::path)
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get downloaded nothing")?;
    output(Command::new("dpkg").arg("-x").arg(&archive).arg(folder))?;
    fs::remove_file(archive)?;
    Ok(())
}
