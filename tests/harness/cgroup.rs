//! A cgroup of the test's own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::guardian::Undo;
use crate::programs::require_root;
use crate::wait;

/// A cgroup below the root of the hierarchy. Dropping it removes it once its processes are gone.
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

    fn at(path: PathBuf) -> Result<Cgroup> {
        let undo = Undo::promise(&format!("rmdir '{}'", path.display()))?;
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Cgroup { path, undo })
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // It can be removed a moment after its last process has ended.
        let removed = wait::until("the cgroup is empty", || {
            Ok(fs::remove_dir(&self.path).is_ok().then_some(()))
        });
        if removed.is_ok() {
            self.undo.cancel();
        }
    }
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
