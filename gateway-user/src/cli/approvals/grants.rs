//! What people let pass beforehand: listed, and taken back.

use std::process::ExitCode;

use anstream::println;
use clap::{Args, Subcommand};
use comfy_table::{Cell, ContentArrangement, Table, presets};
use gateway_core::approvals::grant::Covers;
use gateway_core::approvals::likeness::Likeness;
use gateway_core::event::Value;
use jiff::Timestamp;

use super::decide::print_json;
use super::{list, view};
use crate::cli::printable::line;
use crate::control::approvals::Which;
use crate::control::approvals::api::Grant;
use crate::control::client::Client;

/// Arguments of `gateway grants`.
#[derive(Debug, Args)]
pub struct GrantsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what passes without being asked for again
    List(ListArgs),
    /// Take a grant back: what passed by it and still runs is ended
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Also those that have ended.
    #[arg(long)]
    all: bool,
    /// Print it as JSON; docs/openapi.json describes it.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// The grant: the beginning or the end of its id, as long as no other has it.
    id: String,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(client: &Client, args: GrantsArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List(args) => list(client, &args).await,
        Command::Revoke(args) => {
            let grant = client.revoke(&args.id).await?;
            if args.json {
                return print_json(&grant);
            }
            println!("taken back: {}", about(&grant));
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn list(client: &Client, args: &ListArgs) -> anyhow::Result<ExitCode> {
    let which = if args.all { Which::All } else { Which::Open };
    let grants = client.grants(which).await?;
    if args.json {
        return print_json(&grants);
    }
    if grants.is_empty() {
        println!("nothing is granted beforehand");
        return Ok(ExitCode::SUCCESS);
    }
    let now = Timestamp::now();
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(["grant", "left", "workload", "by", "uses", "rows", "what"]);
    for grant in &grants {
        let bound = |count: u64, most: Option<u64>| match most {
            Some(most) => format!("{count} of {most}"),
            None => count.to_string(),
        };
        table.add_row([
            Cell::new(list::tail(grant.id.as_str())),
            Cell::new(lasts(grant, now)),
            Cell::new(whose(grant)),
            Cell::new(by(grant)),
            Cell::new(bound(grant.uses, grant.max_uses)),
            Cell::new(bound(grant.rows, grant.max_rows)),
            Cell::new(what(grant)),
        ]);
    }
    for row in table.lines() {
        println!("{}", row.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// How long it lasts, or why it does not.
pub(super) fn lasts(grant: &Grant, now: Timestamp) -> String {
    match &grant.ended {
        None => view::left(grant.expires, now),
        Some(ended) => line(&ended.ending.sentence()).to_string(),
    }
}

/// Whose actions it lets pass: the workload, and as whom it has to be known.
pub(super) fn whose(grant: &Grant) -> String {
    let known = grant.identity.as_ref();
    let known = known.map(|known| format!(" as {}", line(&known.to_string())));
    format!(
        "{}{}",
        line(grant.workload.as_str()),
        known.unwrap_or_default()
    )
}

/// Those who made it.
pub(super) fn by(grant: &Grant) -> String {
    let names: Vec<_> = grant.by.iter().map(|it| it.name.as_str()).collect();
    line(&names.join(", ")).to_string()
}

/// A grant in a line.
pub(super) fn about(grant: &Grant) -> String {
    let ended = grant.ended.as_ref();
    let ended = ended.map(|ended| format!("  {}", line(&ended.ending.sentence())));
    format!(
        "{}  {} by {}: {}{}",
        list::tail(grant.id.as_str()),
        whose(grant),
        by(grant),
        what(grant),
        ended.unwrap_or_default()
    )
}

/// What it lets pass, in a line.
pub(super) fn what(grant: &Grant) -> String {
    match &grant.covers {
        Covers::Action { action } => {
            let digest = action.as_str();
            format!(
                "once the action {}",
                line(digest.get(..12).unwrap_or(digest))
            )
        }
        Covers::Session { session, likeness } => {
            let session = list::tail(session.as_str());
            format!("in session {session}: {}", like(likeness))
        }
        Covers::Workload { likeness } => like(likeness),
    }
}

/// The telling facts of what an action has to be like: what it does to what.
fn like(likeness: &Likeness) -> String {
    let told = ["sql.verb", "sql.table", "sql.write"];
    let units = likeness.units.iter().map(|unit| {
        let facts = told.iter().filter_map(|name| match unit.get(*name)? {
            Value::Text(text) => Some(text.clone()),
            Value::Texts(texts) => Some(texts.join(", ")),
            Value::Flag(_) | Value::Number(_) | Value::Unknown(()) => None,
        });
        let mut facts: Vec<_> = facts.collect();
        facts.dedup();
        facts.join(" ")
    });
    let units: Vec<_> = units.filter(|unit| !unit.is_empty()).collect();
    let closer = match (&likeness.text, &likeness.parameters) {
        (None, _) => "",
        (Some(_), None) => ", the same statement",
        (Some(_), Some(_)) => ", the same statement and parameters",
    };
    format!(
        "{} on {}{closer}",
        line(&units.join("; ")),
        line(likeness.resource.as_str())
    )
}
