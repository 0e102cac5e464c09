//! Messages: read whole, and written anew.
//!
//! What the gateway passes on is never the bytes that came but what it understood of them, so that
//! both ends see the same, and nothing travels in the gaps. Source: RFC 1035 section 4, RFC 6891
//! for EDNS, RFC 8914 for the reason of an error.

use std::collections::HashMap;

use super::Malformed;
use super::name::Name;
use super::record::{self, Field, OPT, Record};
use crate::cursor::Cursor;

/// The header's length, in bytes.
const HEADER: usize = 12;
/// A pointer reaches so far.
const POINTER_LIMIT: usize = 0x3fff;
/// Number of the option that tells why (RFC 8914).
const EXTENDED_ERROR: u16 = 15;

/// Response codes that the gateway uses itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The message could not be read.
    FormErr,
    /// There is no answer for want of a server.
    ServFail,
    /// Something other than a query was asked for.
    NotImp,
    /// Policy does not let this be asked.
    Refused,
    /// A version of EDNS that is not known.
    BadVers,
}

impl Code {
    /// Its number: 12 bits, of which EDNS carries the upper eight.
    pub fn number(self) -> u16 {
        match self {
            Self::FormErr => 1,
            Self::ServFail => 2,
            Self::NotImp => 4,
            Self::Refused => 5,
            Self::BadVers => 16,
        }
    }
}

/// The name of a response code.
pub fn code_name(code: u16) -> String {
    match code {
        0 => "NOERROR".to_owned(),
        1 => "FORMERR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        3 => "NXDOMAIN".to_owned(),
        4 => "NOTIMP".to_owned(),
        5 => "REFUSED".to_owned(),
        16 => "BADVERS".to_owned(),
        other => format!("RCODE{other}"),
    }
}

/// Bits of the header's second word.
pub mod flag {
    /// All of these; what else there may be is left out.
    pub const ALL: u16 =
        RESPONSE | AUTHORITATIVE | TRUNCATED | RECURSE | RECURSES | VERIFIED | UNCHECKED;
    /// This is a response.
    pub const RESPONSE: u16 = 0x8000;
    /// By a server that has the zone.
    pub const AUTHORITATIVE: u16 = 0x0400;
    /// It is cut: ask again over TCP.
    pub const TRUNCATED: u16 = 0x0200;
    /// Look it up for me.
    pub const RECURSE: u16 = 0x0100;
    /// Looking up is offered.
    pub const RECURSES: u16 = 0x0080;
    /// The answer was verified (RFC 4035 section 3.2.3).
    pub const VERIFIED: u16 = 0x0020;
    /// Do not verify the answer (RFC 4035 section 3.2.2).
    pub const UNCHECKED: u16 = 0x0010;
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name.
    pub name: Name,
    /// The type of record.
    pub kind: u16,
    /// The class; 1 is `IN`.
    pub class: u16,
}

/// The part of a message that extends it (RFC 6891). Options are not kept: they would travel unseen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edns {
    /// The longest datagram that its sender takes, in bytes.
    pub payload: u16,
    /// The version; 0 is the only one there is.
    pub version: u8,
    /// Signatures are wanted too.
    pub signed: bool,
    /// Why there is an error: a code of RFC 8914 and a sentence. Written, never read.
    pub why: Option<(u16, String)>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Joins an answer to its question.
    pub id: u16,
    /// The header's second word, without opcode and response code; see [`flag`].
    pub flags: u16,
    /// 0 is a query.
    pub opcode: u8,
    /// The response code, with the bits that EDNS carries.
    pub code: u16,
    /// What is asked for: exactly one in all that is of use.
    pub questions: Vec<Question>,
    /// The answer.
    pub answers: Vec<Record>,
    /// Who has the zone.
    pub authorities: Vec<Record>,
    /// What may help.
    pub additionals: Vec<Record>,
    /// Extensions.
    pub edns: Option<Edns>,
}

impl Message {
    /// Reads a message, all of it. One with anything behind its end is malformed.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut header = Cursor::new(bytes);
        let mut word = || header.u16().ok_or(Malformed);
        let (id, flags) = (word()?, word()?);
        let counts = [word()?, word()?, word()?, word()?];
        let mut message = Self {
            id,
            flags: flags & flag::ALL,
            opcode: flags.to_be_bytes()[0] >> 3 & 0xf,
            code: flags & 0xf,
            questions: Vec::new(),
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
            edns: None,
        };
        let mut at = HEADER;
        let [questions, sections @ ..] = counts;
        for _ in 0..questions {
            let (name, end) = Name::read(bytes, at)?;
            let mut cursor = Cursor::new(bytes.get(end..).ok_or(Malformed)?);
            let (kind, class) = (cursor.u16(), cursor.u16());
            message.questions.push(Question {
                name,
                kind: kind.ok_or(Malformed)?,
                class: class.ok_or(Malformed)?,
            });
            at = end + 4;
        }
        for (section, count) in sections.into_iter().enumerate() {
            for _ in 0..count {
                let (record, end) = read_record(bytes, at)?;
                at = end;
                match (section, record.kind) {
                    (2, OPT) => message.take_edns(record)?,
                    (_, OPT) => return Err(Malformed),
                    (0, _) => message.answers.push(record),
                    (1, _) => message.authorities.push(record),
                    _ => message.additionals.push(record),
                }
            }
        }
        if at == bytes.len() {
            Ok(message)
        } else {
            Err(Malformed)
        }
    }

    fn take_edns(&mut self, record: Record) -> Result<(), Malformed> {
        // There is one or none, and it is the root's (RFC 6891 section 6.1.1).
        if self.edns.is_some() || record.owner.labels().next().is_some() {
            return Err(Malformed);
        }
        let [code, version, flags, _] = record.ttl.to_be_bytes();
        self.code |= u16::from(code) << 4;
        self.edns = Some(Edns {
            payload: record.class,
            version,
            signed: flags & 0x80 != 0,
            why: None,
        });
        Ok(())
    }

    /// The least that the records of the answer hold, or that the absence of one does; `None` where
    /// nothing says how long. In seconds.
    pub fn life(&self) -> Option<u32> {
        let absence = || self.authorities.iter().find_map(Record::absence);
        let answer = self.answers.iter().map(|record| record.ttl).min();
        answer.or_else(absence)
    }

    /// Lets so many seconds pass.
    pub fn age(&mut self, seconds: u32) {
        let sections = [
            &mut self.answers,
            &mut self.authorities,
            &mut self.additionals,
        ];
        for record in sections.into_iter().flatten() {
            record.ttl = record.ttl.saturating_sub(seconds);
        }
    }

    /// The message's bytes, at most `limit` of them. What does not fit is left out, all of it, and
    /// the message says that it is cut (RFC 2181 section 9); at the least there are header and
    /// question.
    pub fn write(&self, limit: usize) -> Vec<u8> {
        let whole = self.write_whole();
        if whole.len() <= limit {
            return whole;
        }
        let cut = Self {
            flags: self.flags | flag::TRUNCATED,
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
            edns: self.edns.clone().map(|edns| Edns { why: None, ..edns }),
            ..self.clone()
        };
        cut.write_whole()
    }

    fn write_whole(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let opcode = u16::from(self.opcode & 0xf) << 11;
        let counts = [
            self.questions.len(),
            self.answers.len(),
            self.authorities.len(),
            self.additionals.len() + usize::from(self.edns.is_some()),
        ];
        for word in [self.id, self.flags | opcode | self.code & 0xf] {
            writer.u16(word);
        }
        for count in counts {
            writer.u16(u16::try_from(count).unwrap_or(u16::MAX));
        }
        for question in &self.questions {
            writer.name(&question.name);
            writer.u16(question.kind);
            writer.u16(question.class);
        }
        let records = [&self.answers, &self.authorities, &self.additionals];
        for record in records.into_iter().flatten() {
            writer.record(record);
        }
        if let Some(edns) = &self.edns {
            let [code, _] = (self.code << 4).to_be_bytes();
            let signed = if edns.signed { 0x80 } else { 0 };
            writer.record(&Record {
                owner: Name::root(),
                kind: OPT,
                class: edns.payload,
                ttl: u32::from_be_bytes([code, edns.version, signed, 0]),
                data: edns.why.as_ref().map(extended_error).unwrap_or_default(),
            });
        }
        writer.bytes
    }
}

fn read_record(bytes: &[u8], at: usize) -> Result<(Record, usize), Malformed> {
    let (owner, end) = Name::read(bytes, at)?;
    let mut cursor = Cursor::new(bytes.get(end..).ok_or(Malformed)?);
    let kind = cursor.u16().ok_or(Malformed)?;
    let class = cursor.u16().ok_or(Malformed)?;
    let ttl = cursor.u32().ok_or(Malformed)?;
    let length = cursor.u16().ok_or(Malformed)?;
    let from = bytes.len() - cursor.rest().len();
    let to = from + usize::from(length);
    let data = record::read_data(bytes, from, to, kind)?;
    // A life with its first bit set is none (RFC 2181 section 8); OPT has other things there.
    let ttl = if kind != OPT && ttl > u32::MAX >> 1 {
        0
    } else {
        ttl
    };
    let record = Record {
        owner,
        kind,
        class,
        ttl,
        data,
    };
    Ok((record, to))
}

fn extended_error((code, text): &(u16, String)) -> Vec<u8> {
    let length = u16::try_from(text.len() + 2).unwrap_or(2);
    let text = text.as_bytes().get(..usize::from(length) - 2);
    let head = [EXTENDED_ERROR, length, *code].map(u16::to_be_bytes);
    [head.as_flattened(), text.unwrap_or_default()].concat()
}

/// Writes names once and points to them from then on.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    /// Where a name was written, in just this case.
    places: HashMap<Vec<u8>, u16>,
}

impl Writer {
    fn u16(&mut self, word: u16) {
        self.bytes.extend_from_slice(&word.to_be_bytes());
    }

    fn name(&mut self, name: &Name) {
        let mut rest = name.wire();
        while let Some(length) = rest.first().filter(|length| **length > 0) {
            if let Some(place) = self.places.get(rest) {
                return self.u16(0xc000 | place);
            }
            if let Some(place) = u16::try_from(self.bytes.len())
                .ok()
                .filter(|place| usize::from(*place) <= POINTER_LIMIT)
            {
                self.places.insert(rest.to_vec(), place);
            }
            let Some((label, after)) = rest.split_at_checked(1 + usize::from(*length)) else {
                break;
            };
            self.bytes.extend_from_slice(label);
            rest = after;
        }
        self.bytes.push(0);
    }

    fn record(&mut self, record: &Record) {
        self.name(&record.owner);
        self.u16(record.kind);
        self.u16(record.class);
        self.bytes.extend_from_slice(&record.ttl.to_be_bytes());
        let length_at = self.bytes.len();
        self.u16(0);
        self.data(record);
        let length = self.bytes.len() - length_at - 2;
        let length = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        if let Some(field) = self.bytes.get_mut(length_at..length_at + 2) {
            field.copy_from_slice(&length);
        }
    }

    /// The record's data, in which names that may be are compressed.
    fn data(&mut self, record: &Record) {
        let mut at = 0;
        for field in record::layout(record.kind) {
            let Field::Name = field else {
                // The types with such fields have no name behind that could be compressed but `MX`.
                if let Field::Bytes(length) = field {
                    let bytes = record.data.get(at..at + length).unwrap_or_default();
                    self.bytes.extend_from_slice(bytes);
                    at += length;
                    continue;
                }
                break;
            };
            // INVARIANT: a record that was read has whole names where its layout says so.
            let Ok((name, end)) = Name::read(&record.data, at) else {
                break;
            };
            self.name(&name);
            at = end;
        }
        let rest = record.data.get(at..).unwrap_or_default();
        self.bytes.extend_from_slice(rest);
    }
}
