//! Bodies and what is in them.

use super::Piece::{Expression, Fetch, Run, Statement};
use super::{Piece, read};

fn check(text: &str, expected: &[Piece]) {
    assert_eq!(read(text).as_deref(), Some(expected), "{text}");
}

fn statement(text: &str) -> Piece {
    Statement(text.to_owned())
}

fn expression(text: &str) -> Piece {
    Expression(text.to_owned())
}

fn run(text: &str) -> Piece {
    Run(text.to_owned())
}

#[test]
fn statements_are_found() {
    check("BEGIN END", &[]);
    check("begin null; end;", &[]);
    check("BEGIN DELETE FROM t; END", &[statement("DELETE FROM t")]);
    check(
        "BEGIN PERFORM f(a) FROM t; END",
        &[statement("SELECT f(a) FROM t")],
    );
    check(
        "<<x>> DECLARE a int := f(1); b text DEFAULT 'x;'; c t.d%TYPE NOT NULL = 2; BEGIN a := b; END x;",
        &[
            expression("f(1)"),
            expression("'x;'"),
            expression("2"),
            expression("b"),
        ],
    );
    check(
        "#variable_conflict use_column\nDECLARE c CURSOR (k int) FOR SELECT * FROM t; r record; BEGIN
         FOR r IN c LOOP NULL; END LOOP; OPEN c(g(1)); FETCH c INTO r; CLOSE c; END",
        &[statement("SELECT * FROM t"), expression("ROW(g(1))"), Fetch],
    );
}

#[test]
fn what_goes_into_variables_is_no_table() {
    check(
        "BEGIN SELECT a INTO x FROM t; END",
        &[statement("SELECT a FROM t")],
    );
    check(
        "BEGIN SELECT INTO STRICT r a, b FROM t; END",
        &[statement("SELECT a, b FROM t")],
    );
    check(
        "BEGIN SELECT a, b INTO x, y.z FROM t; END",
        &[statement("SELECT a, b FROM t")],
    );
    check(
        "BEGIN INSERT INTO t VALUES (1) RETURNING a INTO x; END",
        &[statement("INSERT INTO t VALUES (1) RETURNING a ")],
    );
    assert_eq!(read("BEGIN SELECT a INTO x INTO y FROM t; END"), None);
    assert_eq!(read("BEGIN SELECT a INTO x[1] FROM t; END"), None);
}

#[test]
fn control_is_followed() {
    check(
        "BEGIN IF a > (SELECT 1 FROM t) THEN DELETE FROM x; ELSIF b THEN NULL; ELSE UPDATE y SET z = 1; END IF; END",
        &[
            expression("a > (SELECT 1 FROM t)"),
            statement("DELETE FROM x"),
            expression("b"),
            statement("UPDATE y SET z = 1"),
        ],
    );
    check(
        "BEGIN CASE a WHEN 1, f(2) THEN NULL; ELSE NULL; END CASE; END",
        &[expression("a"), expression("1, f(2)")],
    );
    check(
        "BEGIN <<l>> FOR i IN REVERSE f(1)..10 BY g(2) LOOP CONTINUE l WHEN h(i); EXIT; END LOOP l; END",
        &[
            expression("f(1)"),
            expression("10"),
            expression("g(2)"),
            expression("h(i)"),
        ],
    );
    check(
        "BEGIN FOR a, b IN SELECT 1, 2 FROM t LOOP x[f(1)] := a; END LOOP; WHILE k() LOOP NULL; END LOOP;
         FOREACH x SLICE 1 IN ARRAY arr(1) LOOP NULL; END LOOP; LOOP EXIT; END LOOP; END",
        &[
            statement("SELECT 1, 2 FROM t"),
            expression("x[f(1)]"),
            expression("a"),
            expression("k()"),
            expression("arr(1)"),
        ],
    );
    check(
        "BEGIN BEGIN DELETE FROM a; EXCEPTION WHEN no_data_found OR SQLSTATE '22012' THEN DELETE FROM b;
         WHEN OTHERS THEN RAISE; END; END",
        &[statement("DELETE FROM a"), statement("DELETE FROM b")],
    );
}

#[test]
fn what_is_put_together_is_found() {
    check(
        "BEGIN EXECUTE 'DELETE FROM t'; END",
        &[run("'DELETE FROM t'")],
    );
    check(
        "BEGIN EXECUTE format('%I', f(1)) INTO STRICT x USING g(1), h(2); END",
        &[
            run("format('%I', f(1))"),
            expression("g(1)"),
            expression("h(2)"),
        ],
    );
    check(
        "BEGIN FOR r IN EXECUTE q USING 1 LOOP NULL; END LOOP; RETURN QUERY EXECUTE q; OPEN c FOR EXECUTE q; END",
        &[run("q"), expression("1"), run("q"), run("q")],
    );
}

#[test]
fn values_are_found() {
    check(
        "BEGIN RETURN; RETURN f(1); RETURN NEXT; RETURN NEXT g(1); RETURN QUERY SELECT 1 FROM t; END",
        &[
            expression("f(1)"),
            expression("g(1)"),
            statement("SELECT 1 FROM t"),
        ],
    );
    check(
        "BEGIN RAISE NOTICE 'a % %', f(1), 2; RAISE no_data_found USING MESSAGE = g(1), HINT = 'x';
         RAISE SQLSTATE '22012'; RAISE EXCEPTION 'x' USING detail := h(1); ASSERT f(1), 'no'; END",
        &[
            expression("f(1)"),
            expression("2"),
            expression("g(1)"),
            expression("'x'"),
            expression("h(1)"),
            expression("f(1)"),
            expression("'no'"),
        ],
    );
    check(
        "BEGIN GET STACKED DIAGNOSTICS a = MESSAGE_TEXT; COMMIT; CALL p(1); execute := 1; END",
        &[statement("COMMIT"), statement("CALL p(1)"), expression("1")],
    );
}

#[test]
fn what_is_not_understood_is_nothing() {
    for text in [
        "",
        " -- nothing",
        "SELECT 1",
        "BEGIN",
        "BEGIN SELECT 1",
        "BEGIN SELECT 1; END; DELETE FROM t",
        "BEGIN IF a THEN NULL; END; END",
        "BEGIN (SELECT 1); END",
        "BEGIN x := ; END",
        "BEGIN x := (1; END",
        "BEGIN x := 1); END",
        "BEGIN FOR r IN unknown LOOP NULL; END LOOP; END",
        "BEGIN FETCH RELATIVE (f()) FROM c INTO r; END",
        "BEGIN GET DIAGNOSTICS x[f()] = ROW_COUNT; END",
        r"BEGIN x := 'a\'; DELETE FROM t; --'; END",
        r#"BEGIN DELETE FROM U&"\0061"; END"#,
        "BEGIN CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; END",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
    let deep = format!("{}{}", "BEGIN ".repeat(80), "END; ".repeat(80));
    assert_eq!(read(&deep), None);
}
