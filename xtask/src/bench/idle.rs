//! Memory for each idle connection: how much a proxy grows when thousands have logged in.
//!
//! The server is a mock (`idle_server.py`), since as many idle backends would be what fills the
//! memory. Counted is resident memory of the proxy's process; the kernel's socket buffers are the
//! same for all and in nobody's figure.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use anyhow::{Result, bail};
use gateway_tests::certificates::Certificates;
use gateway_tests::gateway::Gateway;
use gateway_tests::pgbouncer::{self, PgBouncer};
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::postgres::PASSWORD;
use gateway_tests::process::Process;
use gateway_tests::programs::{Profile, build_gateway, python, root};
use gateway_tests::sandbox::{Sandbox, free_port};
use nix::sys::signal::Signal;
use serde::Serialize;

use super::plan::Path;
use super::{Options, cpu};

/// What one proxy needed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Idle {
    pub(crate) path: Path,
    pub(crate) connections: u32,
    /// Growth of resident memory divided by connections.
    pub(crate) kib_per_connection: f64,
}

/// Measures PgBouncer and the gateway, each on its own.
pub(crate) fn measure(options: &Options, tls: bool) -> Result<Vec<Idle>> {
    let sandbox = Sandbox::new("idle")?;
    let (_server, server_port) = start_server(&sandbox, tls)?;
    let mut found = Vec::new();
    {
        let how = pgbouncer::Options {
            tls,
            is_pooling: true,
        };
        let bouncer = PgBouncer::start(server_port, &how)?;
        let clients = |count: u32| clients("idle_clients.py", bouncer.port(), tls, count);
        found.push(grow(Path::PgBouncer, bouncer.id(), options.idle, clients)?);
    }
    if !options.without_gateway {
        let upstream = if tls { "require" } else { "disable" };
        let policy = PolicyFile::default()
            .piece("[[workload]]\nname = \"agent\"\nmax_sessions = 20000")
            .shop(
                &format!("127.0.0.1:{server_port}"),
                &format!("upstream = {{ tls = \"{upstream}\" }}"),
            )
            .allow_all();
        let gateway = Gateway::start_program(build_gateway(Profile::Release)?, &policy)?;
        let clients = |count: u32| {
            Ok(gateway.run(
                "agent",
                &clients("idle_clients.py", server_port, tls, count)?,
            ))
        };
        found.push(grow(Path::Gateway, gateway.id(), options.idle, clients)?);
    }
    Ok(found)
}

fn grow(
    path: Path,
    process: u32,
    connections: u32,
    clients: impl Fn(u32) -> Result<Command>,
) -> Result<Idle> {
    // Once with few, so that what is allocated once does not count.
    Held::open(clients(20)?)?.close()?;
    let before = cpu::resident(process)?;
    let held = Held::open(clients(connections)?)?;
    let after = cpu::resident(process)?;
    held.close()?;
    let kib_per_connection = (after - before) / f64::from(connections);
    Ok(Idle {
        path,
        connections,
        kib_per_connection,
    })
}

/// Clients that hold their connections.
struct Held {
    clients: Child,
}

impl Held {
    fn open(mut clients: Command) -> Result<Held> {
        let clients = clients
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut held = Held { clients };
        let mut line = String::new();
        if let Some(output) = held.clients.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        if line.trim() != "ready" {
            let mut said = String::new();
            if let Some(mut errors) = held.clients.stderr.take() {
                errors.read_to_string(&mut said)?;
            }
            bail!("the idle clients could not connect: {said}");
        }
        Ok(held)
    }

    fn close(mut self) -> Result<()> {
        drop(self.clients.stdin.take());
        self.clients.wait()?;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // After a failure; the clients also end by themselves when their input does.
        drop(self.clients.stdin.take());
        let _ = self.clients.wait();
    }
}

/// A program of clients, with where to go.
pub(super) fn clients(script: &str, port: u16, tls: bool, count: u32) -> Result<Command> {
    let mut clients = Command::new(python()?);
    clients
        .arg(root().join("xtask/src/bench").join(script))
        .arg(count.to_string())
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", port.to_string())
        .env("PGUSER", "app")
        .env("PGDATABASE", "shop")
        .env("PGPASSWORD", PASSWORD)
        .env("PGSSLMODE", if tls { "require" } else { "disable" })
        .env("PGCHANNELBINDING", "disable");
    Ok(clients)
}

/// The server in appearance.
pub(super) fn start_server(sandbox: &Sandbox, tls: bool) -> Result<(Process, u16)> {
    let port = free_port()?;
    let certificates = Certificates::make(sandbox, "mock", "root", &[])?;
    let mut server = Command::new(python()?);
    server
        .arg(root().join("xtask/src/bench/idle_server.py"))
        .arg(port.to_string());
    if tls {
        server.arg(&certificates.certificate).arg(&certificates.key);
    }
    let log = sandbox.join("mock.log");
    let mut server = Process::start("the mock server", &mut server, &log, Signal::SIGKILL)?;
    server.wait_ready(|| Ok(TcpStream::connect(("127.0.0.1", port)).is_ok()))?;
    Ok((server, port))
}
