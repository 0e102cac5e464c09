//! `InForce`: the configuration that holds now, and how another one takes its place.
//!
//! Whoever decides by it subscribes, so that open sessions see a new policy too. A file with a
//! mistake changes nothing. What is only read at the start (ports, directories) is compared and
//! warned about.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use gateway_core::ids::{ResourceName, WorkloadName};
use gateway_core::policy::engine::Engine;
use gateway_core::protocols::placeholder::Asking;
use gateway_core::subject::Identity;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::config::Config;
use crate::config::datagrams::Passage;
use crate::control::api::{Configuration, Reloaded};
use crate::control::follow::Selection;
use crate::control::identities::KnownBy;
use crate::control::operations::Settings;
use crate::identity::issuer::Issuer;

/// The configuration that holds now.
#[derive(Debug)]
pub struct InForce {
    file: PathBuf,
    current: watch::Sender<Arc<Config>>,
    loaded: Mutex<Timestamp>,
}

impl InForce {
    /// Starts with `config`, which was read from `file`.
    pub fn new(file: PathBuf, config: Config) -> Self {
        // The daemon reads it again later, perhaps from another directory.
        let file = std::path::absolute(&file).unwrap_or(file);
        let current = watch::Sender::new(Arc::new(config));
        Self {
            file,
            current,
            loaded: Mutex::new(Timestamp::now()),
        }
    }

    /// The configuration and every later one.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Config>> {
        self.current.subscribe()
    }

    /// The configuration now.
    pub fn now(&self) -> Arc<Config> {
        Arc::clone(&self.current.borrow())
    }
}

impl Settings for InForce {
    fn in_force(&self) -> Configuration {
        let loaded = *self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        describe(self, &self.now(), loaded)
    }

    fn selection(&self) -> Selection {
        let config = self.now();
        let chosen = config.workloads.iter();
        chosen
            .map(|one| (one.name.clone(), Arc::clone(&one.selectors)))
            .collect()
    }

    fn protocol(&self, resource: &ResourceName) -> Option<&'static str> {
        let config = self.now();
        let mut resources = config.resources.iter().chain(&config.any_server);
        let found = resources.find(|one| one.name == *resource);
        found.map(|resource| resource.protocol.name)
    }

    fn asking(&self, resource: &ResourceName) -> Asking {
        let config = self.now();
        let found = config.resources.iter().find(|one| one.name == *resource);
        let login = found.and_then(|resource| resource.login.as_ref());
        login.map_or(Asking::None, |login| login.asking)
    }

    fn datagrams(&self, workload: &WorkloadName, identity: Option<&Identity>) -> Vec<Passage> {
        self.now().datagrams(workload, identity, Timestamp::now())
    }

    fn known_by(&self, workload: &WorkloadName) -> Option<KnownBy> {
        let config = self.now();
        let workload = config.workload(workload)?;
        Some(KnownBy {
            issuer: workload.issuer.clone(),
            token: workload.identity_token.clone(),
            presence: workload.identity,
        })
    }

    fn issuers(&self) -> Vec<Arc<Issuer>> {
        self.now().issuers.clone()
    }

    fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.now().engine)
    }

    fn renew(&self) {
        // Whoever decides by it is told that it has changed, and finds the same.
        self.current.send_modify(|_| {});
    }

    fn reload(&self) -> Result<Reloaded, String> {
        let (mut config, warnings) = Config::load(&self.file).map_err(|error| error.to_string())?;
        let before = self.now();
        let mut warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        warnings.extend(only_at_start(&before, &config));
        // The daemon may write to the folder that it was handed at its start, and to no other.
        config.recording = before.recording.clone();
        let loaded = Timestamp::now();
        let configuration = describe(self, &config, loaded);
        let changed = before.engine.digest() != config.engine.digest();
        self.current.send_replace(Arc::new(config));
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(Reloaded {
            configuration,
            changed,
            warnings,
        })
    }
}

fn describe(in_force: &InForce, config: &Config, loaded: Timestamp) -> Configuration {
    Configuration {
        file: in_force.file.clone(),
        policy: config.engine.digest().clone(),
        loaded,
        workloads: config
            .workloads
            .iter()
            .map(|workload| workload.name.clone())
            .collect(),
        resources: config.resources.len(),
        rules: config.rules.len(),
        log: config.log.file.clone(),
        recordings: config.recording.directory.clone(),
    }
}

/// The settings that differ and are read only when the daemon starts.
fn only_at_start(before: &Config, after: &Config) -> Vec<String> {
    let (old, new) = (&before.daemon, &after.daemon);
    let changed = [
        ("daemon.port", old.port != new.port),
        ("daemon.state", old.state != new.state),
        ("daemon.runtime", old.runtime != new.runtime),
        ("daemon.workers", old.workers != new.workers),
        ("daemon.user", old.user != new.user),
        ("recording.directory", before.recording != after.recording),
        ("log.file", before.log.file != after.log.file),
    ];
    let changed = changed.into_iter().filter(|(_, differs)| *differs);
    changed
        .map(|(name, _)| format!("{name} takes effect when the daemon is restarted"))
        .collect()
}
