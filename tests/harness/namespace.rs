//! Another host, as far as the network goes: a network namespace joined to ours by a veth pair.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::Result;

use crate::guardian::Undo;
use crate::programs::{find, output, require_root};

/// A network namespace. Dropping it removes it, and the veth pair with it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    host: String,
    guest: String,
    undo: Undo,
}

impl Namespace {
    /// Makes a namespace that our side reaches as [`Namespace::guest`].
    pub fn new() -> Result<Namespace> {
        static MADE: AtomicU8 = AtomicU8::new(0);
        require_root()?;
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let id = std::process::id();
        let name = format!("gwt-{id}-{number}");
        // A range that RFC 2544 sets aside for tests; interface names hold 15 bytes.
        let net = format!("198.18.{}", (id % 200) + u32::from(number));
        let (near, far) = (format!("gw{}n{number}", id % 1_000_000), "eth0");
        let undo = Undo::promise(&format!("ip netns del {name}"))?;
        let namespace = Namespace {
            name: name.clone(),
            host: format!("{net}.1"),
            guest: format!("{net}.2"),
            undo,
        };
        ip(&["netns", "add", &name])?;
        ip(&[
            "link", "add", &near, "type", "veth", "peer", "name", far, "netns", &name,
        ])?;
        ip(&["addr", "add", &format!("{net}.1/30"), "dev", &near])?;
        ip(&["link", "set", &near, "up"])?;
        ip(&[
            "-n",
            &name,
            "addr",
            "add",
            &format!("{net}.2/30"),
            "dev",
            far,
        ])?;
        ip(&["-n", &name, "link", "set", "lo", "up"])?;
        ip(&["-n", &name, "link", "set", far, "up"])?;
        Ok(namespace)
    }

    /// Our address as seen from inside.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address inside, as seen from us.
    pub fn guest(&self) -> &str {
        &self.guest
    }

    /// Sends what is for `address` inside, which forwards nothing: packets end there without a word.
    pub fn swallow(&self, address: &str) -> Result<()> {
        ip(&["route", "add", address, "via", &self.guest])
    }

    /// Likewise, and inside it is said that there is no such host.
    pub fn reject(&self, address: &str) -> Result<()> {
        self.swallow(address)?;
        ip(&["-n", &self.name, "route", "add", "unreachable", address])?;
        let forward = ["sysctl", "-qw", "net.ipv4.ip_forward=1"];
        output(self.command()?.args(forward)).map(drop)
    }

    /// A command that runs what follows inside.
    pub fn command(&self) -> Result<Command> {
        enter(&Path::new("/run/netns").join(&self.name))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if ip(&["netns", "del", &self.name]).is_ok() {
            self.undo.cancel();
        }
    }
}

/// A command that runs what follows in the network namespace of this file.
pub fn enter(file: &Path) -> Result<Command> {
    let mut command = Command::new(find("nsenter")?);
    command.arg(format!("--net={}", file.display())).arg("--");
    Ok(command)
}

fn ip(arguments: &[&str]) -> Result<()> {
    output(Command::new(find("ip")?).args(arguments)).map(drop)
}
