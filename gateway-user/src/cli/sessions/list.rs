//! `gateway sessions list`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use jiff::{Timestamp, Zoned};

use super::digest::{self, Digest};
use super::find;
use crate::cli::printable::{DIM, json, line};
use crate::cli::wording::{ending, local, span};

/// Arguments of `gateway sessions list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Write one JSON object a line
    #[arg(long)]
    json: bool,
    /// Only this workload
    #[arg(short, long, value_name = "NAME")]
    workload: Option<String>,
    /// Only sessions that began since: a span such as `2h` or `3 days`, a date or a time
    #[arg(long, value_name = "WHEN", value_parser = parse_since)]
    since: Option<Timestamp>,
    /// Only sessions in which something was refused, or would have been
    #[arg(short, long)]
    denied: bool,
    /// Only so many, the newest
    #[arg(short = 'n', long, value_name = "N", default_value_t = 30)]
    limit: usize,
    /// All there are
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

pub(super) fn run(directory: &Path, args: &ListArgs) -> anyhow::Result<ExitCode> {
    let found = find::all(directory)?;
    let names = find::short_names(&found);
    let limit = if args.all { usize::MAX } else { args.limit };
    let mut digests = Vec::new();
    let mut more = false;
    // From the newest on, so that a long history is not read for a short list.
    for (found, name) in found.iter().zip(names).rev() {
        let digest = match digest::of(found) {
            Ok(digest) => digest,
            Err(error) => {
                anstream::eprintln!("{DIM}left out: {}{DIM:#}", line(&error.to_string()));
                continue;
            }
        };
        if args
            .since
            .is_some_and(|since| digest.started.is_some_and(|started| started < since))
        {
            break;
        }
        if !wanted(&digest, args) {
            continue;
        }
        if digests.len() == limit {
            more = true;
            break;
        }
        digests.push((name, digest));
    }
    digests.reverse();
    if args.json {
        let mut out = std::io::stdout().lock();
        for (_, digest) in &digests {
            writeln!(out, "{}", json(&serde_json::to_string(digest)?))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if digests.is_empty() {
        anstream::eprintln!("no such sessions in {}", directory.display());
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(anstream::stdout(), "{}", table(&digests))?;
    if more {
        anstream::eprintln!("{DIM}the newest {limit}; --all shows the others{DIM:#}");
    }
    Ok(ExitCode::SUCCESS)
}

fn wanted(digest: &Digest, args: &ListArgs) -> bool {
    let workload = digest.open.as_ref().map(|open| &open.subject.workload);
    let of_workload = |name: &String| workload.is_some_and(|found| found.as_str() == name);
    args.workload.as_ref().is_none_or(of_workload)
        && (!args.denied || digest.denied > 0 || digest.observed > 0)
}

fn table(digests: &[(&str, Digest)]) -> Table {
    let now = Timestamp::now();
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        // Whether there is a terminal is decided once, by anstream.
        .enforce_styling()
        .set_header(
            [
                "SESSION", "STARTED", "WORKLOAD", "WHERE", "LASTED", "ALLOWED", "DENIED", "ROWS",
                "END",
            ]
            .map(|title| Cell::new(title).add_attribute(comfy_table::Attribute::Dim)),
        );
    for (name, digest) in digests {
        table.add_row(row(name, digest, now));
    }
    for column in [4, 5, 6, 7] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn row(name: &str, digest: &Digest, now: Timestamp) -> Vec<Cell> {
    let workload = digest
        .open
        .as_ref()
        .map_or("?", |open| open.subject.workload.as_str());
    let started = digest.started.map_or_else(|| "?".to_owned(), local);
    let mut denied = Cell::new(match digest.observed {
        0 => digest.denied.to_string(),
        observed => format!("{} (+{observed} observed)", digest.denied),
    });
    if digest.denied > 0 {
        denied = denied.fg(Color::Red);
    } else if digest.observed > 0 {
        denied = denied.fg(Color::Yellow);
    }
    vec![
        Cell::new(line(name)),
        Cell::new(started),
        Cell::new(line(workload)),
        Cell::new(line(&digest.whereabouts())),
        Cell::new(span(digest.duration_ms(now))),
        Cell::new(digest.allowed),
        denied,
        Cell::new(digest.rows),
        end(digest),
    ]
}

fn end(digest: &Digest) -> Cell {
    match &digest.end {
        Some(how) => Cell::new(ending(how)),
        None if digest.live => Cell::new("running").fg(Color::Green),
        None => Cell::new("cut short").fg(Color::Yellow),
    }
}

/// A span back from now, a date, or a time.
fn parse_since(text: &str) -> anyhow::Result<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(time) = text.parse::<jiff::civil::DateTime>() {
        return Ok(time.to_zoned(jiff::tz::TimeZone::system())?.timestamp());
    }
    let span: jiff::Span = text
        .parse()
        .context("expected such as `2h`, `3 days`, `2026-11-21` or `2026-11-21T08:00:00Z`")?;
    Ok(Zoned::now().checked_sub(span.abs())?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_takes_spans_dates_and_times() {
        for text in [
            "2h",
            "3 days",
            "2026-11-21",
            "2026-11-21T08:00:00Z",
            "1h 30m",
        ] {
            assert!(parse_since(text).is_ok(), "{text}");
        }
        assert!(parse_since("yesterday-ish").is_err());
    }
}
