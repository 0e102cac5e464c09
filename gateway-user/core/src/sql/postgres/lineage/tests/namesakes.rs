//! Names that mean something else to the server than they seem to.

use super::{all_do_as_is_said, masked, names, statement, written};

#[test]
fn names_mean_what_the_server_takes_them_for() {
    all_do_as_is_said(TABLE);
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

#[test]
fn nothing_is_overlooked_in_statements_that_read_nothing_masked() {
    let masked = masked();
    let mut wrong = Vec::new();
    for text in FAIR {
        let made = statement(&masked, text);
        let is_fair = written(&made.outputs) == "clean"
            && [&made.probed, &made.copied]
                .iter()
                .all(|it| names(it).is_empty());
        if !is_fair {
            wrong.push(*text);
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

const FAIR: &[&str] = &[
    "SELECT customer_id, grouping(customer_id), count(*) FROM orders GROUP BY ROLLUP (customer_id)",
    "SELECT count(*) FILTER (WHERE o.id > 1) FROM orders o GROUP BY GROUPING SETS ((o.id), ()) HAVING max(o.note) > 'a'",
    "SELECT id FROM orders o FOR UPDATE OF o SKIP LOCKED",
    "SELECT string_agg(note, ',' ORDER BY id), lag(id) OVER w FROM orders GROUP BY id, note WINDOW w AS (PARTITION BY note ORDER BY id)",
    "SELECT sum(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM orders",
    "SELECT DISTINCT ON (customer_id) customer_id, id AS x FROM orders ORDER BY customer_id, x DESC NULLS LAST, 2",
    "SELECT (o.id, o.note), o, o.*, ROW(o.*) FROM orders o WHERE (o.id, o.customer_id) IN (SELECT id, customer_id FROM orders)",
    "SELECT a.id FROM orders a NATURAL JOIN orders b JOIN orders c USING (id) AS u WHERE u.id = 1",
    "SELECT EXISTS (SELECT FROM orders), ARRAY(SELECT note FROM orders), (SELECT max(id) FROM orders)",
    "SELECT id FROM orders WHERE note IS NOT NULL AND (id = 1) IS TRUE AND id BETWEEN 1 AND 2",
    "SELECT note COLLATE \"C\", note::varchar(3), CAST(id AS text), -id, NOT (id = 1) FROM orders",
    "SELECT CASE id WHEN 1 THEN note ELSE 'a' END, coalesce(note, 'a'), nullif(note, 'a'), greatest(id, 1) FROM orders",
    "SELECT note[1], (ARRAY[note])[1:2], (o).note FROM orders o",
    "SELECT * FROM orders TABLESAMPLE bernoulli (10) REPEATABLE (1)",
    "SELECT g FROM generate_series(1, 2) g, LATERAL (SELECT id FROM orders WHERE id = g) x",
    "SELECT substring(note FROM 1 FOR 2), note LIKE 'a' FROM orders",
    "SELECT current_date, user",
    "SELECT xmlelement(name a, xmlattributes(note AS b), note), xmlforest(note), xmlconcat(NULL), note IS DOCUMENT FROM orders",
    "SELECT json_object('a' : note, 'b' : id ABSENT ON NULL), json_array(note, id), json_arrayagg(note ORDER BY id), \
     json_objectagg(note : id) FROM orders GROUP BY note, id",
    "SELECT json_value(note, '$.a' PASSING id AS x RETURNING int DEFAULT id ON EMPTY), json_exists(note, '$'), \
     json_query(note, '$' WITH WRAPPER), note IS JSON OBJECT, json_serialize(note), json_scalar(id), JSON(note) FROM orders",
    "SELECT t.a FROM orders, JSON_TABLE(note, '$' COLUMNS (a int PATH '$.a', n FOR ORDINALITY, NESTED PATH '$.b' COLUMNS (c text))) t",
    "SELECT t.a FROM orders, XMLTABLE(XMLNAMESPACES('x' AS y), '/a' PASSING note COLUMNS a int PATH 'a' DEFAULT 1, n FOR ORDINALITY) t",
    "WITH RECURSIVE r (a, b) AS (SELECT id, customer_id FROM orders UNION SELECT o.id, o.customer_id FROM orders o JOIN r ON r.b = o.id) \
     SEARCH BREADTH FIRST BY a SET s CYCLE a SET c TO 'y' DEFAULT 'n' USING p SELECT * FROM r ORDER BY s",
    "WITH a AS MATERIALIZED (SELECT id FROM orders), b AS (SELECT * FROM a) TABLE b",
    "(SELECT id FROM orders LIMIT 1) UNION ALL (SELECT customer_id FROM orders ORDER BY 1 OFFSET 1) EXCEPT SELECT 1 ORDER BY id",
    "VALUES (1, 'a'), (2, 'b') ORDER BY column1 LIMIT 1",
    "SELECT column1, count(*) FROM (VALUES (1), (2)) v GROUP BY column1",
    "INSERT INTO orders (id, note) VALUES (1, DEFAULT), (2, 'a') ON CONFLICT (id) WHERE note = 'a' DO UPDATE SET note = excluded.note \
     WHERE orders.id = 1 RETURNING id, orders.note AS x",
    "INSERT INTO orders AS o SELECT id, customer_id, note FROM orders RETURNING o.*",
    "INSERT INTO orders DEFAULT VALUES",
    "UPDATE orders o SET (note, customer_id) = (SELECT b.note, b.id FROM orders b WHERE b.id = o.id), id = DEFAULT FROM orders c \
     WHERE c.id = o.id RETURNING o.id, c.note",
    "UPDATE orders SET note = 'a' WHERE CURRENT OF c",
    "DELETE FROM orders o USING orders b WHERE o.id = b.id RETURNING o.id + 1",
    "MERGE INTO orders o USING (SELECT id FROM orders) s ON s.id = o.id WHEN MATCHED AND o.note = 'a' THEN UPDATE SET note = 'b' \
     WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id) WHEN MATCHED THEN DELETE",
    "SELECT id, $1, note || $2 FROM orders WHERE id = ANY ($3) LIMIT $4",
    "SELECT o.id AS total FROM orders o GROUP BY o.id ORDER BY total, lower(max(o.note))",
    "SELECT percent FROM (SELECT max(0.5) WITHIN GROUP (ORDER BY id) AS percent FROM orders) x",
];
