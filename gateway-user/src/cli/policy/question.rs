//! `Question`: what a person wants to know of the policy, and the facts that it is asked with.

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Args;
use gateway_core::descriptor::Shape;
use gateway_core::event::Ruling;
use gateway_core::facts::{Facts, Stage};
use gateway_core::policy::actor::Actor;
use gateway_core::policy::draft::Draft;
use gateway_core::policy::explain::{Explanation, Ruled};
use gateway_core::policy::limit::Limit;
use gateway_core::policy::model::{Mode, Tree};
use gateway_core::protocols::request;
use gateway_core::refusal::Refusal;
use gateway_core::sql::postgres::SearchPath;
use gateway_core::subject::Identity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::bearer::Bearer;
use crate::cli::failure::Failure;
use crate::config::datagrams::facts_of;
use crate::config::{Config, Resource, Workload};

/// Who wants to do what, where.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) workload: String,
    pub(super) resource: String,
    /// What is asked for, in the protocol's notation.
    pub(super) text: Option<String>,
    /// Facts by name.
    pub(super) facts: Vec<(String, Tree)>,
    /// Where the server looks for names without a schema; none means that it is not known.
    pub(super) search_path: Option<Vec<String>>,
    /// What process it is.
    pub(super) process: Process,
    /// By which token the workload is known.
    pub(super) bearer: Bearer,
    /// When.
    pub(super) at: Timestamp,
}

/// What is known of the process that acts, and of where it wants to go.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Process {
    /// User id of the process
    #[arg(long, value_name = "ID")]
    uid: Option<u32>,
    /// Its group id
    #[arg(long, value_name = "ID")]
    gid: Option<u32>,
    /// Its executable
    #[arg(long, value_name = "PATH")]
    exe: Option<String>,
    /// Its cgroup, below the cgroup v2 mount
    #[arg(long, value_name = "PATH")]
    cgroup: Option<String>,
    /// Where it connected to
    #[arg(long, value_name = "ADDRESS:PORT")]
    destination: Option<SocketAddr>,
}

/// A question, with the answer.
#[derive(Clone, Debug)]
pub(super) struct Answer<'a> {
    pub(super) workload: &'a Workload,
    pub(super) resource: &'a Resource,
    /// Who it is by a token.
    pub(super) identity: Option<Identity>,
    /// Whether it is about the start of the session: that was asked for, or it is refused there.
    pub(super) at_start: bool,
    pub(super) explanation: Explanation,
    /// The limits that are for it.
    pub(super) limits: Vec<(Limit, Mode)>,
}

/// What becomes of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Upshot {
    /// It passes.
    Allow,
    /// It waits until people decide.
    Approve,
    /// It is refused.
    Deny,
    /// It passes because something only observes.
    Observe,
}

impl<'a> Answer<'a> {
    /// Who acts, as far as budgets look.
    pub(super) fn actor(&'a self) -> Actor<'a> {
        Actor {
            identity: self.identity.as_ref(),
            ..Actor::new(&self.workload.name, &self.workload.groups)
        }
    }
}

impl Upshot {
    pub(super) fn of(ruled: &Ruled) -> Self {
        Self::from(ruled.ruling, ruled.observed.as_ref())
    }

    pub(super) fn from(ruling: Ruling, observed: Option<&Refusal>) -> Self {
        match (ruling, observed) {
            (Ruling::Deny, _) => Self::Deny,
            (Ruling::Hold, _) => Self::Approve,
            (Ruling::Allow, Some(_)) => Self::Observe,
            (Ruling::Allow, None) => Self::Allow,
        }
    }
}

impl Question {
    /// Asks the policy. A session that is refused at its start gets no further.
    pub(super) fn ask<'a>(&self, config: &'a Config) -> anyhow::Result<Answer<'a>> {
        let workload = self.workload(config)?;
        let resource = self.resource(config)?;
        let facts = self.facts(resource)?;
        let identity = self.bearer.identity(config)?;
        let process = &self.process;
        let said = self.text.as_ref().and_then(|text| text.parse().ok());
        let passes = resource.protocol.shape == Shape::Stream;
        let actor = Actor {
            identity: identity.as_ref(),
            uid: process.uid,
            gid: process.gid,
            exe: process.exe.as_deref(),
            cgroup: process.cgroup.as_deref(),
            destination: process.destination.or(said.filter(|_| passes)),
            ..Actor::new(&workload.name, &workload.groups)
        };
        let explain = |facts: &Facts| {
            let engine = &config.engine;
            engine
                .explain(&actor, &resource.name, facts, self.at)
                .context("the policy does not know the resource")
        };
        if resource.protocol.shape == Shape::Framed {
            let start = Facts {
                stage: Stage::Connect,
                connection: facts.connection.clone(),
            };
            let explanation = explain(&start)?;
            let is_refused = explanation.ruled.reason.is_some();
            if is_refused || !matches!(facts.stage, Stage::Action(_)) {
                return Ok(Answer {
                    workload,
                    resource,
                    identity: identity.clone(),
                    at_start: true,
                    explanation,
                    limits: Vec::new(),
                });
            }
        }
        let limits = config.engine.limits_for(&actor, &resource.name);
        let about = limits.about(&facts);
        let limits = about.map(|(limit, mode)| (limit.clone(), mode));
        let explanation = explain(&facts)?;
        Ok(Answer {
            limits: limits.collect(),
            workload,
            resource,
            at_start: false,
            explanation,
            identity,
        })
    }

    fn facts(&self, resource: &Resource) -> anyhow::Result<Facts> {
        let protocol = resource.protocol;
        let mut draft = Draft::new(protocol.attributes);
        for (name, value) in &self.facts {
            draft
                .give(name, value)
                .map_err(|why| Failure::new(why).help(known(protocol.name)))?;
        }
        let passes = matches!(protocol.shape, Shape::Stream | Shape::Datagrams);
        let Some(text) = &self.text else {
            if passes && self.facts.is_empty() {
                let message = format!("`{}` is judged by where something goes", self.resource);
                let help = "give the destination, such as 10.0.0.5:6379, as the statement";
                return Err(Failure::new(message).help(help).into());
            }
            return Ok(draft.facts());
        };
        let has_connection = protocol.shape == Shape::Framed;
        if draft.acts() || !has_connection && !self.facts.is_empty() {
            let message = "a statement tells its facts itself";
            let help = "leave out the statement, or the facts that are not the connection's";
            return Err(Failure::new(message).help(help).into());
        }
        let path = match &self.search_path {
            Some(schemas) => SearchPath::of(schemas.iter().map(String::as_str)),
            None => SearchPath::Unknown,
        };
        let facts = request::facts(protocol, text, draft.connection(), path)
            .map_err(|error| Failure::new(error.to_string()).help(known(protocol.name)))?;
        if passes {
            return destination(resource, text);
        }
        Ok(facts)
    }

    fn workload<'a>(&self, config: &'a Config) -> anyhow::Result<&'a Workload> {
        let mut all = config.workloads.iter();
        let found = all.find(|it| it.name.as_str() == self.workload);
        let names = config.workloads.iter().map(|it| it.name.as_str());
        found.ok_or_else(|| missing("workload", &self.workload, names))
    }

    fn resource<'a>(&self, config: &'a Config) -> anyhow::Result<&'a Resource> {
        let mut all = config.resources.iter().chain(&config.any_server);
        let found = all.find(|it| it.name.as_str() == self.resource);
        let names = config.resources.iter().map(|it| it.name.as_str());
        found.ok_or_else(|| missing("resource", &self.resource, names))
    }
}

/// What is known of a destination, which for datagrams is no more than of its whole network.
fn destination(resource: &Resource, text: &str) -> anyhow::Result<Facts> {
    let destination = text.parse()?;
    let mut prefixes = resource.addresses.iter();
    let Some(prefix) = prefixes.find(|prefix| prefix.covers(destination)) else {
        let all: Vec<_> = resource.addresses.iter().map(ToString::to_string).collect();
        let message = format!("{destination} is not of resource `{}`", resource.name);
        let help = format!("it covers {}", all.join(", "));
        return Err(Failure::new(message).help(help).into());
    };
    Ok(match resource.protocol.shape {
        Shape::Datagrams => facts_of(prefix),
        _ => gateway_core::protocols::opaque::to_destination(destination),
    })
}

fn known(protocol: &str) -> String {
    format!("`gateway policy docs {protocol}` lists the facts")
}

fn missing<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> anyhow::Error {
    let known: Vec<&str> = known.collect();
    let help = match known.as_slice() {
        [] => format!("the configuration has none: add a [[{kind}]]"),
        known => format!("the configuration has {}", known.join(", ")),
    };
    let message = format!("there is no {kind} `{name}`");
    Failure::new(message).help(help).into()
}
