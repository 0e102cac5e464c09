-- # What errors and notices tell

-- a text as a number: closed
SELECT email::int FROM customers
-- a text as a date: closed
SELECT ssn::date FROM customers
-- a text as a token: closed
SELECT email::uuid FROM customers WHERE email IS NOT NULL
-- a text as an enum: closed
SELECT email::mood FROM customers
-- a text as JSON: closed
SELECT email::json FROM customers
-- a text as XML: closed
SELECT xmlparse(document '<a>' || email || '</b>') FROM customers
-- a text as a relation: closed
SELECT email::regclass FROM customers
-- a text as a role: closed
SELECT pg_has_role(email, 'usage') FROM customers
-- a text as a time zone: closed
SELECT now() AT TIME ZONE email FROM customers
-- a text as a setting's name: closed
SELECT current_setting(email) FROM customers
-- a text as a file: closed
SELECT pg_read_file(email) FROM customers
-- a text as an encoding: closed
SELECT convert_to('x', email) FROM customers
-- a text as a date's part: closed
SELECT extract(epoch FROM now()) + date_part(email, now()) FROM customers
-- a text as an array: closed
SELECT ('{' || email || '}}')::text[] FROM customers
-- a text as a row: closed
SELECT ('(' || ssn || ',x)')::contact FROM customers
-- a text as a search: closed
SELECT (email || ' (')::tsquery FROM customers
-- a text as a path: closed
--   shows: "987"
SELECT jsonb_path_query('{}', ('$' || ssn)::jsonpath) FROM customers
-- a text as a bit string: closed
--   shows: "9" is not
SELECT ssn::bit(8) FROM customers
-- a number too large: closed
SELECT (card::text || '00000000000')::int8 FROM customers
-- a number too large for an int: closed
--   shows: out of range
SELECT card::int FROM customers WHERE id = 1
-- a division by zero as a question: refused, oracle
--   shows: 22012
SELECT 1 / CASE WHEN email LIKE '%quokka%' THEN 0 ELSE 1 END FROM customers
-- a division by zero in WHERE: refused, closed
--   shows: division by zero
SELECT 1 FROM customers WHERE 1 / CASE WHEN email LIKE '%quokka%' THEN 0 ELSE 1 END = 1
-- a unique key that is taken: closed
--   shows: (ssn)=(987-65-4320)
BEGIN
CREATE UNIQUE INDEX ON customers (ssn)
UPDATE customers SET ssn = '987-65' || '-4320' WHERE id = 2
ROLLBACK
-- a unique key that is guessed: closed
--   shows: already exists
INSERT INTO customers (id, name, email) VALUES (9, 'x', 'needle-quokka' || '@burrow.example')
-- a key that is taken: closed
INSERT INTO customers SELECT 9, name, email FROM customers WHERE id = 1
-- ON CONFLICT as a question: refused, oracle
--   shows: INSERT 0 0
BEGIN
INSERT INTO customers (id, name, email) VALUES (9, 'x', 'needle-quokka' || '@burrow.example') ON CONFLICT DO NOTHING
ROLLBACK
-- ON CONFLICT that returns what was there: closed
BEGIN
INSERT INTO customers (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'x' RETURNING email, ssn
ROLLBACK
-- a failing row: closed
BEGIN
UPDATE customers SET born = '2020-02-02' WHERE id = 1
ROLLBACK
-- a failing row by NULL: closed
BEGIN
UPDATE customers SET name = NULL WHERE id = 1
ROLLBACK
-- a failing row of a partition: closed
BEGIN
UPDATE visits_2024 SET day = '2030-01-01'
ROLLBACK
-- a view's check: closed
BEGIN
CREATE VIEW mine AS SELECT * FROM customers WHERE id < 100 WITH CHECK OPTION
UPDATE mine SET id = 100 + id WHERE id = 2
ROLLBACK
-- a foreign key that holds when it changes: closed
BEGIN
DELETE FROM orders
UPDATE customers SET email = 'x' WHERE id = 1
ROLLBACK
-- a foreign key as a question: open
--   shows: INSERT 0 1
BEGIN
INSERT INTO newsletter VALUES ('needle-wombat' || '@warren.example')
ROLLBACK
-- a foreign key that is refused: closed
BEGIN
INSERT INTO newsletter SELECT ssn FROM customers WHERE id = 1
ROLLBACK
-- a trigger that tells: closed
BEGIN
UPDATE customers SET name = 'x' WHERE id = 1
ROLLBACK
-- a function that notices: closed
SELECT notice(email) FROM customers
-- a function that fails: closed
SELECT fail(email) FROM customers WHERE id = 1
-- a function that notices, in WHERE: closed
SELECT 1 FROM customers WHERE notice(email) = 1
-- a function that notices rows: closed
SELECT notice(c::text) FROM customers c
-- a function that notices, in a default of nothing: closed
SELECT count(*) FILTER (WHERE notice(ssn) = 1) FROM customers
-- a length that refers to nothing: closed
--   shows: (customer)=(28)
BEGIN
INSERT INTO orders (id, note, customer) SELECT 100, '', length(email) FROM customers WHERE id = 1
ROLLBACK
-- a value too long: closed
--   shows: too long
BEGIN
CREATE TEMP TABLE short (t varchar(20))
INSERT INTO short SELECT email FROM customers
ROLLBACK
-- an error in a later statement's words: closed
BEGIN
PREPARE p AS SELECT email::int FROM customers
EXECUTE p
ROLLBACK
-- an error of COPY: closed
COPY (SELECT email::int FROM customers) TO STDOUT
-- an error in a cursor: closed
BEGIN
DECLARE c CURSOR FOR SELECT email::int FROM customers
FETCH c
ROLLBACK
-- a more than one row: closed
--   shows: more than one row
SELECT 1 WHERE 1 = (SELECT 1 FROM customers WHERE email LIKE '%needle%')
-- what a column holds as a name: closed
SELECT format('%I', email)::regtype FROM customers
-- a context of a function: closed
CREATE FUNCTION pg_temp.f(t text) RETURNS int LANGUAGE plpgsql AS $$BEGIN EXECUTE 'SELECT ' || t; RETURN 1; END$$
SELECT pg_temp.f(quote_ident(email)) FROM customers WHERE id = 1
-- a function's name of the value: closed
CREATE FUNCTION pg_temp.f(t text) RETURNS int LANGUAGE plpgsql AS $$BEGIN EXECUTE 'SELECT ' || quote_ident(t) || '()'; RETURN 1; END$$
SELECT pg_temp.f(email) FROM customers WHERE id = 1
-- an assertion: closed
DO $$BEGIN ASSERT false, (SELECT email FROM customers WHERE id = 1); END$$
-- an exception caught and told: closed
DO $$BEGIN PERFORM email::int FROM customers; EXCEPTION WHEN others THEN RAISE NOTICE '%', SQLERRM; END$$
-- a trigger of another table that tells: closed
BEGIN
INSERT INTO parcels (id, customer, address) VALUES (1, 2, '')
ROLLBACK
-- an error that names it as a constraint: closed (own)
CREATE FUNCTION raises(t text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE 'x' USING CONSTRAINT = t, TABLE = t; END$$
SELECT raises(email) FROM customers
-- a notice that names it as a column: closed (own)
CREATE FUNCTION raises(t text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'x' USING COLUMN = t, SCHEMA = t, DATATYPE = t; RETURN 1; END$$
SELECT raises(email) FROM customers
-- an error whose code it is: closed (own)
--   shows: NEEDL
CREATE FUNCTION raises(t text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE 'x' USING ERRCODE = upper(left(t, 5)); END$$
SELECT raises(email) FROM customers
-- a server-side block that names it: closed
DO $$BEGIN RAISE 'x' USING CONSTRAINT = (SELECT email FROM customers WHERE id = 1); END$$
