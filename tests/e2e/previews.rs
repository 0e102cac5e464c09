//! How much a statement that waits would touch: what people are told, and that asking does nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::{DAEMON_USER, PolicyFile};
use gateway_tests::postgres::{Options, PASSWORD, Postgres};
use gateway_tests::programs::python;
use gateway_tests::sandbox::{Sandbox, give_to};
use gateway_tests::wait;
use gateway_tests::webhook::Webhook;
use serde_json::{Value, json};

use crate::stage::{client, gateway, psql_to};

/// A server of its own: here `app_md5` and `app_tls` may read and nothing else.
fn server() -> &'static Postgres {
    static SERVER: LazyLock<Postgres> = LazyLock::new(|| {
        let server = Postgres::start(&Options::default()).expect("a PostgreSQL starts");
        server.admin(STAGE).expect("the tables are made");
        server
    });
    &SERVER
}

const STAGE: &str = "
    REVOKE app FROM app_md5; REVOKE app FROM app_tls;
    CREATE TABLE things (id int PRIMARY KEY, note text);
    INSERT INTO things SELECT n, 'a' FROM generate_series(1, 1000) n;
    CREATE TABLE marks (id int); INSERT INTO marks VALUES (1), (1), (2), (5000);
    CREATE TABLE calls (at timestamptz);
    CREATE FUNCTION called() RETURNS int VOLATILE SECURITY DEFINER LANGUAGE sql AS
        'INSERT INTO public.calls VALUES (now()) RETURNING 1';
    CREATE FUNCTION pretends() RETURNS int IMMUTABLE SECURITY DEFINER LANGUAGE plpgsql AS
        'BEGIN PERFORM public.called(); RETURN 1; END';
    CREATE FUNCTION sneaky(things) RETURNS bool VOLATILE SECURITY DEFINER LANGUAGE sql AS
        'INSERT INTO public.calls VALUES (now()) RETURNING true';
    CREATE FUNCTION alike(int, text) RETURNS bool SECURITY DEFINER LANGUAGE sql AS
        'INSERT INTO public.calls VALUES (now()) RETURNING true';
    CREATE OPERATOR ~~~ (leftarg = int, rightarg = text, function = alike);
    CREATE VIEW seen AS SELECT * FROM things WHERE called() = 1;
    CREATE TABLE guarded (id int); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON guarded USING (id = called());
    CREATE TABLE locked (id int);
    GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO app_md5, app_tls;
    ANALYZE;
";

/// What people are told of statements that wait.
struct Stage {
    gateway: Gateway,
    hook: Webhook,
    /// Requests that were told of.
    known: Vec<Value>,
    // Held for the file in it.
    _sandbox: Sandbox,
}

impl Stage {
    /// With previews by this user, and more lines of `[resource]`.
    fn new(user: &str, preview: &str, more: &str) -> Stage {
        let sandbox = Sandbox::new("preview").unwrap();
        let password = sandbox.write("password", PASSWORD).unwrap();
        fs::set_permissions(&password, Permissions::from_mode(0o400)).unwrap();
        give_to(&password, DAEMON_USER).unwrap();
        let hook = Webhook::start(false).unwrap();
        let target = hook.target("ops", "generic", "/ok").unwrap();
        let table = format!(
            "{more}\npreview = {{ user = \"{user}\", password_file = {password:?}, accept_unverified = true, \
             {preview} }}"
        );
        let wait =
            "match = { kind = [\"write\", \"read\"] }\napprovers = [\"owners\"]\ntimeout = \"5m\"";
        let policy = PolicyFile::new()
            .shop(&format!("127.0.0.1:{}", server().port()), &table)
            .piece("[[approvers]]\nname = \"owners\"\nusers = [\"root\"]\nnotify = [\"ops\"]")
            .piece(&target)
            .rule("everything", "allow", "")
            .rule("wait", "approve", wait);
        Stage {
            gateway: gateway(&policy),
            hook,
            known: Vec::new(),
            _sandbox: sandbox,
        }
    }

    /// What people are told of a statement that waits.
    fn preview(&mut self, statement: &str) -> Value {
        self.preview_of(&["-c", statement])
    }

    fn preview_of(&mut self, arguments: &[&str]) -> Value {
        let conninfo = server().conninfo("127.0.0.1", "app");
        self.preview_by(&psql_to(&conninfo, arguments))
    }

    fn preview_by(&mut self, agent: &Command) -> Value {
        let mut agent = self.start(agent);
        let preview = self.told(|_| true);
        agent.wait().unwrap();
        preview
    }

    /// What people are told of several statements that wait at once.
    fn previews(&mut self, statements: &[&str]) -> Vec<Value> {
        let conninfo = server().conninfo("127.0.0.1", "app");
        let mut previews = Vec::new();
        // Fewer than are made at a time.
        for few in statements.chunks(4) {
            let agents = few.iter().map(|it| psql_to(&conninfo, &["-c", it]));
            let agents: Vec<_> = agents.map(|it| self.start(&it)).collect();
            for statement in few {
                previews.push(self.told(|text| text == *statement));
            }
            for mut agent in agents {
                agent.wait().unwrap();
            }
        }
        previews
    }

    fn start(&self, agent: &Command) -> Child {
        let mut run = self.gateway.run("agent", agent);
        run.stdout(Stdio::null()).stderr(Stdio::null());
        run.spawn().unwrap()
    }

    /// The preview of the next request about such a text. Then its session is ended.
    fn told(&mut self, is_it: impl Fn(&str) -> bool) -> Value {
        let body = wait::until("people are told", || {
            let bodies = self.hook.posted()?.into_iter().map(|it| it["body"].clone());
            let mut new = bodies.filter(|it| {
                it["event"] == "opened"
                    && !self.known.contains(&it["request"])
                    && it["action"]["text"].as_str().is_some_and(&is_it)
            });
            Ok(new.next())
        })
        .unwrap();
        self.known.push(body["request"].clone());
        let session = body["action"]["session"].as_str().unwrap();
        self.gateway.ask(["kill", session]).unwrap();
        body["preview"].clone()
    }
}

/// What is in the tables, and that nobody's code has run.
fn rows() -> String {
    let sql = "SELECT (SELECT count(*) FROM things), (SELECT count(*) FROM marks), (SELECT count(*) FROM calls)";
    server().admin(sql).unwrap().trim().to_owned()
}

const UNTOUCHED: &str = "1000|4|0";

#[track_caller]
fn check_note(preview: &Value, expected: &str) {
    let note = preview["note"].as_str().unwrap_or_default();
    assert!(note.contains(expected), "{preview}");
}

#[test]
fn estimates_and_counts_are_right() {
    let mut stage = Stage::new(
        "app",
        "count = true, timeout = \"5s\"",
        "upstream = { tls = \"disable\" }",
    );
    let cases = [
        ("DELETE FROM things", Some(1000), 1000),
        (
            "UPDATE things SET note = upper(note) WHERE id <= 7",
            None,
            7,
        ),
        ("DELETE FROM public.things t WHERE t.id = 1", Some(1), 1),
        // A row is deleted once, however often it is marked.
        (
            "DELETE FROM things USING marks WHERE things.id = marks.id",
            None,
            2,
        ),
        (
            "WITH few AS (SELECT 3 AS id) DELETE FROM things WHERE id IN (SELECT id FROM few)",
            None,
            1,
        ),
        (
            "DELETE FROM things WHERE note = 'x' OR id = 2 -- OR true",
            None,
            1,
        ),
    ];
    let statements = cases.map(|(statement, ..)| statement);
    let previews = stage.previews(&statements);
    for ((statement, estimate, counted), preview) in cases.into_iter().zip(previews) {
        assert_eq!(preview["counted_rows"], counted, "{statement}: {preview}");
        let planned = preview["estimate_rows"].as_u64().unwrap();
        assert!(
            estimate.is_none_or(|it| it == planned),
            "{statement}: {preview}"
        );
        assert!(preview.get("note").is_none(), "{statement}: {preview}");
    }
    // What cannot be counted is estimated all the same.
    let preview = stage.preview("INSERT INTO marks SELECT id FROM things");
    assert_eq!(preview["estimate_rows"], 1000, "{preview}");
    check_note(&preview, "not counted: only what");
    assert_eq!(stage.preview("SELECT * FROM things")["estimate_rows"], 1000);
    assert_eq!(rows(), UNTOUCHED);
    // Nothing of it was run but explained and counted, in transactions that may only read.
    let log = server().log();
    assert!(
        log.contains("[gateway preview] app@shop LOG:  execute <unnamed>: EXPLAIN"),
        "{log}"
    );
    let ran = log
        .lines()
        .filter(|line| line.contains("[gateway preview]"));
    let run = |it: &&str| {
        ["execute <unnamed>: DELETE", "execute <unnamed>: UPDATE"]
            .iter()
            .any(|word| it.contains(word))
    };
    assert_eq!(ran.filter(run).count(), 0);
}

fn verified() -> String {
    format!(
        "upstream = {{ tls = \"verify-full\", ca_file = {:?}, server_name = \"localhost\" }}",
        server().certificates().authority
    )
}

#[test]
fn who_may_only_read_can_be_asked() {
    for (user, more) in [
        ("app_md5", "upstream = { tls = \"disable\" }"),
        ("app_tls", &verified()),
    ] {
        let mut stage = Stage::new(user, "count = true", more);
        let preview = stage.preview("DELETE FROM things WHERE id > 990");
        assert_eq!(preview["counted_rows"], 10, "{user}: {preview}");
        assert_eq!(preview["estimate_rows"], 10, "{user}: {preview}");
        // What it has to write for stays unknown.
        let preview = stage.preview("INSERT INTO marks VALUES (1)");
        check_note(
            &preview,
            "not available: the server says: permission denied for table marks",
        );
    }
    assert_eq!(rows(), UNTOUCHED);
}

#[test]
fn passwords_go_as_they_are_to_servers_that_are_known_only() {
    for upstream in [
        "upstream = { tls = \"disable\" }",
        "upstream = { tls = \"require\" }",
    ] {
        let mut stage = Stage::new("app_clear", "count = false", upstream);
        let preview = stage.preview("DELETE FROM things");
        check_note(
            &preview,
            "not available: the server wants the password in plain text, and who it is is not \
             verified",
        );
    }
    let mut stage = Stage::new("app_clear", "count = false", &verified());
    let preview = stage.preview("DELETE FROM things");
    assert_eq!(preview, json!({"estimate_rows": 1000}));
}

#[test]
fn values_are_those_that_were_bound() {
    let mut stage = Stage::new("app", "count = true", "upstream = { tls = \"disable\" }");
    let conninfo = server().conninfo("127.0.0.1", "app");
    for (program, counted) in [
        ("c.execute('DELETE FROM things WHERE id <= %s', (12,))", 12),
        ("c.execute('DELETE FROM things WHERE id <= %b', (13,))", 13),
        (
            "c.execute('UPDATE things SET note = %s WHERE id = ANY(%s)', ('x', [1, 2, 3]))",
            3,
        ),
        (
            "c.execute('DELETE FROM things WHERE note = %t', (\"a' OR true --\",))",
            0,
        ),
    ] {
        let mut agent = client(python().unwrap());
        agent.args([
            "-c",
            &format!(
                "import sys, psycopg\nc = psycopg.connect(sys.argv[1], autocommit=True)\n{program}"
            ),
            &conninfo,
        ]);
        let preview = stage.preview_by(&agent);
        assert_eq!(preview["counted_rows"], counted, "{program}: {preview}");
    }
    assert_eq!(rows(), UNTOUCHED);
}

/// The attacker's test: nothing of a statement makes the server run code for it.
#[test]
fn nobodys_code_runs_for_a_preview() {
    let mut stage = Stage::new("app", "count = true", "upstream = { tls = \"disable\" }");
    let cases = [
        ("DELETE FROM things WHERE id = called()", "it calls called,"),
        (
            "DELETE FROM things WHERE id = pretends()",
            "it calls pretends,",
        ),
        ("SELECT pretends()", "it calls pretends,"),
        (
            "DELETE FROM things WHERE things.sneaky",
            "it may call sneaky,",
        ),
        ("DELETE FROM things t WHERE (t).sneaky", "it calls sneaky,"),
        (
            "DELETE FROM things WHERE id ~~~ 'x'",
            "the operator ~~~ may be",
        ),
        (
            "DELETE FROM things WHERE id OPERATOR(public.~~~) 'x'",
            "the operator ~~~ may be",
        ),
        ("SELECT * FROM seen", "public.seen is no plain table"),
        ("DELETE FROM guarded", "row-level security"),
        ("SELECT pg_sleep(1)", "it calls pg_sleep,"),
        ("SELECT nextval('x')", "it calls nextval,"),
        ("DELETE FROM things WHERE id = random()", "it calls random,"),
        (
            "DELETE FROM things; DELETE FROM marks",
            "it is not a single statement",
        ),
        ("DELETE FROM things WHERE note = '\\'", "a backslash in it"),
    ];
    let statements = cases.map(|(statement, _)| statement);
    let previews = stage.previews(&statements);
    for ((statement, expected), preview) in cases.iter().zip(&previews) {
        let note = preview["note"].as_str().unwrap_or_default();
        let fits = note.starts_with("not available: ") && note.contains(expected);
        assert!(fits, "{statement}: {preview}");
    }
    assert_eq!(rows(), UNTOUCHED);
}

#[test]
fn a_preview_takes_no_longer_than_it_may() {
    let mut stage = Stage::new(
        "app",
        "count = true, timeout = \"1s\"",
        "upstream = { tls = \"disable\" }",
    );
    let slow =
        "DELETE FROM things WHERE id = (SELECT count(*) FROM generate_series(1, 1000000000))";
    let preview = stage.preview(slow);
    check_note(&preview, "not counted: it took longer than 1s");
    assert!(preview["estimate_rows"].is_u64(), "{preview}");
    let conninfo = server().conninfo("127.0.0.1", "app");
    let hold = "BEGIN; LOCK TABLE locked; SELECT pg_sleep(20)";
    let mut holding = psql_to(&conninfo, &["-c", hold]).spawn().unwrap();
    wait::until("the table is locked", || {
        let locks = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'locked'::regclass";
        Ok((server().admin(locks)?.trim() == "1").then_some(()))
    })
    .unwrap();
    let preview = stage.preview("DELETE FROM locked");
    check_note(&preview, "not available: it took longer than 1s");
    holding.kill().unwrap();
    holding.wait().unwrap();
}

#[test]
fn schemas_are_the_sessions_or_nothing_is_said() {
    server()
        .admin(
            "CREATE SCHEMA east; CREATE TABLE east.things (id int); GRANT ALL ON SCHEMA east TO app;
             INSERT INTO east.things SELECT generate_series(1, 5); GRANT ALL ON east.things TO app",
        )
        .unwrap();
    let mut stage = Stage::new("app", "count = true", "upstream = { tls = \"disable\" }");
    let delete = "DELETE FROM things";
    let preview = stage.preview_of(&["-c", "SET search_path = east", "-c", delete]);
    assert_eq!(preview["counted_rows"], 5, "{preview}");
    let preview = stage.preview_of(&["-c", "SET search_path = east, public", "-c", delete]);
    check_note(&preview, "which schemas the session means is not known");
    let preview = stage.preview_of(&[
        "-c",
        "SET search_path = east, public",
        "-c",
        "DELETE FROM public.things",
    ]);
    assert_eq!(preview["counted_rows"], 1000, "{preview}");
    assert_eq!(rows(), UNTOUCHED);
}

/// Fails open as to the preview, and closed as to the request, which is the same without.
#[test]
fn a_preview_that_fails_holds_nothing_up() {
    let mut stage = Stage::new(
        "nobody_there",
        "count = true",
        "upstream = { tls = \"disable\" }",
    );
    let preview = stage.preview("DELETE FROM things");
    check_note(&preview, "not available: the server says: ");
    let status = stage.gateway.status().unwrap();
    assert_eq!(status["problems"], json!([]), "{status}");
}
