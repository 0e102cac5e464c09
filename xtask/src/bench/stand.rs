//! The ways to the server, all up at once so that rounds can be interleaved.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::{Context, Result};
use gateway_tests::gateway::Gateway;
use gateway_tests::pgbouncer::{self, PgBouncer};
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::postgres::{Options, PASSWORD, Postgres};
use gateway_tests::programs::{Profile, build_gateway, output, postgres_bin};
use gateway_tests::sandbox::Sandbox;

use super::bulk;
use super::cpu;
use super::plan::{Path, Work};
use crate::steps::step;

/// pgbench's scale: a million accounts, small enough to stay in memory.
const SCALE: &str = "10";

/// One server and everything in front of it.
#[derive(Debug)]
pub(crate) struct Stand {
    // Before the server, so that they end before it.
    gateway: Option<Gateway>,
    pooled: PgBouncer,
    fresh: PgBouncer,
    server: Postgres,
    sandbox: Sandbox,
    tls: bool,
}

impl Stand {
    /// Starts everything for pgbench, with TLS on all legs or on none.
    pub(crate) fn set_up(tls: bool, with_gateway: bool) -> Result<Stand> {
        Stand::start(tls, with_gateway, |server, _| {
            server.admin("GRANT ALL ON SCHEMA public TO app")?;
            let mut init = Command::new(postgres_bin()?.join("pgbench"));
            init.args(["--initialize", "--quiet", "--scale", SCALE]);
            init.args(["-h", "127.0.0.1", "-U", "app", "-d", "shop", "-p"]);
            output(
                init.arg(server.port().to_string())
                    .env("PGPASSWORD", PASSWORD),
            )?;
            Ok(policy(server, tls, ""))
        })
    }

    /// Starts everything for large results, without TLS.
    pub(crate) fn with_people(with_gateway: bool) -> Result<Stand> {
        Stand::start(false, with_gateway, |server, sandbox| {
            bulk::prepare(server)?;
            let file = policy(server, false, "credential = \"app\"");
            bulk::with_masks(file, sandbox)
        })
    }

    fn start(
        tls: bool,
        with_gateway: bool,
        prepare: impl FnOnce(&Postgres, &Sandbox) -> Result<PolicyFile>,
    ) -> Result<Stand> {
        let mut made = None;
        let program = if with_gateway {
            step("build the gateway for release", || {
                made = Some(build_gateway(Profile::Release)?);
                Ok(())
            })?;
            made
        } else {
            None
        };
        let options = Options {
            tls: true,
            log_statements: false,
            settings: "shared_buffers = '512MB'\nmax_wal_size = '4GB'\n",
            ..Options::default()
        };
        let server = Postgres::start(&options)?;
        let sandbox = Sandbox::new("bench")?;
        let file = prepare(&server, &sandbox)?;
        let gateway = program
            .map(|program| Gateway::start_program(program, &file))
            .transpose()?;
        let pooled = PgBouncer::start(
            server.port(),
            &pgbouncer::Options {
                tls,
                is_pooling: true,
            },
        )?;
        let fresh = PgBouncer::start(
            server.port(),
            &pgbouncer::Options {
                tls,
                is_pooling: false,
            },
        )?;
        Ok(Stand {
            gateway,
            pooled,
            fresh,
            server,
            sandbox,
            tls,
        })
    }

    /// The paths there are for `work`, beginning with another one each round.
    pub(crate) fn in_turn(&self, work: Work, round: u32) -> impl Iterator<Item = Path> {
        let mut paths = vec![Path::Direct, Path::PgBouncer];
        if work == Work::Connect {
            paths.push(Path::PgBouncerFresh);
        }
        if self.gateway.is_some() {
            paths.push(Path::Gateway);
        }
        let count = paths.len();
        paths
            .into_iter()
            .cycle()
            .skip(usize::try_from(round).unwrap_or(0) % count)
            .take(count)
    }

    /// Whether this path is there.
    pub(crate) fn has(&self, path: Path) -> bool {
        self.gateway.is_some() || !matches!(path, Path::Gateway | Path::Masked)
    }

    /// A command that runs a libpq program on this path.
    pub(crate) fn client(&self, path: Path, program: impl AsRef<OsStr>) -> Result<Command> {
        let port = match path {
            Path::Direct | Path::Gateway | Path::Masked => self.server.port(),
            Path::PgBouncer => self.pooled.port(),
            Path::PgBouncerFresh => self.fresh.port(),
        };
        let mut client = Command::new(program);
        client
            .current_dir(self.sandbox.path())
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", port.to_string())
            .env("PGUSER", "app")
            .env("PGDATABASE", "shop")
            .env("PGPASSWORD", PASSWORD)
            .env("PGSSLMODE", if self.tls { "require" } else { "disable" })
            // Binding the log-in to the channel cannot pass whoever ends TLS; off for all alike.
            .env("PGCHANNELBINDING", "disable");
        Ok(client)
    }

    /// The command as it is run on this path: for the gateway, under `gateway run`.
    pub(crate) fn launch(&self, path: Path, client: Command) -> Result<Command> {
        let workload = match path {
            Path::Gateway => "agent",
            Path::Masked => bulk::MASKED,
            Path::Direct | Path::PgBouncer | Path::PgBouncerFresh => return Ok(client),
        };
        Ok(self.gateway()?.run(workload, &client))
    }

    /// Seconds of processor time so far of what stands between, and of the server's processes.
    pub(crate) fn processor_time(&self, path: Path) -> Result<(f64, f64)> {
        let between = match path {
            Path::Direct => 0.0,
            Path::PgBouncer => cpu::of(self.pooled.id())?,
            Path::PgBouncerFresh => cpu::of(self.fresh.id())?,
            Path::Gateway | Path::Masked => cpu::of(self.gateway()?.id())?,
        };
        Ok((between, cpu::of_family(self.server.id())?))
    }

    /// A folder for what clients write.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.sandbox.path()
    }

    fn gateway(&self) -> Result<&Gateway> {
        self.gateway
            .as_ref()
            .context("there is no gateway on this stand")
    }
}

/// Twenty rules such as a team would have, of which pgbench's statements need a few.
fn policy(server: &Postgres, tls: bool, more: &str) -> PolicyFile {
    let upstream = if tls { "require" } else { "disable" };
    let mut file = PolicyFile::default()
        .piece("[[workload]]\nname = \"agent\"\nmax_sessions = 20000")
        .shop(
            &format!("127.0.0.1:{}", server.port()),
            &format!("upstream = {{ tls = \"{upstream}\" }}\n{more}"),
        )
        .rule(
            "read",
            "allow",
            "match = { verb = [\"select\", \"show\", \"copy_to\"], table = [\"public.*\", \"pg_catalog.*\"] }",
        )
        .rule("constants", "allow", "match = { verb = \"select\", table = [] }")
        .rule(
            "transactions",
            "allow",
            "match = { kind = [\"transaction\", \"session\"] }",
        )
        .rule(
            "balances",
            "allow",
            "match = { verb = \"update\", write = [\"public.pgbench_*\"], where = true }",
        )
        .rule("history", "allow", "match = { verb = \"insert\", write = \"public.pgbench_history\" }")
        .rule("no-ddl", "deny", "match = { kind = \"ddl\" }\nreason = \"schema changes go by review\"")
        .rule(
            "no-mass-change",
            "deny",
            "match = { verb = [\"update\", \"delete\"], where = false }\nreason = \"say which rows\"",
        )
        .rule("no-programs", "deny", "match = { program = true }\nreason = \"no shell\"")
        .rule("no-files", "deny", "match = { file = true }\nreason = \"no server files\"")
        .rule("no-code", "deny", "match = { verb = \"do\" }\nreason = \"no code blocks\"");
    for name in [
        "salaries", "cards", "keys", "tokens", "audit", "health", "staff", "vault", "hr", "tax",
    ] {
        file = file.rule(
            &format!("no-{name}"),
            "deny",
            &format!(
                "match = {{ table = [\"{name}.*\", \"*.{name}\"] }}\nreason = \"out of bounds\""
            ),
        );
    }
    file
}
