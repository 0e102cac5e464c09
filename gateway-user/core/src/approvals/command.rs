//! `Command`: what the desk is told. Each is a wish: it is granted by changes or refused by an objection.

use super::person::Person;
use super::scope::Scope;
use crate::held::{HeldAction, Withdrawal};
use crate::ids::{ActionDigest, AskId, GrantId, RequestId, SessionId};
use crate::preview::Preview;

/// What the desk is told.
#[derive(Clone, Debug)]
pub enum Command {
    /// An action waits.
    Open {
        /// A new id, for the request that is made if no grant lets it pass.
        request: RequestId,
        /// The action.
        action: Box<HeldAction>,
    },
    /// Somebody says yes.
    Approve {
        /// What they say.
        ballot: Ballot,
        /// How much they let pass.
        scope: Scope,
        /// A new id, for the grant if one is made by this vote.
        grant: GrantId,
    },
    /// Somebody says no.
    Refuse(Ballot),
    /// The server told how much a request would touch.
    Preview {
        /// The request.
        request: RequestId,
        /// What it told.
        preview: Preview,
    },
    /// Nobody waits for the answer any more.
    Withdraw {
        /// The request.
        request: RequestId,
        /// Why not.
        why: Withdrawal,
    },
    /// What passed by a grant is over.
    Finished {
        /// The grant.
        grant: GrantId,
        /// The session.
        session: SessionId,
        /// The ask that passed.
        ask: AskId,
        /// Rows that it changed; none if that is not known.
        rows: Option<u64>,
    },
    /// A session ended, and all that it waited for or ran.
    SessionEnded(SessionId),
    /// Somebody takes a grant back.
    Revoke {
        /// The grant.
        grant: GrantId,
        /// Who.
        by: Person,
    },
    /// The daemon has started: no session of an earlier one is left.
    Started,
    /// What was lost can be written down again. Whoever waited was refused in the meantime.
    Resumed,
}

/// What somebody votes on, and who they are.
#[derive(Clone, Debug)]
pub struct Ballot {
    /// The request.
    pub request: RequestId,
    /// The action as they saw it.
    pub action: ActionDigest,
    /// Who they are.
    pub by: Person,
    /// What they say to it.
    pub comment: Option<String>,
}
