//! A server process: its output in a file, stopped when dropped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::guardian::Undo;
use crate::wait;

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    last_resort: Signal,
    undo: Undo,
}

impl Process {
    /// Starts `command` with both streams going to `log`, appended. `last_resort` is the signal
    /// that ends it at once: `SIGKILL`, or `SIGQUIT` for PostgreSQL, which then takes its children
    /// and its shared memory along.
    pub fn start(
        name: &str,
        command: &mut Command,
        log: &Path,
        last_resort: Signal,
    ) -> Result<Process> {
        let file = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let id = child.id();
        let undo = Undo::promise(&format!(
            "kill -{} {id}; for _ in {{1..100}}; do kill -0 {id} || break; sleep .05; done",
            last_resort.as_str().trim_start_matches("SIG"),
        ))?;
        Ok(Process {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
            last_resort,
            undo,
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has printed.
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Waits until `ready`; fails with the log's end when the process ends before or it takes
    /// too long.
    pub fn wait_ready(&mut self, mut ready: impl FnMut() -> Result<bool>) -> Result<()> {
        let waited = wait::until(&format!("{} is ready", self.name), || {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}", self.name);
            }
            Ok(ready()?.then_some(()))
        });
        waited.with_context(|| format!("{} said:\n{}", self.name, tail(&self.log())))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id())?;
        kill(Pid::from_raw(id), signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Sends a signal and waits for the end.
    pub fn stop(&mut self, signal: Signal) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            self.undo.cancel();
            return Ok(status);
        }
        self.signal(signal)?;
        self.wait_end()
    }

    /// Waits until it has ended by itself.
    pub fn wait_end(&mut self) -> Result<ExitStatus> {
        let what = format!("{} ends", self.name);
        let status = wait::until(&what, || Ok(self.child.try_wait()?))
            .with_context(|| format!("{} said:\n{}", self.name, tail(&self.log())))?;
        self.undo.cancel();
        Ok(status)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A destructor has nobody to report to; the guardian is the second line.
        if self.stop(self.last_resort).is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The last lines of a log, enough to see what went wrong.
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines
        .iter()
        .skip(lines.len().saturating_sub(30))
        .map(|line| format!("    {line}\n"))
        .collect()
}
