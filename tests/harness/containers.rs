//! Containers of real engines, Podman and Docker, without a registry of images.
//!
//! An engine has mounts and a network of its own, so that bridges, firewall rules and state are gone with
//! it: cgroup v2 alone at `/sys/fs/cgroup`, as runtimes expect it, and the network namespace given to
//! it as that of the containers' host. Containers are made of the host's own `/usr`, read-only.

use std::fs::{self, File};
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
use crate::systemd::Systemd;
use crate::wait;

/// Podman has no daemon. What runs until the end, holding the mounts; tmpfs takes what runtimes and networks keep.
const HOLD: &str = "mount -t cgroup2 none /sys/fs/cgroup && mount -t tmpfs none /run && \
                    mount -t tmpfs none /var/lib && touch \"$0\" && exec sleep infinity";
/// Docker's daemon, likewise.
const SERVE: &str = "mount -t cgroup2 none /sys/fs/cgroup && mount -t tmpfs none /run && \
                     mount -t tmpfs none /etc/docker && exec \"$0\" \"$@\"";
/// What Docker calls the root of all containers.
const IMAGE: &str = "usr-of-the-host";

/// Who makes the containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Podman with runc.
    Podman,
    /// Docker with containerd and runc.
    Docker,
}

/// A host of containers. Dropping it ends them all.
#[derive(Debug)]
pub struct Containers {
    engine: Engine,
    client: Vec<String>,
    /// How the client names the root of the containers.
    root: Vec<String>,
    /// Podman's containers outlive the mounts.
    undo: Option<Undo>,
    _process: Option<Process>,
    _sandbox: Sandbox,
}

impl Containers {
    /// Makes one whose network is that of `namespace`.
    pub fn new(engine: Engine, namespace: &Namespace) -> Result<Containers> {
        match engine {
            Engine::Podman => Self::podman(namespace),
            Engine::Docker => Self::docker(namespace),
        }
    }

    fn podman(namespace: &Namespace) -> Result<Containers> {
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
        let root = root_folder(&sandbox)?;
        let client = words(&podman_client(&sandbox, &holder)?);
        let undo = Undo::promise(&format!("{} rm --all --force --time 0", client.join(" ")))?;
        Ok(Containers {
            engine: Engine::Podman,
            client,
            root: vec!["--rootfs".to_owned(), root],
            undo: Some(undo),
            _process: Some(holder),
            _sandbox: sandbox,
        })
    }

    /// All processes of Docker and of its containers are in a PID namespace, and end with it.
    fn docker(namespace: &Namespace) -> Result<Containers> {
        let sandbox = Sandbox::new("docker")?;
        let socket = format!("unix://{}", sandbox.join("docker.sock").display());
        let mut serve = namespace.command()?;
        serve
            .arg(find("unshare")?)
            .args(["--mount", "--propagation=private", "--pid", "--fork"])
            .args(["--kill-child", "--mount-proc", "sh", "-c", SERVE])
            .arg(find("dockerd")?)
            .args([
                "--storage-driver=vfs",
                "--exec-opt=native.cgroupdriver=cgroupfs",
            ])
            .args([
                "--host",
                &socket,
                "--pidfile=/run/docker.pid",
                "--data-root",
            ])
            .arg(sandbox.join("data"))
            .arg("--exec-root")
            .arg(sandbox.join("exec"));
        let log = sandbox.join("dockerd.log");
        let mut process = Process::start("Docker", &mut serve, &log, Signal::SIGKILL)?;
        let mut client = Command::new(find("docker")?);
        client.arg("--config").arg(sandbox.join("client"));
        client.args(["--host", &socket]);
        let client = words(&client);
        process.wait_ready(|| answers(&client))?;
        Self::of_docker(client, Some(process), sandbox)
    }

    /// Those of a Docker that is a unit of `systemd`, and has it make the cgroups.
    pub fn docker_in(systemd: &Systemd) -> Result<Containers> {
        let client = words(&systemd.command("docker")?);
        wait::until("Docker answers", || Ok(answers(&client)?.then_some(())))
            .with_context(|| systemd.log())?;
        Self::of_docker(client, None, Sandbox::new("docker")?)
    }

    fn of_docker(
        client: Vec<String>,
        process: Option<Process>,
        sandbox: Sandbox,
    ) -> Result<Containers> {
        let root = root_folder(&sandbox)?;
        let archive = sandbox.join("root.tar");
        let mut tar = Command::new(find("tar")?);
        tar.arg("--create").arg("--file").arg(&archive);
        output(tar.args(["--directory", &root, "."]))?;
        let containers = Containers {
            engine: Engine::Docker,
            client,
            root: vec![IMAGE.to_owned()],
            undo: None,
            _process: process,
            _sandbox: sandbox,
        };
        let mut import = bounded(&containers.command(["import", "-", IMAGE]));
        output(import.stdin(File::open(&archive)?))?;
        Ok(containers)
    }

    fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new("env");
        command.args(&self.client).args(arguments);
        command
    }

    /// Starts a container that waits, in the cgroup `parent` (a path below the mount, or a slice) and with a
    /// network as the engine names it; its id.
    pub fn start(&self, parent: &str, network: &str) -> Result<String> {
        let mut run = self.command(["run", "--detach", "--volume=/usr:/usr:ro"]);
        run.args(["--cgroup-parent", parent, "--network", network])
            .args(&self.root)
            .args(["/usr/bin/sleep", "infinity"]);
        Ok(output(&mut bounded(&run))?.trim().to_owned())
    }

    /// What the cgroup of a container is called, below its parent.
    pub fn cgroup(&self, container: &str) -> String {
        match self.engine {
            Engine::Podman => format!("libpod-{container}"),
            Engine::Docker => container.to_owned(),
        }
    }

    /// Runs a command in a container to its end.
    pub fn execute(&self, container: &str, command: &Command) -> Result<Output> {
        let mut execute = self.command(["exec"]);
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
        let restart = self.command(["restart", "-t", "0", container]);
        output(&mut bounded(&restart)).map(drop)
    }

    /// Removes a container.
    pub fn remove(&self, container: &str) -> Result<()> {
        let mut remove = self.command(["rm", "--force"]);
        if self.engine == Engine::Podman {
            remove.arg("--time=0");
        }
        output(&mut bounded(remove.arg(container))).map(drop)
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        // Nobody to report to; the guardian does it again when it failed.
        let Some(undo) = &mut self.undo else { return };
        let mut remove = Command::new("env");
        remove.args(&self.client);
        remove.args(["rm", "--all", "--force", "--time=0"]);
        if output(&mut bounded(&remove)).is_ok() {
            undo.cancel();
        }
    }
}

fn podman_client(sandbox: &Sandbox, holder: &Process) -> Result<Command> {
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

/// Whether Docker's daemon hears its client.
fn answers(client: &[String]) -> Result<bool> {
    let mut ask = Command::new("env");
    ask.args(client).arg("version");
    Ok(bounded(&ask).output()?.status.success())
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
fn root_folder(sandbox: &Sandbox) -> Result<String> {
    let root = sandbox.join("root");
    for folder in ["usr", "etc", "proc", "sys", "dev", "run", "tmp"] {
        fs::create_dir_all(root.join(folder))?;
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        symlink(Path::new("usr").join(name), root.join(name))?;
    }
    Ok(root.display().to_string())
}
