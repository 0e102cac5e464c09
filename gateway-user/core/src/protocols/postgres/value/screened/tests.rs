//! Values in which something is found, and the many in which nothing is.

use super::*;
use crate::ids::MaskName;
use crate::mask::detect::pattern::Pattern;
use crate::mask::detect::{Look, What};
use crate::mask::screen::{Memory, Part, Screen};
use std::sync::Arc;

fn screen_of(looks: Vec<(&str, Look)>, kind: Option<Kind>, otherwise: Otherwise) -> Screen {
    let looks = looks.into_iter().map(|(name, look)| (name.into(), look));
    Screen::new(vec![Arc::new(Part {
        mask: MaskName::new("m"),
        looks: looks.collect(),
        kind,
        otherwise,
    })])
}

fn all(kind: Option<Kind>, otherwise: Otherwise) -> Screen {
    let looks = What::ALL.map(|what| (what.name(), Look::For(what)));
    screen_of(looks.into(), kind, otherwise)
}

fn run(what: &Screen, value: &[u8], ty: u32, format: Format) -> (Screened, Vec<u8>) {
    let mut memory = Memory::default();
    let key = MaskKey::new([7; 32]);
    let mut screening = Screening {
        screen: what,
        key: Some(&key),
        memory: &mut memory,
    };
    let mut out = BytesMut::from(&b"before"[..]);
    let screened = screen(value, ty, format, &mut screening, &mut out);
    let made = out.strip_prefix(b"before").unwrap().to_vec();
    assert!(screened == Screened::Written || made.is_empty());
    (screened, made)
}

#[track_caller]
fn becomes(ty: u32, value: &str, expected: &str) {
    let (screened, made) = run(
        &all(None, Otherwise::Null),
        value.as_bytes(),
        ty,
        Format::Text,
    );
    let made = String::from_utf8(made).unwrap();
    assert_eq!((screened, &*made), (Screened::Written, expected), "{value}");
}

#[track_caller]
fn stays(ty: u32, value: &str) {
    let (screened, _) = run(
        &all(None, Otherwise::Null),
        value.as_bytes(),
        ty,
        Format::Text,
    );
    assert_eq!(screened, Screened::Same, "{value}");
}

const UNKNOWN: u32 = 99_999;

#[test]
fn values_in_text_format() {
    becomes(25, "call john@example.com", "call j****@*****.com");
    becomes(1042, "john@example.com   ", "j****@*****.com   ");
    becomes(25, "4111 1111 1111 1111", "***************1111");
    becomes(142, "<a>john@example.com</a>", "<a>j****@*****.com</a>");
    becomes(
        114,
        r#"{"a\n": ["x john@example.com", 1]}"#,
        r#"{"a\n": ["x j****@*****.com", 1]}"#,
    );
    becomes(
        114,
        r#"{"a":"john\u0040example.com"}"#,
        r#"{"a":"j****@*****.com"}"#,
    );
    becomes(
        3802,
        r#"{"john@example.com": 1}"#,
        r#"{"j****@*****.com": 1}"#,
    );
    becomes(3802, r#"{"n": 4111111111111111}"#, r#"{"n": null}"#);
    becomes(
        1009,
        r#"{a,"b john@example.com",NULL}"#,
        r#"{a,"b j****@*****.com",NULL}"#,
    );
    becomes(
        1009,
        "{{a,b},{john@example.com,c}}",
        "{{a,b},{j****@*****.com,c}}",
    );
    becomes(
        2249,
        r#"(1,"x ""john@example.com""",)"#,
        r#"(1,"x ""j****@*****.com""",)"#,
    );
    becomes(
        UNKNOWN,
        r#"(1,"{a,""john@example.com""}")"#,
        r#"(1,"{a,j****@*****.com}")"#,
    );
    becomes(
        UNKNOWN,
        r#"{"(1,john@example.com)"}"#,
        r#"{"(1,j****@*****.com)"}"#,
    );
    becomes(
        UNKNOWN,
        r#""k"=>"john@example.com""#,
        r#""k"=>"j****@*****.com""#,
    );
    becomes(
        UNKNOWN,
        r#"{"k": "a john@example.com"}"#,
        r#"{"k": "a j****@*****.com"}"#,
    );
    becomes(UNKNOWN, r#"(1,4111111111111111,x)"#, "(1,,x)");
    becomes(
        UNKNOWN,
        r#"(1,"\\x6a6f686e406578616d706c652e636f6d")"#,
        r#"(1,"\\x6a2a2a2a2a402a2a2a2a2a2e636f6d")"#,
    );
    becomes(0, "card 4111 1111 1111 1111", "card ***************1111");
    becomes(
        3614,
        "'john@example.com':1 'x':2",
        "'j****@*****.com':1 'x':2",
    );
    becomes(869, "192.0.2.7", "0.0.0.0");
    becomes(
        17,
        "\\x6a6f686e406578616d706c652e636f6d",
        "\\x6a2a2a2a2a402a2a2a2a2a2e636f6d",
    );
    becomes(17, "john@example.com", "\\x6a2a2a2a2a402a2a2a2a2a2e636f6d");
    becomes(1016, "{1,4111111111111111}", "{1,NULL}");
    becomes(19, "536-90-4399", "****");
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "order 2024-000123",
        "SO-4111111111111112",
        "018f4a5e-7b1c-7000-8000-0123456789ab",
        "41111111-1111-4111-8111-111111111111",
        "2024-02-29 12:34:56.789012+00",
        "2024-02-29T12:34:56Z",
        "20240229123456789",
        "PostgreSQL 15.8 (Debian 15.8-0+deb12u1) on x86_64-pc-linux-gnu",
        "1.2.3-rc.4+build.5678",
        "v1.24.0.1",
        "12:34:56",
        "00:1b:63:84:45:e6",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "3.14159265358979323846",
        "1234567890123",
        "ISBN 978-3-16-148410-0",
        "user@localhost",
        "@mention and a@b",
        "std::string::npos",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "1,234,567,890,123.45",
        "EUR 1.234.567,89",
        "{\"a\": 1}",
        "(1,2)",
    ] {
        stays(25, text);
        stays(0, text);
        stays(UNKNOWN, text);
        stays(114, &format!("[{}]", serde_json::to_string(text).unwrap()));
    }
    stays(20, "1709210096789");
    stays(1700, "4111111111111111.25");
    stays(2950, "41111111-1111-4111-8111-111111111111");
    stays(1184, "2024-02-29 12:34:56.789012+00");
    stays(17, "\\x00ff6a6f686e406578616d706c652e636f6d");
    stays(1009, "{}");
    stays(25, "");
}

#[test]
fn numbers_become_null_or_are_refused() {
    let number = 4_111_111_111_111_111_i64;
    let (text, binary) = (number.to_string(), number.to_be_bytes());
    let check = |kind: Option<Kind>, otherwise, expected: &(Screened, &str)| {
        let what = all(kind, otherwise);
        let (screened, made) = run(&what, text.as_bytes(), 20, Format::Text);
        assert_eq!((screened, &*String::from_utf8(made).unwrap()), *expected);
        assert_eq!(run(&what, &binary, 20, Format::Binary).0, expected.0);
        assert_eq!(
            run(&what, text.as_bytes(), 1700, Format::Text).0,
            expected.0
        );
    };
    check(None, Otherwise::Null, &(Screened::Null, ""));
    check(None, Otherwise::Refuse, &(Screened::Refused, ""));
    check(
        Some(Kind::Full),
        Otherwise::Refuse,
        &(Screened::Written, "0"),
    );
    check(Some(Kind::Null), Otherwise::Refuse, &(Screened::Null, ""));
    let numeric = crate::mask::number::Decimal::parse(&text).unwrap();
    let mut wire = BytesMut::new();
    number::write_numeric(&Numeric::Finite(numeric), Format::Binary, &mut wire).unwrap();
    let what = all(None, Otherwise::Null);
    assert_eq!(run(&what, &wire, 1700, Format::Binary).0, Screened::Null);
}

/// `COPY` does not tell types: a number that may be a card is none any more, whatever it was.
#[test]
fn numbers_of_unknown_types_in_binary_format() {
    let card = 4_111_111_111_111_111_i64;
    // Four groups of four digits, of which all come before the point.
    let numeric = |groups: [u16; 4]| {
        let mut bytes = vec![0, 4, 0, 3, 0, 0, 0, 0];
        groups.iter().for_each(|it| bytes.extend(it.to_be_bytes()));
        bytes
    };
    for (value, is_found) in [
        (card.to_be_bytes().to_vec(), true),
        ((card + 1).to_be_bytes().to_vec(), false),
        ((-card).to_be_bytes().to_vec(), false),
        (numeric([4111, 1111, 1111, 1111]), true),
        (numeric([4111, 1111, 1111, 1112]), false),
        (7_i64.to_be_bytes().to_vec(), false),
        (1_234.5_f64.to_be_bytes().to_vec(), false),
        (7_i32.to_be_bytes().to_vec(), false),
    ] {
        let ends = |otherwise| run(&all(None, otherwise), &value, 0, Format::Binary).0;
        let expected = match is_found {
            true => [Screened::Null, Screened::Refused],
            false => [Screened::Same, Screened::Same],
        };
        let seen = [ends(Otherwise::Null), ends(Otherwise::Refuse)];
        assert_eq!(seen, expected, "{value:?}");
    }
}

fn binary_array(element: u32, value: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    out.put_i32(1);
    out.put_u32(0);
    out.put_u32(element);
    out.put_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
    out.put_u32(u32::try_from(value.len()).unwrap());
    out.put_slice(value);
    out.to_vec()
}

#[test]
fn values_in_binary_format() {
    let what = all(None, Otherwise::Null);
    let (mail, mask) = (&b"john@example.com"[..], &b"j****@*****.com"[..]);
    let check = |ty, value: &[u8], expected: &[u8]| {
        let (screened, made) = run(&what, value, ty, Format::Binary);
        assert_eq!((screened, &*made), (Screened::Written, expected), "{ty}");
    };
    check(25, mail, mask);
    check(UNKNOWN, mail, mask);
    check(
        3802,
        &[b"\x01\"", mail, b"\""].concat(),
        &[b"\x01\"", mask, b"\""].concat(),
    );
    check(17, mail, mask);
    check(1009, &binary_array(25, mail), &binary_array(25, mask));
    check(UNKNOWN, &binary_array(25, mail), &binary_array(25, mask));
    let row = |value: &[u8]| {
        let mut out = BytesMut::new();
        out.put_i32(2);
        out.put_slice(&[0, 0, 0, 23, 0, 0, 0, 4, 0, 0, 0, 9]);
        out.put_slice(&[0, 0, 0, 25]);
        out.put_u32(u32::try_from(value.len()).unwrap());
        out.put_slice(value);
        out.to_vec()
    };
    check(2249, &row(mail), &row(mask));
    check(
        869,
        &[2, 32, 0, 4, 192, 0, 2, 7],
        &[2, 32, 0, 4, 0, 0, 0, 0],
    );
    // `hstore`, `ltree` and the like are written in ways of their own.
    let odd = [b"\x01", mail].concat();
    assert_eq!(run(&what, &odd, UNKNOWN, Format::Binary).0, Screened::Null);
    let refuses = all(None, Otherwise::Refuse);
    assert_eq!(
        run(&refuses, &odd, UNKNOWN, Format::Binary).0,
        Screened::Refused
    );
    let number = 4_111_111_111_111_111_i64.to_be_bytes();
    let numbers = binary_array(20, &number);
    let (screened, made) = run(&what, &numbers, 1016, Format::Binary);
    assert_eq!(screened, Screened::Written);
    assert!(made.ends_with(&u32::MAX.to_be_bytes()));
    assert_eq!(
        run(&refuses, &numbers, 1016, Format::Binary).0,
        Screened::Refused
    );
}

#[test]
fn other_encodings_come_back() {
    let what = all(None, Otherwise::Null);
    let (screened, made) = run(&what, b"J\xf6rg: john@example.com \xe4", 25, Format::Text);
    assert_eq!(screened, Screened::Written);
    assert_eq!(made, b"J\xf6rg: j****@*****.com \xe4");
    let (screened, _) = run(&what, b"J\xf6rg 12345678901234", 25, Format::Text);
    assert_eq!(screened, Screened::Same);
}

#[test]
fn patterns_look_at_numbers_too() {
    let pattern = Look::Pattern(Pattern::new(r"\b7[0-9]{3}\b", &[]).unwrap());
    let what = screen_of(
        vec![("badge", pattern)],
        Some(Kind::Pseudonym),
        Otherwise::Null,
    );
    let (screened, made) = run(&what, &7123_i32.to_be_bytes(), 23, Format::Binary);
    assert_eq!((screened, made.len()), (Screened::Written, 4));
    assert_eq!(run(&what, b"8123", 23, Format::Text).0, Screened::Same);
}

proptest::proptest! {
    #[test]
    fn nothing_panics(
        value in "[{}()\\[\\]\"\\\\,=a@.e0-9 -]{0,40}|\\PC{0,40}",
        binary in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60),
    ) {
        let what = all(None, Otherwise::Null);
        for ty in [0, 17, 20, 25, 114, 142, 869, 1007, 1009, 1016, 1700, 2249, 3802, UNKNOWN] {
            run(&what, value.as_bytes(), ty, Format::Text);
            run(&what, value.as_bytes(), ty, Format::Binary);
            run(&what, &binary, ty, Format::Binary);
            run(&what, &binary, ty, Format::Text);
        }
    }

    #[test]
    fn json_stays_json(value in "[{}\\[\\]\":, a0-9]{0,20}john@example\\.com[{}\\[\\]\":, a0-9\\\\]{0,20}") {
        let json = serde_json::to_string(&serde_json::json!({ "k": [value.clone()], value: 1 })).unwrap();
        let (screened, made) = run(&all(None, Otherwise::Null), json.as_bytes(), 114, Format::Text);
        if screened == Screened::Written {
            let made: serde_json::Value = serde_json::from_slice(&made).unwrap();
            assert!(!made.to_string().contains("john@example.com"));
        }
    }
}
