//! `Event`: one line of a recording. Made by the session from what it emitted, written by the
//! recorder, read back by `gateway sessions`.
//!
//! The recorder adds sequence number, time and the hash of the line before. Text from the wire that is
//! not UTF-8 is held with replacement characters, and its length in bytes beside it.

mod end;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::end::SessionEnd;
use crate::facts::{Attribute, Fact};
use crate::flow::{ClientAddr, OriginalDst};
use crate::held::{self, Answer, Withdrawal};
use crate::ids::{
    ActionDigest, AskId, GrantId, PlaceholderId, PolicyDigest, RequestId, ResourceName, RuleName,
    SessionId,
};
use crate::limit::Limited;
use crate::refusal::Refusal;
use crate::subject::{Identity, Subject};

/// One line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The session began. Always the first line.
    Open(Open),
    /// A leg of the connection is now encrypted.
    Tls(Tls),
    /// The gateway logged in at the server itself.
    Login(Login),
    /// Something was asked for and decided.
    Ask(Ask),
    /// People answered an ask that was held, or it waits no longer.
    Answered(Answered),
    /// The server finished what an ask began.
    Outcome(Outcome),
    /// What an ask began reached a limit.
    Limited(Limited),
    /// The server told the gateway what the judging of later asks depends on.
    Found(Found),
    /// The server reported an error or a notice of its own accord.
    Server(ServerError),
    /// The token that the workload is known by ran out, or says something else now.
    Identity(Identified),
    /// The session ended. Always the last line of a complete recording.
    End(End),
}

/// The session began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// Names the session.
    pub session: SessionId,
    /// Who acts.
    pub subject: Subject,
    /// The agent's address.
    pub client: ClientAddr,
    /// Where it wanted to go.
    pub destination: OriginalDst,
    /// The resource that covers the destination; none means that the session is refused.
    pub resource: Option<ResourceName>,
    /// The names of the resource's hosts by which it covers the destination.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Name of the protocol spoken.
    pub protocol: String,
    /// Version of the program that recorded.
    pub gateway: String,
}

/// Who the workload is from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identified {
    /// What its token says; none where it has no good one any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Arc<Identity>>,
}

/// One of the two legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// Between the agent and the gateway.
    Client,
    /// Between the gateway and the server.
    Server,
}

/// A leg of the connection is now encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// Which leg.
    pub leg: Leg,
    /// Protocol version, such as `TLSv1_3`.
    pub version: String,
    /// Cipher suite, such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// Server name: what the client asked for, or what the server was verified as.
    pub server_name: Option<String>,
}

/// The gateway logged in at the server itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Name of the `[[credential]]`.
    pub credential: String,
    /// The account on the server.
    pub user: String,
    /// As whom the client presented itself, which means nothing.
    pub asked: String,
    /// How, in the protocol's own words, such as `SCRAM-SHA-256`.
    pub method: String,
    /// The placeholder that the client had to show, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<PlaceholderId>,
}

/// A fact's value as it is recorded; `null` is one that could not be found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// True or false.
    Flag(bool),
    /// A count.
    Number(u64),
    /// A text.
    Text(String),
    /// Several texts; names are written `schema.name`, or `name` where the schema is uncertain.
    Texts(Vec<String>),
    /// Unknown.
    Unknown(()),
}

impl Value {
    /// As it is recorded; nothing for what goes without saying of the attribute.
    pub fn recorded(attribute: &Attribute, fact: &Fact) -> Option<Self> {
        let is_usual = *fact == attribute.usual.fact();
        (!is_usual).then(|| Self::of(fact)).flatten()
    }

    /// As it is written; nothing for one that the action does not have.
    pub fn of(fact: &Fact) -> Option<Self> {
        Some(match fact {
            Fact::Absent => return None,
            Fact::Unknown => Self::Unknown(()),
            Fact::Text(text) => Self::Text(text.to_string()),
            Fact::Texts(texts) => Self::Texts(texts.iter().map(ToString::to_string).collect()),
            Fact::Names(names) => Self::Texts(names.iter().map(ToString::to_string).collect()),
            Fact::Flag(flag) => Self::Flag(*flag),
            Fact::Number(number) => Self::Number(*number),
        })
    }
}

/// What policy said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// Let pass.
    Allow,
    /// Waits until people decide.
    Hold,
    /// Refused.
    Deny,
}

/// Something was asked for and decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Numbers the asks of the session.
    pub ask: AskId,
    /// The protocol's own word for the request, such as `Query`, `Parse`, `Bind`.
    pub request: String,
    /// The statement or command, whole. Left out where `of` refers to an earlier ask that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Length of the request's text in bytes, as it came over the wire.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub text_bytes: u64,
    /// The earlier ask whose statement this one runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<AskId>,
    /// Facts of the session, present on the connect ask only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub connection: BTreeMap<String, Value>,
    /// Facts of each unit. Left out where `of` is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<BTreeMap<String, Value>>,
    /// What the session had done by then, where rules look at that.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub moment: BTreeMap<String, Value>,
    /// What policy said.
    pub ruling: Ruling,
    /// The rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
    /// Why, when it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// In observe mode: the refusal that enforcing would have given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Refusal>,
    /// What approvers decide on, when it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionDigest>,
    /// Whether what it lets pass is not looked into: nothing more of the session is known.
    #[serde(default, skip_serializing_if = "is_false")]
    pub uninspected: bool,
    /// The policy that decided; given on the first ask and whenever it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyDigest>,
}

/// What became of an ask that was held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The ask.
    pub ask: AskId,
    /// The request that approvers saw; none where none was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// Let pass, refused, or held again by a new policy.
    pub ruling: Ruling,
    /// What approvers decide on from now on, when it is held again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionDigest>,
    /// Those who decided, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// The grant that covered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// The rule that decided, where a new policy did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
    /// Why, when it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The policy that decided, where it is a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyDigest>,
}

impl Answered {
    /// A ruling of which nothing more is known yet.
    pub fn new(ask: AskId, ruling: Ruling) -> Self {
        Self {
            ask,
            request: None,
            ruling,
            action: None,
            by: Vec::new(),
            grant: None,
            rule: None,
            reason: None,
            policy: None,
        }
    }

    /// What people said, for better or worse.
    pub fn by_people(ask: AskId, answer: &Answer, refusal: Option<&Refusal>) -> Self {
        let (by, grant) = match &answer.outcome {
            held::Outcome::Approved { by, grant } => (by.clone(), grant.clone()),
            held::Outcome::Refused { by, .. } => (by.iter().cloned().collect(), None),
        };
        let ruling = match refusal {
            None => Ruling::Allow,
            Some(_) => Ruling::Deny,
        };
        Self {
            request: answer.request.clone(),
            by,
            grant,
            reason: refusal.map(|it| it.reason.clone()),
            ..Self::new(ask, ruling)
        }
    }

    /// It waits no longer.
    pub fn withdrawn(ask: AskId, why: Withdrawal) -> Self {
        Self {
            reason: Some(why.reason().to_owned()),
            ..Self::new(ask, Ruling::Deny)
        }
    }
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// The server finished what an ask began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The ask.
    pub ask: AskId,
    /// The server's completion tags, such as `UPDATE 3`, one for each statement that finished.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Rows that came back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rows: u64,
    /// Rows that the server says it changed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub affected: u64,
    /// Bytes of rows and copied data towards the client.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes_out: u64,
    /// Bytes of copied data towards the server.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes_in: u64,
    /// How often detectors have found something in what came back, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detected: BTreeMap<String, u64>,
    /// The server's error, when it refused or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ServerError>,
}

impl Outcome {
    /// Nothing has come back yet.
    pub fn new(ask: AskId) -> Self {
        Self {
            ask,
            tags: Vec::new(),
            rows: 0,
            affected: 0,
            bytes_out: 0,
            bytes_in: 0,
            detected: BTreeMap::new(),
            error: None,
        }
    }

    /// How many rows it changed; none where the server does not tell: `TRUNCATE` has no number, and what
    /// a `SELECT` changes on its way is in none. What failed has changed nothing.
    pub fn changed(&self) -> Option<u64> {
        let ends_in_a_number = |tag: &String| {
            let mut words = tag.split(' ');
            let counts = matches!(
                words.next(),
                Some("INSERT" | "UPDATE" | "DELETE" | "MERGE" | "COPY")
            );
            let last = words.next_back();
            counts && last.is_some_and(|last| last.parse::<u64>().is_ok())
        };
        let failed = self.error.is_some() && self.tags.is_empty();
        let told = !self.tags.is_empty() && self.tags.iter().all(ends_in_a_number);
        (failed || told).then_some(self.affected)
    }
}

/// What the server told about the session when the gateway itself asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// By name; `null` is one that the server did not tell.
    pub facts: BTreeMap<String, Value>,
}

/// An error as the server reported it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerError {
    /// Severity in English, such as `ERROR` or `FATAL`.
    pub severity: String,
    /// The protocol's code, such as a SQLSTATE.
    pub code: String,
    /// The message, cut to 1 KiB.
    pub message: String,
}

/// The session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// How.
    #[serde(flatten)]
    pub how: SessionEnd,
    /// Asks that were let pass.
    pub allowed: u64,
    /// Asks that were refused.
    pub denied: u64,
    /// Bytes from the client to the server.
    pub bytes_in: u64,
    /// Bytes from the server to the client.
    pub bytes_out: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_known_where_the_server_tells() {
        let outcome = |tags: &[&str]| Outcome {
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            affected: 5,
            ..Outcome::new(AskId(1))
        };
        assert_eq!(outcome(&["DELETE 5"]).changed(), Some(5));
        assert_eq!(outcome(&["UPDATE 2", "INSERT 0 3"]).changed(), Some(5));
        assert_eq!(outcome(&["SELECT 1", "INSERT 0 5"]).changed(), None);
        assert_eq!(outcome(&["DELETE 5", "TRUNCATE TABLE"]).changed(), None);
        assert_eq!(outcome(&[]).changed(), None);
    }
}
