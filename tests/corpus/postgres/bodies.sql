DO $$ BEGIN UPDATE a SET x = (SELECT max(id) FROM orders); END $$
DO $$ DECLARE n int := (SELECT count(*) FROM customers); BEGIN IF n > 0 THEN DELETE FROM s.b; END IF; END $$
DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM orders LOOP INSERT INTO a VALUES (r.id, 1, 'x'); END LOOP; END $$
DO $$ DECLARE n int; BEGIN SELECT count(*) INTO n FROM lines; PERFORM n FROM b; END $$
DO $$ DECLARE n int; m int; BEGIN SELECT id, x INTO n, m FROM a LIMIT 1; ASSERT n = (SELECT min(id) FROM b); END $$
DO $$ DECLARE c CURSOR FOR SELECT * FROM customers; BEGIN FOR r IN c LOOP UPDATE b SET x = 2; END LOOP; END $$
DO $$ DECLARE c CURSOR (k int) FOR SELECT * FROM customers WHERE id = k; r record; BEGIN OPEN c((SELECT max(id) FROM orders)); CLOSE c; END $$
DO $$ DECLARE n int; BEGIN DELETE FROM a RETURNING id INTO n; EXCEPTION WHEN too_many_rows THEN DELETE FROM b; END $$
DO $$ BEGIN EXECUTE 'DELETE FROM s.a'; END $$
DO $$ BEGIN EXECUTE 'INSERT INTO a SELECT $1, 1, y FROM b' USING (SELECT max(id) FROM orders); END $$
DO $$ BEGIN EXECUTE format('DELETE FROM %I', 'b'); END $$
DO $$ DECLARE n int; BEGIN EXECUTE 'SELECT count(*) FROM customers' INTO n; WHILE n > (SELECT count(*) FROM secrets) + 100 LOOP n := n - 1; END LOOP; END $$
DO $$ BEGIN CASE (SELECT region FROM customers LIMIT 1) WHEN 'north', 'south' THEN DELETE FROM lines; ELSE NULL; END CASE; END $$
DO $$ BEGIN <<l>> FOR i IN 1..(SELECT count(*) FROM orders) LOOP EXIT l WHEN i > (SELECT max(x) FROM a); END LOOP l; END $$
DO $$ DECLARE x int[] := '{1}'; BEGIN x[(SELECT min(id) FROM a)] := (SELECT max(id) FROM b); END $$
DO $$ DECLARE e int; BEGIN FOREACH e IN ARRAY ARRAY(SELECT id FROM orders) LOOP NULL; END LOOP; END $$
DO $$ BEGIN RAISE NOTICE '% %', (SELECT count(*) FROM orders), 1 USING HINT = (SELECT max(name) FROM customers); END $$
DO $$ BEGIN BEGIN TRUNCATE b; RAISE division_by_zero; EXCEPTION WHEN division_by_zero OR no_data_found THEN LOCK TABLE lines; END; END $$
DO $$ BEGIN CREATE TEMP TABLE made AS SELECT * FROM orders; DROP TABLE made; END $$
DO $$ BEGIN DO 'BEGIN DELETE FROM a; END'; END $$
DO $$ BEGIN PERFORM query_to_xml('SELECT * FROM orders', true, true, ''); END $$
DO LANGUAGE plpgsql $x$ BEGIN /* ; */ DELETE FROM a WHERE y = 'END; DELETE FROM b'; /* DELETE FROM b */ END $x$
DO $$ DECLARE a1 text = 'x'; update int; BEGIN update := 1; a1 := (SELECT note FROM orders LIMIT 1); END $$
DO E'BEGIN DELETE FROM s.b WHERE y = $x$a\\b$x$; END'
DO $$ #variable_conflict use_column DECLARE id int; BEGIN UPDATE a SET x = 1 WHERE id = id; END $$
SELECT ts_stat('SELECT words FROM documents')
SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, ''b''::tsquery FROM customers')
SELECT query_to_xml('SELECT query_to_xml(''SELECT * FROM a'', true, true, '''') FROM b', true, true, '')
SELECT query_to_xml_and_xmlschema('SELECT * FROM lines', true, true, ''), count(*) FROM customers
SELECT table_to_xml('orders', true, true, '')
CREATE FUNCTION made() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM a; RETURN 1; END'
CREATE PROCEDURE made() LANGUAGE plpgsql AS 'BEGIN EXECUTE ''x''; COMMIT; END'
