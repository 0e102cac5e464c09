//! Which commands may change what names mean.

use super::super::redefined;
use super::with;
use crate::ids::MaskName;
use crate::sql::postgres::lineage::Masks;

#[test]
fn what_is_new_and_plain_redefines_nothing() {
    for text in [
        "SELECT stamp() FROM vault.people",
        "INSERT INTO orders (id) VALUES (1)",
        "UPDATE orders SET id = 1",
        "DELETE FROM orders",
        "MERGE INTO orders o USING orders p ON o.id = p.id WHEN MATCHED THEN DELETE",
        "EXPLAIN ANALYZE SELECT 1",
        "EXPLAIN CREATE TABLE a AS SELECT 1",
        "BEGIN",
        "COMMIT PREPARED 'a'",
        "SET search_path = app",
        "DISCARD ALL",
        "PREPARE a AS SELECT 1",
        "EXECUTE a",
        "DECLARE a CURSOR FOR SELECT 1",
        "COPY orders FROM STDIN",
        "CALL stamp()",
        "TRUNCATE orders",
        "REFRESH MATERIALIZED VIEW orders",
        "SELECT id INTO a FROM orders",
        "CREATE TABLE a AS SELECT id FROM orders",
        "CREATE TEMP TABLE IF NOT EXISTS a (b int, c text DEFAULT 'd', e text DEFAULT now())",
        "CREATE TABLE a (b serial PRIMARY KEY, c mood, d text[] NOT NULL, CHECK (b > 1 AND lower(d[1]) <> ''))",
        "CREATE TABLE a (b int GENERATED ALWAYS AS IDENTITY, c int REFERENCES orders (id))",
        "CREATE TABLE a (b int) PARTITION BY RANGE (b)",
        "CREATE TABLE IF NOT EXISTS orders (id int PRIMARY KEY, note text)",
        "CREATE INDEX IF NOT EXISTS orders ON orders (id)",
        "CREATE SCHEMA IF NOT EXISTS app",
        "CREATE VIEW a AS SELECT stamp() FROM orders",
        "CREATE MATERIALIZED VIEW a AS SELECT id FROM orders",
        "CREATE SEQUENCE a",
        "CREATE INDEX ON orders (lower(note))",
        "CREATE UNIQUE INDEX a ON orders (id) WHERE id > 1",
        "DROP TABLE orders",
        "DROP TABLE IF EXISTS a, app.b",
        "DROP INDEX a",
        "GRANT SELECT ON orders TO a",
        "REVOKE ALL ON ALL TABLES IN SCHEMA app FROM a",
        "COMMENT ON TABLE orders IS 'a'",
        "ANALYZE orders",
        "DO $$ BEGIN UPDATE orders SET id = 1; END $$",
    ] {
        assert_eq!(with(text, redefined), Masks::default(), "{text}");
    }
}

#[test]
fn what_is_there_may_be_redefined() {
    let all = Masks::Known(vec![MaskName::new("emails")]);
    for text in [
        "SELECT id INTO app.orders FROM orders",
        "CREATE TEMP TABLE orders AS SELECT id FROM app.orders",
        "CREATE TABLE app.people (id int, email text)",
        "CREATE TEMP TABLE text (a int)",
        "CREATE TEMP TABLE IF NOT EXISTS text (a int)",
        "CREATE TEMP TABLE IF NOT EXISTS orders (id int)",
        "CREATE TABLE IF NOT EXISTS orders (LIKE orders INCLUDING ALL)",
        "CREATE TEMP TABLE lower (a int)",
        "CREATE TABLE a (LIKE orders INCLUDING ALL)",
        "CREATE TABLE a () INHERITS (orders)",
        "CREATE TABLE a PARTITION OF orders DEFAULT",
        "CREATE TABLE a OF orders",
        "CREATE TABLE a (b checked)",
        "CREATE TABLE a (b orders)",
        "CREATE TABLE a (b nowhere)",
        "CREATE TABLE a (b text DEFAULT set_config('search_path', 'public', false))",
        "CREATE TABLE a (b text DEFAULT stamp())",
        "CREATE TABLE a (b text CHECK (b <?> 'c'))",
        "CREATE TABLE a (b text CHECK (b::checked <> 'c'))",
        "CREATE TABLE a (b text GENERATED ALWAYS AS (shout(b)) STORED)",
        "CREATE OR REPLACE VIEW a AS SELECT 1",
        "CREATE VIEW app.orders AS SELECT 1",
        "CREATE SEQUENCE app.orders",
        "CREATE INDEX ON orders (shout(note))",
        "CREATE INDEX people ON orders (id)",
        "CREATE SCHEMA a CREATE TABLE b (c int)",
        "CREATE FUNCTION a() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TRIGGER a BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION stamp()",
        "CREATE RULE a AS ON INSERT TO orders DO INSTEAD NOTHING",
        "CREATE POLICY a ON orders USING (id = 1)",
        "CREATE DOMAIN a AS text",
        "CREATE TYPE a AS ENUM ('b')",
        "CREATE CAST (text AS mood) WITH INOUT",
        "CREATE OPERATOR + (FUNCTION = lower, RIGHTARG = text)",
        "CREATE EXTENSION hstore",
        "ALTER TABLE orders ADD COLUMN a int",
        "ALTER TABLE orders RENAME TO a",
        "ALTER SEQUENCE a RENAME TO orders",
        "ALTER SCHEMA app RENAME TO a",
        "ALTER SCHEMA app OWNER TO a",
        "ALTER FUNCTION stamp() RENAME TO a",
        "ALTER ROLE a NOINHERIT",
        "DROP TABLE vault.people",
        "DROP TABLE orders CASCADE",
        "DROP INDEX a CASCADE",
        "DROP SCHEMA app",
        "DROP FUNCTION stamp()",
        "DROP OWNED BY a",
        "REASSIGN OWNED BY a TO b",
        "GRANT USAGE ON SCHEMA app TO a",
        "REVOKE USAGE ON SCHEMA app FROM a",
        "GRANT a TO b",
        "EXPLAIN ANALYZE CREATE TABLE app.orders AS SELECT 1",
        "DO $$ BEGIN CREATE TEMP TABLE orders (a int); END $$",
        "DO $$ BEGIN REVOKE USAGE ON SCHEMA app FROM a; END $$",
        "DO LANGUAGE plpython3u $$ create() $$",
    ] {
        assert_eq!(with(text, redefined), all, "{text}");
    }
}
