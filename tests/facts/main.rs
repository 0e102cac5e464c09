//! What the gateway says a statement touches, against what PostgreSQL touches when it runs it.
//!
//! The statements are those of `corpus/postgres`, one on each line. Each is run in a transaction of
//! its own, and before that is rolled back the locks which the server took for it are looked at by
//! a second connection: every relation that was locked must be among the facts. What is known not
//! to be seen is told in `docs/policy.md` and left out in `locks`.

mod cuts;
mod kinds;
mod locks;

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use gateway_core::facts::{Fact, FactSet, Name, Schema};
use gateway_core::protocols::postgres::attributes as slot;
use gateway_core::protocols::postgres::script::Script;
use gateway_core::sql::postgres::{Session, Strings};
use gateway_tests::postgres::{Options, Postgres};

use locks::{Locked, Server};

const SCHEMA: &str = include_str!("../corpus/postgres/schema.sql");
const CORPUS: [(&str, &str); 4] = [
    (
        "queries.sql",
        include_str!("../corpus/postgres/queries.sql"),
    ),
    ("writes.sql", include_str!("../corpus/postgres/writes.sql")),
    (
        "commands.sql",
        include_str!("../corpus/postgres/commands.sql"),
    ),
    ("bodies.sql", include_str!("../corpus/postgres/bodies.sql")),
];

#[test]
fn facts_hold_what_the_server_locks() -> Result<()> {
    let postgres = Postgres::start(&Options {
        log_statements: false,
        ..Options::default()
    })?;
    let roles = "GRANT pg_read_server_files, pg_write_server_files TO app_trust";
    postgres.admin(roles)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let judged = runtime.block_on(async {
        let server = Server::connect(&postgres, SCHEMA).await?;
        let mut judged = Judged::default();
        for (file, text) in CORPUS {
            for (line, sql) in text.lines().enumerate() {
                let place = format!("{file}:{}: {sql}", line + 1);
                match server.locked_by(sql).await? {
                    Ok(locked) => judged.add(&place, sql, &locked),
                    Err(error) => judged.refused.push(format!("{place}: {error}")),
                }
            }
        }
        anyhow::Ok(judged)
    })?;
    eprintln!("{}", judged.summary());
    if !judged.refused.is_empty() {
        bail!("the server refuses:\n{}", judged.refused.join("\n"));
    }
    if !judged.missed.is_empty() {
        bail!("not among the facts:\n{}", judged.missed.join("\n"));
    }
    Ok(())
}

#[test]
fn texts_are_cut_where_the_server_cuts_them() -> Result<()> {
    let postgres = Postgres::start(&Options {
        log_statements: false,
        ..Options::default()
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut wrong = Vec::new();
    let (mut same, mut refused, mut only_server) = (0, 0, Vec::new());
    runtime.block_on(async {
        let server = Server::connect(&postgres, SCHEMA).await?;
        for (setting, strings) in [("on", Strings::Standard), ("off", Strings::Escaping)] {
            for text in cuts::TEXTS {
                let place = format!("{setting}: {text:?}");
                match (server.runs(text, setting).await?, cuts::seen(text, strings)) {
                    (Ok(ran), Some(seen)) if ran == seen => same += 1,
                    // What the server does not run hurts nobody, however it is read.
                    (Err(_), _) => refused += 1,
                    (Ok(_), None) => only_server.push(place),
                    (ran, seen) => wrong.push(format!("{place}: {ran:?}, but {seen:?}")),
                }
            }
        }
        anyhow::Ok(())
    })?;
    eprintln!(
        "{same} texts cut alike, {refused} that the server does not run, {} that only it reads",
        only_server.len()
    );
    if !wrong.is_empty() || !only_server.is_empty() {
        bail!(
            "cut otherwise:\n{}\n{}",
            wrong.join("\n"),
            only_server.join("\n")
        );
    }
    Ok(())
}

/// What came of the comparison.
#[derive(Debug, Default)]
struct Judged {
    statements: usize,
    unread: usize,
    relations: usize,
    /// Relations of statements that touch something unknown.
    unknown: usize,
    /// Facts that name a relation which was not locked.
    more: Vec<String>,
    missed: Vec<String>,
    /// Statements that the server does not run, which do not belong into the corpus.
    refused: Vec<String>,
}

impl Judged {
    fn add(&mut self, place: &str, sql: &str, locked: &[Locked]) {
        let script = Script::read(sql.as_bytes(), &Session::default());
        let units = script.resolve(|_| None);
        self.statements += 1;
        self.unread += usize::from(
            units
                .iter()
                .any(|unit| *unit.fact(slot::PARSED) != Fact::Flag(true)),
        );
        let tables = names(&units, slot::TABLE);
        let writes = names(&units, slot::WRITE);
        // A catalog is asked for, or looked up for a definition or for one of the catalog's views.
        let catalogs = all_read(&units) && !locked.iter().any(|seen| seen.catalog && seen.view);
        let of_index = units.iter().any(of_an_index);
        for relation in locked {
            let own = tables.as_ref().is_some_and(|tables| has(tables, relation));
            if !own && (of_index || relation.catalog && !catalogs) {
                continue;
            }
            self.relations += 1;
            if tables.is_none() {
                self.unknown += 1;
            } else if !own {
                self.missed.push(format!("{place}: {relation:?}"));
            }
            if relation.written && writes.as_ref().is_some_and(|writes| !has(writes, relation)) {
                self.missed
                    .push(format!("{place}: as written: {relation:?}"));
            }
        }
        for name in tables.into_iter().flatten() {
            if !locked.iter().any(|relation| is(&name, relation)) {
                self.more.push(format!("{place}: {name}"));
            }
        }
    }

    fn summary(&self) -> String {
        format!(
            "{} statements, {} of them not read; {} relations locked, {} of them by statements with unknown tables, \
             {} missed; {} named that were not locked:\n{}",
            self.statements,
            self.unread,
            self.relations,
            self.unknown,
            self.missed.len(),
            self.more.len(),
            self.more.join("\n"),
        )
    }
}

fn all_read(units: &[FactSet]) -> bool {
    units
        .iter()
        .all(|unit| matches!(unit.fact(slot::KIND), Fact::Text(kind) if &**kind == "read"))
}

/// Whether it works on an index that is there: which table it belongs to is not said in the text.
fn of_an_index(unit: &FactSet) -> bool {
    let text =
        |slot: usize, word: &str| matches!(unit.fact(slot), Fact::Text(text) if **text == *word);
    text(slot::VERB, "reindex") || text(slot::OBJECT, "index") && !text(slot::VERB, "create")
}

/// The names of all units in one slot, or nothing if some are not known.
fn names(units: &[FactSet], slot: usize) -> Option<BTreeSet<Name>> {
    let mut all = BTreeSet::new();
    for unit in units {
        match unit.fact(slot) {
            Fact::Names(names) => all.extend(names.iter().cloned()),
            Fact::Absent => {}
            _ => return None,
        }
    }
    Some(all)
}

fn has(names: &BTreeSet<Name>, relation: &Locked) -> bool {
    names.iter().any(|name| is(name, relation))
}

fn is(name: &Name, relation: &Locked) -> bool {
    let within = match &name.schema {
        Schema::In(schema) => **schema == *relation.schema,
        Schema::OneOf(schemas) => schemas.iter().any(|schema| **schema == *relation.schema),
        Schema::Any => true,
    };
    *name.name == *relation.name && within
}
