//! PostgreSQL's own tests, for those that run them through the gateway: fetched, and what of them is
//! in C is built.
//!
//! They belong to the server's source and are in none of Debian's packages, so the source package is
//! fetched, of the version that is installed. All of it goes below `target/`, lists of packages
//! included: nothing is installed, and the machine's own lists stay as they are.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use gateway_tests::programs::{output, postgres_bin, postgres_suite_folder};

use crate::steps::{quietly, step};

/// What of the source is kept.
const KEPT: [&str; 2] = ["regress", "isolation"];

/// With this Debian's lists of packages are checked.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Fetches the tests of the installed PostgreSQL, unless they are there.
pub(crate) fn fetch() -> Result<()> {
    let package = package()?;
    let mut ask = Command::new("dpkg-query");
    ask.args(["--show", "--showformat=${Version}", &package]);
    let version = output(&mut ask).context("PostgreSQL is not one of Debian's packages")?;
    let folder = postgres_suite_folder();
    let stamp = folder.join("version.txt");
    if fs::read_to_string(&stamp).is_ok_and(|fetched| fetched == version) {
        return Ok(());
    }
    step("PostgreSQL's own tests", || {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let work = folder.join("work");
        fs::create_dir_all(&work)?;
        let headers = format!("postgresql-server-dev-{}", major()?);
        download(&work, &package, &headers, &version)?;
        unpack(&work, &folder)?;
        build(&work, &folder)?;
        fs::remove_dir_all(&work)?;
        // Last, so that what was interrupted is done again.
        fs::write(&stamp, &version)?;
        Ok(())
    })
}

/// The major version whose programs the tests use.
fn major() -> Result<String> {
    let folder = postgres_bin()?.parent().and_then(Path::file_name);
    let name = folder.context("PostgreSQL's programs are in no folder of its version")?;
    Ok(name.to_string_lossy().into_owned())
}

/// Debian's package of the server, and of its source.
fn package() -> Result<String> {
    Ok(format!("postgresql-{}", major()?))
}

/// Downloads the source and the headers for code in the server.
fn download(work: &Path, package: &str, headers: &str, version: &str) -> Result<()> {
    let list = work.join("sources.list");
    fs::write(&list, sources()?)?;
    for folder in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(work.join(folder))?;
    }
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.current_dir(work).arg("--quiet");
        for (name, value) in [
            ("Dir::Etc::SourceList", list.as_path()),
            ("Dir::Etc::SourceParts", Path::new("/dev/null")),
            ("Dir::State::Lists", &work.join("lists")),
            ("Dir::Cache", &work.join("cache")),
        ] {
            apt.arg("-o").arg(format!("{name}={}", value.display()));
        }
        // Its own user may not be able to enter the folder.
        apt.args(["-o", "APT::Sandbox::User=root"]).args(arguments);
        apt
    };
    quietly("apt-get update for sources", &mut apt(&["update"]))?;
    for (what, name) in [
        (
            ["source", "--download-only", "--only-source"].as_slice(),
            package,
        ),
        (&["download"], headers),
    ] {
        let fetch = |name: &str| quietly(&format!("apt-get {name}"), apt(what).arg(name));
        // An archive may have nothing but what came after the version that is installed, and its
        // tests are nearly the same.
        fetch(&format!("{name}={version}")).or_else(|_| fetch(name))?;
    }
    Ok(())
}

/// Debian's own lines of the machine's sources, with source packages.
fn sources() -> Result<String> {
    let mut ask = Command::new("apt-get");
    ask.args(["indextargets", "--format"])
        .arg("$(CREATED_BY) $(ORIGIN) $(COMPONENT) $(REPO_URI) $(RELEASE)");
    let targets = output(&mut ask)?;
    let signed = if Path::new(KEYRING).exists() {
        format!("[signed-by={KEYRING}] ")
    } else {
        String::new()
    };
    let mut lines = String::new();
    for target in targets.lines() {
        let words: Vec<&str> = target.split_whitespace().collect();
        if let ["Packages", "Debian", "main", uri, release] = *words {
            for kind in ["deb", "deb-src"] {
                lines.push_str(&format!("{kind} {signed}{uri} {release} main\n"));
            }
        }
    }
    anyhow::ensure!(
        !lines.is_empty(),
        "apt-get has no list of Debian's packages: as root, apt-get update"
    );
    Ok(lines)
}

fn unpack(work: &Path, folder: &Path) -> Result<()> {
    let source = found(work, ".orig.tar.bz2")?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--strip-components=3", "--wildcards", "--file"])
        .arg(source)
        .arg("--directory")
        .arg(folder)
        .args(KEPT.map(|part| format!("*/src/test/{part}")));
    output(&mut tar)?;
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.arg("--extract")
        .arg(found(work, ".deb")?)
        .arg(work.join("headers"));
    output(&mut dpkg)?;
    Ok(())
}

/// Builds the functions in C that the tests call, beside them.
fn build(work: &Path, folder: &Path) -> Result<()> {
    let include = format!("headers/usr/include/postgresql/{}/server", major()?);
    let regress = folder.join("regress");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-shared", "-fPIC", "-O1", "-w", "-I"])
        .arg(work.join(include))
        .arg("-I")
        .arg(&regress)
        .arg("-o")
        .arg(regress.join("regress.so"))
        .arg(regress.join("regress.c"));
    output(&mut compiler)?;
    Ok(())
}

/// The file in `folder` whose name ends so.
fn found(folder: &Path, ending: &str) -> Result<std::path::PathBuf> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(ending) {
            return Ok(path);
        }
    }
    anyhow::bail!("nothing was fetched that ends in {ending}")
}
