//! What conditions say of statements, what is wrong with them, and that they cannot be made to hurt.

use super::*;

fn with(action: &str, when: &str) -> String {
    format!("[[rule]]\nname = \"r\"\naction = \"{action}\"\nwhen = '''{when}'''\n")
}

/// Whether a rule with this condition holds: an allow rule, and a deny rule.
fn holds(when: &str, stage: &Stage) -> (bool, bool) {
    let allow = engine(&with("allow", when));
    let all = "[[rule]]\nname = \"all\"\naction = \"allow\"\n";
    let deny = engine(&format!("{all}{}", with("deny", when)));
    let passes = |engine: &Engine| {
        let decision = decide(engine, "planner", "orders-db", stage.clone());
        matches!(decision.verdict, Verdict::Allow(_))
    };
    (passes(&allow), !passes(&deny))
}

const YES: (bool, bool) = (true, true);
const NO: (bool, bool) = (false, false);
/// An allow rule does not hold, a deny rule does.
const UNKNOWN: (bool, bool) = (false, true);

#[track_caller]
fn check(when: &str, sql: &str, expected: (bool, bool)) {
    let units = Script::read(sql.as_bytes(), &Session::default()).resolve(|_| None);
    assert_eq!(
        holds(when, &Stage::Action(units)),
        expected,
        "{when}: {sql}"
    );
}

#[test]
fn conditions_look_at_facts() {
    check("sql.verb == 'select'", "SELECT 1", YES);
    check("sql.verb == 'select'", "BEGIN", NO);
    check("sql.verb != 'select'", "BEGIN", YES);
    check(
        "sql.user == 'agent' && sql.database == 'shop'",
        "BEGIN",
        YES,
    );
    check("sql.user == 'agent' && sql.database == 'x'", "BEGIN", NO);
    check("sql.verb == 'x' || sql.statements >= 2", "BEGIN; END", YES);
    check("sql.statements > 1", "BEGIN", NO);
    check("sql.statements <= 1 && 1 == sql.statements", "BEGIN", YES);
    check("-1 < sql.statements && sql.statements < 2", "BEGIN", YES);
    check("sql.verb in ['begin', 'commit']", "COMMIT", YES);
    check("sql.verb in ['begin', 'commit']", "SELECT 1", NO);
    check("sql.verb in []", "SELECT 1", NO);
    check("sql.statements in [1, 2]", "BEGIN", YES);
    check("sql.setting.startsWith('work_')", "SET work_mem = 1", YES);
    check("sql.setting.endsWith('mem')", "SET work_mem = 1", YES);
    check("sql.setting.contains('k_m')", "SET work_mem = 1", YES);
    check("sql.setting.matches('^w.*m$')", "SET work_mem = 1", YES);
    check("sql.setting.matches('or')", "SET work_mem = 1", YES);
    check("sql.setting.size() == 8", "SET work_mem = 1", YES);
    check("size(sql.table) == 2", "SELECT FROM a, b", YES);
    check("sql.where", "DELETE FROM a WHERE b", YES);
    check("!sql.where", "DELETE FROM a WHERE b", NO);
    check("sql.where == sql.parsed", "DELETE FROM a WHERE b", YES);
    check(
        "sql.where ? sql.verb == 'delete' : false",
        "DELETE FROM a WHERE b",
        YES,
    );
    check("subject.workload == 'planner'", "BEGIN", YES);
    check("'agents' in subject.groups", "BEGIN", YES);
    check("subject.groups.exists(g, g == 'admins')", "BEGIN", NO);
}

#[test]
fn conditions_look_at_the_process() {
    check("subject.uid == 1 && subject.gid == 1", "BEGIN", YES);
    check("subject.uid in [0, 2]", "BEGIN", NO);
    check("subject.cgroup.startsWith('/agents')", "BEGIN", YES);
    check("flow.destination == '10.0.0.9:5432'", "BEGIN", YES);
    check("flow.destination.endsWith(':5433')", "BEGIN", NO);
    // Its executable could not be read.
    check("subject.exe == '/usr/bin/psql'", "BEGIN", UNKNOWN);
    check("subject.exe != '/usr/bin/psql'", "BEGIN", UNKNOWN);
    check("subject.exe == 'x' || subject.uid == 1", "BEGIN", YES);
    // It is known from the start.
    let at_start = |when: &str| holds(when, &Stage::Connect);
    assert_eq!(at_start("subject.uid == 1"), YES);
    assert_eq!(at_start("subject.exe == 'x'"), UNKNOWN);
}

#[test]
fn of_whom_nothing_is_known_conditions_on_the_process_are_unknown() {
    let allowed = |rules: &str| {
        let engine = engine(rules);
        let subject = subject("planner");
        let actor = Actor::new(&subject.workload, &subject.groups);
        let facts = Facts {
            stage: Stage::Connect,
            connection: connection(),
        };
        let resource = ResourceName::new("orders-db");
        assert!(engine.looks_at_process(&resource));
        let decision = engine.decide_for(&actor, &resource, &facts, NOW);
        matches!(decision.verdict, Verdict::Allow(_))
    };
    assert!(!allowed(&with("allow", "subject.uid == 1")));
    let all = "[[rule]]\nname = \"all\"\naction = \"allow\"\n";
    let deny = with("deny", "subject.uid == 0");
    assert!(!allowed(&format!("{all}{deny}")));
    let plain = engine(&with("allow", "subject.workload == 'x'"));
    assert!(!plain.looks_at_process(&ResourceName::new("orders-db")));
}

#[test]
fn conditions_go_over_lists() {
    let public = "sql.table.all(t, t.startsWith('public.'))";
    check(public, "SELECT FROM a, b", YES);
    check(public, "SELECT FROM a, s.b", NO);
    // As in CEL, and unlike in patterns: nothing is all there is.
    check(public, "SELECT 1", YES);
    check("sql.table.exists(t, t == 's.b')", "SELECT FROM a, s.b", YES);
    check(
        "sql.table.exists(t, t in ['s.b', 's.c'])",
        "SELECT FROM a",
        NO,
    );
    check(
        "'s.b' in sql.read && !('s.b' in sql.write)",
        "INSERT INTO a TABLE s.b",
        YES,
    );
    check(
        "sql.table.exists(t, t.matches('^public\\\\.') && sql.where)",
        "SELECT FROM a WHERE b",
        YES,
    );
    check(
        "sql.table.all(t, t == 'public.a') || sql.table.all(t, t == 'public.b')",
        "TABLE b",
        YES,
    );
}

#[test]
fn what_is_not_known_counts_against_the_one_who_asks() {
    // Neither known nor there.
    check("sql.table.all(t, t == 'public.a')", "LOAD 'x'", UNKNOWN);
    check("size(sql.table) == 0", "LOAD 'x'", UNKNOWN);
    check("'public.a' in sql.table", "LOAD 'x'", UNKNOWN);
    check("sql.where", "INSERT INTO a VALUES (1)", UNKNOWN);
    check("!sql.where", "INSERT INTO a VALUES (1)", UNKNOWN);
    check("sql.setting == sql.setting", "BEGIN", UNKNOWN);
    check("sql.application_name == 'x'", "BEGIN", UNKNOWN);
    check("sql.where ? true : true", "BEGIN", YES);
    check("sql.where ? true : false", "BEGIN", UNKNOWN);
    check("sql.where == sql.where", "BEGIN", UNKNOWN);
    check("has(sql.where)", "INSERT INTO a VALUES (1)", NO);
    check(
        "has(sql.where) && sql.where",
        "INSERT INTO a VALUES (1)",
        NO,
    );
    check(
        "sql.where && has(sql.where)",
        "INSERT INTO a VALUES (1)",
        NO,
    );
    check(
        "!has(sql.where) || sql.where",
        "INSERT INTO a VALUES (1)",
        YES,
    );
    check("has(sql.table)", "LOAD 'x'", UNKNOWN);
    check("has(sql.table)", "SELECT 1", NO);
    check(
        "has(sql.user) && !has(sql.application_name)",
        "SELECT 1",
        YES,
    );
    // One side is enough.
    check(
        "sql.verb == 'load' || 'public.a' in sql.table",
        "LOAD 'x'",
        YES,
    );
    check(
        "sql.verb == 'select' && 'public.a' in sql.table",
        "LOAD 'x'",
        NO,
    );
    // The text of what could not be read is unknown as a whole, but for its being so.
    let unread = Stage::Action([unknown(false)].into());
    assert_eq!(holds("sql.verb == 'select'", &unread), UNKNOWN);
    assert_eq!(
        holds("!sql.parsed", &unread),
        UNKNOWN,
        "a pattern has to say so"
    );
}

#[test]
fn a_name_without_a_schema_is_in_each_that_it_may_be_in() {
    let check = |path: SearchPath, when: &str, expected| {
        let session = Session {
            search_path: path,
            ..Session::default()
        };
        let units = Script::read(b"SELECT FROM orders, s.x", &session).resolve(|_| None);
        assert_eq!(holds(when, &Stage::Action(units)), expected, "{when}");
    };
    let two = || SearchPath::of(["app", "public"]);
    check(two(), "sql.table.exists(t, t == 'app.orders')", UNKNOWN);
    check(two(), "sql.table.exists(t, t == 'hr.orders')", NO);
    check(two(), "sql.table.exists(t, t.endsWith('.orders'))", YES);
    check(
        two(),
        "sql.table.all(t, t.startsWith('app.') || t.startsWith('public.') || t == 's.x')",
        YES,
    );
    check(two(), "'public.orders' in sql.table", UNKNOWN);
    check(
        SearchPath::Unknown,
        "sql.table.exists(t, t == 'hr.orders')",
        UNKNOWN,
    );
    check(SearchPath::Unknown, "sql.table.exists(t, t == 's.x')", YES);
    check(SearchPath::Unknown, "size(sql.table) == 2", YES);
}

#[test]
fn at_the_start_of_a_session_what_is_done_is_still_to_come() {
    let check = |when: &str, expected| {
        assert_eq!(holds(when, &Stage::Connect), expected, "{when}");
    };
    let may_begin = (true, false);
    check("sql.verb == 'select'", may_begin);
    check("sql.verb == 'select' && sql.user == 'agent'", may_begin);
    check("sql.verb == 'select' && sql.user == 'root'", NO);
    check("sql.verb == 'select' || sql.user == 'agent'", YES);
    check("sql.user == 'agent'", YES);
    check("sql.application_name == 'x'", UNKNOWN);
}

/// A statement of so many tables.
fn tables(count: usize) -> Stage {
    let name = |n: usize| crate::facts::Name {
        schema: crate::facts::Schema::In("public".into()),
        name: format!("t{n}").into(),
    };
    let mut unit = unknown(true);
    let names = (0..count).map(name).collect();
    unit.set(attributes::TABLE, Fact::Names(names));
    Stage::Action([unit].into())
}

#[test]
fn long_lists_are_not_looked_into() {
    let when = "sql.table.all(t, t.startsWith('public.'))";
    assert_eq!(holds(when, &tables(1000)), YES);
    assert_eq!(holds(when, &tables(1001)), UNKNOWN);
}

#[test]
fn what_is_left_when_the_steps_are_used_up_is_not_known() {
    let each_in_each = |times: usize| {
        let parts = vec!["t in sql.table"; times].join(" && ");
        format!("sql.table.all(t, {parts})")
    };
    assert_eq!(holds(&each_in_each(1), &tables(500)), YES);
    assert_eq!(holds(&each_in_each(100), &tables(500)), UNKNOWN);
    // What does not hang on it is still known.
    let no = format!("sql.user == 'nobody' && {}", each_in_each(100));
    assert_eq!(holds(&no, &tables(500)), NO);
    let large = [r"t.matches('^public[.]t\\w{1,9}$')"; 9].join(" && ");
    let large = format!("sql.table.all(t, {large})");
    assert_eq!(holds(&large, &tables(2)), YES);
    assert_eq!(holds(&large, &tables(1000)), UNKNOWN);
}

#[test]
fn conditions_that_are_wrong_do_not_load() {
    let wrong = |when: &str| {
        let source = format!("[[rule]]\nname = \"r\"\naction = \"allow\"\nwhen = \"{when}\"\n");
        let found = load(&source).err().unwrap();
        let tell = |it: &Diagnostic| {
            let help = it.help.as_deref();
            let help = help.map(|help| format!(" ({help})")).unwrap_or_default();
            let at = &source[it.span.clone()];
            format!("{at}: {}{help}", it.message)
        };
        found.iter().map(tell).collect::<Vec<_>>().join("\n")
    };
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!([
            wrong("sql.tabel == 'x'"),
            wrong("verb == 'x'"),
            wrong("sql.verb"),
            wrong("sql.verb == 1"),
            wrong("sql.verb && true"),
            wrong("sql.statements + 1 == 2"),
            wrong("sql.table == ['a']"),
            wrong("sql.table.startsWith('a')"),
            wrong("sql.verb.beginsWith('a')"),
            wrong("sql.verb.startsWith(1)"),
            wrong("now() > 1"),
            wrong("sql.verb in 'select'"),
            wrong("sql.verb in ['a', 1]"),
            wrong("sql.table.all(t, sql.read.all(r, r == t))"),
            wrong("sql.table.map(t, t) == []"),
            wrong("sql.table.exists_one(t, t == 'a')"),
            wrong("sql.verb.all(t, true)"),
            wrong("sql.verb.matches('(')"),
            wrong("sql.verb.matches(sql.kind)"),
            wrong("sql.verb == 1.5"),
            wrong("sql.verb == null"),
            wrong("{'a': 1} == {'a': 1}"),
            wrong("sql.verb == "),
            wrong("sql.verb = 'select'"),
            wrong("sql.table[0] == 'a'"),
            wrong("subject.name == 'a'"),
            wrong(""),
        ].join("\n"));
    });
}

#[test]
fn a_condition_is_for_resources_that_have_its_facts() {
    let rules = with("allow", "net.port == 1");
    let found = load(&rules).err().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0]
            .message
            .contains("`net.port` is no fact of postgres")
    );
}

#[test]
fn conditions_cannot_be_made_to_hurt() {
    let fails = |when: String| load(&with("allow", &when)).is_err();
    let many = |part: &str, count: usize| part.repeat(count);
    for count in [48, 100, 250, 500, 10_000, 100_000] {
        assert!(fails(many("1+", count) + "1"));
        assert!(fails(many("(", count)));
        if count > 48 {
            assert!(fails(many("(", count) + "true" + &many(")", count)));
        }
        assert!(fails(many("(')' == ", count)));
        assert!(fails(many("[", count)));
        assert!(fails(many("sql.table.all(t,", count)));
        assert!(fails(many("- ", count) + "1"));
        assert!(fails(many("a ", count)));
        assert!(fails(many("a.", count) + "a"));
        assert!(fails(many("true ? ", count)));
        assert!(fails(many("\\", count)));
    }
    for condition in [
        many("!", 500),
        many("true || ", 250),
        many("true && ", 250),
        many("true ? true : ", 48),
    ] {
        let engine = load(&with("allow", &format!("{condition}true"))).unwrap().0;
        super::check(&engine, "SELECT 1", "allow r");
    }
}

#[test]
fn explanations_tell_of_conditions() {
    let rules = [
        with("allow", "has(sql.where) && sql.where"),
        with("deny", "size(sql.table) > 1").replace("\"r\"", "\"few\""),
    ];
    let engine = engine(&rules.concat());
    let told = |sql: &str| {
        let units = Script::read(sql.as_bytes(), &Session::default()).resolve(|_| None);
        let (subject, resource) = (subject("planner"), ResourceName::new("orders-db"));
        let facts = Facts {
            stage: Stage::Action(units),
            connection: connection(),
        };
        let actor = Actor::new(&subject.workload, &subject.groups);
        let explained = engine.explain(&actor, &resource, &facts, NOW);
        let rules = &explained.unwrap().units[0].rules;
        let told = rules.iter().map(|rule| match &rule.not_because {
            Some(why) => why.to_string(),
            None => "holds".to_owned(),
        });
        told.collect::<Vec<_>>().join("; ")
    };
    let few = "it is not true that size(sql.table) > 1";
    let not = "it is not true that has(sql.where) && sql.where";
    assert_eq!(told("SELECT FROM a WHERE b"), format!("{few}; holds"));
    assert_eq!(told("SELECT FROM a, b"), format!("holds; {not}"));
    assert_eq!(told("DO 'x'"), format!("holds; {not}"));
    let unknown = with("allow", "sql.where");
    let engine = super::engine(&unknown);
    let check = decide(&engine, "planner", "orders-db", Stage::Connect);
    assert!(matches!(check.verdict, Verdict::Allow(_)));
}

#[test]
fn a_condition_keeps_a_deny_rule_from_being_for_all() {
    let rules = format!(
        "[[rule]]\nname = \"a\"\naction = \"allow\"\n{}",
        with("deny", "sql.user == 'root'")
    );
    let (engine, warnings) = load(&rules).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    super::check(&engine, "SELECT 1", "allow a");
    let planner = subject("planner");
    let to = flow(Some("orders-db"));
    let barred = engine.bars(
        &planner.workload,
        &planner.groups,
        to.destination,
        to.resource.as_ref(),
        NOW,
    );
    assert!(barred.is_none());
}
