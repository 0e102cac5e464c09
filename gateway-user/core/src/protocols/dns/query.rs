//! `Query`: what an agent asked, and the messages that follow from it: the one to a server, and the
//! one back.

use std::sync::Arc;

use super::attributes::{ATTRIBUTES, NAME, TYPE};
use super::name::Name;
use super::record::{Record, type_name};
use super::wire::{Code, Edns, Message, Question, flag};
use crate::facts::{Fact, FactSet, Facts, Stage};

/// Datagrams are never longer than this, in bytes, so that no network cuts them up: the value of
/// the DNS flag day of 2020.
pub const PAYLOAD: u16 = 1232;
/// What a client takes that does not say (RFC 1035 section 4.2.1).
const PLAIN_PAYLOAD: u16 = 512;
/// `IN`.
const INTERNET: u16 = 1;
/// Why of RFC 8914: policy does not let this client ask.
const PROHIBITED: u16 = 18;
/// Why of RFC 8914: no server answered.
const NO_REACHABLE_AUTHORITY: u16 = 22;

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram.
    Udp,
    /// On a connection, behind its length.
    Tcp,
}

/// What an agent asked.
#[derive(Clone, Debug)]
pub struct Query {
    id: u16,
    flags: u16,
    /// What is looked up.
    pub question: Question,
    edns: Option<Edns>,
}

/// Something that is no query to look at.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// What is answered; nothing to what is itself an answer, or has no header.
    pub answer: Option<Vec<u8>>,
    /// Why, for the recording.
    pub why: &'static str,
}

impl Query {
    /// Reads a query: one question about the Internet, and nothing that a question does not need.
    pub fn read(bytes: &[u8]) -> Result<Self, Rejected> {
        let Ok(message) = Message::read(bytes) else {
            return Err(unreadable(bytes));
        };
        let reject = |code: Code, why| {
            let mut answer = empty(message.id, message.flags, code);
            answer.opcode = message.opcode;
            answer.edns = message.edns.as_ref().map(|_| own_edns(false));
            let answer = Some(answer.write(PAYLOAD.into()));
            Err(Rejected { answer, why })
        };
        if message.flags & flag::RESPONSE != 0 {
            let (answer, why) = (None, "this is an answer, and nothing was asked");
            return Err(Rejected { answer, why });
        }
        if message.opcode != 0 {
            return reject(Code::NotImp, "this is not a query");
        }
        if message.edns.as_ref().is_some_and(|edns| edns.version != 0) {
            return reject(Code::BadVers, "this version of EDNS is not known");
        }
        let surplus = [&message.answers, &message.authorities, &message.additionals];
        if surplus.into_iter().any(|records| !records.is_empty()) {
            return reject(Code::FormErr, "the query carries records");
        }
        let [question] = message.questions.as_slice() else {
            return reject(Code::FormErr, "a query has exactly one question");
        };
        if question.class != INTERNET {
            return reject(Code::Refused, "this class is not looked up");
        }
        Ok(Self {
            id: message.id,
            flags: message.flags & (flag::RECURSE | flag::UNCHECKED | flag::VERIFIED),
            question: question.clone(),
            edns: message.edns,
        })
    }

    /// The gateway's own question.
    pub fn own(name: Name, kind: u16) -> Self {
        let question = Question {
            name,
            kind,
            class: INTERNET,
        };
        Self {
            id: 0,
            flags: flag::RECURSE,
            question,
            edns: Some(own_edns(false)),
        }
    }

    /// What policy looks at.
    pub fn facts(&self) -> Facts {
        facts_of(&self.question)
    }

    /// In a few words: name and type.
    pub fn text(&self) -> String {
        let Question { name, kind, .. } = &self.question;
        format!("{} {}", name.text(), type_name(*kind).to_ascii_uppercase())
    }

    /// The query to a server. Nothing of the agent's is in it but what was decided on: name and
    /// type, and the bits that say how it wants its answer.
    pub fn to_server(&self, id: u16) -> Vec<u8> {
        let signed = self.edns.as_ref().is_some_and(|edns| edns.signed);
        let message = Message {
            id,
            flags: self.flags,
            opcode: 0,
            code: 0,
            questions: vec![self.asked()],
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
            edns: Some(own_edns(signed)),
        };
        message.write(PAYLOAD.into())
    }

    /// The question in lower case: what its letters look like is not passed on.
    fn asked(&self) -> Question {
        Question {
            name: self.question.name.lower(),
            ..self.question.clone()
        }
    }

    /// Reads what a server sent, if it is the answer to [`Query::to_server`] with this id.
    pub fn from_server(&self, id: u16, bytes: &[u8]) -> Option<Message> {
        let message = Message::read(bytes).ok()?;
        let is_answer = message.flags & flag::RESPONSE != 0 && message.opcode == 0;
        // Servers that cannot read it answer without a question.
        let of_this = message.questions.as_slice() == [self.asked()]
            || message.questions.is_empty() && message.code != 0;
        (message.id == id && is_answer && of_this).then_some(message)
    }

    /// What tells answers apart that are remembered: everything that a server was told.
    pub fn key(&self) -> Vec<u8> {
        self.to_server(0)
    }

    /// Whether the server is to look further than its own zones; an answer to another question is
    /// nothing to remember.
    pub fn wants_recursion(&self) -> bool {
        self.flags & flag::RECURSE != 0
    }

    /// The answer for the agent, from a server's.
    pub fn answer(&self, found: &Message) -> Message {
        let kept = flag::TRUNCATED | flag::VERIFIED;
        Message {
            flags: self.answer_flags() | found.flags & kept,
            code: found.code,
            answers: found.answers.clone(),
            authorities: found.authorities.clone(),
            additionals: found.additionals.clone(),
            ..self.error(Code::ServFail)
        }
    }

    /// The answer for the agent, from records that the gateway knows itself.
    pub fn own_answer(&self, answers: Vec<Record>) -> Message {
        Message {
            code: 0,
            answers,
            ..self.error(Code::ServFail)
        }
    }

    /// A "no", and why, for clients that show it.
    pub fn refused(&self, reason: &str) -> Message {
        self.with_reason(Code::Refused, PROHIBITED, reason)
    }

    /// An answer that could not be had, and why.
    pub fn failed(&self, reason: &str) -> Message {
        self.with_reason(Code::ServFail, NO_REACHABLE_AUTHORITY, reason)
    }

    fn with_reason(&self, code: Code, why: u16, reason: &str) -> Message {
        let mut message = self.error(code);
        if let Some(edns) = &mut message.edns {
            let reason: String = reason.chars().take(200).collect();
            edns.why = Some((why, format!("gateway: {reason}")));
        }
        message
    }

    fn error(&self, code: Code) -> Message {
        let signed = |edns: &Edns| own_edns(edns.signed);
        Message {
            flags: self.answer_flags(),
            questions: vec![self.question.clone()],
            edns: self.edns.as_ref().map(signed),
            ..empty(self.id, 0, code)
        }
    }

    fn answer_flags(&self) -> u16 {
        let kept = flag::RECURSE | flag::UNCHECKED;
        self.flags & kept | flag::RESPONSE | flag::RECURSES
    }

    /// How long an answer may be that goes back by `transport`, in bytes.
    pub fn limit(&self, transport: Transport) -> usize {
        let payload = self.edns.as_ref().map(|edns| edns.payload);
        match transport {
            Transport::Tcp => u16::MAX.into(),
            Transport::Udp => payload
                .unwrap_or(PLAIN_PAYLOAD)
                .clamp(PLAIN_PAYLOAD, PAYLOAD)
                .into(),
        }
    }
}

/// Facts of a question.
pub fn facts_of(question: &Question) -> Facts {
    let mut unit = FactSet::new(&ATTRIBUTES);
    unit.set(NAME, Fact::Text(question.name.text().into()));
    let kind = type_name(question.kind).into_owned();
    unit.set(TYPE, Fact::Text(kind.into()));
    facts(unit)
}

/// Facts of what could not be read.
pub fn unread() -> Facts {
    let mut unit = FactSet::new(&ATTRIBUTES);
    unit.set(NAME, Fact::Unknown);
    unit.set(TYPE, Fact::Unknown);
    facts(unit)
}

fn facts(unit: FactSet) -> Facts {
    Facts {
        stage: Stage::Action([unit].into()),
        connection: Arc::new(FactSet::new(&ATTRIBUTES)),
    }
}

fn own_edns(signed: bool) -> Edns {
    Edns {
        payload: PAYLOAD,
        version: 0,
        signed,
        why: None,
    }
}

fn empty(id: u16, asked: u16, code: Code) -> Message {
    Message {
        id,
        flags: asked & flag::RECURSE | flag::RESPONSE | flag::RECURSES,
        opcode: 0,
        code: code.number(),
        questions: Vec::new(),
        answers: Vec::new(),
        authorities: Vec::new(),
        additionals: Vec::new(),
        edns: None,
    }
}

/// What cannot be read is told so, unless it may be an answer itself: two that answer each other's
/// errors would never end.
fn unreadable(bytes: &[u8]) -> Rejected {
    let why = "the message could not be read";
    let answer = match bytes {
        [high, low, flags, ..] if flags & 0x80 == 0 && bytes.len() >= 12 => {
            let id = u16::from_be_bytes([*high, *low]);
            let answer = empty(id, u16::from_be_bytes([*flags, 0]), Code::FormErr);
            Some(answer.write(PAYLOAD.into()))
        }
        _ => None,
    };
    Rejected { answer, why }
}
