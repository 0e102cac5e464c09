//! From the file's shape to a [`Config`]: every value is checked, and all that is wrong is told at
//! once, but for text that is not TOML, where the first place counts. Workloads and resources are
//! checked in files of their own.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use gateway_core::ids::{GroupName, PolicyDigest};
use gateway_core::policy::budget;
use gateway_core::policy::diagnostic::{Diagnostic, Level};
use gateway_core::policy::engine::{self, Engine, Inventory};
use gateway_core::policy::limit;
use toml::Spanned;

use super::report::{Report, place};
use super::{
    Config, ConfigError, Daemon, Dns, Log, Presence, Recording, Resource, Workload, file, shape,
};

const DEFAULT_PORT: u16 = 15001;
const DEFAULT_STATE: &str = "/var/lib/gateway";
const DEFAULT_RUNTIME: &str = "/run/gateway";
const DEFAULT_USER: &str = "gateway";
const DEFAULT_LOG: &str = "/var/log/gateway/enforcement.jsonl";
/// Names become parts of paths of cgroups, which have a limit.
const NAME_MAX: usize = 64;
/// More threads than any host has cores: a slip of the fingers.
const WORKERS_MAX: usize = 4096;

pub(super) fn check(path: &Path, source: String) -> Result<(Config, Option<Report>), ConfigError> {
    let mut findings = Findings {
        source: &source,
        list: Vec::new(),
    };
    let shape = shape::read::<file::File>(&source);
    findings.list.extend(shape.mistakes);
    // With a mistake of shape it is looked at for what else is wrong, and not used.
    let config = shape.file.and_then(|file| findings.config(path, file));
    let list = findings.list;
    match config {
        Some(config) if list.iter().all(|finding| finding.level == Level::Warning) => {
            let warnings = (!list.is_empty()).then(|| Report::new(path.to_owned(), &source, list));
            Ok((config, warnings))
        }
        _ => {
            let report = Report::new(path.to_owned(), &source, list);
            Err(ConfigError::Invalid(report))
        }
    }
}

/// What was found wrong so far.
pub(super) struct Findings<'a> {
    pub(super) source: &'a str,
    list: Vec<Diagnostic>,
}

impl Findings<'_> {
    pub(super) fn error(&mut self, span: Range<usize>, message: String, help: Option<String>) {
        self.list.push(Diagnostic {
            level: Level::Error,
            span,
            message,
            help,
        });
    }

    pub(super) fn warning(&mut self, span: Range<usize>, message: &str, help: &str) {
        self.list.push(Diagnostic {
            level: Level::Warning,
            span,
            message: message.to_owned(),
            help: Some(help.to_owned()),
        });
    }

    fn config(&mut self, path: &Path, file: file::File) -> Option<Config> {
        let daemon = self.daemon(&file.daemon);
        let default = daemon.state.join("sessions");
        let recording = Recording {
            directory: self.path(file.recording.directory, default),
        };
        let log = Log {
            file: self.path(file.log.file, PathBuf::from(DEFAULT_LOG)),
        };
        let dns = self.dns(file.dns);
        let issuers = self.issuers(file.issuer);
        let workloads = self.workloads(file.workload, issuers.as_deref());
        let credentials = self.credentials(file.credential);
        let resources = self.resources(file.resource, credentials.as_deref());
        let notify = self.notify(path, file.notify);
        if resources.as_ref().is_some_and(Vec::is_empty) {
            self.warning(
                0..0,
                "there is no [[resource]]: every connection of an attached workload is refused",
                "add a [[resource]] with name, protocol and addresses for each server",
            );
        }
        let (workloads, resources, notify) = (workloads?, resources?, notify?);
        let issuers = issuers?;
        let approvers = self.approvers(file.approvers, &notify)?;
        let detectors = self.detectors(file.detector)?;
        let digest = digest_of(self.source);
        let any_server = self.any_server_of_names(&resources);
        let inventory = Inventory {
            approvers,
            issuers: issuers.iter().map(|it| it.told()).collect(),
            detectors: detectors.iter().map(|it| it.name.clone()).collect(),
            ..inventory(&workloads, &resources, any_server.as_ref(), &dns)
        };
        let (budgets, findings) = budget::compile(&inventory, &file.budget);
        let (limits, more) = limit::compile(&inventory, &file.limit);
        let findings = [findings, more].concat();
        let is_good = |it: &Diagnostic| it.level == Level::Warning;
        let all_good = findings.iter().all(is_good);
        self.list.extend(findings);
        let engine = match Engine::compile(&inventory, &file.rule, &file.mask, digest.clone()) {
            Ok((engine, warnings)) => {
                self.list.extend(warnings);
                engine
            }
            Err(findings) => {
                self.list.extend(findings);
                return None;
            }
        };
        if !all_good {
            return None;
        }
        self.masks(&file.mask, &resources);
        let mask_key = match &file.masking.key_file {
            Some(path) => Some(self.mask_key(path)?),
            None => None,
        };
        self.memberships(&file.rule, &workloads);
        let rules = self.rules(&file.rule);
        Some(Config {
            path: path.to_owned(),
            daemon,
            recording,
            log,
            dns,
            workloads,
            issuers,
            resources,
            detectors,
            any_server,
            credentials: credentials?,
            notify,
            rules,
            mask_key,
            engine: Arc::new(engine.with_budgets(budgets).with_limits(limits)),
            digest,
        })
    }

    fn daemon(&mut self, daemon: &file::Daemon) -> Daemon {
        if let Some(port) = daemon.port.as_ref().filter(|port| *port.get_ref() == 0) {
            let help = format!("leave it out for {DEFAULT_PORT}");
            self.error(port.span(), "port 0 cannot be used".to_owned(), Some(help));
        }
        if let Some(workers) = daemon
            .workers
            .as_ref()
            .filter(|workers| *workers.get_ref() > WORKERS_MAX)
        {
            let message = format!("more than {WORKERS_MAX} workers");
            let help = "0 means one for each core".to_owned();
            self.error(workers.span(), message, Some(help));
        }
        Daemon {
            port: value(daemon.port.as_ref()).unwrap_or(DEFAULT_PORT),
            state: self.path(daemon.state.clone(), PathBuf::from(DEFAULT_STATE)),
            runtime: self.path(daemon.runtime.clone(), PathBuf::from(DEFAULT_RUNTIME)),
            workers: value(daemon.workers.as_ref()).unwrap_or(0),
            user: daemon
                .user
                .as_ref()
                .map_or(DEFAULT_USER, |user| user.get_ref())
                .to_owned(),
        }
    }

    pub(super) fn path(&mut self, path: Option<Spanned<PathBuf>>, default: PathBuf) -> PathBuf {
        let Some(path) = path else { return default };
        if !path.get_ref().is_absolute() {
            self.relative_path(path.span());
        }
        path.into_inner()
    }

    pub(super) fn relative_path(&mut self, span: Range<usize>) {
        let help = "the daemon has no working directory of its own, so paths begin with `/`";
        self.error(
            span,
            "this path is not absolute".to_owned(),
            Some(help.to_owned()),
        );
    }

    /// A name that is fit for paths, globs and logs, and not taken yet.
    pub(super) fn name(
        &mut self,
        kind: &str,
        name: &Spanned<String>,
        taken: &mut HashMap<String, usize>,
    ) -> bool {
        if !self.well_formed(kind, name) {
            return false;
        }
        let (line, _) = place(self.source, name.span().start);
        match taken.insert(name.get_ref().clone(), line) {
            None => true,
            Some(other) => {
                let message = format!("there are two {kind}s named `{}`", name.get_ref());
                let help = format!("the other one is on line {other}; give one another name");
                self.error(name.span(), message, Some(help));
                false
            }
        }
    }

    pub(super) fn well_formed(&mut self, kind: &str, name: &Spanned<String>) -> bool {
        let text = name.get_ref();
        let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if starts && text.chars().all(fit) && text.len() <= NAME_MAX {
            return true;
        }
        let help = format!(
            "use up to {NAME_MAX} letters, digits, `-`, `_` and `.`, beginning with a letter or digit"
        );
        let message = format!("{text:?} cannot be the name of a {kind}");
        self.error(name.span(), message, Some(help));
        false
    }
}

/// The value itself of one that has a place.
pub(super) fn value<T: Copy>(spanned: Option<&Spanned<T>>) -> Option<T> {
    spanned.map(|spanned| *spanned.get_ref())
}

fn inventory(
    workloads: &[Workload],
    resources: &[Resource],
    any_server: Option<&Resource>,
    dns: &Dns,
) -> Inventory {
    let mut groups: Vec<GroupName> = workloads
        .iter()
        .flat_map(|workload| workload.groups.iter().cloned())
        .collect();
    groups.sort();
    groups.dedup();
    let all = || resources.iter().chain(any_server);
    let servers: Vec<_> = all().filter(|it| it.is_server_of_names()).collect();
    Inventory {
        unwritten: any_server.iter().map(|it| it.name.clone()).collect(),
        grants: super::dns::grants(resources, &servers),
        ordinary: super::dns::ordinary(&servers, &dns.types),
        resources: all()
            .map(|resource| engine::Resource {
                name: resource.name.clone(),
                protocol: resource.protocol,
                mode: resource.mode,
            })
            .collect(),
        workloads: workloads.iter().map(|each| each.name.clone()).collect(),
        groups,
        issuers: Vec::new(),
        strict: workloads
            .iter()
            .filter(|each| each.identity == Presence::Required)
            .map(|each| each.name.clone())
            .collect(),
        approvers: Vec::new(),
        detectors: Vec::new(),
    }
}

fn digest_of(source: &str) -> PolicyDigest {
    let digest = digest::digest(&digest::SHA256, source.as_bytes());
    PolicyDigest::new(hex::encode(digest))
}
