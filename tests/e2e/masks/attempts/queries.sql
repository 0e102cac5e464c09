-- # Expressions that choose

-- CASE returns it: masked
SELECT CASE WHEN id > 0 THEN email ELSE name END FROM customers
-- CASE asks it: refused, masked
--   shows: bingo
SELECT CASE WHEN email LIKE '%quokka%' THEN 'bingo' END FROM customers
-- CASE of a value: refused, masked
--   shows: bingo
SELECT CASE ssn WHEN '987-65' || '-4320' THEN 'bingo' END FROM customers
-- COALESCE: masked
SELECT coalesce(NULL, email, 'x') FROM customers
-- COALESCE and CASE with numbers and dates: masked
SELECT coalesce(card, 0), coalesce(tags[1], name), coalesce(born, '2000-01-01', current_date), CASE WHEN id > 0 THEN card ELSE -1 END FROM customers
-- NULLIF: refused, masked
SELECT nullif(email, 'x') FROM customers
-- NULLIF as a question: refused, masked
--   shows: bingo
SELECT coalesce(nullif(ssn, '987-65' || '-4320'), 'bingo') FROM customers WHERE id = 1
-- GREATEST: masked
SELECT greatest(email, ''), least(ssn, 'z') FROM customers
-- compared: refused, masked
--   shows: bingo
SELECT 'bin' || CASE (email > 'a') WHEN true THEN 'go' END FROM customers
-- a question as a column: refused, masked
--   shows: t=true
SELECT 't=' || (ssn = '987-65' || '-4320')::text FROM customers
-- IS DISTINCT FROM: refused, masked
--   shows: t=false
SELECT 't=' || (ssn IS DISTINCT FROM '987-65' || '-4320')::text FROM customers
-- IN: refused, masked
--   shows: t=true
SELECT 't=' || (ssn IN ('987-65' || '-4320'))::text FROM customers
-- a subselect: masked
SELECT (SELECT email FROM customers WHERE id = 1)
-- a subselect that is related: masked
SELECT (SELECT c.email) FROM customers c
-- a subselect in arithmetic: refused, masked
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
-- sum of none: masked
SELECT coalesce(sum(card), 0), max(date_trunc('month', born)), max(tags[1]) FROM customers WHERE id = 1
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
-- an aggregate of one's own: refused, masked
SELECT joined(email) FROM customers
-- an aggregate with a filter: refused, masked
--   shows: bingo
SELECT CASE count(*) FILTER (WHERE email LIKE '%quokka%') WHEN 1 THEN 'bingo' END FROM customers
-- bool_or: refused, masked
--   shows: bingo
SELECT CASE WHEN bool_or(email LIKE '%quokka%') THEN 'bingo' END FROM customers
-- bit_and: refused, masked
SELECT bit_and(card) FROM customers WHERE id = 1
-- mode: refused, masked
SELECT mode() WITHIN GROUP (ORDER BY email) FROM customers
-- percentile: refused, masked
SELECT percentile_disc(0) WITHIN GROUP (ORDER BY email) FROM customers
-- a rank of a guess: refused, masked
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
-- an aggregate in an order: refused, masked
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
-- EXISTS: refused, closed
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
-- ORDER BY its place: refused, masked
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
-- rows as many as a letter's code: refused, oracle
--   shows: SELECT 110
SELECT 1 FROM customers c, generate_series(1, ascii(c.email)) WHERE c.id = 1
-- rows counted as many as a letter's code: refused, oracle
--   shows: c=110
SELECT 'c=' || count(*) FROM customers c, generate_series(1, ascii(c.email)) WHERE c.id = 1
-- rows as many as a letter's code in the output: refused, oracle
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
-- INTERSECT as a question: refused, closed
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
-- a function in FROM: refused, masked
SELECT * FROM customers c, upper(c.email)
-- several functions in FROM: refused, masked
SELECT r.* FROM customers c, ROWS FROM (upper(c.email), unnest(c.tags)) AS r
-- an XML table: refused, masked
SELECT x.e FROM XMLTABLE('//email' PASSING query_to_xml('SELECT email FROM customers', false, false, '') COLUMNS e text PATH '.') x
-- an XML table of values: refused, masked
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
-- a plan's memory: refused, oracle
--   shows: Sort Method: quicksort
SET work_mem = '1500kB'
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
 SELECT split_part(a.e, 'needle-q', 1), split_part(a.e, 'needle-q', 1), split_part(a.e, 'needle-q', 1), split_part(a.e, 'needle-q', 1), g
 FROM (SELECT id, email || email || email || email AS e FROM customers) a, generate_series(1, 9000) g WHERE a.id = 1 ORDER BY g
-- a plan's memory of what was prepared: refused, oracle
--   shows: Sort Method: quicksort
SET work_mem = '1500kB'
PREPARE p AS SELECT 1 FROM
 (SELECT split_part(a.e, 'needle-q', 1) AS a, split_part(a.e, 'needle-q', 1) AS b, split_part(a.e, 'needle-q', 1) AS c, split_part(a.e, 'needle-q', 1) AS d
 FROM (SELECT id, email || email || email || email AS e FROM customers) a, generate_series(1, 9000) g WHERE a.id = 1 ORDER BY g OFFSET 0) s
 WHERE s.a IS NOT NULL AND s.b IS NOT NULL AND s.c IS NOT NULL AND s.d IS NOT NULL
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE p
-- # Questions that look like questions for NULL

-- NULLIF is NULL: refused, masked
--   shows: t=true
SELECT 't=' || (nullif(ssn, '987-65' || '-4320') IS NULL)::text FROM customers WHERE id = 1
-- CASE is NULL: refused, masked
--   shows: t=false
SELECT 't=' || ((CASE WHEN email LIKE '%quokka%' THEN 1 END) IS NULL)::text FROM customers WHERE id = 1
-- a part is NULL: refused, masked
--   shows: t=false
SELECT 't=' || (substring(email FROM 'needle-q') IS NULL)::text FROM customers WHERE id = 1
-- a match is NULL: refused, masked
--   shows: t=false
SELECT 't=' || (regexp_match(email, 'needle-q') IS NULL)::text FROM customers WHERE id = 1
-- a member is NULL: refused, masked
--   shows: t=true
SELECT 't=' || (jsonb_path_query_first(profile, '$.contact.email ? (@ starts with "needle-w")') IS NULL)::text FROM customers WHERE id = 1
-- a row is NULL: refused, masked
--   shows: t=true
SELECT 't=' || (ROW(nullif(ssn, '987-65' || '-4320')) IS NULL)::text FROM customers WHERE id = 1
-- how many are NULL: refused, masked
--   shows: n=1
SELECT 'n=' || num_nulls(nullif(ssn, '987-65' || '-4320')) FROM customers WHERE id = 1
-- a column of a subquery is NULL: refused, masked
--   shows: t=true
SELECT 't=' || (x IS NULL)::text FROM (SELECT nullif(ssn, '987-65' || '-4320') AS x FROM customers WHERE id = 1) s
-- NULLIF is NULL, in WHERE: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM customers WHERE nullif(ssn, '987-65' || '-4320') IS NULL AND id = 1
-- a column of a subquery is NULL, in WHERE: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM (SELECT substring(email FROM 'needle-q') AS x FROM customers) s WHERE x IS NOT NULL
-- a column of a CTE is NULL, in WHERE: refused, oracle
--   shows: bingo
WITH s AS (SELECT substring(email FROM 'needle-q') AS x FROM customers) SELECT 'bingo' FROM s WHERE x IS NOT NULL
-- count of what NULLIF leaves: closed
--   shows: c=2
SELECT 'c=' || count(nullif(ssn, '987-65' || '-4320')) FROM customers
-- count of what CASE tells: closed
--   shows: c=1
SELECT 'c=' || count(CASE WHEN email LIKE '%quokka%' THEN 1 END) FROM customers
-- count of a subquery's column: closed
--   shows: c=1
SELECT 'c=' || count(x) FROM (SELECT substring(email FROM 'needle-q') AS x FROM customers) s
-- the type, where it is NULL: masked
--   shows: t=
SELECT 't=' || jsonb_typeof(profile #> '{contact,email}') FROM customers WHERE id = 1

-- # What happens beside the result

-- a sequence that goes on if it is so: refused, oracle
--   shows: v=99
SELECT setval('counter', 98) IS NULL
SELECT CASE WHEN email LIKE '%quokka%' THEN nextval('counter') END FROM customers
SELECT 'v=' || last_value FROM counter
-- a sequence that goes on, by OR: refused, oracle
--   shows: v=100
SELECT setval('counter', 98) IS NULL
SELECT email NOT LIKE '%quokka%' OR nextval('counter') > 0 FROM customers
SELECT 'v=' || last_value FROM counter
-- a sequence that goes on, by COALESCE: refused, oracle
--   shows: v=99
SELECT setval('counter', 98) IS NULL
SELECT coalesce(nullif(length(email), 28), nextval('counter')) FROM customers WHERE id = 1
SELECT 'v=' || last_value FROM counter
-- a sequence that goes on, by an aggregate: refused, oracle
--   shows: v=99
SELECT setval('counter', 98) IS NULL
SELECT count(nextval('counter')) FILTER (WHERE email LIKE '%quokka%') FROM customers
SELECT 'v=' || last_value FROM counter
-- a notification if it is so: refused, closed
--   shows: bingo
LISTEN gossip
SELECT CASE WHEN email LIKE '%quokka%' THEN pg_notify('gossip', 'bingo') END IS NULL FROM customers
SELECT 1
-- a notice if it is so: refused, closed
--   shows: bingo
SELECT CASE WHEN email LIKE '%quokka%' THEN notice('bingo') END FROM customers
-- an error if it is so: refused, closed
--   shows: bingo
SELECT CASE WHEN email LIKE '%quokka%' THEN fail('bingo') END FROM customers
-- a row written if it is so: refused, oracle
--   shows: bingo
BEGIN
SELECT CASE WHEN email LIKE '%quokka%' THEN keep('bingo') END FROM customers
SELECT body FROM notes
ROLLBACK
-- a setting if it is so: refused, oracle
--   shows: bingo
SELECT CASE WHEN email LIKE '%quokka%' THEN set_config('my.note', 'bin' || 'go', false) END IS NULL FROM customers
SHOW my.note
-- a seed for chance: refused
--   shows: r=0.35552457935958426
SELECT setseed(ascii(email) / 1000.0) IS NULL FROM customers WHERE id = 1
SELECT 'r=' || random()

-- # More ways to decide on rows

-- WHERE over a materialised view: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM mailing WHERE email LIKE '%quokka%'
-- WHERE over a child: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM vips WHERE ssn = '987-65' || '-5555'
-- WHERE over a partition: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM visits_2024 WHERE email LIKE '%quokka%'
-- WHERE over what a view makes: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM made WHERE loud LIKE '%QUOKKA%'
-- WHERE over rows of a function: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM everybody() WHERE email LIKE '%quokka%'
-- JOIN with rows of a function: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM orders o JOIN listed() l ON l.what LIKE '%quokka%' WHERE o.id = 1
-- WHERE of a JSON row: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM customers c WHERE row_to_json(c)::text LIKE '%quokka%'
-- WHERE of a compared row: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM customers WHERE (id, ssn) = (1, '987-65' || '-4320')
-- WHERE of rows in a list: refused, oracle
--   shows: bingo
SELECT 'bingo' FROM customers WHERE (id, ssn) IN ((1, '987-65' || '-4320'), (7, ''))
-- ORDER BY a row: refused, oracle
--   shows: AnnBobCidDee
SELECT name FROM customers c ORDER BY c
-- ORDER BY an alias: refused, masked
SELECT email AS id FROM customers ORDER BY id
-- DISTINCT rows: closed
SELECT DISTINCT c FROM customers c
-- GROUP BY a row: refused, closed
SELECT c::text FROM customers c GROUP BY c
-- EXCEPT as a question: refused, oracle
--   shows: c=0
SELECT 'c=' || count(*) FROM (SELECT '987-65' || '-4320' EXCEPT SELECT ssn FROM customers) s
-- OFFSET: refused, oracle
--   shows: Bob
SELECT name FROM customers ORDER BY id OFFSET (SELECT length(email) / 28 FROM customers WHERE id = 1) LIMIT 1
-- FETCH FIRST: refused, oracle
--   shows: SELECT 2
SELECT id FROM customers FETCH FIRST (SELECT length(email) / 14 FROM customers WHERE id = 1) ROWS ONLY
-- a sample as large: refused, oracle
--   shows: c=12
SELECT 'c=' || count(*) FROM orders TABLESAMPLE bernoulli ((SELECT CASE WHEN email LIKE '%quokka%' THEN 100 ELSE 0 END FROM customers WHERE id = 1))
-- a window's frame: closed
--   shows: c=3
SELECT 'c=' || count(*) OVER (ORDER BY id ROWS (SELECT length(email) / 14 FROM customers WHERE id = 1) PRECEDING) FROM orders
-- a cycle by it: refused, oracle
--   shows: c=1
WITH RECURSIVE r (i, e) AS (SELECT id, email FROM ONLY customers WHERE id = 1 UNION ALL SELECT c.id, c.email FROM r JOIN ONLY customers c ON c.id = r.i) CYCLE e SET looped USING path SELECT 'c=' || count(*) FROM r WHERE NOT looped
-- a search by it: closed
WITH RECURSIVE r (i, e) AS (SELECT id, email FROM ONLY customers WHERE id = 1 UNION ALL SELECT i + 1, e FROM r WHERE i < 3) SEARCH DEPTH FIRST BY e SET place SELECT place FROM r
-- how much is copied: refused, oracle
--   shows: COPY 1
COPY (SELECT id FROM customers WHERE email LIKE '%quokka%') TO STDOUT
-- a name that rows in an array do not have: masked
SELECT (SELECT email FROM unnest(ARRAY[ROW(1, 'a')::contact]) email) FROM customers
-- a star in VALUES: masked
SELECT column3, lower(column3) FROM customers c, LATERAL (VALUES (c.*)) v
-- a star of a row in VALUES: masked
SELECT x FROM customers c, LATERAL (VALUES ((c).*)) v (i, n, x)
-- a star of nothing in VALUES: masked
SELECT lower(a), upper(e) FROM (SELECT) s, customers c, LATERAL (VALUES (s.*, c.email, c.name)) v (a, e)
-- a star in ROW: masked
SELECT (ROW((c).*)).f3 FROM customers c

-- # Names that mean something else than they seem to

-- an element of a list of columns: refused (own, simple)
--   shows: 110
CREATE TABLE mine_a (i int, a int[])
INSERT INTO mine_a (i, a[(SELECT ascii(email) FROM customers WHERE id = 1)]) VALUES (1, 1) RETURNING array_lower(a, 1)
-- an element of a list of columns in MERGE: refused (own, simple)
--   shows: 110
CREATE TABLE mine_a (i int, a int[])
MERGE INTO mine_a USING (SELECT 1) s ON false WHEN NOT MATCHED THEN INSERT (i, a[(SELECT ascii(email) FROM customers WHERE id = 1)]) VALUES (2, 1)
SELECT i, array_lower(a, 1) FROM mine_a
-- a star that leaves out columns by SEARCH: refused, masked
WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 1) SEARCH DEPTH FIRST BY n SET sq
  SELECT s.e || '' FROM (SELECT * FROM r, (SELECT email, 1 AS k FROM customers) c) s (n, e, k)
-- a star that leaves out columns by CYCLE: refused
WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 1) CYCLE n SET m USING p
  SELECT s.e || '' FROM (SELECT ROW(r.*, c.email, 1, 2)::text AS e FROM r, customers c) s
-- VALUES sorted by what they hold: refused, oracle
--   shows: bingo
SELECT v.column2 FROM (SELECT ''::text AS column1) o,
  LATERAL (VALUES ((SELECT email FROM customers WHERE id = 1), 'bingo'), ('needle-z', 'no') ORDER BY column1 || '' LIMIT 1) v
-- a field of a row as a function in FROM: refused, masked
SELECT (SELECT (SELECT t || '' FROM initcap(s) AS t) FROM (SELECT email AS t FROM customers WHERE id = 1) c)
  FROM (SELECT ROW(1, 'a')::contact AS initcap) s
-- a field of a row as a function: refused, oracle
--   shows: 22003
SELECT length(s)::int4 FROM (SELECT sum(v) AS length FROM (SELECT strpos(email, 'needle-q') AS v FROM customers WHERE id = 1
  UNION ALL SELECT 2147483647) u) s
-- a sample by what is around it: refused, masked
--   shows: sampled=12
SELECT 'sampled=' || (SELECT count(*) FROM (SELECT 0 AS p) l, orders TABLESAMPLE bernoulli(p))
  FROM (SELECT sum(strpos(email, 'needle-q')) AS p FROM customers, generate_series(1, 100) g WHERE customers.id = 1) o
-- many guesses at once: refused, oracle
--   shows: 23505
INSERT INTO accounts (id, code) SELECT 1000 + g, '98765-' || lpad(g::text, 2, '0') || '-20' FROM generate_series(41, 50) g
-- many guesses by MERGE: refused, oracle
--   shows: 23505
MERGE INTO accounts USING generate_series(41, 50) g ON false WHEN NOT MATCHED THEN INSERT (id, code) VALUES (1000 + g, '98765-' || g || '-20')
-- many guesses by UPDATE: refused, oracle (own)
--   shows: 23505
INSERT INTO accounts (id, code) VALUES (41, 'a'), (42, 'b'), (43, 'c')
UPDATE accounts SET code = '98765-' || id || '-20' WHERE id > 40
-- many guesses by a function in VALUES: refused, oracle
--   shows: 23505
INSERT INTO accounts (id, code) VALUES (generate_series(1000, 1010), '98765-' || lpad(generate_series(41, 51)::text, 2, '0') || '-20')
-- many guesses by a query in a block: refused
--   shows: 23505
DO $$ BEGIN INSERT INTO accounts (id, code) SELECT 1000 + g, '98765-' || lpad(g::text, 2, '0') || '-20' FROM generate_series(41, 50) g; END $$
-- many guesses by a function in a block: refused
--   shows: 23505
DO $$ BEGIN INSERT INTO accounts (id, code) VALUES (generate_series(1000, 1010), '98765-' || generate_series(41, 51)::text || '-20'); END $$
-- what a view makes of a row that is put there: refused (own)
CREATE TABLE mine_g (v text)
DO $$ DECLARE v text; BEGIN INSERT INTO order_mails (id, customer) VALUES (991, 1) RETURNING email INTO v; INSERT INTO mine_g VALUES (v); END $$
SELECT * FROM mine_g
-- many guesses by the key of a partition: refused, oracle (own, simple)
--   shows: INSERT 0 2
INSERT INTO visits (id, customer, email, day) SELECT g, 1, (ARRAY['a', 'b', 'needle-' || 'quokka@burrow.example'])[g], '2024-05-05'
  FROM generate_series(1, 3) g ON CONFLICT DO NOTHING
-- what a trigger compares before it fires: refused
--   shows: bingo
INSERT INTO tips (id, customer, note) VALUES (1, 1, 'needle-p') RETURNING CASE WHEN flag THEN 'bingo' END
