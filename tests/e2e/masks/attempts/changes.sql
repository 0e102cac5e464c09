-- # A search path that is changed where no text says so

-- by SET in a function: closed (own)
CREATE FUNCTION public.moves() RETURNS int LANGUAGE plpgsql AS $$BEGIN SET search_path = public; RETURN 1; END$$
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
SELECT lower(email) FROM customers
SELECT public.moves()
SELECT lower(email), reverse(ssn) FROM customers
-- by a setting in a function: closed (own)
CREATE FUNCTION public.moves() RETURNS text LANGUAGE sql AS $$SELECT set_config('search_path', 'public', false)$$
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
SELECT lower(email) FROM customers
SELECT public.moves()
SELECT lower(email), reverse(ssn) FROM customers
-- by a function in a transaction: closed (own)
CREATE FUNCTION public.moves() RETURNS text LANGUAGE sql AS $$SELECT set_config('search_path', 'public', false)$$
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
SELECT lower(email) FROM customers
BEGIN
SELECT public.moves()
SELECT lower(email), reverse(ssn) FROM customers
COMMIT
-- by a function in a transaction, for what was prepared before: closed (own)
CREATE FUNCTION public.moves() RETURNS text LANGUAGE sql AS $$SELECT set_config('search_path', 'public', false)$$
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
PREPARE p AS SELECT lower(email) FROM customers
EXECUTE p
BEGIN
SELECT public.moves()
EXECUTE p
COMMIT
EXECUTE p
-- by a function that is written like a column: closed (own)
CREATE FUNCTION public.moves(public.orders) RETURNS text LANGUAGE sql AS $$SELECT set_config('search_path', 'public', false)$$
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
SELECT lower(email) FROM customers
SELECT o.moves FROM public.orders o
SELECT lower(email), reverse(ssn) FROM customers
-- by a procedure: closed (own)
CREATE PROCEDURE public.moves() LANGUAGE plpgsql AS $$BEGIN SET search_path = public; END$$
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
SELECT lower(email) FROM customers
CALL public.moves()
SELECT lower(email), reverse(ssn) FROM customers
-- by a view: closed (own)
CREATE VIEW moved AS SELECT set_config('search_path', 'public', false)
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
SELECT lower(email) FROM customers
SELECT * FROM moved
SELECT lower(email), reverse(ssn) FROM customers
-- by a view over a function: closed (own)
CREATE FUNCTION public.moves() RETURNS text LANGUAGE sql AS $$SELECT set_config('search_path', 'public', false)$$
CREATE VIEW moved AS SELECT public.moves()
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
SELECT lower(email) FROM customers
SELECT * FROM moved
SELECT lower(email), reverse(ssn) FROM customers
-- by a trigger: closed (own)
CREATE FUNCTION public.moves() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN SET search_path = public; RETURN NEW; END$$
CREATE TRIGGER moves BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION public.moves()
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
SELECT lower(email) FROM customers
INSERT INTO public.notes (body) VALUES ('x')
SELECT lower(email), reverse(ssn) FROM customers
-- by a trigger of COPY: closed (own, simple)
CREATE FUNCTION public.moves() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN SET search_path = public; RETURN NEW; END$$
CREATE TRIGGER moves BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION public.moves()
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
SELECT lower(email) FROM customers
COPY public.notes (body) FROM STDIN
\copydata x
\copydone
SELECT lower(email), reverse(ssn) FROM customers
-- by a trigger at the end of a transaction: closed (own)
CREATE FUNCTION public.moves() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN SET search_path = public; RETURN NEW; END$$
CREATE CONSTRAINT TRIGGER moves AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.moves()
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
BEGIN
INSERT INTO public.notes (body) VALUES ('x')
SELECT lower(email) FROM customers
COMMIT
SELECT lower(email), reverse(ssn) FROM customers
-- by a default: closed (own)
CREATE TABLE moved (id int, it text DEFAULT set_config('search_path', 'public', false))
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
SELECT lower(email) FROM customers
INSERT INTO public.moved (id) VALUES (1)
SELECT lower(email), reverse(ssn) FROM customers
-- by a domain: closed (own)
CREATE FUNCTION public.moves(text) RETURNS bool LANGUAGE sql AS $$SELECT set_config('search_path', 'public', false) IS NOT NULL$$
CREATE DOMAIN public.moved AS text CHECK (public.moves(VALUE))
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
SELECT lower(email) FROM customers
SELECT 'x'::public.moved
SELECT lower(email), reverse(ssn) FROM customers
-- by an operator: closed (own)
CREATE FUNCTION public.moves(int, int) RETURNS text LANGUAGE sql AS $$SELECT set_config('search_path', 'public', false)$$
CREATE OPERATOR public.<@@> (FUNCTION = public.moves, LEFTARG = int, RIGHTARG = int)
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
SELECT lower(email) FROM customers
SELECT 1 OPERATOR(public.<@@>) 2
SELECT lower(email), reverse(ssn) FROM customers
-- by a constraint: closed (own)
CREATE FUNCTION public.moves() RETURNS bool LANGUAGE sql AS $$SELECT set_config('search_path', 'public', false) IS NOT NULL$$
CREATE TABLE moved (id int CHECK (public.moves()))
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
SELECT lower(email) FROM customers
INSERT INTO public.moved VALUES (1)
SELECT lower(email), reverse(ssn) FROM customers
-- as another role, by a function: closed (own)
CREATE ROLE reader_of_:database
GRANT SELECT ON customers TO reader_of_:database
CREATE FUNCTION public.moves() RETURNS text LANGUAGE sql AS $$SELECT set_config('role', 'reader_of_:database', false)$$
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
SELECT lower(email) FROM customers
SELECT public.moves()
SELECT lower(email), reverse(ssn) FROM customers
RESET ROLE
DROP OWNED BY reader_of_:database
DROP ROLE reader_of_:database
-- and backslashes in texts, by a view, before an answer: closed (own, simple)
CREATE VIEW moved AS SELECT set_config('standard_conforming_strings', 'off', false)
\parse a SELECT * FROM moved
\bind - a
\execute -
\parse b SELECT '\', ' , lower(email) FROM customers -- '
\bind - b
\execute -
\sync
-- # Names that outlive what they stood for

-- a cursor of a transaction that is over: closed
BEGIN
DECLARE opened CURSOR FOR SELECT id, note FROM orders
COMMIT
BEGIN
SELECT opened_lower()
FETCH ALL FROM opened
ROLLBACK
-- a cursor of a transaction that is over, run by a message: closed
BEGIN
DECLARE opened CURSOR FOR SELECT id, note FROM orders
COMMIT
BEGIN
SELECT opened_lower()
\execute opened
\sync
ROLLBACK
-- a cursor that is rolled back: closed
BEGIN
SAVEPOINT s
DECLARE opened CURSOR FOR SELECT id, note FROM orders
ROLLBACK TO s
SELECT opened_lower()
FETCH ALL FROM opened
ROLLBACK
-- a cursor that a function opens anew: closed
BEGIN
DECLARE opened CURSOR FOR SELECT id, note FROM orders
SELECT reopened()
FETCH ALL FROM opened
ROLLBACK
-- a cursor that a function opens anew, before an answer: closed
BEGIN
DECLARE opened CURSOR FOR SELECT id, note FROM orders
\parse a SELECT reopened()
\bind - a
\execute -
\execute opened
\sync
ROLLBACK
-- a cursor that is held, and that a function opens anew: closed (own)
DECLARE opened CURSOR WITH HOLD FOR SELECT id, note FROM orders
BEGIN
SELECT reopened()
FETCH ALL FROM opened
ROLLBACK
-- a portal that a function opens anew: closed
BEGIN
\parse a SELECT id, note FROM orders
\bind opened a
\sync
SELECT reopened()
\execute opened
\sync
ROLLBACK
-- a portal that a function opens anew, fetched: closed
BEGIN
\parse a SELECT id, note FROM orders
\bind opened a
\sync
SELECT reopened()
FETCH ALL FROM opened
ROLLBACK
-- a statement that a function prepares anew: closed
PREPARE prepared AS SELECT id, note FROM orders
SELECT prepares()
EXECUTE prepared
-- a function that is replaced under a portal: closed (own, simple)
BEGIN
\parse s SELECT e FROM tidied
\bind pp s
\sync
CREATE OR REPLACE FUNCTION tidy(t text) RETURNS text LANGUAGE plpgsql AS $$BEGIN INSERT INTO notes (body) VALUES ($1); RETURN $1; END$$
FETCH ALL FROM pp
COMMIT
SELECT body FROM notes
-- a decoy that is dropped once the catalog was asked for: closed (own, simple)
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
PREPARE p AS SELECT 1
SELECT lower(email) FROM customers
BEGIN
CREATE TABLE zz (i int)
\parse d DROP TABLE decoy.customers
\bind dp d
\sync
\bind pp p
\sync
\execute dp
\sync
COMMIT
SELECT lower(email), reverse(ssn) FROM customers
-- a decoy that is dropped in two phases: closed (own)
CREATE SCHEMA decoy
CREATE TABLE decoy.customers (id int, name text, email text, ssn varchar)
SET search_path = decoy, public
SELECT lower(email) FROM customers
BEGIN
DROP TABLE decoy.customers
PREPARE TRANSACTION 'drops_:database'
SELECT lower(email) FROM public.customers LIMIT 0
COMMIT PREPARED 'drops_:database'
SELECT lower(email), reverse(ssn) FROM customers
-- # What is made of names on the way

-- a rule that writes where a default reads: closed (own)
SELECT count(*) FROM customers
CREATE RULE r AS ON INSERT TO notes DO ALSO INSERT INTO letters (id) VALUES (7)
INSERT INTO notes (body) VALUES ('x')
SELECT address FROM letters
-- a view of another table with defaults: closed (own)
SELECT count(*) FROM customers
CREATE VIEW vv AS SELECT id FROM notes
SELECT count(*) FROM vv
CREATE OR REPLACE VIEW vv AS SELECT id FROM letters
INSERT INTO vv VALUES (5)
SELECT address FROM letters
-- a table with defaults under another name: closed (own)
CREATE TABLE lettres (id int)
SELECT count(*) FROM customers
ALTER TABLE lettres RENAME TO l_old
ALTER TABLE letters RENAME TO lettres
INSERT INTO lettres (id) VALUES (5)
SELECT address FROM lettres
-- a column that gets a default by its type: closed (own)
CREATE TABLE x0 (id int, a text)
SELECT count(*) FROM customers
ALTER TABLE x0 ALTER COLUMN a TYPE first_address
INSERT INTO x0 (id) VALUES (5)
SELECT a FROM x0
-- a column that comes with a default by its type: closed (own)
ALTER TABLE notes ADD COLUMN a first_address
SELECT a FROM notes
-- a partition that gets a trigger: closed (own)
CREATE TABLE evt (id int, body text) PARTITION BY LIST (id)
CREATE FUNCTION evts() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO letters (id) VALUES (9); RETURN NEW; END$$
CREATE TRIGGER evts AFTER INSERT ON evt FOR EACH ROW EXECUTE FUNCTION evts()
CREATE TABLE evt2 (id int, body text)
SELECT count(*) FROM customers
ALTER TABLE evt ATTACH PARTITION evt2 DEFAULT
INSERT INTO evt2 VALUES (1, 'x')
SELECT address FROM letters
-- a trigger that is turned on: closed (own)
CREATE TABLE audited (id int)
CREATE FUNCTION audits() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO letters (id) VALUES (9); RETURN NEW; END$$
CREATE TRIGGER audits AFTER INSERT ON audited FOR EACH ROW EXECUTE FUNCTION audits()
ALTER TABLE audited DISABLE TRIGGER audits
SELECT count(*) FROM customers
ALTER TABLE audited ENABLE TRIGGER audits
INSERT INTO audited VALUES (1)
SELECT address FROM letters
-- a table like one with defaults: closed (own)
BEGIN
CREATE TABLE x (LIKE letters INCLUDING ALL)
INSERT INTO x (id) VALUES (1)
SELECT address FROM x
COMMIT
SELECT address FROM x
-- a table that inherits defaults: closed (own)
BEGIN
CREATE TABLE x () INHERITS (letters)
INSERT INTO x (id) VALUES (1)
SELECT address FROM x
COMMIT
SELECT address FROM x
-- a table with a default by a type: closed (own)
BEGIN
CREATE TABLE x (id int, a first_address)
INSERT INTO x (id) VALUES (1)
SELECT a FROM x
COMMIT
SELECT a FROM x
-- a partition with a trigger of its table's: closed (own)
CREATE TABLE evt (id int, body text) PARTITION BY LIST (id)
CREATE FUNCTION evts() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO letters (id) VALUES (9); RETURN NEW; END$$
CREATE TRIGGER evts AFTER INSERT ON evt FOR EACH ROW EXECUTE FUNCTION evts()
BEGIN
CREATE TABLE evt1 PARTITION OF evt DEFAULT
INSERT INTO evt1 VALUES (1, 'x')
COMMIT
SELECT address FROM letters
-- a view that is taken for a table: closed (own)
BEGIN
CREATE VIEW v AS SELECT id FROM letters
CREATE TABLE x (LIKE v)
INSERT INTO v VALUES (9)
COMMIT
SELECT address FROM letters
-- a table of the name of a type: closed (own)
--   shows: 23514
CREATE DOMAIN guess AS varchar CHECK (VALUE LIKE 'needle-q%')
BEGIN
CREATE TEMP TABLE "text" (a guess)
SELECT ('(' || email || ')')::text FROM customers WHERE id = 2
ROLLBACK
-- # What changes and is fair

-- a migration in a transaction: true
BEGIN
CREATE TABLE fresh (id serial PRIMARY KEY, t text, m mood, n numeric(10, 2) DEFAULT 1.5, UNIQUE (t))
CREATE INDEX ON fresh (lower(t))
INSERT INTO fresh (t, m) VALUES ('a', 'glad'), ('b', 'sad')
UPDATE fresh SET t = 'c' WHERE id = 2
SELECT id, t, m, n FROM fresh ORDER BY id
INSERT INTO fresh (t) SELECT name FROM customers WHERE id = 1
SELECT id, t FROM fresh ORDER BY id
SELECT count(*) FROM customers
DELETE FROM fresh WHERE id = 1
CREATE VIEW seen AS SELECT id, t FROM fresh
SELECT id, t FROM seen ORDER BY id
ROLLBACK
-- a migration that alters what it has made: true
BEGIN
CREATE TABLE fresh (id int, t text)
ALTER TABLE fresh ADD PRIMARY KEY (id)
ALTER TABLE fresh ADD COLUMN u text
INSERT INTO fresh VALUES (1, 'a', 'b')
SELECT id, t, u FROM fresh
ROLLBACK
-- a table of a query in a transaction: true
BEGIN
CREATE TEMP TABLE fresh AS SELECT id, name FROM customers
SELECT id, name FROM fresh ORDER BY id
ROLLBACK
-- functions of one's own in a transaction: true
BEGIN
SELECT twice(2)
SELECT id, name FROM customers ORDER BY id
INSERT INTO clubs VALUES (7, 'Go') RETURNING name
SELECT name FROM customers WHERE id = 1
PREPARE fair AS SELECT id FROM orders WHERE id = 1
EXECUTE fair
DEALLOCATE fair
ROLLBACK
-- a cursor and code on the way: true
BEGIN
DECLARE c CURSOR FOR SELECT id, name FROM customers ORDER BY id
FETCH 1 FROM c
SELECT twice(2)
INSERT INTO clubs VALUES (8, 'Go')
FETCH 1 FROM c
ROLLBACK
-- a cursor that is held: true (own)
BEGIN
DECLARE c CURSOR WITH HOLD FOR SELECT id, name FROM customers ORDER BY id
COMMIT
FETCH 2 FROM c
CLOSE c
-- a prepared statement and a table of one's own: true
PREPARE p AS SELECT 1
CREATE TEMP TABLE fresh (i int)
EXECUTE p
DROP TABLE fresh
EXECUTE p
DEALLOCATE p
-- a cursor and a table of one's own: true
BEGIN
DECLARE c CURSOR FOR SELECT id FROM orders ORDER BY id
FETCH 1 FROM c
CREATE TEMP TABLE fresh (i int)
FETCH 1 FROM c
ROLLBACK
