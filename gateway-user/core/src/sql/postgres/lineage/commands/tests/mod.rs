//! What commands are judged to do, in a small database.

mod redefined;

use pg_query::protobuf;

use super::command;
use crate::ids::MaskName;
use crate::sql::postgres::SearchPath;
use crate::sql::postgres::lineage::routines::tests::database;
use crate::sql::postgres::lineage::tracer::Tracer;
use crate::sql::postgres::lineage::{
    Columns, CopyFormat, CopyKind, Masks, Named, Outputs, Statement,
};

fn trace(text: &str) -> Statement {
    with(text, command)
}

/// Does something with a statement in the database.
fn with<T>(text: &str, work: impl FnOnce(&protobuf::Node, &Tracer) -> T) -> T {
    let database = database();
    let path = SearchPath::of(["public"]);
    let parsed = pg_query::parse(text, 0).unwrap_or_else(|error| panic!("{text}: {error}"));
    let [raw] = &*parsed.protobuf.stmts else {
        panic!("{text}");
    };
    work(raw.stmt.as_ref().unwrap(), &Tracer::new(&database, &path))
}

#[test]
fn commands_on_the_session_are_clean() {
    for text in [
        "BEGIN",
        "COMMIT",
        "ROLLBACK TO a",
        "SAVEPOINT a",
        "SET work_mem = '1MB'",
        "RESET ALL",
        "SHOW search_path",
        "SET CONSTRAINTS ALL DEFERRED",
        "LISTEN a",
        "UNLISTEN *",
        "NOTIFY a, 'b'",
        "DISCARD ALL",
        "DEALLOCATE a",
        "CLOSE a",
        "CHECKPOINT",
        "CREATE TABLE a (b int, c text DEFAULT lower('X'))",
        "CREATE TABLE a (LIKE orders INCLUDING ALL)",
        "CREATE INDEX ON orders (lower(note))",
        "CREATE SEQUENCE a",
        "CREATE TYPE a AS ENUM ('b')",
        "CREATE TYPE a AS (b int)",
        "CREATE DOMAIN a AS text NOT NULL",
        "CREATE SCHEMA a",
        "CREATE POLICY a ON orders USING (id = 1)",
        "CREATE STATISTICS a ON id, note FROM orders",
        "CREATE TRIGGER a BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION stamp()",
        "CREATE FUNCTION a(x int) RETURNS int LANGUAGE sql AS 'SELECT x + 1'",
        "CREATE FUNCTION a(x int) RETURNS int LANGUAGE sql RETURN x + 1",
        "CREATE FUNCTION a() RETURNS void LANGUAGE sql BEGIN ATOMIC SELECT id FROM orders; END",
        "CREATE FUNCTION a() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN a(); END'",
        "CREATE PROCEDURE a() LANGUAGE plpgsql AS 'BEGIN UPDATE orders SET id = 1; END'",
        "ALTER TABLE orders ADD COLUMN a int",
        "ALTER TABLE orders RENAME TO others",
        "ALTER TABLE orders SET SCHEMA app",
        "ALTER SCHEMA public RENAME TO private",
        "DROP TABLE orders",
        "DROP TABLE pg_statistic",
        "DROP SCHEMA app CASCADE",
        "GRANT SELECT ON pg_statistic TO a",
        "CREATE PUBLICATION a FOR TABLE orders",
        "CREATE CAST (text AS mood) WITH FUNCTION lower(text)",
        "CREATE CAST (text AS mood) WITH INOUT",
        "CREATE OPERATOR + (FUNCTION = lower, RIGHTARG = text)",
        "CREATE AGGREGATE a (text) (SFUNC = lower, STYPE = text)",
        "CREATE EVENT TRIGGER a ON sql_drop EXECUTE FUNCTION stamp()",
        "CREATE TYPE a AS RANGE (SUBTYPE = float8)",
        "CREATE OPERATOR FAMILY a USING btree",
        "CREATE OPERATOR CLASS a FOR TYPE text USING hash AS OPERATOR 1 =, FUNCTION 1 lower(text)",
        "CREATE DOMAIN a AS text CHECK (VALUE <> '')",
        "ALTER DOMAIN a ADD CHECK (VALUE <> 'b')",
        "ALTER FUNCTION stamp() SET work_mem = '1MB'",
        "ALTER FUNCTION stamp() RENAME TO stamped",
        "ALTER TEXT SEARCH DICTIONARY a (b = 'c')",
        "TRUNCATE orders",
        "COMMENT ON TABLE orders IS 'a'",
        "VACUUM orders",
        "ANALYZE orders",
        "LOCK TABLE orders",
        "REINDEX TABLE orders",
        "GRANT SELECT ON orders TO a",
        "REVOKE ALL ON orders FROM a",
        "GRANT a TO b",
        "CREATE ROLE a",
        "DROP ROLE a",
        "DO 'BEGIN PERFORM lower(note) FROM orders; END'",
    ] {
        let statement = trace(text);
        assert!(matches!(statement.outputs, Outputs::Clean), "{text}");
        assert_eq!(statement.copied, Masks::default(), "{text}");
        assert_eq!(statement.probed, Masks::default(), "{text}");
        assert!(!statement.touches, "{text}");
    }
}

#[test]
fn commands_that_leave_what_is_masked_touch_it() {
    for text in [
        "TRUNCATE orders, pg_statistic",
        "COMMENT ON COLUMN pg_statistic.stavalues1 IS 'a'",
        "VACUUM pg_statistic",
        "VACUUM",
        "ANALYZE VERBOSE pg_statistic",
        "LOCK TABLE pg_statistic",
        "CLUSTER pg_statistic",
        "REINDEX TABLE pg_statistic",
        "REFRESH MATERIALIZED VIEW pg_statistic",
        "ALTER TABLE pg_statistic OWNER TO a",
    ] {
        let statement = trace(text);
        // An `ALTER TABLE` is one whatever it changes.
        let owner = text.starts_with("ALTER");
        assert!(owner || statement.copied == Masks::default(), "{text}");
        assert!(statement.touches, "{text}");
    }
}

#[test]
fn sorting_a_table_compares_what_it_shows() {
    let emails = Masks::Known(vec![MaskName::new("emails")]);
    for (text, expected) in [
        ("CLUSTER orders USING a", Masks::default()),
        ("CLUSTER vault.people USING a", emails),
        ("CLUSTER", Masks::Unknown),
    ] {
        assert_eq!(trace(text).probed, expected, "{text}");
    }
}

#[test]
fn commands_that_change_what_is_masked_copy_it() {
    for text in [
        "ALTER TABLE pg_statistic ADD COLUMN a int",
        "ALTER TABLE pg_statistic RENAME COLUMN stavalues1 TO a",
        "ALTER TABLE pg_statistic RENAME TO a",
        "ALTER INDEX pg_statistic RENAME TO a",
        "EXECUTE a (sample())",
        "COPY orders FROM PROGRAM 'a'",
        "COPY orders FROM '/a'",
        "ALTER TABLE pg_statistic SET SCHEMA a",
        "ALTER TABLE orders INHERIT pg_statistic",
        "ALTER TABLE orders ATTACH PARTITION pg_statistic DEFAULT",
        "ALTER SCHEMA pg_catalog RENAME TO a",
        "CREATE TABLE a () INHERITS (pg_statistic)",
        "CREATE TABLE a (LIKE pg_statistic)",
        "CREATE TABLE a PARTITION OF pg_statistic DEFAULT",
        "CREATE TABLE a (b int DEFAULT sample())",
        "CREATE TABLE a (b int, c int GENERATED ALWAYS AS (dynamic(b)) STORED)",
        "CREATE INDEX ON pg_statistic (stavalues1)",
        "CREATE INDEX ON orders (dynamic(id))",
        "CREATE INDEX ON orders ((id <?> 1))",
        "CREATE TRIGGER a BEFORE INSERT ON pg_statistic FOR EACH ROW EXECUTE FUNCTION stamp()",
        "CREATE TRIGGER a BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION dynamic()",
        "CREATE POLICY a ON pg_statistic USING (true)",
        "CREATE POLICY a ON orders USING (EXISTS (SELECT 1 FROM pg_statistic))",
        "CREATE STATISTICS a ON starelid, stavalues1 FROM pg_statistic",
        "CREATE RULE a AS ON INSERT TO orders DO ALSO SELECT * FROM pg_statistic",
        "CREATE RULE a AS ON SELECT TO pg_statistic DO INSTEAD SELECT 1",
        "CREATE SCHEMA a CREATE VIEW b AS SELECT * FROM pg_catalog.pg_statistic",
        "CREATE FUNCTION a() RETURNS text LANGUAGE sql AS 'SELECT stavalues1 FROM pg_statistic'",
        "CREATE FUNCTION a() RETURNS text LANGUAGE sql RETURN (SELECT 1 FROM pg_statistic)",
        "CREATE FUNCTION a(b text DEFAULT sample()) RETURNS text LANGUAGE sql AS 'SELECT b'",
        "CREATE FUNCTION a() RETURNS text LANGUAGE plpgsql AS 'BEGIN EXECUTE b; END'",
        "CREATE FUNCTION a() RETURNS text LANGUAGE plpython3u AS 'return 1'",
        "CREATE FUNCTION a() RETURNS text LANGUAGE c AS 'a', 'b'",
        "CREATE FUNCTION a() RETURNS text LANGUAGE internal AS 'query_to_xml'",
        "DO 'BEGIN PERFORM 1 FROM pg_statistic; END'",
        "DO LANGUAGE plpython3u 'x'",
        "DO $$ BEGIN EXECUTE 'SELECT 1'; END $$",
        "CALL dynamic()",
        "CALL sample()",
        "CALL not_there()",
        "ALTER FUNCTION lower(text) RENAME TO upper",
        "ALTER FUNCTION lower(text) IMMUTABLE",
        "ALTER TYPE mood RENAME TO plain",
        "ALTER TABLE orders OPTIONS (SET a 'b')",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "LOAD 'a'",
        "CREATE EXTENSION a",
        "CREATE FOREIGN TABLE a (b int) SERVER c",
        "CREATE SERVER a FOREIGN DATA WRAPPER b",
        "CREATE USER MAPPING FOR a SERVER b",
        "IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c",
        "CREATE SUBSCRIPTION a CONNECTION 'b' PUBLICATION c",
        "CREATE DOMAIN a AS text CHECK (sample() = VALUE)",
        "CREATE OPERATOR + (FUNCTION = dynamic, RIGHTARG = text)",
        "CREATE OPERATOR + (FUNCTION = lower, RESTRICT = stamp, RIGHTARG = text)",
        "CREATE AGGREGATE a (text) (SFUNC = sample, STYPE = text)",
        "CREATE CAST (text AS mood) WITH FUNCTION twice(text)",
        "CREATE CAST (text AS mood) WITH FUNCTION set_config(text)",
        "CREATE OPERATOR CLASS a FOR TYPE text USING hash AS FUNCTION 1 twice(text)",
        "CREATE TYPE a (INPUT = crypt, OUTPUT = lower)",
        "CREATE PUBLICATION a FOR TABLE pg_statistic",
        "CREATE PUBLICATION a FOR ALL TABLES",
        "CREATE EVENT TRIGGER a ON sql_drop EXECUTE FUNCTION dynamic()",
        "ALTER FUNCTION sample() RENAME TO harmless",
        "ALTER FUNCTION crypt(text) IMMUTABLE",
        "CREATE LANGUAGE a",
        "CREATE TABLE a AS EXECUTE b",
    ] {
        let statement = trace(text);
        assert_eq!(statement.copied, Masks::Unknown, "{text}");
        assert!(statement.touches, "{text}");
    }
}

#[test]
fn what_is_held_has_its_name() {
    let made = |text: &str| trace(text).makes.map(|made| made.name);
    let prepared = Named::Prepared("a".into());
    let cursor = Named::Cursor("a".into());
    assert_eq!(made("PREPARE a AS SELECT 1"), Some(prepared.clone()));
    assert_eq!(made("DECLARE a CURSOR FOR SELECT 1"), Some(cursor.clone()));
    assert_eq!(made("EXPLAIN SELECT 1"), None);
    assert_eq!(trace("EXECUTE a (1)").runs, Some(prepared));
    assert_eq!(trace("FETCH ALL FROM a").runs, Some(cursor.clone()));
    assert!(matches!(trace("FETCH a").outputs, Outputs::Unknown));
    let moved = trace("MOVE a");
    assert_eq!(moved.runs, Some(cursor));
    assert!(matches!(moved.outputs, Outputs::Clean));
    assert!(matches!(trace("EXPLAIN SELECT 1").outputs, Outputs::Clean));
    let folded = trace("EXPLAIN VERBOSE SELECT sample()");
    assert!(matches!(folded.outputs, Outputs::Columns(_)));
}

fn format(kind: CopyKind, delimiter: u8, null: &str, quote: u8, escape: u8) -> CopyFormat {
    CopyFormat {
        kind,
        delimiter,
        null: null.as_bytes().into(),
        quote,
        escape,
        header: false,
        types: Box::default(),
    }
}

#[test]
fn copies_have_a_format() {
    let text = format(CopyKind::Text, b'\t', "\\N", b'"', b'"');
    let csv = format(CopyKind::Csv, b',', "", b'"', b'"');
    let header = CopyFormat {
        header: true,
        ..csv.clone()
    };
    for (options, expected) in [
        ("", &text),
        ("WITH (FORMAT text)", &text),
        ("CSV", &csv),
        ("WITH (FORMAT csv, HEADER)", &header),
        ("WITH CSV HEADER", &header),
        ("(FORMAT csv, HEADER on)", &header),
        ("(FORMAT csv, HEADER 1)", &header),
        ("(FORMAT csv, HEADER 0)", &csv),
        ("(FORMAT csv, HEADER false, FORCE_QUOTE *)", &csv),
        (
            "BINARY",
            &format(CopyKind::Binary, b'\t', "\\N", b'"', b'"'),
        ),
        (
            "DELIMITER '|' NULL 'x'",
            &format(CopyKind::Text, b'|', "x", b'"', b'"'),
        ),
        (
            "(FORMAT csv, DELIMITER ';', NULL 'x', QUOTE '''', ENCODING 'utf-8')",
            &format(CopyKind::Csv, b';', "x", b'\'', b'\''),
        ),
        (
            "CSV QUOTE '#' ESCAPE '!'",
            &format(CopyKind::Csv, b',', "", b'#', b'!'),
        ),
    ] {
        let mut copy = trace(&format!("COPY orders TO STDOUT {options}"))
            .copy
            .unwrap();
        copy.types = Box::default();
        assert_eq!(copy, *expected, "{options}");
    }
    for text in [
        "COPY orders TO STDOUT (FORMAT parquet)",
        "COPY orders TO STDOUT (DELIMITER 'ab')",
        "COPY orders TO STDOUT (HEADER 3)",
        "COPY orders TO STDOUT (SOMETHING 'new')",
        "COPY orders TO '/tmp/a'",
        "COPY orders TO PROGRAM 'a'",
        "COPY orders FROM STDIN",
    ] {
        assert_eq!(trace(text).copy, None, "{text}");
    }
}

#[test]
fn what_is_copied_in_is_written() {
    let statement = trace("COPY vault.nothing FROM STDIN");
    assert_eq!(statement.writes, Columns::Unknown);
    assert!(trace("COPY pg_statistic FROM STDIN").touches);
    let filtered = trace("COPY orders FROM STDIN WHERE dynamic(note) = 1");
    assert_eq!(filtered.copied, Masks::Unknown);
}

#[test]
fn masks_are_named() {
    let emails = Masks::Known(vec![MaskName::new("emails")]);
    for (text, expected) in [
        ("CREATE VIEW a AS SELECT email FROM vault.people", &emails),
        (
            "CREATE VIEW a AS SELECT id FROM vault.people",
            &Masks::default(),
        ),
        ("CREATE TABLE a AS SELECT * FROM vault.people", &emails),
        (
            "CREATE MATERIALIZED VIEW a AS SELECT email FROM vault.people",
            &emails,
        ),
        ("COPY vault.people (id) TO '/tmp/a'", &Masks::Unknown),
        ("COPY (SELECT 1) TO PROGRAM 'a'", &Masks::Unknown),
        ("COPY vault.people TO STDOUT", &Masks::default()),
        ("COPY vault.people TO STDOUT (DELIMITER 'ab')", &emails),
        ("COPY vault.people TO STDOUT (ENCODING 'SJIS')", &emails),
        ("COPY vault.people TO STDOUT (NULL 'x')", &emails),
        (
            "COPY vault.people (id) TO STDOUT (NULL '')",
            &Masks::default(),
        ),
        (
            "COPY vault.people TO STDOUT (FORMAT csv, NULL 'x')",
            &Masks::default(),
        ),
        ("ALTER TABLE vault.people RENAME TO a", &emails),
        ("ALTER SCHEMA vault RENAME TO a", &emails),
        ("DROP TABLE vault.people", &Masks::default()),
        ("DO 'BEGIN PERFORM email FROM vault.people; END'", &emails),
        ("EXPLAIN SELECT email FROM vault.people", &Masks::default()),
    ] {
        assert_eq!(trace(text).copied, *expected, "{text}");
    }
    let copy = trace("COPY vault.people (email, id) TO STDOUT");
    let Outputs::Columns(columns) = copy.outputs else {
        panic!("{copy:?}");
    };
    use crate::sql::postgres::lineage::Output;
    assert!(matches!(&*columns, [Output::Copy(_), Output::Clean]));
    assert_eq!(&*copy.copy.unwrap().types, [25, 25]);
    let written = trace("COPY vault.people (email) FROM STDIN").writes;
    assert_eq!(written, Columns::Known(vec!["vault.people.email".into()]));
}

#[test]
fn settings_that_measure_values_ask() {
    for (text, asks) in [
        ("SET temp_file_limit = '1MB'", true),
        ("SET LOCAL TEMP_FILE_LIMIT = 1", true),
        ("ALTER ROLE a SET temp_file_limit = 1", true),
        ("ALTER DATABASE a SET temp_file_limit = 1", true),
        ("ALTER SYSTEM SET temp_file_limit = 1", true),
        ("SELECT set_config('temp_file_limit', '1', true)", true),
        ("SELECT set_config($1, '1', true)", true),
        ("SET extra_float_digits = -1", true),
        ("SET extra_float_digits = '-1'", true),
        ("SELECT set_config('extra_float_digits', $1, true)", true),
        ("SET extra_float_digits = 3", false),
        ("SELECT set_config('extra_float_digits', '3', true)", false),
        ("SELECT set_config('a.b', $1, true)", false),
        ("RESET temp_file_limit", false),
        ("SET work_mem = '64kB'", false),
    ] {
        let probed = with(text, |node, tracer| tracer.statement(node).probed);
        assert_eq!(probed != Masks::default(), asks, "{text}");
    }
}

/// A plan that was run says how much memory it took, and so how long values are.
#[test]
fn what_a_plan_measures_is_asked() {
    let emails = Masks::Known(vec![MaskName::new("emails")]);
    let none = Masks::default();
    for (text, expected) in [
        ("EXPLAIN SELECT lower(email) FROM vault.people", &none),
        (
            "EXPLAIN ANALYZE SELECT lower(email) FROM vault.people",
            &emails,
        ),
        (
            "EXPLAIN (ANALYZE off) SELECT lower(email) FROM vault.people",
            &none,
        ),
        ("EXPLAIN ANALYZE SELECT email FROM vault.people", &none),
        (
            "EXPLAIN ANALYZE SELECT * FROM vault.people WHERE id = 1 LIMIT 1",
            &none,
        ),
        (
            "EXPLAIN ANALYZE SELECT email FROM vault.people ORDER BY id",
            &emails,
        ),
        (
            "EXPLAIN ANALYZE SELECT email FROM vault.people, orders",
            &emails,
        ),
        (
            "EXPLAIN ANALYZE SELECT id FROM vault.people, orders ORDER BY 1",
            &none,
        ),
        (
            "EXPLAIN ANALYZE SELECT 1 FROM (SELECT lower(email) FROM vault.people) p",
            &emails,
        ),
        (
            "EXPLAIN ANALYZE WITH p AS (SELECT email FROM vault.people) SELECT email FROM p",
            &emails,
        ),
        (
            "EXPLAIN (ANALYZE, SERIALIZE) SELECT email FROM vault.people",
            &emails,
        ),
        (
            "EXPLAIN (ANALYZE, SERIALIZE) SELECT id FROM vault.people",
            &none,
        ),
        (
            "EXPLAIN ANALYZE SELECT id FROM orders WHERE id < (SELECT count(*) FROM vault.people WHERE email <> '' )",
            &emails,
        ),
        (
            "EXPLAIN ANALYZE SELECT id FROM vault.people LIMIT (SELECT count(email) FROM vault.people)",
            &emails,
        ),
        (
            "EXPLAIN ANALYZE UPDATE vault.people SET email = 'a'",
            &Masks::Unknown,
        ),
        ("EXPLAIN ANALYZE DELETE FROM vault.people", &Masks::Unknown),
        ("EXPLAIN UPDATE vault.people SET email = 'a'", &none),
        ("EXPLAIN ANALYZE DELETE FROM orders", &none),
        ("EXPLAIN ANALYZE EXECUTE a", &Masks::Unknown),
        ("EXPLAIN ANALYZE SELECT note FROM orders ORDER BY 1", &none),
    ] {
        assert_eq!(trace(text).probed, *expected, "{text}");
    }
}
