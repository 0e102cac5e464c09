-- # What agents make

-- a view: closed (own)
CREATE VIEW mine AS SELECT email AS harmless FROM customers
SELECT harmless FROM mine
-- a temporary view: closed (own)
CREATE TEMP VIEW mine AS SELECT upper(email) AS harmless FROM customers
SELECT harmless FROM mine
-- a view in a transaction: closed
BEGIN
CREATE VIEW mine AS SELECT email AS harmless FROM customers
SELECT harmless FROM mine
ROLLBACK
-- a view and its use in one text: closed (own, simple)
CREATE VIEW mine AS SELECT email AS harmless FROM customers; SELECT harmless FROM mine
-- a view made another: closed (own)
CREATE VIEW mine AS SELECT id, name AS harmless FROM customers
SELECT harmless FROM mine
CREATE OR REPLACE VIEW mine AS SELECT id, email AS harmless FROM customers
SELECT harmless FROM mine
-- a view that recurs: closed (own)
CREATE RECURSIVE VIEW mine (n, e) AS SELECT 1, email FROM customers UNION ALL SELECT n + 1, e FROM mine WHERE n < 2
SELECT e FROM mine
-- a temporary table under the masked name: closed (own)
CREATE TEMP TABLE customers (id int, email text)
INSERT INTO customers SELECT id, email FROM public.customers
SELECT email FROM customers
-- a temporary view under a clean name: closed (own)
CREATE TEMP VIEW orders AS SELECT email AS note FROM customers
SELECT note FROM orders
-- a temporary function's name: closed (own)
CREATE FUNCTION pg_temp.f() RETURNS SETOF text LANGUAGE sql AS 'SELECT email FROM public.customers'
SELECT * FROM pg_temp.f()
-- a function: closed (own)
CREATE FUNCTION mine() RETURNS SETOF text LANGUAGE sql AS 'SELECT email FROM customers'
SELECT mine()
-- a function in PL/pgSQL: closed (own)
CREATE FUNCTION mine() RETURNS SETOF text LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT email FROM customers; END$$
SELECT mine()
-- a function that runs pieces: closed (own)
CREATE FUNCTION mine() RETURNS text LANGUAGE plpgsql AS $$DECLARE r text; BEGIN EXECUTE 'SELECT em' || 'ail FROM cust' || 'omers WHERE id = 1' INTO r; RETURN r; END$$
SELECT mine()
-- a function made another: closed (own)
CREATE FUNCTION mine() RETURNS SETOF text LANGUAGE sql AS 'SELECT name FROM customers'
SELECT mine()
CREATE OR REPLACE FUNCTION mine() RETURNS SETOF text LANGUAGE sql AS 'SELECT email FROM customers'
SELECT mine()
-- a function called like one of the server's: closed (own)
CREATE FUNCTION public.lower(int) RETURNS text LANGUAGE sql AS 'SELECT email FROM public.customers WHERE id = $1'
SELECT lower(1)
-- a function that hides one of the server's: closed (own)
CREATE FUNCTION public.now() RETURNS text LANGUAGE sql AS 'SELECT email FROM public.customers WHERE id = 1'
SET search_path = public, pg_catalog
SELECT now()
-- a function that hides one of the server's, in a transaction: closed (own)
BEGIN
CREATE FUNCTION upper(varchar) RETURNS text LANGUAGE sql AS 'INSERT INTO notes (body) VALUES ($1) RETURNING body'
SELECT upper(email::varchar) FROM customers
SELECT body FROM notes
COMMIT
SELECT body FROM notes
-- a function of a row: closed (own)
CREATE FUNCTION mail(customers) RETURNS text LANGUAGE sql AS 'SELECT $1.email'
SELECT c.mail FROM customers c
-- a default argument: closed (own)
CREATE FUNCTION mine(x text DEFAULT email_of(1)) RETURNS text LANGUAGE sql AS 'SELECT x'
SELECT mine()
-- a procedure: closed (own)
CREATE PROCEDURE mine(INOUT r text) LANGUAGE plpgsql AS $$BEGIN SELECT email INTO r FROM customers WHERE id = 1; END$$
CALL mine(NULL)
-- an operator: closed (own)
CREATE FUNCTION pick(int, int) RETURNS text LANGUAGE sql AS 'SELECT email FROM customers WHERE id = $2'
CREATE OPERATOR <#> (FUNCTION = pick, LEFTARG = int, RIGHTARG = int)
SELECT 1 <#> 1
-- a cast: closed (own)
CREATE TYPE box1 AS (i int)
CREATE FUNCTION out1(box1) RETURNS text LANGUAGE sql AS 'SELECT email FROM customers WHERE id = ($1).i'
CREATE CAST (box1 AS text) WITH FUNCTION out1(box1)
SELECT ROW(1)::box1::text
-- an aggregate: closed (own)
CREATE FUNCTION step(text, int) RETURNS text LANGUAGE sql AS 'SELECT $1 || email FROM customers WHERE id = $2'
CREATE AGGREGATE collect(int) (SFUNC = step, STYPE = text, INITCOND = '')
SELECT collect(id) FROM orders WHERE id < 3
-- a rule: closed (own, simple)
CREATE RULE r AS ON UPDATE TO notes DO INSTEAD SELECT email FROM customers
UPDATE notes SET body = 'x'
-- a rule that makes a view: closed (own)
CREATE VIEW mine AS SELECT id, name AS body FROM customers
CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO mine DO INSTEAD SELECT id, email AS body FROM customers
SELECT body FROM mine
-- a rule that copies: closed (own)
CREATE RULE r AS ON UPDATE TO customers DO ALSO INSERT INTO notes (body) VALUES (old.email)
UPDATE customers SET name = name
SELECT body FROM notes
-- a trigger that copies: closed (own)
CREATE FUNCTION copies() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO notes (body) VALUES (NEW.email); RETURN NEW; END$$
CREATE TRIGGER copies AFTER UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION copies()
UPDATE customers SET name = name
SELECT body FROM notes
-- a trigger that tells: closed (own)
CREATE FUNCTION tells() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE WARNING 'it is %', NEW.ssn; RETURN NEW; END$$
CREATE TRIGGER tells AFTER UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION tells()
UPDATE customers SET name = name
-- a policy for rows: closed (own)
CREATE FUNCTION seen(text) RETURNS bool LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'seen %', $1; RETURN true; END$$
CREATE POLICY p ON customers USING (seen(email))
ALTER TABLE customers ENABLE ROW LEVEL SECURITY
ALTER TABLE customers FORCE ROW LEVEL SECURITY
CREATE ROLE reader_of_:database
GRANT SELECT ON customers TO reader_of_:database
SET ROLE reader_of_:database
SELECT id FROM customers
RESET ROLE
DROP OWNED BY reader_of_:database
DROP ROLE reader_of_:database
-- a generated column: closed (own)
ALTER TABLE customers ADD COLUMN free text GENERATED ALWAYS AS (upper(email)) STORED
SELECT free FROM customers
-- a default: closed (own)
ALTER TABLE notes ALTER COLUMN body SET DEFAULT email_of(1)
INSERT INTO notes DEFAULT VALUES RETURNING body
-- a column renamed: closed (own)
ALTER TABLE customers RENAME COLUMN email TO harmless
SELECT harmless FROM customers
-- columns that change places: closed (own)
ALTER TABLE customers RENAME COLUMN email TO x
ALTER TABLE customers RENAME COLUMN name TO email
ALTER TABLE customers RENAME COLUMN x TO name
SELECT name FROM customers
-- a table renamed: closed (own)
ALTER TABLE customers RENAME TO harmless
SELECT email FROM harmless
-- a table renamed in a transaction: closed
BEGIN
ALTER TABLE customers RENAME TO harmless
SELECT email FROM harmless
ROLLBACK
-- a column renamed in one text: closed (own, simple)
ALTER TABLE customers RENAME COLUMN email TO harmless; SELECT harmless FROM customers
-- a table moved: closed (own)
CREATE SCHEMA mine
ALTER TABLE customers SET SCHEMA mine
SELECT email FROM mine.customers
-- a schema renamed: closed (own)
ALTER SCHEMA public RENAME TO mine
SELECT email FROM mine.customers
-- another type: closed (own)
ALTER TABLE notes ALTER COLUMN data TYPE text USING email_of(id)
SELECT data FROM notes
-- a type of its own: closed (own)
ALTER TABLE customers ALTER COLUMN profile TYPE text USING email
SELECT profile FROM customers
-- a check that fails: closed
BEGIN
ALTER TABLE customers ADD CHECK (notice(email) > 0)
ROLLBACK
-- an index by a function that tells: closed (own)
CREATE FUNCTION seen(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RAISE NOTICE 'seen %', $1; RETURN $1; END$$
CREATE INDEX ON customers (seen(email))
-- a unique index that fails: closed (own)
CREATE UNIQUE INDEX ON customers ((left(email, 7)))
-- an exclusion that fails: closed (own)
--   shows: (987-65)
ALTER TABLE customers ADD EXCLUDE USING btree ((left(ssn, 6)) WITH =)
-- a foreign key that fails: closed (own)
ALTER TABLE customers ADD FOREIGN KEY (ssn) REFERENCES newsletter (email)
-- statistics of more: closed (own)
CREATE STATISTICS more (mcv) ON email, ssn FROM customers
ANALYZE customers
SELECT stxdmcv::text, m.values::text FROM pg_statistic_ext_data, pg_mcv_list_items(stxdmcv) m
-- statistics of an expression: closed (own)
CREATE STATISTICS more ON (lower(email)), (ssn || '') FROM customers
ANALYZE customers
SELECT most_common_vals::text, histogram_bounds::text FROM pg_stats_ext_exprs
-- a domain that asks: closed (own)
CREATE DOMAIN asked AS text CHECK (notice(VALUE) > 0)
SELECT email::asked FROM customers
-- a partition with a bound of it: closed (own)
CREATE TABLE p (e text) PARTITION BY LIST (e)
DO $$BEGIN EXECUTE format('CREATE TABLE p1 PARTITION OF p FOR VALUES IN (%L)', (SELECT email FROM customers WHERE id = 1)); END$$
SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'p1'
-- an enum of it: closed (own)
DO $$BEGIN EXECUTE format('CREATE TYPE e AS ENUM (%L)', (SELECT email FROM customers WHERE id = 1)); END$$
SELECT enum_range(NULL::e)::text
-- a server-side block that tells: closed
DO $$DECLARE r text; BEGIN SELECT email INTO r FROM customers WHERE id = 1; RAISE NOTICE '%', r; END$$
-- a server-side block that fails: closed
DO $$DECLARE r text; BEGIN SELECT email INTO r FROM customers WHERE id = 1; RAISE '%', r USING HINT = r; END$$
-- a server-side block in pieces: closed
DO $$DECLARE r text; BEGIN EXECUTE 'SELECT em' || 'ail FROM cust' || 'omers LIMIT 1' INTO r; RAISE NOTICE '%', reverse(r); END$$
-- a server-side block that notifies: closed
LISTEN gossip
DO $$BEGIN PERFORM pg_notify('gossip', email) FROM customers WHERE id = 1; END$$
SELECT 1
-- a server-side block that counts: closed
--   shows: bingo
DO $$BEGIN IF EXISTS (SELECT FROM customers WHERE email LIKE 'needle-q%') THEN RAISE NOTICE 'bin%', 'go'; END IF; END$$

-- a table renamed as an index: closed (own)
ALTER INDEX customers RENAME TO harmless
SELECT upper(email) FROM harmless
-- a view renamed over another: closed (own)
ALTER VIEW people RENAME TO harmless
SELECT upper(email) FROM harmless
-- a column renamed as a view's: closed (own)
ALTER VIEW people RENAME COLUMN email TO harmless
SELECT upper(harmless) FROM people
-- a type renamed that is a table: closed (own)
ALTER TABLE customers RENAME CONSTRAINT grown_up TO harmless
SELECT upper(email) FROM customers
-- a partition with other bounds: closed (own)
CREATE TABLE visits_2026 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')
UPDATE visits SET day = '2026-02-02'
SELECT upper(email) FROM visits_2026
-- no more a child: closed (own)
ALTER TABLE vips NO INHERIT customers
SELECT upper(email) FROM vips
-- a column dropped and made anew: closed (own)
ALTER TABLE notes RENAME COLUMN body TO email
SELECT upper(email) FROM customers
-- pages by an extension: closed (own)
CREATE EXTENSION pageinspect
SELECT encode(get_raw_page('customers', 0), 'escape')
-- a connection by an extension: closed (own)
CREATE EXTENSION dblink
SELECT e FROM dblink('host=127.0.0.1 port=:port user=app_trust dbname=:database', 'SELECT email FROM customers') AS t (e text)
-- files by an extension: closed (own)
CREATE EXTENSION file_fdw
CREATE SERVER s FOREIGN DATA WRAPPER file_fdw
CHECKPOINT
CREATE FOREIGN TABLE f (t text) SERVER s OPTIONS (program 'cd base && grep -a -h -o -r "needle-[a-z]*" $(ls | sort -n | head -n 7)')
SELECT t FROM f
-- the same database by a wrapper: closed (own)
CREATE EXTENSION postgres_fdw
CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname ':database', host '127.0.0.1', port ':port')
CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (user 'app_trust', password 'x', password_required 'false')
CREATE FOREIGN TABLE f (email text) SERVER s OPTIONS (table_name 'customers')
SELECT email FROM f
-- # Names that are not what they seem

-- the path: masked
SET search_path = pg_catalog
SELECT email FROM public.customers
-- the path with another schema first: closed (own)
CREATE SCHEMA mine
CREATE VIEW mine.orders AS SELECT email AS note FROM public.customers
SET search_path = mine, public
SELECT note FROM orders
-- the path set by a function: closed (own)
CREATE SCHEMA mine
CREATE VIEW mine.orders AS SELECT email AS note FROM public.customers
SELECT set_config('search_path', 'mine, public', false)
SELECT note FROM orders
-- the path in a transaction only: closed (own)
CREATE SCHEMA mine
CREATE VIEW mine.orders AS SELECT email AS note FROM public.customers
BEGIN
SET LOCAL search_path = mine, public
SELECT note FROM orders
COMMIT
-- prepared by one path and run by another: closed (own)
CREATE SCHEMA mine
CREATE TABLE mine.customers (id int, email text)
INSERT INTO mine.customers VALUES (1, 'none')
SET search_path = mine
PREPARE p AS SELECT reverse(email) FROM customers
SET search_path = public
EXECUTE p
-- a cursor declared by one path and fetched by another: masked (own)
CREATE SCHEMA mine
CREATE TABLE mine.customers (id int, email text)
INSERT INTO mine.customers VALUES (1, 'none')
BEGIN
DECLARE c CURSOR FOR SELECT reverse(email) FROM customers
SET LOCAL search_path = mine
FETCH ALL FROM c
ROLLBACK
-- backslashes in texts: closed
SET standard_conforming_strings = off
SELECT 'x\' || ', email, ' FROM orders --' FROM customers
-- a text that ends otherwise: closed
SET standard_conforming_strings = off
SELECT 'a\'', email, '\'b' FROM customers
-- another encoding: closed
SET client_encoding = 'LATIN1'
SELECT email FROM customers
-- an encoding with letters of its own: closed
SET client_encoding = 'SJIS'
SELECT email FROM customers
-- texts of bytes: refused, masked
SET bytea_output = escape
SELECT email::bytea FROM customers
-- dates of another style: masked
SET datestyle = 'German'
SELECT born FROM customers
-- dates of SQL: masked
SET datestyle = 'SQL, DMY'
SELECT born, born::text FROM customers
-- as another role: masked
SET SESSION AUTHORIZATION postgres
SELECT email FROM customers
-- by replication's triggers: masked
SET session_replication_role = replica
SELECT email FROM customers
-- a plan without its optimisations: refused, masked
SET enable_seqscan = off
SELECT email FROM customers
-- debug output of plans: closed
SET debug_print_plan = on
SET client_min_messages = log
SELECT 1 FROM customers WHERE email > 'a'
EXPLAIN (VERBOSE, COSTS OFF) SELECT email_of(1)
SELECT email FROM customers
-- what was logged: closed
SET client_min_messages = debug5
SET log_error_verbosity = verbose
SELECT email::int FROM customers
-- an operator that takes the server's name: refused, oracle (own)
--   shows: 22012
CREATE TYPE asked AS ENUM ('a')
CREATE FUNCTION asks(text, asked) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN 1 / ($1 NOT LIKE '%quokka%')::int; END$$
CREATE OPERATOR || (FUNCTION = asks, LEFTARG = text, RIGHTARG = asked)
SELECT email || 'a'::asked FROM customers
-- an operator that takes the server's name and is NULL for some: refused, oracle (own)
--   shows: 22023
--   shows: 22004
CREATE TYPE asked AS ENUM ('a')
CREATE FUNCTION asks(text, asked) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN IF $1 LIKE '%quokka%' THEN RETURN NULL; END IF; RETURN 'x'; END$$
CREATE OPERATOR || (FUNCTION = asks, LEFTARG = text, RIGHTARG = asked)
SELECT json_build_object(email || 'a'::asked, 1) FROM customers
-- a function that is replaced under a cursor: closed (own)
CREATE TABLE kept (it text)
CREATE FUNCTION keeps(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN $1; END$$
BEGIN
DECLARE under CURSOR FOR SELECT keeps(email) FROM customers
CREATE OR REPLACE FUNCTION keeps(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN INSERT INTO kept VALUES ($1); RETURN $1; END$$
FETCH ALL FROM under
COMMIT
SELECT it FROM kept
-- a decoy that a function drops: closed (own)
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, email text)
CREATE FUNCTION drops() RETURNS void LANGUAGE plpgsql AS $$BEGIN DROP SCHEMA decoy CASCADE; END$$
SET search_path = decoy, public
SELECT 1 FROM customers
SELECT drops()
SELECT lower(email) FROM customers
-- a decoy that a function renames: closed (own)
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, email text)
CREATE FUNCTION renames() RETURNS void LANGUAGE plpgsql AS $$BEGIN ALTER TABLE decoy.customers RENAME TO others; END$$
SET search_path = decoy, public
SELECT 1 FROM customers
SELECT renames()
SELECT lower(email) FROM customers
-- a decoy that is dropped with all that somebody owns: closed (own)
CREATE ROLE owner_of_:database
GRANT owner_of_:database TO CURRENT_USER
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, email text)
ALTER TABLE decoy.customers OWNER TO owner_of_:database
SET search_path = decoy, public
SELECT 1 FROM customers
DROP OWNED BY owner_of_:database
SELECT lower(email) FROM customers
-- a decoy, and a path that a default leads away from it: closed (own)
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn text)
CREATE TABLE decoy.led (id int, path text DEFAULT set_config('search_path', 'public', false))
SET search_path = decoy, public
INSERT INTO led (id) VALUES (1)
SELECT reverse(email) FROM customers
-- a function, and a path that a default leads to it: closed (own)
CREATE SCHEMA decoy
CREATE TABLE decoy.loot (it text)
CREATE FUNCTION decoy.trap(t text) RETURNS text LANGUAGE sql AS 'INSERT INTO decoy.loot VALUES (t) RETURNING it'
CREATE FUNCTION trap(t anyelement) RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE TABLE led (id int, path text DEFAULT set_config('search_path', 'decoy, public', false))
INSERT INTO led (id) VALUES (1)
SELECT trap(email) FROM public.customers
SELECT it FROM decoy.loot
-- a decoy into which values are put that stay in their column: closed (own)
CREATE SCHEMA decoy
SET search_path = decoy, public
BEGIN
CREATE TABLE IF NOT EXISTS decoy.visits (id int, customer int, email text, day date)
INSERT INTO visits (id, email) SELECT id, email FROM public.visits
COMMIT
SELECT email FROM decoy.visits
