//! A recorded session, read again: the facts of what was asked for, as policy is asked with them.
//!
//! A recording has the texts and the facts that were found in them. A text is read again, and counts
//! only if it reads as it did then: what it meant may have hung on something that no recording has,
//! such as a statement that another message prepared.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use gateway_core::descriptor::{Protocol, Shape};
use gateway_core::event::{Ask, Found, Open, Value};
use gateway_core::facts::{Fact, FactSet, Facts, Scope, Stage, Usual};
use gateway_core::ids::AskId;
use gateway_core::policy::draft::Draft;
use gateway_core::policy::model::Tree;
use gateway_core::protocols::postgres::CANCEL_REQUEST;
use gateway_core::protocols::registry::PROTOCOLS;
use gateway_core::protocols::request;
use gateway_core::sql::postgres::SearchPath;
use toml::Spanned;

use crate::cli::failure::Failure;
use crate::cli::place::Places;
use crate::cli::sessions::find::{self, Found as Recording};

/// Where a recording says in which schemas names were looked for.
const SEARCH_PATH: &str = "sql.search_path";

/// The recordings of a folder that are meant: these, by the beginnings of their ids, or all.
pub(super) fn chosen(
    places: &Places,
    directory: Option<&PathBuf>,
    sessions: &[String],
    all: bool,
) -> anyhow::Result<Vec<Recording>> {
    let directory = directory.unwrap_or(&places.recordings);
    if all {
        return find::all(directory);
    }
    let ids = sessions.iter();
    ids.map(|id| find::one(directory, id)).collect()
}

/// What was asked for with a text.
struct Asked {
    text: String,
    units: Vec<BTreeMap<String, Value>>,
    search_path: SearchPath,
}

/// A recorded session.
pub(super) struct Session {
    pub(super) open: Open,
    pub(super) protocol: &'static Protocol,
    connection: BTreeMap<String, Value>,
    search_path: SearchPath,
    asked: HashMap<AskId, Asked>,
}

impl Session {
    /// Begins with a recording's first line.
    pub(super) fn new(open: Open) -> anyhow::Result<Self> {
        let mut known = PROTOCOLS.into_iter();
        let Some(protocol) = known.find(|it| it.name == open.protocol) else {
            let message = format!("the recording is of protocol {:?}", open.protocol);
            return Err(Failure::new(message)
                .help("this program does not know it: use the one that recorded it")
                .into());
        };
        Ok(Self {
            protocol,
            open,
            connection: BTreeMap::new(),
            search_path: SearchPath::Unknown,
            asked: HashMap::new(),
        })
    }

    /// Takes what the server told.
    pub(super) fn found(&mut self, found: &Found) {
        if let Some(path) = found.facts.get(SEARCH_PATH) {
            self.search_path = search_path(path);
        }
    }

    /// Takes an ask, in the order in which they were recorded; gives its facts, or nothing where they
    /// cannot be told from the recording alone.
    pub(super) fn facts(&mut self, ask: &Ask) -> Option<Facts> {
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
        let (facts, recorded) = self.read(ask)?;
        self.reads_as(&facts, recorded).then_some(facts)
    }

    /// The text that an ask runs.
    pub(super) fn text(&self, ask: &Ask) -> Option<&str> {
        let asked = self.asked.get(&ask.of.unwrap_or(ask.ask))?;
        Some(&asked.text)
    }

    /// The facts of an ask as they are found now, beside those that were found then.
    fn read<'b>(&'b self, ask: &'b Ask) -> Option<(Facts, &'b [BTreeMap<String, Value>])> {
        let mut draft = Draft::new(self.protocol.attributes);
        give(
            &mut draft,
            self.protocol,
            Scope::Connection,
            &self.connection,
        )?;
        if self.protocol.shape == Shape::Framed && ask.request == CANCEL_REQUEST {
            let stage = Stage::Cancel;
            return Some((
                Facts {
                    stage,
                    ..draft.facts()
                },
                &[],
            ));
        }
        give(&mut draft, self.protocol, Scope::Moment, &ask.moment)?;
        let asked = self.asked.get(&ask.of.unwrap_or(ask.ask));
        match (asked, ask.units.as_slice()) {
            (Some(asked), _) if self.protocol.shape == Shape::Framed => {
                let (text, path) = (&asked.text, asked.search_path.clone());
                let mut facts =
                    request::facts(self.protocol, text, draft.connection(), path).ok()?;
                self.traced(&mut facts, &asked.units);
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

    /// Takes over what was found then with the server's catalog, which no text tells.
    fn traced(&self, facts: &mut Facts, recorded: &[BTreeMap<String, Value>]) {
        let Stage::Action(units) = &facts.stage else {
            return;
        };
        let attributes = self.protocol.attributes.iter().enumerate();
        let traced = attributes.filter(|(_, it)| it.usual != Usual::Absent);
        let units = units.iter().zip(recorded).map(|(now, then)| {
            let mut unit = now.clone();
            for (slot, attribute) in traced.clone() {
                let fact = match then.get(attribute.name) {
                    Some(Value::Texts(texts)) => {
                        Fact::Texts(texts.iter().map(|text| text.as_str().into()).collect())
                    }
                    Some(_) => Fact::Unknown,
                    None => attribute.usual.fact(),
                };
                unit.set(slot, fact);
            }
            unit
        });
        facts.stage = Stage::Action(units.collect());
    }

    /// Whether an action has the facts now that it had when it was recorded.
    fn reads_as(&self, facts: &Facts, recorded: &[BTreeMap<String, Value>]) -> bool {
        let units: &[FactSet] = match &facts.stage {
            Stage::Connect | Stage::Cancel => &[],
            Stage::Action(units) => units,
        };
        let same = units.iter().zip(recorded).all(|(now, then)| {
            let mut slots = self.protocol.attributes.iter().enumerate();
            slots
                .all(|(slot, it)| Value::recorded(it, now.fact(slot)).as_ref() == then.get(it.name))
        });
        recorded.is_empty() || same && units.len() == recorded.len()
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
            None if attribute.usual == Usual::Unknown => continue,
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

fn search_path(recorded: &Value) -> SearchPath {
    match recorded {
        Value::Texts(schemas) => SearchPath::of(schemas.iter().map(String::as_str)),
        _ => SearchPath::Unknown,
    }
}
