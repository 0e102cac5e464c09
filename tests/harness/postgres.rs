//! A throw-away PostgreSQL: own data folder, own port, TLS and every password method at once.
//!
//! Who may log in how is decided by the user's name ([`USERS`]), so that one server serves the whole
//! matrix of methods. The administrator comes in by a Unix socket, which nothing intercepts: what
//! [`Postgres::admin`] sees is the truth.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::certificates::Certificates;
use crate::namespace::Namespace;
use crate::process::Process;
use crate::programs::{find, output, postgres_bin, require_root, server_bin};
use crate::sandbox::{Sandbox, free_port};

/// The operating system's user that runs it: PostgreSQL refuses to run as root.
pub const OWNER: &str = "postgres";

/// The password of every user of [`USERS`].
pub const PASSWORD: &str = "correct horse";

/// A database user and how it must log in.
#[derive(Clone, Copy, Debug)]
pub struct User {
    /// Its name.
    pub name: &'static str,
    /// The method in `pg_hba.conf`.
    pub method: &'static str,
    /// How the server keeps its password.
    encryption: &'static str,
    /// `host`, `hostssl` or `hostnossl`.
    connection: &'static str,
}

/// The users that every server has.
pub const USERS: [User; 6] = [
    User {
        name: "app",
        method: "scram-sha-256",
        encryption: "scram-sha-256",
        connection: "host",
    },
    User {
        name: "app_md5",
        method: "md5",
        encryption: "md5",
        connection: "host",
    },
    User {
        name: "app_clear",
        method: "password",
        encryption: "scram-sha-256",
        connection: "host",
    },
    User {
        name: "app_trust",
        method: "trust",
        encryption: "scram-sha-256",
        connection: "host",
    },
    User {
        name: "app_tls",
        method: "scram-sha-256",
        encryption: "scram-sha-256",
        connection: "hostssl",
    },
    User {
        name: "app_plain",
        method: "scram-sha-256",
        encryption: "scram-sha-256",
        connection: "hostnossl",
    },
];

/// How a server is to be.
#[derive(Debug)]
pub struct Options<'a> {
    /// Addresses to listen on, as `listen_addresses`.
    pub listen: &'a str,
    /// Whether it offers TLS.
    pub tls: bool,
    /// Whether every statement goes to the log. Off for measurements.
    pub log_statements: bool,
    /// Further addresses for its certificate.
    pub certificate_addresses: &'a [&'a str],
    /// Further lines of `postgresql.conf`.
    pub settings: &'a str,
    /// Further lines of `pg_hba.conf`, for those who are not of [`USERS`].
    pub access: &'a str,
    /// The network namespace it runs in; none is ours.
    pub namespace: Option<&'a Namespace>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            listen: "127.0.0.1,::1",
            tls: true,
            log_statements: true,
            certificate_addresses: &[],
            settings: "",
            access: "",
            namespace: None,
        }
    }
}

/// A running server. Dropping it ends it and removes its data.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    port: u16,
    certificates: Certificates,
    sandbox: Sandbox,
}

impl Postgres {
    /// Starts a server with the database `shop`, owned by `app`, and the users of [`USERS`].
    pub fn start(options: &Options<'_>) -> Result<Postgres> {
        require_root()?;
        let sandbox = Sandbox::new("postgres")?;
        let port = free_port()?;
        let certificates =
            Certificates::make(&sandbox, "database", OWNER, options.certificate_addresses)?;
        let data = initialise(&sandbox)?;
        configure(&data, &sandbox, port, &certificates, options)?;
        let mut server = as_owner(options.namespace)?;
        server
            .arg(server_bin()?.join("postgres"))
            .arg("-D")
            .arg(&data);
        let log = sandbox.join("server.log");
        let process = Process::start("PostgreSQL", &mut server, &log, Signal::SIGQUIT)?;
        let mut server = Postgres {
            process,
            port,
            certificates,
            sandbox,
        };
        server.wait_ready()?;
        server.create_users()?;
        Ok(server)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let ready = postgres_bin()?.join("pg_isready");
        let (folder, port) = (self.sandbox.path().to_owned(), self.port.to_string());
        self.process.wait_ready(|| {
            let mut ask = Command::new(&ready);
            ask.args(["--quiet", "--port", &port, "--host"])
                .arg(&folder);
            Ok(ask.status()?.success())
        })
    }

    fn create_users(&self) -> Result<()> {
        let mut sql = String::new();
        for user in USERS {
            let User {
                name, encryption, ..
            } = user;
            sql.push_str(&format!(
                "SET password_encryption = '{encryption}'; CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}';"
            ));
            if name != "app" {
                sql.push_str(&format!("GRANT app TO {name};"));
            }
        }
        self.admin_in("postgres", &sql)?;
        self.admin_in("postgres", "CREATE DATABASE shop OWNER app")?;
        Ok(())
    }

    /// Its port, the same on every address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its major version.
    pub fn version(&self) -> Result<u32> {
        let number = self.admin_in("postgres", "SHOW server_version_num")?;
        let number: u32 = number.trim().parse().context("no number of a version")?;
        Ok(number / 10_000)
    }

    /// Its certificates.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Runs SQL in `shop` as the administrator, past every gateway; the answer without headers.
    pub fn admin(&self, sql: &str) -> Result<String> {
        self.admin_in("shop", sql)
    }

    /// As [`Postgres::admin`] in another database.
    pub fn admin_in(&self, database: &str, sql: &str) -> Result<String> {
        let mut psql = Command::new(postgres_bin()?.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["-v", "ON_ERROR_STOP=1", "-U", OWNER, "-d", database])
            .args(["-p", &self.port.to_string(), "-h"])
            .arg(self.sandbox.path())
            .args(["-c", sql])
            .env("PGAPPNAME", "administrator");
        output(&mut psql)
    }

    /// What the server has logged of what came over the network: with
    /// [`Options::log_statements`] every statement that was parsed or run, without the
    /// administrator's own.
    pub fn log(&self) -> String {
        let log = self.process.log();
        let mut kept = String::new();
        let mut keeping = true;
        for line in log.lines() {
            // Continuations of a statement over several lines begin with a tab.
            if !line.starts_with('\t') {
                keeping = !line.contains("[administrator]");
            }
            if keeping {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        kept
    }

    /// A connection string for libpq, without password and TLS settings.
    pub fn conninfo(&self, host: &str, user: &str) -> String {
        format!("host={host} port={} dbname=shop user={user}", self.port)
    }
}

/// A command that runs what follows as PostgreSQL's user, in `namespace` if one is given.
pub fn as_owner(namespace: Option<&Namespace>) -> Result<Command> {
    let setpriv = find("setpriv")?;
    let mut command = match namespace {
        None => Command::new(setpriv),
        Some(namespace) => {
            let mut command = namespace.command()?;
            command.arg(setpriv);
            command
        }
    };
    command
        .args(["--reuid", OWNER, "--regid", OWNER, "--init-groups", "--"])
        .current_dir("/");
    Ok(command)
}

fn initialise(sandbox: &Sandbox) -> Result<PathBuf> {
    let data = sandbox.folder_for("data", OWNER)?;
    let password = sandbox.write("password", PASSWORD)?;
    let mut initdb = as_owner(None)?;
    initdb
        .arg(server_bin()?.join("initdb"))
        .args(["--no-sync", "--auth", "scram-sha-256"])
        .args([
            "--username",
            OWNER,
            "--encoding",
            "UTF8",
            "--locale",
            "C.UTF-8",
        ])
        .arg("--pwfile")
        .arg(password)
        .arg("--pgdata")
        .arg(&data);
    output(&mut initdb)?;
    Ok(data)
}

fn configure(
    data: &Path,
    sandbox: &Sandbox,
    port: u16,
    certificates: &Certificates,
    options: &Options<'_>,
) -> Result<()> {
    // The socket is in the sandbox's folder, which then belongs to the server.
    crate::sandbox::give_to(sandbox.path(), OWNER)?;
    let logging = if options.log_statements {
        // `log_statement` tells what is run; the duration lines tell of what was only parsed. Values
        // that are bound may be huge and are cut.
        "log_statement = 'all'\nlog_min_duration_statement = 0\nlog_connections = on\n\
         log_parameter_max_length = 64\n"
    } else {
        ""
    };
    let on = if options.tls { "on" } else { "off" };
    let settings = format!(
        "listen_addresses = '{}'\nport = {port}\nunix_socket_directories = '{}'\n\
         fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nmax_connections = 300\n\
         log_line_prefix = '%m [%p] [%a] %q%u@%d '\n{logging}\
         ssl = {on}\nssl_cert_file = '{}'\nssl_key_file = '{}'\n{}\n",
        options.listen,
        sandbox.path().display(),
        certificates.certificate.display(),
        certificates.key.display(),
        options.settings,
    );
    let mut access = String::from("local all all trust\n");
    for User {
        name,
        method,
        connection,
        ..
    } in USERS
    {
        access.push_str(&format!("{connection} all {name} all {method}\n"));
    }
    access.push_str(options.access);
    let file = data.join("postgresql.conf");
    let mut text = std::fs::read_to_string(&file).context("initdb made no configuration")?;
    text.push_str(&settings);
    std::fs::write(&file, text)?;
    std::fs::write(data.join("pg_hba.conf"), access)?;
    Ok(())
}
