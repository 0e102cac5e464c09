//! Values as PostgreSQL 15 writes them, masked in each way; and what holds for all values.

mod laws;
mod parts;

use bytes::BytesMut;

use super::*;
use crate::ids::MaskName;
use crate::mask::json::Path;
use crate::mask::{Bucket, Partial, Selector};
use crate::sql::postgres::lineage::catalog::{Column, Relation, RelationKind, Type, TypeKind};

const ADDRESS: u32 = 20_000;
const ADDRESSES: u32 = 20_001;
const DOMAIN: u32 = 20_002;
const MOOD: u32 = 20_003;
const CITEXT: u32 = 20_004;
const MOODS: u32 = 20_005;
const LOOP: u32 = 20_006;

fn key() -> MaskKey {
    MaskKey::new([7; 32])
}

fn catalog() -> Catalog {
    let ty = |oid, name: &str, kind| Type {
        oid,
        schema: "s".into(),
        name: name.into(),
        kind,
        default: None,
    };
    let column = |number, name: &str, ty| Column {
        number,
        name: name.into(),
        ty,
        ..Column::default()
    };
    let address = Relation {
        oid: 30_000,
        schema: "s".into(),
        name: "address".into(),
        kind: RelationKind::Other,
        columns: [
            column(1, "street", 25),
            column(2, "zip", 23),
            column(4, "mood", MOOD),
        ]
        .into(),
        definition: None,
        parents: [].into(),
        has_rules: false,
        triggers: [].into(),
        emptied: [].into(),
        references: [].into(),
        keys: [].into(),
        parted: [].into(),
    };
    let types = vec![
        ty(1007, "_int4", TypeKind::Array(23)),
        ty(1009, "_text", TypeKind::Array(25)),
        ty(1020, "_box", TypeKind::Array(603)),
        ty(603, "box", TypeKind::Base),
        ty(ADDRESS, "address", TypeKind::Composite(30_000)),
        ty(ADDRESSES, "_address", TypeKind::Array(ADDRESS)),
        ty(DOMAIN, "zip", TypeKind::Domain(23, true)),
        ty(MOOD, "mood", TypeKind::Enum),
        ty(CITEXT, "citext", TypeKind::Base),
        ty(MOODS, "_mood", TypeKind::Array(MOOD)),
        ty(LOOP, "loop", TypeKind::Domain(LOOP, false)),
    ];
    Catalog::new(vec![address], types, Vec::new(), Vec::new())
}

fn a_mask(kind: Kind) -> Mask {
    Mask {
        name: MaskName::new("m"),
        selector: Selector::default(),
        kind,
        json: Vec::new(),
        otherwise: Otherwise::Null,
        within: None,
    }
}

fn run(value: &[u8], ty: u32, format: Format, how: How<'_>) -> Result<Vec<u8>, Done> {
    let mut out = BytesMut::from(&b"before"[..]);
    let done = mask(value, ty, format, how, &catalog(), &key(), &mut out);
    let made = out.strip_prefix(b"before").unwrap().to_vec();
    match done {
        Done::Written => Ok(made),
        not => {
            assert!(made.is_empty(), "something is written of what is not");
            Err(not)
        }
    }
}

fn by(kind: Kind, value: &[u8], ty: u32, format: Format) -> Result<Vec<u8>, Done> {
    run(value, ty, format, How::Mask(&a_mask(kind)))
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Number of the type, then the same value in text format and, as hexadecimal digits, in binary.
const WRITTEN: &[(u32, &str, &str)] = &[
    (16, "t", "01"),
    (21, "-7", "fff9"),
    (23, "2147483647", "7fffffff"),
    (20, "-9223372036854775808", "8000000000000000"),
    (26, "4294967295", "ffffffff"),
    (700, "1.5", "3fc00000"),
    (700, "1e+06", "49742400"),
    (700, "1.6777215e+07", "4b7fffff"),
    (701, "1e+15", "430c6bf526340000"),
    (701, "1e-05", "3ee4f8b588e368f1"),
    (701, "0.0001", "3f1a36e2eb1c432d"),
    (701, "NaN", "7ff8000000000000"),
    (1700, "-1234.50", "000200004000000204d21388"),
    (1700, "10000", "00010001000000000001"),
    (1700, "0.00001", "0001fffe0000000503e8"),
    (1700, "123456789.000100", "0004000200000006000109291a850001"),
    (1700, "NaN", "00000000c0000000"),
    (1700, "Infinity", "00000000d0000020"),
    (1700, "-Infinity", "00000000f0000020"),
    (790, "$1,234.56", "000000000001e240"),
    (25, "abc", "616263"),
    (1043, "abc", "616263"),
    (1042, "abc  ", "6162632020"),
    (19, "abc", "616263"),
    (18, "a", "61"),
    (142, "<a/>", "3c612f3e"),
    (17, "\\x00ff", "00ff"),
    (114, "{\"a\": 1}", "7b2261223a20317d"),
    (3802, "{\"a\": 1}", "017b2261223a20317d"),
    (
        2950,
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "a0eebc999c0b4ef8bb6d6bb9bd380a11",
    ),
    (1082, "2024-02-29", "00002279"),
    (1082, "4714-11-24 BC", "ffda97a7"),
    (1082, "5874897-12-31", "7fda970c"),
    (1082, "infinity", "7fffffff"),
    (1082, "-infinity", "80000000"),
    (1083, "12:34:56.5", "0000000a8be1bd20"),
    (1266, "01:00:00+00", "00000000d693a40000000000"),
    (1114, "2024-02-29 10:00:00.25", "0002b58117549890"),
    (1114, "infinity", "7fffffffffffffff"),
    (1114, "-infinity", "8000000000000000"),
    (1184, "2024-02-29 08:00:00.25+00", "0002b57f6a2d5090"),
    (1184, "0044-03-15 10:00:00+00 BC", "ff1af9e74e1f8800"),
    (1186, "1 day", "00000000000000000000000100000000"),
    (869, "::1/64", "0340001000000000000000000000000000000001"),
    (829, "08:00:2b:01:02:03", "08002b010203"),
    (1560, "101", "00000003a0"),
    (1562, "10110", "00000005b0"),
];

/// What is left of each type where nothing is.
const FULL: &[(u32, &str, &str)] = &[
    (16, "f", "00"),
    (21, "0", "0000"),
    (23, "0", "00000000"),
    (20, "0", "0000000000000000"),
    (26, "0", "00000000"),
    (700, "0", "00000000"),
    (701, "0", "0000000000000000"),
    (1700, "0", "0000000000000000"),
    (790, "$0.00", "0000000000000000"),
    (25, "****", "2a2a2a2a"),
    (1043, "****", "2a2a2a2a"),
    (1042, "****", "2a2a2a2a"),
    (19, "****", "2a2a2a2a"),
    (18, "*", "2a"),
    (142, "****", "2a2a2a2a"),
    (17, "\\x", ""),
    (114, "\"****\"", "222a2a2a2a22"),
    (3802, "\"****\"", "01222a2a2a2a22"),
    (
        2950,
        "00000000-0000-0000-0000-000000000000",
        "00000000000000000000000000000000",
    ),
    (1082, "2000-01-01", "00000000"),
    (1083, "00:00:00", "0000000000000000"),
    (1266, "00:00:00+00", "000000000000000000000000"),
    (1114, "2000-01-01 00:00:00", "0000000000000000"),
    (1184, "2000-01-01 00:00:00+00", "0000000000000000"),
    (1186, "00:00:00", "00000000000000000000000000000000"),
    (869, "0.0.0.0", "0220000400000000"),
    (650, "0.0.0.0/32", "0220010400000000"),
    (829, "00:00:00:00:00:00", "000000000000"),
    (774, "00:00:00:00:00:00:00:00", "0000000000000000"),
    (1562, "", "00000000"),
];

#[test]
fn nothing_is_left() {
    for (ty, text, binary) in FULL {
        let made = run(b"whatever", *ty, Format::Text, How::Full).unwrap();
        assert_eq!(String::from_utf8(made).unwrap(), *text, "{ty}");
        let made = run(b"whatever", *ty, Format::Binary, How::Full).unwrap();
        assert_eq!(made, unhex(binary), "{ty}");
    }
    let full = |value: &[u8], format| run(value, 1560, format, How::Full);
    assert_eq!(full(b"101", Format::Text).unwrap(), b"000");
    assert_eq!(
        full(&unhex("00000003a0"), Format::Binary).unwrap(),
        unhex("0000000300")
    );
    assert_eq!(full(b"1x", Format::Text), Err(Done::Null));
    assert_eq!(full(&unhex("00000009a0"), Format::Binary), Err(Done::Null));
    // Ranges, geometry, searching, enumerations, what nobody knows.
    for ty in [3904, 600, 603, 3614, MOOD, MOODS, 1020, LOOP, 0, 99_999] {
        assert_eq!(run(b"x", ty, Format::Text, How::Full), Err(Done::Null));
    }
}

#[test]
fn hashes_are_the_same_in_both_formats() {
    for (ty, text, binary) in WRITTEN {
        for kind in [
            Kind::Hash,
            Kind::Pseudonym,
            Kind::Bucket(Bucket::Month),
            Kind::Bucket(Bucket::Width(100)),
        ] {
            let as_text = by(kind.clone(), text.as_bytes(), *ty, Format::Text);
            let as_binary = by(kind.clone(), &unhex(binary), *ty, Format::Binary);
            let context = format!("{ty} {text} {kind:?}: {as_text:x?} {as_binary:x?}");
            match (as_text, as_binary) {
                (Ok(as_text), Ok(as_binary)) => {
                    assert_eq!(shown(*ty, &as_text, &as_binary), as_text, "{context}");
                }
                (Err(Done::Null), Err(Done::Null)) => {}
                _ => panic!("{context}"),
            }
        }
    }
}

/// What is binary in text format.
fn shown(ty: u32, text: &[u8], binary: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let catalog = Catalog::default();
    let Some(Class::Scalar(scalar)) = class::of(ty, &catalog) else {
        panic!("{ty} is no scalar");
    };
    use class::Scalar;
    match scalar {
        Scalar::Int2 | Scalar::Int4 | Scalar::Int8 | Scalar::Oid => {
            let value = number::read_integer(binary, scalar, Format::Binary).unwrap();
            number::write_integer(value, scalar, Format::Text, &mut out).unwrap();
        }
        Scalar::Numeric => {
            let value = number::read_numeric(binary, Format::Binary).unwrap();
            number::write_numeric(&value, Format::Text, &mut out).unwrap();
        }
        Scalar::Float4 | Scalar::Float8 => {
            let value = number::read_float(binary, scalar, Format::Binary).unwrap();
            number::write_float(value, scalar, Format::Text, &mut out).unwrap();
        }
        Scalar::Date => {
            let date = date::read_date(binary, Format::Binary).unwrap();
            number::write_text(&date::date_text(date), &mut out);
        }
        Scalar::Timestamp | Scalar::Timestamptz => {
            let zone = if scalar == Scalar::Timestamp {
                date::Zone::None
            } else {
                date::Zone::Some
            };
            let date = date::read_time(binary, zone, Format::Binary).unwrap();
            number::write_text(&date::time_text(date, zone), &mut out);
        }
        Scalar::Uuid => {
            let hex = crate::mask::keyed::hex(binary);
            let plain = String::from_utf8_lossy(text).replace('-', "");
            assert_eq!(hex, plain);
            return text.to_vec();
        }
        Scalar::Bytea => {
            let hex = crate::mask::keyed::hex(binary);
            number::write_text(&format!("\\x{hex}"), &mut out);
        }
        Scalar::Jsonb => out.extend_from_slice(binary.strip_prefix(b"\x01").unwrap()),
        _ => out.extend_from_slice(binary),
    }
    out.to_vec()
}

#[test]
fn values_go_there_and_back() {
    for (ty, text, binary) in WRITTEN {
        if matches!(ty, 21 | 23 | 20 | 26 | 700 | 701 | 1700 | 1082) {
            assert_eq!(
                shown(*ty, text.as_bytes(), &unhex(binary)),
                text.as_bytes(),
                "{ty}"
            );
        }
        if *ty == 1700 {
            let value = number::read_numeric(text.as_bytes(), Format::Text).unwrap();
            let mut out = BytesMut::new();
            number::write_numeric(&value, Format::Binary, &mut out).unwrap();
            // What is behind the point of no number does not count.
            let same = |bytes: &[u8]| bytes[..6].to_vec();
            assert_eq!(same(&out), same(&unhex(binary)), "{text}");
            if matches!(value, number::Numeric::Finite(_)) {
                assert_eq!(out, unhex(binary), "{text}");
            }
        }
    }
}

#[test]
fn kinds() {
    let check = |kind: Kind, ty, value: &str, expected: Option<&str>| {
        let made = by(kind, value.as_bytes(), ty, Format::Text);
        let made = made.map(|made| String::from_utf8(made).unwrap());
        let expected = expected.map(str::to_owned).ok_or(Done::Null);
        assert_eq!(made, expected, "{ty} {value}");
    };
    let ends = |first, last| Kind::Partial(Partial::Ends { first, last });
    let day = Kind::Bucket(Bucket::Day);
    let month = Kind::Bucket(Bucket::Month);
    let year = Kind::Bucket(Bucket::Year);
    let width = |width| Kind::Bucket(Bucket::Width(width));
    check(Kind::Null, 25, "abc", None);
    check(ends(1, 1), 25, "abcdef", Some("a****f"));
    check(ends(0, 2), 1042, "abcdef    ", Some("****ef"));
    check(ends(1, 1), 23, "12", None);
    check(ends(1, 1), 142, "<a/>", None);
    check(
        Kind::Partial(Partial::Email),
        CITEXT,
        "Ann@x.org",
        Some("A****@*****.org"),
    );
    check(
        day.clone(),
        1114,
        "2024-02-29 23:59:59.999999",
        Some("2024-02-29 00:00:00"),
    );
    check(
        day.clone(),
        1184,
        "2024-03-01 01:00:00+02",
        Some("2024-02-29 00:00:00+00"),
    );
    check(
        day.clone(),
        1184,
        "2024-02-28 23:00:00-05:30",
        Some("2024-02-29 00:00:00+00"),
    );
    check(
        day.clone(),
        1184,
        "1880-01-01 00:00:00+00:53:28",
        Some("1879-12-31 00:00:00+00"),
    );
    check(month.clone(), 1082, "2024-02-29", Some("2024-02-01"));
    check(month.clone(), 1082, "0001-02-29 BC", Some("0001-02-01 BC"));
    check(year.clone(), 1082, "4714-12-24 BC", Some("4714-11-24 BC"));
    check(year.clone(), 1082, "infinity", Some("infinity"));
    for other in [
        "02/29/2024",
        "29.02.2024",
        "29-02-2024",
        "2024-02-30",
        "0000-01-01",
    ] {
        check(year.clone(), 1082, other, None);
    }
    for other in [
        "Thu Feb 29 10:00:00 2024",
        "2024-02-29",
        "2024-02-29 10:00",
        "2024-02-29 10:00:00+00",
    ] {
        check(year.clone(), 1114, other, None);
    }
    check(year.clone(), 1184, "2024-02-29 10:00:00", None);
    check(width(100), 23, "-1", Some("-100"));
    check(width(1000), 21, "-32768", Some("-32768"));
    check(width(50), 1700, "1234.56", Some("1200"));
    check(width(10), 701, "12.5", Some("10"));
    check(width(10), 26, "19", Some("10"));
    check(width(10), 25, "19", None);
    check(width(10), 1082, "2024-02-29", None);
    check(year, 23, "12", None);
    check(Kind::Hash, 23, "12x", None);
    check(Kind::Hash, 23, "99999999999", None);
    check(Kind::Hash, 16, "t", None);
    check(Kind::Hash, 2950, "a0eebc99", None);
    check(Kind::Hash, 17, "\\x0", None);
    check(Kind::Pseudonym, 18, "é", None);
    check(Kind::Pseudonym, 142, "<a/>", None);
    check(Kind::Pseudonym, 114, "{}", None);
}

#[test]
fn what_is_equal_to_the_server_has_the_same_hash() {
    let same = |ty, one: &str, other: &str| {
        let hash = |value: &str| by(Kind::Hash, value.as_bytes(), ty, Format::Text).unwrap();
        assert_eq!(hash(one), hash(other), "{ty} {one} {other}");
        assert_ne!(hash(one), one.as_bytes());
    };
    same(1042, "abc", "abc   ");
    same(CITEXT, "Ann", "aNN");
    same(1700, "1.5", "1.500");
    same(701, "0", "-0");
    same(17, "\\x5c00ff", "\\\\\\000\\377");
    same(
        2950,
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "A0EEBC999C0B4EF8BB6D6BB9BD380A11",
    );
    let zip = |ty| by(Kind::Hash, b"12345", ty, Format::Text).unwrap();
    assert_eq!(zip(DOMAIN), zip(23));
}

#[test]
fn json_at_paths() {
    let mut mask = a_mask(Kind::Full);
    mask.json = vec![Path::parse("$.a").unwrap()];
    let at = |mask: &Mask, value: &[u8], ty, format| run(value, ty, format, How::Mask(mask));
    let json = br#"{"a": "x", "b": 1}"#;
    let expected = br#"{"a": "****", "b": 1}"#;
    assert_eq!(at(&mask, json, 114, Format::Text).unwrap(), expected);
    assert_eq!(at(&mask, json, 3802, Format::Text).unwrap(), expected);
    let versioned = [b"\x01", &json[..]].concat();
    let made = at(&mask, &versioned, 3802, Format::Binary).unwrap();
    assert_eq!(made, [b"\x01", &expected[..]].concat());
    assert_eq!(at(&mask, json, 3802, Format::Binary), Err(Done::Null));
    assert_eq!(at(&mask, b"{", 114, Format::Text), Err(Done::Null));
    assert_eq!(
        at(&mask, b"{\"a\":\"\xff\"}", 114, Format::Text),
        Err(Done::Null)
    );
    // Of what is no JSON the whole is meant.
    assert_eq!(at(&mask, b"abc", 25, Format::Text).unwrap(), b"****");
    mask.kind = Kind::Null;
    let made = at(&mask, json, 114, Format::Text).unwrap();
    assert_eq!(made, br#"{"a": null, "b": 1}"#);
    assert_eq!(at(&mask, b"abc", 25, Format::Text), Err(Done::Null));
    mask.kind = Kind::Bucket(Bucket::Year);
    mask.otherwise = Otherwise::Refuse;
    assert_eq!(at(&mask, json, 114, Format::Text), Err(Done::Refused));
    assert_eq!(at(&mask, b"abc", 25, Format::Text), Err(Done::Refused));
}
