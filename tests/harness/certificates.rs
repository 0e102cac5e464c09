//! A certificate authority for one sandbox and a server certificate from it, made by `openssl`.
//!
//! This is the database's own authority. The gateway's, which agents trust, is the gateway's.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::programs::{find, output};
use crate::sandbox::{Sandbox, give_to};

/// The name that is in the server's certificate, beside `localhost` and the loopback addresses.
pub const SERVER_NAME: &str = "db.test";

/// Files in PEM.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority's certificate: what a verifying client needs.
    pub authority: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// The server's key, readable by its owner only.
    pub key: PathBuf,
}

impl Certificates {
    /// Makes an authority called `name` and a certificate whose key belongs to `owner`.
    /// `addresses` are further IP addresses of the server.
    pub fn make(
        sandbox: &Sandbox,
        name: &str,
        owner: &str,
        addresses: &[&str],
    ) -> Result<Certificates> {
        let file = |what: &str| sandbox.join(&format!("{name}-{what}"));
        let made = Certificates {
            authority: file("ca.pem"),
            certificate: file("server.pem"),
            key: file("server.key"),
        };
        let authority_key = file("ca.key");
        openssl()?
            .args([
                "-x509",
                "-days",
                "30",
                "-subj",
                &format!("/CN={name} authority"),
            ])
            .args(["-addext", "basicConstraints=critical,CA:TRUE"])
            .args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"])
            .arg("-keyout")
            .arg(&authority_key)
            .arg("-out")
            .arg(&made.authority)
            .run()?;
        let names: String = addresses
            .iter()
            .map(|address| format!(",IP:{address}"))
            .collect();
        openssl()?
            .args([
                "-x509",
                "-days",
                "30",
                "-subj",
                &format!("/CN={SERVER_NAME}"),
            ])
            .arg("-CA")
            .arg(&made.authority)
            .arg("-CAkey")
            .arg(&authority_key)
            .args([
                "-addext",
                &format!(
                    "subjectAltName=DNS:{SERVER_NAME},DNS:localhost,IP:127.0.0.1,IP:::1{names}"
                ),
            ])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-addext", "extendedKeyUsage=serverAuth"])
            .arg("-keyout")
            .arg(&made.key)
            .arg("-out")
            .arg(&made.certificate)
            .run()?;
        fs::set_permissions(&made.key, Permissions::from_mode(0o600))?;
        give_to(&made.key, owner)?;
        Ok(made)
    }
}

/// `openssl req` for a P-256 key without a pass phrase.
fn openssl() -> Result<Command> {
    let mut command = Command::new(find("openssl")?);
    command.args([
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ]);
    Ok(command)
}

trait Run {
    fn run(&mut self) -> Result<()>;
}

impl Run for Command {
    fn run(&mut self) -> Result<()> {
        output(self).map(drop)
    }
}
