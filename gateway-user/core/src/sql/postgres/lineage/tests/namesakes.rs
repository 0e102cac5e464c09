//! Names that mean something else to the server than they seem to.

use super::{masked, names, statement, written};

#[test]
fn names_mean_what_the_server_takes_them_for() {
    let masked = masked();
    for (text, outputs, probed, copied) in TABLE {
        let made = statement(&masked, text);
        let made = [
            written(&made.outputs),
            names(&made.probed),
            names(&made.copied),
        ];
        assert_eq!(made, [*outputs, *probed, *copied], "{text}");
    }
}

const TABLE: &[(&str, &str, &str, &str)] = &[
    // What says which element it is, in lists of columns.
    (
        "INSERT INTO orders (note[(SELECT email FROM customers)]) VALUES ('1') RETURNING 1",
        "clean",
        "",
        "emails",
    ),
    (
        "MERGE INTO orders USING (SELECT 1) s ON false WHEN NOT MATCHED THEN \
         INSERT (note[(SELECT email FROM customers)]) VALUES (1)",
        "clean",
        "",
        "emails",
    ),
    // A star further in leaves out the columns by SEARCH.
    (
        "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 1) \
         SEARCH DEPTH FIRST BY n SET sq \
         SELECT s.e || '' FROM (SELECT * FROM r, (SELECT email, 1 AS k FROM customers) c) s (n, e, k)",
        "#",
        "?",
        "",
    ),
    // VALUES sorted by its own column.
    (
        "SELECT v.column2 FROM (SELECT ''::text AS column1) o, LATERAL (VALUES ((SELECT email FROM \
         customers), 'Y'), ('a', 'N') ORDER BY column1 || '' LIMIT 1) v",
        "clean",
        "emails",
        "",
    ),
    // A field of a row, called like a function.
    (
        "SELECT (SELECT (SELECT t || '' FROM lower(s) AS t) FROM (SELECT email AS t FROM customers) c) \
         FROM (SELECT 'a'::text AS lower) s",
        "#",
        "?",
        "",
    ),
    // What goes by a name of something masked is spared where it is a table's for sure.
    (
        "SELECT o.note FROM orders o JOIN (SELECT id, email AS note FROM customers) x ON x.id = o.id \
         WHERE o.note = 'a'",
        "clean",
        "",
        "",
    ),
    (
        "SELECT id FROM orders WHERE note = 'a' AND id IN (SELECT x.id FROM (SELECT id, email AS note \
         FROM customers) x)",
        "clean",
        "emails",
        "",
    ),
    // A number beside a slice is a slice.
    (
        "SELECT max((string_to_array(email, 'x'))[1:2][1]) FROM customers",
        "#",
        "emails",
        "",
    ),
    // A tree of names, which are masked.
    (
        "WITH RECURSIVE t AS (SELECT id, ''::text AS path FROM customers UNION ALL SELECT c.id, \
         t.path || '/' || c.email FROM customers c JOIN t ON t.id = c.id) SELECT * FROM t",
        "-,#",
        "",
        "",
    ),
];
