//! The program under test as a process: own folders, own port, own configuration.
//!
//! Only its public door is used: the command line, the configuration file, recordings and log.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::guardian::Undo;
use crate::policy_file::PolicyFile;
use crate::process::Process;
use crate::programs::{self, bounded, require_root, said};
use crate::recordings::Recording;
use crate::sandbox::{Sandbox, free_port};
use crate::wait;

/// A running daemon. Dropping it detaches everything, ends it and removes its folders.
#[derive(Debug)]
pub struct Gateway {
    process: Process,
    program: PathBuf,
    /// What becomes the daemon: a program with arguments, to which the daemon's are added.
    within: Vec<String>,
    config: PathBuf,
    port: u16,
    undo: Undo,
    sandbox: Sandbox,
}

impl Gateway {
    /// Starts a daemon with this policy and waits until it answers.
    pub fn start(policy: &PolicyFile) -> Result<Gateway> {
        Gateway::start_program(programs::gateway()?, policy)
    }

    /// As [`Gateway::start`] with a program of one's own choice.
    pub fn start_program(program: PathBuf, policy: &PolicyFile) -> Result<Gateway> {
        Gateway::begin(program, policy, |_| Ok(Vec::new()))
    }

    /// As [`Gateway::start`], with the daemon started as a service manager would: by a program and
    /// arguments that `within` tells for the daemon's folder, and that become the daemon.
    pub fn start_within(
        policy: &PolicyFile,
        within: impl FnOnce(&Path) -> Result<Vec<String>>,
    ) -> Result<Gateway> {
        Gateway::begin(programs::gateway()?, policy, within)
    }

    fn begin(
        program: PathBuf,
        policy: &PolicyFile,
        within: impl FnOnce(&Path) -> Result<Vec<String>>,
    ) -> Result<Gateway> {
        require_root()?;
        let sandbox = Sandbox::new("daemon")?;
        let port = free_port()?;
        let config = sandbox.write("gateway.toml", &policy.render(sandbox.path(), port))?;
        // In this order: hooks first, so that nothing refers to the mount when it goes.
        let undo = Undo::promise(&format!(
            "'{}' --config '{}' detach --all; umount -l '{}'",
            program.display(),
            config.display(),
            sandbox.join("run/bpf").display(),
        ))?;
        let within = within(sandbox.path())?;
        let process = launch(&within, &program, &config, &sandbox)?;
        let mut gateway = Gateway {
            process,
            program,
            within,
            config,
            port,
            undo,
            sandbox,
        };
        gateway.wait_ready()?;
        Ok(gateway)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let mut status = command(&self.program, &self.config);
        status.args(["status", "--json"]);
        self.process
            .wait_ready(|| Ok(status.output()?.status.success()))
    }

    /// A command of the program, with this daemon's configuration.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = command(&self.program, &self.config);
        command.args(arguments);
        command
    }

    /// Runs a command of the program to its end.
    pub fn call<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<Output> {
        let mut command = self.command(arguments);
        command
            .output()
            .with_context(|| format!("cannot run {command:?}"))
    }

    /// As [`Gateway::call`]; what it printed, or an error with all that it said.
    pub fn ask<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<String> {
        programs::output(&mut bounded(&self.command(arguments)))
    }

    /// `gateway run --as WORKLOAD -- …` for a command that is put together elsewhere, with its
    /// environment. It is root's, since programs under test may be where only root can read.
    pub fn run(&self, workload: &str, agent: &Command) -> Command {
        self.run_with(&["--as", workload, "--user", "root"], agent)
    }

    /// `gateway run … -- …` with options of one's own.
    pub fn run_with(&self, options: &[&str], agent: &Command) -> Command {
        let mut run = self.command(["run"]);
        run.args(options).arg("--");
        run.arg(agent.get_program()).args(agent.get_args());
        for (name, value) in agent.get_envs() {
            match value {
                Some(value) => run.env(name, value),
                None => run.env_remove(name),
            };
        }
        if let Some(folder) = agent.get_current_dir() {
            run.current_dir(folder);
        }
        run
    }

    /// Runs a command as the workload `agent` to its end.
    pub fn agent(&self, agent: &Command) -> Result<Output> {
        let run = self.run("agent", agent);
        bounded(&run)
            .output()
            .with_context(|| format!("cannot run {run:?}"))
    }

    /// `gateway status --json`.
    pub fn status(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.ask(["status", "--json"])?)?)
    }

    /// The port on which it takes redirected connections.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Its configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// A path in its folder: `state`, `run`, `sessions`, `enforcement.jsonl`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.join(name)
    }

    /// What the daemon has printed.
    pub fn output(&self) -> String {
        self.process.log()
    }

    /// The lines of the enforcement log.
    pub fn enforcement(&self) -> Result<Vec<Value>> {
        Ok(Recording::read(&self.path("enforcement.jsonl"))?.lines)
    }

    /// The recordings so far, oldest first.
    pub fn recordings(&self) -> Result<Vec<Recording>> {
        Recording::all(&self.path("sessions"))
    }

    /// Waits until there are `count` complete recordings, and returns them.
    pub fn wait_recordings(&self, count: usize) -> Result<Vec<Recording>> {
        wait::until(&format!("{count} complete recordings"), || {
            let mut all = self.recordings()?;
            all.retain(Recording::is_complete);
            Ok((all.len() >= count).then_some(all))
        })
    }

    /// Writes another policy and has the daemon read it.
    pub fn reload(&self, policy: &PolicyFile) -> Result<()> {
        self.write_policy(policy)?;
        self.process.signal(Signal::SIGHUP)
    }

    /// Writes another policy, which the daemon reads when it is told to or started.
    pub fn write_policy(&self, policy: &PolicyFile) -> Result<()> {
        let text = policy.render(self.sandbox.path(), self.port);
        self.sandbox.write("gateway.toml", &text).map(drop)
    }

    /// Sends the daemon a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Ends the daemon with `signal`; what it attached stays.
    pub fn stop(&mut self, signal: Signal) -> Result<ExitStatus> {
        self.process.stop(signal)
    }

    /// Waits until the daemon has ended by itself.
    pub fn wait_end(&mut self) -> Result<ExitStatus> {
        self.process.wait_end()
    }

    /// Starts it again after [`Gateway::stop`].
    pub fn restart(&mut self) -> Result<()> {
        self.process = launch(&self.within, &self.program, &self.config, &self.sandbox)?;
        self.wait_ready()
    }

    /// Detaches everything and ends the daemon; then says what is still there that should not be.
    pub fn shut_down(&mut self) -> Result<Vec<String>> {
        let detached = self.call(["detach", "--all"])?;
        let status = self.process.stop(Signal::SIGTERM)?;
        let mut left = Vec::new();
        if !detached.status.success() {
            left.push(format!("gateway detach --all: {}", said(&detached)));
        }
        if !status.success() {
            left.push(format!("the daemon ended with {status}"));
        }
        left.extend(self.mounts()?);
        Ok(left)
    }

    /// Mounts that are still in its folder.
    fn mounts(&self) -> Result<Vec<String>> {
        let mounts = std::fs::read_to_string("/proc/self/mounts")?;
        let folder = self.sandbox.path().display().to_string();
        Ok(mounts
            .lines()
            .filter(|line| line.contains(&folder))
            .map(str::to_owned)
            .collect())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Nobody to report to: `shut_down` is what a test calls that wants to know. The guardian
        // does the same again unless all of it worked.
        let detached = self
            .call(["detach", "--all"])
            .is_ok_and(|ran| ran.status.success());
        let stopped = self.process.stop(Signal::SIGTERM).is_ok();
        let bpffs = self.sandbox.join("run/bpf");
        let mounted = self.mounts().map_or(true, |mounts| !mounts.is_empty());
        let unmounted = !mounted || nix::mount::umount(&bpffs).is_ok();
        if detached && stopped && unmounted {
            self.undo.cancel();
        }
    }
}

fn command(program: &Path, config: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("--config").arg(config).env_remove("RUST_LOG");
    command
}

fn launch(within: &[String], program: &Path, config: &Path, sandbox: &Sandbox) -> Result<Process> {
    let mut daemon = match within {
        [] => Command::new(program),
        [first, rest @ ..] => {
            let mut daemon = Command::new(first);
            daemon.args(rest).arg(program);
            daemon
        }
    };
    daemon.args(["daemon", "--config"]).arg(config);
    Process::start(
        "gateway daemon",
        &mut daemon,
        &sandbox.join("daemon.log"),
        Signal::SIGKILL,
    )
}
