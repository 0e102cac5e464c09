//! PgBouncer in session mode: the peer that the bench measures the gateway against.

use std::process::Command;

use anyhow::Result;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::Signal;

use crate::certificates::Certificates;
use crate::postgres::{OWNER, PASSWORD, as_owner};
use crate::process::Process;
use crate::programs::{find, postgres_bin};
use crate::sandbox::{Sandbox, free_port};

/// A running PgBouncer. Dropping it ends it.
#[derive(Debug)]
pub struct PgBouncer {
    process: Process,
    port: u16,
    // Held for its destructor: the folder is in use as long as the process.
    _sandbox: Sandbox,
}

/// How it is to be.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether both sides use TLS, or neither.
    pub tls: bool,
    /// Whether server connections are kept for the next client; else each is used once.
    pub is_pooling: bool,
}

impl PgBouncer {
    /// Starts it in front of the server on `server_port` of 127.0.0.1.
    pub fn start(server_port: u16, options: &Options) -> Result<PgBouncer> {
        let sandbox = Sandbox::new("pgbouncer")?;
        let port = free_port()?;
        let certificates = Certificates::make(&sandbox, "bouncer", OWNER, &[])?;
        let users = sandbox.write("users.txt", &format!("\"app\" \"{PASSWORD}\"\n"))?;
        let mode = if options.tls { "require" } else { "disable" };
        // 0 has its connections closed as soon as a client gives them back.
        let lifetime = if options.is_pooling { 3_600 } else { 0 };
        let settings = sandbox.write(
            "pgbouncer.ini",
            &format!(
                "[databases]\nshop = host=127.0.0.1 port={server_port} dbname=shop\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = scram-sha-256\nauth_file = {}\npool_mode = session\n\
                 max_client_conn = 10000\ndefault_pool_size = 5200\nlisten_backlog = 4096\n\
                 client_tls_sslmode = {mode}\nclient_tls_cert_file = {}\nclient_tls_key_file = {}\n\
                 server_tls_sslmode = {mode}\nignore_startup_parameters = extra_float_digits\n\
                 server_lifetime = {lifetime}\nlog_connections = 0\nlog_disconnections = 0\nlog_stats = 0\n",
                users.display(),
                certificates.certificate.display(),
                certificates.key.display(),
            ),
        )?;
        // As many connections as the machine lets us have: the limit that is left to raise.
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
        let mut command = Command::new(find("prlimit")?);
        command.arg(format!("--nofile={most}:{most}")).arg("--");
        let owner = as_owner(None)?;
        command.arg(owner.get_program()).args(owner.get_args());
        command.arg(find("pgbouncer")?).arg("--quiet").arg(settings);
        let log = sandbox.join("pgbouncer.log");
        let mut process = Process::start("PgBouncer", &mut command, &log, Signal::SIGKILL)?;
        let ready = postgres_bin()?.join("pg_isready");
        let number = port.to_string();
        process.wait_ready(|| {
            let mut ask = Command::new(&ready);
            ask.args([
                "--quiet",
                "-h",
                "127.0.0.1",
                "-d",
                "shop",
                "-U",
                "app",
                "-p",
                &number,
            ]);
            Ok(ask.status()?.success())
        })?;
        Ok(PgBouncer {
            process,
            port,
            _sandbox: sandbox,
        })
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}
