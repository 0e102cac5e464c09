-- # Definitions that are changed
-- a view under what was made of it: open (own)
CREATE OR REPLACE VIEW people AS SELECT id, name, NULL::text AS email FROM customers
SELECT email FROM posted
-- a function under what was made of it: open (own)
CREATE OR REPLACE FUNCTION email_immutable(i int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT NULL::text'
SELECT of_customer FROM members
-- a table that another one refers to: open (own)
DROP TABLE customers CASCADE
SELECT who FROM opt_outs
