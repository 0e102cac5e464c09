//! What happens when rows are written: defaults, generated columns, triggers, and foreign keys.

use std::sync::Arc;

use super::{TEXT, catalog, functions, mask, names, relation, statement, types, written};
use crate::mask::{MaskKey, MaskSet};
use crate::sql::postgres::lineage::Masked;
use crate::sql::postgres::lineage::catalog::{
    Catalog, Column, Filling, Function, Language, Reference, Relation, RelationKind, Volatility,
};
use crate::sql::postgres::lineage::edition::Edition;

const TELLS: &str = "(SELECT customers.email FROM public.customers LIMIT 1)";

fn table(oid: u32, name: &str, columns: &[&str]) -> Relation {
    let columns: Vec<_> = columns.iter().map(|name| (*name, TEXT)).collect();
    relation(oid, RelationKind::Table, name, &columns)
}

fn filled(oid: u32, name: &str, fillings: &[(&str, Filling)]) -> Relation {
    let columns = fillings
        .iter()
        .zip(1..)
        .map(|((name, filling), number)| Column {
            number,
            name: (*name).into(),
            ty: TEXT,
            collation: 100,
            filling: filling.clone(),
            is_unique: *name == "email",
        });
    Relation {
        columns: columns.collect(),
        ..table(oid, name, &[])
    }
}

fn trigger(oid: u32, name: &str, language: Language, body: &str) -> Function {
    Function {
        oid,
        schema: "public".into(),
        name: name.into(),
        language,
        volatility: Volatility::Volatile,
        is_aggregate: false,
        returns_set: false,
        columns: [].into(),
        returns: TEXT,
        parts: [].into(),
        body: (language == Language::Plpgsql).then(|| body.into()),
    }
}

/// Trigger functions: their tables are called as they are, and have a masked column `email` with the first
/// letter `m`.
const TRIGGERS: &[(&str, &str)] = &[
    ("m_stamps", "BEGIN NEW.id := lower(NEW.id); RETURN NEW; END"),
    (
        "m_keeps",
        "BEGIN INSERT INTO trail SELECT NEW.email; RETURN NEW; END",
    ),
    (
        "m_hides",
        "BEGIN INSERT INTO m_stamps SELECT NEW.email; RETURN NEW; END",
    ),
    (
        "m_sets",
        "BEGIN PERFORM set_config('a.b', NEW.email, true); RETURN NEW; END",
    ),
    (
        "o_keeps",
        "BEGIN INSERT INTO trail SELECT 'x'; RETURN NEW; END",
    ),
    (
        "o_reads",
        "BEGIN NEW.id := (SELECT email FROM m_stamps); RETURN NEW; END",
    ),
    ("o_runs", "BEGIN EXECUTE 'x'; RETURN NEW; END"),
    ("o_stamps", "BEGIN NEW.id := lower(NEW.id); RETURN NEW; END"),
];

fn masked() -> Arc<Masked> {
    let base = catalog();
    let mut relations: Vec<Relation> = base.relations().cloned().collect();
    let given = || ("id", Filling::Given);
    let default = |text: &str| Filling::Default(Some(text.into()));
    let generated = |text: &str| Filling::Generated(Some(text.into()));
    relations.extend([
        table(21_000, "trail", &["what"]),
        filled(21_001, "letters", &[given(), ("address", default(TELLS))]),
        filled(
            21_002,
            "plain",
            &[given(), ("note", default("lower('A'::text)"))],
        ),
        filled(
            21_003,
            "locked",
            &[given(), ("note", Filling::Default(None))],
        ),
        filled(
            21_004,
            "m_made",
            &[
                ("email", Filling::Given),
                ("loud", generated("upper(email)")),
                ("other", generated("upper('x'::text)")),
                ("lost", Filling::Generated(None)),
            ],
        ),
        Relation {
            references: [Reference {
                column: 1,
                relation: 20_000,
                referred: 3,
                updates: false,
                deletes: false,
            }]
            .into(),
            ..table(21_005, "referring", &["who", "what"])
        },
        super::view(
            21_006,
            "letter_ids",
            &[("id", TEXT)],
            "SELECT letters.id FROM public.letters",
        ),
        Relation {
            triggers: [22_000].into(),
            emptied: [22_000].into(),
            references: [Reference {
                column: 1,
                relation: 20_001,
                referred: 1,
                updates: false,
                deletes: true,
            }]
            .into(),
            ..table(21_007, "follows", &["id"])
        },
    ]);
    let mut functions = functions();
    functions.push(trigger(22_000, "in_c", Language::C, ""));
    let writes = "BEGIN INSERT INTO letters (id) VALUES ('a'); RETURN 'a'; END";
    functions.push(trigger(22_001, "writes", Language::Plpgsql, writes));
    let others = [
        (
            "archives",
            "BEGIN INSERT INTO trail SELECT email FROM customers; END",
        ),
        ("tells", "BEGIN RETURN (SELECT email FROM customers); END"),
        ("runs", "BEGIN EXECUTE 'a'; END"),
        ("empties", "BEGIN TRUNCATE m_keeps; RETURN 'a'; END"),
    ];
    for ((name, body), number) in others.into_iter().zip(22_002..) {
        functions.push(trigger(number, name, Language::Plpgsql, body));
    }
    for ((name, body), number) in TRIGGERS.iter().zip(0..) {
        functions.push(trigger(22_100 + number, name, Language::Plpgsql, body));
        relations.push(Relation {
            triggers: [22_100 + number].into(),
            emptied: [22_100 + number].into(),
            ..table(21_100 + number, name, &["id", "email"])
        });
    }
    let masks = vec![mask(
        "emails",
        &["public.customers.email", "public.m_*.email"],
    )];
    Arc::new(Masked::new(
        Arc::new(Catalog::new(relations, types(), functions, vec![])),
        Arc::new(MaskSet::new(masks)),
        MaskKey::new([7; 32].to_vec()),
        Edition::default(),
    ))
}

#[track_caller]
fn copies(text: &str, expected: &str) {
    let made = statement(&masked(), text);
    assert_eq!(names(&made.copied), expected, "{text}");
}

#[test]
fn defaults_are_written() {
    for text in [
        "INSERT INTO letters (id) VALUES ('a')",
        "INSERT INTO letters VALUES ('a')",
        "INSERT INTO letters VALUES ('a', DEFAULT)",
        "INSERT INTO letters DEFAULT VALUES",
        "UPDATE letters SET address = DEFAULT",
        "MERGE INTO letters USING orders o ON true WHEN NOT MATCHED THEN INSERT (id) VALUES ('a')",
        "COPY letters (id) FROM STDIN",
        "COPY letters FROM STDIN (DEFAULT 'x')",
        "INSERT INTO letter_ids VALUES ('a')",
    ] {
        copies(text, "emails");
    }
    for text in [
        "INSERT INTO letters VALUES ('a', 'b')",
        "INSERT INTO letters (address) VALUES ('a')",
        "UPDATE letters SET address = 'a'",
        "DELETE FROM letters",
        "COPY letters FROM STDIN",
        "INSERT INTO plain (id) VALUES ('a')",
        "INSERT INTO orders DEFAULT VALUES",
    ] {
        copies(text, "");
    }
    copies("INSERT INTO locked (id) VALUES ('a')", "?");
}

#[test]
fn generated_columns_are_made_of_others() {
    let masked = masked();
    let outputs = |text: &str| written(&statement(&masked, text).outputs);
    assert_eq!(outputs("SELECT * FROM m_made"), "=emails,#,-,#");
    assert_eq!(outputs("COPY m_made (loud, other) TO STDOUT"), "#,-");
    assert!(
        masked.origin(21_004, 2).is_none(),
        "the server's word is less"
    );
    assert!(matches!(masked.origin(21_004, 1), Some(Some(_))));
}

#[test]
fn what_refers_to_a_masked_column_is_masked() {
    let masked = masked();
    let outputs = statement(&masked, "SELECT * FROM referring").outputs;
    assert_eq!(written(&outputs), "=emails,-");
}

#[test]
fn triggers_fire() {
    for (name, expected) in [
        ("m_stamps", ""),
        ("m_keeps", "emails"),
        ("m_hides", ""),
        ("m_sets", "emails"),
        ("o_keeps", ""),
        ("o_reads", "emails"),
        ("o_runs", "?"),
        ("o_stamps", ""),
    ] {
        copies(&format!("INSERT INTO {name} VALUES ('a')"), expected);
        copies(&format!("UPDATE {name} SET id = 'a'"), expected);
        copies(&format!("DELETE FROM {name}"), expected);
        copies(&format!("COPY {name} FROM STDIN"), expected);
        copies(&format!("TRUNCATE {name}"), expected);
        copies(&format!("TRUNCATE orders, {name}"), expected);
    }
    copies("DELETE FROM orders", "?");
    copies("INSERT INTO orders VALUES (1)", "");
    copies("UPDATE orders SET note = 'a'", "");
    copies("TRUNCATE orders", "");
    copies("TRUNCATE orders CASCADE", "?");
    copies("SELECT empties()", "emails");
    copies("SELECT writes()", "emails");
    copies("SELECT archives()", "emails");
    copies("SELECT tells()", "");
    copies("SELECT runs()", "?");
}

#[test]
fn many_guesses_at_once_are_asked() {
    let probes = |text: &str| names(&statement(&masked(), text).probed);
    let put = "INSERT INTO m_made (email) VALUES ('a'), ('b') ON CONFLICT";
    assert_eq!(probes(&format!("{put} DO NOTHING")), "emails");
    assert_eq!(probes(&format!("{put} (email) DO NOTHING")), "emails");
    assert_eq!(
        probes(&format!("{put} ON CONSTRAINT a DO NOTHING")),
        "emails"
    );
    let put = "INSERT INTO m_stamps (id, email) VALUES ('a', 'b') ON CONFLICT DO NOTHING";
    assert_eq!(probes(put), "", "no key has it");
    assert_eq!(probes("INSERT INTO m_made (email) VALUES ('a')"), "");
}
