//! An agent that is allowed to read, and nothing else, tries to change something, to look at what is no
//! table, or to get out, by statements that look as if they read.

use std::process::Command;

use gateway_tests::gateway::Gateway;
use gateway_tests::postgres::{Options, Postgres};

use crate::stage::{agent, agent_fails, client, gateway, looks_direct, psql_to};
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::programs::python;

/// The database has code that changes `deeds`, and the agent is a superuser of it: only the gateway is in
/// the way.
const DATABASE: &str = "
    ALTER ROLE app SUPERUSER;
    CREATE TABLE deeds (id int, what text);
    INSERT INTO deeds VALUES (1, 'kept'), (2, 'kept');
    CREATE SEQUENCE numbers;
    CREATE FUNCTION delete_all() RETURNS bigint LANGUAGE sql AS
        'WITH gone AS (DELETE FROM deeds RETURNING 1) SELECT count(*) FROM gone';
    CREATE FUNCTION delete_some(int) RETURNS bigint LANGUAGE sql AS 'SELECT delete_all()';
    CREATE FUNCTION pretends(int) RETURNS bigint IMMUTABLE LANGUAGE sql AS 'SELECT delete_all()';
    CREATE FUNCTION total() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT count(*) FROM deeds';
    CREATE PROCEDURE clear() LANGUAGE sql AS 'DELETE FROM deeds';
    CREATE AGGREGATE sweep(int) (sfunc = int4pl, stype = int, finalfunc = delete_some);
    CREATE EXTENSION dblink;
    SELECT lo_from_bytea(4711, 'kept');
";

struct Stage {
    server: Postgres,
    gateway: Gateway,
}

impl Stage {
    fn new(rules: &[(&str, &str)]) -> Stage {
        let server = Postgres::start(&Options::default()).unwrap();
        server.admin(DATABASE).unwrap();
        let mut policy = PolicyFile::new().shop(
            &format!("127.0.0.1:{}", server.port()),
            "upstream = { tls = \"disable\" }",
        );
        for (name, matching) in rules {
            policy = policy.rule(name, "allow", matching);
        }
        Stage {
            gateway: gateway(&policy),
            server,
        }
    }

    fn conninfo(&self) -> String {
        self.server.conninfo("127.0.0.1", "app")
    }

    fn psql(&self, statement: &str) -> Command {
        psql_to(
            &self.conninfo(),
            &["-qAt", "-v", "VERBOSITY=verbose", "-c", statement],
        )
    }

    /// What the agent could have changed.
    fn state(&self) -> String {
        self.server
            .admin(
                "SELECT string_agg(what, ',') FROM deeds;
                 SELECT is_called FROM numbers;
                 SELECT convert_from(lo_get(4711), 'utf8');
                 SELECT count(*) FROM pg_largeobject_metadata;
                 SELECT count(*) FROM pg_class WHERE relname ~ 'mine';",
            )
            .unwrap()
    }
}

const READS: &str = "match = { kind = [\"read\", \"transaction\", \"session\"] }";

/// Statements that a rule for reads does not let pass.
const ATTEMPTS: &[&str] = &[
    "SELECT delete_all()",
    "SELECT public.delete_all()",
    "SELECT * FROM delete_all()",
    "SELECT * FROM ROWS FROM (lower('x'), delete_all()) r",
    "SELECT id FROM deeds WHERE delete_all() > 0",
    "SELECT (1).delete_some",
    "SELECT (id).delete_some FROM deeds",
    "SELECT (SELECT 1).delete_some",
    "SELECT ((1)).delete_some",
    "SELECT sweep(id) FROM deeds",
    "SELECT sum(delete_some(id)) OVER (ORDER BY delete_all()) FROM deeds",
    "SELECT CASE WHEN delete_all() > 0 THEN 1 END",
    "SELECT ARRAY(SELECT delete_all())",
    "SELECT 1 ORDER BY delete_all()",
    "SELECT 1 LIMIT delete_all()",
    "SELECT 1 GROUP BY delete_all()",
    "VALUES (delete_all())",
    "WITH x AS MATERIALIZED (SELECT delete_all()) SELECT * FROM x",
    "SELECT * FROM deeds TABLESAMPLE system (delete_all())",
    "SELECT U&\"d\\0065lete_all\"()",
    "SELECT \"delete_all\"()",
    "SELECT shop.public.delete_all()",
    "SELECT xmlforest(delete_all() AS x)",
    "EXPLAIN ANALYZE SELECT delete_all()",
    "EXPLAIN SELECT pretends(1)",
    "EXPLAIN (ANALYZE 1, COSTS off) SELECT pretends(1)",
    "PREPARE p AS SELECT delete_all(); EXECUTE p",
    "BEGIN; DECLARE c CURSOR FOR SELECT delete_all(); FETCH c; COMMIT",
    "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT delete_all(); COMMIT",
    "COPY (SELECT delete_all()) TO STDOUT",
    "COPY deeds TO '/tmp/gateway_mine'",
    "COPY deeds TO PROGRAM 'cat > /tmp/gateway_mine'",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "EXECUTE nothing(delete_all())",
    "SET work_mem = 1; SELECT delete_all()",
    "SELECT nextval('numbers')",
    "SELECT setval('numbers', 7)",
    "SELECT lo_unlink(4711)",
    "SELECT lo_put(4711, 0, 'gone')",
    "SELECT lo_from_bytea(0, 'mine')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(4711, '/tmp/gateway_mine')",
    "SELECT lowrite(lo_open(4711, 131072), 'gone')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_catalog.pg_read_binary_file('/etc/passwd')",
    "SELECT * FROM pg_ls_dir('/')",
    "SELECT (pg_stat_file('/etc/passwd')).size",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE false",
    "SELECT pg_reload_conf()",
    "SELECT dblink('host=127.0.0.1', 'DELETE FROM deeds')",
    "SELECT * FROM dblink_exec('host=127.0.0.1', 'DELETE FROM deeds')",
    "SELECT query_to_xml('SELECT delete_all()', true, true, '')",
    "SELECT query_to_xml('SELECT pretends(1)', true, true, '')",
    "SELECT ts_stat('SELECT to_tsvector(delete_all()::text)')",
    "SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, delete_all()::text::tsquery')",
    "SELECT query_to_xml('SELECT ' || 'delete_all()', true, true, '')",
    "SELECT query_to_xml_and_xmlschema('SELECT delete_all()', true, true, '')",
    "SELECT g.delete_some FROM generate_series(1, 1) g",
    "SELECT generate_series.delete_some FROM generate_series(1, 1)",
    "SELECT 1 FROM lower('x') f, generate_series(1, 1) g ORDER BY g.delete_some",
    "SELECT (SELECT g.delete_some) FROM generate_series(1, 1) g",
    "SELECT f.ts_stat FROM lower('SELECT to_tsvector(DELETE_ALL()::text)') f",
    "SELECT ('SELECT to_tsvector(delete_all()::text)'::text).ts_stat",
    "SELECT query_to_xml($$SELECT query_to_xml('SELECT delete_all()', true, true, '')$$, true, true, '')",
    "SELECT query_to_xml(E'SELECT delete\\x5fall()', true, true, '')",
    "SELECT query_to_xml(U&'SELECT delete\\005fall()', true, true, '')",
    "SELECT query_to_xml(query => 'SELECT delete_all()', nulls => true, tableforest => true, targetns => '')",
    "SELECT query_to_xml(what, true, true, '') FROM deeds",
    "SELECT 1 FROM deeds FOR UPDATE",
    "SELECT * INTO mine FROM deeds",
    "CREATE TABLE mine AS SELECT 1",
    "CREATE TEMP TABLE mine (a int)",
    "CALL clear()",
    "DO $$ BEGIN DELETE FROM deeds; END $$",
    "DO $$ BEGIN PERFORM 1; END $$",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "EXPLAIN ANALYZE DELETE FROM deeds",
    "EXPLAIN ANALYZE CREATE TABLE mine AS SELECT 1",
    "WITH gone AS (DELETE FROM deeds RETURNING 1) SELECT * FROM gone",
    "LOCK TABLE deeds; DELETE FROM deeds",
    "COMMENT ON TABLE deeds IS 'mine'",
    "LOAD 'auto_explain'",
    "VACUUM deeds",
    "TRUNCATE deeds",
    "UPDATE pg_settings SET setting = 1 WHERE name = 'work_mem'",
];

#[test]
fn who_may_read_changes_nothing() {
    let stage = Stage::new(&[("read", READS)]);
    let before = stage.state();
    let mut passed = Vec::new();
    for statement in ATTEMPTS {
        let ran = stage.gateway.agent(&stage.psql(statement)).unwrap();
        let said = gateway_tests::programs::said(&ran);
        if !said.contains("gateway:") || stage.state() != before {
            passed.push(format!("{statement}: {said}"));
        }
    }
    assert_eq!(passed, Vec::<String>::new());
}

#[test]
fn who_may_read_changes_nothing_by_the_extended_protocol() {
    let stage = Stage::new(&[("read", READS)]);
    let before = stage.state();
    let mut program: Command = client(python().unwrap());
    program.args(["-c", EXTENDED, &stage.conninfo()]);
    let single = ATTEMPTS.iter().filter(|text| !text.contains("; "));
    let count = single.clone().count();
    program.args(single);
    let said = agent(&stage.gateway, &program);
    let passed: Vec<_> = said
        .lines()
        .filter(|line| !line.contains("gateway:"))
        .collect();
    assert_eq!(passed, Vec::<&str>::new());
    assert_eq!(said.lines().count(), count);
    assert_eq!(stage.state(), before);
}

const EXTENDED: &str = r#"
import sys, psycopg
connection = psycopg.connect(sys.argv[1], autocommit=True)
for statement in sys.argv[2:]:
    try:
        connection.execute(statement, prepare=True, binary=True)
        print("passed", statement)
    except psycopg.Error as error:
        print(statement, str(error).splitlines()[0])
"#;

#[test]
fn calls_are_allowed_by_name() {
    let call = "match = { verb = \"call\", function = \"public.total\" }";
    let numbers = "match = { verb = \"call\", kind = \"write\", function = \"nextval\" }";
    let stage = Stage::new(&[("read", READS), ("totals", call), ("numbers", numbers)]);
    for (statement, expected) in [
        ("SELECT public.total()", "2"),
        ("SELECT public.total() + count(*) FROM deeds", "4"),
        ("SELECT nextval('numbers')", "1"),
        ("SELECT upper(what) FROM deeds LIMIT 1", "KEPT"),
        (
            "SELECT count(*), string_agg(what, ',') FROM deeds",
            "2|kept,kept",
        ),
        ("SELECT (json_each('{\"a\": 1}')).key", "a"),
        (
            "SELECT pg_catalog.set_config('work_mem', '1MB', false)",
            "1MB",
        ),
        (
            "SELECT extract(year FROM date '2026-01-01'), uuid('00000000-0000-0000-0000-000000000000')",
            "2026|00000000-0000-0000-0000-000000000000",
        ),
    ] {
        assert_eq!(
            agent(&stage.gateway, &stage.psql(statement)).trim(),
            expected
        );
    }
    let said = agent_fails(
        &stage.gateway,
        &stage.psql("SELECT public.total(), delete_all()"),
    );
    assert!(said.contains("42501"), "{said}");
    assert!(said.contains("delete_all"), "{said}");
}

/// What `psql`'s own commands ask is read. A server may be newer than `psql` and not know what it asks: then it
/// complains in the same way, not the gateway.
#[test]
fn looking_at_the_catalog_goes_on() {
    let stage = Stage::new(&[("read", READS)]);
    for command in [
        "\\d",
        "\\d deeds",
        "\\df",
        "\\df+ total",
        "\\l",
        "\\du",
        "\\dn+",
        "\\dt+",
        "\\dT",
        "\\sf total",
        "\\dx",
        "\\dp",
        "\\ds",
        "\\dv pg_stat_activity",
        "\\d+ pg_stat_activity",
        "\\drds",
        "\\dRp",
        "\\des",
        "\\dF",
        "\\dC",
        "\\do",
        "\\dy",
        "\\dO",
        "\\db+",
        "\\ddp",
        "\\dA",
        "\\dAc",
        "\\dP",
        "\\dconfig",
    ] {
        let said = looks_direct(&stage.gateway, &stage.psql(command));
        assert!(!said.contains("gateway:"), "{command}: {said}");
    }
}
