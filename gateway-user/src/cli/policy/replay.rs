//! `gateway policy replay`: what of recorded sessions a policy would decide differently.
//!
//! A recording has the texts and the facts that were found in them. A text is read again, and judged
//! only if it reads as it did then: what it meant may have hung on something that no recording has,
//! such as a statement that another message prepared.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use gateway_core::descriptor::{Protocol, Shape};
use gateway_core::event::{Ask, Event, Open, Value};
use gateway_core::facts::{Facts, Scope};
use gateway_core::ids::AskId;
use gateway_core::policy::draft::Draft;
use gateway_core::policy::explain::{Explanation, Ruled};
use gateway_core::policy::model::Tree;
use gateway_core::protocols::registry::PROTOCOLS;
use gateway_core::protocols::request;
use gateway_core::sql::postgres::SearchPath;
use serde::Serialize;
use toml::Spanned;

use super::question::Upshot;
use crate::cli::failure::Failure;
use crate::cli::place::Places;
use crate::cli::printable::{self, BAD, DIM, DOUBTFUL, GOOD, STRONG, block, line};
use crate::cli::sessions::find;
use crate::config::{Config, Resource};
use crate::recording::reader::Reader;

pub(super) const HELP: &str = "\
Exits with 1 if anything would be decided differently. What cannot be judged from the recording alone
is counted: statements that run what an earlier message prepared, for one.

Examples:
  gateway policy replay --all --policy new.toml
  gateway policy replay 019a9f3c                  against the policy that is there now";

/// Where a recording says in which schemas names were looked for.
const SEARCH_PATH: &str = "sql.search_path";

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
    let directory = args.directory.as_ref().unwrap_or(&places.recordings);
    let found = if args.all {
        find::all(directory)?
    } else {
        let ids = args.sessions.iter();
        ids.map(|id| find::one(directory, id))
            .collect::<Result<_, _>>()?
    };
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
            match (read?.event, &mut session) {
                (Event::Open(open), none @ None) => *none = Some(Session::new(config, open)?),
                (Event::Found(found), Some(session)) => {
                    if let Some(path) = found.facts.get(SEARCH_PATH) {
                        session.search_path = search_path(path);
                    }
                }
                (Event::Ask(ask), Some(session)) => self.ask(config, id, session, ask),
                _ => {}
            }
        }
        Ok(())
    }

    fn ask(&mut self, config: &Config, id: &str, session: &mut Session<'_>, ask: Ask) {
        let Some(ruled) = session.judge(config, &ask) else {
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
                text: session.text(&ask).map(|asked| asked.text.clone()),
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

/// What was asked for with a text.
struct Asked {
    text: String,
    units: Vec<BTreeMap<String, Value>>,
    search_path: SearchPath,
}

/// A recorded session.
struct Session<'a> {
    open: Open,
    protocol: &'static Protocol,
    /// The resource that covers its destination now.
    resource: Option<&'a Resource>,
    connection: BTreeMap<String, Value>,
    search_path: SearchPath,
    asked: HashMap<AskId, Asked>,
}

impl<'a> Session<'a> {
    fn new(config: &'a Config, open: Open) -> anyhow::Result<Self> {
        let mut known = PROTOCOLS.into_iter();
        let Some(protocol) = known.find(|it| it.name == open.protocol) else {
            let message = format!("the recording is of protocol {:?}", open.protocol);
            return Err(Failure::new(message)
                .help("this program does not know it: use the one that recorded it")
                .into());
        };
        let mut all = config.resources.iter().chain(&config.any_server);
        let same = all.find(|it| open.resource.as_ref() == Some(&it.name));
        let resource = same.or_else(|| config.resource_for(open.destination.0));
        Ok(Self {
            protocol,
            resource: resource.filter(|it| it.protocol.name == protocol.name),
            open,
            connection: BTreeMap::new(),
            search_path: SearchPath::Unknown,
            asked: HashMap::new(),
        })
    }

    /// What would be decided now; nothing if that cannot be told.
    fn judge(&mut self, config: &Config, ask: &Ask) -> Option<Ruled> {
        if !ask.connection.is_empty() {
            self.connection.clone_from(&ask.connection);
        }
        if let Some(text) = &ask.text {
            let asked = Asked {
                text: text.clone(),
                units: ask.units.clone(),
                search_path: self.search_path.clone(),
            };
            self.asked.insert(ask.ask, asked);
        }
        let Some(resource) = self.resource else {
            let reason = "it is not a resource of this gateway".to_owned();
            return Some(Ruled {
                ruling: gateway_core::event::Ruling::Deny,
                rule: None,
                reason: Some(reason),
                observed: None,
            });
        };
        let (facts, recorded) = self.facts(ask)?;
        let subject = &self.open.subject;
        let workload = config.workload(&subject.workload);
        let groups = workload.map_or(&subject.groups, |workload| &workload.groups);
        let engine = &config.engine;
        let explained = engine.explain(&subject.workload, groups, &resource.name, &facts)?;
        reads_as(&explained, recorded).then_some(explained.ruled)
    }

    /// The text that an ask runs.
    fn text(&self, ask: &Ask) -> Option<&Asked> {
        self.asked.get(&ask.of.unwrap_or(ask.ask))
    }

    /// The facts of an ask as they are found now, beside those that were found then.
    fn facts<'b>(&'b self, ask: &'b Ask) -> Option<(Facts, &'b [BTreeMap<String, Value>])> {
        let mut draft = Draft::new(self.protocol.attributes);
        give(
            &mut draft,
            self.protocol,
            Scope::Connection,
            &self.connection,
        )?;
        match (self.text(ask), ask.units.as_slice()) {
            (Some(asked), _) if self.protocol.shape == Shape::Framed => {
                let (text, path) = (&asked.text, asked.search_path.clone());
                let facts = request::facts(self.protocol, text, draft.connection(), path).ok()?;
                Some((facts, &asked.units))
            }
            (_, [unit]) => {
                give(&mut draft, self.protocol, Scope::Action, unit)?;
                Some((draft.facts(), &ask.units))
            }
            (None, []) if ask.of.is_none() => Some((draft.facts(), &[])),
            _ => None,
        }
    }
}

/// Gives the facts that were recorded; what was not recorded is not there.
fn give(
    draft: &mut Draft,
    protocol: &Protocol,
    scope: Scope,
    recorded: &BTreeMap<String, Value>,
) -> Option<()> {
    let of_scope = protocol.attributes.iter().filter(|it| it.scope == scope);
    for attribute in of_scope {
        let value = match recorded.get(attribute.name) {
            Some(Value::Unknown(())) => continue,
            None => Tree::List(Vec::new()),
            Some(Value::Flag(flag)) => Tree::Flag(*flag),
            Some(Value::Number(number)) => Tree::Number(i64::try_from(*number).ok()?),
            Some(Value::Text(text)) => Tree::Text(text.clone()),
            Some(Value::Texts(texts)) => {
                let text = |text: &String| Spanned::new(0..0, Tree::Text(text.clone()));
                Tree::List(texts.iter().map(text).collect())
            }
        };
        draft.give(attribute.name, &value).ok()?;
    }
    Some(())
}

/// Whether an action has the facts now that it had when it was recorded.
fn reads_as(explained: &Explanation, recorded: &[BTreeMap<String, Value>]) -> bool {
    let mut pairs = explained.units.iter().zip(recorded);
    let same = pairs.all(|(now, then)| {
        let now = now.facts.iter();
        now.map(|(name, value)| (*name, value))
            .eq(then.iter().map(|(name, value)| (name.as_str(), value)))
    });
    recorded.is_empty() || same && explained.units.len() == recorded.len()
}

fn search_path(recorded: &Value) -> SearchPath {
    match recorded {
        Value::Texts(schemas) => SearchPath::of(schemas.iter().map(String::as_str)),
        _ => SearchPath::Unknown,
    }
}
