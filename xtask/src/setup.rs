//! `cargo xtask setup`: Debian's packages, the Python clients, the OpenID provider of the tests, a newer
//! PostgreSQL and PostgreSQL's own tests, only what is missing.
//!
//! The Rust toolchain that runs this is found or installed by `scripts/toolchain`, which cannot be
//! in Rust. What the kernel side needs beyond Debian's packages is known to `cargo xtask ebpf`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use gateway_tests::programs::{root, target};

use crate::steps::{quietly, step};
use crate::{servers, suite};

/// Arguments of `cargo xtask setup`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What for; everything but `ebpf` and `kernel` when left out
    #[arg(long = "for", value_enum)]
    purposes: Vec<Purpose>,
}

/// What a machine is to be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// Build the daemon
    Build,
    /// Show the demo
    Demo,
    /// Run all tests
    Test,
    /// Measure
    Bench,
    /// Rebuild the kernel side
    Ebpf,
    /// Run tests on other kernels
    Kernel,
}

impl Purpose {
    fn packages(self) -> &'static [&'static str] {
        match self {
            // libclang: `pg_query` generates its bindings when it is built.
            Purpose::Build => &["gcc", "libc6-dev", "libclang-dev", "ca-certificates"],
            Purpose::Demo => &["postgresql", "openssl"],
            Purpose::Test => &[
                "postgresql",
                "openssl",
                "pgbouncer",
                "python3",
                "python3-venv",
                "iproute2",
                "util-linux",
                // The bypass suite's attacker is in C.
                "gcc",
                "libc6-dev",
                "dnsmasq-base",
                "tmux",
                "bind9-dnsutils",
                // Units by a real systemd, in namespaces.
                "systemd",
                // Containers by real engines, with networks.
                "podman",
                "docker.io",
                "runc",
                "containernetworking-plugins",
                "iptables",
                // Everyday tools that have to work in a run.
                "bubblewrap",
                "curl",
                "git",
                "nodejs",
                "openssh-client",
                "python3-pip",
                "nginx-light",
                // PostgreSQL's source is packed with it.
                "bzip2",
            ],
            Purpose::Bench => &["postgresql", "openssl", "pgbouncer"],
            Purpose::Kernel => &[
                "qemu-system-x86",
                "busybox-static",
                "kmod",
                "binutils",
                "gcc",
                "libc6-dev",
                "bash",
                "iproute2",
                "util-linux",
            ],
            // Debian's own compiler, because its package of the library's source makes
            // `-Z build-std` possible; and what bpf-linker is linked with.
            Purpose::Ebpf => &[
                "rustc-web",
                "cargo-web",
                "rust-web-src",
                "llvm-22-dev",
                "libpolly-22-dev",
                "zlib1g-dev",
                "libzstd-dev",
                "libxml2-dev",
                "g++",
            ],
        }
    }
}

/// Installs what the chosen purposes need.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    use Purpose::{Bench, Build, Demo, Ebpf, Test};
    let chosen = if arguments.purposes.is_empty() {
        vec![Build, Demo, Test, Bench]
    } else {
        arguments.purposes.clone()
    };
    ensure(&chosen)?;
    if chosen.contains(&Ebpf) {
        println!("the kernel side: `cargo xtask ebpf` says what else it needs");
    }
    Ok(())
}

/// Installs what is missing for these purposes; quiet when nothing is.
pub(crate) fn ensure(purposes: &[Purpose]) -> Result<()> {
    let wanted: BTreeSet<&str> = purposes
        .iter()
        .flat_map(|purpose| purpose.packages())
        .copied()
        .collect();
    let missing: Vec<&str> = wanted
        .into_iter()
        .filter(|package| !is_installed(package))
        .collect();
    if !missing.is_empty() {
        install(&missing)?;
    }
    if purposes.contains(&Purpose::Test) {
        python_clients()?;
        suite::fetch()?;
        openid_provider()?;
        servers::fetch(servers::NEWEST)?;
    }
    Ok(())
}

fn is_installed(package: &str) -> bool {
    let mut ask = Command::new("dpkg-query");
    ask.args(["--show", "--showformat=${db:Status-Abbrev}", package])
        .stderr(Stdio::null());
    ask.output()
        .is_ok_and(|answer| answer.stdout.starts_with(b"ii"))
}

fn install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("this is not Debian: install what its packages {list} hold, then try again");
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("packages are missing; as root: apt-get install --no-install-recommends {list}");
    }
    step("package lists", || {
        quietly("apt-get update", &mut apt("update"))
    })?;
    step(&format!("packages: {list}"), || {
        let _quiet = NoServices::promise()?;
        let mut apt = apt("install");
        apt.args(["--yes", "--no-install-recommends"])
            .args(packages);
        quietly("apt-get install", &mut apt)
    })
}

fn apt(verb: &str) -> Command {
    let mut apt = Command::new("apt-get");
    apt.args(["--quiet", "-o", "DPkg::Lock::Timeout=300", verb])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("UCF_FORCE_CONFFOLD", "1");
    apt
}

/// While this lives, packages start no services: the tests run their own, on their own ports.
struct NoServices {
    is_ours: bool,
}

impl NoServices {
    const POLICY: &str = "/usr/sbin/policy-rc.d";
    const CLUSTERS: &str = "/etc/postgresql-common/createcluster.conf";

    fn promise() -> Result<NoServices> {
        use std::os::unix::fs::PermissionsExt;
        // Debian's PostgreSQL makes a cluster of its own on 5432 unless this file is there before.
        if !Path::new(Self::CLUSTERS).exists() {
            fs::create_dir_all("/etc/postgresql-common")?;
            fs::write(Self::CLUSTERS, "create_main_cluster = false\n")?;
        }
        let is_ours = !Path::new(Self::POLICY).exists();
        if is_ours {
            // 101: action forbidden by policy, as invoke-rc.d(8) has it.
            fs::write(Self::POLICY, "#!/bin/sh\nexit 101\n")?;
            fs::set_permissions(Self::POLICY, fs::Permissions::from_mode(0o755))?;
        }
        Ok(NoServices { is_ours })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.is_ours {
            // A file that stays would keep services off: worth a word, not a failure.
            if fs::remove_file(Self::POLICY).is_err() {
                println!("remove {} by hand", Self::POLICY);
            }
        }
    }
}

fn openid_provider() -> Result<()> {
    let source = root().join("tests/harness/provider");
    let folder = target().join("test-provider");
    pinned("OpenID provider for the tests", &source, &folder, || Ok(()))
}

/// The packages of npm that the lists in `source` pin, in `folder`, without running anything of theirs; then
/// what is to be done with them.
pub(crate) fn pinned(
    name: &str,
    source: &Path,
    folder: &Path,
    finish: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let list = source.join("package-lock.json");
    let wanted = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let stamp = folder.join("installed.json");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    // Node.js of other sources brings it along.
    if !Path::new("/usr/bin/npm").exists() {
        install(&["npm"])?;
    }
    step(name, || {
        fs::create_dir_all(folder)?;
        for file in ["package.json", "package-lock.json"] {
            fs::copy(source.join(file), folder.join(file))?;
        }
        let mut npm = Command::new("/usr/bin/npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(folder);
        quietly("npm ci", &mut npm)?;
        finish()?;
        // Last, so that what was interrupted is done again.
        fs::write(&stamp, &wanted)?;
        Ok(())
    })
}

/// A virtual environment with the pinned clients of `tests/e2e/clients/requirements.txt`.
fn python_clients() -> Result<()> {
    let folder = target().join("test-clients");
    let list = root().join("tests/e2e/clients/requirements.txt");
    let wanted = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    step("Python clients for the tests", || {
        let mut venv = Command::new("/usr/bin/python3");
        venv.args(["-m", "venv", "--clear"]).arg(&folder);
        quietly("python venv", &mut venv)?;
        let mut pip = Command::new(folder.join("bin/pip"));
        pip.args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .arg(&list);
        quietly("pip install", &mut pip)?;
        // Last, so that an interrupted installation is done again.
        fs::write(&stamp, &wanted)?;
        Ok(())
    })
}
