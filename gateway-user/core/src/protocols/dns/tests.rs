//! Messages as clients and servers write them, and laws for any bytes.

use std::net::IpAddr;

use proptest::prelude::*;

use super::name::Name;
use super::query::{PAYLOAD, Query, Transport};
use super::record::{A, CNAME, Record};
use super::wire::{Edns, Message, Question, flag};

/// A query for `db.internal A` with what is added to its header and behind its question.
fn query(edns: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = vec![
        0x12,
        0x34,
        0x01,
        0x20,
        0,
        1,
        0,
        0,
        0,
        0,
        0,
        u8::from(edns.is_some()),
    ];
    bytes.extend_from_slice(b"\x02Db\x08internal\0\0\x01\0\x01");
    bytes.extend_from_slice(edns.unwrap_or_default());
    bytes
}

/// `OPT` with a payload of 4096 and a cookie.
const COOKIE: &[u8] = b"\0\0\x29\x10\0\0\0\x80\0\0\x0c\0\x0a\0\x08cookies!";

fn record(owner: &str, kind: u16, data: Vec<u8>) -> Record {
    Record {
        owner: Name::host(owner).unwrap(),
        kind,
        class: 1,
        ttl: 300,
        data,
    }
}

/// What a server says to a query.
fn answer_of(query: &[u8], answers: Vec<Record>) -> Message {
    let mut message = Message::read(query).unwrap();
    message.flags |= flag::RESPONSE | flag::RECURSES;
    message.answers = answers;
    message
}

#[test]
fn query_goes_on_in_the_gateways_words() {
    let asked = Query::read(&query(Some(COOKIE))).unwrap();
    assert_eq!(asked.text(), "db.internal A");
    let passed = asked.to_server(7);
    assert!(!passed.windows(7).any(|bytes| bytes == b"cookies"));
    assert!(
        !passed.windows(2).any(|bytes| bytes == b"Db"),
        "case is data too"
    );
    let message = Message::read(&passed).unwrap();
    assert_eq!(message.id, 7);
    assert_eq!(message.flags, flag::RECURSE | flag::VERIFIED);
    let edns = message.edns.unwrap();
    assert_eq!((edns.payload, edns.signed), (PAYLOAD, true));
}

#[test]
fn answer_comes_back_as_it_was_asked_for() {
    let asked = Query::read(&query(None)).unwrap();
    let alias = Name::host("db1.internal").unwrap();
    let records = vec![
        record("db.internal", CNAME, alias.wire().to_vec()),
        record("db1.internal", A, vec![10, 0, 0, 5]),
    ];
    let sent = answer_of(&asked.to_server(9), records).write(4096);
    assert!(asked.from_server(8, &sent).is_none(), "another id");
    let found = asked.from_server(9, &sent).unwrap();
    let answer = asked.answer(&found);
    let bytes = answer.write(asked.limit(Transport::Udp));
    assert_eq!(bytes[..2], [0x12, 0x34]);
    assert!(
        bytes.windows(2).any(|bytes| bytes == b"Db"),
        "case is the client's"
    );
    let read = Message::read(&bytes).unwrap();
    assert_eq!(read.edns, None, "none was asked for");
    assert_eq!(read.answers[0].alias(), Some(alias));
    assert_eq!(read.answers[1].address(), Some(IpAddr::from([10, 0, 0, 5])));
    assert_eq!(read.answers[1].text(), "A 10.0.0.5");
    assert_eq!(read.life(), Some(300));
}

#[test]
fn answer_to_another_question_is_none() {
    let asked = Query::read(&query(None)).unwrap();
    let mut other = answer_of(&asked.to_server(9), Vec::new());
    other.questions[0].name = Name::host("evil.internal").unwrap();
    assert!(asked.from_server(9, &other.write(4096)).is_none());
    other.questions.clear();
    assert!(asked.from_server(9, &other.write(4096)).is_none());
    other.code = 1;
    assert!(asked.from_server(9, &other.write(4096)).is_some());
    assert!(
        asked.from_server(9, &asked.to_server(9)).is_none(),
        "no answer"
    );
}

#[test]
fn long_answers_are_cut_for_datagrams() {
    let asked = Query::read(&query(None)).unwrap();
    let records = (0..100).map(|n| record("db.internal", A, vec![10, 0, 0, n]));
    let found = answer_of(&asked.to_server(9), records.collect());
    let answer = asked.answer(&found);
    let cut = Message::read(&answer.write(asked.limit(Transport::Udp))).unwrap();
    assert!(cut.flags & flag::TRUNCATED != 0 && cut.answers.is_empty());
    assert_eq!(cut.questions.len(), 1);
    let whole = Message::read(&answer.write(asked.limit(Transport::Tcp))).unwrap();
    assert_eq!(whole.answers.len(), 100);
}

#[test]
fn what_is_no_query_is_told_so() {
    let check = |bytes: &[u8], code: Option<u16>| {
        let rejected = Query::read(bytes).unwrap_err();
        let answer = rejected
            .answer
            .map(|answer| Message::read(&answer).unwrap());
        let told = answer.as_ref().map(|answer| answer.code);
        assert_eq!(told, code, "{}", rejected.why);
    };
    let good = query(None);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    check(&with(2, 0x80), None);
    check(&with(2, 0x20), Some(4));
    check(&with(5, 2), Some(1));
    check(&with(5, 0), Some(1));
    check(&[good.as_slice(), b"x"].concat(), Some(1));
    check(&good[..20], Some(1));
    check(&good[..11], None);
    check(&with(good.len() - 1, 3), Some(5));
    check(&query(Some(b"\0\0\x29\x10\0\0\x01\0\0\0\0")), Some(16));
    check(b"", None);
}

#[test]
fn refusals_tell_why_to_who_can_read_it() {
    let told = |edns| {
        let asked = Query::read(&query(edns)).unwrap();
        asked.refused("no rule allows it").write(512)
    };
    let text = b"gateway: no rule allows it".as_slice();
    assert!(told(Some(COOKIE)).windows(text.len()).any(|it| it == text));
    assert_eq!(Message::read(&told(None)).unwrap().code, 5);
}

fn any_name() -> impl Strategy<Value = Name> {
    let label = proptest::collection::vec(any::<u8>(), 1..20);
    proptest::collection::vec(label, 0..6).prop_map(|labels| {
        let mut wire = Vec::new();
        for label in labels {
            wire.push(u8::try_from(label.len()).unwrap());
            wire.extend(label);
        }
        wire.push(0);
        Name::read(&wire, 0).unwrap().0
    })
}

fn any_record() -> impl Strategy<Value = Record> {
    let data = (
        any_name(),
        any_name(),
        proptest::collection::vec(any::<u8>(), 0..40),
    );
    let kinds = prop_oneof![
        Just(1),
        Just(2),
        Just(5),
        Just(6),
        Just(15),
        Just(16),
        Just(33),
        Just(35),
        Just(39),
        Just(999)
    ];
    (any_name(), kinds, any::<u16>(), 0..u32::MAX >> 1, data).prop_map(
        |(owner, kind, class, ttl, (one, two, rest))| {
            let data = match kind {
                2 | 5 | 39 => one.wire().to_vec(),
                6 => [one.wire(), two.wire(), &[7; 20]].concat(),
                15 => [&[0, 9], one.wire()].concat(),
                33 => [&[0, 9, 0, 8, 0, 7], one.wire()].concat(),
                35 => [&[0, 9, 0, 8, 1, b'u', 0, 2, b'x', b'y'], one.wire()].concat(),
                _ => rest,
            };
            Record {
                owner,
                kind,
                class,
                ttl,
                data,
            }
        },
    )
}

fn any_message() -> impl Strategy<Value = Message> {
    let question = (any_name(), any::<u16>(), any::<u16>())
        .prop_map(|(name, kind, class)| Question { name, kind, class });
    let records = || proptest::collection::vec(any_record(), 0..6);
    let edns = proptest::option::of((any::<u16>(), any::<u8>(), any::<bool>()));
    let head = (any::<u16>(), any::<u16>(), 0_u8..16, 0_u16..16);
    let questions = proptest::collection::vec(question, 0..3);
    (head, questions, records(), records(), records(), edns).prop_map(
        |((id, flags, opcode, code), questions, answers, authorities, additionals, edns)| Message {
            id,
            flags: flags & flag::ALL,
            opcode,
            code,
            questions,
            answers,
            authorities,
            additionals,
            edns: edns.map(|(payload, version, signed)| Edns {
                payload,
                version,
                signed,
                why: None,
            }),
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(message in any_message()) {
        let bytes = message.write(usize::MAX);
        prop_assert_eq!(Message::read(&bytes).unwrap(), message);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        laws(&bytes);
    }

    #[test]
    fn damaged_messages_are_read_or_refused(message in any_message(), at in any::<usize>(), byte in any::<u8>()) {
        let mut bytes = message.write(usize::MAX);
        let at = at % bytes.len();
        bytes[at] = byte;
        laws(&bytes);
    }
}

/// What is read once reads the same again after it was written, and queries are answered within
/// their limit.
fn laws(bytes: &[u8]) {
    if let Ok(message) = Message::read(bytes) {
        let again = message.write(usize::MAX);
        assert_eq!(Message::read(&again).unwrap(), message);
    }
    if let Ok(query) = Query::read(bytes) {
        let server = Message::read(&query.to_server(1)).unwrap();
        assert_eq!(server.questions, std::slice::from_ref(&query.question));
        let refused = query.refused("no").write(query.limit(Transport::Udp));
        assert!(refused.len() <= 512);
        Message::read(&refused).unwrap();
    }
}
