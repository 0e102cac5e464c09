SELECT 1
SELECT * FROM orders
SELECT * FROM public.orders WHERE id = 1
SELECT * FROM shop.public.orders
SELECT * FROM ONLY orders
SELECT * FROM ONLY (orders)
SELECT * FROM orders *
TABLE orders
TABLE ONLY orders
(TABLE orders)
((SELECT * FROM orders))
select * from ORDERS
SELECT * FROM "orders"
SELECT * FROM U&"\006frders"
SELECT * FROM U&"!006frders" UESCAPE '!'
SELECT * FROM/**/orders
SELECT * FROM /* from customers /* nested */ */ orders
SELECT '--' FROM orders -- FROM customers
SELECT $$ FROM customers $$ FROM orders
SELECT $x$ $$ ' $x$ FROM orders
SELECT E'\' FROM customers --' FROM orders
SELECT * FROM "Odd Schema"."Odd Table"
SELECT "Odd Column" FROM "Odd Schema"."Odd Table" AS t ("Odd Column")
SELECT * FROM s.a
SELECT * FROM s.a, a
SELECT * FROM s.a AS b, b AS a
SELECT o.* FROM orders o
SELECT o FROM orders o
SELECT (o).total FROM orders o
SELECT (o).* FROM orders o
SELECT row_to_json(o) FROM orders o
SELECT count(*) FROM orders
SELECT * FROM orders JOIN customers ON customers.id = orders.customer
SELECT * FROM orders LEFT JOIN customers USING (id)
SELECT * FROM orders NATURAL JOIN customers
SELECT * FROM orders CROSS JOIN customers
SELECT * FROM orders FULL JOIN customers ON orders.id = customers.id
SELECT * FROM (orders JOIN lines ON orders.id = lines.order_id) JOIN customers ON true
SELECT * FROM (orders o JOIN lines l ON o.id = l.order_id) AS j
SELECT * FROM orders, LATERAL (SELECT * FROM lines WHERE order_id = orders.id) l
SELECT * FROM orders JOIN LATERAL (SELECT * FROM lines LIMIT 1) l ON true
SELECT * FROM (SELECT * FROM orders) o
SELECT * FROM (VALUES (1), ((SELECT id FROM orders LIMIT 1))) v
VALUES (1), ((SELECT id FROM orders LIMIT 1))
SELECT (SELECT id FROM orders LIMIT 1)
SELECT ARRAY(SELECT id FROM orders)
SELECT EXISTS (SELECT FROM orders)
SELECT 1 IN (SELECT id FROM orders)
SELECT 1 NOT IN (SELECT id FROM orders)
SELECT 1 = ANY (SELECT id FROM orders)
SELECT 1 > ALL (SELECT id FROM orders)
SELECT (1, 'x') = (SELECT id, note FROM orders LIMIT 1)
SELECT ROW(1, 'x') IN (SELECT id, note FROM orders)
SELECT CASE WHEN (SELECT id FROM orders LIMIT 1) = 1 THEN (SELECT id FROM customers LIMIT 1) ELSE (SELECT x FROM a LIMIT 1) END
SELECT CASE (SELECT id FROM orders LIMIT 1) WHEN 1 THEN 2 END
SELECT COALESCE((SELECT id FROM orders LIMIT 1), (SELECT id FROM customers LIMIT 1))
SELECT NULLIF((SELECT id FROM orders LIMIT 1), 3)
SELECT GREATEST((SELECT id FROM orders LIMIT 1), 3)
SELECT (SELECT id FROM orders LIMIT 1)::text
SELECT CAST((SELECT id FROM orders LIMIT 1) AS text)
SELECT (ARRAY(SELECT id FROM orders))[(SELECT id FROM customers LIMIT 1)]
SELECT (ARRAY(SELECT id FROM orders))[1:(SELECT id FROM customers LIMIT 1)]
SELECT ARRAY[(SELECT id FROM orders LIMIT 1)]
SELECT ROW((SELECT id FROM orders LIMIT 1))
SELECT ((SELECT note FROM orders LIMIT 1)) COLLATE "C"
SELECT (SELECT placed FROM orders LIMIT 1) AT TIME ZONE 'UTC'
SELECT ((SELECT id FROM orders LIMIT 1)) IS NULL
SELECT ((SELECT id > 1 FROM orders LIMIT 1)) IS TRUE
SELECT - (SELECT id FROM orders LIMIT 1)
SELECT NOT (SELECT id > 1 FROM orders LIMIT 1)
SELECT (SELECT id FROM orders LIMIT 1) BETWEEN 1 AND (SELECT id FROM customers LIMIT 1)
SELECT (SELECT note FROM orders LIMIT 1) LIKE (SELECT name FROM customers LIMIT 1)
SELECT (SELECT id FROM orders LIMIT 1) OPERATOR(pg_catalog.+) 1
SELECT (SELECT id FROM orders LIMIT 1) IS DISTINCT FROM 1
SELECT lower((SELECT note FROM orders LIMIT 1))
SELECT make_interval(days => (SELECT id FROM orders LIMIT 1))
SELECT concat(VARIADIC ARRAY(SELECT note FROM orders))
SELECT count(*) FILTER (WHERE x IN (SELECT id FROM orders)) FROM a
SELECT string_agg(y, ',' ORDER BY (SELECT id FROM orders LIMIT 1)) FROM a
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY (SELECT total FROM orders LIMIT 1)::float8) FROM a
SELECT sum(x) OVER (PARTITION BY (SELECT id FROM orders LIMIT 1)) FROM a
SELECT sum(x) OVER w FROM a WINDOW w AS (ORDER BY (SELECT id FROM orders LIMIT 1))
SELECT sum(x) OVER (ORDER BY x ROWS BETWEEN (SELECT 1) PRECEDING AND CURRENT ROW) FROM a
SELECT xmlforest((SELECT id FROM orders LIMIT 1) AS n) WHERE false
SELECT xmlelement(name x, (SELECT note FROM orders LIMIT 1)) WHERE false
SELECT * FROM a WHERE x = (SELECT id FROM orders LIMIT 1)
SELECT x FROM a GROUP BY x, (SELECT id FROM orders LIMIT 1)
SELECT x, y FROM a GROUP BY GROUPING SETS ((x), (y, (SELECT id FROM orders LIMIT 1)))
SELECT x, y FROM a GROUP BY ROLLUP (x, y)
SELECT x FROM a GROUP BY x HAVING x = (SELECT id FROM orders LIMIT 1)
SELECT x FROM a ORDER BY (SELECT id FROM orders LIMIT 1)
SELECT x FROM a ORDER BY x USING <
SELECT x FROM a LIMIT (SELECT id FROM orders LIMIT 1)
SELECT x FROM a OFFSET (SELECT id FROM orders LIMIT 1)
SELECT x FROM a FETCH FIRST (SELECT 1 FROM orders LIMIT 1) ROWS ONLY
SELECT DISTINCT ON ((SELECT id FROM orders LIMIT 1)) x FROM a
SELECT x FROM a UNION SELECT id FROM orders
SELECT x FROM a INTERSECT ALL SELECT id FROM orders EXCEPT SELECT id FROM customers
(SELECT x FROM a ORDER BY 1 LIMIT 1) UNION ALL (SELECT id FROM orders ORDER BY 1 LIMIT 1)
TABLE a UNION TABLE b
WITH orders AS (SELECT * FROM customers) SELECT * FROM orders
WITH orders AS (SELECT * FROM orders) SELECT * FROM orders
WITH orders AS (SELECT * FROM customers) SELECT * FROM public.orders
WITH RECURSIVE orders AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM orders WHERE n < 3) SELECT * FROM orders
WITH d AS (SELECT * FROM orders), c AS (SELECT * FROM d) SELECT * FROM c
WITH RECURSIVE c AS (SELECT * FROM d), d AS (SELECT * FROM orders) SELECT * FROM c
SELECT * FROM a WHERE x IN (WITH a AS (SELECT id FROM orders) SELECT id FROM a)
SELECT (WITH a AS (SELECT 1 AS n) SELECT n FROM a), x FROM a
WITH a AS (SELECT 1) SELECT * FROM (WITH a AS (SELECT * FROM b) SELECT * FROM a) z
WITH x AS MATERIALIZED (SELECT * FROM orders) SELECT * FROM x
WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t, a WHERE n < 3) SEARCH DEPTH FIRST BY n SET o SELECT * FROM t
WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t, b WHERE n < 3) CYCLE n SET c USING p SELECT * FROM t
WITH s AS (SELECT 1) SELECT * FROM s.a
SELECT * FROM generate_series(1, (SELECT id FROM orders LIMIT 1))
SELECT * FROM ROWS FROM (generate_series(1, 2), generate_series(1, (SELECT id FROM orders LIMIT 1)::int)) WITH ORDINALITY
SELECT * FROM unnest(ARRAY(SELECT id FROM orders)) WITH ORDINALITY AS t (a, b)
SELECT generate_series(1, id) FROM orders
SELECT * FROM jsonb_to_recordset((SELECT body FROM documents LIMIT 1)) AS t (a int, b text)
SELECT * FROM xmltable('/x' PASSING (SELECT page FROM documents LIMIT 1) COLUMNS y int PATH 'y') WHERE false
SELECT * FROM orders TABLESAMPLE BERNOULLI ((SELECT 50)) REPEATABLE (1)
SELECT * FROM orders TABLESAMPLE SYSTEM (10)
SELECT * FROM orders FOR UPDATE
SELECT * FROM orders FOR SHARE
SELECT * FROM orders o, customers c FOR UPDATE OF o
SELECT * FROM orders FOR NO KEY UPDATE SKIP LOCKED
SELECT * FROM (SELECT * FROM orders) o FOR UPDATE
SELECT * FROM parts
SELECT * FROM parts WHERE region = 'north'
SELECT * FROM parts_north
SELECT * FROM base
SELECT * FROM ONLY base
SELECT * FROM derived
SELECT * FROM big_orders
SELECT * FROM sums
SELECT * FROM tickets
SELECT last_value FROM tickets
SELECT tableoid::regclass, ctid, xmin FROM orders
SELECT body->'a', body #>> '{b,c}', tags[1], tags[1:2] FROM documents
SELECT body @> '{"a":1}', words @@ to_tsquery('x') FROM documents
SELECT (one).x, (many[1]).x FROM pair
SELECT 'orders'::regclass
SELECT oid FROM pg_class WHERE relname = 'orders'
SELECT * FROM pg_catalog.pg_class
SELECT * FROM pg_tables
SELECT * FROM information_schema.tables
SELECT * FROM information_schema.columns WHERE table_name = 'orders'
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
SELECT * FROM pg_stat_activity
SELECT * FROM pg_settings
SELECT rolname FROM pg_roles
SELECT * FROM pg_class_copy
SELECT version(), current_user, current_database(), now(), current_timestamp
SELECT a.x, b.x FROM a, b WHERE a.id = b.id
SELECT * FROM a a JOIN b b ON a.id = b.id JOIN s.a c ON c.id = b.id JOIN s.b d ON d.id = c.id
SELECT * FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.id = a.id AND EXISTS (SELECT 1 FROM orders WHERE orders.id = b.id))
SELECT * FROM a WHERE (x, id) IN (SELECT x, id FROM b)
SELECT * FROM a WHERE x = ANY (ARRAY(SELECT id FROM orders)) OR y SIMILAR TO 'x%'
SELECT count(DISTINCT a.x), max(b.y) FROM a, b, s.a AS c
SELECT * FROM a, a b, a c
SELECT 1 FROM orders; SELECT 2 FROM customers
SELECT 1;; SELECT 2 FROM orders;
;
