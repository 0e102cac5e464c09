-- # Values put elsewhere first

-- INSERT of a query: refused
BEGIN
INSERT INTO notes (body) SELECT email FROM customers
SELECT body FROM notes
ROLLBACK
-- INSERT of a subselect: refused
BEGIN
INSERT INTO notes (body) VALUES ((SELECT email FROM customers WHERE id = 1))
SELECT body FROM notes
ROLLBACK
-- INSERT of something made: refused
BEGIN
INSERT INTO notes (data) SELECT email::bytea FROM customers
SELECT data FROM notes
ROLLBACK
-- INSERT that returns: refused
BEGIN
INSERT INTO notes (body) SELECT email FROM customers RETURNING body
ROLLBACK
-- INSERT in a CTE: refused
BEGIN
WITH w AS (INSERT INTO notes (body) SELECT email FROM customers RETURNING body) SELECT * FROM w
ROLLBACK
-- ON CONFLICT takes it: refused
BEGIN
INSERT INTO notes (id, body) SELECT id, '' FROM customers ON CONFLICT (id) DO UPDATE SET body = (SELECT email FROM customers WHERE id = 1)
SELECT body FROM notes
ROLLBACK
-- UPDATE from it: refused
BEGIN
UPDATE orders SET note = c.email FROM customers c WHERE c.id = customer
SELECT note FROM orders
ROLLBACK
-- UPDATE by a subselect: refused
BEGIN
UPDATE orders SET note = (SELECT email FROM customers WHERE id = customer)
SELECT note FROM orders
ROLLBACK
-- UPDATE of several columns: refused
BEGIN
UPDATE orders SET (note, total) = (SELECT email, card FROM customers WHERE id = customer)
SELECT note, total FROM orders
ROLLBACK
-- UPDATE into a column that is not masked: refused
BEGIN
UPDATE customers SET name = coalesce(email, '-')
SELECT name FROM customers
ROLLBACK
-- UPDATE that returns the column: closed
BEGIN
UPDATE customers SET name = 'x' WHERE id = 1 RETURNING email
ROLLBACK
-- UPDATE that returns everything: closed
BEGIN
UPDATE customers SET name = 'x' WHERE id = 1 RETURNING *
ROLLBACK
-- UPDATE that returns something made: closed
BEGIN
UPDATE customers SET name = 'x' WHERE id = 1 RETURNING reverse(email), customers
ROLLBACK
-- UPDATE that returns another table: closed
BEGIN
UPDATE orders SET note = 'x' FROM customers c WHERE c.id = customer RETURNING c.email
ROLLBACK
-- UPDATE as a question: refused, oracle
--   shows: UPDATE 1
BEGIN
UPDATE customers SET name = 'x' WHERE email LIKE 'needle-q%'
ROLLBACK
-- DELETE that returns: closed
BEGIN
DELETE FROM vips RETURNING email, ssn
ROLLBACK
-- DELETE that returns what it was joined with: closed
BEGIN
DELETE FROM orders USING customers c WHERE c.id = customer RETURNING c.*
ROLLBACK
-- DELETE as a question: refused, oracle
--   shows: DELETE 1
BEGIN
DELETE FROM vips WHERE ssn = '987-65' || '-5555'
ROLLBACK
-- MERGE: refused
BEGIN
MERGE INTO notes n USING customers c ON n.id = c.id WHEN MATCHED THEN UPDATE SET body = c.email WHEN NOT MATCHED THEN INSERT (body) VALUES (c.ssn)
SELECT body FROM notes
ROLLBACK
-- a partition moves it: refused
BEGIN
INSERT INTO notes (body) SELECT email FROM visits_2024
SELECT body FROM notes
ROLLBACK
-- SELECT INTO: refused
BEGIN
SELECT email INTO TEMP taken FROM customers
SELECT * FROM taken
ROLLBACK
-- CREATE TABLE AS: refused
BEGIN
CREATE TABLE taken AS SELECT email FROM customers
TABLE taken
ROLLBACK
-- a temporary table: refused
CREATE TEMP TABLE taken AS TABLE customers
TABLE taken
-- a materialised view: closed
BEGIN
CREATE MATERIALIZED VIEW taken AS SELECT email AS e FROM customers
TABLE taken
ROLLBACK
-- INHERIT takes rows: closed (own)
CREATE TABLE parent (id int)
ALTER TABLE customers INHERIT parent
SELECT p::text, p.tableoid::regclass FROM parent p
SELECT email FROM customers
-- ATTACH PARTITION takes them: closed (own)
CREATE TABLE mine (id int, customer int, email text, day date) PARTITION BY RANGE (day)
ALTER TABLE visits DETACH PARTITION visits_2024
ALTER TABLE mine ATTACH PARTITION visits_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')
SELECT email FROM mine
-- a detached partition: closed (own)
ALTER TABLE visits DETACH PARTITION visits_2025
SELECT email FROM visits_2025
-- a large object: refused
BEGIN
SELECT lo_from_bytea(4711, email::bytea) FROM customers WHERE id = 1
SELECT lo_get(4711)
ROLLBACK
-- pages of large objects: refused
BEGIN
SELECT lo_from_bytea(4712, email::bytea) FROM customers WHERE id = 1
SELECT data FROM pg_largeobject
ROLLBACK
-- a setting: refused
SELECT set_config('my.note', email, false) IS NULL FROM customers WHERE id = 1
SHOW my.note
-- a setting in the same statement: refused
SELECT current_setting('my.note') FROM (SELECT set_config('my.note', email, false) FROM customers WHERE id = 1 OFFSET 0) s
-- the application's name: refused
SELECT set_config('application_name', email, false) IS NULL FROM customers WHERE id = 1
SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()
-- a setting that the server reports: refused
SELECT count(set_config('application_name', email, false)) FROM customers WHERE id = 1
-- a notification: refused
LISTEN gossip
SELECT pg_notify('gossip', email) FROM customers WHERE email IS NOT NULL
SELECT 1
-- a notification on a channel of that name: refused
LISTEN "needle-quokka@burrow.example"
SELECT pg_notify(email, '') FROM customers WHERE id = 1
SELECT 1
-- a sequence: refused
SELECT setval('counter', card) IS NULL FROM customers WHERE id = 1
SELECT last_value FROM counter
-- a lock: refused
SELECT pg_advisory_lock(card) FROM customers WHERE id = 1
SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
-- a lock that is tried: closed
SELECT pg_try_advisory_lock_shared(replace(ssn, '-', '')::bigint) FROM customers WHERE id = 1
SELECT ((classid::bigint << 32) | objid::bigint)::text FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
-- a comment: closed
BEGIN
DO $$BEGIN EXECUTE format('COMMENT ON TABLE orders IS %L', (SELECT email FROM customers WHERE id = 1)); END$$
SELECT obj_description('orders'::regclass)
ROLLBACK
-- the name of a role: closed
BEGIN
DO $$BEGIN EXECUTE format('CREATE SCHEMA %I', (SELECT email FROM customers WHERE id = 1)); END$$
SELECT nspname FROM pg_namespace
ROLLBACK
-- a function that keeps it: refused
BEGIN
SELECT count(keep(email)) FROM customers
SELECT body FROM notes
ROLLBACK
-- a sequence's start: closed
BEGIN
DO $$BEGIN EXECUTE format('CREATE SEQUENCE s START %s', (SELECT card FROM customers WHERE id = 1)); END$$
SELECT seqstart FROM pg_sequence ORDER BY seqrelid DESC LIMIT 1
ROLLBACK
-- a file of the server: refused
BEGIN
SELECT lo_from_bytea(777003, convert_to(email, 'UTF8')) FROM customers WHERE id = 1
SELECT lo_export(777003, '/tmp/gateway-:database-attempt-of-objects')
SELECT pg_read_file('/tmp/gateway-:database-attempt-of-objects')
ROLLBACK
-- into another schema under the same name: closed (own)
CREATE SCHEMA mine
CREATE TABLE mine.customers AS SELECT * FROM public.customers
SELECT email FROM mine.customers
-- ON CONFLICT takes what was there: refused
BEGIN
INSERT INTO customers (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = customers.email
SELECT name FROM customers
ROLLBACK
-- ON CONFLICT under a condition: refused, oracle
--   shows: INSERT 0 1
BEGIN
INSERT INTO customers (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'x' WHERE customers.email LIKE '%quokka%'
ROLLBACK
-- MERGE under a condition: refused, oracle
--   shows: MERGE 1
BEGIN
MERGE INTO notes n USING customers c ON n.id = c.id WHEN MATCHED AND c.email LIKE '%quokka%' THEN UPDATE SET body = 'x'
ROLLBACK
-- MERGE joined by it: refused, oracle
--   shows: MERGE 1
BEGIN
MERGE INTO orders o USING customers c ON o.id = 1 AND c.email LIKE '%quokka%' WHEN MATCHED THEN UPDATE SET note = 'x'
ROLLBACK
-- UPDATE into a column with another mask: refused
BEGIN
UPDATE customers SET profile = jsonb_build_object('x', email)
SELECT profile FROM customers
ROLLBACK
-- UPDATE within a document: refused
BEGIN
UPDATE customers SET profile = profile -> 'contact'
SELECT profile FROM customers
ROLLBACK
-- UPDATE that turns a value round: refused
BEGIN
UPDATE customers SET email = substr(email, 2) || left(email, 1)
SELECT email, reverse(email) FROM customers
ROLLBACK
-- UPDATE by a subscript: refused
BEGIN
UPDATE customers SET profile['other'] = profile['contact']['email']
SELECT profile FROM customers
ROLLBACK
-- UPDATE into a column of which more is shown: refused
BEGIN
UPDATE customers SET email = ssn
SELECT email FROM customers
ROLLBACK
-- UPDATE in a CTE that returns: closed
BEGIN
WITH w AS (UPDATE customers SET name = name RETURNING email) SELECT email FROM w
ROLLBACK
-- DELETE in a CTE, kept: refused
BEGIN
WITH w AS (DELETE FROM vips RETURNING email) INSERT INTO notes (body) SELECT email FROM w
SELECT body FROM notes
ROLLBACK
-- an array's element: refused
BEGIN
CREATE TEMP TABLE t (a text[])
INSERT INTO t VALUES ('{}')
UPDATE t SET a[1] = (SELECT email FROM customers WHERE id = 1)
SELECT a FROM t
ROLLBACK
-- a default that reads it: refused
BEGIN
INSERT INTO letters (id) VALUES (1) RETURNING address
ROLLBACK
-- a default that reads it, later: refused
BEGIN
INSERT INTO letters (id) VALUES (1)
SELECT address FROM letters
ROLLBACK
-- a default that reads it, by its word: refused
BEGIN
INSERT INTO letters (id, address) VALUES (1, DEFAULT)
SELECT address FROM letters
ROLLBACK
-- a default that reads it, of all columns: refused
BEGIN
INSERT INTO letters DEFAULT VALUES
SELECT address FROM letters
ROLLBACK
-- a default that reads it, set: refused
BEGIN
INSERT INTO letters VALUES (1, '')
UPDATE letters SET address = DEFAULT RETURNING address
ROLLBACK
-- a default that reads it, merged: refused
BEGIN
MERGE INTO letters l USING orders o ON l.id = o.id WHEN NOT MATCHED THEN INSERT (id) VALUES (o.id)
SELECT address FROM letters
ROLLBACK
-- a default that reads it, copied in: refused
BEGIN
COPY letters (id) FROM STDIN
\copydata 1
\copydone
SELECT address FROM letters
ROLLBACK
-- a default that reads it, behind a view: refused
BEGIN
INSERT INTO letter_ids VALUES (1)
SELECT address FROM letters
ROLLBACK
-- a default of a domain: refused
BEGIN
INSERT INTO cards (id) VALUES (1) RETURNING address
ROLLBACK
-- a function that copies: refused
BEGIN
SELECT archive()
SELECT body FROM notes
ROLLBACK
-- a function that copies by SQL put together: refused
BEGIN
SELECT archive_dynamic()
SELECT body FROM notes
ROLLBACK
-- a function that fills by a default: refused
BEGIN
SELECT write_letter(1)
SELECT address FROM letters
ROLLBACK
-- a type that keeps, as of a record's column: refused
BEGIN
SELECT count(r.email) FROM customers c, jsonb_to_record(to_jsonb(c)) AS r (email keeper)
SELECT body FROM notes
ROLLBACK
-- a type that keeps, in a row that is filled: refused
BEGIN
SELECT count(jsonb_populate_record(NULL::keepers, to_jsonb(c))) FROM customers c
SELECT body FROM notes
ROLLBACK
-- a type that keeps, in a table of XML: refused
BEGIN
SELECT count(x.e) FROM customers c, XMLTABLE('/a' PASSING xmlelement(name a, c.email) COLUMNS e keeper PATH '.') x
SELECT body FROM notes
ROLLBACK
-- a trigger that copies: refused
BEGIN
UPDATE members SET name = 'x'
SELECT what FROM trail
ROLLBACK
-- a trigger that copies what goes: refused
BEGIN
DELETE FROM members
SELECT what FROM trail
ROLLBACK
-- a trigger of what a foreign key takes along: refused
BEGIN
DELETE FROM clubs
SELECT what FROM trail
ROLLBACK
-- a trigger that copies when all goes at once: refused
BEGIN
TRUNCATE members
SELECT what FROM trail
ROLLBACK
-- a trigger of what goes along with that: refused
BEGIN
TRUNCATE clubs CASCADE
SELECT what FROM trail
ROLLBACK
-- a function that fires such a trigger: refused
BEGIN
SELECT clear_members()
SELECT what FROM trail
ROLLBACK
-- a generated column: masked
SELECT loud FROM members
-- a generated column by a function: masked
SELECT of_customer FROM members
-- generated columns in binary, and all at once: masked
SELECT * FROM members
-- a generated column, copied out: masked
COPY (SELECT loud, of_customer FROM members) TO STDOUT
-- a column that refers to it: masked
SELECT who FROM opt_outs
-- a default in a new table: closed
CREATE TEMP TABLE t (i int, e text DEFAULT email_of(1))
INSERT INTO t (i) VALUES (1) RETURNING e
-- a rule that answers: closed (simple)
INSERT INTO inbox VALUES (1, 'x')
-- into a table from a later arm of a UNION: refused (own)
SELECT 'x'::text AS email INTO stolen UNION ALL SELECT email FROM customers
SELECT email FROM stolen
-- into a table from an arm in brackets: refused (own)
(SELECT 'x' AS email INTO stolen) UNION ALL VALUES ((SELECT email FROM customers WHERE id = 1))
SELECT email FROM stolen
-- a row into a single column: refused (own)
UPDATE notes SET (body) = (SELECT c FROM customers c WHERE id = 1)
SELECT body FROM notes
-- a star of nothing in a row that is put: refused (own)
UPDATE notes SET (id, body) = ROW((s).*, notes.id, c.email) FROM (SELECT) s, customers c WHERE c.id = 1
SELECT body FROM notes
-- a star of nothing in MERGE: refused (own)
MERGE INTO customers c USING ((SELECT) s CROSS JOIN (SELECT * FROM customers WHERE id < 3) d) ON c.id = d.id + 900 WHEN NOT MATCHED THEN INSERT VALUES (s.*, d.id + 900, d.email)
SELECT name FROM customers WHERE id > 900
-- a star in VALUES that is put: refused (own)
INSERT INTO notes (body) SELECT column3 FROM customers c, LATERAL (VALUES (c.*)) v
SELECT body FROM notes
-- a default where a row is there: refused (own)
INSERT INTO posters VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET address = DEFAULT
SELECT address FROM posters
