//! A folder and ports of one's own.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::guardian::Undo;

/// A private folder that every user may enter, removed when dropped.
#[derive(Debug)]
pub struct Sandbox {
    folder: TempDir,
    undo: Undo,
}

impl Sandbox {
    /// Makes the folder; `name` shows in its path.
    pub fn new(name: &str) -> Result<Sandbox> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("gateway-{name}-"))
            .tempdir()?;
        // Servers run under users of their own and must reach their data.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let undo = Undo::promise(&format!(
            "rm -rf --one-file-system '{}'",
            folder.path().display()
        ))?;
        Ok(Sandbox { folder, undo })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder.
    pub fn join(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in the folder.
    pub fn write(&self, name: &str, contents: &str) -> Result<PathBuf> {
        let path = self.join(name);
        fs::write(&path, contents).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Makes a folder in the folder, for a server that runs as `owner`.
    pub fn folder_for(&self, name: &str, owner: &str) -> Result<PathBuf> {
        let path = self.join(name);
        fs::create_dir_all(&path)?;
        give_to(&path, owner)?;
        Ok(path)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // `TempDir` removes the folder right after this.
        self.undo.cancel();
    }
}

/// Makes `owner` the owner of a file or folder.
pub fn give_to(path: &Path, owner: &str) -> Result<()> {
    let user = nix::unistd::User::from_name(owner)?
        .with_context(|| format!("there is no user {owner}: is its server installed?"))?;
    nix::unistd::chown(path, Some(user.uid), Some(user.gid))?;
    Ok(())
}

/// A port that nobody listens on, different each time. Taken from below the kernel's range for
/// outgoing connections, so that no client takes it before the server does.
pub fn free_port() -> Result<u16> {
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Processes that run at the same time begin their search at different places.
    // Processes that start together have neighbouring ids; each gets room for some dozen ports.
    let start = u16::try_from(std::process::id().wrapping_mul(61) % 9_000)? + 20_000;
    let port = (start..32_000)
        .chain(20_000..start)
        .find(|port| {
            !taken.contains(port)
                && TcpListener::bind(("0.0.0.0", *port)).is_ok()
                && TcpListener::bind(("::", *port)).is_ok()
        })
        .context("no free port between 20000 and 32000")?;
    taken.insert(port);
    Ok(port)
}
