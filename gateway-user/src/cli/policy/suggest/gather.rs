//! What workloads did at resources, out of their recordings.

use std::collections::{BTreeMap, BTreeSet};

use gateway_core::descriptor::{Protocol, Shape};
use gateway_core::event::{Ask, Event, Ruling};
use gateway_core::facts::{Fact, FactSet, Scope, Stage};

use super::shape::{Groups, Rule, value};
use crate::cli::policy::recorded::Session;
use crate::config::Config;

/// What grants are called in decisions: what a resource brings with it needs no rule.
const GRANTED: &str = "hosts of ";

/// What was done, and what of it no rule is suggested for.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    workload: Option<String>,
    resource: Option<String>,
    sessions: u64,
    left_out: LeftOut,
    /// By workload and resource.
    places: BTreeMap<(String, String), Place>,
}

/// Actions that no rule is suggested for.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(super) struct LeftOut {
    /// They did not pass.
    pub(super) refused: u64,
    /// They passed by being observed, and a deny rule refuses them: how many, by its name.
    pub(super) denied: BTreeMap<String, u64>,
    /// What they do cannot be told from the recording alone.
    pub(super) not_told: u64,
    /// They could not be read.
    pub(super) unread: u64,
    /// Sessions of workloads or resources that the configuration does not have.
    pub(super) elsewhere: u64,
}

/// What one workload did at one resource.
#[derive(Debug)]
struct Place {
    protocol: &'static Protocol,
    /// What was seen of each fact of the connection.
    connection: BTreeMap<usize, BTreeSet<String>>,
    /// Sessions began.
    starts: u64,
    groups: Groups,
}

/// Rules, and what they are made of.
#[derive(Debug)]
pub(super) struct Suggested {
    pub(super) sessions: u64,
    pub(super) left_out: LeftOut,
    pub(super) rules: Vec<Rule>,
}

impl Gathered {
    /// Of this workload and this resource only.
    pub(super) fn new(workload: Option<&str>, resource: Option<&str>) -> Self {
        Self {
            workload: workload.map(str::to_owned),
            resource: resource.map(str::to_owned),
            ..Self::default()
        }
    }

    /// Adds a recording.
    pub(super) fn add(
        &mut self,
        config: &Config,
        events: impl Iterator<Item = anyhow::Result<Event>>,
    ) -> anyhow::Result<()> {
        let mut session: Option<Session> = None;
        for event in events {
            match (event?, &mut session) {
                (Event::Open(open), none @ None) => {
                    let workload = open.subject.workload.as_str();
                    let resource = open.resource.as_ref().map(|it| it.as_str());
                    let is = |wanted: &Option<String>, name: Option<&str>| {
                        wanted.is_none() || wanted.as_deref() == name
                    };
                    if !is(&self.workload, Some(workload)) || !is(&self.resource, resource) {
                        return Ok(());
                    }
                    let mut known = config.resources.iter().chain(&config.any_server);
                    let is_known = known.any(|it| {
                        Some(it.name.as_str()) == resource && it.protocol.name == open.protocol
                    });
                    if !is_known || config.workload(&open.subject.workload).is_none() {
                        self.left_out.elsewhere += 1;
                        return Ok(());
                    }
                    self.sessions += 1;
                    *none = Some(Session::new(open)?);
                }
                (Event::Found(found), Some(session)) => session.found(&found),
                (Event::Ask(ask), Some(session)) => self.ask(config, session, &ask),
                _ => {}
            }
        }
        Ok(())
    }

    fn ask(&mut self, config: &Config, session: &mut Session, ask: &Ask) {
        // Later asks may refer to its text, whatever became of it.
        let facts = session.facts(ask);
        if ask.ruling != Ruling::Allow {
            self.left_out.refused += 1;
            return;
        }
        if let Some(rule) = ask.observed.as_ref().and_then(|it| it.rule.as_ref()) {
            *self.left_out.denied.entry(rule.to_string()).or_default() += 1;
            return;
        }
        let is_written = |name: &str| config.rules.iter().any(|rule| rule.name.as_str() == name);
        let by = ask.rule.as_ref().map(|rule| rule.as_str());
        if by.is_some_and(|name| name.starts_with(GRANTED) && !is_written(name)) {
            return;
        }
        let (Some(facts), Some(resource)) = (facts, &session.open.resource) else {
            self.left_out.not_told += 1;
            return;
        };
        let key = (
            session.open.subject.workload.to_string(),
            resource.to_string(),
        );
        let protocol = session.protocol;
        let place = self.places.entry(key).or_insert_with(|| Place {
            protocol,
            connection: BTreeMap::new(),
            starts: 0,
            groups: Groups::new(protocol),
        });
        match &facts.stage {
            Stage::Connect if protocol.shape == Shape::Stream => {
                place.groups.add(&facts.connection, Scope::Connection);
            }
            Stage::Connect => place.start(&facts.connection),
            // Who may do something may cancel it.
            Stage::Cancel => {}
            Stage::Action(units) => {
                for unit in units.iter() {
                    if !place.groups.add(unit, Scope::Action) {
                        self.left_out.unread += 1;
                    }
                }
            }
        }
    }

    /// The rules.
    pub(super) fn suggest(self, config: &Config) -> Suggested {
        let taken = config.rules.iter().map(|rule| rule.name.to_string());
        let mut taken: BTreeSet<String> = taken.collect();
        let mut rules = Vec::new();
        for ((workload, resource), place) in self.places {
            for mut rule in place.rules() {
                rule.workload.clone_from(&workload);
                rule.resource.clone_from(&resource);
                rule.name = free(&taken, &format!("{workload}-{resource}-{}", rule.name));
                taken.insert(rule.name.clone());
                rules.push(rule);
            }
        }
        Suggested {
            sessions: self.sessions,
            left_out: self.left_out,
            rules,
        }
    }
}

impl Place {
    fn start(&mut self, connection: &FactSet) {
        let slots = self.protocol.attributes.iter().enumerate();
        let of_connection = slots.filter(|(_, it)| it.scope == Scope::Connection);
        for (slot, attribute) in of_connection {
            // What a client calls itself is a label, never evidence.
            if attribute.name == "sql.application_name" {
                continue;
            }
            if let Fact::Text(text) = connection.fact(slot) {
                let seen = self.connection.entry(slot).or_default();
                seen.insert(value(text));
            }
        }
        self.starts += 1;
    }

    fn rules(self) -> Vec<Rule> {
        let connection: Vec<(usize, Vec<String>)> = self
            .connection
            .into_iter()
            .map(|(slot, values)| (slot, values.into_iter().collect()))
            .collect();
        let mut rules = self.groups.rules(&connection);
        let nothing = |name: &str, connection: Vec<(usize, Vec<String>)>, actions, what: &str| {
            let matching = connection.into_iter().filter_map(|(slot, values)| {
                Some((self.protocol.attributes.get(slot)?.name, values))
            });
            let nothing = ("sql.verb", vec![value("empty")]);
            Rule {
                matching: matching.chain([nothing]).collect(),
                notes: vec![what.to_owned()],
                ..Rule::named(name, actions)
            }
        };
        if self.starts > 0 && rules.is_empty() {
            let what = "Sessions that began and did nothing.";
            rules.push(nothing("start", connection.clone(), self.starts, what));
        }
        rules
    }
}

/// The name, or the name with the first number that makes it new.
fn free(taken: &BTreeSet<String>, name: &str) -> String {
    let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names
        .find(|name| !taken.contains(name))
        .unwrap_or_else(|| name.to_owned())
}
