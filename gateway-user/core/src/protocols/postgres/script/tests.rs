//! What scripts say of statements that run others by name, and of what they change.

use super::*;

fn read(sql: &str) -> Arc<Script> {
    Script::read(sql.as_bytes(), &Session::default())
}

/// Verb and tables of each unit.
fn told(units: &[FactSet]) -> Vec<String> {
    let tables = |unit: &FactSet| match unit.fact(slot::TABLE) {
        Fact::Names(names) => names.iter().map(|name| name.name.to_string()).collect(),
        other => vec![format!("{other:?}")],
    };
    let verb = |unit: &FactSet| match unit.fact(slot::VERB) {
        Fact::Text(verb) => verb.to_string(),
        other => format!("{other:?}"),
    };
    units
        .iter()
        .map(|unit| format!("{} {}", verb(unit), tables(unit).join(",")))
        .collect()
}

#[test]
fn what_is_run_by_name() {
    let prepared = read("DELETE FROM a USING b");
    let mut asked = Vec::new();
    let script = read("EXPLAIN ANALYZE EXECUTE p(f())");
    let units = script.resolve(|run| {
        asked.push(run.clone());
        Some(Arc::clone(&prepared.units))
    });
    let all = ["explain a,b", "execute a,b", "delete a,b", "call "];
    assert_eq!(told(&units), all);
    assert_eq!(asked, vec![Effect::Execute { name: "p".into() }; 2]);
    let unresolved = ["explain Unknown", "execute Unknown", "call "];
    assert_eq!(told(&script.units), unresolved);
    let nothing = script.resolve(|_| None);
    assert_eq!(nothing, script.units);
    let plain = read("SELECT 1");
    assert!(Arc::ptr_eq(&plain.resolve(|_| None), &plain.units));
}

#[test]
fn names_of_the_text_itself() {
    let resolved = |sql| told(&read(sql).resolve(|_| Some(read("TABLE other").units.clone())));
    assert_eq!(
        resolved("PREPARE p AS TABLE a; EXECUTE p"),
        ["prepare a", "select a", "execute a", "select a"]
    );
    assert_eq!(
        resolved("EXECUTE p; PREPARE p AS TABLE a")[0],
        "execute other"
    );
    assert_eq!(resolved("DEALLOCATE p; EXECUTE p")[1], "execute Unknown");
    assert_eq!(resolved("DEALLOCATE ALL; EXECUTE p")[1], "execute Unknown");
    assert_eq!(resolved("DISCARD ALL; FETCH c")[1], "fetch Unknown");
    assert_eq!(
        resolved("DECLARE c CURSOR FOR TABLE a; FETCH c")[2],
        "fetch a"
    );
    assert_eq!(resolved("CLOSE ALL; FETCH c")[1], "fetch Unknown");
    assert_eq!(
        resolved("PREPARE p AS TABLE a; SET search_path = x; EXECUTE p")[3],
        "execute Unknown"
    );
}

#[test]
fn a_path_that_changed_makes_names_uncertain() {
    let schemas = |units: &[FactSet]| match units[0].fact(slot::TABLE) {
        Fact::Names(names) => names
            .iter()
            .map(|name| name.schema.clone())
            .collect::<Vec<_>>(),
        _ => vec![],
    };
    let under = |path: SearchPath| {
        let session = Session {
            search_path: path.clone(),
            ..Session::default()
        };
        let script = Script::read(b"SELECT FROM a, s.b, pg_class, public.c", &session);
        assert_eq!(script.search_path, path);
        schemas(&with_path_changed(&script.units, &path))
    };
    let within = |schema: &str| Schema::In(schema.into());
    let (any, s, public) = (Schema::Any, within("s"), within("public"));
    let check = |path: &[&str], expected: [&Schema; 4]| {
        let told = under(SearchPath::of(path.iter().copied()));
        assert_eq!(told.iter().collect::<Vec<_>>(), expected, "{path:?}");
    };
    check(&["public"], [&any, &s, &any, &any]);
    check(&["app"], [&any, &s, &any, &public]);
    check(&["s", "app"], [&any, &any, &any, &public]);
    assert_eq!(under(SearchPath::Unknown), [any.clone(), s, any, public]);
}

#[test]
fn what_running_again_changes() {
    let changes = |sql| unsettled(&read(sql).units);
    assert_eq!(changes("SELECT 1"), Unsettled::default());
    assert!(changes("SELECT set_config('search_path', 'x', false)").search_path);
    let reading = |sql| changes(sql).reading;
    assert_eq!(reading("SET client_encoding = 'sjis'"), Reading::Changes);
    assert_eq!(
        reading("SELECT set_config(a, b, false) FROM c"),
        Reading::Changes
    );
    assert_eq!(reading("RESET ALL"), Reading::Returns);
    assert!(changes("SELEC").search_path);
}

#[test]
fn function_calls() {
    let known = function_call(952);
    let Fact::Names(names) = known[0].fact(slot::FUNCTION) else {
        panic!("{known:?}")
    };
    assert_eq!(&*names[0].name, "lo_open");
    assert_eq!(
        *function_call(1).first().unwrap().fact(slot::TABLE),
        Fact::Unknown
    );
}

#[test]
fn units_of_unread_texts_know_nothing() {
    let script = read("SELEC");
    assert_eq!(*script.units, [unknown(false)]);
    assert_eq!(*script.units[0].fact(slot::USER), Fact::Absent);
    assert_eq!(*script.units[0].fact(slot::VERB), Fact::Unknown);
    assert_eq!(*script.units[0].fact(slot::PARSED), Fact::Flag(false));
}

#[test]
fn what_is_run_often_does_not_multiply_without_end() {
    let prepare = format!(
        "PREPARE a AS WITH {} SELECT 1;",
        (0..250)
            .map(|n| format!("w{n} AS (DELETE FROM t RETURNING 1)"))
            .collect::<Vec<_>>()
            .join(",")
    );
    let runs = |count| read(&format!("{prepare}{}", "EXECUTE a;".repeat(count))).resolve(|_| None);
    assert_eq!(runs(2).len(), 252 + 2 * (1 + 251));
    assert_eq!(*runs(500), [unknown(false)]);
}
