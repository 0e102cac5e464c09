-- # Names that outlive what they stood for

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
