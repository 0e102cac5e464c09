//! What PostgreSQL locks for a statement.

use anyhow::{Context, Result};
use gateway_tests::postgres::Postgres;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Relations that a process holds locks on and that are not:
/// - indexes and out-of-line storage, which belong to their tables;
/// - sequences, which defaults and functions go to;
/// - partitions and children of another one that is locked;
/// - what a locked view is made of, where the server keeps that: not for its own catalogs.
const LOCKED: &str = "
WITH RECURSIVE held AS (
    SELECT DISTINCT relation, mode FROM pg_locks
    WHERE pid = $1 AND locktype = 'relation'
        AND database IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
), inside AS (
    SELECT relation AS oid, relation AS top FROM held
  UNION
    SELECT coalesce(i.inhrelid, d.refobjid), top FROM inside
    LEFT JOIN pg_inherits i ON i.inhparent = inside.oid
    LEFT JOIN pg_class v ON v.oid = inside.oid AND v.relkind IN ('v', 'm')
    LEFT JOIN pg_rewrite r ON r.ev_class = v.oid
    LEFT JOIN pg_depend d ON d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    WHERE coalesce(i.inhrelid, d.refobjid) IS NOT NULL
)
SELECT relation, bool_or(mode NOT IN ('AccessShareLock', 'RowShareLock')) AS written
FROM held
WHERE NOT EXISTS (SELECT FROM inside WHERE inside.oid = relation AND inside.top <> relation)
GROUP BY relation";

const NAMES: &str = "
SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY ($1)";

/// A relation that a statement made the server lock.
#[derive(Clone, Debug)]
pub(crate) struct Locked {
    pub(crate) schema: String,
    pub(crate) name: String,
    /// Whether the lock is one for changes.
    pub(crate) written: bool,
    /// Whether it is the server's own: commands of definition look up and change those.
    pub(crate) catalog: bool,
    pub(crate) view: bool,
}

/// Two connections to a server: one that runs statements, and one that looks on.
#[derive(Debug)]
pub(crate) struct Server {
    runs: Client,
    watches: Client,
    process: i32,
}

impl Server {
    pub(crate) async fn connect(postgres: &Postgres, schema: &str) -> Result<Server> {
        let runs = client(postgres).await?;
        runs.batch_execute("SET ROLE app").await?;
        runs.batch_execute(schema)
            .await
            .context("the schema of the corpus")?;
        runs.batch_execute("RESET ROLE").await?;
        let process = runs.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
        let watches = client(postgres).await?;
        Ok(Server {
            runs,
            watches,
            process,
        })
    }

    /// What is locked when `sql` has been run and its transaction is still open; or why the server
    /// does not run it.
    pub(crate) async fn locked_by(&self, sql: &str) -> Result<Result<Vec<Locked>, String>> {
        self.runs.batch_execute("BEGIN").await?;
        let ran = self.runs.simple_query(sql).await;
        let locked = match ran {
            Ok(_) => Ok(self.locked().await?),
            Err(error) => Err(error
                .as_db_error()
                .map_or_else(|| error.to_string(), ToString::to_string)),
        };
        self.runs
            .batch_execute("ROLLBACK; DEALLOCATE ALL; RESET ALL; UNLISTEN *")
            .await?;
        Ok(locked)
    }

    /// How many statements the server takes `sql` for, with `standard_conforming_strings` set so; or why it
    /// does not run it.
    pub(crate) async fn runs(&self, sql: &str, strings: &str) -> Result<Result<u64, String>> {
        let set =
            format!("SET standard_conforming_strings = {strings}; SET escape_string_warning = off");
        self.runs.batch_execute(&set).await?;
        let ran = self.runs.simple_query(sql).await;
        let ended = |message: &&SimpleQueryMessage| {
            matches!(message, SimpleQueryMessage::CommandComplete(_))
        };
        let count = ran
            .map(|messages| {
                u64::try_from(messages.iter().filter(ended).count()).unwrap_or(u64::MAX)
            })
            .map_err(|error| error.to_string());
        self.runs.batch_execute("DEALLOCATE ALL; RESET ALL").await?;
        Ok(count)
    }

    async fn locked(&self) -> Result<Vec<Locked>> {
        let held = self.watches.query(LOCKED, &[&self.process]).await?;
        let oids: Vec<u32> = held.iter().map(|row| row.get("relation")).collect();
        // What the statement dropped is only seen from outside, what it made only from inside. The
        // answer from inside goes last: what has a new name since is known by the old one.
        let mut named = self.watches.query(NAMES, &[&oids]).await?;
        named.extend(self.runs.query(NAMES, &[&oids]).await?);
        let mut locked = Vec::new();
        for row in held {
            let oid: u32 = row.get("relation");
            let Some(name) = named.iter().find(|name| name.get::<_, u32>("oid") == oid) else {
                continue;
            };
            let (schema, kind): (String, String) = (name.get("schema"), name.get("kind"));
            if !matches!(kind.as_str(), "r" | "p" | "v" | "m" | "f") || schema == "pg_toast" {
                continue;
            }
            locked.push(Locked {
                catalog: schema == "pg_catalog" || schema == "information_schema",
                view: kind == "v",
                // An unqualified name of a temporary relation is as good as one in `public`.
                schema: match schema.strip_prefix("pg_temp") {
                    Some(_) => "public".to_owned(),
                    None => schema,
                },
                name: name.get("name"),
                written: row.get("written"),
            });
        }
        Ok(locked)
    }
}

async fn client(postgres: &Postgres) -> Result<Client> {
    let (client, connection) =
        tokio_postgres::connect(&postgres.conninfo("127.0.0.1", "app_trust"), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
