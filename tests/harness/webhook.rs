//! The other end of webhooks: a server in Python that keeps what is posted.

use std::fs::{self, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::certificates::Certificates;
use crate::policy_file::DAEMON_USER;
use crate::process::Process;
use crate::programs::find;
use crate::sandbox::{Sandbox, free_port, give_to};
use crate::wait;

/// What generic messages are signed with.
pub const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Webhook {
    // Held for its destructor.
    _process: Process,
    port: u16,
    certificates: Option<Certificates>,
    sandbox: Sandbox,
}

impl Webhook {
    /// Starts one on 127.0.0.1, with TLS by an authority of its own or without.
    pub fn start(tls: bool) -> Result<Webhook> {
        let sandbox = Sandbox::new("webhook")?;
        let port = free_port()?;
        let certificates = match tls {
            true => Some(Certificates::make(&sandbox, "webhook", "root", &[])?),
            false => None,
        };
        let mut python = Command::new(find("python3")?);
        python
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/harness/webhook.py"))
            .arg(port.to_string())
            .arg(sandbox.join("posted.jsonl"))
            .arg(KEY);
        if let Some(made) = &certificates {
            python.arg(&made.certificate).arg(&made.key);
        }
        let log = sandbox.join("webhook.log");
        let mut process = Process::start("the webhook", &mut python, &log, Signal::SIGKILL)?;
        process.wait_ready(|| Ok(TcpStream::connect(("127.0.0.1", port)).is_ok()))?;
        Ok(Webhook {
            _process: process,
            port,
            certificates,
            sandbox,
        })
    }

    /// The authority that signed its certificate, where it has one.
    pub fn authority(&self) -> Option<PathBuf> {
        self.certificates
            .as_ref()
            .map(|made| made.authority.clone())
    }

    /// A `[[notify]]` of this kind, with address and key in files. The path says what is answered.
    pub fn target(&self, name: &str, kind: &str, path: &str) -> Result<String> {
        let scheme = if self.certificates.is_some() {
            "https"
        } else {
            "http"
        };
        let url = format!("{scheme}://localhost:{}{path}", self.port);
        let mut table = format!(
            "[[notify]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl_file = {:?}",
            self.secret(&format!("{name}.url"), &url)?
        );
        if kind == "generic" {
            let key = self.secret(&format!("{name}.key"), KEY)?;
            table.push_str(&format!("\nsecret_file = {key:?}"));
        }
        Ok(table)
    }

    /// A file with a secret, for the daemon alone.
    fn secret(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.sandbox.write(name, &format!("{text}\n"))?;
        fs::set_permissions(&path, Permissions::from_mode(0o400))?;
        give_to(&path, DAEMON_USER)?;
        Ok(path)
    }

    /// What was posted so far.
    pub fn posted(&self) -> Result<Vec<Value>> {
        let Ok(text) = fs::read_to_string(self.sandbox.join("posted.jsonl")) else {
            return Ok(Vec::new());
        };
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| Ok(serde_json::from_str(line)?))
            .collect()
    }

    /// Waits for so many requests, and returns all.
    pub fn wait(&self, count: usize) -> Result<Vec<Value>> {
        wait::until(&format!("{count} messages"), || {
            let posted = self.posted()?;
            Ok((posted.len() >= count).then_some(posted))
        })
    }
}
