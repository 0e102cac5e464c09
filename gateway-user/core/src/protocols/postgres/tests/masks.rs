//! Sessions with masks: what is known of statements while names change what they mean.

use std::sync::Arc;

use super::talk::{NOW, Talk, client, engine, server};
use crate::secret::Secret;
use crate::session::outbox::Action;
use crate::sql::postgres::lineage::Masked;
use crate::sql::postgres::lineage::catalog::Catalog;
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
            let (catalog, key) = (Arc::new(Catalog::default()), Secret::new([7; 32]));
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
    if talk.sent().is_empty() {
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

/// What the client gets where the server sends this row of a value that is masked fully, of this type, and one
/// that is as it is; and how many bytes are counted.
fn gets(ty: u8, masked: &[u8], clean: usize) -> (Vec<u8>, u64) {
    let mut talk = self::masked();
    talk.client(&client::query("SELECT email, 1 FROM customers"));
    find(&mut talk);
    assert_eq!(talk.sent(), "Q");
    let column = |ty| [&b"a\0\0\0\0\0\0\0"[..], &[0, 0, 0, ty], &[0xff; 6], &[0; 2]].concat();
    let columns = [&b"\0\x02"[..], &column(ty), &column(25)].concat();
    let length = u32::try_from(columns.len() + 4).unwrap();
    talk.server(&[b"T", &length.to_be_bytes()[..], &columns].concat());
    talk.clear();
    let row = row(&[masked, &vec![b'x'; clean]]);
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

#[test]
fn how_long_a_masked_value_is_decides_nothing() {
    const LIMIT: usize = 1 << 20;
    const TEXT: u8 = 25;
    // What is around the values: the head of the row, how many there are, and how long each of them is.
    const AROUND: usize = 5 + 2 + 4 + 4;
    let stars = |clean: usize| row(&[b"****", &vec![b'x'; clean]]);
    for clean in [1, LIMIT - AROUND - 5, LIMIT - AROUND - 4] {
        for length in [0, 1, 4, 5, 9, LIMIT, 3 * LIMIT] {
            let (told, counted) = gets(TEXT, &vec![b'm'; length], clean);
            assert!(told == stars(clean), "{length} and {clean}");
            assert_eq!(counted, u64::try_from(told.len() - 5).unwrap());
        }
    }
    for clean in [LIMIT - AROUND - 3, LIMIT - AROUND, 2 * LIMIT] {
        for length in [0, 1, 4, LIMIT] {
            let (told, _) = gets(TEXT, &vec![b'm'; length], clean);
            assert!(told.is_empty(), "{length} and {clean}");
        }
    }
}
