-- # Expressions that choose

-- CASE returns it: masked
SELECT CASE WHEN id > 0 THEN email ELSE name END FROM customers
-- CASE asks it: masked
--   shows: bingo
SELECT CASE WHEN email LIKE '%quokka%' THEN 'bingo' END FROM customers
-- CASE of a value: masked
--   shows: bingo
SELECT CASE ssn WHEN '987-65' || '-4320' THEN 'bingo' END FROM customers
-- COALESCE: masked
SELECT coalesce(NULL, email, 'x') FROM customers
-- NULLIF: masked
SELECT nullif(email, 'x') FROM customers
-- NULLIF as a question: masked
--   shows: bingo
SELECT coalesce(nullif(ssn, '987-65' || '-4320'), 'bingo') FROM customers WHERE id = 1
-- GREATEST: masked
SELECT greatest(email, ''), least(ssn, 'z') FROM customers
-- compared: masked
--   shows: bingo
SELECT 'bin' || CASE (email > 'a') WHEN true THEN 'go' END FROM customers
-- a question as a column: masked
--   shows: t=true
SELECT 't=' || (ssn = '987-65' || '-4320')::text FROM customers
-- IS DISTINCT FROM: masked
--   shows: t=false
SELECT 't=' || (ssn IS DISTINCT FROM '987-65' || '-4320')::text FROM customers
-- IN: masked
--   shows: t=true
SELECT 't=' || (ssn IN ('987-65' || '-4320'))::text FROM customers
-- a subselect: masked
SELECT (SELECT email FROM customers WHERE id = 1)
-- a subselect that is related: masked
SELECT (SELECT c.email) FROM customers c
-- a subselect in arithmetic: masked
SELECT 0 + (SELECT card FROM customers WHERE id = 1)
-- VALUES with a subselect: masked
VALUES ((SELECT email FROM customers WHERE id = 1), 1)
-- VALUES in FROM: masked
SELECT * FROM (VALUES (1, (SELECT email FROM customers WHERE id = 1))) AS v (a, b)
-- a limit of the value: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM orders LIMIT (SELECT length(email) FROM customers WHERE id = 1)

-- # Aggregates and windows

-- min and max: masked
SELECT min(email), max(ssn) FROM customers
-- min over dates: masked
SELECT max(born) FROM customers
-- sum of one: masked
SELECT sum(card) FROM customers WHERE id = 1
-- average of one: masked
SELECT avg(card) FROM customers WHERE id = 1
-- string_agg: masked
SELECT string_agg(email, ',') FROM customers
-- array_agg: masked
SELECT array_agg(ssn) FROM customers
-- json_agg: masked
SELECT json_agg(email), jsonb_agg(c) FROM customers c
-- json_object_agg: masked
SELECT json_object_agg(id, email) FROM customers
-- xmlagg: masked
SELECT xmlagg(xmlelement(name e, email)) FROM customers
-- an aggregate of one's own: masked
SELECT joined(email) FROM customers
-- an aggregate with a filter: masked
--   shows: bingo
SELECT CASE count(*) FILTER (WHERE email LIKE '%quokka%') WHEN 1 THEN 'bingo' END FROM customers
-- bool_or: masked
--   shows: bingo
SELECT CASE WHEN bool_or(email LIKE '%quokka%') THEN 'bingo' END FROM customers
-- bit_and: masked
SELECT bit_and(card) FROM customers WHERE id = 1
-- mode: masked
SELECT mode() WITHIN GROUP (ORDER BY email) FROM customers
-- percentile: masked
SELECT percentile_disc(0) WITHIN GROUP (ORDER BY email) FROM customers
-- a rank of a guess: masked
--   shows: r=2
SELECT 'r=' || rank('needle-p') WITHIN GROUP (ORDER BY email) FROM customers
-- first_value: masked
SELECT first_value(email) OVER (ORDER BY id) FROM customers
-- lag: masked
SELECT lag(email) OVER (ORDER BY id), nth_value(ssn, 1) OVER () FROM customers
-- a rank by the value: closed
--   shows: 2=1
SELECT id || '=' || row_number() OVER (ORDER BY email DESC NULLS LAST) FROM customers
-- a partition by the value: closed
--   shows: 1=1
SELECT id || '=' || count(*) OVER (PARTITION BY email) FROM customers
-- a named window: closed
--   shows: 4=1
SELECT id || '=' || rank() OVER w FROM customers WINDOW w AS (ORDER BY email)
-- an aggregate in an order: masked
--   shows: BobAnn
SELECT string_agg(name, '' ORDER BY email DESC) FROM customers WHERE id < 3

-- # Which rows there are, and in which order

-- WHERE: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM customers WHERE ssn = '987-65' || '-4320'
-- WHERE with a pattern: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM customers WHERE email LIKE 'needle-q%'
-- WHERE by a regular expression: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM customers WHERE email ~ '^needle-q'
-- WHERE with a function: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM customers WHERE ascii(email) = 110
-- WHERE of a row: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM customers c WHERE c::text LIKE '%quokka%'
-- WHERE by a document: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM customers WHERE profile @? '$.contact.email ? (@ starts with "needle-q")'
-- WHERE by an array: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM customers WHERE 'needle-vip' = ANY (tags)
-- WHERE by a search: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM customers WHERE to_tsvector('simple', email) @@ 'needle-quokka@burrow.example'
-- WHERE over a view: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM people WHERE email LIKE '%quokka%'
-- WHERE over a view of a view: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM renamed WHERE nothing_special LIKE '%quokka%'
-- WHERE outside of a subquery: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM (SELECT email AS e FROM customers) s WHERE e LIKE '%quokka%'
-- WHERE outside of a CTE: refused, oracle
--   shows: bingo
WITH s AS MATERIALIZED (SELECT email AS e FROM customers) SELECT 'bingo' FROM s WHERE e LIKE '%quokka%'
-- WHERE with a subselect: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM orders WHERE id = 1 AND (SELECT email FROM customers WHERE id = 1) LIKE '%quokka%'
-- EXISTS: refused, oracle
--   shows: bingo
SELECT CASE WHEN EXISTS (SELECT FROM customers WHERE email LIKE '%quokka%') THEN 'bingo' END
-- IN a query: refused, oracle
--   shows: bingo
SELECT 'bingo' WHERE '987-65' || '-4320' IN (SELECT ssn FROM customers)
-- ANY of a query: refused, oracle
--   shows: bingo
SELECT 'bingo' WHERE 'needle-p' < ANY (SELECT email FROM customers)
-- count of what fits: refused, oracle
--   shows: c=1
SELECT 'c=' || count(*) FROM customers WHERE email LIKE 'needle-q%'
-- JOIN: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM (VALUES ('987-65' || '-4320')) AS guess (g) JOIN customers c ON c.ssn = g
-- JOIN USING: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM customers JOIN newsletter USING (email)
-- NATURAL JOIN: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM customers NATURAL JOIN newsletter
-- LEFT JOIN: refused, oracle
--   shows: bingo
SELECT coalesce(g.x, 'bin') || 'go' FROM customers c LEFT JOIN (SELECT NULL::text AS x) g ON c.email LIKE '%quokka%' WHERE c.id = 1
-- what was guessed is what is joined: refused, oracle
--   shows: needle-quokka
SELECT g FROM (VALUES ('needle-quokka@burrow.example'), ('x')) AS guess (g) JOIN customers c ON c.email = g
-- LATERAL: refused, oracle
--   shows: bingo
SELECT l.x FROM customers c, LATERAL (SELECT 'bingo' AS x WHERE c.email LIKE '%quokka%') l
-- ORDER BY: refused, oracle
--   shows: BobDeeAnn
SELECT name FROM customers ORDER BY ssn DESC NULLS LAST LIMIT 3
-- ORDER BY a number: refused, oracle
--   shows: Cid
SELECT name, email IS NULL FROM customers ORDER BY email LIKE '%quokka%'
-- ORDER BY its place: refused
SELECT email FROM customers ORDER BY 1
-- ORDER BY a guess: refused, oracle
--   shows: Ann
SELECT name FROM customers WHERE email IS NOT NULL ORDER BY email > 'needle-r', id LIMIT 1
-- GROUP BY: refused, closed
SELECT email, count(*) FROM customers GROUP BY email
-- GROUP BY its place: refused, closed
SELECT email, count(*) FROM customers GROUP BY 1
-- GROUP BY without it: refused, oracle
--   shows: c=1
SELECT 'c=' || count(*) FROM customers GROUP BY ssn
-- HAVING: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM customers GROUP BY id HAVING max(email) LIKE '%quokka%'
-- GROUPING SETS: refused, closed
SELECT email, ssn, count(*) FROM customers GROUP BY ROLLUP (email, ssn)
-- DISTINCT: closed
SELECT DISTINCT email FROM customers
-- DISTINCT ON: refused, oracle
--   shows: Ann
SELECT DISTINCT ON (email) name FROM customers WHERE id = 1
-- count of what differs: closed
--   shows: c=3
SELECT 'c=' || count(DISTINCT email) FROM customers
-- rows as many as a letter's code: closed
--   shows: SELECT 110
SELECT 1 FROM customers c, generate_series(1, ascii(c.email)) WHERE c.id = 1
-- rows counted as many as a letter's code: closed
--   shows: c=110
SELECT 'c=' || count(*) FROM customers c, generate_series(1, ascii(c.email)) WHERE c.id = 1
-- rows as many as a letter's code in the output: closed
--   shows: SELECT 110
SELECT generate_series(1, ascii(email)) > 0 FROM customers WHERE id = 1
-- rows numbered by a recursion over the value: closed
WITH RECURSIVE r AS (SELECT 1 AS i, '' AS t UNION ALL SELECT i + 1, t || substr((SELECT email FROM customers WHERE id = 1), i, 1) FROM r WHERE i < 20) SELECT t FROM r
-- recursion that is as deep as the value: refused, oracle
--   shows: d=28
WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < (SELECT length(email) FROM customers WHERE id = 1)) SELECT 'd=' || max(i) FROM r

-- # Queries in queries

-- a subquery: masked
SELECT * FROM (SELECT email AS x FROM customers) s
-- subqueries thrice: masked
SELECT c FROM (SELECT b AS c FROM (SELECT a AS b FROM (SELECT email AS a FROM customers) x) y) z
-- a CTE: masked
WITH x AS (SELECT email AS e FROM customers) SELECT e FROM x
-- a CTE with names: masked
WITH x (a, b) AS (SELECT id, email FROM customers) SELECT b FROM x
-- a CTE called like a table: masked
WITH orders AS (SELECT email AS note FROM customers) SELECT note FROM orders
-- a CTE in another: masked
WITH x AS (SELECT email FROM customers), y AS (SELECT email AS z FROM x) TABLE y
-- a CTE that hides the table: true
WITH customers AS (SELECT 'mine' AS email) SELECT email FROM customers
-- a table behind a CTE of its name: masked
WITH customers AS (SELECT email AS e FROM public.customers) SELECT e FROM customers
-- recursion: masked
WITH RECURSIVE r (n, e) AS (SELECT 1, (SELECT email FROM customers WHERE id = 1) UNION ALL SELECT n + 1, e FROM r WHERE n < 3) SELECT e FROM r
-- recursion that changes it: masked
WITH RECURSIVE r (n, e) AS (SELECT 1, email FROM customers WHERE id = 1 UNION ALL SELECT n + 1, e || n FROM r WHERE n < 3) SELECT e FROM r
-- UNION ALL: masked
SELECT name FROM customers UNION ALL SELECT email FROM customers
-- UNION ALL the other way round: masked
SELECT email FROM customers UNION ALL SELECT name FROM customers
-- UNION: closed
SELECT email FROM customers UNION SELECT name FROM customers
-- EXCEPT: closed
SELECT email FROM customers EXCEPT SELECT name FROM customers
-- INTERSECT as a question: refused, oracle
--   shows: quokka
SELECT 'needle-quokka@burrow.example' INTERSECT SELECT email FROM customers
-- a cross join: masked
SELECT * FROM orders CROSS JOIN customers WHERE orders.id = 1
-- a join with names: masked
SELECT j.q FROM (orders o JOIN customers c ON c.id = o.customer) AS j (a, b, c, d, e, f, g, q)
-- USING that merges: closed
SELECT email FROM customers FULL JOIN newsletter USING (email)
-- LATERAL that returns it: masked
SELECT l.x FROM customers c, LATERAL (SELECT c.email AS x) l
-- a function in FROM: masked
SELECT * FROM customers c, upper(c.email)
-- several functions in FROM: masked
SELECT r.* FROM customers c, ROWS FROM (upper(c.email), unnest(c.tags)) AS r
-- an XML table: masked
SELECT x.e FROM XMLTABLE('//email' PASSING query_to_xml('SELECT email FROM customers', false, false, '') COLUMNS e text PATH '.') x
-- an XML table of values: masked
SELECT x.e FROM customers c, XMLTABLE('/a' PASSING xmlelement(name a, c.email) COLUMNS e text PATH '.') x
-- a query for update: masked
SELECT email FROM customers FOR UPDATE
-- a query of nothing: masked
SELECT email FROM customers WHERE id = 1 UNION ALL SELECT NULL WHERE false

-- # Relations that hold or show them

-- a view: masked
SELECT * FROM people
-- a view of a view, renamed: masked
SELECT nothing_special FROM renamed
-- a view that makes something: masked
SELECT loud FROM made
-- a view of a union: masked
SELECT a FROM by_union
-- a row of a view: masked
SELECT people::text FROM people
-- a materialised view: masked
SELECT email FROM mailing
-- a child: masked
SELECT email, ssn FROM vips
-- a partition: masked
SELECT email FROM visits_2024
-- all partitions: masked
SELECT email FROM visits
-- what refers to it: masked
SELECT email FROM newsletter
-- statistics: closed
SELECT most_common_vals::text, histogram_bounds::text FROM pg_stats WHERE tablename = 'customers'
-- statistics of one's own columns: closed
SELECT attname, histogram_bounds FROM pg_stats WHERE tablename IN ('customers', 'mailing')
-- the catalog of statistics: closed
SELECT stavalues1::text, stavalues2::text FROM pg_statistic WHERE starelid = 'customers'::regclass
-- statistics as texts of arrays: closed
SELECT array_to_string(histogram_bounds, ',') FROM pg_catalog.pg_stats
-- statistics by a JSON function: closed
SELECT to_jsonb(s) FROM pg_stats s WHERE tablename = 'customers'
-- a plan with values: closed
CREATE FUNCTION pg_temp.f() RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT email FROM public.customers WHERE id = 1'
EXPLAIN (VERBOSE) SELECT pg_temp.f()
-- a plan's numbers of rows: refused, oracle
--   shows: actual rows=1
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM ONLY customers WHERE email LIKE '%quokka%'
-- a plan's guesses of rows: refused, oracle
--   shows: rows=1
EXPLAIN SELECT 1 FROM customers WHERE email > 'needle-r'
