//! Where the programs are that the harness starts, and what to say when one is missing.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

const SETUP: &str = "run `cargo xtask setup --for test` (as root, on Debian)";

/// A program on `PATH` or in the folders where Debian keeps those of the administrator.
pub fn find(name: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .with_context(|| format!("{name} is not installed: {SETUP}"))
}

/// The newest PostgreSQL's folder of programs, as Debian installs them side by side.
pub fn postgres_bin() -> Result<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
            versions
                .filter_map(|entry| {
                    let entry = entry.ok()?;
                    let version: u32 = entry.file_name().to_str()?.parse().ok()?;
                    let bin = entry.path().join("bin");
                    bin.join("postgres").is_file().then_some((version, bin))
                })
                .max()
                .map(|(_, bin)| bin)
        })
        .as_deref()
        .with_context(|| format!("no PostgreSQL server under /usr/lib/postgresql: {SETUP}"))
}

/// The folder with the programs of the server itself: that of `GATEWAY_TEST_SERVER`, which another version is
/// tried with (`cargo xtask test --server`), or else the same.
pub fn server_bin() -> Result<PathBuf> {
    match std::env::var_os("GATEWAY_TEST_SERVER") {
        Some(folder) => Ok(folder.into()),
        None => Ok(postgres_bin()?.to_owned()),
    }
}

/// The repository's root.
pub fn root() -> &'static Path {
    // The manifest of this package is `tests/Cargo.toml`.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("/"))
}

/// The folder that cargo builds into.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Python with the clients that are tried, in a virtual environment of our own.
pub fn python() -> Result<PathBuf> {
    let python = target().join("test-clients/bin/python");
    if !python.is_file() {
        bail!("the Python clients are not installed: {SETUP}");
    }
    Ok(python)
}

/// Where PostgreSQL's own tests are kept, if they were fetched.
pub fn postgres_suite_folder() -> PathBuf {
    target().join("postgres-suite")
}

/// PostgreSQL's own tests: `regress` and `isolation` as they are in its source.
pub fn postgres_suite() -> Result<PathBuf> {
    let folder = postgres_suite_folder();
    if !folder.join("version.txt").is_file() {
        bail!("PostgreSQL's own tests were not fetched: {SETUP}");
    }
    Ok(folder)
}

/// The program under test. `GATEWAY_BIN` names one; else it is built, once for each test process.
pub fn gateway() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| build_gateway(Profile::Dev).map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(anyhow::Error::msg)
}

/// How the program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Quickly.
    Dev,
    /// To run quickly.
    Release,
}

/// Builds the program unless `GATEWAY_BIN` names one, and says where it is.
pub fn build_gateway(profile: Profile) -> Result<PathBuf> {
    if let Some(named) = env::var_os("GATEWAY_BIN") {
        return Ok(PathBuf::from(named));
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .current_dir(root())
        .args(["build", "--quiet", "-p", "gateway-user", "--bin", "gateway"]);
    let folder = match profile {
        Profile::Dev => "debug",
        Profile::Release => {
            build.arg("--release");
            "release"
        }
    };
    output(&mut build).context("the gateway does not build")?;
    Ok(target().join(folder).join("gateway"))
}

/// Runs to the end and returns what it printed; fails with what it complained of.
pub fn output(command: &mut Command) -> Result<String> {
    let ran = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !ran.status.success() {
        bail!("{command:?} ended with {}:\n{}", ran.status, said(&ran));
    }
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}

/// The same command, ended after a while: what hangs is to fail a test and not to stop them all.
pub fn bounded(command: &Command) -> Command {
    let mut bounded = Command::new("timeout");
    bounded.args(["--foreground", "--kill-after=5", "120"]);
    bounded.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bounded.env(name, value),
            None => bounded.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        bounded.current_dir(folder);
    }
    bounded
}

/// Both streams as text, errors first.
pub fn said(ran: &Output) -> String {
    let mut text = String::from_utf8_lossy(&ran.stderr).into_owned();
    text.push_str(&String::from_utf8_lossy(&ran.stdout));
    text
}

/// The tests attach kernel programs and start servers under their own users.
pub fn require_root() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("these tests attach kernel programs and start servers: run them as root");
    }
    Ok(())
}
