//! A systemd as the first process of a PID namespace, with nothing of the host that it could change.
//!
//! Its root is a file system in memory: of the host there are `/usr`, read-only, and copies of some files
//! of `/etc`. `/proc/sys` and `/sys` are read-only, IPC and host name its own. INVARIANT: the script
//! ends before systemd starts unless the host's root is gone; what systemd does at a start
//! (emptying `/tmp` is among it) must not reach the host.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::cgroup::Cgroup;
use crate::namespace::Namespace;
use crate::process::Process;
use crate::programs::{bounded, find, output};
use crate::sandbox::Sandbox;
use crate::wait;

/// Its root folder, what is laid over it, and the gateway are arguments.
const BEGIN: &str = r#"
set -eu
mount --make-rprivate /
mount -t tmpfs -o mode=0755 none "$0"
cd "$0"
mkdir -p usr etc/systemd/system proc sys dev run tmp var/lib var/log root home old
chmod 1777 tmp
mount --bind /usr usr
mount -o remount,bind,ro usr
mount -t tmpfs -o mode=0755 none usr/local
mkdir usr/local/bin
touch usr/local/bin/gateway
mount --bind "$2" usr/local/bin/gateway
for name in bin sbin lib lib64; do ln -s usr/$name $name; done
cp /etc/passwd /etc/group /etc/nsswitch.conf /etc/ld.so.cache etc/
cp -r "$1/." .
mount -t proc none proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro none sys
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs -o mode=0755 none dev
for name in null zero full random urandom tty; do cp -a /dev/$name dev/; done
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=0755 none run
pivot_root . old
cd /
umount -l old
rmdir old
test "$(stat -f -c %T /)" = tmpfs
for file in etc/sysusers.d/*.conf; do if [ -e "$file" ]; then systemd-sysusers "/$file"; fi; done
for file in etc/tmpfiles.d/*.conf; do if [ -e "$file" ]; then systemd-tmpfiles --create "/$file"; fi; done
exec env -i container=gateway-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd \
    --system --unit=idle.target --log-target=console --show-status=no
"#;

/// What it starts at first: nothing.
const IDLE: &str = "[Unit]\nDescription=Nothing yet\nDefaultDependencies=no\nAllowIsolate=yes\n";

/// A running systemd. Dropping it ends it with all its units.
#[derive(Debug)]
pub struct Systemd {
    process: Process,
    cgroup: Cgroup,
    /// Where its root is mounted; goes last.
    _sandbox: Sandbox,
}

/// What is laid over the root of a systemd that is still to start.
#[derive(Debug)]
pub struct Root(Sandbox);

impl Root {
    /// Nothing yet.
    pub fn new() -> Result<Root> {
        let sandbox = Sandbox::new("systemd")?;
        fs::create_dir(sandbox.join("root"))?;
        let root = Root(sandbox);
        root.file("etc/systemd/system/idle.target", IDLE)?;
        Ok(root)
    }

    /// Adds a file.
    pub fn file(&self, path: &str, contents: &str) -> Result<()> {
        let path = self.0.join("files").join(path);
        fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        fs::write(&path, contents).with_context(|| path.display().to_string())
    }

    /// Starts a systemd with its units below the slice `name`, in a network namespace.
    pub fn start(self, name: &str, namespace: &Namespace, gateway: &Path) -> Result<Systemd> {
        let cgroup = Cgroup::new(&format!("{name}.slice"))?;
        let mut begin = namespace.command()?;
        begin
            .arg(find("unshare")?)
            .args(["--mount", "--pid", "--fork", "--kill-child", "--cgroup"])
            .args(["--ipc", "--uts", "--", "bash", "-c", BEGIN])
            .arg(self.0.join("root"))
            .arg(self.0.join("files"))
            .arg(gateway);
        let log = self.0.join("systemd.log");
        let mut entering = cgroup.enter(&begin)?;
        let process = Process::start("systemd", &mut entering, &log, Signal::SIGKILL)?;
        let mut systemd = Systemd {
            process,
            cgroup,
            _sandbox: self.0,
        };
        systemd.wait_ready()?;
        Ok(systemd)
    }
}

impl Systemd {
    fn wait_ready(&mut self) -> Result<()> {
        let first = self.cgroup.path().join("init.scope/cgroup.procs");
        // The folder is there before systemd is in it.
        let is_there = || Ok(fs::read_to_string(&first).is_ok_and(|text| !text.is_empty()));
        self.process.wait_ready(is_there)?;
        let waited = wait::until("systemd answers", || {
            let ran = self.control(&["show", "--property=Version"])?;
            Ok(ran.status.success().then_some(()))
        });
        waited.with_context(|| self.log())
    }

    /// The folder of the cgroup in which it keeps its units.
    pub fn cgroup(&self) -> &Path {
        self.cgroup.path()
    }

    /// What it and its units have printed.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// A file in its root.
    pub fn read(&self, path: &str) -> Result<String> {
        let mut command = self.command("cat")?;
        output(command.arg(path))
    }

    /// `systemctl …`, to its end.
    pub fn control(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.command("systemctl")?;
        command.args(arguments);
        Ok(bounded(&command).output()?)
    }

    /// `systemctl …`, which has to go well; what it printed.
    pub fn ask(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.command("systemctl")?;
        command.args(arguments);
        output(&mut bounded(&command)).with_context(|| self.log())
    }

    /// A program in its root and among its processes, but in no unit.
    pub fn command(&self, program: &str) -> Result<Command> {
        let first = fs::read_to_string(self.cgroup.path().join("init.scope/cgroup.procs"))?;
        let first = first.lines().next().context("systemd has ended")?;
        let mut command = Command::new(find("nsenter")?);
        command
            .arg(format!("--target={first}"))
            .args(["--mount", "--pid", "--net", "--root", "--wd", "--", program]);
        Ok(command)
    }
}
