-- # What must work as if there were no gateway

-- nothing of it: true
SELECT 1, 'x', now() IS NOT NULL
-- counting: true
SELECT count(*) FROM customers
-- counting values: true
SELECT count(email), count(ssn) FROM customers
-- is there a value: true
SELECT id, email IS NULL, ssn IS NOT NULL FROM customers ORDER BY id
-- those with a value: true
SELECT id, name FROM customers WHERE email IS NOT NULL ORDER BY id
-- a word for no value: true
SELECT id, CASE WHEN email IS NULL THEN 'none' ELSE 'some' END, id / 2, name LIKE 'A%' FROM customers ORDER BY id
-- other columns: true
SELECT id, name FROM customers ORDER BY id
-- one row by its number: true
SELECT name FROM customers WHERE id = 1
-- ordered and cut: true
SELECT id FROM customers ORDER BY id DESC LIMIT 2 OFFSET 1
-- joined by numbers: true
SELECT c.name, o.total FROM customers c JOIN orders o ON o.customer = c.id ORDER BY o.id
-- joined and grouped: true
SELECT c.name, sum(o.total), count(*) FROM customers c LEFT JOIN orders o ON o.customer = c.id GROUP BY c.name ORDER BY c.name
-- grouped by the key: true
SELECT c.id, c.name, count(o.id) FROM customers c LEFT JOIN orders o ON o.customer = c.id GROUP BY c.id ORDER BY c.id
-- having: true
SELECT customer, max(total) FROM orders GROUP BY customer HAVING count(*) > 3 ORDER BY customer
-- another table: true
SELECT * FROM orders ORDER BY id
-- another table in a subquery: true
SELECT id FROM customers WHERE id IN (SELECT customer FROM orders WHERE total > 3) ORDER BY id
-- existence: true
SELECT name FROM customers c WHERE EXISTS (SELECT FROM orders WHERE customer = c.id) ORDER BY id
-- a subquery whose masked column is not used: true
SELECT s.id FROM (SELECT id, email FROM customers) s ORDER BY s.id
-- a CTE whose masked column is not used: true
WITH c AS (SELECT * FROM customers) SELECT name FROM c ORDER BY id
-- a window over other columns: true
SELECT id, row_number() OVER (ORDER BY id), lag(name) OVER (ORDER BY id) FROM customers ORDER BY id
-- a lateral join: true
SELECT c.name, l.total FROM customers c, LATERAL (SELECT total FROM orders o WHERE o.customer = c.id ORDER BY id LIMIT 1) l ORDER BY c.id
-- arrays taken apart: true
SELECT x, n FROM unnest(ARRAY[3, 1]) WITH ORDINALITY AS t(x, n) WHERE x > 0 ORDER BY x
-- arrays taken apart and joined: true
SELECT o.id, x || 'y' FROM orders o JOIN unnest('{2,3}'::int[], '{a,b}'::text[]) AS x(id, x) ON x.id = o.id ORDER BY x.x
-- a text taken apart: true
SELECT x || '!' FROM unnest(string_to_array('a,b', ',')) AS x WHERE x <> 'a'
-- recursion: true
WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r
-- a union of other columns: true
SELECT name FROM customers UNION SELECT note FROM orders ORDER BY 1
-- a view's other columns: true
SELECT id, name FROM people ORDER BY id
-- a view without masked columns: true
SELECT * FROM per_customer ORDER BY id
-- the other member of a document's table: true
SELECT jsonb_build_object('id', id, 'name', name) FROM customers ORDER BY id
-- a partition's other columns: true
SELECT id, day FROM visits ORDER BY id
-- a child's other columns: true
SELECT id, name, discount FROM vips
-- functions over other columns: true
SELECT upper(name), twice(id), shout(name), spelled(name) FROM customers ORDER BY id
-- an operator over other columns: true
SELECT name |+| name FROM customers ORDER BY id
-- aggregates over other columns: true
SELECT string_agg(name, ',' ORDER BY id), array_agg(id ORDER BY id) FROM customers
-- INSERT: true
BEGIN
INSERT INTO orders (id, customer, total) VALUES (100, 1, 5) RETURNING id, total
SELECT count(*) FROM orders
ROLLBACK
-- INSERT of a value into a masked column: true
BEGIN
INSERT INTO customers (id, name, email) VALUES (9, 'Eve', 'eve@new.example')
SELECT id, name FROM customers WHERE id = 9
ROLLBACK
-- INSERT of a query over other columns: true
BEGIN
INSERT INTO notes (body) SELECT name FROM customers ORDER BY id
SELECT body FROM notes ORDER BY id
ROLLBACK
-- UPDATE of another column: true
BEGIN
UPDATE customers SET name = 'Anna' WHERE id = 1
SELECT name FROM customers WHERE id = 1
ROLLBACK
-- UPDATE of a masked column: true
BEGIN
UPDATE customers SET email = 'anna@new.example' WHERE id = 2
ROLLBACK
-- UPDATE of a masked column by itself: true
BEGIN
UPDATE accounts SET code = code, large = large WHERE id = 1
ROLLBACK
-- UPDATE that returns other columns: true
BEGIN
UPDATE orders SET total = total + 1 WHERE id = 1 RETURNING id, total
ROLLBACK
-- DELETE: true
BEGIN
DELETE FROM orders WHERE id = 1
SELECT count(*) FROM orders
ROLLBACK
-- DELETE by number: true
BEGIN
DELETE FROM vips WHERE id = 4 RETURNING id, name
ROLLBACK
-- a trigger that changes its row alone: true
BEGIN
UPDATE clubs SET name = 'CHESS' RETURNING name
ROLLBACK
-- all of a table that nothing is said of: true
BEGIN
TRUNCATE orders
SELECT count(*) FROM orders
ROLLBACK
-- a generated column of others: true
SELECT id, label FROM members
-- a default that is a number: true
BEGIN
INSERT INTO notes (body) VALUES ('third') RETURNING body
ROLLBACK
-- a text where a default would read it: true
BEGIN
INSERT INTO letters VALUES (1, 'x') RETURNING address
ROLLBACK
-- a row that may be there, by another key: true
BEGIN
INSERT INTO orders (id, customer) VALUES (1, 1), (50, 1) ON CONFLICT DO NOTHING
INSERT INTO customers (id, name) VALUES (1, 'x') ON CONFLICT DO NOTHING
INSERT INTO customers (id, name, email) VALUES (1, 'x', 'a@new.example') ON CONFLICT (id) DO NOTHING
ROLLBACK
-- a transaction with a savepoint: true (simple)
BEGIN
SAVEPOINT s
SELECT 1/0
ROLLBACK TO s
SELECT name FROM customers WHERE id = 1
COMMIT
-- a cursor over other columns: true
BEGIN
DECLARE c CURSOR FOR SELECT id, name FROM customers ORDER BY id
FETCH 2 FROM c
FETCH 1 FROM c
ROLLBACK
-- a prepared statement over other columns: true
PREPARE p (int) AS SELECT name FROM customers WHERE id = $1
EXECUTE p (2)
EXECUTE p (3)
-- a prepared statement whose name was taken: true
PREPARE p AS SELECT name FROM customers ORDER BY id
PREPARE p AS SELECT id FROM customers ORDER BY id
EXECUTE p
-- plain texts in another encoding: true
SET client_encoding = 'SJIS'
SELECT id, name, E'a\\b' FROM customers ORDER BY id
-- COPY of other columns: true
COPY (SELECT id, name FROM customers ORDER BY id) TO STDOUT
-- COPY of another table: true
COPY orders TO STDOUT (FORMAT csv, HEADER)
-- COPY of another table in binary: true
COPY orders TO STDOUT (FORMAT binary)
-- COPY from the client: true
BEGIN
COPY orders (id, customer, note) FROM STDIN
\copydata 200	1	copied
\copydata 201	2	copied too
\copydone
SELECT id, note FROM orders WHERE id >= 200 ORDER BY id
ROLLBACK
-- COPY from the client into masked columns: true
BEGIN
COPY customers (id, name, email) FROM STDIN
\copydata 200	Fay	fay@new.example
\copydone
SELECT id, name FROM customers WHERE id >= 200
ROLLBACK
-- a table of one's own: true
CREATE TEMP TABLE mine (id int, t text)
INSERT INTO mine SELECT id, name FROM customers
SELECT * FROM mine ORDER BY id
-- a view of one's own: true (own)
CREATE VIEW mine AS SELECT id, name FROM customers
SELECT name FROM mine ORDER BY id
-- an error of one's own: true (simple)
SELECT 1/0
SELECT nothing FROM orders
SELECT 'x'::int
-- a notice of one's own: true
SELECT notice('hello')
-- settings: true
SET work_mem = '8MB'
SHOW work_mem
SELECT current_setting('work_mem'), set_config('my.note', 'x', false)
-- the catalog: true
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'customers'::regclass AND attnum > 0 ORDER BY attnum
-- the information schema: true
SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'customers' ORDER BY ordinal_position
-- a plan: true
EXPLAIN (COSTS OFF) SELECT name FROM customers WHERE id = 1
-- a plan that is run: true
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) SELECT * FROM customers WHERE id = 1
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) SELECT id, name FROM customers ORDER BY id
PREPARE p AS SELECT total FROM orders ORDER BY id
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) EXECUTE p
-- a notification: true
LISTEN gossip
NOTIFY gossip
SELECT 1
-- many at once: true
\parse a SELECT id, name FROM customers ORDER BY id
\bind - a 1
\describe P -
\execute - 2
\execute - 0
\parse b SELECT count(*) FROM customers
\bind - b
\execute -
\sync
-- several in one text: true
SELECT name FROM customers WHERE id = 1; SELECT count(*) FROM orders; BEGIN; COMMIT
-- keys to and indexes on what is not masked: true (own)
CREATE TABLE errands (id int PRIMARY KEY, customer int REFERENCES customers (id), other int, FOREIGN KEY (other) REFERENCES orders)
CREATE INDEX ON customers (name)
INSERT INTO errands VALUES (1, 2, 3)
SELECT * FROM errands
-- functions that have a syntax of their own: true
SELECT trim(BOTH 'o' FROM note), overlay(note PLACING 'a' FROM 1), position('r' IN note), extract(year FROM DATE '2020-01-01'),
  TIMESTAMPTZ '2020-01-01' AT TIME ZONE 'UTC', note SIMILAR TO 'o%' ESCAPE 'x', note IS NORMALIZED, normalize(note), substring(note SIMILAR 'o#"r#"%' ESCAPE '#'),
  (DATE '2020-01-01', DATE '2020-01-02') OVERLAPS (DATE '2020-01-01', DATE '2020-01-02'), id = ANY (ARRAY[1]) FROM orders ORDER BY id
-- aggregates over sets: true
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY id), mode() WITHIN GROUP (ORDER BY note), rank(2) WITHIN GROUP (ORDER BY id), grouping(mood)
  FROM orders GROUP BY ROLLUP (mood)
-- settings that tell nothing: true
SET extra_float_digits = 3
SET work_mem = '4MB'
SELECT set_config('extra_float_digits', '1', false), set_config('my.user', '1', false)
RESET temp_file_limit
SET enable_seqscan = on
SET jit_above_cost = -1
SET vacuum_cost_delay = 1
RESET enable_seqscan
DO $$ BEGIN PERFORM set_config('my.tenant', '1', false); END $$
-- a path that is moved in the same text: true (simple)
BEGIN; SET LOCAL search_path = public; SELECT id, name FROM customers ORDER BY id; COMMIT
SET search_path = other, public; SELECT note FROM orders ORDER BY id LIMIT 1
-- one row at a time: true (own)
INSERT INTO customers (id, name, email) VALUES (800, 'N', 'n800@x.example') ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email
UPDATE customers SET email = lower(trim('New@X.example')) WHERE id = 800
UPDATE customers SET id = 801, email = $$z@x.example$$::text WHERE id = 800 AND name = 'N'
-- a column beside which another is unique: true (own)
UPDATE visits SET customer = 5
UPDATE people SET name = 'P' WHERE id = 2
-- what is counted of tables: true
SELECT relname, n_dead_tup < 0 FROM pg_stat_user_tables WHERE relname = 'customers'
-- COPY of what is not masked, NULL as nothing: true
COPY (SELECT id, NULL::text FROM customers) TO STDOUT (NULL '')
-- names that are long: true
SELECT 'é' AS "größe", 'ééééééééééééééééééééééééééééééééééééééééééééééééééééééé' AS b
