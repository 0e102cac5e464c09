//! Resource records: their types by name, and where names lie within their data.
//!
//! Source: RFC 1035 section 3.3, RFC 3597 for types that are not known, and the registry of types,
//! <https://www.iana.org/assignments/dns-parameters>.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Malformed;
use super::name::Name;
use crate::cursor::Cursor;

/// `A`.
pub const A: u16 = 1;
/// `CNAME`.
pub const CNAME: u16 = 5;
/// `SOA`.
pub const SOA: u16 = 6;
/// `AAAA`.
pub const AAAA: u16 = 28;
/// `OPT`, which is no record but a part of the message (RFC 6891).
pub const OPT: u16 = 41;

/// Names of types, as rules write them.
const TYPES: [(u16, &str); 47] = [
    (A, "a"),
    (2, "ns"),
    (3, "md"),
    (4, "mf"),
    (CNAME, "cname"),
    (SOA, "soa"),
    (7, "mb"),
    (8, "mg"),
    (9, "mr"),
    (10, "null"),
    (11, "wks"),
    (12, "ptr"),
    (13, "hinfo"),
    (14, "minfo"),
    (15, "mx"),
    (16, "txt"),
    (17, "rp"),
    (18, "afsdb"),
    (21, "rt"),
    (24, "sig"),
    (25, "key"),
    (AAAA, "aaaa"),
    (29, "loc"),
    (33, "srv"),
    (35, "naptr"),
    (36, "kx"),
    (37, "cert"),
    (39, "dname"),
    (OPT, "opt"),
    (43, "ds"),
    (44, "sshfp"),
    (46, "rrsig"),
    (47, "nsec"),
    (48, "dnskey"),
    (50, "nsec3"),
    (51, "nsec3param"),
    (52, "tlsa"),
    (61, "openpgpkey"),
    (64, "svcb"),
    (65, "https"),
    (99, "spf"),
    (250, "tsig"),
    (251, "ixfr"),
    (252, "axfr"),
    (255, "any"),
    (256, "uri"),
    (257, "caa"),
];

/// The name of a type; `type` with its number for one that has none here (RFC 3597).
pub fn type_name(kind: u16) -> Cow<'static, str> {
    match TYPES.iter().find(|(number, _)| *number == kind) {
        Some((_, name)) => Cow::Borrowed(name),
        None => Cow::Owned(format!("type{kind}")),
    }
}

/// The type of this name.
pub fn type_number(name: &str) -> Option<u16> {
    let known = TYPES.iter().find(|(_, known)| *known == name);
    known
        .map(|(number, _)| *number)
        .or_else(|| name.strip_prefix("type")?.parse().ok())
}

/// The names of all types that have one.
pub fn type_names() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|(_, name)| *name)
}

/// One record. Names within its data are whole: nothing in it points to another place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose it is.
    pub owner: Name,
    /// Its type.
    pub kind: u16,
    /// Its class; 1 is `IN`.
    pub class: u16,
    /// How long it holds, in seconds.
    pub ttl: u32,
    /// Its data.
    pub data: Vec<u8>,
}

/// One part of a record's data.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    /// So many bytes.
    Bytes(usize),
    /// A length byte and as many bytes.
    Text,
    /// A name, which may be compressed when it is written.
    Name,
    /// A name that may come compressed and is written whole.
    WholeName,
}

/// Where names lie in the data of a type; all behind it, and all of a type not listed, are bytes.
///
/// INVARIANT: only types of RFC 1035 are written compressed, as RFC 3597 section 4 demands; those
/// that older senders compress are read so too.
pub(super) fn layout(kind: u16) -> &'static [Field] {
    use Field::{Bytes, Name, Text, WholeName};
    match kind {
        2 | 3 | 4 | CNAME | 7 | 8 | 9 | 12 => &[Name],
        SOA | 14 => &[Name, Name],
        15 => &[Bytes(2), Name],
        17 => &[WholeName, WholeName],
        18 | 21 | 36 => &[Bytes(2), WholeName],
        33 => &[Bytes(6), WholeName],
        35 => &[Bytes(4), Text, Text, Text, WholeName],
        39 => &[WholeName],
        _ => &[],
    }
}

/// Reads the data of a record that lies at `from..to` of `message`.
pub(super) fn read_data(
    message: &[u8],
    from: usize,
    to: usize,
    kind: u16,
) -> Result<Vec<u8>, Malformed> {
    let whole = message.get(..to).ok_or(Malformed)?;
    let mut data = Vec::with_capacity(to.saturating_sub(from));
    let mut at = from;
    for field in layout(kind) {
        let length = match field {
            Field::Bytes(length) => *length,
            Field::Text => 1 + usize::from(*whole.get(at).ok_or(Malformed)?),
            Field::Name | Field::WholeName => {
                let (name, end) = Name::read(whole, at)?;
                data.extend_from_slice(name.wire());
                at = end;
                continue;
            }
        };
        let bytes = at.checked_add(length).and_then(|end| whole.get(at..end));
        data.extend_from_slice(bytes.ok_or(Malformed)?);
        at += length;
    }
    data.extend_from_slice(whole.get(at..).ok_or(Malformed)?);
    Ok(data)
}

impl Record {
    /// The address that it tells.
    pub fn address(&self) -> Option<IpAddr> {
        match self.kind {
            A => Some(Ipv4Addr::from(<[u8; 4]>::try_from(&*self.data).ok()?).into()),
            AAAA => Some(Ipv6Addr::from(<[u8; 16]>::try_from(&*self.data).ok()?).into()),
            _ => None,
        }
    }

    /// The name that an alias stands for.
    pub fn alias(&self) -> Option<Name> {
        let name = (self.kind == CNAME).then(|| Name::read(&self.data, 0));
        name?.ok().map(|(name, _)| name)
    }

    /// How long the absence of a name holds, by the record of the zone's start (RFC 2308
    /// section 5): the less of its own life and of its last field.
    pub(super) fn absence(&self) -> Option<u32> {
        let mut last = Cursor::new(self.data.last_chunk::<4>()?);
        (self.kind == SOA).then(|| last.u32().map(|minimum| minimum.min(self.ttl)))?
    }

    /// In a few words for the recording: the type, and what an address or alias tells.
    pub fn text(&self) -> String {
        let kind = type_name(self.kind).to_ascii_uppercase();
        match (self.address(), self.alias()) {
            (Some(address), _) => format!("{kind} {address}"),
            (_, Some(alias)) => format!("{kind} {}", alias.text()),
            _ => kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_names() {
        assert_eq!(type_name(AAAA), "aaaa");
        assert_eq!(type_name(65280), "type65280");
        for (number, name) in TYPES {
            assert_eq!(type_number(name), Some(number));
        }
        assert_eq!(type_number("type65280"), Some(65280));
        assert_eq!(type_number("aaa"), None);
    }
}
