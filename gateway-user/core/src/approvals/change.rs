//! `Change`: what has to be written down before anything else happens; `Effect`: what happens then.
//!
//! All changes in their order, taken in by a new desk, make the desk that they came from. Their form is
//! kept: older files are read by newer programs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::grant::{Ending, Grant, Use};
use super::moment::Moment;
use super::request::{Request, State, Vote};
use crate::held::Answer;
use crate::ids::{AskId, GrantId, RequestId, SessionId};
use crate::preview::Preview;

/// What has to be written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// A request was opened.
    Opened {
        /// It, whole.
        request: Box<Request>,
    },
    /// Somebody voted.
    Voted {
        /// On what.
        request: RequestId,
        /// What they said.
        vote: Vote,
    },
    /// The server told how much a request would touch.
    Previewed {
        /// Which one.
        request: RequestId,
        /// When.
        at: Moment,
        /// What it told.
        preview: Preview,
    },
    /// A request was decided, or waits no longer.
    Closed {
        /// Which one.
        request: RequestId,
        /// When.
        at: Moment,
        /// What became of it.
        #[serde(flatten)]
        state: State,
    },
    /// A grant was made.
    Granted {
        /// It, whole.
        grant: Box<Grant>,
    },
    /// An action passes by a grant.
    Used {
        /// Which one.
        grant: GrantId,
        /// What passes.
        #[serde(rename = "use")]
        used: Use,
    },
    /// What passed by a grant is over.
    Finished {
        /// Which one.
        grant: GrantId,
        /// The session.
        session: SessionId,
        /// The ask that passed.
        ask: AskId,
        /// Rows that it changed; none if that is not known.
        rows: Option<u64>,
        /// When.
        at: Moment,
    },
    /// A grant ended.
    Ended {
        /// Which one.
        grant: GrantId,
        /// When.
        at: Moment,
        /// Why.
        #[serde(flatten)]
        ending: Ending,
    },
}

/// What happens once the change is written down.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Whoever waits in this session gets an answer.
    Answer {
        /// The session.
        session: SessionId,
        /// The ask that is held in it.
        ask: AskId,
        /// The answer.
        answer: Answer,
    },
    /// A session has to end.
    EndSession {
        /// The session.
        session: SessionId,
        /// Why: one sentence, lower case, without a full stop.
        reason: String,
    },
    /// Those who watch are told.
    Notice(Notice),
}

/// What those who watch are told.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A request was opened.
    Opened(Arc<Request>),
    /// Somebody voted; it may be the turn of others now.
    Voted(Arc<Request>),
    /// The server told how much it would touch.
    Previewed(Arc<Request>),
    /// A request was decided, or waits no longer.
    Closed(Arc<Request>),
    /// A grant was made.
    Granted(Arc<Grant>),
    /// An action passed by a grant, or is over.
    Used(Arc<Grant>),
    /// A grant ended.
    Ended(Arc<Grant>, Ending),
}
