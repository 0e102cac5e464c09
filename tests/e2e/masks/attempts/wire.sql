-- # By the protocol itself

-- never described: masked
\parse - SELECT email FROM customers
\bind - -
\execute -
\sync
-- a path that is moved in the same text: masked (simple)
BEGIN; SET LOCAL search_path = public; SELECT id, email FROM customers; COMMIT
-- what is discarded before, at once: masked
\parse - DISCARD ALL
\bind - -
\execute -
\parse - SELECT id, email FROM customers
\bind - -
\describe P -
\execute -
\sync
-- never described, in binary: masked
\parse - SELECT card, born, token, email FROM customers
\bind - - 1
\execute -
\sync
-- described as a statement only: masked
\parse s SELECT id, email FROM customers
\describe S s
\bind p s 1
\execute p
\sync
-- described in an exchange of its own: masked
\parse s SELECT id, card, email FROM customers
\describe S s
\sync
\bind p s 1
\execute p
\sync
-- executed twice: masked
\parse s SELECT email FROM customers
\sync
\bind - s
\execute -
\sync
\bind - s 1
\execute -
\sync
-- formats of their own: masked
\parse - SELECT id, email, card, born FROM customers
\bind - - 0,1,0,1
\execute -
\sync
-- formats the other way round: masked
\parse - SELECT card, born, token, email FROM customers
\bind - - 1,0,1,0
\describe P -
\execute -
\sync
-- a portal in pieces: masked
\parse - SELECT email, id FROM customers
\bind p -
\execute p 1
\execute p 1
\execute p 0
\sync
-- a portal in pieces over exchanges: masked
BEGIN
\parse - SELECT email, id FROM customers
\bind p -
\execute p 1
\sync
\execute p 1
\sync
\execute p 0
\sync
ROLLBACK
-- a portal bound by one path and run by another: masked (own)
CREATE SCHEMA mine
CREATE TABLE mine.customers (id int, email text)
INSERT INTO mine.customers VALUES (1, 'none')
BEGIN
\parse s SELECT reverse(email), id FROM customers
\bind p s
\execute p 1
\sync
SET LOCAL search_path = mine
\execute p 0
\sync
ROLLBACK
-- two portals in turns: masked
BEGIN
\parse a SELECT name, email FROM customers
\parse b SELECT email, name FROM customers
\bind pa a
\bind pb b 1
\execute pa 1
\execute pb 1
\execute pa 1
\execute pb 1
\sync
ROLLBACK
-- many at once: masked
\parse a SELECT id FROM customers
\bind - a
\execute -
\parse b SELECT email FROM customers
\bind - b
\execute -
\parse c SELECT ssn, id FROM customers
\bind - c 1
\execute -
\sync
-- many at once, an error between: closed
\parse a SELECT email FROM customers
\bind - a
\execute -
\parse b SELECT 1/0
\bind - b
\execute -
\parse c SELECT ssn FROM customers
\bind - c
\execute -
\sync
\parse d SELECT ssn FROM customers
\bind - d
\execute -
\sync
-- a name that becomes another's: masked
\parse s SELECT id FROM customers
\bind - s
\execute -
\close S s
\parse s SELECT email FROM customers
\bind - s
\execute -
\sync
-- the unnamed one replaced, the portal not: masked
BEGIN
\parse - SELECT email FROM customers
\bind p -
\parse - SELECT id FROM customers
\execute p
\sync
ROLLBACK
-- a name that is taken already: closed
\parse s SELECT email FROM customers
\sync
\parse s SELECT id FROM customers
\sync
\bind - s
\execute -
\sync
-- a portal's name that is taken already: closed
BEGIN
\parse a SELECT email FROM customers
\parse b SELECT id FROM customers
\bind p a
\sync
SAVEPOINT s
\bind p b
\sync
ROLLBACK TO s
\execute p
\sync
ROLLBACK
-- PREPARE, then Bind: masked
PREPARE s AS SELECT email FROM customers
\bind - s
\execute -
\sync
-- Parse, then EXECUTE: masked
\parse s SELECT email FROM customers
\sync
EXECUTE s
-- Parse of EXECUTE: masked
PREPARE s AS SELECT email FROM customers
\parse - EXECUTE s
\bind - - 1
\describe P -
\execute -
\sync
-- DECLARE, then Execute: masked
BEGIN
DECLARE c CURSOR FOR SELECT email FROM customers
\execute c 1
\execute c 0
\sync
ROLLBACK
-- DECLARE, then Describe: closed
BEGIN
DECLARE c CURSOR FOR SELECT email FROM customers
\describe P c
\execute c
\sync
ROLLBACK
-- Bind, then FETCH: masked
BEGIN
\parse s SELECT email FROM customers
\bind c s
\sync
FETCH ALL FROM c
ROLLBACK
-- Bind in binary, then FETCH: closed
BEGIN
\parse s SELECT email, card FROM customers
\bind c s 1
\sync
FETCH ALL FROM c
ROLLBACK
-- FETCH by Parse, in binary: masked
BEGIN
DECLARE c CURSOR FOR SELECT card, email FROM customers
\parse f FETCH 1 FROM c
\bind - f 1
\describe P -
\execute -
\bind - f 0
\execute -
\sync
ROLLBACK
-- FETCH prepared for a cursor that becomes another: closed
BEGIN
DECLARE c CURSOR FOR SELECT name FROM customers
\parse f FETCH 1 FROM c
\bind - f
\execute -
\sync
CLOSE c
DECLARE c CURSOR FOR SELECT email FROM customers
\bind - f
\execute -
\sync
ROLLBACK
-- EXECUTE prepared for a statement that becomes another: closed
PREPARE s AS SELECT name FROM customers
\parse f EXECUTE s
\bind - f
\execute -
\sync
DEALLOCATE s
PREPARE s AS SELECT email FROM customers
\bind - f
\execute -
\sync
-- several in one text: masked
SELECT id FROM customers; SELECT email FROM customers; SELECT ssn, id FROM customers
-- several in one text, one without rows: masked
SET application_name = 'x'; SELECT email FROM customers; BEGIN; COMMIT; SELECT id, email FROM customers
-- several in one text, rows and COPY: masked
SELECT email FROM customers; COPY customers (email) TO STDOUT; SELECT ssn FROM customers
-- several in one text, empty ones between: masked
;;SELECT email FROM customers;;;SELECT ssn FROM customers;
-- several in one text that make and run: masked
PREPARE s AS SELECT email FROM customers; EXECUTE s; DEALLOCATE s; PREPARE s AS SELECT id FROM customers; EXECUTE s
-- several in one text with an error: closed
SELECT email FROM customers; SELECT 1/0; SELECT ssn FROM customers
-- COPY by Execute: masked
\parse - COPY customers (id, email) TO STDOUT
\bind - -
\execute -
\sync
-- COPY among others: masked
\parse a SELECT email FROM customers
\bind - a
\execute -
\parse b COPY customers (email, ssn) TO STDOUT (FORMAT csv)
\bind - b
\execute -
\parse c SELECT ssn FROM customers
\bind - c
\execute -
\sync
-- a function called by number, large objects: closed
BEGIN
SELECT lo_from_bytea(4713, convert_to(email, 'UTF8')) FROM customers WHERE id = 1
\call 3458 0 4713
ROLLBACK
-- a function called by number, query_to_xml: closed
\call 2924 0 SELECT/**/email/**/FROM/**/customers t f -
-- a function called by number, in binary: closed
\call 2924 1 SELECT/**/email/**/FROM/**/customers t f -
-- a statement that another session prepared for: closed (own)
\parse s SELECT * FROM orders WHERE id < 3
\describe S s
\sync
\other ALTER TABLE orders RENAME TO old_orders
\other CREATE VIEW orders AS SELECT id, email AS note FROM customers
\bind - s
\execute -
\sync
\parse t SELECT note FROM orders
\bind - t
\execute -
\sync
-- a view that another session makes another: closed (own)
SELECT id FROM per_customer
\parse s SELECT name FROM per_customer
\bind - s
\execute -
\sync
\other CREATE OR REPLACE VIEW per_customer AS SELECT id, email AS name, 1::bigint AS orders, 1::numeric AS total FROM customers
\bind - s
\execute -
\sync
SELECT name FROM per_customer
-- a function that another session makes another: closed (own)
SELECT twice(1)
\other DROP FUNCTION twice
\other CREATE FUNCTION twice(int) RETURNS text LANGUAGE sql AS 'SELECT email FROM customers WHERE id = $1'
SELECT twice(1)
-- a temporary table that another session fills: closed (own)
\other CREATE TABLE later AS SELECT id, email AS what FROM customers
SELECT what FROM later
-- a notification to another session: refused
LISTEN gossip
\other SELECT pg_notify('gossip', email) FROM customers WHERE id = 1
SELECT 1
SELECT 2
-- a lock that another session holds: refused
\other SELECT pg_advisory_lock(card) FROM customers WHERE id = 1
SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
\other SELECT pg_advisory_unlock_all()
-- a wide result: masked
\parse - SELECT o.*, c.*, o.*, c.email, c.* FROM customers c JOIN orders o ON o.id = c.id
\bind - - 1
\describe P -
\execute - 1
\execute - 0
\sync
-- # Letters that end in a backslash in one encoding and before it in another

-- in SJIS: closed
SET client_encoding = 'SJIS'
SELECT E'Á\', email FROM customers --'
-- in GBK: closed
SET client_encoding = 'GBK'
SELECT E'ぁ\', email FROM customers --'
-- in GB18030: closed
SET client_encoding = 'GB18030'
SELECT E'ぁ\', email FROM customers --'
-- in BIG5: closed
SET client_encoding = 'BIG5'
SELECT E'㡡\', email FROM customers --'
-- in SJIS by its standard name, before an answer: closed
\parse a SET NAMES 'SJIS'
\bind - a
\execute -
\parse b SELECT E'Á\', email FROM customers --'
\bind - b
\execute -
\sync
-- in SJIS by a function, before an answer: closed
\parse a SELECT set_config('client_' || 'encoding', 'SJIS', false)
\bind - a
\execute -
\parse b SELECT E'Á\', email FROM customers --'
\bind - b
\execute -
\sync
-- in SJIS by the view of settings, before an answer: closed
\parse a UPDATE pg_settings SET setting = 'SJIS' WHERE name = 'client_encoding'
\bind - a
\execute -
\parse b SELECT E'Á\', email FROM customers --'
\bind - b
\execute -
\sync
-- in SJIS by a function of one's own, before an answer: closed
CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS $$SELECT set_config('client_encoding', 'SJIS', false)$$
\parse a SELECT pg_temp.f()
\bind - a
\execute -
\parse b SELECT E'Á\', email FROM customers --'
\bind - b
\execute -
\sync
-- in SJIS by a block, before an answer: closed
\parse a DO $$BEGIN EXECUTE 'SET client_en' || 'coding = SJIS'; END$$
\bind - a
\execute -
\parse b SELECT E'Á\', email FROM customers --'
\bind - b
\execute -
\sync
-- in SJIS again after a rollback, before an answer: closed
SET client_encoding = 'SJIS'
BEGIN
SET client_encoding = 'UTF8'
\parse a ROLLBACK
\bind - a
\execute -
\parse b SELECT E'Á\', email FROM customers --'
\bind - b
\execute -
\sync
-- in SJIS again after an error: closed
SET client_encoding = 'SJIS'
\parse a SET client_encoding = 'UTF8'
\bind - a
\execute -
\parse b SELECT 1/0
\bind - b
\execute -
\sync
SELECT E'Á\', email FROM customers --'
-- # Names that are given twice

-- a prepared statement stays what it was: masked
PREPARE p AS SELECT email FROM customers
PREPARE p AS SELECT name FROM customers
EXECUTE p
-- a prepared statement stays what it was, in one go: closed
PREPARE p AS SELECT email FROM customers
\parse b PREPARE p AS SELECT name FROM customers
\bind - b
\execute -
\parse c EXECUTE p
\bind - c
\execute -
\sync
EXECUTE p
-- a message's prepared statement stays what it was: masked
\parse p SELECT email FROM customers
\sync
PREPARE p AS SELECT name FROM customers
EXECUTE p
-- a cursor stays what it was: closed
BEGIN
DECLARE c CURSOR FOR SELECT email FROM customers
SAVEPOINT s
DECLARE c CURSOR FOR SELECT name FROM customers
ROLLBACK TO s
FETCH ALL FROM c
ROLLBACK
-- # Names that are one to the server and two here

-- names of messages in another encoding: closed
SET client_encoding = 'LATIN1'
\parse ééééééééééééééééééééa SELECT name FROM customers
\sync
\close S ééééééééééééééééééééb
\sync
\parse ééééééééééééééééééééb SELECT email FROM customers UNION ALL SELECT email FROM customers
\sync
\bind - ééééééééééééééééééééa
\execute -
\sync
-- portals of messages in another encoding: closed
SET client_encoding = 'LATIN1'
BEGIN
\parse a SELECT name FROM customers
\bind ééééééééééééééééééééa a
\close P ééééééééééééééééééééb
\parse b SELECT email FROM customers UNION ALL SELECT email FROM customers
\bind ééééééééééééééééééééb b
\execute ééééééééééééééééééééa
\sync
-- a name of SQL and one of a message: closed
SET client_encoding = 'LATIN1'
PREPARE U&"\00C3\00A9" AS SELECT name FROM customers
\close S é
\sync
\parse é SELECT email FROM customers UNION ALL SELECT email FROM customers
\sync
EXECUTE U&"\00C3\00A9"
-- # Rows in encodings whose letters hold ASCII

-- COPY in SJIS, whose letters end in escapes: refused
SET client_encoding = 'SJIS'
COPY (SELECT U&'\8868', email, U&'\30DD' FROM customers WHERE id = 1) TO STDOUT (DELIMITER '|')
-- COPY in BIG5: refused
SET client_encoding = 'BIG5'
COPY (SELECT U&'\529F', email, U&'\76EF' FROM customers WHERE id = 1) TO STDOUT (DELIMITER '|')
-- COPY as CSV in SJIS, whose letters end in quotes: refused
SET client_encoding = 'SJIS'
COPY (SELECT U&'\30DF' a, email, '|a|b' c FROM customers WHERE id = 1) TO STDOUT (FORMAT csv, DELIMITER '|', QUOTE '~', FORCE_QUOTE (a, c))
-- COPY in SJIS in one text with its setting: refused (simple)
SET client_encoding = 'SJIS'; COPY (SELECT U&'\8868', email, U&'\30DD' FROM customers WHERE id = 1) TO STDOUT (DELIMITER '|')
-- COPY in SJIS, bound before it is set: refused
BEGIN
\parse a COPY (SELECT U&'\8868', email, U&'\30DD' FROM customers WHERE id = 1) TO STDOUT (DELIMITER '|')
\bind a a
\sync
SET client_encoding = 'SJIS'
\execute a
\sync
ROLLBACK
-- COPY in an encoding of the West: masked
SET client_encoding = 'LATIN1'
COPY customers (id, email) TO STDOUT
-- the letters of a column, by encodings that lack some: refused, masked
SET client_encoding = 'WIN1251'
SELECT email FROM customers
