//! What code runs along with statements, and which of them divert names.

use std::sync::Arc;

use crate::sql::postgres::Session;
use crate::sql::postgres::lineage::apart::Here;
use crate::sql::postgres::lineage::routines::tests::database;
use crate::sql::postgres::lineage::{Code, Statement};

#[track_caller]
fn last(text: &str) -> Statement {
    let trace = Arc::new(database()).trace(text.as_bytes(), &Session::default());
    trace.statements.last().unwrap().clone()
}

#[test]
fn code_is_known_by_the_worst_of_what_is_called() {
    for (text, expected) in [
        ("SELECT lower(note) FROM orders", Code::Servers),
        ("INSERT INTO orders (id) VALUES (1)", Code::Servers),
        ("SET search_path = a", Code::Servers),
        ("SELECT twice(note) FROM orders", Code::Own),
        ("SELECT set_config('a.b', 'c', false)", Code::Sets),
        ("EXPLAIN SELECT set_config('a.b', 'c', false)", Code::Sets),
        ("PREPARE a AS SELECT twice(note) FROM orders", Code::Own),
        ("DO 'BEGIN SET search_path = a; END'", Code::Sets),
        ("DO 'BEGIN UPDATE orders SET id = 1; END'", Code::Sets),
        ("DO 'BEGIN PERFORM 1; END'", Code::Own),
        ("DO 'BEGIN CLOSE c; END'", Code::Opens),
        ("SELECT dynamic(note) FROM orders", Code::Opens),
        ("SELECT nobody_knows(1)", Code::Opens),
        ("SELECT * FROM nobody_knows", Code::Opens),
    ] {
        assert_eq!(last(text).code, expected, "{text}");
    }
}

#[test]
fn what_is_only_added_diverts_nothing() {
    for text in [
        "SELECT 1",
        "CREATE TABLE a (b int PRIMARY KEY, c text DEFAULT lower('X'))",
        "CREATE TABLE a (LIKE orders INCLUDING ALL)",
        "CREATE TABLE a AS SELECT id FROM orders",
        "SELECT id INTO a FROM orders",
        "CREATE VIEW a AS SELECT id FROM orders",
        "CREATE INDEX ON orders (note)",
        "CREATE TYPE a AS ENUM ('b')",
        "ALTER TABLE orders ADD COLUMN a int DEFAULT 1, ALTER id SET NOT NULL",
        "ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES orders (id)",
        "DROP TABLE orders",
    ] {
        assert!(!last(text).diverts, "{text}");
    }
    for text in [
        "CREATE OR REPLACE VIEW a AS SELECT id FROM orders",
        "CREATE VIEW orders AS SELECT 1 AS id",
        "CREATE RULE a AS ON INSERT TO orders DO ALSO INSERT INTO orders VALUES (1)",
        "CREATE TRIGGER a BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION stamp()",
        "CREATE FUNCTION a() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE orders RENAME TO a",
        "ALTER TABLE orders SET SCHEMA a",
        "ALTER TABLE orders ENABLE TRIGGER a",
        "ALTER TABLE orders ATTACH PARTITION a DEFAULT",
        "ALTER TABLE orders ADD COLUMN a int DEFAULT twice(1)",
        "ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES orders (id) ON DELETE CASCADE",
        "COMMIT PREPARED 'a'",
    ] {
        assert!(last(text).diverts, "{text}");
    }
}

#[test]
fn what_is_made_is_plain_or_not() {
    let plain = |text: &str| last(text).fresh.map(|it| it.is_plain);
    assert_eq!(plain("CREATE TABLE a (b int)"), Some(true));
    assert_eq!(plain("CREATE TABLE a () INHERITS (orders)"), Some(true));
    assert_eq!(plain("CREATE TABLE a () INHERITS (unknown)"), Some(false));
    assert_eq!(plain("CREATE TABLE a (LIKE unknown)"), Some(false));
    assert_eq!(plain("CREATE TABLE a OF b"), Some(false));
    assert_eq!(
        plain("CREATE TABLE a (b int DEFAULT twice(1))"),
        Some(false)
    );
    assert_eq!(plain("CREATE VIEW a AS SELECT 1"), Some(false));
    assert_eq!(plain("SELECT 1"), None);
}

#[test]
fn only_what_is_plain_is_written() {
    let refused = |text: &str| !last(text).copied.is_empty();
    assert!(refused("INSERT INTO a VALUES (1)"));
    assert!(!refused("CREATE TABLE a (b int); INSERT INTO a VALUES (1)"));
    assert!(refused("CREATE TABLE a (LIKE b); INSERT INTO a VALUES (1)"));
    assert!(refused(
        "CREATE VIEW a AS SELECT 1 AS b; INSERT INTO a VALUES (1)"
    ));
    assert!(!refused(
        "CREATE TABLE a (b int); CREATE VIEW c AS SELECT b FROM a"
    ));
    assert!(!refused(
        "CREATE TABLE a (b int); CREATE TABLE c AS SELECT b FROM a"
    ));
    assert!(!refused(
        "CREATE TABLE a (b int); DELETE FROM a WHERE b = 1"
    ));
    let mut here = Here::default();
    for text in [
        "CREATE VIEW a AS SELECT 1",
        "CREATE TABLE IF NOT EXISTS a (b int)",
    ] {
        here.note(&last(text).fresh.unwrap());
    }
    assert!(!here.has_table("a"), "it may be the view");
}
