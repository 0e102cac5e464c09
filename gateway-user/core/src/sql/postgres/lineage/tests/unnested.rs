//! What `unnest` in `FROM` brings into sight.

use super::{masked, names, statement, written};

#[track_caller]
fn check(text: &str, outputs: &str, probed: &str) {
    let statement = statement(&masked(), text);
    let made = (written(&statement.outputs), names(&statement.probed));
    assert_eq!(made, (outputs.to_owned(), probed.to_owned()), "{text}");
}

#[test]
fn arrays_of_values_have_one_column() {
    for text in [
        "SELECT x FROM unnest(ARRAY[1, 2]) x WHERE x > 1",
        "SELECT o.id FROM orders o JOIN unnest(ARRAY[1, $1]) AS x(id) ON x.id = o.id",
        "SELECT x || 'y' FROM unnest('{a}'::text[]) AS x",
        "SELECT x.x FROM unnest($1::int4[]) AS x ORDER BY x",
        "SELECT x, n FROM unnest(ARRAY['a', 'b']) WITH ORDINALITY AS t(x, n) ORDER BY n",
        "SELECT a, b FROM unnest(ARRAY['a'], ARRAY[ARRAY[1]]) AS t(a, b) ORDER BY b",
        "SELECT unnest FROM unnest(string_to_array($1, ',')) WHERE unnest <> ''",
        "SELECT x FROM unnest(ARRAY(SELECT note FROM orders)) x GROUP BY x",
        "SELECT x FROM orders o, unnest(ARRAY[o.id, $1]) x WHERE x = o.id",
        "SELECT x FROM unnest(coalesce($1::text[], '{}')) x WHERE x = 'a'",
        "SELECT c.id FROM customers c WHERE c.id IN (SELECT x FROM unnest($1::int4[]) x)",
    ] {
        check(text, "clean", "");
    }
}

#[test]
fn what_may_hold_rows_or_masked_values_has_columns_that_are_not_known() {
    // A name that is no column of such rows is one of what is around it.
    for text in [
        "SELECT (SELECT email FROM unnest($1) email) FROM customers",
        "SELECT (SELECT email FROM unnest($1::orders[]) email) FROM customers",
        "SELECT (SELECT email FROM unnest(ARRAY['(1,2)', $1]) email) FROM customers",
        "SELECT (SELECT email FROM unnest(ARRAY(SELECT o FROM orders o)) email) FROM customers",
        "SELECT (SELECT email FROM unnest(public.rows()) email) FROM customers",
        "SELECT x FROM customers c, unnest(ARRAY[c.email]) x",
    ] {
        let outputs = written(&statement(&masked(), text).outputs);
        assert!(matches!(&*outputs, "#" | "unknown"), "{text}: {outputs}");
    }
    check(
        "SELECT x FROM customers c, unnest(ARRAY[c.email, 'a']) x WHERE x = 'a'",
        "#",
        "?",
    );
}
