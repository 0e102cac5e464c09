//! A cgroup of the test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result};

use crate::guardian::Undo;
use crate::programs::{bounded, find, require_root};
use crate::wait;

/// A cgroup below the root of the hierarchy. Dropping it removes it once its processes are gone, and
/// with it empty ones that somebody else made in it and left, as runtimes of containers do.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    undo: Undo,
}

impl Cgroup {
    /// Makes the cgroup; `name` shows in its path and must be the test's own.
    pub fn new(name: &str) -> Result<Cgroup> {
        require_root()?;
        Cgroup::at(mount()?.join(format!("gateway-test-{}-{name}", std::process::id())))
    }

    /// Makes a cgroup in this one.
    pub fn child(&self, name: &str) -> Result<Cgroup> {
        Cgroup::at(self.path.join(name))
    }

    /// Makes the cgroup at this folder.
    pub fn at(path: PathBuf) -> Result<Cgroup> {
        let undo = Undo::promise(&format!(
            "find '{}' -depth -type d -exec rmdir {{}} +",
            path.display()
        ))?;
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Cgroup { path, undo })
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Likewise, for a command line.
    pub fn name(&self) -> &str {
        // Made of the mount and of names that tests give.
        self.path.to_str().unwrap_or_default()
    }

    /// The command as it is run inside.
    pub fn enter(&self, command: &Command) -> Result<Command> {
        let mut entering = Command::new(find("bash")?);
        entering.args([
            "-c",
            "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"",
            self.name(),
        ]);
        entering.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => entering.env(name, value),
                None => entering.env_remove(name),
            };
        }
        Ok(entering)
    }

    /// Runs the command inside, to its end.
    pub fn run(&self, command: &Command) -> Result<Output> {
        let entering = self.enter(command)?;
        bounded(&entering)
            .output()
            .with_context(|| format!("cannot run {command:?}"))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // It can be removed a moment after its last process has ended.
        let removed = wait::until("the cgroup is empty", || {
            Ok(remove(&self.path).is_ok().then_some(()))
        });
        if removed.is_ok() {
            self.undo.cancel();
        }
    }
}

/// Removes a cgroup and those in it; the kernel refuses for one with processes.
fn remove(path: &Path) -> Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    Ok(fs::remove_dir(path)?)
}

/// Where cgroup v2 is mounted.
pub fn mount() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mut columns = mounts.lines().map(|line| line.split(' '));
    columns
        .find_map(|mut line| {
            let folder = line.nth(1)?;
            (line.next()? == "cgroup2").then(|| PathBuf::from(folder))
        })
        .context("cgroup v2 is not mounted")
}
