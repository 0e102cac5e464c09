//! Files that hold secrets: read, unless everyone may read them. No finding repeats what is in one.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::check::Findings;

/// The permission to read, for everyone.
const WORLD_READABLE: u32 = 0o004;

impl Findings<'_> {
    /// What is in a file that only few may read, without the line break at its end.
    pub(super) fn secret(&mut self, file: &Spanned<PathBuf>) -> Option<Vec<u8>> {
        let path = file.get_ref();
        if !path.is_absolute() {
            self.relative_path(file.span());
            return None;
        }
        let mut bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let message = format!("cannot read {}: {error}", path.display());
                self.error(file.span(), message, None);
                return None;
            }
        };
        if is_world_readable(path) {
            let message = format!("everyone on this host may read {}", path.display());
            let help = format!("it holds a secret: chmod o= {}", path.display());
            self.error(file.span(), message, Some(help));
            return None;
        }
        for end in [b'\n', b'\r'] {
            bytes.pop_if(|last| *last == end);
        }
        if bytes.is_empty() {
            let message = format!("{} is empty", path.display());
            self.error(file.span(), message, None);
            return None;
        }
        Some(bytes)
    }
}

/// Whether everyone may read it. One that cannot be looked at is found out elsewhere.
pub(super) fn is_world_readable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.mode() & WORLD_READABLE != 0)
}
