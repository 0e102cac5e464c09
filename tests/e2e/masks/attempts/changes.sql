-- # Names that outlive what they stood for

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
