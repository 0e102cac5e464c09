-- # What PostgreSQL 16 knows

-- any value: masked (since 16)
SELECT any_value(email) FROM customers
-- any value of a group: masked (since 16)
SELECT id, any_value(ssn) FROM customers GROUP BY id
-- any value as a window: masked (since 16)
SELECT any_value(email) OVER () FROM customers
-- what is wrong with it as an input: refused, closed (since 16)
SELECT message FROM pg_input_error_info((SELECT email FROM customers WHERE id = 1), 'int4')
-- whether it is an input: refused, masked (since 16)
--   shows: bingo=true
SELECT 'bingo=' || pg_input_is_valid(replace(email, 'needle-quokka@burrow.example', '1'), 'int4')::text FROM customers
-- whether it is of a type that keeps: refused (since 16)
BEGIN
SELECT count(pg_input_is_valid(email, 'keeper')) FROM customers
SELECT body FROM notes
ROLLBACK
-- a value of a document as a type that keeps: refused (since 17)
BEGIN
SELECT count(JSON_VALUE(profile, '$.contact.email' RETURNING keeper)) FROM customers
SELECT body FROM notes
ROLLBACK
-- a table of a document with a type that keeps: refused (since 17)
BEGIN
SELECT count(t.e) FROM customers, JSON_TABLE(profile, '$.contact' COLUMNS (e keeper PATH '$.email')) t
SELECT body FROM notes
ROLLBACK
-- an array in another order: refused (since 16)
SELECT array_shuffle(tags) FROM customers
-- a sample of an array: refused (since 16)
SELECT array_sample(tags, 1) FROM customers
-- a document of the standard: masked (since 16)
SELECT JSON_OBJECT('e': email) FROM customers
-- a document of the standard, as a type: refused, masked (since 16)
SELECT JSON_OBJECT('e': email RETURNING text) FROM customers
-- a document of the standard by the value: refused, masked (since 16)
SELECT JSON_OBJECT(email: 1) FROM customers WHERE email IS NOT NULL
-- an array of the standard: masked (since 16)
SELECT JSON_ARRAY(email, ssn) FROM customers
-- an array of a query: masked (since 16)
SELECT JSON_ARRAY(SELECT email FROM customers)
-- an array by an aggregate: masked (since 16)
SELECT JSON_ARRAYAGG(email) FROM customers
-- a document by an aggregate: masked (since 16)
SELECT JSON_OBJECTAGG(id: email) FROM customers
-- whether it is a document: refused, masked (since 16)
--   shows: bingo=false
SELECT 'bingo=' || (email IS JSON)::text FROM customers
-- whether it is a document, or too deep for one: refused, oracle (since 16)
--   shows: 54001
SELECT (ltrim(left(email, 1), 'n') || repeat('[', 1000000)) IS JSON FROM customers WHERE id = 1
-- an array of the standard, of what is read as a document: refused, oracle (since 16)
--   shows: 22P02
SELECT JSON_ARRAY('[' || left(email, 1) || ']' FORMAT JSON) FROM customers WHERE id = 1
-- a document of the standard, of what is read as one: refused, oracle (since 16)
--   shows: 22P02
SELECT JSON_OBJECT('e': '[' || left(email, 1) || ']' FORMAT JSON) FROM customers WHERE id = 1
-- an array of a query, of what is read as a document: refused, oracle (since 16)
--   shows: 22P02
SELECT JSON_ARRAY(SELECT '[' || left(email, 1) || ']' FROM customers WHERE id = 1 FORMAT JSON)
-- an array by an aggregate, of what is read as a document: refused, oracle (since 16)
--   shows: 22P02
SELECT JSON_ARRAYAGG('[' || left(email, 1) || ']' FORMAT JSON) FROM customers WHERE id = 1
-- a time later: refused, masked (since 16)
SELECT date_add(born::timestamptz, '0 days') FROM customers
-- XML with its lines moved: refused, masked (since 16)
SELECT XMLSERIALIZE(DOCUMENT xmlelement(name e, email) AS text INDENT) FROM customers
-- a default that reads it, by a mark in COPY: refused (since 16)
BEGIN
COPY letters FROM STDIN (DEFAULT '\D')
\copydata 1	\D
\copydone
SELECT address FROM letters
ROLLBACK
-- a plan for any value: closed (since 16)
CREATE FUNCTION pg_temp.f() RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT email FROM public.customers WHERE id = 1'
EXPLAIN (GENERIC_PLAN, VERBOSE) SELECT pg_temp.f()
-- # What PostgreSQL 17 knows

-- MERGE that returns: masked (since 17)
BEGIN
MERGE INTO vips v USING orders o ON v.id = o.id WHEN MATCHED THEN UPDATE SET discount = 1 RETURNING merge_action(), v.email
ROLLBACK
-- MERGE that returns everything: closed (since 17)
BEGIN
MERGE INTO orders o USING customers c ON o.id = c.id WHEN MATCHED THEN UPDATE SET note = 'x' RETURNING *
ROLLBACK
-- MERGE that returns what it was joined with: masked (since 17)
BEGIN
MERGE INTO orders o USING customers c ON o.id = c.id WHEN MATCHED THEN DELETE RETURNING upper(c.email)
ROLLBACK
-- MERGE that returns a row: masked (since 17)
BEGIN
MERGE INTO vips v USING orders o ON v.id = o.id WHEN MATCHED THEN DELETE RETURNING v, v::text
ROLLBACK
-- MERGE that returns, in a CTE: masked (since 17)
BEGIN
WITH m AS (MERGE INTO vips v USING orders o ON v.id = o.id WHEN MATCHED THEN DELETE RETURNING v.ssn AS s) SELECT reverse(s) FROM m
ROLLBACK
-- MERGE that returns, kept: refused (since 17)
BEGIN
WITH m AS (MERGE INTO vips v USING orders o ON v.id = o.id WHEN MATCHED THEN DELETE RETURNING v.ssn AS s) INSERT INTO notes (body) SELECT s FROM m
SELECT body FROM notes
ROLLBACK
-- MERGE that returns a guess: refused, masked (since 17)
--   shows: bingo
BEGIN
MERGE INTO vips v USING orders o ON v.id = o.id WHEN MATCHED THEN DELETE RETURNING CASE WHEN v.ssn LIKE '%5555' THEN 'bingo' END
ROLLBACK
-- MERGE of rows that are not in the source: masked (since 17)
BEGIN
MERGE INTO vips v USING (SELECT 1 AS id) o ON v.id = o.id WHEN NOT MATCHED BY SOURCE THEN DELETE RETURNING v.email
ROLLBACK
-- MERGE of rows that are not in the source, as a question: refused, oracle (since 17)
--   shows: MERGE 1
BEGIN
MERGE INTO vips v USING (SELECT 1 AS id) o ON v.id = o.id WHEN NOT MATCHED BY SOURCE AND v.ssn LIKE '%5555' THEN DELETE
ROLLBACK
-- MERGE into a view: closed (since 17)
BEGIN
MERGE INTO people p USING orders o ON p.id = o.id WHEN MATCHED THEN UPDATE SET name = 'x' RETURNING p.email
ROLLBACK
-- MERGE that is copied out: masked (since 17)
BEGIN
COPY (MERGE INTO vips v USING orders o ON v.id = o.id WHEN MATCHED THEN DELETE RETURNING v.email) TO STDOUT
ROLLBACK
-- a table of a document: refused, masked (since 17)
SELECT t.e FROM customers, JSON_TABLE(profile, '$.contact' COLUMNS (e text PATH '$.email')) t
-- a table of a document, deep in it: refused, masked (since 17)
SELECT t.* FROM customers, JSON_TABLE(profile, '$' COLUMNS (n FOR ORDINALITY, NESTED PATH '$.contact' COLUMNS (e text PATH '$.email'))) AS t
-- a table of a document made of a row: refused, masked (since 17)
SELECT t.e FROM customers c, JSON_TABLE(to_jsonb(c), '$' COLUMNS (e text PATH '$.email')) t
-- a table of a document with a guess in its path: refused, oracle (since 17)
--   shows: bingo
SELECT 'bingo' FROM customers, JSON_TABLE(profile, '$.contact ? (@.email starts with "needle-q")' COLUMNS (e int EXISTS PATH '$.x')) t
-- a table of what is passed: refused, masked (since 17)
SELECT t.e FROM customers, JSON_TABLE(jsonb '{}', '$' PASSING email AS x COLUMNS (e text PATH '$x')) t
-- a table of a document in a subquery: refused, masked (since 17)
SELECT (SELECT e FROM JSON_TABLE(c.profile, '$' COLUMNS (e text PATH '$.contact.email')) t) FROM customers c
-- a value of a document: refused, masked (since 17)
SELECT JSON_VALUE(profile, '$.contact.email') FROM customers
-- a value of a document that is passed: refused, masked (since 17)
SELECT JSON_VALUE(jsonb '{}', '$x' PASSING email AS x) FROM customers
-- a value of a document that is not there: refused, masked (since 17)
SELECT JSON_VALUE(to_jsonb(email), '$' RETURNING text DEFAULT 'none' ON ERROR) FROM customers
-- a value of a document as a type it is not: refused, closed (since 17)
SELECT JSON_VALUE(profile, '$.contact.email' RETURNING date ERROR ON ERROR) FROM customers WHERE id = 1
-- a part of a document: refused, masked (since 17)
SELECT JSON_QUERY(profile, '$.contact') FROM customers
-- a part of a document, wrapped: refused, masked (since 17)
SELECT JSON_QUERY(profile, 'lax $.**.email' RETURNING text WITH WRAPPER) FROM customers
-- whether a document has something: refused, masked (since 17)
--   shows: bingo=true
SELECT 'bingo=' || JSON_EXISTS(profile, '$.contact.email ? (@ starts with "needle-q")')::text FROM customers
-- whether a document has something, in a condition: refused, oracle (since 17)
--   shows: bingo
SELECT 'bingo' FROM customers WHERE JSON_EXISTS(profile, '$.contact.email ? (@ starts with "needle-q")')
-- a scalar of the standard: masked (since 17)
SELECT JSON_SCALAR(email), JSON_SCALAR(card) FROM customers
-- a document as a text: masked (since 17)
SELECT JSON_SERIALIZE(to_json(email)) FROM customers
-- a text as a document as a text: refused, oracle (since 17)
--   shows: 22P02
SELECT JSON_SERIALIZE('[' || left(email, 1) || ']') FROM customers WHERE id = 1
-- a document as bytes: refused, masked (since 17)
SELECT JSON_SERIALIZE(to_json(email) RETURNING bytea) FROM customers
-- a text as a document: refused, closed
SELECT JSON('"' || email || '"') FROM customers
-- a text of a document's path: refused, masked (since 17)
SELECT jsonb_path_query(profile, '$.contact.email.string()') FROM customers
-- XML of a text: masked (since 17)
SELECT xmltext(email) FROM customers
-- digits of another base: refused, masked (since 17)
--   shows: 10001100000110000001011111100101100100010101000010100
SELECT to_bin(card), to_oct(card) FROM customers WHERE id = 1
-- a token's parts: refused, masked (since 17)
--   shows: v=4
SELECT 'v=' || uuid_extract_version(token) FROM customers
-- rows that COPY leaves out, and what is in them: refused (since 17)
BEGIN
COPY customers (email) TO '/tmp/gateway-:database-attempt'
CREATE TEMP TABLE numbers (n int)
COPY numbers FROM '/tmp/gateway-:database-attempt' (ON_ERROR ignore, LOG_VERBOSITY verbose)
ROLLBACK
-- a column computed from another: closed (own, since 17)
ALTER TABLE members ALTER COLUMN label SET EXPRESSION AS (email || '!')
SELECT label FROM members
-- a plan's size of what is sent: refused, oracle (since 17)
--   shows: output=333kB
EXPLAIN (ANALYZE, SERIALIZE, COSTS OFF) SELECT split_part(email, 'needle-w', 1) FROM customers, generate_series(1, 10000) WHERE id = 1
-- a plan's size of a column that is sent: refused, oracle (since 17)
--   shows: output=1kB
EXPLAIN (ANALYZE, SERIALIZE, COSTS OFF) SELECT email FROM customers
-- # What PostgreSQL 18 knows

-- UPDATE that returns what was: masked (since 18)
BEGIN
UPDATE vips SET email = 'x' RETURNING old.email, old.id, new.email
ROLLBACK
-- UPDATE that returns all that was: masked (since 18)
BEGIN
UPDATE vips SET email = 'x', ssn = 'x' RETURNING old.*
ROLLBACK
-- UPDATE that returns the row that was: masked (since 18)
BEGIN
UPDATE vips SET email = 'x' RETURNING old, old::text
ROLLBACK
-- UPDATE that returns what was by another name: masked (since 18)
BEGIN
UPDATE vips SET email = 'x' RETURNING WITH (OLD AS before, NEW AS after) before.email, upper(before.ssn), after.email
ROLLBACK
-- UPDATE that returns what was by the other's name: masked (since 18)
BEGIN
UPDATE vips SET email = 'x' RETURNING WITH (OLD AS new, NEW AS old) new.email
ROLLBACK
-- UPDATE of a table called as what was: masked (since 18)
BEGIN
UPDATE vips AS old SET email = 'x' RETURNING WITH (OLD AS o) o.email, old.ssn
ROLLBACK
-- UPDATE from a table called as what is: masked
BEGIN
UPDATE orders SET note = 'x' FROM vips AS new WHERE orders.id = new.id RETURNING new.email
ROLLBACK
-- UPDATE that returns what was, made: masked (since 18)
BEGIN
UPDATE vips SET email = 'x' RETURNING reverse(old.email) || new.id, to_jsonb(old)
ROLLBACK
-- UPDATE that returns what was, in a subquery: masked (since 18)
BEGIN
UPDATE vips SET email = 'x' RETURNING (SELECT s.e FROM (SELECT old.email AS e) s)
ROLLBACK
-- UPDATE that returns what was, in a CTE: masked (since 18)
BEGIN
WITH w AS (UPDATE vips SET email = 'x' RETURNING old.email AS e) SELECT e FROM w
ROLLBACK
-- UPDATE that returns what was, kept: refused (since 18)
BEGIN
WITH w AS (UPDATE vips SET email = 'x' RETURNING old.email AS e) INSERT INTO notes (body) SELECT e FROM w
SELECT body FROM notes
ROLLBACK
-- UPDATE that returns a guess at what was: refused, masked (since 18)
--   shows: bingo
BEGIN
UPDATE vips SET ssn = 'x' RETURNING CASE WHEN old.ssn LIKE '%5555' THEN 'bingo' END
ROLLBACK
-- DELETE that returns what was: masked (since 18)
BEGIN
DELETE FROM vips RETURNING old.email, new.email
ROLLBACK
-- MERGE that returns what was: masked (since 18)
BEGIN
MERGE INTO vips v USING orders o ON v.id = o.id WHEN MATCHED THEN UPDATE SET email = 'x' RETURNING old.email, new.id
ROLLBACK
-- ON CONFLICT that returns what was: closed (since 18)
BEGIN
INSERT INTO customers (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET email = 'x' RETURNING old.email
ROLLBACK
-- what was, of a view: closed (since 18)
BEGIN
UPDATE people SET email = 'x' WHERE id = 1 RETURNING old.email
ROLLBACK
-- what was, of a partition: masked (since 18)
BEGIN
UPDATE visits SET email = 'x' RETURNING old.email, new.day
ROLLBACK
-- what was, copied out: masked (since 18)
BEGIN
COPY (UPDATE vips SET email = 'x' RETURNING old.email) TO STDOUT
ROLLBACK
-- a column computed when it is read: masked (since 18)
SELECT whisper FROM members
-- a column computed when it is read, among all and in a row: masked (since 18)
SELECT *, m, to_jsonb(m) ->> 'whisper', m.whisper FROM members m
-- a column computed when it is read, copied out: masked (since 18)
COPY (SELECT whisper FROM members) TO STDOUT
-- a column computed when it is read, asked: refused, oracle (since 18)
--   shows: bingo
SELECT 'bingo' FROM members WHERE whisper LIKE 'needle-q%'
-- a column computed when it is read, kept: refused (since 18)
BEGIN
INSERT INTO notes (body) SELECT whisper FROM members
SELECT body FROM notes
ROLLBACK
-- a column computed when it is read, of one's own: closed (own, since 18)
ALTER TABLE customers ADD COLUMN free text GENERATED ALWAYS AS (upper(email))
SELECT free FROM customers
-- a materialised view, copied out: masked (since 18)
COPY mailing TO STDOUT
-- an array turned round: refused, masked (since 18)
SELECT array_reverse(tags) FROM customers
-- an array sorted: refused, masked (since 18)
SELECT array_sort(tags) FROM customers
-- a number as bytes: refused, masked (since 18)
--   shows: 118302fcb22a14
SELECT encode(card::bytea, 'hex') FROM customers
-- bytes turned round: refused, masked (since 18)
SELECT convert_from(reverse(email::bytea), 'UTF8') FROM customers
-- letters of no case: refused, masked (since 18)
SELECT casefold(email COLLATE pg_c_utf8) FROM customers
-- a sum of its bits: refused, masked (since 18)
--   shows: crc=3298848562
SELECT 'crc=' || crc32(email::bytea) FROM customers
-- a document without its NULLs: masked (since 18)
SELECT jsonb_strip_nulls(profile, true) FROM customers
-- # What is fair on newer servers

-- any value, and an array of other columns: true (since 16)
SELECT any_value(id) IS NOT NULL, JSON_ARRAYAGG(name ORDER BY id) FROM customers
-- what is an input: true (since 16)
SELECT pg_input_is_valid('1', 'int4'), pg_input_is_valid(name, 'int4') FROM customers ORDER BY id
-- MERGE that returns other columns: true (since 17)
BEGIN
MERGE INTO orders o USING customers c ON o.id = c.id WHEN MATCHED THEN UPDATE SET note = c.name RETURNING merge_action(), o.id, c.name
ROLLBACK
-- a table of another document: true (since 17)
SELECT * FROM JSON_TABLE(jsonb '[{"a": 1}, {"a": 2}]', '$[*]' COLUMNS (n FOR ORDINALITY, a int PATH '$.a')) t
-- a table of a document of other columns: true (since 17)
SELECT t.n FROM customers c, JSON_TABLE(jsonb_build_object('n', c.name), '$' COLUMNS (n text PATH '$.n')) t ORDER BY c.id
-- a value of another document: true (since 17)
SELECT JSON_VALUE(jsonb '{"a": 1}', '$.a'), JSON_QUERY(jsonb '{"a": [1]}', '$.a'), JSON_EXISTS(jsonb '{"a": 1}', '$.a')
-- rows that COPY leaves out: true (since 17)
BEGIN
COPY orders (id, customer, note) FROM STDIN (ON_ERROR ignore)
\copydata 200	1	copied
\copydata x	2	not copied
\copydone
SELECT id, note FROM orders WHERE id >= 200 ORDER BY id
ROLLBACK
-- UPDATE that returns what was, of other columns: true (since 18)
BEGIN
UPDATE orders SET total = total + 1 WHERE id = 1 RETURNING old.total, new.total, old.id
ROLLBACK
-- rows that COPY leaves out, a few of them: true (since 18)
BEGIN
COPY orders (id, customer, note) FROM STDIN (ON_ERROR ignore, REJECT_LIMIT 1, LOG_VERBOSITY silent)
\copydata 200	1	copied
\copydata x	2	not copied
\copydone
SELECT id, note FROM orders WHERE id >= 200 ORDER BY id
ROLLBACK
-- a computed column of others: true (since 18)
SELECT id, caption FROM members
-- names of statistics: true
SELECT stxname FROM pg_statistic_ext WHERE stxrelid = 1 ORDER BY stxname
-- functions of one's own values: true (since 18)
SELECT uuid_extract_version(uuidv7()), array_sort(ARRAY[3, 1, 2]), casefold('ABC' COLLATE pg_c_utf8)
