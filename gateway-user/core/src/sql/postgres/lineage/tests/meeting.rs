//! What is put, or moved, beside what is there.

use std::sync::Arc;

use super::{INT4, TEXT, functions, mask, names, relation, statement, types};
use crate::mask::{MaskKey, MaskSet};
use crate::sql::postgres::lineage::Masked;
use crate::sql::postgres::lineage::catalog::{Catalog, Key, Relation, RelationKind};
use crate::sql::postgres::lineage::edition::Edition;

fn key(columns: &[i16]) -> Key {
    Key {
        columns: columns.into(),
        is_sole: columns.len() == 1,
    }
}

/// `tenants` with a key of two columns and one under a condition; `visits` with a part that has a key.
fn masked() -> Arc<Masked> {
    let table = |oid: u32, name: &str, keys: &[Key]| {
        let columns = [
            ("id", INT4),
            ("tenant", INT4),
            ("email", TEXT),
            ("active", TEXT),
        ];
        let mut table = Relation {
            keys: keys.into(),
            ..relation(oid, RelationKind::Table, name, &columns)
        };
        for column in &mut table.columns {
            column.is_unique = keys.iter().any(|key| key.columns.contains(&column.number));
        }
        table
    };
    let relations = vec![
        table(21_000, "tenants", &[key(&[1]), key(&[2, 3]), key(&[3, 4])]),
        table(21_003, "flocks", &[key(&[1]), key(&[2, 3])]),
        Relation {
            parents: [21_003].into(),
            ..table(21_004, "heirs", &[key(&[2, 3])])
        },
        Relation {
            parted: [4].into(),
            ..table(21_001, "visits", &[])
        },
        Relation {
            parents: [21_001].into(),
            ..table(21_002, "visits_1", &[key(&[3])])
        },
    ];
    let columns = [
        "public.tenants.email",
        "public.visits.email",
        "public.flocks.email",
    ];
    let masks = vec![mask("emails", &columns)];
    Arc::new(Masked::new(
        Arc::new(Catalog::new(relations, types(), functions(), vec![])),
        Arc::new(MaskSet::new(masks)),
        MaskKey::new([7; 32].to_vec()),
        Edition::default(),
    ))
}

#[test]
fn rows_that_come_under_another_key_meet_what_is_there() {
    let probes = |text: &str| names(&statement(&masked(), text).probed);
    for text in [
        "UPDATE tenants SET tenant = 1",
        "UPDATE tenants SET tenant = 1 WHERE tenant = 2",
        "UPDATE tenants SET active = 'a' WHERE id > 5",
        "UPDATE tenants SET active = 'a' WHERE id = 5 OR id = 6",
        "UPDATE tenants SET active = 'a' FROM visits v WHERE v.id = 5",
        "UPDATE visits SET active = 'a' WHERE tenant = 7",
        "UPDATE flocks SET tenant = 1 WHERE id = 5",
        "MERGE INTO tenants USING visits v ON v.id = tenants.id WHEN MATCHED THEN UPDATE SET tenant = 1",
    ] {
        assert_eq!(probes(text), "emails", "{text}");
    }
    for text in [
        "UPDATE tenants SET tenant = 1 WHERE id = 5",
        "UPDATE tenants t SET active = 'a' WHERE 5 = t.id AND tenant = 3",
        "UPDATE tenants SET active = lower('A') WHERE id = $1",
        "UPDATE tenants SET id = 5",
        "UPDATE visits SET tenant = 7",
    ] {
        assert_eq!(probes(text), "", "{text}");
    }
}

#[test]
fn one_guess_for_each_row_that_is_sent_is_none() {
    let probes = |text: &str| names(&statement(&masked(), text).probed);
    let put = "INSERT INTO tenants (id, email) VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET";
    assert_eq!(probes(&format!("{put} email = excluded.email")), "");
    assert_eq!(probes(&format!("{put} email = tenants.active")), "emails");
    let put = "INSERT INTO tenants (id, email) SELECT id, active FROM visits ON CONFLICT (id) DO UPDATE SET";
    assert_eq!(probes(&format!("{put} email = excluded.email")), "emails");
    assert_eq!(probes("UPDATE tenants SET email = lower('A'::text)"), "");
    assert_eq!(probes("UPDATE tenants SET email = active"), "emails");
}
