//! The key of hashes and pseudonyms, where the configuration gives none: made at first use, and kept so that
//! the same value becomes the same after a restart.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use gateway_core::mask::MaskKey;

/// Length of a key, in bytes.
const LENGTH: usize = 32;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    /// The file cannot be read or written.
    #[error("cannot read or make the key of masks, {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not what is written there.
    #[error("{}, the key of masks, does not have {LENGTH} bytes", path.display())]
    Length {
        /// The file.
        path: PathBuf,
    },
    /// Others may read it.
    #[error("{}, the key of masks, is open to other users", path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// There is no randomness.
    #[error("no randomness for the key of masks")]
    Randomness,
}

/// Reads the key, or makes it.
pub(super) fn load_or_create(path: &Path) -> Result<MaskKey, KeyError> {
    let failed = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    match fs::metadata(path) {
        Ok(metadata) if metadata.mode() & 0o077 != 0 => {
            return Err(KeyError::Open {
                path: path.to_owned(),
            });
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = [0; LENGTH];
            rand::fill(&mut key).map_err(|_| KeyError::Randomness)?;
            create(path, &key).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    // Also after it was made: another process may have been first.
    let key = fs::read(path).map_err(failed)?;
    match key.len() {
        LENGTH => Ok(MaskKey::new(key)),
        _ => Err(KeyError::Length {
            path: path.to_owned(),
        }),
    }
}

/// The file is there as a whole or not at all, also after a crash, and is never replaced.
fn create(path: &Path, key: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(format!("new.{}", std::process::id()));
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(key)?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.key");
        let first = load_or_create(&path).unwrap();
        assert!(first == load_or_create(&path).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(
            create(&path, &[0; LENGTH]).is_ok(),
            "as if another was first"
        );
        assert!(first == load_or_create(&path).unwrap());
    }

    #[test]
    fn one_that_is_cut_or_open_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.key");
        create(&path, b"short").unwrap();
        assert!(matches!(
            load_or_create(&path),
            Err(KeyError::Length { .. })
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load_or_create(&path), Err(KeyError::Open { .. })));
    }
}
