//! Who attached cgroups are by their tokens: verified when they are attached, and again and again after
//! that, because tokens expire and are replaced.
//!
//! The file is named by an operator or by the configuration and read by the daemon; nothing of it comes
//! from an agent. What is known is in `identity::known`, with the time until when: who looks there after
//! that time sees nothing, whatever this has come to. When what is known changes, all that is open is
//! decided again. Fails closed: whose token cannot be verified is known by nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gateway_core::ids::{IssuerName, WorkloadName};
use jiff::Timestamp;
use tokio::task::JoinSet;

use super::attachments::Attachment;
use super::operations::{OperationError, Operations};
use super::peer::Peer;
use crate::config::Presence;
use crate::identity::file::{self, FileError};
use crate::identity::known::Standing;
use crate::identity::token::TokenError;
use crate::identity::verifier::{Disbelief, Verifier};
use crate::kernel::{Cgroup, CgroupId};
use crate::observe::enforcement::What;
use crate::observe::enforcement::identified::Identified;

/// A file that is being replaced, and an issuer that does not answer, leave what was known as it was for
/// so long, if it has not expired.
const GRACE: Duration = Duration::from_secs(10);

/// How a workload is known, as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownBy {
    /// Whose tokens count; none means any issuer's.
    pub issuer: Option<IssuerName>,
    /// Where its token is.
    pub token: Option<PathBuf>,
    /// Whether it has to have one.
    pub presence: Presence,
}

/// Why nothing is known by a token.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    /// It could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not believed.
    #[error("the token in {} is not good: {why}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// Why.
        why: Disbelief,
    },
    /// There has to be one.
    #[error("workload {0} has to be known by a token, and there is none")]
    None(WorkloadName),
    /// It is not in the configuration.
    #[error("workload {0} is not in the configuration")]
    NoWorkload(WorkloadName),
}

impl Unknown {
    /// Whether it may be better in a moment.
    fn may_pass(&self) -> bool {
        match self {
            Self::File(error) => {
                matches!(error, FileError::Read { .. } | FileError::NoToken { .. })
            }
            Self::Token { why, .. } => matches!(
                why,
                Disbelief::Keys { .. } | Disbelief::Token(TokenError::Malformed)
            ),
            Self::None(_) | Self::NoWorkload(_) => false,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::None(_) => Some("give --identity-token FILE, or identity_token in its [[workload]]".to_owned()),
            Self::File(FileError::Foreign { .. }) => Some(
                "an agent that could replace it would be whoever it has a token of: chown root, chmod go-w"
                    .to_owned(),
            ),
            Self::File(_) | Self::Token { .. } | Self::NoWorkload(_) => None,
        }
    }
}

/// What is remembered from one look to the next.
#[derive(Debug, Default)]
pub struct Recognition {
    verifier: Verifier,
    /// Whose token is not good, since when, and why.
    troubles: Mutex<BTreeMap<CgroupId, Trouble>>,
}

#[derive(Clone, Debug)]
struct Trouble {
    since: Instant,
    why: String,
}

impl Recognition {
    /// What does not work, in sentences.
    pub(super) fn problems(&self) -> Vec<String> {
        let troubles = self.troubles();
        let troubles = troubles.values().map(|it| it.why.clone());
        troubles.chain(self.verifier.problems()).collect()
    }

    fn troubles(&self) -> MutexGuard<'_, BTreeMap<CgroupId, Trouble>> {
        // Single insertions and removals: a poisoned map is still a good one.
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Operations {
    /// Who a workload is that is to be attached or run, by the token in `named` or in the file of the
    /// configuration; nothing, where neither is there and none has to be.
    pub async fn recognise(
        &self,
        workload: &WorkloadName,
        named: Option<&Path>,
    ) -> Result<Option<Standing>, OperationError> {
        self.known_workload(workload)?;
        let known = self.verify(workload, named).await;
        known.map_err(|unknown| OperationError::Unknown {
            help: unknown.help(),
            why: unknown.to_string(),
        })
    }

    /// Looks at the tokens of all that is attached.
    pub async fn recognise_all(self: &Arc<Self>) {
        let attachments = self.parts().attachments.all();
        let is_attached = |id| attachments.iter().any(|one| one.cgroup == id);
        let identities = self.parts().attachments.identities();
        identities.retain(|id| is_attached(CgroupId(id)));
        self.recognition()
            .troubles()
            .retain(|id, _| is_attached(*id));
        let mut looks = JoinSet::new();
        for attachment in attachments {
            let operations = Arc::clone(self);
            // Side by side: an issuer that does not answer keeps nobody else waiting.
            looks.spawn(async move {
                let token = attachment.identity_token.as_deref();
                let known = operations.verify(&attachment.workload, token).await;
                operations.take_standing(&attachment, known)
            });
        }
        let mut changed = false;
        while let Some(look) = looks.join_next().await {
            match look {
                Ok(has_changed) => changed |= has_changed,
                Err(error) => tracing::error!(%error, "a token was not looked at"),
            }
        }
        if changed {
            let operations = Arc::clone(self);
            let renewed = tokio::task::spawn_blocking(move || operations.renew()).await;
            if let Err(error) = renewed {
                tracing::error!(%error, "what is open was not decided again");
            }
        }
    }

    /// When what is known of somebody runs out next.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        let all = self.parts().attachments.all();
        let identities = self.parts().attachments.identities();
        let now = Timestamp::now();
        let standing = all
            .iter()
            .filter_map(|one| identities.standing(one.cgroup.0, now));
        standing.map(|it| it.until).min()
    }

    /// The file with the token of what is attached.
    pub(super) fn token_of(&self, attachment: &Attachment) -> Option<PathBuf> {
        let named = attachment.identity_token.clone();
        let known_by = || self.parts().settings.known_by(&attachment.workload);
        named.or_else(|| known_by()?.token)
    }

    /// Puts hooks on a cgroup of which was found out before who it is.
    pub(super) fn put_hooks_known(
        &self,
        cgroup: &Cgroup,
        attachment: Attachment,
        standing: Option<Standing>,
        by: Peer,
    ) -> Result<Attachment, OperationError> {
        let identities = self.parts().attachments.identities();
        // Before the hooks, with which it is decided where its datagrams may go.
        let before = identities.set(cgroup.id.0, standing.clone());
        let put = self.put_hooks(cgroup, attachment, Some(by.into()));
        let attachment = match put {
            Ok(attachment) => attachment,
            Err(error) => {
                identities.set(cgroup.id.0, before);
                return Err(error);
            }
        };
        self.recognition().troubles().remove(&cgroup.id);
        let before = before.map(|it| it.identity);
        if let Some(standing) = standing.filter(|it| before.as_ref() != Some(&it.identity)) {
            self.tell_identity(&attachment, Ok(&standing));
            // What it has open already.
            self.parts().settings.renew();
        }
        Ok(attachment)
    }

    async fn verify(
        &self,
        workload: &WorkloadName,
        named: Option<&Path>,
    ) -> Result<Option<Standing>, Unknown> {
        let settings = &self.parts().settings;
        let known_by = settings.known_by(workload);
        let known_by = known_by.ok_or_else(|| Unknown::NoWorkload(workload.clone()))?;
        let path = named.map(Path::to_owned).or(known_by.token);
        let Some(path) = path else {
            return match known_by.presence {
                Presence::Required => Err(Unknown::None(workload.clone())),
                Presence::Optional => Ok(None),
            };
        };
        let from = path.clone();
        let read = tokio::task::spawn_blocking(move || file::read(&from)).await;
        let token =
            read.unwrap_or_else(|_panicked| Err(FileError::NoToken { path: path.clone() }))?;
        let verifier = &self.recognition().verifier;
        verifier.retarget(&settings.issuers());
        let only = known_by.issuer.as_ref();
        let verified = verifier.verify(&token, only, Timestamp::now()).await;
        match verified {
            Ok(verified) => Ok(Some(verified.into())),
            Err(why) => Err(Unknown::Token { path, why }),
        }
    }

    /// Puts what a look came to in the place of what was known; says whether that is something else.
    fn take_standing(
        &self,
        attachment: &Attachment,
        known: Result<Option<Standing>, Unknown>,
    ) -> bool {
        let id = attachment.cgroup;
        let identities = self.parts().attachments.identities();
        let now = Timestamp::now();
        let before = identities.standing(id.0, now);
        let (standing, why) = match known {
            Ok(standing) => {
                self.recognition().troubles().remove(&id);
                (standing, None)
            }
            Err(unknown) => {
                let why = unknown.to_string();
                let mut troubles = self.recognition().troubles();
                let trouble = troubles.entry(id).or_insert_with(|| Trouble {
                    since: Instant::now(),
                    why: String::new(),
                });
                let is_young = unknown.may_pass() && trouble.since.elapsed() < GRACE;
                let kept = before.clone().filter(|_| is_young);
                let is_told = trouble.why == why;
                if kept.is_none() {
                    trouble.why.clone_from(&why);
                }
                let why = (kept.is_none() && !is_told).then_some(why);
                (kept, why)
            }
        };
        // It may have been detached meanwhile, and its number be another's.
        if self.parts().attachments.find(id).as_ref() != Some(attachment) {
            return false;
        }
        let is_same = |one: &Standing, other: &Standing| one.identity == other.identity;
        let changed = match (&before, &standing) {
            (None, None) => false,
            (Some(before), Some(now)) => !is_same(before, now),
            _ => true,
        };
        // What has expired is not there any more for whoever looks, and was for who looked last.
        let raw = identities.set(id.0, standing.clone());
        let expired = before.is_none() && raw.is_some() && standing.is_none();
        match (&standing, why) {
            (Some(standing), _) if changed => self.tell_identity(attachment, Ok(standing)),
            (None, Some(why)) => self.tell_identity(attachment, Err(&why)),
            _ => {}
        }
        changed || expired
    }

    fn tell_identity(&self, attachment: &Attachment, known: Result<&Standing, &str>) {
        let cgroup = attachment.path.display().to_string();
        let identified = Identified {
            workload: attachment.workload.clone(),
            cgroup,
            issuer: known.ok().map(|it| it.identity.issuer.clone()),
            identity: known.ok().map(|it| it.identity.subject.clone()),
            until: known.ok().map(|it| it.until),
            reason: known.err().map(str::to_owned),
        };
        let what = match known {
            Ok(_) => What::IdentityKnown(identified),
            Err(why) => {
                tracing::warn!(workload = %attachment.workload, why, "no identity");
                What::IdentityUnknown(identified)
            }
        };
        // It is so whether or not the log takes it; each session's recording has it too.
        if let Err(error) = self.note(what) {
            tracing::error!(%error, "cannot write the enforcement log");
        }
    }
}
