//! Reads a file with a token, if it is nobody's but the operator's: an agent that could put another
//! token in its place, or another file, would be whoever it has a token of.
//!
//! Every folder and link on the way to it belongs to root or to the daemon's user, and nobody else may
//! write there; a folder where everybody may make files and remove their own only (`/tmp`, the mount of
//! a projected volume) will do. Fails closed: what cannot be looked at is not read.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use super::token;

/// Links that are followed on the way to a file.
const LINKS: usize = 40;
/// The permission to write, for the group and for everyone.
const OTHERS_WRITE: u32 = 0o022;
/// Only its owner removes a file from such a folder.
const STICKY: u32 = 0o1000;

/// Why a file with a token was not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system said no.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file, or what is on the way to it.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Somebody else could have written it.
    #[error("{} is not the operator's alone: it has to belong to root or to the daemon's user, and nobody else may write there", path.display())]
    Foreign {
        /// The file, or what is on the way to it.
        path: PathBuf,
    },
    /// It is a folder, a pipe, or something else.
    #[error("{} is no file", path.display())]
    NoFile {
        /// It.
        path: PathBuf,
    },
    /// There are links without an end.
    #[error("{} leads through too many links", path.display())]
    Links {
        /// The file.
        path: PathBuf,
    },
    /// It is no text, or too long for one.
    #[error("{} holds no token", path.display())]
    NoToken {
        /// The file.
        path: PathBuf,
    },
}

/// The token in a file, without the white space around it.
pub fn read(path: &Path) -> Result<String, FileError> {
    let real = way(path)?;
    let failed = |source| FileError::Read {
        path: path.to_owned(),
        source,
    };
    let looked = fs::symlink_metadata(&real).map_err(failed)?;
    if !looked.is_file() {
        let path = path.to_owned();
        return Err(FileError::NoFile { path });
    }
    let file = File::open(&real).map_err(failed)?;
    let opened = file.metadata().map_err(failed)?;
    // What was looked at is what was opened.
    if (looked.dev(), looked.ino()) != (opened.dev(), opened.ino()) || !is_ours(&opened) {
        let path = path.to_owned();
        return Err(FileError::Foreign { path });
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(token::LONGEST).unwrap_or(u64::MAX);
    let read = file.take(most.saturating_add(2)).read_to_end(&mut bytes);
    read.map_err(failed)?;
    let text = String::from_utf8(bytes).ok();
    let text = text.map(|text| text.trim().to_owned());
    text.filter(|text| !text.is_empty() && text.len() <= token::LONGEST)
        .ok_or_else(|| FileError::NoToken {
            path: path.to_owned(),
        })
}

/// The file that a path leads to, if nobody else can lead it elsewhere.
fn way(path: &Path) -> Result<PathBuf, FileError> {
    let mut links = 0;
    let mut rest: Vec<PathBuf> = parts(path);
    let mut here = PathBuf::from("/");
    guarded(&here)?;
    while let Some(part) = rest.pop() {
        if part == Path::new("..") {
            here.pop();
            continue;
        }
        let next = here.join(&part);
        let found = guarded(&next)?;
        if !found.is_symlink() {
            here = next;
            continue;
        }
        links += 1;
        if links > LINKS {
            let path = path.to_owned();
            return Err(FileError::Links { path });
        }
        let target =
            fs::read_link(&next).map_err(|source| FileError::Read { path: next, source })?;
        if target.is_absolute() {
            here = PathBuf::from("/");
        }
        rest.extend(parts(&target));
    }
    Ok(here)
}

/// The parts of a path below the root, last one first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let mut parts: Vec<_> = parts.collect();
    parts.reverse();
    parts
}

fn guarded(path: &Path) -> Result<Metadata, FileError> {
    let found = fs::symlink_metadata(path).map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    })?;
    match is_ours(&found) {
        true => Ok(found),
        false => Err(FileError::Foreign {
            path: path.to_owned(),
        }),
    }
}

fn is_ours(found: &Metadata) -> bool {
    let own = nix::unistd::geteuid().as_raw();
    let is_owned = found.uid() == 0 || found.uid() == own;
    let mode = found.mode();
    // A link has no mode of its own.
    let is_closed =
        found.is_symlink() || mode & OTHERS_WRITE == 0 || found.is_dir() && mode & STICKY != 0;
    is_owned && is_closed
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_of_the_operators_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, "\n a.b.c\n").unwrap();
        chmod(&file, 0o640);
        assert_eq!(read(&file).unwrap(), "a.b.c");
        // As Kubernetes projects them, and replaces them.
        fs::create_dir(folder.path().join("..1")).unwrap();
        fs::write(folder.path().join("..1/token"), "first").unwrap();
        symlink("..1", folder.path().join("..data")).unwrap();
        symlink("..data/token", folder.path().join("projected")).unwrap();
        chmod(folder.path(), 0o1777);
        assert_eq!(read(&folder.path().join("projected")).unwrap(), "first");
    }

    #[test]
    fn one_that_others_could_have_made_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, "a.b.c").unwrap();
        for mode in [0o660, 0o606] {
            chmod(&file, mode);
            assert!(matches!(read(&file), Err(FileError::Foreign { .. })));
        }
        chmod(&file, 0o600);
        chmod(folder.path(), 0o777);
        assert!(matches!(read(&file), Err(FileError::Foreign { .. })));
        chmod(folder.path(), 0o700);
        std::os::unix::fs::chown(&file, Some(4321), None).unwrap();
        assert!(matches!(read(&file), Err(FileError::Foreign { .. })));
        // Nor through a link of somebody else's.
        let link = folder.path().join("link");
        symlink("/etc/hostname", &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(4321), None).unwrap();
        assert!(matches!(read(&link), Err(FileError::Foreign { .. })));
    }

    #[test]
    fn what_holds_no_token_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        assert!(matches!(read(&file), Err(FileError::Read { .. })));
        assert!(matches!(read(folder.path()), Err(FileError::NoFile { .. })));
        fs::write(&file, " \n").unwrap();
        assert!(matches!(read(&file), Err(FileError::NoToken { .. })));
        fs::write(&file, "x".repeat(token::LONGEST + 1)).unwrap();
        assert!(matches!(read(&file), Err(FileError::NoToken { .. })));
        let link = folder.path().join("link");
        symlink("link", &link).unwrap();
        assert!(matches!(read(&link), Err(FileError::Links { .. })));
    }
}
