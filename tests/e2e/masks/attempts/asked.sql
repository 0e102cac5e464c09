-- # Whether there is a result

-- a division by a comparison: refused, oracle
--   shows: 22012
SELECT 1 / (email NOT LIKE '%quokka%')::int FROM customers
-- a sum that is too large: refused, oracle
--   shows: 22003
SELECT card + (9223372036854775807 - 4929123456789011) FROM customers WHERE id = 1
-- a length that is too large: refused, oracle
--   shows: 22003
SELECT length(email) + (2147483647 - 27) FROM customers WHERE id = 1
-- a pattern that ends too early: refused, oracle
--   shows: 22025
SELECT email LIKE 'needle-q\' FROM customers
-- a text that is no number in one case: refused, oracle
--   shows: 22P02
SELECT (CASE WHEN email LIKE '%quokka%' THEN 'x' ELSE '1' END)::int FROM customers
-- arrays that do not go together: refused, oracle
--   shows: 2202E
SELECT ARRAY['a'] || CASE WHEN email LIKE '%quokka%' THEN ARRAY[['a', 'b']] ELSE ARRAY['b'] END FROM customers
-- an array that cannot be collected: refused, oracle
--   shows: 2202E
SELECT array_agg(CASE WHEN email LIKE '%quokka%' THEN '{}'::text[] ELSE ARRAY['a'] END) FROM customers
-- a key that is NULL: refused, oracle
--   shows: 22023
--   shows: 22004
SELECT json_object_agg(CASE WHEN email LIKE '%quokka%' THEN NULL ELSE 'a' END, 1) FROM customers
-- several rows in one case: refused, oracle
--   shows: 21000
SELECT CASE WHEN email LIKE '%quokka%' THEN (SELECT id FROM orders) END FROM customers
-- an index that is too large: refused, oracle
--   shows: 22003
SELECT (ARRAY[1, 2])[card - 4929123456789012 + 2147483648] FROM customers WHERE id = 1
-- a date's part of the value: refused, oracle
--   shows: 22003
SELECT make_interval(days => length(email) + 2147483640) FROM customers WHERE id = 1
-- SQL that is run and fails: refused, oracle
--   shows: 22012
SELECT query_to_xml('SELECT 1 / CASE WHEN email LIKE ''%quokka%'' THEN 0 ELSE 1 END FROM customers', true, true, '')
-- CASE that is NULL otherwise: refused, masked
--   shows: bingo
SELECT id, CASE WHEN email LIKE '%quokka%' THEN 'bingo' END FROM customers
-- NULLIF that is NULL: refused, masked
--   shows: bingo
SELECT coalesce(nullif(ssn, '987-65' || '-4320'), 'bingo') FROM customers WHERE id = 1
-- OR with NULL: refused, masked
--   shows: bingo=true
SELECT 'bingo=' || (email LIKE '%quokka%' OR NULL)::text FROM customers
-- AND with NULL: refused, masked
--   shows: bingo=false
SELECT 'bingo=' || (email NOT LIKE '%quokka%' AND NULL)::text FROM customers
-- IN with NULL: refused, masked
--   shows: bingo=true
SELECT 'bingo=' || (ssn IN ('987-65' || '-4320', NULL))::text FROM customers
-- ANY with NULL: refused, masked
--   shows: bingo=true
SELECT 'bingo=' || (ssn = ANY (ARRAY['987-65' || '-4320', NULL]))::text FROM customers
-- ANY of a subquery: refused, masked
--   shows: bingo=true
SELECT 'bingo=' || (ssn = ANY (SELECT '987-65' || '-4320' UNION ALL SELECT NULL))::text FROM customers
-- BETWEEN and NULL: refused, masked
--   shows: bingo=false
SELECT 'bingo=' || (ssn BETWEEN '987-65' || '-4321' AND NULL)::text FROM customers WHERE id = 1
-- a row with NULL: refused, masked
--   shows: bingo=false
SELECT 'bingo=' || ((ssn, NULL) = ('987-65' || '-9876', 1))::text FROM customers WHERE id = 1
-- a part by a regular expression: refused, masked
SELECT substring(email from 'needle-q.*') FROM customers
-- a match: refused, masked
SELECT regexp_match(email, 'needle-q.*') FROM customers
-- a member by the value: refused, masked
--   shows: bingo
SELECT '{"needle-quokka@burrow.example": "bingo"}'::json ->> email FROM customers
-- a place in a document: refused, masked
SELECT jsonb_path_query_first(profile, '$.contact.email ? (@ starts with "needle-q")') FROM customers
-- a place in an array: refused, masked
--   shows: bingo=2
SELECT 'bingo=' || array_position(tags, 'needle-debtor') FROM customers
-- a function that looks for it: refused, masked
--   shows: Ann
SELECT whose('needle-quokka@' || 'burrow.example')
-- a member that is there by the value: refused, masked
--   shows: bingo
SELECT json_build_object(email, 'bingo') ->> ('needle-quokka@' || 'burrow.example') FROM customers WHERE id = 1
-- in a subquery: refused, masked
--   shows: bingo
SELECT s.x FROM (SELECT CASE WHEN email LIKE '%quokka%' THEN 'bingo' END AS x FROM customers) s
-- in what DELETE returns: refused, masked
--   shows: bingo
BEGIN
DELETE FROM vips RETURNING CASE WHEN ssn = '987-65' || '-5555' THEN 'bingo' END
ROLLBACK
-- in a value that stays masked: refused, oracle
--   shows: bingo
BEGIN
UPDATE customers SET ssn = CASE WHEN ssn = '987-65' || '-4320' THEN NULL ELSE ssn END
SELECT 'bingo' FROM customers WHERE id = 1 AND ssn IS NULL
ROLLBACK
-- the greater of two arrays: refused, masked
SELECT greatest(ARRAY[email], ARRAY['needle-p', 'x']) FROM customers WHERE id = 1
-- the greatest of arrays: refused, masked
SELECT max(a) FROM (SELECT ARRAY[email] AS a FROM customers WHERE id = 1 UNION ALL SELECT ARRAY['needle-p', 'x']) s
-- the greater of two rows: refused, oracle
--   shows: 42804
SELECT greatest(ROW(email, 1), ROW('needle-quokka@' || 'burrow.example', 'x')) FROM customers WHERE id = 1
-- a text that is too long where it is put back: refused, oracle
--   shows: 22001
BEGIN
UPDATE accounts SET code = ltrim(code, '8') || '1' WHERE id = 1
ROLLBACK
-- a text that may not be where it is put back: refused, oracle
--   shows: 23514
BEGIN
UPDATE accounts SET code = ltrim(left(code, 1), '9') WHERE id = 1
ROLLBACK
-- texts of which there is only to be one: refused, oracle
--   shows: 23505
BEGIN
UPDATE accounts SET code = left(code, 5)
ROLLBACK
-- a number that is too large for another column: refused, oracle
--   shows: 22003
BEGIN
UPDATE accounts SET small = large WHERE id = 1
ROLLBACK
-- many guesses at once by the name of the constraint: refused, oracle
--   shows: INSERT 0 1
BEGIN
INSERT INTO customers (id, name, email) VALUES (91, 'x', 'needle-quokka@' || 'burrow.example'), (92, 'x', 'b')
 ON CONFLICT ON CONSTRAINT customers_email_key DO NOTHING
ROLLBACK
-- many guesses at once in a block: refused
--   shows: bingo
BEGIN
DO $$ DECLARE g text; BEGIN
    FOREACH g IN ARRAY ARRAY['needle-quokka@' || 'burrow.example', 'b'] LOOP BEGIN
        INSERT INTO customers (id, name, email) VALUES (91, 'x', g);
    EXCEPTION WHEN unique_violation THEN INSERT INTO notes (body) VALUES ('bin' || 'go'); END; END LOOP;
 END $$
SELECT body FROM notes
ROLLBACK
-- a number beside a number of less room: refused, oracle
--   shows: 22003
SELECT coalesce(card, 1::oid) FROM customers WHERE id = 1
-- a number beside a number of less room, as rows: refused, oracle
--   shows: 22003
SELECT card FROM customers WHERE id = 1 UNION ALL SELECT 1::oid
-- a number beside a number of less room, in lists: refused, oracle
--   shows: 22003
VALUES (1::oid), ((SELECT card FROM customers WHERE id = 1))
-- a number beside a number of less room, in an array: refused, oracle
--   shows: 22003
SELECT ARRAY[card, 1::oid] FROM customers WHERE id = 1
-- a number beside a number of less room, before the first row: refused, oracle
--   shows: 22003
SELECT lag(card, 1, 1::oid) OVER (ORDER BY id) FROM customers
-- an array beside a longer one: refused, oracle
--   shows: 2202E
SELECT ARRAY[tags, ARRAY['a', 'b', 'c']] FROM customers WHERE id = 1
-- arrays of rows: refused, oracle
--   shows: 2202E
SELECT ARRAY(SELECT tags FROM customers WHERE id < 3)
-- a character that the encoding lacks: refused, oracle
--   shows: 22P05
SET client_encoding = 'LATIN1'
SELECT split_part(U&'m\20ACm', left(email, 1), 1) FROM customers WHERE id = 1
-- an array in another encoding: refused, masked
--   shows: xyz
SET client_encoding = 'LATIN1'
SELECT ARRAY[split_part('n' || chr(233) || 'xyz', left(email, 1), 2)] FROM customers WHERE id = 1
-- another encoding set with it: refused, oracle
--   shows: 22P05
SELECT set_config('client_encoding', 'LATIN1', false), split_part(U&'m\20AC', left(email, 1), 1) FROM customers
-- another encoding in a block before it: refused (simple)
--   shows: 22P05
DO $$BEGIN PERFORM set_config('client_encoding', 'LATIN1', false); END$$; SELECT split_part(U&'m\20AC', left(email, 1), 1) FROM customers
-- the greatest of documents: refused, masked
SELECT greatest(jsonb_build_object('a', email, 'b', 1), jsonb_build_object('a', 'needle-p', 'c', 1)) FROM customers WHERE id = 1
-- grouped by an output that is called as a column outside: refused, masked
--   shows: 211
SELECT (SELECT (11 + 100 * max(k))::text FROM (SELECT count(*) AS k, x AS note FROM (SELECT left(email, 8) x FROM customers WHERE id = 1 UNION ALL SELECT 'needle-q') u GROUP BY note) s) FROM orders o WHERE o.id = 1
-- # What the server measures

-- what is logged of a row by its plan: refused, oracle
--   shows: bytes=
BEGIN
EXPLAIN (ANALYZE, WAL, COSTS OFF, TIMING OFF, SUMMARY OFF) UPDATE customers SET ssn = '987-65-4320' WHERE id = 1
ROLLBACK
-- what is logged of a row by its plan, with more around it: refused, oracle
--   shows: bytes=
BEGIN
EXPLAIN (ANALYZE, WAL, COSTS OFF, TIMING OFF, SUMMARY OFF) WITH u AS (UPDATE customers SET ssn = '987-65-4320' WHERE id = 1 RETURNING id) SELECT id FROM u
ROLLBACK
-- what is logged of a row that goes: refused, oracle
--   shows: bytes=
BEGIN
EXPLAIN (ANALYZE, WAL, COSTS OFF, TIMING OFF, SUMMARY OFF) DELETE FROM vips WHERE id = 4
ROLLBACK
-- where the log ends: refused, masked
--   shows: logged=
SELECT 'logged=' || pg_current_wal_insert_lsn(), 'logged=' || pg_current_wal_lsn()
-- where the log ends, compared: refused, oracle
--   shows: bingo
SELECT 'bingo' WHERE pg_current_wal_insert_lsn() > '0/1'
-- how much is logged: refused, masked
--   shows: logged=
SELECT 'logged=' || wal_bytes FROM pg_stat_wal
SELECT 'logged=' || wal_bytes FROM pg_stat_get_wal()
-- how much is logged, as a row: closed
--   shows: wal_bytes":
SELECT row_to_json(s)::text FROM pg_stat_wal s
-- how often a row was written beside the old one, as a row: closed
--   shows: "n_tup_hot_upd":1
BEGIN
UPDATE customers SET email = 'needle-wombat@warren.example' WHERE id = 2
SELECT row_to_json(s)::text FROM pg_stat_xact_user_tables s WHERE relname = 'customers'
ROLLBACK
-- how often a row was written beside the old one: refused, masked
--   shows: beside 1
BEGIN
UPDATE customers SET email = 'needle-wombat@warren.example' WHERE id = 2
SELECT 'beside ' || pg_stat_get_xact_tuples_hot_updated('customers'::regclass)
SELECT 'beside ' || n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'customers'
ROLLBACK
-- how often a row was written beside the old one, compared: refused, oracle
--   shows: bingo
BEGIN
UPDATE customers SET email = 'needle-wombat@warren.example' WHERE id = 2
SELECT 'bingo' FROM pg_stat_xact_user_tables WHERE relname = 'customers' AND n_tup_hot_upd > 0
ROLLBACK
-- in how many blocks an index was looked up: refused, masked
--   shows: looked=
SELECT 'looked=' || pg_stat_get_xact_blocks_fetched('customers_pkey'::regclass)
SELECT 'looked=' || idx_blks_hit FROM pg_statio_user_indexes
-- what a plan's part takes whose query is in a condition: refused, oracle
--   shows: CTE x
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id FROM orders WHERE id < (WITH x AS MATERIALIZED (SELECT split_part(email, 'needle-q', 2) p FROM customers, generate_series(1, 3000) WHERE customers.id = 1) SELECT count(*) FROM x)
-- what a plan's part takes whose query is in a limit: refused, oracle
--   shows: CTE x
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id FROM orders LIMIT (WITH x AS MATERIALIZED (SELECT split_part(email, 'needle-q', 2) p FROM customers, generate_series(1, 3000) WHERE customers.id = 1) SELECT count(*) FROM x)
-- a limit of temporary files: refused, oracle
--   shows: 53400
SET temp_file_limit = '1MB'
SET work_mem = '64kB'
BEGIN
DECLARE c CURSOR WITH HOLD FOR SELECT repeat(split_part(email, 'needle-q', 2), 4) FROM customers, generate_series(1, 20000) WHERE id = 1
COMMIT
-- a limit of temporary files by a function: refused, oracle
--   shows: 1MB
SELECT set_config('temp_file_limit', '1MB', false)
-- a limit of temporary files by a function, put together: refused, oracle
--   shows: 1MB
SELECT set_config('temp_file_' || 'limit', '1MB', false)
-- a limit of temporary files by a view: refused, oracle
--   shows: 1MB
UPDATE pg_settings SET setting = '1024' WHERE name = 'temp_file_limit'
SHOW temp_file_limit
-- a limit of temporary files by a block: refused
--   shows: 1MB
DO $$BEGIN EXECUTE 'SET temp_file_' || 'limit = ''1MB'''; END$$
SHOW temp_file_limit
-- a limit of temporary files of the database: refused, oracle (own)
--   shows: temp_file_limit=100MB
ALTER DATABASE ":database" SET temp_file_limit = '100MB'
SELECT setconfig::text FROM pg_db_role_setting, pg_database d WHERE d.oid = setdatabase AND datname = ':database'
-- fewer digits than there are: refused, oracle
--   shows: -14
SET extra_float_digits = -14
SHOW extra_float_digits
-- fewer digits than there are, by a function: refused, oracle
--   shows: -14
SELECT set_config('extra_float_digits', '-14', false)
-- what the server says of a sort: refused, masked
--   shows: tuplesort.c
SET client_min_messages = log
SET trace_sort = on
SELECT split_part(email, 'needle-q', 2), g FROM customers, generate_series(1, 900) g WHERE customers.id = 1 ORDER BY g DESC
-- what was in a column of rows that are older than it: closed (own)
ALTER TABLE visits ADD COLUMN IF NOT EXISTS newer text DEFAULT 'needle-quokka@burrow.example'
SELECT attname, attmissingval::text FROM pg_attribute WHERE atthasmissing
-- where the log ends, kept by a default: closed (own)
--   shows: logged=
CREATE TEMP TABLE kept (at pg_lsn DEFAULT pg_current_wal_insert_lsn())
INSERT INTO kept DEFAULT VALUES
SELECT 'logged=' || at FROM kept
-- where the log ends, in a view: closed (own)
--   shows: logged=
CREATE VIEW ends AS SELECT 'logged=' || pg_current_wal_insert_lsn() AS at
SELECT at FROM ends
-- where the log ends, kept by a block: closed (own)
--   shows: logged=
DO $$BEGIN INSERT INTO notes (body) VALUES ('logged=' || pg_current_wal_insert_lsn()); END$$
SELECT body FROM notes
-- where the log ends, after a message in it: closed
--   shows: logged=
SELECT 'logged=' || pg_logical_emit_message(false, 'a', 'b')
-- what is logged of a row by the plan of a view: refused, oracle
--   shows: bytes=
BEGIN
EXPLAIN (ANALYZE, WAL, COSTS OFF, TIMING OFF, SUMMARY OFF) UPDATE people SET email = 'needle-quokka@burrow.examplX' WHERE id = 4
ROLLBACK
-- what is logged of a row by the plan of what was prepared: refused, oracle
--   shows: bytes=
BEGIN
PREPARE p AS UPDATE customers SET ssn = $1 WHERE id = 1
EXPLAIN (ANALYZE, WAL, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE p ('987-65-4320')
ROLLBACK
-- a limit of temporary files beside what was just made: refused, oracle
--   shows: 1MB
BEGIN
CREATE TEMP TABLE beside (a int)
SELECT set_config('temp_file_limit', '1MB', false) FROM (SELECT 1) a
ROLLBACK
-- a limit of temporary files by a row: refused, oracle
--   shows: 1MB
SELECT set_config(name, '1MB', false) FROM (VALUES ('temp_file_limit')) v (name)
-- what is computed when a plan is made, behind a view: masked
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM first_one
-- how much was put aside: closed
--   shows: size=
SELECT 'size=' || pg_tablespace_size('pg_default')
-- how much was copied: closed
--   shows: copied=0
SELECT 'copied=' || count(bytes_processed) FROM pg_stat_progress_copy WHERE bytes_processed > 0
-- digits that a block takes away: refused, oracle
--   shows: digits=-14
DO $$ BEGIN SET extra_float_digits = -14; END $$
SELECT 'digits=' || current_setting('extra_float_digits')
-- a trigger that drops what is the same: refused
--   shows: UPDATE 0
UPDATE ledger SET code = 'needle-quokka@burrow.example' WHERE id = 1
-- plans by which rows come in the order of an index: refused, oracle
--   shows: off
SET enable_seqscan = off
SHOW enable_seqscan
-- plans that are dear: refused, oracle
--   shows: 1e-06
SET LOCAL seq_page_cost = 100000
SET random_page_cost = 1e-06
SHOW random_page_cost
-- plans by a function: refused, oracle
--   shows: off
SELECT set_config('enable_' || 'seqscan', 'off', false)
-- plans by a block: refused, oracle
--   shows: off
DO $$ BEGIN PERFORM set_config('enable_seqscan', 'off', false); END $$
SHOW enable_seqscan
-- plans by a block, by a name with escapes: refused
--   shows: off
DO $$ BEGIN PERFORM U&"set\005fconfig"('enable' || '_seqscan', 'off', false); END $$
SHOW enable_seqscan
-- plans by a function of one's own, by a name with escapes: refused (own)
--   shows: off
CREATE FUNCTION plans() RETURNS text LANGUAGE sql AS $$SELECT U&"set\005fconfig"('enable' || '_seqscan', 'off', false)$$
SELECT plans()
-- plans by a function of one's own: refused, oracle (own)
--   shows: off
CREATE FUNCTION plans() RETURNS text LANGUAGE sql AS $$SELECT set_config('enable_seqscan', 'off', false)$$
SELECT plans()
-- plans by a function of one's own, by what it is given: refused, oracle (own)
--   shows: off
CREATE FUNCTION plans(text) RETURNS text LANGUAGE sql AS $$SELECT set_config($1, 'off', false)$$
SELECT plans('enable_seqscan')
-- plans by a function of one's own that is parsed: refused, oracle (own)
--   shows: off
CREATE FUNCTION plans() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT set_config('enable_seqscan', 'off', false); END
SELECT plans()
-- plans while a function runs: refused, oracle (own)
--   shows: off
CREATE FUNCTION plans() RETURNS text LANGUAGE sql SET enable_seqscan = off AS $$SELECT current_setting('enable_seqscan')$$
SELECT plans()
-- plans by an aggregate: refused (own)
--   shows: off
CREATE AGGREGATE plans(text, bool) (SFUNC = set_config, STYPE = text, INITCOND = 'enable_seqscan')
SELECT plans('off', false)
SHOW enable_seqscan
-- plans by a rule: refused (own, simple)
--   shows: off
CREATE TABLE planned (a int)
CREATE RULE plans AS ON INSERT TO planned DO ALSO SELECT set_config('enable_seqscan', 'off', false)
INSERT INTO planned VALUES (1)
-- plans by a view: refused, oracle (own)
--   shows: off
CREATE VIEW plans AS SELECT set_config('enable_seqscan', 'off', false)
SELECT * FROM plans
-- plans by a default: refused (own)
--   shows: off
CREATE TABLE planned (a text DEFAULT set_config('enable_seqscan', 'off', false))
INSERT INTO planned DEFAULT VALUES RETURNING a
-- plans by an operator: refused, oracle (own)
--   shows: off
CREATE FUNCTION plans(text, text) RETURNS text LANGUAGE sql AS $$SELECT set_config($1, $2, false)$$
CREATE OPERATOR =>> (FUNCTION = plans, LEFTARG = text, RIGHTARG = text)
SELECT 'enable_seqscan' =>> 'off'
-- an attribute whose letters are no text any more: refused, oracle
--   shows: 22021
SELECT lower(xmlelement(name a, xmlattributes(split_part(U&'8\FFFE', substr(ssn, 1, 1), 1) AS b))::text) FROM customers WHERE id = 1
-- ties of a sort for which there is no room: refused, oracle
--   shows: first=
SET work_mem = '64kB'
WITH s AS MATERIALIZED (SELECT g, concat(split_part(a.v, 'needle-q', 1), split_part(a.v, 'needle-q', 1), split_part(a.v, 'needle-q', 1)) x
  FROM (SELECT email v FROM customers WHERE id = 1) a, generate_series(1, 700) g ORDER BY g % 2) SELECT 'first=' || g FROM s LIMIT 1
-- the same without a setting: refused, oracle
--   shows: first=
SELECT 'first=' || g FROM (SELECT g, greatest(ssn, repeat('9', 900)) x FROM customers, generate_series(1, 12000) g WHERE customers.id = 1 OFFSET 0) s
  ORDER BY g % 3 LIMIT 1
-- ties of one of several: refused, oracle
--   shows: first=
SELECT DISTINCT ON (g % 3) 'first=' || g, split_part('9xxx', substr(ssn, 1, 1), 2) FROM customers, generate_series(1, 600) g WHERE customers.id = 1 ORDER BY g % 3
-- the order of groups: refused, oracle
--   shows: group=
SELECT 'group=' || g % 250, max(split_part('9xxx', substr(ssn, 1, 1), 2)) FROM customers, generate_series(1, 600) g WHERE customers.id = 1 GROUP BY g % 250
-- ties in a window: refused, oracle
--   shows: number=
SELECT 'number=' || row_number() OVER (ORDER BY g % 2) FROM (SELECT g, starts_with(email, 'needle-q')::text x FROM customers, generate_series(1, 600) g
  WHERE customers.id = 1 OFFSET 0) s
-- what a join puts aside: refused, oracle
--   shows: joined=
SELECT 'joined=' || s.id FROM (SELECT id, btrim(email, 'nedl-q') x FROM customers OFFSET 0) s JOIN orders o ON o.id = s.id
-- many guesses that are moved into another partition: refused, oracle (own)
--   shows: 23505
INSERT INTO visits_2025 (id, customer, email, day) SELECT g, 777, 'needle-' || (ARRAY['quokka', 'wombat', 'numbat'])[g] || '@burrow.example', '2025-05-05' FROM generate_series(1, 3) g
UPDATE visits SET day = '2024-05-05' WHERE customer = 777
-- many guesses that are moved beside another: refused, oracle (own)
--   shows: 23505
INSERT INTO tenants VALUES (2, 'a', false), (2, 'needle-' || 'quokka@burrow.example', false)
UPDATE tenants SET tenant = 1 WHERE tenant = 2
-- many guesses that count from now on: refused, oracle (own)
--   shows: 23505
INSERT INTO tenants VALUES (2, 'a', false), (2, 'needle-' || 'quokka@burrow.example', false)
UPDATE tenants SET active = true WHERE tenant = 2
-- plans of the role: refused, oracle (own)
--   shows: enable_seqscan=off
ALTER ROLE CURRENT_USER IN DATABASE ":database" SET enable_seqscan = off
SELECT setconfig::text FROM pg_db_role_setting, pg_database d WHERE d.oid = setdatabase AND datname = ':database'
