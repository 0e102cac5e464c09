//! That letting a statement, a row or a value pass allocates nothing: of a program of its own, because the allocator is
//! one for the whole program.

#[path = "../benches/policy/counting.rs"]
mod counting;
#[path = "../benches/policy/rules.rs"]
mod rules;

use std::sync::Arc;

use gateway_core::conformance;
use gateway_core::ids::MaskName;
use gateway_core::mask::Otherwise;
use gateway_core::mask::detect::pattern::Pattern;
use gateway_core::mask::detect::{Look, What};
use gateway_core::mask::screen::{Around, Found, Memory, Part, Screen, Screening};
use gateway_core::policy::decision::Verdict;
use gateway_core::protocols::postgres::{PROTOCOL, Postgres};
use gateway_core::protocols::{ClientTls, CodecOptions, Side};
use gateway_core::session::Session;
use jiff::Timestamp;

use self::counting::{Counting, allocations};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn what_is_allowed_allocates_nothing() {
    for (count, conditions) in [
        (20, &[][..]),
        (1000, &[][..]),
        (200, &rules::CONDITIONS[..]),
    ] {
        let engine = rules::policy(count, conditions);
        for sql in rules::allowed(count) {
            let asked = rules::asked(&sql);
            let decide = || {
                engine.decide(
                    &asked.subject,
                    &asked.flow,
                    &asked.facts,
                    Timestamp::UNIX_EPOCH,
                )
            };
            // Regular expressions make their room when they are first used on a thread.
            assert!(matches!(decide().verdict, Verdict::Allow(_)), "{sql}");
            let before = allocations();
            let decision = decide();
            assert_eq!(allocations(), before, "{count} rules: {sql}");
            drop(decision);
        }
        let refused = rules::asked(rules::REFUSED);
        let decision = engine.decide(
            &refused.subject,
            &refused.flow,
            &refused.facts,
            Timestamp::UNIX_EPOCH,
        );
        assert!(matches!(decision.verdict, Verdict::Deny(_)));
        // That the count counts.
        let before = allocations();
        let _room = std::hint::black_box(Vec::<u8>::with_capacity(1));
        assert!(allocations() > before);
    }
}

fn message(tag: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&[tag], length.to_be_bytes().as_slice(), &body].concat()
}

/// What a server says, up to being ready for statements.
fn welcome() -> Vec<u8> {
    let column = b"\0\x01current_schemas\0\0\0\0\0\0\0\0\0\x03\xeb\xff\xff\xff\xff\xff\xff\0\0";
    [
        message(b'R', &[&[0; 4]]),
        message(b'S', &[b"standard_conforming_strings\0on\0"]),
        message(b'S', &[b"client_encoding\0UTF8\0"]),
        message(b'K', &[&[0, 0, 0, 42], b"real"]),
        message(b'Z', &[b"I"]),
        message(b'T', &[column]),
        message(b'D', &[&[0, 1, 0, 0, 0, 8], b"{public}"]),
        message(b'C', &[b"SELECT 1\0"]),
        message(b'Z', &[b"I"]),
    ]
    .concat()
}

#[test]
fn rows_that_are_not_masked_allocate_nothing() {
    let rules = "[[rule]]\nname = \"all\"\naction = \"allow\"\n";
    let mut session = Session::new(
        &Postgres::default(),
        &CodecOptions {
            client_tls: ClientTls::Accept,
            login: None,
            entropy: [7; 32],
            salt: [0; 16],
        },
        conformance::engine(&PROTOCOL, rules),
        Arc::new(conformance::subject()),
        Arc::new(conformance::flow()),
        "test",
    );
    let mut feed = |side, bytes: &[u8]| {
        session.handle_bytes(side, bytes, Timestamp::UNIX_EPOCH);
        while session.outbox().action().is_some() {}
        session.outbox().events().clear();
        session.outbox().to_server().clear();
        let passed = session.outbox().to_client().len();
        session.outbox().to_client().clear();
        passed
    };
    let startup = b"\0\0\0\x12\0\x03\0\0user\0app\0\0";
    feed(Side::Client, startup);
    feed(Side::Server, &welcome());
    feed(Side::Client, &message(b'Q', &[b"SELECT * FROM people\0"]));
    feed(
        Side::Server,
        &message(
            b'T',
            &[b"\0\x01name\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"],
        ),
    );
    let rows = message(b'D', &[&[0, 1, 0, 0, 0, 9], b"some name"]).repeat(500);
    for format in 0..3 {
        // The first makes the room.
        feed(Side::Server, &rows);
        let before = allocations();
        let passed = feed(Side::Server, &rows);
        assert_eq!(
            (allocations() - before, passed),
            (0, rows.len()),
            "{format}"
        );
    }
}

/// What most values are: nothing is found in them, and nothing is allocated to find that out.
#[test]
fn what_holds_no_secret_allocates_nothing() {
    let looks = What::ALL.map(|what| (Box::from(what.name()), Look::For(what)));
    let pattern = Pattern::new(r"\bB-[0-9]{6}\b", &["badge"]).unwrap();
    let mut looks = Vec::from(looks);
    looks.push(("badge".into(), Look::Pattern(pattern)));
    let part = Part {
        mask: MaskName::new("net"),
        looks,
        kind: None,
        otherwise: Otherwise::Null,
    };
    let screen = Screen::new(vec![Arc::new(part)]);
    let mut memory = Memory::default();
    let mut screening = Screening {
        screen: &screen,
        key: None,
        memory: &mut memory,
    };
    for text in [
        "",
        "a word",
        "2024-02-29 12:34:56.789012+00 and 2024-02-29T12:34:56Z",
        "018f4a5e-7b1c-7000-8000-0123456789ab, 41111111-1111-4111-8111-111111111111",
        "AT noon it is 4111111111111112, DE12 no account, +1 and +2, 1-2-3-4-5-6-7-8-9",
        "root@localhost, @mention, 1.2.3.4.5, std::string::npos, 00:1b:63:84:45:e6",
        "-----BEGIN CERTIFICATE----- MIIB -----END CERTIFICATE-----",
    ] {
        let mut look = || screening.text(text, "text", Around::Nothing);
        // Regular expressions make their room when they are first used on a thread.
        assert_eq!(look(), Found::Nothing, "{text}");
        let before = allocations();
        assert_eq!(look(), Found::Nothing, "{text}");
        assert_eq!(allocations(), before, "{text}");
    }
}
