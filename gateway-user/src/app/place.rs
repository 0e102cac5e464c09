//! The daemon's directories, and the lock that keeps a second daemon out of them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What the group and others may not do in a directory that holds the daemon's sockets or keys.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It cannot be made or looked at.
    #[error("cannot use directory {}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else could put things into it.
    #[error("directory {} belongs to user {uid} with mode {mode:03o}; it must be ours and writable only by us: chown and chmod 755 it", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
        /// Its permissions.
        mode: u32,
    },
    /// Another daemon has it.
    #[error("the daemon is already running{} in {}", holder.as_deref().map(|pid| format!(" as process {pid}")).unwrap_or_default(), path.display())]
    Taken {
        /// The runtime directory.
        path: PathBuf,
        /// The other daemon's process, if it wrote it down.
        holder: Option<String>,
    },
}

/// The right to be the daemon of one runtime directory, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Makes the directory and those above it where they are missing, and checks whose it is.
pub fn directory(path: &Path, mode: u32) -> Result<(), PlaceError> {
    let unusable = |source| PlaceError::Unusable {
        path: path.to_owned(),
        source,
    };
    if let Some(parent) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(parent)
            .map_err(unusable)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unusable(error)),
        _ => {}
    }
    let found = fs::metadata(path).map_err(unusable)?;
    if !found.is_dir() {
        return Err(unusable(io::ErrorKind::NotADirectory.into()));
    }
    let (uid, mode) = (found.uid(), found.mode() & 0o777);
    if uid != nix::unistd::geteuid().as_raw() || mode & WRITABLE_BY_OTHERS != 0 {
        return Err(PlaceError::Open {
            path: path.to_owned(),
            uid,
            mode,
        });
    }
    Ok(())
}

/// Takes the runtime directory. The kernel gives it back when the process ends, however it ends.
pub fn lock(runtime: &Path) -> Result<Lock, PlaceError> {
    let path = runtime.join("daemon.lock");
    let unusable = |source| PlaceError::Unusable {
        path: runtime.to_owned(),
        source,
    };
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644);
    let mut file = options.open(&path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let holder = file
                .read_to_string(&mut pid)
                .is_ok_and(|_| !pid.trim().is_empty());
            let holder = holder.then(|| pid.trim().to_owned());
            return Err(PlaceError::Taken {
                path: runtime.to_owned(),
                holder,
            });
        }
        Err(fs::TryLockError::Error(source)) => return Err(unusable(source)),
    }
    let note = |file: &mut File| -> io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    note(&mut file).map_err(unusable)?;
    Ok(Lock { _file: file })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_second_daemon_is_told_who_is_first() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock(folder.path()).unwrap();
        let error = lock(folder.path()).unwrap_err();
        let expected = format!("already running as process {}", std::process::id());
        assert!(error.to_string().contains(&expected), "{error}");
        drop(first);
        lock(folder.path()).unwrap();
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        directory(&path, 0o700).unwrap();
        directory(&path, 0o700).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(
            directory(&path, 0o700),
            Err(PlaceError::Open { mode: 0o777, .. })
        ));
    }
}
