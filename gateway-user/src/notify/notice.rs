//! `Notice`: what people are told of one request for approval. Made by whoever watches the requests.

use gateway_core::preview::Preview;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// What is told, and to whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The request, as `gateway approvals show` takes it.
    pub request: String,
    /// What happened to it.
    pub about: About,
    /// When.
    pub time: Timestamp,
    /// When it was opened.
    pub opened: Timestamp,
    /// When it is refused at the latest.
    pub expires: Timestamp,
    /// Names of the targets that are told.
    pub targets: Vec<String>,
    /// How much it would touch, as far as the server could tell.
    pub preview: Option<Preview>,
    /// What is asked for.
    pub matter: Matter,
}

/// What happened to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum About {
    /// It waits for people.
    Opened,
    /// People decided.
    Decided {
        /// Whether it may go on.
        approved: bool,
        /// Who decided.
        by: Vec<String>,
        /// What they said about it.
        reason: Option<String>,
    },
    /// Nobody decided in time, so it was refused.
    TimedOut,
    /// It is over for another reason, such as that the agent left.
    Withdrawn {
        /// Why.
        reason: String,
    },
}

/// What is asked for, as people are shown it.
#[derive(Clone, Debug, PartialEq)]
pub struct Matter {
    /// SHA-256 of the action, in hexadecimal.
    pub digest: String,
    /// Who acts.
    pub workload: String,
    /// As whom it is known by its token, in words; none where no token says so.
    pub identity: Option<String>,
    /// The process, in words: its name and numbers.
    pub process: String,
    /// What is acted on.
    pub resource: String,
    /// What is spoken there.
    pub protocol: String,
    /// What is known of the connection, such as its `database` and `user`.
    pub connection: Vec<(String, String)>,
    /// The rules that want it approved.
    pub demands: Vec<Demanded>,
    /// The masks because of which values are left out of the text and the parameters.
    pub hidden_by: Vec<String>,
    /// The statement or command, whole.
    pub text: String,
    /// Its parameters; none is a NULL.
    pub parameters: Vec<Option<String>>,
    /// All that is known of it, for programs.
    pub whole: Value,
}

/// A rule that wants something approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demanded {
    /// The rule.
    pub rule: String,
    /// Why.
    pub reason: String,
    /// Who is asked.
    pub approvers: Vec<String>,
}

impl About {
    /// Its name in messages and the enforcement log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Decided { .. } => "decided",
            Self::TimedOut => "timed_out",
            Self::Withdrawn { .. } => "withdrawn",
        }
    }
}

impl Notice {
    /// About how many bytes of memory it takes.
    pub(super) fn weight(&self) -> usize {
        let matter = &self.matter;
        let parameters = matter.parameters.iter().flatten();
        let text = matter.text.len();
        let once = text + parameters.map(String::len).sum::<usize>();
        // The whole has the same texts again, and facts about them.
        2 * once + 4096
    }
}
