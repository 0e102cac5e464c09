//! The root file system that a kernel under test starts with: the tests, the program, and the few
//! programs that they use, with their libraries.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use gateway_tests::programs::{Profile, build_gateway, find, output, root, target};
use serde_json::Value;

use super::packages::Kernel;
use crate::steps::{cargo, step};

/// What the tests start, beside the gateway.
const PROGRAMS: [&str; 6] = ["bash", "ip", "nsenter", "timeout", "umount", "rm"];

/// Modules that the tests need, and those with which an attacker might try something; where a
/// kernel has no such module it has it built in, or not at all.
const MODULES: [&str; 15] = [
    "veth",
    "tcp_diag",
    "udp_diag",
    "unix_diag",
    "tun",
    "vsock",
    "vsock_loopback",
    "sctp",
    "dccp_ipv4",
    "l2tp_ip",
    "smc",
    "rds",
    "tipc",
    "rxrpc",
    "tls",
];

/// What runs as the first process.
const INIT: &str = include_str!("init.sh");

/// The file system as a folder, complete but for the modules.
pub(super) struct Image {
    folder: PathBuf,
}

impl Image {
    /// Builds the tests and gathers everything. `only` is a part of the names of the tests to run.
    pub(super) fn build(only: &[String]) -> Result<Image> {
        let folder = target().join("kernels/root");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        for name in [
            "bin",
            "dev",
            "etc",
            "lib/modules",
            "mnt",
            "proc",
            "run",
            "sys",
            "tests",
            "tmp",
        ] {
            fs::create_dir_all(folder.join(name))?;
        }
        let image = Image { folder };
        step("build the tests", || image.programs())?;
        image.write("init", INIT)?;
        fs::set_permissions(image.folder.join("init"), PermissionsExt::from_mode(0o755))?;
        image.write("tests/only", &only.join(" "))?;
        image.write(
            "etc/passwd",
            "root:x:0:0:root:/:/bin/bash\ndaemon:x:1:1:daemon:/:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/bash\n",
        )?;
        image.write("etc/group", "root:x:0:\ndaemon:x:1:\nnogroup:x:65534:\n")?;
        Ok(image)
    }

    fn programs(&self) -> Result<()> {
        self.add(&build_gateway(Profile::Dev)?, "tests/gateway")?;
        self.add(&test_program("gateway-user", "gateway")?, "tests/kernel")?;
        self.add(&test_program("gateway-tests", "bypass")?, "tests/bypass")?;
        let sources = root().join("tests/bypass/attacker");
        let sources = fs::read_dir(sources)?.collect::<Result<Vec<_>, _>>()?;
        let mut compiler = Command::new(find("gcc")?);
        compiler
            .args(["-O1", "-static", "-o"])
            .arg(self.folder.join("tests/attacker"));
        compiler.args(
            sources
                .iter()
                .map(fs::DirEntry::path)
                .filter(|path| path.extension().is_some_and(|extension| extension == "c")),
        );
        output(&mut compiler)?;
        for name in PROGRAMS {
            self.add(&find(name)?, &format!("bin/{name}"))?;
        }
        // Everything else a shell script needs, where the real program is not there already.
        self.add(&find("busybox")?, "bin/busybox")?;
        for name in output(Command::new(find("busybox")?).arg("--list"))?.lines() {
            let link = self.folder.join("bin").join(name);
            if !link.exists() {
                symlink("busybox", link)?;
            }
        }
        Ok(())
    }

    /// Copies a program, stripped, with its libraries.
    fn add(&self, program: &Path, to: &str) -> Result<()> {
        let program = program.canonicalize()?;
        let to = self.folder.join(to);
        fs::copy(&program, &to).with_context(|| program.display().to_string())?;
        fs::set_permissions(&to, PermissionsExt::from_mode(0o755))?;
        output(Command::new(find("strip")?).arg(&to))?;
        // It fails for what is linked statically, which has none.
        let listed = Command::new("ldd").arg(&program).output()?;
        for word in String::from_utf8_lossy(&listed.stdout).split_whitespace() {
            if word.starts_with('/') {
                let library = self.folder.join(word.trim_start_matches('/'));
                if !library.exists() {
                    fs::create_dir_all(library.parent().context("a library is in a folder")?)?;
                    fs::copy(word, &library)?;
                }
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        fs::write(self.folder.join(name), text).with_context(|| name.to_owned())
    }

    /// Packs it for a kernel, with that kernel's modules.
    pub(super) fn pack(&self, kernel: &Kernel) -> Result<PathBuf> {
        let modules = self.folder.join("lib/modules");
        fs::remove_dir_all(&modules)?;
        fs::create_dir_all(&modules)?;
        let order = module_files(kernel)?;
        for (index, file) in order.iter().enumerate() {
            let name = file
                .file_name()
                .context("a module has a name")?
                .to_string_lossy();
            // Loaded in the order of their names, each after those that it needs.
            fs::copy(file, modules.join(format!("{index:03}-{name}")))?;
        }
        let archive = target().join(format!("kernels/{}.cpio", kernel.release));
        let pack = "find . | busybox cpio -o -H newc > \"$0\"";
        let mut shell = Command::new("/bin/sh");
        shell
            .current_dir(&self.folder)
            .args(["-c", pack])
            .arg(&archive);
        output(shell.stdin(Stdio::null()))?;
        Ok(archive)
    }
}

/// The files of the modules, each after those that it needs.
fn module_files(kernel: &Kernel) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    output(
        Command::new(find("depmod")?)
            .arg("--basedir")
            .arg(
                kernel
                    .modules
                    .ancestors()
                    .nth(3)
                    .context("modules are in lib/modules")?,
            )
            .arg(&kernel.release),
    )?;
    let needs = fs::read_to_string(kernel.modules.join("modules.dep"))?;
    for name in MODULES {
        let line = needs.lines().find(|line| {
            let file = line.split(':').next().unwrap_or_default();
            file.ends_with(&format!("/{name}.ko")) || file.ends_with(&format!("/{name}.ko.xz"))
        });
        let Some((file, before)) = line.and_then(|line| line.split_once(':')) else {
            continue;
        };
        for file in before.split_whitespace().rev().chain([file]) {
            let path = kernel.modules.join(file);
            if !found.contains(&path) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// Builds a test program and says where it is.
fn test_program(package: &str, target: &str) -> Result<PathBuf> {
    let mut build = cargo();
    build.args([
        "test",
        "--quiet",
        "--no-run",
        "--message-format=json",
        "-p",
        package,
    ]);
    for line in output(&mut build)?.lines() {
        let message: Value = serde_json::from_str(line)?;
        let is_it = message
            .pointer("/target/name")
            .is_some_and(|name| name == target)
            && message
                .pointer("/profile/test")
                .is_some_and(|test| test == true);
        if is_it && let Some(program) = message.get("executable").and_then(Value::as_str) {
            return Ok(PathBuf::from(program));
        }
    }
    bail!("{package} has no test program {target}")
}
