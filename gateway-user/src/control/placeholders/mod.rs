//! Placeholders: what agents are given in a password's place, issued and taken back by operators.
//!
//! One proves something for one workload at one resource until its time is over, and is no way to become
//! anybody: who acts is known from the kernel. It is told once, when it is issued; kept is what checks
//! it, in `table`. Taking back fails towards taken back: what cannot be kept is told to the operator.

mod table;

use std::time::Duration;

use gateway_core::event::SessionEnd;
use gateway_core::ids::{PlaceholderId, ResourceName, WorkloadName};
use gateway_core::protocols::placeholder::Asking;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::table::{Lease, MOST, Placeholders, TableError};
use super::operations::{OperationError, Operations};
use super::peer::Peer;
use crate::kernel::CgroupId;
use crate::observe::enforcement::{Leased, What};

/// How long one lasts where nothing is said.
pub const USUAL: Duration = Duration::from_secs(8 * 60 * 60);
/// How long one lasts at most: 30 days.
pub const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// So many are named where several were meant.
const NAMED: usize = 5;
/// PostgreSQL cuts names to 63 bytes; others have longer ones, and none this long.
const LONGEST_USER: usize = 256;

/// Body of `POST /v1/placeholders`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssueRequest {
    /// Who may show it.
    pub workload: WorkloadName,
    /// Where: a resource that asks for placeholders.
    pub resource: ResourceName,
    /// As whom a client has to present itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Through which attached cgroup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<CgroupId>,
    /// For how many seconds; left out, it is eight hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasting_s: Option<u64>,
}

/// Answer to `POST /v1/placeholders`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// What is known of it.
    #[serde(flatten)]
    pub lease: Lease,
    /// The placeholder itself, told this once.
    pub placeholder: String,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued")
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

/// Answer to `DELETE /v1/placeholders/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// What is known of it.
    #[serde(flatten)]
    pub lease: Lease,
    /// How many open sessions are ended with it.
    pub sessions: usize,
}

/// Why a placeholder was not issued or taken back.
#[derive(Debug, thiserror::Error)]
pub enum PlaceholderError {
    /// The resource asks for none, or is not there.
    #[error("resource `{0}` asks for no placeholder")]
    NotAsked(ResourceName),
    /// The cgroup is not attached as this workload.
    #[error("cgroup {} is not attached as `{workload}`", cgroup.0)]
    NotIn {
        /// The cgroup.
        cgroup: CgroupId,
        /// The workload.
        workload: WorkloadName,
    },
    /// No client can present itself like this.
    #[error("this cannot be the name of a database user")]
    User,
    /// It would last too short or too long.
    #[error("a placeholder lasts from a second to 30 days")]
    Lasting,
    /// There are as many as there may be.
    #[error("there are {MOST} placeholders already")]
    TooMany,
    /// None that proves anything is meant.
    #[error("no placeholder that is in force has an id that begins or ends with `{0}`")]
    Unknown(String),
    /// Several are meant.
    #[error("several placeholders have an id that begins or ends with `{part}`")]
    Several {
        /// What was given.
        part: String,
        /// Some of them.
        some: Vec<PlaceholderId>,
    },
    /// The list could not be kept.
    #[error(transparent)]
    Table(#[from] TableError),
}

impl PlaceholderError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NotAsked(_) => Some(
                "give its [[credential]] placeholder = \"scram\" and reload, or name another"
                    .to_owned(),
            ),
            Self::NotIn { .. } => Some("`gateway status` lists what is attached".to_owned()),
            Self::TooMany => Some("revoke those that nobody needs any more".to_owned()),
            Self::Unknown(_) => Some("`gateway placeholders list` lists them".to_owned()),
            Self::Several { some, .. } => {
                let some: Vec<_> = some.iter().map(PlaceholderId::as_str).collect();
                Some(format!("give more of the id: {}", some.join(", ")))
            }
            Self::Table(_) => {
                Some("see to the daemon's state directory, and do it again".to_owned())
            }
            Self::User | Self::Lasting => None,
        }
    }
}

impl Operations {
    /// Those that are known, the newest last: also those that ended within the last day.
    pub fn placeholders(&self) -> Result<Vec<Lease>, OperationError> {
        Ok(self.parts().placeholders.all(Timestamp::now()))
    }

    /// Issues one.
    pub fn issue(&self, request: &IssueRequest, by: Peer) -> Result<Issued, OperationError> {
        self.known_workload(&request.workload)?;
        let now = Timestamp::now();
        let span = self.issuable(request, now)?;
        let lease = Lease {
            id: PlaceholderId::new(uuid::Uuid::now_v7().to_string()),
            workload: request.workload.clone(),
            resource: request.resource.clone(),
            user: request.user.clone(),
            cgroup: request.cgroup,
            since: now,
            until: now
                .checked_add(span)
                .map_err(|_| PlaceholderError::Lasting)?,
            by: by.into(),
            ended: None,
        };
        let placeholder = table::placeholder().map_err(PlaceholderError::from)?;
        // What is not written down is not issued.
        let issued = leased(&lease, Some(by));
        self.note(What::PlaceholderIssued(issued))?;
        let inserted = self
            .parts()
            .placeholders
            .insert(lease.clone(), &placeholder);
        inserted.map_err(PlaceholderError::from)?;
        Ok(Issued { lease, placeholder })
    }

    fn issuable(
        &self,
        request: &IssueRequest,
        now: Timestamp,
    ) -> Result<Duration, PlaceholderError> {
        let IssueRequest {
            workload, resource, ..
        } = request;
        if self.parts().settings.asking(resource) == Asking::None {
            return Err(PlaceholderError::NotAsked(resource.clone()));
        }
        let is_user = |user: &String| {
            !user.is_empty() && user.len() <= LONGEST_USER && !user.chars().any(char::is_control)
        };
        if !request.user.iter().all(is_user) {
            return Err(PlaceholderError::User);
        }
        if let Some(cgroup) = request.cgroup {
            let attached = self.parts().attachments.find(cgroup);
            if attached.is_none_or(|one| one.workload != *workload) {
                let workload = workload.clone();
                return Err(PlaceholderError::NotIn { cgroup, workload });
            }
        }
        let span = request.lasting_s.map_or(USUAL, Duration::from_secs);
        if span.is_zero() || span > LONGEST {
            return Err(PlaceholderError::Lasting);
        }
        let all = self.parts().placeholders.all(now);
        if all.iter().filter(|it| it.ended.is_none()).count() >= MOST {
            return Err(PlaceholderError::TooMany);
        }
        Ok(span)
    }

    /// Takes one back, whose id begins or ends like this, and ends the sessions that showed it.
    pub fn revoke_placeholder(&self, part: &str, by: Peer) -> Result<Revoked, OperationError> {
        let id = self.meant_placeholder(part)?;
        let revoked = self.parts().placeholders.revoke(&id, Timestamp::now());
        // Also where it is not kept: from here on it proves nothing.
        let lease = self.parts().placeholders.all(Timestamp::now());
        let lease = lease.into_iter().find(|it| it.id == id);
        let Some(lease) = lease else {
            return Err(PlaceholderError::Unknown(part.to_owned()).into());
        };
        let sessions = self.end_sessions(&lease);
        let told = self.note(What::PlaceholderEnded(leased(&lease, Some(by))));
        revoked.map_err(PlaceholderError::from)?;
        told?;
        Ok(Revoked { lease, sessions })
    }

    /// Ends the sessions of those whose time is over.
    pub fn expire_placeholders(&self) {
        for lease in self.parts().placeholders.expire(Timestamp::now()) {
            let ended = self.end_sessions(&lease);
            tracing::info!(placeholder = %lease.id, ended, "a placeholder has expired");
            if let Err(error) = self.note(What::PlaceholderEnded(leased(&lease, None))) {
                tracing::error!(%error, "that a placeholder expired is not in the enforcement log");
            }
        }
    }

    fn end_sessions(&self, lease: &Lease) -> usize {
        let reason = lease.farewell();
        let how = SessionEnd::PlaceholderEnded { reason };
        self.parts().live.end_leased(&lease.id, &how)
    }

    fn meant_placeholder(&self, part: &str) -> Result<PlaceholderId, PlaceholderError> {
        let mut all = self.parts().placeholders.all(Timestamp::now());
        all.retain(|lease| {
            let id = lease.id.as_str();
            let is_meant = id.starts_with(part) || id.ends_with(part);
            lease.ended.is_none() && !part.is_empty() && is_meant
        });
        let mut ids = all.into_iter().map(|lease| lease.id);
        match (ids.next(), ids.next()) {
            (None, _) => Err(PlaceholderError::Unknown(part.to_owned())),
            (Some(id), None) => Ok(id),
            (Some(id), Some(other)) => Err(PlaceholderError::Several {
                part: part.to_owned(),
                some: [id, other].into_iter().chain(ids).take(NAMED).collect(),
            }),
        }
    }
}

/// As the enforcement log has it.
fn leased(lease: &Lease, by: Option<Peer>) -> Leased {
    Leased {
        placeholder: lease.id.clone(),
        workload: lease.workload.clone(),
        resource: lease.resource.clone(),
        user: lease.user.clone(),
        until: lease.until,
        by: by.map(Into::into),
    }
}

#[cfg(test)]
mod tests;
