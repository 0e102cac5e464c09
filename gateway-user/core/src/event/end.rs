//! `SessionEnd`: the ways in which a session ends.

use serde::{Deserialize, Serialize};

use crate::ids::RuleName;

/// How a session ended: the one list that log, recording and metrics share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum SessionEnd {
    /// The client closed.
    ClientClosed,
    /// The server closed.
    ServerClosed,
    /// Policy refused the session as a whole.
    Refused,
    /// The client broke the protocol, or used a part of it that is not understood.
    ClientViolation {
        /// What was wrong.
        detail: String,
    },
    /// The server broke the protocol.
    ServerViolation {
        /// What was wrong.
        detail: String,
    },
    /// The client's connection failed.
    ClientFailed {
        /// What failed.
        detail: String,
    },
    /// The server could not be reached, or its connection failed.
    ServerFailed {
        /// What failed.
        detail: String,
    },
    /// A deadline passed.
    TimedOut {
        /// What was waited for.
        waiting_for: String,
    },
    /// The recording could not be written.
    RecordingFailed {
        /// What failed.
        detail: String,
    },
    /// The gateway stopped, or an operator detached the cgroup.
    Stopped,
    /// An operator ended this session.
    Killed,
    /// An operator froze the workload.
    Frozen {
        /// As the operator said it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// What came back was more than a budget has left.
    BudgetUsedUp {
        /// The budget, as decisions name it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<RuleName>,
        /// What the agent was told.
        reason: String,
    },
    /// What it ran reached a limit and could not be stopped in another way.
    LimitReached {
        /// The limit, as decisions name it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<RuleName>,
        /// What the agent was told.
        reason: String,
    },
    /// The client did not show a placeholder that it was given.
    NotProven {
        /// What was wrong; the client is not told.
        reason: String,
    },
    /// The placeholder that the client had shown ended.
    PlaceholderEnded {
        /// Why.
        reason: String,
    },
    /// It ran something by an approval, and that ended.
    ApprovalEnded {
        /// Why.
        reason: String,
    },
}

impl SessionEnd {
    /// Whether the agent was stopped in what it did, so that nothing of it is to go on.
    pub fn is_switched_off(&self) -> bool {
        matches!(
            self,
            Self::Killed
                | Self::Frozen { .. }
                | Self::ApprovalEnded { .. }
                | Self::PlaceholderEnded { .. }
                | Self::BudgetUsedUp { .. }
                | Self::LimitReached { .. }
        )
    }

    /// Its name, as in recordings.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ClientClosed => "client_closed",
            Self::ServerClosed => "server_closed",
            Self::Refused => "refused",
            Self::ClientViolation { .. } => "client_violation",
            Self::ServerViolation { .. } => "server_violation",
            Self::ClientFailed { .. } => "client_failed",
            Self::ServerFailed { .. } => "server_failed",
            Self::TimedOut { .. } => "timed_out",
            Self::RecordingFailed { .. } => "recording_failed",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::Frozen { .. } => "frozen",
            Self::NotProven { .. } => "not_proven",
            Self::PlaceholderEnded { .. } => "placeholder_ended",
            Self::ApprovalEnded { .. } => "approval_ended",
            Self::BudgetUsedUp { .. } => "budget_used_up",
            Self::LimitReached { .. } => "limit_reached",
        }
    }
}
