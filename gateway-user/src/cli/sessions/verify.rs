//! `gateway sessions verify`: are the recordings as they were written?
//!
//! Each file is checked by its chain (`recording::verify`), then against the enforcement log, which
//! notes the last line of every recording when its session ends: so a change to that line, a cut,
//! and a recording that was removed show too.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use serde::Serialize;

use super::find::{self, Found};
use crate::cli::failure::Failure;
use crate::cli::printable::{BAD, DIM, GOOD, line};
use crate::observe::enforcement::{Entry, What};
use crate::recording::journal::Head;
use crate::recording::reader;
use crate::recording::verify::{Outcome, Report, verify};

/// Arguments of `gateway sessions verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Sessions' ids, or beginnings of them
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<String>,
    /// All recordings, and those that the log tells of and that are gone
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// The enforcement log to compare with; can be given again for rotated ones [default: the
    /// configuration's]
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
    /// Write one JSON object a line
    #[arg(long)]
    json: bool,
}

/// What was found out about one session.
#[derive(Debug, Serialize)]
struct Finding {
    session: String,
    lines: u64,
    hash: String,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// Complete, and as the log says.
    Confirmed,
    /// Complete; the log does not tell of it.
    Complete,
    /// A session is writing it.
    Running,
    /// Without an end, and the log does not tell of one.
    Incomplete,
    /// Not as it was written.
    Broken,
    /// The log tells of it, and it is gone.
    Missing,
}

pub(super) fn run(directory: &Path, log: &Path, args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    // Before the recordings are listed: one is made before the log tells of it.
    let mut heads = heads(log, args)?;
    let mut findings = Vec::new();
    for found in chosen(directory, args)? {
        let live = reader::is_live(&found.path)?;
        let report =
            verify(&found.path).with_context(|| format!("cannot read {}", found.path.display()))?;
        findings.push(judge(
            found.id.clone(),
            report,
            live,
            heads.remove(&found.id).flatten(),
        ));
    }
    if args.all {
        findings.extend(
            heads
                .into_iter()
                .map(|(session, head)| missing(session, head)),
        );
    }
    let bad = findings
        .iter()
        .filter(|finding| matches!(finding.state, State::Broken | State::Missing))
        .count();
    if args.json {
        let mut out = io::stdout().lock();
        for finding in &findings {
            serde_json::to_writer(&mut out, finding)?;
            writeln!(out)?;
        }
    } else {
        print(&findings, bad)?;
    }
    Ok(if bad == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn chosen(directory: &Path, args: &VerifyArgs) -> anyhow::Result<Vec<Found>> {
    if args.all {
        return find::all(directory);
    }
    let chosen = args.ids.iter().map(|id| find::one(directory, id));
    chosen.collect()
}

fn missing(session: String, head: Option<Head>) -> Finding {
    let (lines, hash) = head.map_or_else(Default::default, |head| (head.lines, head.hash));
    Finding {
        session,
        lines,
        hash,
        state: State::Missing,
        line: None,
        problem: Some("the enforcement log tells of it, and the recording is gone".to_owned()),
    }
}

/// The sessions that the log tells of, with the last lines of those that ended.
type Heads = BTreeMap<String, Option<Head>>;

fn heads(log: &Path, args: &VerifyArgs) -> anyhow::Result<Heads> {
    let mut heads = BTreeMap::new();
    if args.log.is_empty() {
        match File::open(log) {
            Ok(file) => read_heads(file, &mut heads)?,
            // Only a default: recordings can be checked where there is no log.
            Err(error) => anstream::eprintln!(
                "{DIM}not compared with the enforcement log {}: {error}{DIM:#}",
                log.display()
            ),
        }
    }
    for path in &args.log {
        let file = File::open(path).map_err(|error| {
            Failure::new(format!("cannot read {}: {error}", path.display()))
                .help("leave --log out to use the configuration's")
        })?;
        read_heads(file, &mut heads)?;
    }
    Ok(heads)
}

fn read_heads(file: File, heads: &mut Heads) -> io::Result<()> {
    for line in BufReader::new(file).lines() {
        // Other entries are of no use here, nor are lines that do not read.
        let Ok(Entry { what, .. }) = serde_json::from_str(&line?) else {
            continue;
        };
        let (connection, head) = match what {
            What::ConnectionOpened(connection) => (connection, None),
            What::SessionEnded {
                connection,
                lines: Some(lines),
                head: Some(hash),
                ..
            } => (connection, Some(Head { lines, hash })),
            _ => continue,
        };
        if let Some(session) = connection.session {
            let known = heads.entry(session.as_str().to_owned()).or_default();
            *known = known.take().or(head);
        }
    }
    Ok(())
}

fn judge(session: String, report: Report, live: bool, logged: Option<Head>) -> Finding {
    let (state, line, problem) = match (&report.outcome, logged) {
        (Outcome::Broken(fault), _) => {
            let problem = fault.what.to_string();
            (State::Broken, Some(fault.line), Some(problem))
        }
        (_, Some(head)) if head == report.head => (State::Confirmed, None, None),
        (_, Some(head)) => {
            let problem = if head.lines == report.head.lines {
                "the last line is not the one that the enforcement log notes".to_owned()
            } else {
                format!("the enforcement log notes {} lines", head.lines)
            };
            (State::Broken, Some(report.head.lines), Some(problem))
        }
        (Outcome::Complete, None) => (State::Complete, None, None),
        (Outcome::Incomplete, None) if live => (State::Running, None, None),
        (Outcome::Incomplete, None) => {
            let problem = "has no end: the gateway was killed, or the rest was cut off";
            (State::Incomplete, None, Some(problem.to_owned()))
        }
    };
    Finding {
        session,
        lines: report.head.lines,
        hash: report.head.hash,
        state,
        line,
        problem,
    }
}

fn print(findings: &[Finding], bad: usize) -> io::Result<()> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .enforce_styling()
        .set_header(
            ["SESSION", "LINES", "STATE", ""]
                .map(|title| Cell::new(title).add_attribute(comfy_table::Attribute::Dim)),
        );
    for finding in findings {
        let (word, colour) = match finding.state {
            State::Confirmed => ("good, as logged", Color::Green),
            State::Complete => ("good", Color::Green),
            State::Running => ("good, running", Color::Green),
            State::Incomplete => ("incomplete", Color::Yellow),
            State::Broken => ("BROKEN", Color::Red),
            State::Missing => ("MISSING", Color::Red),
        };
        let problem = finding.problem.as_deref().unwrap_or_default();
        let problem = match finding.line {
            Some(number) => format!("line {number}: {}", line(problem)),
            None => line(problem).to_string(),
        };
        table.add_row([
            Cell::new(line(&finding.session)),
            Cell::new(finding.lines).set_alignment(CellAlignment::Right),
            Cell::new(word).fg(colour),
            Cell::new(problem),
        ]);
    }
    let mut out = anstream::stdout();
    writeln!(out, "{table}")?;
    let all = match findings.len() {
        1 => "1 recording".to_owned(),
        all => format!("{all} recordings"),
    };
    match bad {
        0 => writeln!(out, "{GOOD}nothing wrong{GOOD:#} in {all}"),
        _ => writeln!(out, "{BAD}{bad} of {all} not as written{BAD:#}"),
    }
}
