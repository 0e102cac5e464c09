//! `gateway policy replay`: what of recorded sessions a policy would decide differently.
//!
//! What can be judged of a recording is `recorded`'s.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use gateway_core::event::{Ask, Event, Ruling};
use gateway_core::ids::AskId;
use gateway_core::policy::actor::Actor;
use gateway_core::policy::explain::Ruled;
use jiff::Timestamp;
use serde::Serialize;

use super::question::Upshot;
use super::recorded::{Session, chosen};
use crate::cli::place::Places;
use crate::cli::printable::{self, BAD, DIM, DOUBTFUL, GOOD, STRONG, block, line};
use crate::config::Config;
use crate::recording::reader::Reader;

pub(super) const HELP: &str = "\
Exits with 1 if anything would be decided differently. What cannot be judged from the recording alone
is counted: statements that run what an earlier message prepared, for one.

Examples:
  gateway policy replay --all --policy new.toml
  gateway policy replay 019a9f3c                  against the policy that is there now";

/// Arguments of `gateway policy replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Sessions' ids, or beginnings of them
    #[arg(value_name = "SESSION", required_unless_present = "all")]
    sessions: Vec<String>,
    /// All recordings
    #[arg(long, conflicts_with = "sessions")]
    all: bool,
    /// A configuration with the policy to try [default: the one that is used]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Read recordings from here [default: the configuration's recording directory]
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Write one JSON object
    #[arg(long)]
    json: bool,
}

/// What came of all recordings.
#[derive(Debug, Default, Serialize)]
struct Replayed {
    /// Asks that were judged.
    judged: u64,
    /// Asks that cannot be judged from the recording alone.
    not_judged: u64,
    different: Vec<Difference>,
}

/// An ask that would be decided differently.
#[derive(Debug, Serialize)]
struct Difference {
    session: String,
    ask: AskId,
    workload: String,
    resource: Option<String>,
    text: Option<String>,
    before: Upshot,
    now: Upshot,
    #[serde(flatten)]
    ruled: Ruled,
}

pub(super) fn run(places: &Places, args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let (config, _warnings) = Config::load(args.policy.as_ref().unwrap_or(&places.config))?;
    let directory = args.directory.as_ref();
    let found = chosen(places, directory, &args.sessions, args.all)?;
    let mut replayed = Replayed::default();
    for recording in found {
        replayed.add(&config, &recording.id, &recording.path)?;
    }
    if args.json {
        // The texts are agents'.
        let text = printable::json(&serde_json::to_string(&replayed)?);
        writeln!(io::stdout().lock(), "{text}")?;
    } else {
        replayed.print(&mut anstream::stdout().lock())?;
    }
    Ok(if replayed.different.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Replayed {
    fn add(&mut self, config: &Config, id: &str, path: &Path) -> anyhow::Result<()> {
        let mut session = None;
        for read in Reader::open(path)? {
            let line = read?;
            match (line.event, &mut session) {
                (Event::Open(open), none @ None) => *none = Some(Session::new(open)?),
                (Event::Found(found), Some(session)) => session.found(&found),
                (Event::Identity(now), Some(session)) => {
                    session.open.subject.identity = now.identity;
                }
                (Event::Ask(ask), Some(session)) => self.ask(config, id, session, ask, line.time),
                _ => {}
            }
        }
        Ok(())
    }

    fn ask(&mut self, config: &Config, id: &str, session: &mut Session, ask: Ask, at: Timestamp) {
        let Some(ruled) = judge(config, session, &ask, at) else {
            self.not_judged += 1;
            return;
        };
        self.judged += 1;
        let before = Upshot::from(ask.ruling, ask.observed.as_ref());
        let now = Upshot::of(&ruled);
        if before != now {
            let resource = session.open.resource.as_ref();
            self.different.push(Difference {
                session: id.to_owned(),
                ask: ask.ask,
                workload: session.open.subject.workload.to_string(),
                resource: resource.map(ToString::to_string),
                text: session.text(&ask).map(str::to_owned),
                before,
                now,
                ruled,
            });
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let mut last = None;
        for it in &self.different {
            if last.replace(&it.session) != Some(&it.session) {
                let (session, workload) = (line(&it.session), line(&it.workload));
                let resource = it.resource.as_deref().unwrap_or("no resource");
                writeln!(
                    out,
                    "{STRONG}session {session}{STRONG:#} {workload} on {}",
                    line(resource)
                )?;
            }
            let by = it.ruled.rule.as_ref();
            let by = by.map(|rule| format!(" {DIM}by rule {rule}{DIM:#}"));
            let (before, now) = (word(it.before), word(it.now));
            write!(out, "  #{} {before} -> {now}", it.ask.0)?;
            write!(out, "{}", by.unwrap_or_default())?;
            let observed = it.ruled.observed.as_ref().map(|no| &no.reason);
            if let Some(reason) = it.ruled.reason.as_ref().or(observed) {
                write!(out, ": {}", line(reason))?;
            }
            writeln!(out)?;
            if let Some(text) = &it.text {
                writeln!(out, "      {}", block(text, 6))?;
            }
        }
        let count = self.different.len();
        let style = if count == 0 { GOOD } else { DOUBTFUL };
        write!(out, "{style}{count} decided differently{style:#}")?;
        write!(out, " of {} that can be judged", self.judged)?;
        match self.not_judged {
            0 => writeln!(out),
            more => writeln!(out, ", {more} that cannot"),
        }
    }
}

fn word(upshot: Upshot) -> String {
    match upshot {
        Upshot::Allow => format!("{GOOD}allowed{GOOD:#}"),
        Upshot::Approve => format!("{DOUBTFUL}held{DOUBTFUL:#}"),
        Upshot::Deny => format!("{BAD}DENIED{BAD:#}"),
        Upshot::Observe => format!("{DOUBTFUL}would deny{DOUBTFUL:#}"),
    }
}

/// What would be decided now; nothing if that cannot be told.
fn judge(config: &Config, session: &mut Session, ask: &Ask, at: Timestamp) -> Option<Ruled> {
    let facts = session.facts(ask);
    let open = &session.open;
    // The resource that covers its destination now.
    let mut all = config.resources.iter().chain(&config.any_server);
    let same = all.find(|it| open.resource.as_ref() == Some(&it.name));
    let resource = same.or_else(|| config.resource_for(open.destination.0));
    let Some(resource) = resource.filter(|it| it.protocol.name == session.protocol.name) else {
        return Some(Ruled {
            ruling: Ruling::Deny,
            rule: None,
            reason: Some("it is not a resource of this gateway".to_owned()),
            observed: None,
        });
    };
    let workload = config.workload(&open.subject.workload);
    let groups = workload.map_or(&open.subject.groups, |workload| &workload.groups);
    let actor = Actor {
        groups,
        ..Actor::of(&open.subject, open.destination)
    };
    let explained = config.engine.explain(&actor, &resource.name, &facts?, at);
    Some(explained?.ruled)
}
