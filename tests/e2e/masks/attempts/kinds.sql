-- # Types that are others than they seem

-- a row before that is of another type: refused, oracle
--   shows: 22003
SELECT (lag(1, 1, s) OVER ())::int4 FROM (SELECT sum(v) AS s FROM (SELECT strpos(email, 'needle-q') AS v FROM customers WHERE id = 1 UNION ALL SELECT 2147483647) u) t
-- a row before that is a larger number: refused, oracle
--   shows: 22003
SELECT (lag(1, 1, card) OVER ())::int4 FROM customers WHERE id = 1
-- a row after that is of another type: refused, oracle
--   shows: 22003
SELECT (lead(1, 1, card) OVER ())::int4 FROM customers WHERE id = 1
-- a row before that becomes one of a domain: refused
BEGIN
SELECT (lag('x'::keeper, 1, email) OVER ())::keeper FROM customers WHERE id = 1
SELECT body FROM notes
ROLLBACK
-- a row before that a domain checks: refused
--   shows: 23514
SELECT (lag('x@'::address, 1, ssn) OVER ())::address FROM customers WHERE id = 1
-- a text in front of an array: refused, masked
SELECT max(x) FROM (SELECT email || ARRAY['a'] AS x FROM customers WHERE id = 1 UNION ALL SELECT 'needle-p'::text || ARRAY['a', 'b']) s
-- the greater of texts in front of arrays: refused, masked
SELECT greatest(email || ARRAY['a'], 'needle-z'::text || ARRAY['a', 'b', 'c']) FROM customers WHERE id = 1
-- the greater of arrays of many rows: refused, masked
SELECT greatest(array_agg(email), array_agg(g)) FROM customers c, (VALUES ('needle-r'::text, 1), ('z', 1)) v (g) WHERE c.id = 1
-- the greatest array of many rows: refused, masked
SELECT max(x) FROM (SELECT array_agg(email) AS x FROM customers WHERE id = 1 UNION ALL SELECT array_agg(g) FROM (VALUES ('needle-p'::text), ('z')) v (g)) s
-- the greatest of slices: refused, masked
BEGIN
INSERT INTO customers (id, name, tags) VALUES (9, 'x', '{{needle-vip,needle-debtor},{u,v}}'), (10, 'y', '{{needle-debtor,a}}')
SELECT max(x) FROM (SELECT tags[1:9][9] AS x FROM customers WHERE id IN (9, 10)) s
ROLLBACK
-- a member that is called as a function: refused, oracle
--   shows: 22003
SELECT length(s)::int4 FROM (SELECT sum(v) AS length FROM (SELECT strpos(email, 'needle-q') AS v FROM customers WHERE id = 1 UNION ALL SELECT 2147483647) u) s
-- the greatest of members that are called as a function: refused, masked
SELECT max(v) FROM (SELECT bit_length(s) AS v FROM (SELECT ARRAY[email] AS bit_length FROM customers WHERE id = 1) s UNION ALL SELECT bit_length(s) FROM (SELECT ARRAY['needle-r', 'z'] AS bit_length) s) t
-- a part by two collations: refused, oracle
--   shows: 42P22
SELECT split_part(p || s.x, '@', 1) FROM (SELECT split_part(email, 'quok', 2) COLLATE "POSIX" AS p FROM customers WHERE id = 1) c, (SELECT '' COLLATE "C" AS x) s
-- a place by two collations: refused, oracle
--   shows: 42P22
SELECT strpos(p || s.x, '@@') FROM (SELECT split_part(email, 'quok', 2) COLLATE "POSIX" AS p FROM customers WHERE id = 1) c, (SELECT '' COLLATE "C" AS x) s
-- a date in a document: refused, masked
SELECT xmlelement(name a, born), xmlforest(born) FROM customers
-- what functions make of the values that they take: masked
SELECT split_part(lower(email) || name, '@', 2), left(coalesce(email, name), id), to_char(born, 'DD.MM.YYYY'), extract(year FROM born) FROM customers
-- an array of all as a text: masked
SELECT array_to_string(array_agg(email), ', '), array_to_string(ARRAY(SELECT ssn FROM customers), ',') FROM customers
