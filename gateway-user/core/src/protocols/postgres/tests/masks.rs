//! Sessions with masks: what is known of statements while names change what they mean.

use std::sync::Arc;

use super::talk::{NOW, Talk, client, engine, server};
use crate::protocols::postgres::path::QUESTION_AGAIN;
use crate::secret::Secret;
use crate::session::outbox::Action;
use crate::sql::postgres::lineage::Masked;
use crate::sql::postgres::lineage::catalog::{Catalog, Type, TypeKind};
use crate::sql::postgres::lineage::edition::Edition;

const RULES: &str = r#"
[[rule]]
name = "everything"
action = "allow"
[[mask]]
name = "emails"
column = ["public.customers.email"]
kind = "full"
masked_redefined = "allow"
"#;

/// The number of the type of arrays of texts.
const TEXTS: u16 = 1009;

/// Ready for statements, with a database in which there is nothing.
fn masked() -> Talk {
    let mut talk = Talk::ready(engine(RULES));
    find(&mut talk);
    talk
}

/// Answers each question for what is masked.
fn find(talk: &mut Talk) {
    for action in std::mem::take(&mut talk.actions) {
        if let Action::FindMasked { masks, .. } = action {
            let texts = Type {
                oid: TEXTS.into(),
                schema: "pg_catalog".into(),
                name: "_text".into(),
                kind: TypeKind::Array(25),
                default: None,
            };
            let catalog = Catalog::new(Vec::new(), vec![texts], Vec::new(), Vec::new());
            let (catalog, key) = (Arc::new(catalog), Secret::new([7; 32]));
            let masked = Masked::new(catalog, masks, key, Edition::default());
            talk.session.handle_masked(Ok(Arc::new(masked)), NOW);
            talk.client(&[]);
        }
    }
}

/// Sends a statement; what the client hears if it does not pass, else nothing.
fn say(talk: &mut Talk, statement: &str, status: u8) -> String {
    talk.client(&client::query(statement));
    find(talk);
    let mut sent = talk.session.outbox().to_server().split();
    if sent == QUESTION_AGAIN {
        talk.server(&server::path(&["public"]));
        find(talk);
        sent = talk.session.outbox().to_server().split();
    }
    if sent.is_empty() {
        return talk.heard();
    }
    talk.server(&[server::complete("OK"), server::ready(status)].concat());
    talk.heard();
    String::new()
}

#[test]
fn a_transaction_that_renames_can_be_ended() {
    let mut talk = masked();
    for (statement, status, said) in [
        ("BEGIN", b'T', ""),
        ("ALTER TABLE public.t RENAME TO u", b'T', ""),
        ("DELETE FROM public.u", b'T', "E/42501 Z/T"),
        ("SHOW lock_timeout", b'T', ""),
        ("SET lock_timeout = 0", b'T', ""),
        ("SAVEPOINT a", b'T', ""),
        ("COMMIT; DELETE FROM public.u", b'T', "E/42501 Z/T"),
        ("ROLLBACK TO a", b'T', ""),
        ("COMMIT", b'I', ""),
    ] {
        assert_eq!(say(&mut talk, statement, status), said, "{statement}");
    }
}

#[test]
fn what_is_computed_asks_where_it_may_be_brought_into_another_encoding() {
    const COMPUTED: &str = "SELECT email FROM customers";
    const REFUSED: &str = "E/42501 Z/I";
    let encoding = |talk: &mut Talk, name| {
        talk.server(&server::status("client_encoding", name));
        talk.heard();
    };
    let mut talk = masked();
    assert_eq!(say(&mut talk, COMPUTED, b'I'), "");
    for text in [
        "SET client_encoding = 'LATIN1'; SELECT email FROM customers",
        "SELECT set_config('client_encoding', 'LATIN1', false), email FROM customers",
        "DO $$BEGIN PERFORM set_config('client_encoding', 'LATIN1', false); END$$; SELECT email FROM customers",
    ] {
        assert_eq!(say(&mut talk, text, b'I'), REFUSED, "{text}");
    }
    let other = "SET statement_timeout = 0; SELECT email FROM customers";
    assert_eq!(say(&mut talk, other, b'I'), "");
    encoding(&mut talk, "LATIN1");
    assert_eq!(say(&mut talk, COMPUTED, b'I'), REFUSED);
    assert_eq!(say(&mut talk, "SELECT 1", b'I'), "");
    encoding(&mut talk, "UTF8");
    assert_eq!(say(&mut talk, COMPUTED, b'I'), "");
    let rolled_back = "ROLLBACK; SELECT email FROM customers";
    assert_eq!(say(&mut talk, rolled_back, b'I'), REFUSED);
    encoding(&mut talk, "SQL_ASCII");
    assert_eq!(say(&mut talk, COMPUTED, b'I'), "");
}

/// Bytes of ASCII may be halves of letters, and which letters a value has is told by whether it can be brought.
#[test]
fn what_is_masked_is_brought_in_encodings_that_are_known() {
    let refused = |encoding, statement, expected: bool| {
        let mut talk = masked();
        talk.server(&server::status("client_encoding", encoding));
        talk.heard();
        let is_refused = !say(&mut talk, statement, b'I').is_empty();
        assert_eq!(is_refused, expected, "{encoding} {statement}");
    };
    for (encoding, expected) in [("UTF8", false), ("SJIS", true), ("WIN1251", true)] {
        refused(encoding, "SELECT email FROM customers", expected);
        refused(
            encoding,
            "COPY (SELECT email FROM customers) TO STDOUT",
            expected,
        );
        refused(encoding, "SELECT 1", false);
        refused(encoding, "COPY (SELECT 1) TO STDOUT", false);
    }
}

#[test]
fn a_portal_is_asked_for_again_where_the_encoding_has_changed_since() {
    let mut talk = masked();
    talk.client(&client::query("BEGIN"));
    talk.server(&[server::complete("BEGIN"), server::ready(b'T')].concat());
    let parse = client::parse("a", "SELECT email FROM customers");
    for message in [parse, client::bind("a", "a"), client::sync()] {
        talk.client(&message);
        find(&mut talk);
    }
    assert_eq!(talk.sent(), "Q P B S");
    talk.server(&[server::parsed(), server::bound(), server::ready(b'T')].concat());
    talk.server(&server::status("client_encoding", "LATIN1"));
    let asked = talk.asked().len();
    talk.client(&client::execute("a"));
    assert_eq!(talk.asked()[asked..], ["Execute deny"]);
}

/// A row of these values.
fn row(values: &[&[u8]]) -> Vec<u8> {
    let count = u16::try_from(values.len()).unwrap();
    let mut body = count.to_be_bytes().to_vec();
    for value in values {
        body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
        body.extend_from_slice(value);
    }
    let length = u32::try_from(body.len() + 4).unwrap();
    [b"D", &length.to_be_bytes()[..], &body].concat()
}

/// A message of a server.
fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag], &length.to_be_bytes()[..], body].concat()
}

/// What the client gets of a row that the server sends in answer to a statement, and how many bytes are counted.
fn gets(statement: &str, described: &[u8], row: &[u8]) -> (Vec<u8>, u64) {
    let mut talk = self::masked();
    talk.client(&client::query(statement));
    find(&mut talk);
    assert_eq!(talk.sent(), "Q");
    talk.server(described);
    talk.clear();
    let mut told = Vec::new();
    for part in row.chunks(100_000) {
        talk.server(part);
        told.extend(talk.session.outbox().to_client().split());
    }
    if told.is_empty() {
        talk.session.handle_aborted(Ok(()), NOW);
        talk.server(&[server::error("57014"), server::ready(b'I')].concat());
        assert_eq!(talk.heard(), "E/0A000 Z/I");
    } else {
        talk.server(&[server::complete("SELECT 1"), server::ready(b'I')].concat());
        assert_eq!(talk.heard(), "C Z/I");
    }
    (told, talk.outcomes()[0].bytes_out)
}

const LIMIT: usize = 1 << 20;

/// A column of a result, of this type, in text.
fn column(ty: u16) -> Vec<u8> {
    let [high, low] = ty.to_be_bytes();
    [
        &b"a\0\0\0\0\0\0\0"[..],
        &[0, 0, high, low],
        &[0xff; 6],
        &[0; 2],
    ]
    .concat()
}

#[test]
fn how_long_a_masked_array_is_decides_nothing() {
    let described = message(
        b'T',
        &[&b"\0\x02"[..], &column(TEXTS), &column(25)].concat(),
    );
    for length in [1, LIMIT - 40, LIMIT - 2, LIMIT - 1, 3 * LIMIT] {
        let array = [b"{", &vec![b'm'; length][..], b",NULL}"].concat();
        let (told, _) = gets(
            "SELECT email, 1 FROM customers",
            &described,
            &row(&[&array, b"x"]),
        );
        assert!(told == row(&[b"{****,NULL}", b"x"]), "{length}");
    }
}

#[test]
fn how_long_a_masked_value_is_decides_nothing() {
    let described = message(b'T', &[&b"\0\x02"[..], &column(25), &column(25)].concat());
    let gets = |length, clean| {
        let row = row(&[&vec![b'm'; length], &vec![b'x'; clean]]);
        self::gets("SELECT email, 1 FROM customers", &described, &row)
    };
    // What is around the values: the head of the row, how many there are, and how long each of them is.
    const AROUND: usize = 5 + 2 + 4 + 4;
    for clean in [1, LIMIT - AROUND - 5, LIMIT - AROUND - 4] {
        for length in [0, 1, 4, 5, 9, LIMIT, 3 * LIMIT] {
            let (told, counted) = gets(length, clean);
            assert!(
                told == row(&[b"****", &vec![b'x'; clean]]),
                "{length} and {clean}"
            );
            assert_eq!(counted, u64::try_from(told.len() - 5).unwrap());
        }
    }
    for clean in [LIMIT - AROUND - 3, LIMIT - AROUND, 2 * LIMIT] {
        for length in [0, 1, 4, LIMIT] {
            let (told, _) = gets(length, clean);
            assert!(told.is_empty(), "{length} and {clean}");
        }
    }
}

#[test]
fn how_long_a_masked_value_is_that_is_copied_decides_nothing() {
    // Of what type it is, is not told: it becomes NULL.
    let file = [b"PGCOPY\n\xff\r\n\0", &[0; 8][..]].concat();
    let number = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
    type Row<'a> = &'a dyn Fn(usize, usize) -> Vec<u8>;
    // In each format the row as the server writes it, and as the client gets it.
    let ways: [(&str, u8, Row<'_>, Row<'_>); 3] = [
        (
            "",
            0,
            &|length, clean| {
                [
                    br"\\a\t".repeat(length / 5),
                    b"\t".to_vec(),
                    vec![b'x'; clean],
                    b"\n".to_vec(),
                ]
                .concat()
            },
            &|_, clean| [b"\\N\t".to_vec(), vec![b'x'; clean], b"\n".to_vec()].concat(),
        ),
        (
            "(FORMAT csv)",
            0,
            &|length, clean| {
                [
                    b"\"",
                    &b"\"\"a,m".repeat(length / 5)[..],
                    b"\",",
                    &vec![b'x'; clean],
                    b"\n",
                ]
                .concat()
            },
            &|_, clean| [b",".to_vec(), vec![b'x'; clean], b"\n".to_vec()].concat(),
        ),
        (
            "(FORMAT binary)",
            1,
            &|length, clean| {
                let masked = [&number(length)[..], &vec![b'm'; length]].concat();
                let clean = [&number(clean)[..], &vec![b'x'; clean]].concat();
                [&file[..], b"\0\x02", &masked, &clean].concat()
            },
            &|_, clean| {
                let clean = [&number(clean)[..], &vec![b'x'; clean]].concat();
                [&file[..], b"\0\x02\xff\xff\xff\xff", &clean].concat()
            },
        ),
    ];
    for (format, binary, row, masked) in ways {
        let statement = format!("COPY (SELECT email, 1 FROM customers) TO STDOUT {format}");
        let described = message(b'H', &[binary, 0, 2, 0, binary, 0, binary]);
        for clean in [1, LIMIT - 100, LIMIT] {
            for length in [5, LIMIT - 40, LIMIT + 4, 2 * LIMIT + 3] {
                let (told, counted) =
                    gets(&statement, &described, &message(b'd', &row(length, clean)));
                let expected = message(b'd', &masked(length, clean));
                if clean < LIMIT {
                    assert!(told == expected, "{format} {length} {clean} {}", told.len());
                    assert_eq!(counted, u64::try_from(told.len() - 5).unwrap());
                } else {
                    assert!(told.is_empty(), "{format} {length} {clean}");
                }
            }
        }
    }
}
