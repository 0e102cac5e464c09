//! Why something about approvals was not done, what to do about it, and the status it has.

use axum::http::StatusCode;
use gateway_core::approvals::objection::Objection;

use crate::approvals::Failure;
use crate::control::server::Refusal;

/// Why something about approvals was not done.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// The caller's account is not in the user database.
    #[error("user {uid} has no account on this host, so nobody knows who decides")]
    NoAccount {
        /// The user.
        uid: u32,
    },
    /// No request is meant that the caller may see.
    #[error("no request begins or ends with `{part}`")]
    NoRequest {
        /// What was given.
        part: String,
    },
    /// It is over.
    #[error("request {id} cannot be decided any more: it is {state}")]
    Over {
        /// The request.
        id: String,
        /// What became of it.
        state: String,
    },
    /// No grant is meant that the caller may see.
    #[error("no grant in force begins or ends with `{part}`")]
    NoGrant {
        /// What was given.
        part: String,
    },
    /// Several are meant.
    #[error("{count} begin or end with `{part}`")]
    Several {
        /// What was given.
        part: String,
        /// How many they are.
        count: usize,
        /// Some of them.
        some: Vec<String>,
    },
    /// The request cannot be meant so.
    #[error("{0}")]
    Malformed(&'static str),
    /// The desk does not do it.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl Refusal for ApprovalError {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoAccount { .. } => StatusCode::FORBIDDEN,
            Self::NoRequest { .. } | Self::NoGrant { .. } => StatusCode::NOT_FOUND,
            Self::Several { .. } | Self::Over { .. } => StatusCode::CONFLICT,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Failure(Failure::Objection(objection)) => objected(objection),
            Self::Failure(Failure::Store(_) | Failure::Ended) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn help(&self) -> Option<String> {
        let text = match self {
            Self::NoAccount { .. } => "decide with an account that `getent passwd` knows",
            Self::NoRequest { .. } => {
                "`gateway approvals list` shows what waits for you, with --all also what is over"
            }
            Self::NoGrant { .. } => "`gateway grants list` shows what is in force",
            Self::Several { some, .. } => {
                return Some(format!("give more of the id: {}", some.join(", ")));
            }
            Self::Over { .. } => "`gateway approvals show` tells all of it",
            Self::Malformed(_) => return None,
            Self::Failure(Failure::Objection(objection)) => return advice(objection),
            Self::Failure(Failure::Store(_)) => {
                "requests are refused until it can be written again; see to the state directory"
            }
            Self::Failure(Failure::Ended) => "try again when the daemon runs",
        };
        Some(text.to_owned())
    }
}

fn objected(objection: &Objection) -> StatusCode {
    match objection {
        Objection::NoRequest(_) | Objection::NoGrant(_) => StatusCode::NOT_FOUND,
        Objection::NotAsked { .. }
        | Objection::NotTheirTurn { .. }
        | Objection::Own { .. }
        | Objection::Attached => StatusCode::FORBIDDEN,
        Objection::Decided { .. }
        | Objection::Expired(_)
        | Objection::OtherAction(_)
        | Objection::VotedBefore { .. } => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn advice(objection: &Objection) -> Option<String> {
    let text = match objection {
        Objection::NoRequest(_) => "`gateway approvals list` shows what waits for you",
        Objection::NoGrant(_) => "`gateway grants list` shows what is in force",
        Objection::OtherAction(_) => "`gateway approvals show` shows it as it is, with its digest",
        Objection::NotAsked { .. } => {
            "[[approvers]] in the configuration say who is asked; being an operator is not enough"
        }
        Objection::NotTheirTurn { .. } => "`gateway approvals watch` tells when it is your turn",
        Objection::Own { .. } => "ask somebody else who is among the approvers",
        Objection::Attached => "do it from a shell that is not an agent's",
        Objection::NoDuration => "say for how long, such as --for 15m",
        Objection::NothingLikeIt { .. } => "approve it once",
        _ => return None,
    };
    Some(text.to_owned())
}
