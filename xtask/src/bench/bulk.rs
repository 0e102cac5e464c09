//! Large results: a million rows of twelve columns in text and in binary format, and `COPY` of a gibibyte,
//! with two of the columns masked and without.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use anyhow::{Result, ensure};
use gateway_tests::policy_file::{DAEMON_USER, PolicyFile};
use gateway_tests::postgres::{PASSWORD, Postgres};
use gateway_tests::sandbox::{Sandbox, give_to};

use super::Options;
use super::load::Work;
use super::load::results::Results;
use super::plan::Path;
use super::rounds::{Client, Goal, Samples};
use super::stand::Stand;

/// Rows of the table.
const ROWS: u32 = 1_000_000;
/// So many of it are a gibibyte of `COPY`.
const TIMES: u32 = 7;
/// The workload whose results are masked.
pub(super) const MASKED: &str = "masked";

/// What is read, and how.
const CELLS: [(&str, Results); 3] = [
    ("bulk rows, text", Results::Simple),
    ("bulk rows, binary", Results::Binary),
    ("bulk copy", Results::Simple),
];
const PATHS: [Path; 4] = [Path::Direct, Path::PgBouncer, Path::Gateway, Path::Masked];
const RATE: &str = "rows per second";
const CPU: &str = "proxy CPU";

/// Makes the table.
pub(super) fn prepare(server: &Postgres) -> Result<()> {
    server.admin(&format!(
        "CREATE TABLE people AS SELECT
             i AS id, i % 977 AS team, 'person' || i || '@example.com' AS email,
             'Name ' || i AS name, md5(i::text) AS token, 'Street ' || i % 500 AS street,
             (i % 100000)::numeric / 100 AS balance,
             timestamptz '2026-01-01' + i * interval '1 minute' AS since, i % 3 = 0 AS active,
             i / 7.0::float8 AS score, 'note number ' || i AS note, i::bigint * 7919 AS reference
             FROM generate_series(1, {ROWS}) i"
    ))?;
    server.admin("VACUUM ANALYZE people")?;
    server.admin("GRANT SELECT ON people TO app").map(drop)
}

/// Adds the workload, two masks for it, and the credential that masks need.
pub(super) fn with_masks(file: PolicyFile, sandbox: &Sandbox) -> Result<PolicyFile> {
    let password = sandbox.write("password", &format!("{PASSWORD}\n"))?;
    fs::set_permissions(&password, Permissions::from_mode(0o400))?;
    give_to(&password, DAEMON_USER)?;
    let mask = |name: &str, more: &str| {
        format!(
            "[[mask]]\nname = {name:?}\ngroup = {MASKED:?}\n\
             column = [\"public.people.{name}\"]\n{more}"
        )
    };
    Ok(file
        .piece(&format!(
            "[[workload]]\nname = {MASKED:?}\ngroups = [{MASKED:?}]"
        ))
        .piece(&format!(
            "[[credential]]\nname = \"app\"\nuser = \"app\"\npassword_file = {password:?}\n\
             accept_unverified = true"
        ))
        .piece(&mask("email", "kind = \"partial\"\nkeep = \"email\""))
        .piece(&mask("token", "kind = \"hash\"")))
}

/// Measures the cells that are wanted, and shows them; the samples by cell.
pub(super) fn measure(options: &Options) -> Result<Vec<(&'static str, Samples)>> {
    let wanted = CELLS.into_iter().filter(|(name, _)| options.wants(name));
    let wanted: Vec<_> = wanted.collect();
    let mut all = Vec::new();
    if wanted.is_empty() {
        return Ok(all);
    }
    let stand = Stand::with_people(!options.without_gateway)?;
    for (name, results) in wanted {
        let mut samples = Samples::default();
        for round in 0..options.rounds() {
            let first = usize::try_from(round)? % PATHS.len();
            for path in PATHS.into_iter().cycle().skip(first).take(PATHS.len()) {
                if stand.has(path) {
                    read(&stand, path, name, results, &mut samples)?;
                }
            }
        }
        show(name, &samples);
        all.push((name, samples));
    }
    Ok(all)
}

fn read(
    stand: &Stand,
    path: Path,
    name: &str,
    results: Results,
    samples: &mut Samples,
) -> Result<()> {
    let (sql, rows) = if name.ends_with("copy") {
        let sql = format!("COPY (SELECT p.* FROM generate_series(1, {TIMES}), people p) TO STDOUT");
        (sql, ROWS * TIMES)
    } else {
        ("SELECT * FROM people".to_owned(), ROWS)
    };
    let mut load = stand.client(path, std::env::current_exe()?)?;
    load.args(Work::Results { results, sql }.arguments());
    let mut client = Client::launch(stand.launch(path, load)?)?;
    let before = stand.processor_time(path)?;
    let loaded = client.work()?;
    let after = stand.processor_time(path)?;
    client.end()?;
    ensure!(loaded.rows == rows, "{path} gave {} rows", loaded.rows);
    samples.add(path.name(), RATE, loaded.per_second);
    samples.add(path.name(), CPU, after.0 - before.0);
    Ok(())
}

fn show(name: &str, samples: &Samples) {
    let mut title = name;
    for path in PATHS {
        let name = path.name();
        let Some(rate) = samples.median(name, RATE) else {
            continue;
        };
        let to = |base: Path| {
            let ratio = samples.ratio(name, base.name(), RATE);
            let ratio = ratio.filter(|_| base != path);
            ratio.map_or(String::new(), |it| it.to_string())
        };
        println!(
            "{:<28} {name:<17} {rate:>9.0} rows per s {:>7.3} CPU s  {:<18} {:<18} {:<18}",
            std::mem::take(&mut title),
            samples.median(name, CPU).unwrap_or_default(),
            to(Path::Direct),
            to(Path::PgBouncer),
            to(Path::Gateway),
        );
    }
}

/// Where the goals stand.
pub(super) fn goals(measured: &[(&'static str, Samples)]) -> Vec<Goal> {
    let goal = |(cell, samples): &(&'static str, Samples), path: Path, base: Path, least: f64| {
        let ratio = samples.ratio(path.name(), base.name(), RATE);
        Goal {
            what: format!("{cell}: {path} at least {least} of {base}"),
            measured: ratio,
            is_met: ratio.is_some_and(|ratio| ratio.median >= least),
        }
    };
    measured
        .iter()
        .flat_map(|cell| {
            [
                goal(cell, Path::Gateway, Path::PgBouncer, 0.9),
                goal(cell, Path::Masked, Path::Gateway, 0.75),
            ]
        })
        .collect()
}
