//! Containers by Podman and runc: a real runtime, without a daemon or a registry of images.
//!
//! It has mounts and a network of its own, so that bridges, firewall rules and state are gone with
//! it: cgroup v2 alone at `/sys/fs/cgroup`, as runtimes expect it, and the network namespace given to
//! it as that of the containers' host. Containers are made of the host's own `/usr`, read-only.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::guardian::Undo;
use crate::namespace::Namespace;
use crate::process::Process;
use crate::programs::{bounded, find, output};
use crate::sandbox::Sandbox;

/// What runs until the end, holding the mounts: tmpfs hides the host's state of networks.
const HOLD: &str = "mount -t cgroup2 none /sys/fs/cgroup && mkdir -p /var/lib/cni && \
                    mount -t tmpfs none /var/lib/cni && touch \"$0\" && exec sleep infinity";

/// A host of containers. Dropping it ends them all.
#[derive(Debug)]
pub struct Podman {
    holder: Process,
    undo: Undo,
    sandbox: Sandbox,
}

impl Podman {
    /// Makes one whose network is that of `namespace`.
    pub fn new(namespace: &Namespace) -> Result<Podman> {
        let sandbox = Sandbox::new("podman")?;
        let ready = sandbox.join("ready");
        let mut hold = namespace.command()?;
        hold.arg(find("unshare")?)
            .args(["--mount", "--propagation=private", "sh", "-c", HOLD])
            .arg(&ready);
        let log = sandbox.join("holder.log");
        let mut holder = Process::start("mounts of Podman", &mut hold, &log, Signal::SIGKILL)?;
        holder.wait_ready(|| Ok(ready.exists()))?;
        sandbox.write("containers.conf", &configuration(sandbox.path()))?;
        root_folder(&sandbox.join("root"))?;
        let words: Vec<String> = words(&command(&sandbox, &holder)?);
        let undo = Undo::promise(&format!("{} rm --all --force --time 0", words.join(" ")))?;
        Ok(Podman {
            holder,
            undo,
            sandbox,
        })
    }

    /// `podman …`.
    pub fn command(&self) -> Result<Command> {
        command(&self.sandbox, &self.holder)
    }

    /// Starts a container that waits, in the cgroup `parent` (a path below the mount) and with a
    /// network as Podman names it; its id.
    pub fn start(&self, parent: &str, network: &str) -> Result<String> {
        let mut run = self.command()?;
        run.args(["run", "--detach", "--volume=/usr:/usr:ro"])
            .args(["--cgroup-parent", parent, "--network", network])
            .arg("--rootfs")
            .arg(self.sandbox.join("root"))
            .args(["/usr/bin/sleep", "infinity"]);
        Ok(output(&mut bounded(&run))?.trim().to_owned())
    }

    /// Runs a command in a container to its end.
    pub fn execute(&self, container: &str, command: &Command) -> Result<Output> {
        let mut execute = self.command()?;
        execute.arg("exec");
        for (name, value) in command.get_envs() {
            if let (name, Some(value)) = (name.to_string_lossy(), value) {
                let value = value.to_string_lossy();
                execute.arg(format!("--env={name}={value}"));
            }
        }
        execute.arg(container).arg(command.get_program());
        execute.args(command.get_args());
        bounded(&execute)
            .output()
            .with_context(|| format!("cannot run {execute:?}"))
    }

    /// Ends a container and starts it again.
    pub fn restart(&self, container: &str) -> Result<()> {
        let mut restart = self.command()?;
        restart.args(["restart", "--time=0", container]);
        output(&mut bounded(&restart)).map(drop)
    }

    /// Removes a container.
    pub fn remove(&self, container: &str) -> Result<()> {
        let mut remove = self.command()?;
        remove.args(["rm", "--force", "--time=0", container]);
        output(&mut bounded(&remove)).map(drop)
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // Nobody to report to; the guardian does it again when it failed.
        let mut remove = Command::new("true");
        if let Ok(command) = self.command() {
            remove = command;
            remove.args(["rm", "--all", "--force", "--time=0"]);
        }
        if output(&mut bounded(&remove)).is_ok() {
            self.undo.cancel();
        }
    }
}

fn command(sandbox: &Sandbox, holder: &Process) -> Result<Command> {
    let mut command = Command::new(find("nsenter")?);
    command
        .arg(format!("--target={}", holder.id()))
        .args(["--mount", "--net", "--", "env"])
        .arg(format!(
            "CONTAINERS_CONF={}",
            sandbox.join("containers.conf").display()
        ))
        .arg(find("podman")?)
        .args(["--storage-driver=vfs", "--root"])
        .arg(sandbox.join("store"))
        .arg("--runroot")
        .arg(sandbox.join("runroot"))
        .arg("--tmpdir")
        .arg(sandbox.join("tmp"));
    Ok(command)
}

fn words(command: &Command) -> Vec<String> {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

/// Limits are named because nothing may raise those of the test. runc and not crun, which gives up
/// where it cannot raise the limit of locked memory.
fn configuration(folder: &Path) -> String {
    format!(
        "[containers]\npids_limit = 0\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\
         apparmor_profile = \"unconfined\"\n\
         [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\n\
         lock_type = \"file\"\nstatic_dir = \"{0}/static\"\nvolume_path = \"{0}/volumes\"\n\
         [network]\nnetwork_backend = \"cni\"\n",
        folder.display()
    )
}

/// The root of all containers: folders to mount on, and Debian's links into `/usr`.
fn root_folder(root: &Path) -> Result<()> {
    for folder in ["usr", "etc", "proc", "sys", "dev", "run", "tmp"] {
        fs::create_dir_all(root.join(folder))?;
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        symlink(Path::new("usr").join(name), root.join(name))?;
    }
    Ok(())
}
