//! `cargo xtask ebpf`: builds the kernel programs into the object that the daemon embeds.
//!
//! The object is kept in the repository with the digests of what it was made from, so that
//! building the daemon needs stable Rust and nothing else; a test here fails when it is stale.
//! The compiler is Debian's, because its library source is a package. Loading the object is the
//! daemon's `kernel` folder's part.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};

/// What the daemon embeds.
const OBJECT: &str = "gateway-user/src/kernel/gateway.bpf.o";
/// SHA-256 of the object and of its sources, as `sha256sum --check` reads it.
const MANIFEST: &str = "gateway-user/src/kernel/gateway.bpf.o.sources";
/// Files and folders that the object is made from.
const SOURCES: [&str; 5] = [
    "gateway-common/Cargo.toml",
    "gateway-common/src",
    "gateway-ebpf/Cargo.lock",
    "gateway-ebpf/Cargo.toml",
    "gateway-ebpf/src",
];

const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";
const LIBRARY: &str = "/usr/lib/rustlib/src/rust/library";
const LLVM: &str = "/usr/lib/llvm-22";
/// Other versions may work, but do not make the same bytes.
const RUSTC_VERSION: &str = "rustc 1.96.";
const LINKER_VERSION: &str = "bpf-linker 0.13.0";

/// What builds the programs, found on this machine.
pub(crate) struct Toolchain {
    linker: PathBuf,
    objcopy: PathBuf,
}

/// Builds the object; with `check` only compares it with the one in the repository.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let root = root()?;
    let object = build(&root, &ensure_toolchain()?)?;
    let manifest = manifest(&root, &object)?;
    if check {
        let same = fs::read(root.join(OBJECT)).is_ok_and(|kept| kept == object)
            && fs::read_to_string(root.join(MANIFEST)).is_ok_and(|kept| kept == manifest);
        ensure!(
            same,
            "{OBJECT} is not what its sources make: run `cargo xtask ebpf`"
        );
        return Ok(());
    }
    fs::write(root.join(OBJECT), object).context(OBJECT)?;
    fs::write(root.join(MANIFEST), manifest).context(MANIFEST)
}

/// Finds compiler, library source and linker, or says how to get them.
pub(crate) fn ensure_toolchain() -> anyhow::Result<Toolchain> {
    let objcopy = Path::new(LLVM).join("bin/llvm-objcopy");
    let needed = [
        (Path::new(RUSTC), "rustc-web"),
        (Path::new(CARGO), "cargo-web"),
        (Path::new(LIBRARY), "rust-web-src"),
        (objcopy.as_path(), "llvm-22-dev"),
    ];
    let missing: Vec<_> = needed
        .into_iter()
        .filter(|(path, _)| !path.exists())
        .map(|(_, package)| package)
        .collect();
    if !missing.is_empty() {
        bail!(
            "building the kernel programs needs Debian packages that are missing: apt-get install -y --no-install-recommends {}",
            missing.join(" ")
        );
    }
    let version = output(Command::new(RUSTC).arg("--version"))?;
    ensure!(
        version.starts_with(RUSTC_VERSION),
        "{RUSTC} is {version:?}, but the object is built by {RUSTC_VERSION}x: apt-get install -y rustc-web"
    );
    let install = format!(
        "it is built by: apt-get install -y --no-install-recommends llvm-22-dev libpolly-22-dev zlib1g-dev libzstd-dev libxml2-dev && \
         PATH={LLVM}/bin:$PATH LLVM_PREFIX={LLVM} cargo install bpf-linker --version 0.13.0 --no-default-features --features llvm-22"
    );
    let Some(linker) = find("bpf-linker") else {
        bail!("bpf-linker is missing; {install}");
    };
    let version = output(Command::new(&linker).arg("--version"))?;
    ensure!(
        version.starts_with(LINKER_VERSION),
        "{} is {version:?}, not {LINKER_VERSION}; {install}",
        linker.display()
    );
    Ok(Toolchain { linker, objcopy })
}

fn build(root: &Path, toolchain: &Toolchain) -> anyhow::Result<Vec<u8>> {
    let package = root.join("gateway-ebpf");
    let mut cargo = Command::new(CARGO);
    cargo
        .current_dir(&package)
        .args(["build", "--quiet", "--locked", "--release"])
        .args(["--target", "bpfel-unknown-none", "-Z", "build-std=core"])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTC", RUSTC)
        .env("CARGO_TARGET_DIR", package.join("target"))
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            flags(root, toolchain)?.join("\u{1f}"),
        )
        .env("PATH", path_with(&Path::new(LLVM).join("bin"))?);
    // We run under another cargo and toolchain, which say so to their children.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let inherited = name.starts_with("CARGO_") || name.starts_with("RUST");
        let own = [
            "RUSTC",
            "RUSTC_BOOTSTRAP",
            "CARGO_HOME",
            "CARGO_TARGET_DIR",
            "CARGO_ENCODED_RUSTFLAGS",
        ];
        if inherited && !own.contains(&name.as_ref()) {
            cargo.env_remove(name.as_ref());
        }
    }
    ensure!(
        cargo.status()?.success(),
        "the kernel programs do not build"
    );
    let built = package.join("target/bpfel-unknown-none/release/gateway-ebpf");
    let stripped = built.with_extension("o");
    // The maps are described by .BTF, which stays.
    output(
        Command::new(&toolchain.objcopy)
            .arg("--strip-debug")
            .args([&built, &stripped]),
    )?;
    fs::read(&stripped).with_context(|| stripped.display().to_string())
}

/// The linker makes .BTF from debug information. Paths in it must not tell where it was built.
fn flags(root: &Path, toolchain: &Toolchain) -> anyhow::Result<Vec<String>> {
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))?;
    let library = fs::canonicalize(LIBRARY).context(LIBRARY)?;
    Ok(vec![
        String::from("-Cdebuginfo=2"),
        format!("-Clinker={}", toolchain.linker.display()),
        String::from("-Clink-arg=--btf"),
        // Architectures differ in the registers of traced functions only, which no program here
        // has: one for all, so that every machine makes the same bytes.
        String::from("--cfg=bpf_target_arch=\"x86_64\""),
        format!("--remap-path-prefix={home}=cargo"),
        format!("--remap-path-prefix={}=library", library.display()),
        format!("--remap-path-prefix={LIBRARY}=library"),
        format!("--remap-path-prefix={}=.", root.display()),
    ])
}

fn manifest(root: &Path, object: &[u8]) -> anyhow::Result<String> {
    let mut digests = BTreeMap::new();
    digests.insert(PathBuf::from(OBJECT), digest(object));
    for source in SOURCES {
        add_digests(root, Path::new(source), &mut digests)?;
    }
    let mut text = String::new();
    for (path, digest) in digests {
        writeln!(text, "{digest}  {}", path.display())?;
    }
    Ok(text)
}

fn add_digests(
    root: &Path,
    path: &Path,
    digests: &mut BTreeMap<PathBuf, String>,
) -> anyhow::Result<()> {
    let full = root.join(path);
    if !full.is_dir() {
        let text = fs::read(&full).with_context(|| path.display().to_string())?;
        digests.insert(path.to_owned(), digest(&text));
        return Ok(());
    }
    for entry in fs::read_dir(&full)? {
        let name = entry?.file_name();
        let is_source = name.to_string_lossy().ends_with(".rs");
        if is_source || full.join(&name).is_dir() {
            add_digests(root, &path.join(name), digests)?;
        }
    }
    Ok(())
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn root() -> anyhow::Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.parent().context("xtask is in the repository's root")?;
    Ok(root.to_owned())
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::home_dir().map(|home| home.join(".cargo/bin"));
    std::env::split_paths(&path)
        .chain(installed)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn path_with(folder: &Path) -> anyhow::Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    Ok(std::env::join_paths(folders)?)
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .output()
        .with_context(|| format!("{command:?} does not start"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_object_is_made_from_these_sources() {
        let root = root().unwrap();
        let object = fs::read(root.join(OBJECT)).unwrap();
        let kept = fs::read_to_string(root.join(MANIFEST)).unwrap();
        let now = manifest(&root, &object).unwrap();
        assert_eq!(
            now, kept,
            "the kernel programs changed: run `cargo xtask ebpf` and commit {OBJECT} and its .sources"
        );
    }

    #[test]
    fn the_kept_object_tells_no_paths() {
        let object = fs::read(root().unwrap().join(OBJECT)).unwrap();
        for place in ["/root", "/home", "/work", "/usr", "/tmp", "/builds"] {
            let found = object
                .windows(place.len())
                .any(|window| window == place.as_bytes());
            assert!(!found, "a path below {place} is in {OBJECT}");
        }
    }
}
