//! What the control socket's requests do: attach, detach, runs, status, reload.
//!
//! Everything here is synchronous and short (system calls and small files); the server calls it on
//! blocking threads. The order of steps in each operation is what keeps agents from slipping
//! through, so it is told at each.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_core::ids::WorkloadName;
use jiff::Timestamp;

use super::api::{AttachRequest, Attached, Configuration, Detached, Hooks, Reloaded, Status};
use super::attachments::{Attachment, Attachments, AttachmentsError, Purpose};
use super::follow::{Following, Selection};
use super::peer::Peer;
use super::runs::{Given, Runs};
use crate::kernel::{Cgroup, CgroupId, CgroupMount, Counters, Kernel, KernelError};
use crate::live::Live;
use crate::observe::enforcement::{self, EnforcementLog, Operator, What};

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The workload is not in the configuration.
    #[error("there is no workload `{name}` in the configuration")]
    NoWorkload {
        /// The asked-for name.
        name: WorkloadName,
        /// The names there are.
        known: Vec<WorkloadName>,
    },
    /// The cgroup is attached, but for somebody else.
    #[error("{} is attached as `{workload}` already", path.display())]
    AttachedAlready {
        /// The cgroup.
        path: PathBuf,
        /// Who acts in it.
        workload: WorkloadName,
    },
    /// Nothing is attached there.
    #[error("cgroup {} is not attached", id.0)]
    NotAttached {
        /// The cgroup.
        id: CgroupId,
    },
    /// There is no such run.
    #[error("there is no run {}", id.0)]
    NoRun {
        /// The cgroup that was named as a run.
        id: CgroupId,
    },
    /// The configuration on disk is not good; the one in force stays.
    #[error("the configuration was not loaded, the one before stays in force\n{0}")]
    Configuration(String),
    /// A run's cgroup could not be made or removed.
    #[error("cannot make or remove the run's cgroup {}", path.display())]
    Cgroup {
        /// The cgroup.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The kernel said no.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The table could not be kept.
    #[error(transparent)]
    Attachments(#[from] AttachmentsError),
    /// The enforcement log could not be written, so nothing was done.
    #[error("the enforcement log cannot be written, so nothing was changed: {0}")]
    Log(#[source] std::io::Error),
}

/// What the operations need of the configuration, and no more.
pub trait Settings: Send + Sync {
    /// The configuration in force.
    fn in_force(&self) -> Configuration;
    /// Which cgroups the configuration chooses.
    fn selection(&self) -> Selection;
    /// Reads the file again; the error is for people and means that nothing changed.
    fn reload(&self) -> Result<Reloaded, String>;
}

/// The parts that the operations work on.
pub struct Parts {
    /// The hooks.
    pub kernel: Arc<Kernel>,
    /// The cgroups of runs are made in this mount.
    pub mount: CgroupMount,
    /// Who is attached.
    pub attachments: Arc<Attachments>,
    /// What is open.
    pub live: Live,
    /// The configuration.
    pub settings: Arc<dyn Settings>,
    /// The enforcement log.
    pub log: EnforcementLog,
    /// What runs are given beside their cgroup.
    pub given: Given,
    /// The port that connections are redirected to.
    pub port: u16,
}

/// Does what operators ask.
pub struct Operations {
    parts: Parts,
    started: Timestamp,
    runs: Runs,
    following: Following,
    /// Held while attachments change, so that two requests do not undo each other's steps.
    change: Mutex<()>,
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operations")
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}

impl OperationError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NoWorkload { known, .. } if known.is_empty() => {
                Some("add a [[workload]] to the configuration and reload".to_owned())
            }
            Self::NoWorkload { known, .. } => {
                let known: Vec<_> = known.iter().map(WorkloadName::as_str).collect();
                Some(format!("the configuration has {}", known.join(", ")))
            }
            Self::AttachedAlready { path, .. } => Some(format!(
                "detach it first: gateway detach --cgroup {}",
                path.display()
            )),
            Self::NotAttached { .. } | Self::NoRun { .. } => {
                Some("`gateway status` lists what is attached".to_owned())
            }
            Self::Log(_) => Some("make room or correct [log] file, then try again".to_owned()),
            Self::Cgroup { .. }
            | Self::Configuration(_)
            | Self::Kernel(_)
            | Self::Attachments(_) => None,
        }
    }
}

impl Operations {
    /// Takes the parts over.
    pub fn new(parts: Parts, started: Timestamp) -> Self {
        Self {
            parts,
            started,
            runs: Runs::default(),
            following: Following::start(),
            change: Mutex::new(()),
        }
    }

    /// Everything that `gateway status` shows.
    pub fn status(&self) -> Result<Status, OperationError> {
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: self.started,
            port: self.parts.port,
            configuration: self.parts.settings.in_force(),
            attachments: self.attached()?,
            problems: self.following.problems(),
            connections: self.parts.live.sessions(),
            sessions: self.parts.live.total(),
            counters: counters(self.parts.kernel.counters()?),
        })
    }

    /// The attached cgroups: those of the table and those whose hooks are all that is known.
    pub fn attached(&self) -> Result<Vec<Attached>, OperationError> {
        let mut known: BTreeMap<_, _> = self
            .parts
            .attachments
            .all()
            .into_iter()
            .map(|one| (one.cgroup, one))
            .collect();
        let mut open: BTreeMap<CgroupId, usize> = BTreeMap::new();
        for session in self.parts.live.sessions() {
            let count = open.entry(session.info.cgroup).or_default();
            *count = count.saturating_add(1);
        }
        let mut all = Vec::new();
        for hooked in self.parts.kernel.attached()? {
            let hooks = match (&hooked.path, hooked.dead.is_empty()) {
                (None, _) => Hooks::Gone,
                (Some(_), true) => Hooks::Ok,
                (Some(_), false) => Hooks::Damaged,
            };
            all.push(describe(
                hooked.id,
                hooked.path,
                known.remove(&hooked.id),
                hooks,
            ));
        }
        for (id, attachment) in known {
            let hooks = if attachment.path.exists() {
                Hooks::Damaged
            } else {
                Hooks::Gone
            };
            all.push(describe(
                id,
                Some(attachment.path.clone()),
                Some(attachment),
                hooks,
            ));
        }
        for one in &mut all {
            one.connections = open.get(&one.cgroup).copied().unwrap_or_default();
        }
        Ok(all)
    }

    /// Attaches a cgroup. Asking again for the same is no error: it puts missing hooks back.
    pub fn attach(&self, request: &AttachRequest, by: Peer) -> Result<Attached, OperationError> {
        let _change = self.changing();
        self.known_workload(&request.workload)?;
        let cgroup = self.parts.mount.at(&request.cgroup)?;
        let before = self.parts.attachments.find(cgroup.id);
        if let Some(before) = &before
            && before.workload != request.workload
        {
            let path = cgroup.path;
            return Err(OperationError::AttachedAlready {
                path,
                workload: before.workload.clone(),
            });
        }
        let attachment = before.unwrap_or_else(|| Attachment {
            cgroup: cgroup.id,
            path: cgroup.path.clone(),
            workload: request.workload.clone(),
            purpose: Purpose::Attach,
            selector: None,
            since: Timestamp::now(),
        });
        self.put_hooks(&cgroup, attachment.clone(), Some(by.into()))?;
        Ok(describe(
            cgroup.id,
            Some(cgroup.path),
            Some(attachment),
            Hooks::Ok,
        ))
    }

    /// Detaches a cgroup and ends its sessions.
    pub fn detach(&self, id: CgroupId, by: Peer) -> Result<Detached, OperationError> {
        let _change = self.changing();
        let attachment = self.parts.attachments.find(id);
        let hooked = self
            .parts
            .kernel
            .attached()?
            .into_iter()
            .find(|hooked| hooked.id == id);
        if attachment.is_none() && hooked.is_none() {
            return Err(OperationError::NotAttached { id });
        }
        let path = attachment.as_ref().map(|one| one.path.clone());
        let detached = Detached {
            cgroup: id,
            path: path.or_else(|| hooked.and_then(|hooked| hooked.path)),
            selector: attachment.as_ref().and_then(|one| one.selector.clone()),
            workload: attachment.map(|one| one.workload),
            ended: self.parts.live.count_cgroup(id),
        };
        // From here on the agent is free, so that is written down first.
        self.note(What::Detached(detached_line(&detached, Some(by.into()))))?;
        self.drop_hooks(id)?;
        self.following.release(id);
        Ok(detached)
    }

    /// Reads the configuration again; `by` is none when a signal asked for it.
    pub fn reload(&self, by: Option<Peer>) -> Result<Reloaded, OperationError> {
        let _change = self.changing();
        let by = by.map(Operator::from);
        match self.parts.settings.reload() {
            Ok(reloaded) => {
                let Configuration {
                    file,
                    policy,
                    rules,
                    ..
                } = reloaded.configuration.clone();
                self.note(What::PolicyLoaded {
                    policy,
                    file,
                    rules,
                    by,
                })?;
                self.follow_anew();
                Ok(reloaded)
            }
            Err(error) => {
                let file = self.parts.settings.in_force().file;
                self.note(What::PolicyRejected {
                    file,
                    error: error.lines().next().unwrap_or_default().to_owned(),
                    by,
                })?;
                Err(OperationError::Configuration(error))
            }
        }
    }

    /// Makes table and hooks agree after a start: what an earlier daemon attached is covered
    /// again, what is gone is forgotten. Hooks of an unknown workload stay, and refuse.
    pub fn adopt(&self) -> Result<(), OperationError> {
        let _change = self.changing();
        self.forget_gone()?;
        for attachment in self.parts.attachments.all() {
            let (path, workload) = (attachment.path.display(), &attachment.workload);
            let cgroup = self.parts.mount.at(&attachment.path);
            match cgroup.and_then(|cgroup| self.parts.kernel.attach(&cgroup)) {
                Ok(()) => tracing::info!(%path, %workload, "adopted an attachment"),
                // The others are not to suffer from this one. `status` shows it as damaged.
                Err(error) => tracing::error!(%path, %workload, %error, "cannot adopt"),
            }
        }
        Ok(())
    }

    /// Forgets the attachments whose cgroups are gone.
    pub(super) fn forget_gone(&self) -> Result<(), OperationError> {
        for attachment in self.parts.attachments.all() {
            if is_gone(&attachment) {
                self.forget(&attachment)?;
            }
        }
        Ok(())
    }

    /// Forgets an attachment whose cgroup is gone.
    pub(super) fn forget(&self, attachment: &Attachment) -> Result<(), OperationError> {
        let detached = Detached {
            cgroup: attachment.cgroup,
            path: Some(attachment.path.clone()),
            workload: Some(attachment.workload.clone()),
            ended: self.parts.live.count_cgroup(attachment.cgroup),
            selector: attachment.selector.clone(),
        };
        // There is nobody left to be free, so a log that cannot be written stops nothing here.
        if let Err(error) = self.note(What::Detached(detached_line(&detached, None))) {
            tracing::error!(%error, "cannot write the enforcement log");
        }
        self.drop_hooks(attachment.cgroup)
    }

    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }

    pub(super) fn runs(&self) -> &Runs {
        &self.runs
    }

    /// What the selectors of the configuration chose.
    pub fn following(&self) -> &Following {
        &self.following
    }

    pub(super) fn changing(&self) -> MutexGuard<'_, ()> {
        // It protects no data, so a panic of another holder leaves nothing half done in it.
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn known_workload(&self, name: &WorkloadName) -> Result<(), OperationError> {
        let known = self.parts.settings.in_force().workloads;
        if known.contains(name) {
            return Ok(());
        }
        Err(OperationError::NoWorkload {
            name: name.clone(),
            known,
        })
    }

    /// First the log, then the table, then the hooks: evidence before access, and no redirected
    /// connection without a workload.
    pub(super) fn put_hooks(
        &self,
        cgroup: &Cgroup,
        attachment: Attachment,
        by: Option<Operator>,
    ) -> Result<(), OperationError> {
        self.note(What::Attached(enforcement::Attachment {
            workload: Some(attachment.workload.clone()),
            cgroup: attachment.path.display().to_string(),
            by,
            selector: attachment.selector.clone(),
            inside: self.around(cgroup, &attachment.workload),
        }))?;
        let is_new = self.parts.attachments.find(cgroup.id).is_none();
        self.parts.attachments.insert(attachment)?;
        let attached = self.parts.kernel.attach(cgroup);
        if attached.is_err() && is_new {
            self.parts.attachments.remove(cgroup.id)?;
        }
        Ok(attached?)
    }

    pub(super) fn note(&self, what: What) -> Result<(), OperationError> {
        self.parts.log.note(what).map_err(OperationError::Log)
    }

    /// The reverse: hooks, table, and then the sessions that came through them.
    fn drop_hooks(&self, id: CgroupId) -> Result<(), OperationError> {
        match self.parts.kernel.detach(id) {
            // They went before, with their cgroup: the start of the kernel side sees to that.
            Err(KernelError::NotAttached(_)) => {}
            outcome => outcome?,
        }
        self.parts.attachments.remove(id)?;
        self.parts.live.end_cgroup(id);
        Ok(())
    }
}

fn counters(counted: Counters) -> BTreeMap<String, u64> {
    let Counters {
        redirected,
        refused_no_listener,
        refused_not_ready,
        refused_destination,
        refused_loop,
        refused_protocol,
        passed_own,
        delivered,
        missed,
    } = counted;
    [
        ("redirected", redirected),
        ("refused_no_listener", refused_no_listener),
        ("refused_not_ready", refused_not_ready),
        ("refused_destination", refused_destination),
        ("refused_loop", refused_loop),
        ("refused_protocol", refused_protocol),
        ("passed_own", passed_own),
        ("delivered", delivered),
        ("missed", missed),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn detached_line(detached: &Detached, by: Option<Operator>) -> enforcement::Attachment {
    let path = detached
        .path
        .as_ref()
        .map(|path| path.display().to_string());
    enforcement::Attachment {
        workload: detached.workload.clone(),
        cgroup: path.unwrap_or_else(|| detached.cgroup.to_string()),
        by,
        selector: detached.selector.clone(),
        inside: None,
    }
}

/// Whether the cgroup was removed, or removed and made anew by somebody else. Anything else that
/// keeps us from looking at it is no reason to take its hooks away.
fn is_gone(attachment: &Attachment) -> bool {
    match std::fs::metadata(&attachment.path) {
        Ok(found) => found.ino() != attachment.cgroup.0,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn describe(
    cgroup: CgroupId,
    path: Option<PathBuf>,
    attachment: Option<Attachment>,
    hooks: Hooks,
) -> Attached {
    Attached {
        cgroup,
        path,
        workload: attachment.as_ref().map(|one| one.workload.clone()),
        purpose: attachment.as_ref().map(|one| one.purpose),
        selector: attachment.as_ref().and_then(|one| one.selector.clone()),
        since: attachment.as_ref().map(|one| one.since),
        hooks,
        connections: 0,
    }
}
