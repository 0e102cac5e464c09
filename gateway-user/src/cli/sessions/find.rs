//! Which recordings there are, and which one a person means by the beginning of its name.

use std::io;
use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;

/// Names begin with the time in milliseconds; so much of them is shown at least.
const SHORT: usize = 13;

/// A recording by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) struct Found {
    /// The session's id.
    pub(in crate::cli) id: String,
    /// The file.
    pub(in crate::cli) path: PathBuf,
}

/// All recordings of a directory, oldest first.
pub(in crate::cli) fn all(directory: &Path) -> anyhow::Result<Vec<Found>> {
    let entries = std::fs::read_dir(directory).map_err(|error| unreadable(directory, &error))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(directory, &error))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "jsonl")
            && let Some(id) = path.file_stem().and_then(|stem| stem.to_str())
        {
            found.push(Found {
                id: id.to_owned(),
                path,
            });
        }
    }
    // Session ids begin with the time, so their order is the sessions'.
    found.sort();
    Ok(found)
}

/// The one recording whose name begins like this.
pub(in crate::cli) fn one(directory: &Path, prefix: &str) -> anyhow::Result<Found> {
    let mut matching: Vec<_> = all(directory)?
        .into_iter()
        .filter(|found| found.id.starts_with(prefix))
        .collect();
    match (matching.pop(), matching.len()) {
        (Some(found), 0) => Ok(found),
        (None, _) => {
            let message = format!("no session {prefix:?} in {}", directory.display());
            Err(Failure::new(message)
                .help("`gateway sessions list` shows what there is")
                .into())
        }
        (Some(last), others) => {
            let message = format!("{} sessions begin with {prefix:?}", others + 1);
            let help = format!("give more of the id, such as {}", last.id);
            Err(Failure::new(message).help(help).into())
        }
    }
}

/// The shortest beginning of each name, at least [`SHORT`] long, that names no other one.
pub(in crate::cli) fn short_names(found: &[Found]) -> Vec<&str> {
    let shared = |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    (0..found.len())
        .filter_map(|index| {
            let id = found.get(index)?.id.as_str();
            // In order, so only the neighbours can share more.
            let before = index.checked_sub(1).and_then(|before| found.get(before));
            let longest = before
                .into_iter()
                .chain(found.get(index + 1))
                .map(|other| shared(id, &other.id) + 1)
                .fold(SHORT, usize::max);
            Some(id.get(..longest).unwrap_or(id))
        })
        .collect()
}

fn unreadable(directory: &Path, error: &io::Error) -> anyhow::Error {
    let help = match error.kind() {
        io::ErrorKind::NotFound => {
            "it is made with the first session; if the daemon records elsewhere, give its --config, \
             or --directory"
        }
        io::ErrorKind::PermissionDenied => "recordings are the daemon's alone: run this with sudo",
        _ => "check the path",
    };
    let message = format!("cannot read recordings in {}: {error}", directory.display());
    Failure::new(message).help(help).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ids: &[&str]) -> Vec<Found> {
        ids.iter()
            .map(|id| Found {
                id: (*id).to_owned(),
                path: PathBuf::new(),
            })
            .collect()
    }

    #[test]
    fn short_names_are_unique() {
        let found = found(&[
            "019a9f3c-0000-7aaa-8000-000000000001",
            "019a9f3c-0000-7aab-8000-000000000001",
            "019a9f3d-0000-7aab-8000-000000000001",
        ]);
        assert_eq!(
            short_names(&found),
            ["019a9f3c-0000-7aaa", "019a9f3c-0000-7aab", "019a9f3d-0000"]
        );
    }

    #[test]
    fn a_beginning_must_name_one() {
        let directory = tempfile::tempdir().unwrap();
        for id in ["aa1", "aa2", "b"] {
            std::fs::write(directory.path().join(format!("{id}.jsonl")), "").unwrap();
        }
        std::fs::write(directory.path().join("other.txt"), "").unwrap();
        assert_eq!(one(directory.path(), "b").unwrap().id, "b");
        assert_eq!(one(directory.path(), "aa2").unwrap().id, "aa2");
        assert!(one(directory.path(), "a").is_err());
        assert!(one(directory.path(), "other").is_err());
    }
}
