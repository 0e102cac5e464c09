//! `cargo xtask tidy`: the shape of the source that no compiler checks.
//!
//! Each rule is a file and returns its complaints as sentences with a place; all are shown at once.
//! The rules themselves are in README.md, section "Code map", and in the files here.

mod dependencies;
mod files;
mod layers;
mod map;
mod paths;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gateway_tests::programs::root;

/// Checks everything and says so.
pub(crate) fn run() -> Result<()> {
    check()?;
    println!("tidy");
    Ok(())
}

/// Checks everything.
pub(crate) fn check() -> Result<()> {
    let sources = sources(root())?;
    let mut complaints = Vec::new();
    complaints.extend(layers::check(&sources));
    complaints.extend(files::check(&sources));
    complaints.extend(dependencies::check(&read(
        root(),
        "gateway-user/core/Cargo.toml",
    )?));
    complaints.extend(map::check(
        &sources,
        &read(root(), "README.md").unwrap_or_default(),
    ));
    if complaints.is_empty() {
        return Ok(());
    }
    complaints.sort();
    for complaint in &complaints {
        println!("\n    {complaint}");
    }
    bail!("{} things are untidy", complaints.len())
}

fn read(root: &Path, name: &str) -> Result<String> {
    fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"))
}

/// A text file of the repository.
#[derive(Debug)]
struct Source {
    /// Path below the root, with slashes.
    path: String,
    text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// All text files that belong to the repository.
fn sources(root: &Path) -> Result<Vec<Source>> {
    /// Built, fetched or not ours.
    const SKIPPED: [&str; 5] = ["target", ".git", "artifacts", "Cargo.lock", "LICENSE"];
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if SKIPPED.contains(&name.as_ref()) || path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = String::from_utf8(fs::read(&path)?) {
                let path = path.strip_prefix(root)?.to_string_lossy().into_owned();
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}
