//! A real OpenID provider: npm's `oidc-provider` on a port of its own, with TLS by an authority of its
//! own. It can be stopped, and started again with another key.

use std::fs::{self, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::certificates::Certificates;
use crate::process::Process;
use crate::programs::{find, said, target};
use crate::sandbox::{Sandbox, free_port};

/// A provider. Dropping it ends it.
#[derive(Debug)]
pub struct Provider {
    process: Option<Process>,
    port: u16,
    certificates: Certificates,
    sandbox: Sandbox,
}

impl Provider {
    /// Starts one whose key is `kid`, and whose tokens live for `life` seconds.
    pub fn start(kid: &str, life: u32) -> Result<Provider> {
        let sandbox = Sandbox::new("provider")?;
        let certificates = Certificates::make(&sandbox, "provider", "root", &[])?;
        let mut provider = Provider {
            process: None,
            port: free_port()?,
            certificates,
            sandbox,
        };
        provider.again(kid, life)?;
        // The daemon, which runs as another user, reads it.
        fs::set_permissions(
            &provider.certificates.authority,
            Permissions::from_mode(0o644),
        )?;
        Ok(provider)
    }

    /// Starts it again, with this key.
    pub fn again(&mut self, kid: &str, life: u32) -> Result<()> {
        self.stop();
        let packages = target().join("test-provider/node_modules");
        if !packages.join("oidc-provider").is_dir() {
            bail!("the OpenID provider is not installed: run `cargo xtask setup --for test`");
        }
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/provider/provider.mjs");
        let program = self
            .sandbox
            .write("provider.mjs", &fs::read_to_string(source)?)?;
        // Node looks for packages beside the program.
        let beside = self.sandbox.join("node_modules");
        if !beside.is_symlink() {
            symlink(packages, beside)?;
        }
        let mut node = Command::new(find("node")?);
        node.arg(&program)
            .args([&self.port.to_string(), kid, &life.to_string()])
            .args([&self.certificates.certificate, &self.certificates.key])
            .arg(self.sandbox.path());
        let log = self.sandbox.join("provider.log");
        let mut process = Process::start("the provider", &mut node, &log, Signal::SIGKILL)?;
        let port = self.port;
        process.wait_ready(|| Ok(TcpStream::connect(("127.0.0.1", port)).is_ok()))?;
        self.process = Some(process);
        Ok(())
    }

    /// Stops it.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// What its tokens have as `iss`.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// An `[[issuer]]` of this name, with further lines.
    pub fn issuer(&self, name: &str, more: &str) -> String {
        format!(
            "[[issuer]]\nname = \"{name}\"\nurl = \"{}\"\naudience = [\"urn:gateway\"]\n\
             ca_file = {:?}\nclaims = {{ team = \"text\", groups = \"list\" }}\n{more}",
            self.url(),
            self.certificates.authority
        )
    }

    /// A token for this audience that says so of the team.
    pub fn token(&self, audience: &str, team: &str) -> Result<String> {
        let mut curl = Command::new(find("curl")?);
        curl.args(["--silent", "--show-error", "--max-time", "20", "--cacert"])
            .arg(&self.certificates.authority)
            .args(["--user", "planner:planner-secret"])
            .args(["--data", "grant_type=client_credentials"])
            .args(["--data-urlencode", &format!("resource={audience}")])
            .args(["--data-urlencode", &format!("scope=team:{team}")])
            .arg(format!("{}/token", self.url()));
        let answer = curl.output()?;
        let text = said(&answer);
        let value: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
        let token = value.get("access_token").and_then(Value::as_str);
        token.map(str::to_owned).with_context(|| text)
    }

    /// A file that only root and the daemon's group read.
    pub fn file(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.sandbox.join(name);
        write_token(&path, text)?;
        Ok(path)
    }
}

/// Puts a token in the place of another, as those who rotate them do.
pub fn write_token(path: &Path, text: &str) -> Result<()> {
    let draft = path.with_extension("new");
    fs::write(&draft, text)?;
    fs::set_permissions(&draft, Permissions::from_mode(0o644))?;
    fs::rename(&draft, path)?;
    Ok(())
}
