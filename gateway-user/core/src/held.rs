//! `HeldAction`: an action that waits until people decide, as they see it; and their `Answer`.
//!
//! Plain data: made by the session, kept by the approvals, shown to approvers. Who must agree is said
//! by [`Demand`]s, one of each rule that holds the action. What an answer is for is named by an
//! [`ActionDigest`], which anyone who has the action can compute again.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::event::Value;
use crate::ids::{
    ActionDigest, AskId, GrantId, MaskName, PolicyDigest, RequestId, ResourceName, RuleName,
    SessionId,
};
use crate::subject::{Claim, Identity, Subject};

/// People of whom some must agree: an `[[approvers]]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApproverSet {
    /// Its name.
    pub name: String,
    /// Accounts of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Groups of the host: everyone in one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// How many of them must agree; at least 1.
    pub quorum: u32,
    /// The `[[notify]]` by which they are told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<String>,
}

/// What one rule wants before an action may pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// The rule.
    pub rule: RuleName,
    /// Why, for agent and approver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Each of these must agree; never empty.
    pub approvers: Vec<ApproverSet>,
    /// Whether they are asked one after the other, in this order.
    #[serde(default)]
    pub in_order: bool,
    /// How long the action waits, in whole seconds where it is written down.
    #[serde(with = "seconds", rename = "timeout_s")]
    pub timeout: Duration,
}

/// One value that is put into a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// The type that the client declared for it, by the protocol's own name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
    /// The value.
    #[serde(flatten)]
    pub value: ParameterValue,
    /// What bytes mean, where the declared type tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<String>,
}

/// The value of a parameter, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterValue {
    /// None.
    Null,
    /// A text.
    Text(String),
    /// Bytes in the protocol's binary form; in hexadecimal.
    Bytes(String),
    /// A value that is not shown to whoever looks: what it is, and how long.
    Hidden(String),
    /// A text in an encoding that is not UTF-8, or not known; its bytes in hexadecimal.
    Encoded(String),
}

/// What an action would run, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The statement or command.
    pub text: String,
    /// What is put into it.
    pub parameters: Vec<Parameter>,
    /// Whether it may touch a relation of which something is masked for who asks.
    pub touches: Touches,
}

/// Whether something may touch a relation of which something is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touches {
    /// It may, or that is not known.
    Perhaps,
    /// It surely does not.
    Nothing,
}

/// An action that waits until people decide. An approver sees all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldAction {
    /// Names exactly this; see [`HeldAction::digest`].
    pub action: ActionDigest,
    /// The session that waits.
    pub session: SessionId,
    /// The ask in its recording.
    pub ask: AskId,
    /// Who asks.
    pub subject: Subject,
    /// What is acted on.
    pub resource: ResourceName,
    /// Name of the protocol.
    pub protocol: String,
    /// The protocol's own word for the request, such as `Query`.
    pub request: String,
    /// The statement or command, whole.
    pub text: String,
    /// What is put into it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// Facts of the session, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub connection: BTreeMap<String, Value>,
    /// Facts of each unit, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<BTreeMap<String, Value>>,
    /// The policy that holds it.
    pub policy: PolicyDigest,
    /// What must be met before it may pass; never empty.
    pub demands: Vec<Demand>,
    /// Masks by whose columns' relations it surely does not go, by that policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clear_of: Vec<MaskName>,
    /// The masks because of which values are left out here for whoever looks. Never of
    /// what is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden_by: Vec<MaskName>,
}

/// What became of an action that was held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The action that was decided on.
    pub action: ActionDigest,
    /// The request that it was; none for one that was never opened.
    pub request: Option<RequestId>,
    /// What was decided.
    pub outcome: Outcome,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It may pass, once.
    Approved {
        /// Those who agreed, by name.
        by: Vec<String>,
        /// The grant that covers it, if one does.
        grant: Option<GrantId>,
    },
    /// It may not.
    Refused {
        /// Who said so; none where nobody did in time.
        by: Option<String>,
        /// One sentence for the agent, lower case, without a full stop.
        reason: String,
    },
}

/// Why an action waits no longer although nobody decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Withdrawal {
    /// The client closed its connection.
    ClientGone,
    /// The client cancelled it.
    Cancelled,
    /// A new policy decides on it.
    PolicyChanged,
    /// The server failed before it, and would have passed over it.
    Overtaken,
    /// The session ended.
    SessionEnded,
    /// The daemon ended.
    DaemonGone,
    /// Nothing could be written down any more, so it was refused.
    Unrecorded,
}

impl Withdrawal {
    /// One sentence, lower case, without a full stop.
    pub fn reason(self) -> &'static str {
        match self {
            Self::ClientGone => "the client went away while it waited for an approval",
            Self::Cancelled => "the client cancelled it while it waited for an approval",
            Self::PolicyChanged => "the policy changed while it waited for an approval",
            Self::Overtaken => "what was sent before it failed while it waited for an approval",
            Self::SessionEnded => "the session ended while it waited for an approval",
            Self::DaemonGone => "the gateway stopped while it waited for an approval",
            Self::Unrecorded => "approvals cannot be written down",
        }
    }
}

/// What is told to a client that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldNote {
    /// The request.
    pub request: RequestId,
    /// One sentence, lower case, without a full stop.
    pub text: String,
}

impl HeldAction {
    /// With its name, now that all else is there.
    #[must_use]
    pub fn sealed(self) -> Self {
        Self {
            action: self.digest(),
            ..self
        }
    }

    /// SHA-256, in hexadecimal, over who (workload, user id and what is known by a token), on what, by which policy, and all of
    /// what is asked for. Not of it: when, by which process, and in which session. Each part goes in
    /// behind its name and both behind their lengths (8 bytes, big endian), so that nothing can pass
    /// for something else.
    pub fn digest(&self) -> ActionDigest {
        let mut seal = Seal(Sha256::new());
        seal.part("version", b"1");
        seal.part("workload", self.subject.workload.as_str().as_bytes());
        seal.part("uid", &self.subject.process.uid.to_be_bytes());
        if let Some(identity) = &self.subject.identity {
            seal.identity(identity);
        }
        seal.part("resource", self.resource.as_str().as_bytes());
        seal.part("protocol", self.protocol.as_bytes());
        seal.part("request", self.request.as_bytes());
        seal.part("text", self.text.as_bytes());
        for Parameter {
            declared, value, ..
        } in &self.parameters
        {
            seal.part("declared", declared.as_deref().unwrap_or("").as_bytes());
            match value {
                ParameterValue::Null => seal.part("null", b""),
                ParameterValue::Text(text) => seal.part("value", text.as_bytes()),
                ParameterValue::Bytes(hex) => seal.part("bytes", hex.as_bytes()),
                ParameterValue::Hidden(what) => seal.part("hidden", what.as_bytes()),
                ParameterValue::Encoded(hex) => seal.part("encoded", hex.as_bytes()),
            }
        }
        seal.facts("connection", &self.connection);
        for unit in &self.units {
            seal.facts("unit", unit);
        }
        seal.part("policy", self.policy.as_str().as_bytes());
        ActionDigest::new(hexadecimal(&seal.0.finalize()))
    }
}

impl Parameter {
    /// Leaves the value out, and says what sort it is and how long. That it is NULL is told.
    pub fn hide(&mut self) {
        self.reads = None;
        let (what, count) = match &self.value {
            ParameterValue::Null => return,
            ParameterValue::Text(text) => ("text", text.chars().count()),
            ParameterValue::Hidden(_) => return,
            ParameterValue::Bytes(digits) => ("bytes", digits.len() / 2),
            ParameterValue::Encoded(digits) => ("encoded text", digits.len() / 2),
        };
        self.value = ParameterValue::Hidden(format!("{what} of {count}"));
    }
}

struct Seal(Sha256);

impl Seal {
    fn part(&mut self, name: &str, value: &[u8]) {
        for bytes in [name.as_bytes(), value] {
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.0.update(length.to_be_bytes());
            self.0.update(bytes);
        }
    }

    fn identity(&mut self, identity: &Identity) {
        self.part("issuer", identity.issuer.as_str().as_bytes());
        self.part("identity", identity.subject.as_bytes());
        self.part(
            "account",
            identity.account.as_deref().unwrap_or("").as_bytes(),
        );
        for (name, claim) in &identity.claims {
            self.part("claim", name.as_bytes());
            match claim {
                Claim::Text(text) => self.part("text", text.as_bytes()),
                Claim::Texts(texts) => self.texts(texts),
            }
        }
    }

    fn texts(&mut self, texts: &[String]) {
        let count = u64::try_from(texts.len()).unwrap_or(u64::MAX);
        self.part("texts", &count.to_be_bytes());
        for text in texts {
            self.part("text", text.as_bytes());
        }
    }

    fn facts(&mut self, name: &str, facts: &BTreeMap<String, Value>) {
        let count = u64::try_from(facts.len()).unwrap_or(u64::MAX);
        self.part(name, &count.to_be_bytes());
        for (fact, value) in facts {
            self.part("fact", fact.as_bytes());
            match value {
                Value::Flag(flag) => self.part("flag", &[u8::from(*flag)]),
                Value::Number(number) => self.part("number", &number.to_be_bytes()),
                Value::Text(text) => self.part("text", text.as_bytes()),
                Value::Texts(texts) => self.texts(texts),
                Value::Unknown(()) => self.part("unknown", b""),
            }
        }
    }
}

/// Lower-case hexadecimal.
pub fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes everything");
    }
    text
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(value.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_secs)
    }
}
