-- # Functions that are there

-- a pure function: refused, masked
SELECT shout(email) FROM customers
-- a pure function in PL/pgSQL: refused, masked
SELECT spelled(email) FROM customers
-- a function that reads the table: refused, masked
SELECT email_of(1)
-- a function with a standard body: refused, masked
SELECT email_standard(1)
-- a function in PL/pgSQL that reads it: closed
SELECT email_plpgsql(1)
-- a function in FROM: refused, masked
SELECT * FROM email_of(1)
-- a function of rows: refused, masked
SELECT * FROM everybody()
-- a function of rows as a value: masked
SELECT everybody()
-- a column of a function of rows: masked
SELECT (everybody()).email
-- a function with a table: refused, masked
SELECT what FROM listed()
-- a function of records: refused, masked
SELECT * FROM named() AS n (a text, b text)
-- output parameters: refused, masked
SELECT * FROM one_of(1)
-- a row among other functions: refused, masked
SELECT t.b, t.e FROM customers c, ROWS FROM (same(c), generate_series(1, 2)) WITH ORDINALITY AS t (a, b, e)
-- an output parameter: refused, masked
SELECT (one_of(1)).what
-- a composite result: refused, masked
SELECT (fill(1)).address, fill(1)
-- text that is run: closed
SELECT * FROM dynamic('SELECT email FROM customers')
-- text that is run, in pieces: closed
SELECT dynamic('SELECT em' || 'ail FROM cust' || 'omers')
-- a procedure with an output parameter: closed
CALL tell(1, NULL)
-- a function over all rows: refused, masked
SELECT email_of(id) FROM orders WHERE id < 3
-- a function in an expression: refused, masked
SELECT 'x' || upper(email_of(1))
-- an operator of one's own: refused, masked
SELECT name |+| email FROM customers
-- an operator by its full name: refused, masked
SELECT name OPERATOR(public.|+|) email FROM customers
-- a function as a question: closed
--   shows: bingo
SELECT CASE WHEN email_of(1) LIKE '%quokka%' THEN 'bingo' END
-- a function in WHERE: refused, oracle
--   shows: bingo
SELECT 'bingo' WHERE email_of(1) LIKE '%quokka%'
-- a function whose argument is named: refused, masked
SELECT spelled(t => email) FROM customers
-- a function with VARIADIC: refused, masked
SELECT format('%s', VARIADIC ARRAY[email]) FROM customers

-- a procedure that is given it: closed
CALL tell(1, email_of(2))
-- a plan with the value of a function: closed
EXPLAIN (VERBOSE) SELECT email_immutable(1)
-- a plan with the value of a function, as JSON: closed
EXPLAIN (VERBOSE, FORMAT json) SELECT upper(email_immutable(1)), * FROM orders WHERE note <> email_immutable(1)
-- a plan in the log: closed
SET client_min_messages = log
SET debug_print_plan = on
SELECT email_immutable(1)
-- the default of an argument: refused, masked
SELECT greet(1)
-- the default of an argument of a procedure: refused
CALL greets(1)

-- # The server's own functions that read tables

-- query_to_xml: closed
SELECT query_to_xml('SELECT email FROM customers', true, false, '')
-- table_to_xml: closed
SELECT table_to_xml('customers', true, false, '')
-- table_to_xml with the schema: closed
SELECT table_to_xml_and_xmlschema('customers', true, false, '')
-- schema_to_xml: closed
SELECT schema_to_xml('public', true, false, '')
-- database_to_xml: closed
SELECT database_to_xml(true, false, '')
-- cursor_to_xml: closed
BEGIN
DECLARE c CURSOR FOR SELECT email FROM customers
SELECT cursor_to_xml('c', 10, true, false, '')
ROLLBACK
-- ts_stat: closed
SELECT word FROM ts_stat('SELECT to_tsvector(''simple'', email) FROM customers')
-- ts_rewrite: closed
SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, plainto_tsquery(''simple'', email) FROM customers')
-- the pages of the table: closed
SELECT encode(pg_read_binary_file(pg_relation_filepath('customers')), 'escape')
-- the pages as text: closed
CHECKPOINT
SELECT convert_from(decode(replace(encode(pg_read_binary_file(pg_relation_filepath('customers')), 'hex'), '00', ''), 'hex'), 'LATIN1')
-- # Cursors, prepared statements and other things with names

-- a cursor: masked
BEGIN
DECLARE c CURSOR FOR SELECT id, email FROM customers
FETCH ALL FROM c
ROLLBACK
-- a cursor in steps: masked
BEGIN
DECLARE c SCROLL CURSOR FOR SELECT email, id FROM customers
FETCH 1 FROM c
MOVE 1 FROM c
FETCH BACKWARD 1 FROM c
FETCH LAST FROM c
ROLLBACK
-- a cursor that stays: masked
DECLARE held CURSOR WITH HOLD FOR SELECT email FROM customers
FETCH ALL FROM held
CLOSE held
-- the name of a harmless cursor, given to another in a text that fails: closed (simple)
BEGIN
DECLARE again CURSOR FOR SELECT name FROM customers
ROLLBACK
DECLARE again CURSOR WITH HOLD FOR SELECT reverse(email) FROM customers; COMMIT; SELECT 1/0
FETCH ALL FROM again
-- a binary cursor: masked
BEGIN
DECLARE b BINARY CURSOR FOR SELECT email, card, born, token FROM customers
FETCH ALL FROM b
ROLLBACK
-- a cursor of a function: closed
BEGIN
SELECT opened()
FETCH ALL FROM opened
ROLLBACK
-- a cursor under a name that was another: closed
BEGIN
DECLARE c CURSOR FOR SELECT id FROM customers
CLOSE c
DECLARE c CURSOR FOR SELECT email FROM customers
FETCH ALL FROM c
ROLLBACK
-- cursors as the server lists them: closed
BEGIN
DECLARE c CURSOR FOR SELECT email FROM customers
SELECT statement FROM pg_cursors
FETCH c
ROLLBACK
-- PREPARE and EXECUTE: masked
PREPARE p AS SELECT email FROM customers
EXECUTE p
-- EXECUTE with parameters: masked
PREPARE p (int) AS SELECT $1, email FROM customers
EXECUTE p (1)
-- a parameter as a guess: refused, oracle
--   shows: bingo
PREPARE p (text) AS SELECT 'bingo' FROM customers WHERE ssn = $1
EXECUTE p ('987-65' || '-4320')
-- PREPARE anew: masked
PREPARE p AS SELECT id FROM customers
DEALLOCATE p
PREPARE p AS SELECT email FROM customers
EXECUTE p
-- PREPARE that fails for the name is taken: masked
PREPARE p AS SELECT email FROM customers
PREPARE p AS SELECT name FROM customers
EXECUTE p
-- PREPARE rolled back is still there: masked
BEGIN
PREPARE p AS SELECT email FROM customers
ROLLBACK
EXECUTE p
-- DISCARD ALL, then PREPARE: masked
PREPARE p AS SELECT id FROM customers
DISCARD ALL
PREPARE p AS SELECT email FROM customers
EXECUTE p
-- a prepared statement that is given it: refused
PREPARE p (text) AS SELECT $1
EXECUTE p (email_of(1))
-- a prepared statement that is given something made of it: refused
PREPARE p (text, int) AS SELECT $2, reverse($1)
EXECUTE p (upper(email_of(1)), 1)
-- a prepared statement that keeps what it is given: refused
BEGIN
PREPARE p (text) AS INSERT INTO notes (body) VALUES ($1)
EXECUTE p (email_of(1))
SELECT body FROM notes
ROLLBACK
-- a prepared statement with a predicate of what it is given: refused
--   shows: bingo
PREPARE p (text) AS SELECT 'bingo' WHERE $1 LIKE '%quokka%'
EXECUTE p (email_of(1))
-- EXPLAIN EXECUTE: closed, oracle
--   shows: actual rows=1
PREPARE p AS SELECT 1 FROM ONLY customers WHERE email LIKE '%quokka%'
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) EXECUTE p
-- a table of EXECUTE: refused
PREPARE p AS SELECT email FROM customers
CREATE TEMP TABLE t AS EXECUTE p
SELECT email FROM t

-- # COPY

-- COPY of a table: masked
COPY customers TO STDOUT
-- COPY of columns: masked
COPY customers (id, email) TO STDOUT
-- COPY of a query: masked
COPY (SELECT email, id FROM customers) TO STDOUT
-- COPY as CSV: masked
COPY customers (email, ssn, id) TO STDOUT (FORMAT csv)
-- COPY as CSV with everything: masked
COPY (SELECT id, email, name FROM customers) TO STDOUT WITH (FORMAT csv, HEADER, DELIMITER ';', QUOTE '''', ESCAPE '\', NULL 'nix', FORCE_QUOTE *)
-- COPY where the delimiter is in the values: masked
COPY (SELECT id, email, name FROM customers) TO STDOUT (FORMAT csv, DELIMITER '-')
-- COPY where the quote is in the values: masked
COPY (SELECT id, email, name FROM customers) TO STDOUT (FORMAT csv, QUOTE 'e', DELIMITER '@')
-- COPY as text with a delimiter of values: masked
COPY customers (id, email, name) TO STDOUT (DELIMITER '@')
-- COPY as text with a guess for NULL: refused
--   shows: 987-65-4320
COPY customers (id, ssn) TO STDOUT (NULL '987-65-4320')
-- COPY as text with a guess of a number for NULL: refused
COPY customers (id, card, ssn) TO STDOUT (NULL '4929123456789012')
-- COPY as text with nothing for NULL: refused
COPY customers (id, email) TO STDOUT (NULL '')
-- COPY as text with an escape for NULL: refused
COPY customers (id, email) TO STDOUT (NULL '\\')
-- COPY as CSV with a guess for NULL: masked
COPY customers (id, ssn) TO STDOUT (FORMAT csv, NULL '987-65-4321')
-- COPY as text with a header: masked
COPY customers (id, email) TO STDOUT (HEADER)
-- COPY in binary: masked
COPY customers TO STDOUT (FORMAT binary)
-- COPY of a query in binary: masked
COPY (SELECT card, born, token, email FROM customers) TO STDOUT BINARY
-- COPY by the old grammar: masked
COPY customers TO STDOUT WITH DELIMITER '|'
-- COPY by the old grammar with a text for NULL: refused
COPY customers TO STDOUT WITH DELIMITER '|' NULL AS '-'
-- COPY by the old grammar, CSV: masked
COPY customers TO STDOUT WITH CSV HEADER QUOTE '"'
-- COPY in another encoding: closed
COPY customers (email) TO STDOUT (ENCODING 'LATIN1')
-- COPY of something made: masked
COPY (SELECT reverse(email), id FROM customers) TO STDOUT
-- COPY of a partition: masked
COPY visits_2024 TO STDOUT
-- COPY of a child: masked
COPY vips TO STDOUT
-- COPY of what returns: closed
COPY (UPDATE customers SET name = name WHERE id = 1 RETURNING email) TO STDOUT
-- COPY to a file, and back: refused
COPY customers TO '/tmp/gateway-:database-attempt'
SELECT pg_read_file('/tmp/gateway-:database-attempt')
-- COPY to a program: refused
COPY (SELECT email FROM customers) TO PROGRAM 'cat > /tmp/gateway-:database-attempt'
SELECT pg_read_file('/tmp/gateway-:database-attempt')
-- COPY from a program that reads files: closed
CHECKPOINT
BEGIN
COPY notes (body) FROM PROGRAM 'cd base && grep -a -h -o -r "needle-[a-z]*" $(ls | sort -n | head -n 7) | sort -u'
SELECT body FROM notes
ROLLBACK
-- a function called like a part of newer grammars: refused (own)
CREATE FUNCTION public.json_scalar(t text) RETURNS json LANGUAGE sql AS 'INSERT INTO notes (body) VALUES (t); SELECT to_json(t)'
SELECT json_scalar(email) FROM customers
SELECT body FROM notes
-- COPY of something else to a program: refused
--   shows: COPY 1
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'
-- a file of the server as a large object: refused
--   shows: VmPeak
BEGIN
SELECT lo_import('/proc/self/status', 777001)
SELECT convert_from(lo_get(777001), 'UTF8')
ROLLBACK
-- a file of the server as a large object by a function's number: refused
--   shows: VmPeak
BEGIN
\call 767 0 /proc/self/status 777002
SELECT convert_from(lo_get(777002), 'UTF8')
ROLLBACK
