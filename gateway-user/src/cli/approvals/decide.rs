//! Shows a request and takes the word on it: bound to the digest of what was shown.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anstream::{print, println};
use clap::{Args, ValueEnum};
use gateway_core::approvals::request::State;
use gateway_core::approvals::scope::Closeness;
use gateway_core::duration;
use gateway_core::ids::ActionDigest;
use jiff::Timestamp;

use super::view::{self, Row};
use crate::cli::failure::Failure;
use crate::cli::printable::{self, line};
use crate::control::approvals::api::{Approval, ApproveRequest, DenyRequest, Reach};
use crate::control::client::Client;

/// Arguments of `gateway approvals show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The request: the beginning or the end of its id, as long as no other has it.
    id: String,
    /// Print it as JSON; docs/openapi.json describes it.
    #[arg(long)]
    json: bool,
}

/// Arguments of `gateway approvals approve`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("more").multiple(true))]
pub struct ApproveArgs {
    /// The request: the beginning or the end of its id, as long as no other has it.
    id: String,
    /// Also what this session does that is like it, until the session ends.
    #[arg(long, group = "more")]
    session: bool,
    /// Also what the workload does that is like it, for so long: 15m, 1h30m. With --session only what
    /// that session does.
    #[arg(long = "for", value_name = "TIME", value_parser = span, group = "more")]
    lasting: Option<std::time::Duration>,
    /// How like it others have to be.
    #[arg(long, value_enum, requires = "more")]
    like: Option<Like>,
    /// How many may pass, this one included.
    #[arg(long, value_name = "N", requires = "more")]
    max_uses: Option<u64>,
    /// Nothing more passes when they have changed so many rows in all.
    #[arg(long, value_name = "N", requires = "more")]
    max_rows: Option<u64>,
    /// What you say to it; it is recorded.
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Do not show it and ask; takes the digest of what was looked at.
    #[arg(long, requires = "digest")]
    yes: bool,
    /// Only if this is its digest.
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// Print what became of it as JSON.
    #[arg(long, requires = "yes")]
    json: bool,
}

/// Arguments of `gateway approvals deny`.
#[derive(Debug, Args)]
pub struct DenyArgs {
    /// The request: the beginning or the end of its id, as long as no other has it.
    id: String,
    /// Why; it is recorded, and told to the agent.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only if this is its digest.
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// Print what became of it as JSON.
    #[arg(long)]
    json: bool,
}

/// How like an action others have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Like {
    /// The same sort of thing to the same objects.
    Facts,
    /// The same statement; parameters may be others.
    Text,
    /// The same statement with the same parameters.
    Parameters,
}

impl From<Like> for Closeness {
    fn from(like: Like) -> Self {
        match like {
            Like::Facts => Self::Facts,
            Like::Text => Self::Text,
            Like::Parameters => Self::Parameters,
        }
    }
}

fn span(text: &str) -> Result<std::time::Duration, String> {
    duration::parse(text).ok_or_else(|| "write a span of time such as 15m or 1h30m".to_owned())
}

/// Shows a request.
pub async fn show(client: &Client, args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let approval = client.approval(&args.id).await?;
    if args.json {
        return print_json(&approval);
    }
    print_all(&approval);
    Ok(ExitCode::SUCCESS)
}

/// Lets a request pass.
pub async fn approve(client: &Client, args: ApproveArgs) -> anyhow::Result<ExitCode> {
    let approval = client.approval(&args.id).await?;
    check_digest(&approval, args.digest.as_deref())?;
    let request = ApproveRequest {
        digest: approval.action.action.clone(),
        scope: match (args.session, args.lasting) {
            (true, _) => Reach::Session,
            (false, Some(_)) => Reach::Workload,
            (false, None) => Reach::Once,
        },
        lasting_s: args.lasting.map(|span| span.as_secs()),
        closeness: args.like.map(Closeness::from),
        max_uses: args.max_uses,
        max_rows: args.max_rows,
        comment: args.comment,
    };
    let scope = request.scope().map_err(|why| {
        Failure::new(why)
            .help("give --session or --for TIME with --like, --max-uses and --max-rows")
            .status(2)
    })?;
    if !args.yes {
        if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
            return Err(
                Failure::new("nobody is there to be shown the request and asked")
                    .help(
                        "look at it with `gateway approvals show`, then give --yes --digest DIGEST",
                    )
                    .status(2)
                    .into(),
            );
        }
        print_all(&approval);
        if !is_confirmed(&format!("Approve {}?", view::reach(&scope)))? {
            println!("nothing was decided");
            return Ok(ExitCode::FAILURE);
        }
    }
    let after = client.approve(&approval.id, &request).await?;
    if args.json {
        return print_json(&after);
    }
    println!("{}", outcome(&after));
    Ok(ExitCode::SUCCESS)
}

/// Refuses a request.
pub async fn deny(client: &Client, args: DenyArgs) -> anyhow::Result<ExitCode> {
    let approval = client.approval(&args.id).await?;
    check_digest(&approval, args.digest.as_deref())?;
    let request = DenyRequest {
        digest: approval.action.action.clone(),
        comment: args.reason,
    };
    let after = client.deny(&approval.id, &request).await?;
    if args.json {
        return print_json(&after);
    }
    println!("{}", outcome(&after));
    Ok(ExitCode::SUCCESS)
}

fn check_digest(approval: &Approval, wanted: Option<&str>) -> anyhow::Result<()> {
    let is = &approval.action.action;
    match wanted {
        Some(wanted) if ActionDigest::new(wanted) != *is => {
            let id = approval.id.as_str();
            let message = format!(
                "request {} has another digest: {}",
                line(id),
                line(is.as_str())
            );
            let help = format!("look at it again: gateway approvals show {}", line(id));
            Err(Failure::new(message).help(help).into())
        }
        _ => Ok(()),
    }
}

/// What the vote brought about, in a sentence.
pub(in crate::cli) fn outcome(approval: &Approval) -> String {
    let id = line(approval.id.as_str());
    match &approval.state {
        State::Open => {
            let sets = approval.progress.iter().flat_map(|it| &it.sets);
            let missing = sets.filter(|set| set.have < set.need);
            let missing: Vec<_> = missing
                .map(|set| format!("{} ({} of {})", line(&set.name), set.have, set.need))
                .collect();
            format!(
                "your word counts for {id}; still to agree: {}",
                missing.join(", ")
            )
        }
        state => format!("{id} is {}", view::state(state).1),
    }
}

/// Prints the whole request, wrapped where the terminal would do it without a bar.
fn print_all(approval: &Approval) {
    let rows = view::rows(approval, Timestamp::now());
    let rows = match width() {
        Some(width) => view::wrap(&rows, width),
        None => rows,
    };
    for Row { pieces, .. } in &rows {
        for (style, text) in pieces {
            print!("{style}{text}{style:#}");
        }
        println!();
    }
}

/// How wide the terminal is; none where the output goes elsewhere.
fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let (columns, _) = ratatui::crossterm::terminal::size().ok()?;
    Some(usize::from(columns))
}

fn is_confirmed(question: &str) -> anyhow::Result<bool> {
    print!("{question} [y/N] ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Prints as JSON that drives no terminal.
pub(super) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<ExitCode> {
    let text = serde_json::to_string_pretty(value)?;
    for line in text.lines() {
        println!("{}", printable::json(line));
    }
    Ok(ExitCode::SUCCESS)
}
