-- # Values as they are

-- one column: masked
SELECT email FROM customers
-- every column: masked
SELECT * FROM customers
-- the table command: masked
TABLE customers
-- with other columns around it: masked
SELECT id, email, name, email, id FROM customers
-- another name: masked
SELECT email AS name, name AS email FROM customers
-- an alias of the table: masked
SELECT c.email FROM customers AS c
-- aliases of the columns: masked
SELECT c.a, c.c FROM customers AS c (a, b, c)
-- names in quotes: masked
SELECT "email" FROM "public"."customers"
-- names in escapes: masked
SELECT U&"\0065mail", U&"!0073sn" UESCAPE '!' FROM U&"\0063ustomers"
-- names in other cases: masked
SELECT EMail FROM PUBLIC.CusTomers
-- comments in between: masked
SELECT/**/email/*/* id */*/FROM--
  public.customers
-- name of the database before it: masked
SELECT :database.public.customers.email FROM :database.public.customers
-- social security numbers: masked
SELECT ssn FROM customers
-- numbers of cards: masked
SELECT card FROM customers
-- dates: masked
SELECT born FROM customers
-- tokens: masked
SELECT token FROM customers
-- arrays: masked
SELECT tags FROM customers
-- documents: masked
SELECT profile FROM customers
-- system columns beside it: masked
SELECT ctid, tableoid::regclass, xmin IS NULL, email FROM customers
-- the same column twice, once changed: masked
SELECT email, email || '' FROM customers
-- only the parent: masked
SELECT email FROM ONLY customers
-- a sample: masked
SELECT email FROM customers TABLESAMPLE bernoulli (100)

-- # Texts made of values

-- cut: masked
SELECT substr(email, 1, 13) FROM customers
-- cut by the standard: masked
SELECT substring(email FROM 1 FOR 13) FROM customers
-- cut by a pattern: refused, masked
SELECT substring(email FROM '^[^@]+') FROM customers
-- cut by a SQL pattern: refused, masked
SELECT substring(email SIMILAR '#"%#"@%' ESCAPE '#') FROM customers
-- left: masked
SELECT left(email, 13) FROM customers
-- right: masked
SELECT right(email, 14) FROM customers
-- letter by letter: refused, masked
SELECT substr(c.email, i, 1) FROM customers c, generate_series(1, 28) AS i WHERE c.id = 1
-- letter by letter in columns: masked
SELECT substr(email,1,1), substr(email,2,1), substr(email,3,1), substr(email,4,1), substr(email,5,1), substr(email,6,1) FROM customers
-- reverse: masked
SELECT reverse(email) FROM customers
-- upper: masked
SELECT upper(email) FROM customers
-- initcap: masked
SELECT initcap(email) FROM customers
-- lpad: refused, masked
SELECT lpad(email, 100, '*') FROM customers
-- trim: masked
SELECT trim(both 'x' FROM email) FROM customers
-- replaced: refused, masked
SELECT replace(email, '@', ' at ') FROM customers
-- replaced by a pattern: refused, masked
SELECT regexp_replace(email, '(.)', '\1 ', 'g') FROM customers
-- translated: refused, masked
SELECT translate(email, 'abcdefghijklmnopqrstuvwxyz', 'nopqrstuvwxyzabcdefghijklm') FROM customers
-- overlaid: refused, masked
SELECT overlay(email PLACING '' FROM 1 FOR 0) FROM customers
-- split: masked
SELECT split_part(email, '@', 1), split_part(email, '@', 2) FROM customers
-- split into rows: refused, masked
SELECT string_to_table(email, '@') FROM customers
-- split into rows in FROM: refused, masked
SELECT part FROM customers, regexp_split_to_table(email, '') AS part WHERE id = 1
-- matched: refused, masked
SELECT regexp_matches(email, '(.*)@(.*)') FROM customers
-- matched in FROM: refused, masked
SELECT m FROM customers, LATERAL regexp_match(email, '.*') AS m
-- hexadecimal: refused, masked
SELECT encode(email::bytea, 'hex') FROM customers
-- base64: refused, masked
SELECT encode(convert_to(email, 'UTF8'), 'base64') FROM customers
-- escape: refused, masked
SELECT encode(email::bytea, 'escape') FROM customers
-- bytes: refused, masked
SELECT email::bytea FROM customers
-- a byte each: refused, masked
SELECT get_byte(email::bytea, i) FROM customers, generate_series(0, 12) AS i WHERE id = 1
-- codes of letters: refused, masked
SELECT ascii(substr(email, i, 1)) FROM customers, generate_series(1, 13) AS i WHERE id = 1
-- codes in an array: refused, masked
SELECT array(SELECT ascii(substr(email, i, 1)) FROM generate_series(1, 13) AS i) FROM customers WHERE id = 1
-- md5: masked
--   shows: 6b87abaf1bb07e4a9847830e9baf4a75
SELECT md5(email) FROM customers
-- sha256: refused, masked
--   shows: 80114ab69c1a807234174647268a0caa1aa6e89387c7ec32faf60dd55d380afe
SELECT encode(sha256(email::bytea), 'hex') FROM customers
-- hash of a text: refused, masked
--   shows: h=-826732105
SELECT 'h=' || hashtext(email) FROM customers
-- length: masked
--   shows: len=28
SELECT 'len=' || length(email) FROM customers
-- as long as a letter's code: refused, masked
--   shows: n*110
SELECT 'n*' || length(repeat('x', ascii(email))) FROM customers
-- where a letter is: masked
--   shows: at=14
SELECT 'at=' || position('@' IN email) FROM customers
-- concatenated: masked
SELECT 'x' || email FROM customers
-- concat: masked
SELECT concat(id, ' ', email) FROM customers
-- concat_ws: masked
SELECT concat_ws(',', name, email, ssn) FROM customers
-- format: refused, masked
SELECT format('%s %L %I', email, ssn, email) FROM customers
-- quoted: masked
SELECT quote_literal(email), quote_nullable(ssn), quote_ident(email) FROM customers
-- to_char of a number: refused, masked
SELECT to_char(card, '9999999999999999') FROM customers
-- to_char of a number that is too large: refused, oracle
--   shows: 22003
SELECT to_char(length(email)::int8, '9V999999999999999999') FROM customers WHERE id = 1
-- to_char of a date: masked
SELECT to_char(born, 'DD/MM/YYYY'), to_char(date_trunc('day', born), 'DD/MM/YYYY') FROM customers
-- parts of a date: masked
--   shows: 7.7.1977
SELECT date_part('day', born) || '.' || date_part('month', born) || '.' || extract(year FROM born) FROM customers
-- a day later: refused, masked
--   shows: 1977-07-08
SELECT (born + 1)::text FROM customers
-- days since: refused, masked
--   shows: d=-8213
SELECT 'd=' || (born - DATE '2000-01-01') FROM customers
-- as a time: refused, masked
SELECT born::timestamp FROM customers
-- a range: refused, masked
SELECT daterange(born, NULL) FROM customers
-- sum with nothing: refused, masked
SELECT card + 0 FROM customers
-- as a numeric: masked
SELECT card::numeric FROM customers
-- as a float: masked
SELECT card::float8 FROM customers
-- negated: refused, masked
SELECT -card FROM customers
-- bits: refused, masked
--   shows: 10001100000110000001011111100101100100010101000010100
SELECT card::bit(64)::text FROM customers
-- digits of a number: refused, masked
SELECT ((card / 100000000) % 100000000)::text, (card % 100000000)::text FROM customers
-- hexadecimal number: refused, masked
--   shows: 118302fcb22a14
SELECT to_hex(card) FROM customers
-- as another type and back: masked
SELECT email::varchar(200)::name::text FROM customers
-- cast by a function: refused, masked
SELECT name(email), pg_catalog.varchar(email::varchar, 100, false) FROM customers
-- a domain: refused
SELECT email::address FROM customers
-- a collation: masked
SELECT email COLLATE "C" FROM customers
-- tokens as texts: masked
SELECT token::text FROM customers
-- tokens as bytes: refused, masked
SELECT uuid_send(token), textsend(email), int8send(card), date_send(born) FROM customers
-- a search vector: refused, masked
SELECT to_tsvector('simple', email) FROM customers
-- a search query: refused, masked
SELECT plainto_tsquery('simple', email) FROM customers
-- a headline: refused, masked
SELECT ts_headline(email, to_tsquery('x')) FROM customers
-- words of a vector: refused, masked
SELECT (ts_parse('default', email)).* FROM customers
-- words in FROM: refused, masked
SELECT token FROM ts_debug((SELECT email FROM customers WHERE id = 1))
-- a name: refused, masked
SELECT parse_ident(replace(replace(email, '-', '_'), '@', '.')) FROM customers
-- normalised: refused, masked
SELECT normalize(email) FROM customers
-- starting with itself: refused, masked
--   shows: bingo
SELECT CASE WHEN starts_with(email, 'n' || 'eedle') THEN 'bingo' END FROM customers

-- # Elements of arrays and documents

-- an element: masked
SELECT tags[1] FROM customers
-- a slice: masked
SELECT tags[1:2] FROM customers
-- elements as rows: refused, masked
SELECT unnest(tags) FROM customers
-- elements as rows in FROM: refused, masked
SELECT t FROM customers, unnest(tags) AS t
-- elements with numbers: refused, masked
SELECT t.* FROM customers, unnest(tags) WITH ORDINALITY AS t
-- elements joined: masked
SELECT array_to_string(tags, ',') FROM customers
-- an array appended to: refused, masked
SELECT tags || 'x'::text FROM customers
-- an array of values: masked
SELECT ARRAY[email, ssn] FROM customers
-- an array of a query: masked
SELECT ARRAY(SELECT email FROM customers)
-- how many elements: masked
--   shows: t=2
SELECT 't=' || cardinality(tags) FROM customers
-- a member: masked
SELECT profile -> 'contact' -> 'email' FROM customers
-- a member as text: masked
SELECT profile -> 'contact' ->> 'email' FROM customers
-- a path: masked
SELECT profile #>> '{contact,email}' FROM customers
-- a path to an object: masked
SELECT profile #> '{contact}' FROM customers
-- a subscript: masked
SELECT profile['contact']['email'] FROM customers
-- a document as text: masked
SELECT profile::text FROM customers
-- a document made pretty: masked
SELECT jsonb_pretty(profile) FROM customers
-- members as rows: refused, masked
SELECT jsonb_each_text(profile -> 'contact') FROM customers
-- members as rows in FROM: refused, masked
SELECT e.key, e.value FROM customers, jsonb_each_text(profile -> 'contact') AS e
-- members as a record: refused, masked
SELECT r.* FROM customers, jsonb_to_record(profile -> 'contact') AS r (email text)
-- filled into a type: refused, masked
SELECT (jsonb_populate_record(NULL::contact, jsonb_build_object('address', profile -> 'contact' -> 'email'))).* FROM customers
-- a JSON path: refused, masked
SELECT jsonb_path_query(profile, '$.**.email') FROM customers
-- a JSON path in FROM: refused, masked
SELECT q FROM customers, jsonb_path_query(profile, '$.contact.*') AS q
-- without a member: refused, masked
SELECT profile - 'plan' FROM customers
-- a document joined: masked
SELECT profile || '{"x": 1}' FROM customers
-- a document changed: refused, masked
SELECT jsonb_set(profile, '{contact,other}', profile #> '{contact,email}') FROM customers

-- # Rows as values

-- a row as text: masked
SELECT c::text FROM customers c
-- a row: masked
SELECT c FROM customers c
-- a row by the table's name: masked
SELECT customers FROM customers
-- a row opened: masked
SELECT (c).email FROM customers c
-- a row opened wholly: masked
SELECT (c).* FROM customers c
-- a column called like a function: refused
SELECT email(c) FROM customers c
-- a made row: masked
SELECT ROW(id, email) FROM customers
-- a row in a row: masked
SELECT ROW(c, 1) FROM customers c
-- a composite type: refused, masked
SELECT ROW(id, email)::contact FROM customers
-- a composite type opened: refused, masked
SELECT (ROW(id, email)::contact).address FROM customers
-- a row as JSON: masked
SELECT row_to_json(c) FROM customers c
-- a row as jsonb: masked
SELECT to_jsonb(c) ->> 'email' FROM customers c
-- a value as JSON: masked
SELECT to_json(email), to_jsonb(ssn) FROM customers
-- built JSON: masked
SELECT json_build_object('e', email), jsonb_build_array(ssn, card) FROM customers
-- a member that is the value: refused, masked
SELECT json_build_object(email, 1) FROM customers WHERE email IS NOT NULL
-- a row in an array: masked
SELECT ARRAY[c] FROM customers c
-- xmlforest: masked
SELECT xmlforest(email, ssn) FROM customers
-- xmlelement: masked
SELECT xmlelement(name e, email, ssn) FROM customers
-- attributes of xmlelement: refused, masked
SELECT xmlelement(name e, xmlattributes(email AS a), ssn) FROM customers
-- xmlconcat: refused, masked
SELECT xmlconcat(xmlelement(name e, email)) FROM customers
-- xmlcomment: refused, masked
SELECT xmlcomment(replace(email, '-', '_')) FROM customers
-- a JSON document in a row: masked
SELECT row_to_json(ROW(profile)) FROM customers
-- hashed rows: refused, masked
--   shows: bingo
SELECT CASE WHEN hash_record(ROW(ssn)) IS NOT NULL THEN 'bingo' END FROM customers WHERE id = 1
