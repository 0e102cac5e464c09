//! Requests in a line each: as a list, and as they come and go.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anstream::{eprintln, print, println};
use clap::Args;
use comfy_table::{Cell, ContentArrangement, Table, presets};
use jiff::Timestamp;

use super::decide::print_json;
use super::{grants, view};
use crate::cli::printable::{self, BAD, DIM, DOUBTFUL, GOOD, STRONG, line};
use crate::cli::wording::local;
use crate::control::approvals::Which;
use crate::control::approvals::api::{Brief, Line};
use crate::control::client::{Client, ClientError};

/// So much of a statement is shown in a list, in characters.
const SHOWN: usize = 60;
/// How long a daemon that is gone is waited for, each time.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

/// Arguments of `gateway approvals list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Also what is decided, timed out or withdrawn.
    #[arg(long)]
    all: bool,
    /// Print it as JSON; docs/openapi.json describes it.
    #[arg(long)]
    json: bool,
}

/// Arguments of `gateway approvals watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Print each event as one line of JSON.
    #[arg(long)]
    json: bool,
    /// Do not ring when you are asked.
    #[arg(long)]
    silent: bool,
}

/// Lists requests.
pub async fn list(client: &Client, args: &ListArgs) -> anyhow::Result<ExitCode> {
    let which = if args.all { Which::All } else { Which::Open };
    let all = client.approvals(which).await?;
    if args.json {
        return print_json(&all);
    }
    if all.is_empty() {
        println!("nothing waits for you");
        return Ok(ExitCode::SUCCESS);
    }
    let now = Timestamp::now();
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header([
            "request",
            "",
            "left",
            "workload",
            "on",
            "rule",
            "asked",
            "statement",
        ]);
    for brief in &all {
        table.add_row(cells(brief, now));
    }
    for row in table.lines() {
        println!("{}", row.trim_end());
    }
    println!("\n{DIM}* you are asked. All of one: gateway approvals show ID{DIM:#}");
    Ok(ExitCode::SUCCESS)
}

fn cells(brief: &Brief, now: Timestamp) -> [Cell; 8] {
    let rules: Vec<_> = brief.rules.iter().map(|it| it.as_str()).collect();
    let left = match brief.closed {
        None => view::left(brief.deadline, now),
        Some(_) => word(brief),
    };
    [
        Cell::new(short(brief)),
        Cell::new(if brief.yours { "*" } else { "" }),
        Cell::new(left),
        Cell::new(line(brief.workload.as_str())),
        Cell::new(line(brief.resource.as_str())),
        Cell::new(line(&rules.join(", "))),
        Cell::new(line(&brief.asked.join(", "))),
        Cell::new(beginning(brief)),
    ]
}

/// What became of it, in a word.
fn word(brief: &Brief) -> String {
    let value = serde_json::to_value(&brief.state).unwrap_or_default();
    let word = value.get("state").and_then(|word| word.as_str());
    word.unwrap_or_default().replace('_', " ")
}

/// The end of an id, which tells them apart best: they begin with the time.
pub(super) fn short(brief: &Brief) -> String {
    tail(brief.id.as_str())
}

/// The last characters of an id.
pub(super) fn tail(id: &str) -> String {
    let short = id.get(id.len().saturating_sub(8)..).unwrap_or(id);
    line(short).to_string()
}

/// The beginning of the statement in one line; `…` says that it goes on.
pub(super) fn beginning(brief: &Brief) -> String {
    let words: Vec<_> = brief.beginning.split_whitespace().collect();
    let words = words.join(" ");
    let mut text: String = words.chars().take(SHOWN).collect();
    let is_cut = text.len() < words.len() || brief.beginning.len() < brief.text_bytes;
    if is_cut {
        text.push('…');
    }
    line(&text).to_string()
}

/// Tells of what happens, also after the daemon was restarted.
pub async fn watch(client: &Client, args: &WatchArgs) -> anyhow::Result<ExitCode> {
    let rings = io::stdout().is_terminal() && !args.silent && !args.json;
    let mut is_first = true;
    loop {
        match client.watch().await {
            Ok(mut lines) => {
                is_first = false;
                while let Ok(Some(line)) = lines.next().await {
                    if args.json {
                        println!("{}", printable::json(&serde_json::to_string(&line)?));
                    } else {
                        tell(&line, rings);
                    }
                    io::stdout().flush()?;
                }
                eprintln!("{DIM}the daemon has ended; waiting for it{DIM:#}");
            }
            // It did not run to begin with, or this user may not.
            Err(error) if is_first || matches!(error, ClientError::Refused { .. }) => {
                return Err(error.into());
            }
            Err(_) => {}
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn tell(what: &Line, rings: bool) {
    let (style, word, rest, yours) = match what {
        Line::Ready => return,
        Line::Waiting { approval } => (DOUBTFUL, "waits", about(approval), approval.yours),
        Line::Opened { approval } => (DOUBTFUL, "OPENED", about(approval), approval.yours),
        Line::Previewed { .. } => return,
        Line::Voted { approval } => (STRONG, "voted", about(approval), approval.yours),
        Line::Closed { approval } => {
            let (style, state) = view::state(&approval.state);
            (
                style,
                "closed",
                format!("{}  {state}", about(approval)),
                false,
            )
        }
        Line::Granted { grant } => (GOOD, "granted", grants::about(grant), false),
        Line::Used { grant } => (DIM, "used", grants::about(grant), false),
        Line::Ended { grant } => (DIM, "ended", grants::about(grant), false),
        Line::Missed { count } => {
            let text = format!("{count} events were missed; see `gateway approvals list`");
            (BAD, "missed", text, false)
        }
    };
    let time = local(Timestamp::now());
    let time = time.get(11..).unwrap_or_default();
    let you = if yours { "for you  " } else { "" };
    println!("{DIM}{time}{DIM:#}  {style}{word:<8}{style:#}  {STRONG}{you}{STRONG:#}{rest}");
    if rings && yours {
        print!("\x07");
    }
}

fn about(brief: &Brief) -> String {
    let rules: Vec<_> = brief.rules.iter().map(|it| it.as_str()).collect();
    format!(
        "{}  {} on {}  rule {}  {}",
        short(brief),
        line(brief.workload.as_str()),
        line(brief.resource.as_str()),
        line(&rules.join(", ")),
        beginning(brief)
    )
}
