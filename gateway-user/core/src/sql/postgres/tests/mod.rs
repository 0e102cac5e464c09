//! Tables of statements and what is read in them, and ways to hide it. Texts that are not meant to
//! be read at all are in `hostile`, bodies that are made up in `bodies`.

mod bodies;
mod hostile;

use super::*;
use crate::facts::Name;

/// What a text is read as: one line for each unit, then one for each effect.
fn facts(sql: &str, session: &Session) -> String {
    let analysis = analyse(sql.as_bytes(), session);
    let mut out = format!("{sql}\n");
    for unit in &analysis.units {
        out.push_str(&format!("    {}\n", line(unit)));
    }
    for (unit, effect) in &analysis.effects {
        out.push_str(&format!("    {unit}: {effect:?}\n"));
    }
    out
}

fn line(unit: &Unit) -> String {
    if !unit.parsed {
        return "unread".to_owned();
    }
    if let Some(what) = &unit.dynamic {
        return format!("unknown run by {what}");
    }
    let mut out = format!("{} {}", unit.verb, unit.kind);
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            out.push_str(&format!(" {name}={value}"));
        }
    };
    add("object", unit.object.map(Into::into));
    if let Some(all) = union(&unit.reads, &unit.writes) {
        assert_eq!(Some(all), sorted(&unit.tables), "{unit:?}");
    }
    add("read", list(&unit.reads));
    add("write", list(&unit.writes));
    add("calls", list(&unit.functions));
    add("where", unit.filtered.map(|flag| flag.to_string()));
    add(
        "limit",
        unit.limited
            .filter(|limited| *limited)
            .map(|flag| flag.to_string()),
    );
    add("prepared", unit.prepared.as_deref().map(Into::into));
    add("cursor", unit.cursor.as_deref().map(Into::into));
    add("language", unit.language.as_deref().map(Into::into));
    add("channel", unit.channel.as_deref().map(Into::into));
    add(
        "program",
        unit.program
            .filter(|flag| *flag)
            .map(|flag| flag.to_string()),
    );
    add(
        "file",
        unit.file.filter(|flag| *flag).map(|flag| flag.to_string()),
    );
    add(
        "runs",
        (!unit.runs.is_empty()).then(|| unit.runs.len().to_string()),
    );
    match &unit.setting {
        Setting::None => {}
        Setting::Name(name) => add("setting", Some(name.to_string())),
        Setting::Unknown => add("setting", Some("?".into())),
    }
    out
}

fn list(names: &Names) -> Option<String> {
    let Some(names) = names.known() else {
        return Some("?".into());
    };
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    (!names.is_empty()).then(|| names.join(","))
}

fn sorted(names: &Names) -> Option<Vec<Name>> {
    let mut names = names.known()?.to_vec();
    names.sort();
    Some(names)
}

/// Relations that are read or written are all that are touched.
fn union(reads: &Names, writes: &Names) -> Option<Vec<Name>> {
    let mut all = [sorted(reads)?, sorted(writes)?].concat();
    all.sort();
    all.dedup();
    Some(all)
}

fn table(statements: &[&str]) -> String {
    statements
        .iter()
        .map(|sql| facts(sql, &Session::default()))
        .collect()
}

fn snapshot(name: &str, facts: &str) {
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, facts) });
}

#[test]
fn queries() {
    snapshot(
        "queries",
        &table(&[
            "SELECT 1",
            "SELECT abalance FROM pgbench_accounts WHERE aid = 5",
            "SELECT * FROM a, s.b JOIN c USING (x) LEFT JOIN (SELECT * FROM d) q ON true LIMIT 5",
            "SELECT * FROM a LIMIT ALL",
            "TABLE orders",
            "VALUES (1, (SELECT max(x) FROM t))",
            "SELECT * FROM a WHERE x UNION SELECT * FROM b",
            "SELECT * FROM a WHERE x UNION ALL SELECT * FROM b WHERE y",
            "SELECT * FROM pg_class c JOIN information_schema.tables ON true",
            "SELECT * FROM generate_series(1, 3) g, ROWS FROM (f(1), s.h(2)) r",
            "SELECT * FROM a FOR UPDATE OF a",
            "SELECT * FROM a TABLESAMPLE system (10)",
            "SELECT * INTO copy_of FROM orders",
            "INSERT INTO log VALUES (1)",
            "INSERT INTO log VALUES ((SELECT x FROM secrets)) RETURNING id",
            "INSERT INTO log SELECT * FROM orders",
            "INSERT INTO log DEFAULT VALUES",
            "INSERT INTO t AS x VALUES (1) ON CONFLICT (a) DO UPDATE SET b = (SELECT 1 FROM other) WHERE x.c",
            "UPDATE orders SET a = b.c FROM b",
            "UPDATE orders SET (a, b) = (SELECT 1, 2 FROM c) WHERE id = 1 RETURNING *",
            "DELETE FROM orders",
            "DELETE FROM ONLY orders USING b WHERE CURRENT OF cur",
            "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES ((SELECT 1 FROM z))",
            "COPY orders TO STDOUT",
            "COPY orders (a) FROM STDIN WHERE a > 1",
            "COPY (SELECT * FROM orders) TO '/tmp/x'",
            "COPY orders FROM PROGRAM 'curl x'",
            "TRUNCATE a, s.b",
            "TRUNCATE a CASCADE",
            "LOCK TABLE orders IN ACCESS SHARE MODE",
            "LOCK TABLE orders",
            "CALL s.p(1, f(2))",
            "DO 'BEGIN DELETE FROM x; END'",
            "",
            " -- nothing\n ; ;",
            "SELECT 1; DELETE FROM t; COMMIT",
            "SELEC 1",
            "SELECT 1; SELEC 2",
        ]),
    );
}

#[test]
fn statements_inside() {
    snapshot(
        "statements_inside",
        &table(&[
            "WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d",
            "WITH a AS (WITH b AS (INSERT INTO x VALUES (1) RETURNING 1) SELECT * FROM b) SELECT * FROM a",
            "INSERT INTO log WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d",
            "EXPLAIN DELETE FROM orders",
            "EXPLAIN ANALYZE DELETE FROM orders",
            "EXPLAIN (ANALYZE false) DELETE FROM orders",
            "EXPLAIN (ANALYZE 0, VERBOSE) DELETE FROM orders",
            "EXPLAIN (ANALYZE false, ANALYZE) DELETE FROM orders",
            "EXPLAIN (FORMAT json) SELECT * INTO x FROM y",
            "EXPLAIN EXECUTE p",
            "EXPLAIN ANALYZE EXECUTE p(f(1))",
            "EXPLAIN ANALYZE CREATE TABLE x AS SELECT * FROM y",
            "PREPARE p (int) AS DELETE FROM orders WHERE id = $1",
            "PREPARE p AS WITH d AS (DELETE FROM a RETURNING 1) SELECT * FROM d; EXECUTE p",
            "DECLARE c CURSOR FOR SELECT * FROM orders",
            "FETCH 10 FROM c; MOVE c; CLOSE c; CLOSE ALL",
            "CREATE TABLE x AS SELECT * FROM y",
            "CREATE TABLE x AS EXECUTE p",
            "CREATE MATERIALIZED VIEW x AS SELECT * FROM y",
            "REFRESH MATERIALIZED VIEW x",
            "CREATE VIEW v AS SELECT f(a) FROM y",
            "CREATE RULE r AS ON SELECT TO a DO INSTEAD SELECT * FROM b",
            "CREATE RULE r AS ON INSERT TO a DO ALSO (DELETE FROM b; NOTIFY c)",
            "COPY (DELETE FROM orders RETURNING *) TO STDOUT",
            "CREATE SCHEMA s CREATE TABLE t (a int) CREATE VIEW v AS SELECT * FROM t",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1 from secrets'",
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC DELETE FROM a; SELECT 1 FROM b; END",
            "CREATE FUNCTION f() RETURNS int RETURN (SELECT 1 FROM b)",
        ]),
    );
}

#[test]
fn calls() {
    snapshot(
        "calls",
        &table(&[
            "SELECT count(*), upper(a), now() FROM orders",
            "SELECT delete_all()",
            "SELECT a FROM evil.lower('x') a, lower('y')",
            "SELECT nextval('s'), setval('s', 1), pg_read_file('/etc/passwd'), f(1), g(2)",
            "SELECT set_config('work_mem', '1GB', false)",
            "SELECT (1).delete_all, (information_schema._pg_expandarray(k)).n, ('a'::text).upper FROM i",
            "INSERT INTO orders VALUES (f(nextval('s')))",
            "EXPLAIN SELECT nextval('s'), delete_all()",
            "PREPARE p AS SELECT delete_all(); EXECUTE p",
            "CALL archive(f(1), nextval('s'))",
            "CREATE TABLE t (a int DEFAULT nextval('s'), b int DEFAULT f())",
            "WITH d AS (DELETE FROM t WHERE f(a) RETURNING g(a)) SELECT h(a) FROM d",
        ]),
    );
}

#[test]
fn bodies() {
    snapshot(
        "bodies",
        &table(&[
            "DO 'BEGIN PERFORM 1; END'",
            "DO $$ DECLARE n int := (SELECT count(*) FROM a); BEGIN n := n + f(1); DELETE FROM b WHERE x = n; END $$",
            "DO LANGUAGE sql 'DELETE FROM a'",
            "DO $$ BEGIN EXECUTE 'DROP TABLE a'; END $$",
            "DO $$ BEGIN EXECUTE format('DROP TABLE %I', x); END $$",
            "DO $$ BEGIN EXECUTE 'DR' || 'OP TABLE a'; END $$",
            "DO $$ BEGIN EXECUTE 'DO ''BEGIN EXECUTE ''''TRUNCATE a''''; END'''; END $$",
            "DO $$ BEGIN SELECT a INTO b FROM c; PERFORM set_config('search_path', 'x', true); DELETE FROM d; END $$; TABLE e",
            "DO $$ BEGIN ROLLBACK; PREPARE p AS SELECT 1; END $$; EXECUTE p",
            "DO $$ BEGIN FETCH c INTO r; END $$",
            "DO LANGUAGE plpython3u 'pass'",
            "DO 'BEGIN; no'",
            "DO ''",
            "DO $$ BEGIN CALL p(1); RAISE NOTICE '%', (SELECT x FROM a); END $$",
            "WITH a AS (SELECT 1) SELECT query_to_xml('SELECT * FROM a, s.b', true, true, '') FROM a",
            "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN SET search_path = x; RETURN count(*) FROM a; END'; TABLE b",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'DELETE FROM a; SELECT 1 FROM s.b'",
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := now(); RETURN NEW; END'",
            "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'x.so', 'f'",
            "CREATE PROCEDURE f() LANGUAGE plpgsql AS 'BEGIN EXECUTE x; COMMIT; END'",
            "CREATE OR REPLACE FUNCTION lower(text) RETURNS text AS 'lower' LANGUAGE internal",
        ]),
    );
}

#[test]
fn texts() {
    snapshot(
        "texts",
        &table(&[
            "SELECT query_to_xml('SELECT * FROM a', true, true, '')",
            "SELECT query_to_xml('SELECT delete_all()', true, true, '')",
            "SELECT query_to_xml('SELECT ' || 'a', true, true, '')",
            "SELECT query_to_xml($1, true, true, '')",
            "EXPLAIN SELECT query_to_xml($1, true, true, '')",
            "SELECT ts_stat('SELECT v FROM a'), ts_rewrite(q, 'SELECT a, b FROM c'), ts_rewrite(q, r, s)",
            "SELECT ('SELECT delete_all()').ts_stat",
            "SELECT * FROM crosstab('SELECT * FROM a', 'SELECT 1 FROM b') AS c(d int)",
            "SELECT * FROM connectby('a', 'b', 'c', 'd', 0) AS t(x int)",
            "SELECT * FROM dblink('dbname=x', 'DELETE FROM a RETURNING 1') AS t(x int)",
            "SELECT * FROM dblink('SELECT 1 FROM a', false) AS t(x int)",
            "SELECT dblink_exec(c, 'SET search_path = x'), dblink_open('c', 'TABLE a', true) FROM b",
            "SELECT dblink('SELECT 1', fail => false)",
            "SELECT cron.schedule('nightly', '0 0 * * *', 'VACUUM a'), schedule('x')",
            "SELECT table_to_xml('a', true, true, '')",
            "SELECT query_to_xml('SELECT query_to_xml(''SELECT 1 FROM a'', true, true, '''')', true, true, '')",
            "SELECT query_to_xml('SELEC', true, true, '')",
            r"SELECT query_to_xml('SELECT ''\'' FROM a --''', true, true, '')",
            "SELECT query_to_xml(VARIADIC 'SELECT 1')",
        ]),
    );
}

#[test]
fn fields_of_results() {
    snapshot(
        "fields_of_results",
        &table(&[
            "SELECT g.delete_some FROM generate_series(1, 1) g",
            "SELECT generate_series.delete_some FROM generate_series(1, 1)",
            "SELECT g.g, g.generate_series FROM generate_series(1, 1) g",
            "SELECT g.n, g.m FROM f() AS g(n, m), h() AS i(j int), k() l WHERE i.j = l.o",
            "SELECT f.ts_stat FROM lower('SELECT 1') f",
            "SELECT e.key, u.x, u.nr FROM json_each(j) e, LATERAL unnest(a) WITH ORDINALITY AS u(x, nr)",
            "SELECT (SELECT g.f FROM t) FROM a JOIN lower('x') g ON g.h",
            "DELETE FROM t USING lower('x') g WHERE g.delete_some > 1",
            "UPDATE t SET a = g.delete_some FROM lower('x') g",
            "MERGE INTO t USING lower('x') g ON t.a = g.delete_some WHEN MATCHED THEN DELETE",
            "SELECT t.delete_some, q.delete_some FROM t, (SELECT 1) q",
        ]),
    );
}

#[test]
fn commands() {
    snapshot(
        "commands",
        &table(&[
            "BEGIN; START TRANSACTION; COMMIT; END; ROLLBACK; ABORT; SAVEPOINT a; RELEASE a; ROLLBACK TO a",
            "PREPARE TRANSACTION 'x'; COMMIT PREPARED 'x'; ROLLBACK PREPARED 'x'",
            "CREATE TABLE t (a int DEFAULT f(), b int REFERENCES other, CHECK (g(a)), LIKE tpl) INHERITS (parent)",
            "CREATE TABLE p PARTITION OF parent FOR VALUES IN (1)",
            "CREATE FOREIGN TABLE t (a int) SERVER s",
            "CREATE INDEX i ON t (lower(a)) WHERE b > h()",
            "CREATE SEQUENCE s OWNED BY t.id",
            "CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION s.f()",
            "CREATE ROLE r; ALTER ROLE r SUPERUSER; DROP ROLE r",
            "ALTER ROLE r SET search_path = x",
            "ALTER TABLE t ADD COLUMN a int DEFAULT f(), DROP COLUMN b",
            "ALTER TABLE t DROP COLUMN b CASCADE",
            "ALTER TABLE t ATTACH PARTITION q FOR VALUES IN (2)",
            "ALTER TABLE t INHERIT p",
            "ALTER TABLE secrets RENAME TO orders",
            "ALTER TABLE t RENAME COLUMN a TO b",
            "ALTER TABLE secrets SET SCHEMA public",
            "ALTER TABLE t OWNER TO r",
            "ALTER FUNCTION f(int) OWNER TO r",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO r",
            "ALTER SYSTEM SET work_mem = 1",
            "ALTER SCHEMA a RENAME TO b",
            "DROP TABLE a, s.b",
            "DROP TABLE a CASCADE",
            "DROP VIEW v; DROP INDEX s.i; DROP SEQUENCE q; DROP MATERIALIZED VIEW m",
            "DROP FUNCTION s.f(int)",
            "DROP SCHEMA s",
            "DROP TRIGGER x ON s.t",
            "DROP POLICY x ON t",
            "DROP OWNED BY r; REASSIGN OWNED BY a TO b",
            "DROP TYPE x; DROP DATABASE d",
            "CREATE POLICY p ON t USING (f(a) AND EXISTS (SELECT 1 FROM acl))",
            "GRANT SELECT ON t TO r; REVOKE ALL ON FUNCTION f(int) FROM r; GRANT a TO b",
            "GRANT SELECT ON ALL TABLES IN SCHEMA s TO r",
            "COMMENT ON COLUMN t.c IS 'x'; COMMENT ON TABLE t IS 'x'; COMMENT ON SCHEMA s IS 'x'",
            "SET work_mem = 1; SET LOCAL a.b = 2; SHOW work_mem; RESET work_mem; SHOW ALL",
            "SET ROLE admin; SET SESSION AUTHORIZATION x; SET TIME ZONE 'UTC'; SET NAMES 'latin1'",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SET CONSTRAINTS ALL DEFERRED",
            "LISTEN c; UNLISTEN c; UNLISTEN *; NOTIFY c, 'x'",
            "VACUUM; VACUUM t; ANALYZE t; CLUSTER; REINDEX TABLE t; CHECKPOINT; LOAD 'x'",
            "DEALLOCATE p; DEALLOCATE ALL; DISCARD PLANS",
            "CREATE EXTENSION dblink",
            "CREATE PUBLICATION p FOR ALL TABLES",
            "CREATE PUBLICATION p FOR TABLE t, TABLES IN SCHEMA s",
            "CREATE AGGREGATE a (int) (SFUNC = f, STYPE = int)",
            "IMPORT FOREIGN SCHEMA a FROM SERVER s INTO b",
            "CREATE CAST (a AS b) WITH FUNCTION f(a)",
            "CREATE STATISTICS st ON a, b FROM t",
            "SECURITY LABEL ON TABLE t IS 'x'",
            "CREATE TYPE c AS (a int); CREATE DOMAIN d AS int CHECK (f(value))",
        ]),
    );
}

/// Ways to hide what a statement touches.
#[test]
fn attacks() {
    let long = "x".repeat(70);
    snapshot(
        "attacks",
        &table(&[
            "SELECT * FROM \"Secrets\"",
            "SELECT * FROM SECRETS",
            "SELECT * FROM/**/secrets--x",
            "SELECT * FROM ONLY secrets",
            "SELECT * FROM ONLY (secrets)",
            "SELECT 1 UNION ALL TABLE secrets",
            "SELECT * FROM U&\"s\\0065crets\"",
            "SELECT * FROM U&\"s!0065crets\" UESCAPE '!'",
            &format!("SELECT * FROM {long}"),
            "SELECT * FROM db.public.secrets",
            "WITH secrets AS (SELECT 1) SELECT * FROM secrets",
            "WITH secrets AS (SELECT 1) SELECT * FROM public.secrets",
            "WITH secrets AS (SELECT * FROM secrets) SELECT * FROM secrets",
            "WITH RECURSIVE secrets AS (SELECT * FROM secrets) SELECT * FROM secrets",
            "WITH a AS (SELECT * FROM secrets), secrets AS (SELECT 1) SELECT * FROM a",
            "WITH RECURSIVE a AS (SELECT * FROM secrets), secrets AS (SELECT 1) SELECT * FROM a",
            "SELECT * FROM (WITH secrets AS (SELECT 1) SELECT * FROM secrets) x, secrets",
            "WITH secrets AS (SELECT 1) DELETE FROM secrets",
            "WITH secrets AS (SELECT 1) INSERT INTO secrets SELECT * FROM secrets",
            "SELECT (SELECT x FROM secrets LIMIT 1)",
            "SELECT 1 ORDER BY (SELECT x FROM secrets)",
            "SELECT 1 LIMIT (SELECT x FROM secrets)",
            "SELECT 1 OFFSET pg_sleep(1)",
            "SELECT count(*) FILTER (WHERE f(x)) OVER (PARTITION BY g(x) ORDER BY (SELECT 1 FROM secrets))",
            "SELECT sum(x ORDER BY f(y)) FROM t GROUP BY g(z) HAVING h(1) WINDOW w AS (ORDER BY i(1))",
            "SELECT ARRAY(SELECT x FROM secrets), CASE WHEN EXISTS (TABLE a) THEN (SELECT 1 FROM b) END",
            "SELECT a[(SELECT 1 FROM secrets)], ROW((TABLE b)), COALESCE((TABLE c)), GREATEST((TABLE d))",
            "SELECT x IN (SELECT y FROM secrets), x = ANY (TABLE b), (SELECT (t).c FROM t)",
            "SELECT DISTINCT ON ((SELECT 1 FROM secrets)) 1",
            "SELECT * FROM t JOIN u ON (SELECT true FROM secrets)",
            "SELECT * FROM LATERAL (TABLE secrets) x, XMLTABLE('/a' PASSING (SELECT d FROM docs) COLUMNS b int)",
            "SELECT JSON_OBJECT('a': (SELECT 1 FROM secrets)), JSON_ARRAY(SELECT x FROM b), JSON_ARRAYAGG((TABLE c))",
            "SELECT JSON_OBJECTAGG('k': (TABLE secrets)), JSON_VALUE((TABLE b), '$.a')",
            "SELECT * FROM JSON_TABLE((SELECT d FROM docs), '$' COLUMNS (a int))",
            "SELECT XMLSERIALIZE(CONTENT (SELECT d FROM docs) AS text), XMLELEMENT(name x, (TABLE b))",
            "SELECT f(a => (TABLE secrets)), VARIADIC_f(VARIADIC ARRAY[(TABLE b)])",
            "SELECT 'secrets'::regclass, CAST('x' AS s.t)",
            "SELECT query_to_xml('select * from secrets', true, true, '') FROM ok",
            "SELECT pg_catalog.ts_stat('select v from secrets')",
            "SELECT ('select v from secrets'::text).ts_stat, ($1).pg_read_file, (a[1]).b[2].c, (t).*",
            "SELECT * FROM dblink('', 'select * from secrets') AS t(a int)",
            "CREATE TABLE x (a int DEFAULT (SELECT 1 FROM secrets))",
            "EXPLAIN SELECT * FROM secrets",
            "SELECT pg_catalog.set_config('role', 'admin', false)",
            "SELECT set_config('roles'::char(4), 'admin', false)",
            "SELECT set_config('ROLE'::text, 'admin', false), set_config('role', 'x', true)",
            "SELECT set_config('a', '', false), set_config('b', '', false)",
            "UPDATE pg_settings SET setting = 'x' WHERE name = 'role'",
            "SELECT 1 WHERE EXISTS (WITH d AS (DELETE FROM t RETURNING 1) TABLE d)",
            "SELECT current_user, CURRENT_DATE, x AT TIME ZONE 'UTC', EXTRACT(year FROM y)",
        ]),
    );
}

#[test]
fn search_path() {
    let under = |search_path| {
        let session = Session {
            search_path,
            ..Session::default()
        };
        facts("SELECT * FROM orders, pg_class, s.x", &session)
    };
    let mut out = under(SearchPath::Unknown);
    out += &under(SearchPath::of(["app"]));
    out += &under(SearchPath::of(["app", "public"]));
    out += &under(SearchPath::of(["public", "pg_catalog"]));
    out += &table(&[
        "SET search_path = evil; SELECT * FROM orders, pg_class",
        "SELECT set_config('search_path', 'evil', false); SELECT * FROM orders",
        "SELECT set_config('search_' || 'path', 'evil', false); TABLE orders",
        "SET SCHEMA 'evil'; TABLE orders",
        "SET \"Search_Path\" = evil; TABLE orders",
        "SET LOCAL search_path TO DEFAULT; TABLE orders",
        "DO 'x'; TABLE orders",
        "RESET search_path; TABLE orders",
        "RESET search_path",
        "SET search_path TO DEFAULT",
        "SET SESSION search_path = \"$user\", public",
        "SET search_path = public, evil",
        "SET LOCAL search_path = public",
        "RESET ALL",
        "DISCARD ALL",
        "DISCARD ALL; TABLE orders",
        "SET ROLE clerk; TABLE orders",
        "SET LOCAL SESSION AUTHORIZATION clerk",
        "RESET SESSION AUTHORIZATION",
        "SELECT set_config('Role', 'clerk', true); TABLE orders",
        "CREATE SCHEMA app CREATE TABLE t (a int); TABLE orders",
        "ALTER SCHEMA a RENAME TO app; TABLE orders",
        "DROP SCHEMA app; TABLE orders",
        "GRANT USAGE ON SCHEMA app TO r; TABLE orders",
        "GRANT r TO app; TABLE orders",
        "ALTER ROLE app RENAME TO r; TABLE orders",
        "CREATE EXTENSION e; TABLE orders",
        "SET standard_conforming_strings = off",
        "SET NAMES 'sjis'",
    ]);
    snapshot("search_path", &out);
}

#[test]
fn limits_are_numbers() {
    let check = |sql: &str, most: Most| {
        let analysis = analyse(sql.as_bytes(), &Session::default());
        assert_eq!(analysis.units[0].most, most, "{sql}");
    };
    check("SELECT 1", Most::Any);
    check("TABLE a LIMIT ALL", Most::Any);
    check("TABLE a LIMIT NULL", Most::Any);
    check("TABLE a LIMIT 0", Most::Rows(0));
    check("TABLE a LIMIT 10 OFFSET 5", Most::Rows(10));
    check("TABLE a LIMIT 9999999999", Most::Rows(9_999_999_999));
    check("TABLE a FETCH FIRST ROW ONLY", Most::Rows(1));
    check("TABLE a FETCH FIRST 7 ROWS ONLY", Most::Rows(7));
    check("(TABLE a LIMIT 3)", Most::Rows(3));
    check("TABLE a UNION ALL TABLE b LIMIT 4", Most::Rows(4));
    check("(TABLE a LIMIT 3) UNION ALL TABLE b", Most::Any);
    for unknown in [
        "TABLE a ORDER BY b FETCH FIRST 7 ROWS WITH TIES",
        "TABLE a LIMIT $1",
        "TABLE a LIMIT 1 + 1",
        "TABLE a LIMIT -1",
        "TABLE a LIMIT 1.5",
        "TABLE a LIMIT '10'",
        "TABLE a LIMIT NULL::int",
        "TABLE a LIMIT (SELECT 1)",
    ] {
        check(unknown, Most::Unknown);
    }
}
