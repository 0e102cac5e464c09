//! What the control socket's requests do: attach, detach, reload; `runs` and `status` have files of
//! their own.
//!
//! Everything here is synchronous and short (system calls and small files); the server calls it on
//! blocking threads. The order of steps in each operation is what keeps agents from slipping
//! through, so it is told at each.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_core::budget::book::Book;
use gateway_core::ids::{ResourceName, SessionId, WorkloadName};
use gateway_core::policy::engine::Engine;
use gateway_core::protocols::placeholder::Asking;
use gateway_core::subject::Identity;
use jiff::Timestamp;

use super::api::{AttachRequest, Attached, Configuration, Detached, Hooks, Reloaded};
use super::attachments::{Attachment, Attachments, Purpose};
use super::coverage::Retired;
use super::datagrams::Allowed;
use super::follow::{Following, Selection};
use super::frozen::Frozen;
use super::health::Health;
use super::hooks::detached_line;
use super::identities::{KnownBy, Recognition};
use super::peer::Peer;
use super::placeholders::{PlaceholderError, Placeholders};
use super::runs::{Given, Runs};
use super::status::describe;
use crate::approvals::Approvals;
use crate::config::datagrams::Passage;
use crate::config::nearest::nearest;
use crate::identity::issuer::Issuer;
use crate::identity::known::Standing;
use crate::kept::KeptError;
use crate::kernel::{CgroupId, CgroupMount, Closing, Kernel, KernelError};
use crate::live::Live;
use crate::notify::Notifier;
use crate::observe::enforcement::{EnforcementLog, Operator, What};

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
    /// The configuration does not say who acts in the cgroup.
    #[error("no workload's `units` or `cgroups` choose {}", path.display())]
    NotChosen {
        /// The cgroup.
        path: PathBuf,
    },
    /// An operator let go of the cgroup, which the configuration chooses.
    #[error("{} was detached by hand, and stays so until it is made anew", path.display())]
    Released {
        /// The cgroup.
        path: PathBuf,
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
    /// The workload is not frozen.
    #[error("workload `{name}` is not frozen")]
    NotFrozen {
        /// The asked-for name.
        name: WorkloadName,
        /// The workloads that are.
        frozen: Vec<WorkloadName>,
    },
    /// Its sessions would go on, or its next ones be let through.
    #[error("workload `{workload}` is frozen, and what is detached is not stopped any more")]
    DetachFrozen {
        /// The workload.
        workload: WorkloadName,
    },
    /// The workload is frozen, but something that belongs to it did not work.
    #[error("workload `{workload}` is frozen now, but not all of it worked: {error}")]
    HalfFrozen {
        /// The workload.
        workload: WorkloadName,
        /// What did not work.
        error: Box<OperationError>,
    },
    /// The reason for a freeze cannot be told to agents.
    #[error("this reason cannot be used: {why}")]
    Reason {
        /// Why not.
        why: String,
    },
    /// It is not known by a token as it has to be.
    #[error("{why}")]
    Unknown {
        /// Why.
        why: String,
        /// What to do about it.
        help: Option<String>,
    },
    /// No open session is meant.
    #[error("no open session begins or ends with `{part}`")]
    NoSession {
        /// What was given.
        part: String,
    },
    /// Several open sessions are meant.
    #[error("{count} open sessions begin or end with `{part}`")]
    SeveralSessions {
        /// What was given.
        part: String,
        /// How many they are.
        count: usize,
        /// Some of them.
        some: Vec<SessionId>,
    },
    /// A placeholder was not issued or taken back.
    #[error(transparent)]
    Placeholder(#[from] PlaceholderError),
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
    /// What is attached, or who is frozen, could not be kept.
    #[error(transparent)]
    Kept(#[from] KeptError),
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
    /// The protocol of a resource.
    fn protocol(&self, resource: &ResourceName) -> Option<&'static str>;
    /// Whether a resource asks clients for placeholders, and how.
    fn asking(&self, resource: &ResourceName) -> Asking;
    /// Which datagrams a workload may send.
    fn datagrams(&self, workload: &WorkloadName, identity: Option<&Identity>) -> Vec<Passage>;
    /// How a workload is known; nothing for one that is not there.
    fn known_by(&self, workload: &WorkloadName) -> Option<KnownBy>;
    /// Whose tokens are believed.
    fn issuers(&self) -> Vec<Arc<Issuer>>;
    /// Has all that was decided for longer decided again, by the same configuration.
    fn renew(&self);
    /// The policy in force.
    fn engine(&self) -> Arc<Engine>;
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
    /// Who is frozen.
    pub frozen: Frozen,
    /// Which placeholders were issued.
    pub placeholders: Placeholders,
    /// What was used of budgets.
    pub budgets: Arc<Book>,
    /// What waits for people, and what they let pass.
    pub approvals: Approvals,
    /// What is open.
    pub live: Live,
    /// The configuration.
    pub settings: Arc<dyn Settings>,
    /// The enforcement log.
    pub log: EnforcementLog,
    /// Who tells people of requests.
    pub notifier: Notifier,
    /// What runs are given beside their cgroup.
    pub given: Given,
    /// Where they are redirected to; each has to keep its mark.
    pub listeners: Vec<OwnedFd>,
    /// The port that connections are redirected to.
    pub port: u16,
}

/// Does what operators ask.
pub struct Operations {
    parts: Parts,
    started: Timestamp,
    runs: Runs,
    following: Following,
    allowed: Allowed,
    retired: Retired,
    health: Health,
    recognition: Recognition,
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
            Self::NoWorkload { name, known } => {
                let known: Vec<_> = known.iter().map(WorkloadName::as_str).collect();
                let meant = nearest(name.as_str(), known.iter().copied());
                let meant = meant.map(|meant| format!("did you mean `{meant}`? "));
                let meant = meant.unwrap_or_default();
                Some(format!("{meant}the configuration has {}", known.join(", ")))
            }
            Self::NotFrozen { frozen, .. } if frozen.is_empty() => {
                Some("no workload is frozen".to_owned())
            }
            Self::NotFrozen { frozen, .. } => {
                let frozen: Vec<_> = frozen.iter().map(WorkloadName::as_str).collect();
                Some(format!("frozen are {}", frozen.join(", ")))
            }
            Self::DetachFrozen { workload } => {
                Some(format!("thaw it first: gateway thaw {workload}"))
            }
            Self::NoSession { .. } => Some(
                "`gateway status` lists the open ones, `gateway sessions list` those that ended"
                    .to_owned(),
            ),
            Self::SeveralSessions { some, .. } => {
                let some: Vec<_> = some.iter().map(SessionId::as_str).collect();
                Some(format!("give more of the id: {}", some.join(", ")))
            }
            Self::HalfFrozen { error, .. } => error.help(),
            Self::AttachedAlready { path, .. } => Some(format!(
                "detach it first: gateway detach --cgroup {}",
                path.display()
            )),
            Self::NotChosen { .. } => Some("name the workload: --as WORKLOAD".to_owned()),
            Self::Released { .. } => Some(
                "start its unit or container anew, or name the workload: --as WORKLOAD".to_owned(),
            ),
            Self::NotAttached { .. } | Self::NoRun { .. } => {
                Some("`gateway status` lists what is attached".to_owned())
            }
            Self::Log(_) => Some("make room or correct [log] file, then try again".to_owned()),
            Self::Kept(_) => Some("see to the folder of that file, and do it again".to_owned()),
            Self::Placeholder(error) => error.help(),
            Self::Reason { .. } => Some("give one short line".to_owned()),
            Self::Unknown { help, .. } => help.clone(),
            Self::Cgroup { .. } | Self::Configuration(_) | Self::Kernel(_) => None,
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
            allowed: Allowed::default(),
            retired: Retired::default(),
            health: Health::default(),
            recognition: Recognition::default(),
            change: Mutex::new(()),
        }
    }

    /// Whether a peer's process is in an attached cgroup, or may be: an agent that is an operator, or
    /// even root, is not to let itself go. One that cannot be looked at counts as an agent.
    pub fn is_agent(&self, peer: Peer) -> bool {
        let Some(cgroup) = peer.cgroup() else {
            return true;
        };
        let path = self.parts.mount.root().join(cgroup);
        let attached = self.parts.attachments.all();
        attached.iter().any(|one| path.starts_with(&one.path))
    }

    /// Attaches a cgroup. Asking again for the same is no error: it puts missing hooks back.
    pub fn attach(
        &self,
        request: &AttachRequest,
        standing: Option<Standing>,
        by: Peer,
    ) -> Result<Attached, OperationError> {
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
        // Of what is attached already, the file that was named then goes on to be read.
        let is_told = before.is_none() || request.identity_token.is_some();
        let attachment = before.unwrap_or_else(|| Attachment {
            cgroup: cgroup.id,
            path: cgroup.path.clone(),
            workload: request.workload.clone(),
            purpose: Purpose::Attach,
            selector: None,
            before_start: false,
            identity_token: None,
            since: Timestamp::now(),
            closing: Closing::default(),
        });
        let attachment = Attachment {
            identity_token: request.identity_token.clone().or(attachment.identity_token),
            ..attachment
        };
        let attachment = match is_told {
            true => self.put_hooks_known(&cgroup, attachment, standing, by)?,
            false => self.put_hooks(&cgroup, attachment, Some(by.into()))?,
        };
        Ok(Attached {
            identity: self.standing_of(cgroup.id),
            ..describe(cgroup.id, Some(cgroup.path), Some(attachment), Hooks::Ok)
        })
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
        let workload = attachment.as_ref().map(|one| &one.workload);
        if let Some(frozen) = workload.and_then(|one| self.parts.frozen.find(one)) {
            let workload = frozen.workload;
            return Err(OperationError::DetachFrozen { workload });
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
                self.allow_all_datagrams();
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

    /// Has everything decided again that was decided for longer, because the time of a rule has begun or
    /// ended.
    pub fn renew(&self) {
        let _change = self.changing();
        self.parts.settings.renew();
        self.allow_all_datagrams();
    }

    pub(super) fn started(&self) -> Timestamp {
        self.started
    }

    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }

    pub(super) fn runs(&self) -> &Runs {
        &self.runs
    }

    /// What was counted for cgroups that are not attached any more.
    pub(super) fn retired(&self) -> &Retired {
        &self.retired
    }

    /// What the kernel lets pass by itself.
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// By which tokens it is known.
    pub(super) fn recognition(&self) -> &Recognition {
        &self.recognition
    }

    /// How what is attached fares.
    pub(super) fn health(&self) -> &Health {
        &self.health
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

    pub(super) fn note(&self, what: What) -> Result<(), OperationError> {
        self.parts.log.note(what).map_err(OperationError::Log)
    }
}
