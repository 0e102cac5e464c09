//! The configuration: one TOML file, checked as a whole before any of it is used.
//!
//! `file` is its shape, `shape` reads it by serde, `check`, `workloads`, `resources` and `notify` turn that into [`Config`],
//! `address` is what resources cover, `approvers` who decides on what waits, `credentials` as whom the gateway logs in, `issuers` whose tokens are believed, `datagrams` what the kernel lets pass by itself, `detectors` who is asked about texts, `selector` which cgroups are a workload, `report` shows people what is wrong and where. Rules are read here and judged
//! by `gateway_core::policy`, but for what only `rules` knows. What is done with the result is in `app`.

pub mod address;
mod approvers;
mod check;
pub mod credentials;
pub mod datagrams;
pub mod detectors;
pub mod dns;
mod file;
pub mod hosts;
mod issuers;
mod masks;
pub mod nearest;
pub mod notify;
pub mod preview;
pub mod report;
mod resources;
mod rules;
mod secrets;
pub mod selector;
mod shape;
mod workloads;

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway_core::descriptor::{Protocol, Shape};
use gateway_core::ids::{
    GroupName, IssuerName, PolicyDigest, ResourceName, RuleName, WorkloadName,
};
use gateway_core::mask::MaskKey;
use gateway_core::policy::engine::Engine;
use gateway_core::policy::model::Mode;
use gateway_core::protocols::login::Login;
use gateway_core::protocols::{self, ClientTls};
use thiserror::Error;

use self::address::Prefix;
use self::credentials::Credential;
use self::detectors::Detector;
use self::dns::Dns;
use self::hosts::Host;
use self::notify::Notify;
use self::preview::Preview;
use self::report::Report;
use self::selector::Selector;
use crate::identity::issuer::Issuer;
use crate::tls::upstream::Upstream;

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error("{0}")]
    Invalid(Report),
}

/// A configuration that was checked: names resolve, addresses do not overlap, files of
/// certificates were read, rules compiled.
#[derive(Debug)]
pub struct Config {
    /// The file it came from.
    pub path: PathBuf,
    /// How the daemon runs.
    pub daemon: Daemon,
    /// Where recordings go.
    pub recording: Recording,
    /// The enforcement log.
    pub log: Log,
    /// How names are looked up.
    pub dns: Dns,
    /// Who acts.
    pub workloads: Vec<Workload>,
    /// Whose tokens are believed.
    pub issuers: Vec<Arc<Issuer>>,
    /// What is acted on. Names are unique, addresses do not overlap.
    pub resources: Vec<Resource>,
    /// Every server of names, where no resource is one.
    pub any_server: Option<Resource>,
    /// As whom the gateway logs in at servers.
    pub credentials: Vec<Credential>,
    /// Who is told of requests for approval.
    pub notify: Vec<Notify>,
    /// The detectors outside the gateway.
    pub detectors: Vec<Detector>,
    /// The key that hashes and pseudonyms are made with; none means one of the daemon's own.
    pub mask_key: Option<MaskKey>,
    /// The rules of the policy, in the order of the file.
    pub rules: Vec<RulePlace>,
    /// The policy, compiled.
    pub engine: Arc<Engine>,
    /// SHA-256 of the file, which names the policy in recordings.
    pub digest: PolicyDigest,
}

/// Where a rule is in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulePlace {
    /// The rule.
    pub name: RuleName,
    /// The line of its name, from 1.
    pub line: usize,
    /// Bytes of the file that hold all that can be wrong with it.
    pub extent: Range<usize>,
}

/// How the daemon runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Where redirected connections arrive, on `127.0.0.1` and `[::1]`.
    pub port: u16,
    /// What survives a restart of the host: the CA and, by default, recordings.
    pub state: PathBuf,
    /// What does not: the control socket, pinned links, attachments.
    pub runtime: PathBuf,
    /// Threads of the data path; 0 means one for every two cores.
    pub workers: usize,
    /// Whose process it is once it has started.
    pub user: String,
}

/// Where recordings go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The folder, one file a session.
    pub directory: PathBuf,
}

/// The enforcement log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The file.
    pub file: PathBuf,
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its name.
    pub name: WorkloadName,
    /// The groups it belongs to.
    pub groups: Arc<[GroupName]>,
    /// Which cgroups it is, beside those that are named when they are attached or run.
    pub selectors: Arc<[Selector]>,
    /// How many sessions it may have open at a time.
    pub max_sessions: usize,
    /// Whose tokens count for it; none means any issuer's.
    pub issuer: Option<IssuerName>,
    /// Where its token is, unless another file is named when it is attached or run.
    pub identity_token: Option<PathBuf>,
    /// Whether it has to be known by a token.
    pub identity: Presence,
}

/// Whether something has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It may be left out.
    Optional,
    /// Nothing passes without it.
    Required,
}

/// What is acted on: servers at some addresses that speak one protocol.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its name.
    pub name: ResourceName,
    /// What is spoken there.
    pub protocol: &'static Protocol,
    /// The addresses it covers.
    pub addresses: Vec<Prefix>,
    /// The hosts it covers, whatever their addresses are at the moment.
    pub hosts: Vec<Host>,
    /// Whether policy is enforced or only observed.
    pub mode: Mode,
    /// What to do when an agent asks for TLS, or does not.
    pub client_tls: ClientTls,
    /// TLS towards the server.
    pub upstream: Arc<Upstream>,
    /// As whom the gateway logs in; none where the agent does.
    pub login: Option<Arc<Login>>,
    /// How it is asked how much an action would touch, if it is.
    pub preview: Option<Preview>,
}

impl Config {
    /// Reads and checks a file. Warnings come beside the configuration: it can be used, but does
    /// not do all that it seems to.
    pub fn load(path: &Path) -> Result<(Self, Option<Report>), ConfigError> {
        let source = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        check::check(path, source)
    }

    /// The resource that covers a connection's destination by its address: at most one, because two
    /// that overlap do not load. Those that cover it by a host's name are known to `names`.
    pub fn resource_for(&self, destination: SocketAddr) -> Option<&Resource> {
        let mut resources = self.resources.iter().chain(&self.any_server);
        resources.find(|resource| {
            let mut prefixes = resource.addresses.iter();
            resource.protocol.shape != Shape::Datagrams
                && prefixes.any(|prefix| prefix.covers(destination))
        })
    }

    /// The resource that `destination` is looked up at, if one is.
    pub fn server_of_names(&self, destination: SocketAddr) -> Option<&Resource> {
        let mut resources = self.resources.iter().chain(&self.any_server);
        resources.find(|resource| {
            let mut prefixes = resource.addresses.iter();
            resource.is_server_of_names() && prefixes.any(|prefix| prefix.covers(destination))
        })
    }

    /// The workload of this name.
    pub fn workload(&self, name: &WorkloadName) -> Option<&Workload> {
        self.workloads
            .iter()
            .find(|workload| workload.name == *name)
    }
}

impl Resource {
    /// Whether names are looked up there.
    pub fn is_server_of_names(&self) -> bool {
        self.protocol.name == protocols::dns::PROTOCOL.name
    }
}

#[cfg(test)]
mod tests;
