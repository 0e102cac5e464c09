-- What the attempts in `attempts/` are about. The values that must not come back are in `needles.rs`.

CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE DOMAIN address AS text CHECK (VALUE LIKE '%@%');
CREATE TYPE contact AS (id int, address text);
CREATE SEQUENCE counter;

CREATE TABLE customers (
    id int PRIMARY KEY, name text NOT NULL, email text UNIQUE, ssn text, card int8, born date,
    profile jsonb, token uuid, tags text[],
    CONSTRAINT grown_up CHECK (born < '2010-01-01')
);
INSERT INTO customers VALUES
    (1, 'Ann', 'needle-quokka@burrow.example', '987-65-4320', 4929123456789012, '1977-07-07',
     '{"plan": "gold", "contact": {"email": "needle-quokka@burrow.example"}}',
     '7a1f0c3e-5b2d-4c6f-9e8a-d1c2b3a4f5e6', '{needle-vip,needle-debtor}'),
    (2, 'Bob', 'needle-wombat@warren.example', '987-65-9876', 4929987654321098, '1977-11-11',
     '{"plan": "tin", "contact": {"email": "needle-wombat@warren.example"}}',
     '7a1f0c3e-5b2d-4c6f-9e8a-aaaabbbbcccc', '{needle-vip}'),
    (3, 'Cid', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
-- A child has the columns of its parent, values and all.
CREATE TABLE vips (discount int) INHERITS (customers);
INSERT INTO vips VALUES (4, 'Dee', 'needle-numbat@mallee.example', '987-65-5555', 4929555555555555, '1977-05-05',
    NULL, NULL, NULL, 10);

CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, total numeric, note text, mood mood);
INSERT INTO orders SELECT n, 1 + n % 3, n * 1.5, 'order ' || n, 'glad' FROM generate_series(1, 12) n;
CREATE TABLE notes (id serial PRIMARY KEY, body text, data bytea);
INSERT INTO notes (body) VALUES ('first'), ('second');
CREATE TABLE newsletter (email text PRIMARY KEY REFERENCES customers (email));
INSERT INTO newsletter VALUES ('needle-quokka@burrow.example');

CREATE TABLE visits (id int, customer int, email text, day date) PARTITION BY RANGE (day);
CREATE TABLE visits_2024 PARTITION OF visits FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE visits_2025 PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO visits VALUES (1, 1, 'needle-quokka@burrow.example', '2024-02-03'),
    (2, 2, 'needle-wombat@warren.example', '2025-02-03');

CREATE TABLE tenants (tenant int, email text, active bool, UNIQUE (tenant, email));
CREATE UNIQUE INDEX ON tenants (email) WHERE active;
INSERT INTO tenants VALUES (1, 'needle-quokka@burrow.example', true);

CREATE VIEW people AS SELECT id, name, email FROM customers;
CREATE MATERIALIZED VIEW posted AS SELECT email FROM people;
CREATE VIEW renamed AS SELECT id AS number, email AS nothing_special FROM people;
CREATE VIEW made AS SELECT id, upper(email) || '!' AS loud, name FROM customers;
CREATE VIEW per_customer AS
    SELECT c.id, c.name, count(o.id) AS orders, sum(o.total) AS total
    FROM customers c LEFT JOIN orders o ON o.customer = c.id GROUP BY c.id, c.name;
CREATE VIEW by_union AS SELECT email AS a FROM customers UNION ALL SELECT name FROM customers;
CREATE MATERIALIZED VIEW mailing AS SELECT id, email FROM customers WHERE email IS NOT NULL;

-- Functions that the owner of the data has made.
CREATE FUNCTION shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)';
CREATE FUNCTION spelled(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE r text := ''; BEGIN
    FOR i IN 1..coalesce(length(t), 0) LOOP r := r || substr(t, i, 1) || ' '; END LOOP; RETURN r;
END $$;
CREATE FUNCTION same(anynonarray) RETURNS anynonarray LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE FUNCTION email_of(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT email FROM customers WHERE id = $1';
CREATE FUNCTION email_standard(i int) RETURNS text STABLE RETURN (SELECT email FROM customers WHERE id = i);
CREATE FUNCTION email_plpgsql(i int) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN RETURN (SELECT email FROM customers WHERE id = i); END $$;
CREATE FUNCTION whose(t text) RETURNS text LANGUAGE sql STABLE AS 'SELECT name FROM customers WHERE email = t';
CREATE FUNCTION everybody() RETURNS SETOF customers LANGUAGE sql STABLE AS 'SELECT * FROM customers';
CREATE FUNCTION listed() RETURNS TABLE (who text, what text) LANGUAGE sql STABLE AS 'SELECT name, email FROM customers';
CREATE FUNCTION named() RETURNS SETOF record LANGUAGE sql STABLE AS 'SELECT name, email FROM customers';
CREATE FUNCTION dynamic(q text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE q; END $$;
CREATE FUNCTION one_of(i int, OUT who text, OUT what text) LANGUAGE sql STABLE AS
    'SELECT name, email FROM customers WHERE id = i';
CREATE FUNCTION fill(i int) RETURNS contact LANGUAGE sql STABLE AS
    'SELECT id, email FROM customers WHERE id = i';
CREATE FUNCTION opened() RETURNS refcursor LANGUAGE plpgsql AS $$
DECLARE c refcursor := 'opened'; BEGIN OPEN c FOR SELECT id, email FROM customers; RETURN c; END $$;
CREATE FUNCTION opened_lower() RETURNS refcursor LANGUAGE plpgsql AS $$
DECLARE c refcursor := 'opened'; BEGIN OPEN c FOR SELECT id, lower(email) FROM customers; RETURN c; END $$;
CREATE FUNCTION reopened() RETURNS refcursor LANGUAGE plpgsql AS $$
DECLARE c refcursor := 'opened'; BEGIN CLOSE c; OPEN c FOR SELECT id, lower(email) FROM customers; RETURN c; END $$;
CREATE FUNCTION prepares() RETURNS void LANGUAGE plpgsql AS $$
BEGIN DEALLOCATE prepared; PREPARE prepared AS SELECT id, lower(email) FROM customers; END $$;
CREATE FUNCTION tidy(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN trim(t); END $$;
CREATE VIEW tidied AS SELECT tidy(email) AS e FROM customers;
CREATE FUNCTION notice(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'seen %', $1; RETURN 1; END $$;
CREATE FUNCTION fail(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'seen %', $1; END $$;
CREATE FUNCTION keep(t text) RETURNS int LANGUAGE sql AS 'INSERT INTO notes (body) VALUES (t) RETURNING id';
-- A type that keeps what becomes one of its values.
CREATE FUNCTION noted(t text) RETURNS bool LANGUAGE sql AS 'INSERT INTO notes (body) VALUES (t); SELECT true';
CREATE DOMAIN keeper AS text CHECK (noted(VALUE));
CREATE TYPE keepers AS (email keeper);
CREATE PROCEDURE tell(i int, INOUT what text) LANGUAGE plpgsql AS $$
BEGIN SELECT email INTO what FROM customers WHERE id = i; END $$;
CREATE AGGREGATE joined(text) (SFUNC = textcat, STYPE = text, INITCOND = '');
CREATE FUNCTION beside(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT $1 || '|' || $2$$;
CREATE OPERATOR |+| (FUNCTION = beside, LEFTARG = text, RIGHTARG = text);

CREATE FUNCTION changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE NOTICE 'changed %', NEW; RETURN NEW; END $$;
CREATE TRIGGER changed BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION changed();
-- Tables that do something with what is masked, when they change.
CREATE TABLE parcels (id int, customer int, weight int, address text DEFAULT email_of(1));
CREATE FUNCTION sent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE NOTICE 'to %', email_of(NEW.customer); RETURN NEW; END $$;
CREATE TRIGGER sent BEFORE INSERT ON parcels FOR EACH ROW EXECUTE FUNCTION sent();
CREATE VIEW inbox AS SELECT id, body FROM notes;
CREATE RULE told AS ON INSERT TO inbox DO INSTEAD SELECT email FROM customers;
CREATE FUNCTION email_immutable(i int) RETURNS text LANGUAGE sql IMMUTABLE AS
    'SELECT email FROM customers WHERE id = i';
-- Tables whose owner copies what is masked.
CREATE TABLE posters (id int PRIMARY KEY, address text DEFAULT email_of(1));
INSERT INTO posters VALUES (1, 'x');
CREATE TABLE letters (id int, address text DEFAULT email_of(1));
CREATE VIEW letter_ids AS SELECT id FROM letters;
CREATE DOMAIN first_address AS text DEFAULT email_of(1);
CREATE TABLE cards (id int, address first_address);
CREATE FUNCTION write_letter(i int) RETURNS text LANGUAGE sql AS
    'INSERT INTO letters (id) VALUES (i) RETURNING address';
CREATE FUNCTION archive() RETURNS int LANGUAGE sql AS
    'INSERT INTO notes (body) SELECT email FROM customers; SELECT 1';
CREATE FUNCTION archive_dynamic() RETURNS int LANGUAGE plpgsql AS $$
BEGIN EXECUTE 'INSERT INTO notes (body) SELECT em' || 'ail FROM customers'; RETURN 1; END $$;
CREATE TABLE members (
    id int PRIMARY KEY, name text, email text,
    loud text GENERATED ALWAYS AS (upper(email)) STORED,
    of_customer text GENERATED ALWAYS AS (email_immutable(id)) STORED,
    label text GENERATED ALWAYS AS (name || '!') STORED
);
CREATE TABLE trail (id serial, what text);
CREATE FUNCTION trailed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO trail (what) VALUES (coalesce(NEW.email, OLD.email)); RETURN coalesce(NEW, OLD); END $$;
INSERT INTO members VALUES (1, 'Eve', 'needle-quokka@burrow.example');
CREATE TRIGGER trailed BEFORE UPDATE OR DELETE ON members FOR EACH ROW EXECUTE FUNCTION trailed();
CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO trail (what) SELECT email FROM members; RETURN NULL; END $$;
CREATE TRIGGER kept BEFORE TRUNCATE ON members FOR EACH STATEMENT EXECUTE FUNCTION kept();
CREATE FUNCTION clear_members() RETURNS int LANGUAGE sql AS 'TRUNCATE members; SELECT 1';
CREATE TABLE clubs (id int PRIMARY KEY, name text, stamped timestamptz);
INSERT INTO clubs VALUES (1, 'chess');
ALTER TABLE members ADD club int REFERENCES clubs ON DELETE CASCADE;
UPDATE members SET club = 1;
DELETE FROM trail;
CREATE FUNCTION stamped() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.stamped := now(); NEW.name := lower(NEW.name); RETURN NEW; END $$;
CREATE TRIGGER stamped BEFORE INSERT OR UPDATE ON clubs FOR EACH ROW EXECUTE FUNCTION stamped();
CREATE TABLE opt_outs (who text REFERENCES customers (email));
INSERT INTO opt_outs VALUES ('needle-quokka@burrow.example');
-- Columns that not every value fits into.
CREATE TABLE accounts (id int PRIMARY KEY, code varchar(11) UNIQUE CHECK (code <> ''), large int8, small int4);
INSERT INTO accounts VALUES (1, '98765-43-20', 4929123456789012, 1), (2, '98765-98-76', 2, 2);
CREATE VIEW order_mails AS SELECT o.id, o.customer, (SELECT c.email FROM customers c WHERE c.id = o.customer) AS email
    FROM orders o;
CREATE VIEW first_one AS SELECT email_immutable(1) AS e, 1 AS k;
CREATE TABLE tips (id int, customer int, note text, flag bool);
CREATE FUNCTION flagged() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.flag := true; RETURN NEW; END $$;
CREATE TRIGGER vip BEFORE INSERT ON tips FOR EACH ROW WHEN (NEW.note < email_of(NEW.customer)) EXECUTE FUNCTION flagged();
CREATE UNIQUE INDEX visits_2024_mail ON visits_2024 (email);
CREATE TABLE ledger (id int, customer int, code text REFERENCES customers (email));
INSERT INTO ledger VALUES (1, 1, 'needle-quokka@burrow.example');
CREATE TRIGGER same BEFORE UPDATE ON ledger FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE FUNCTION greet(i int, who text DEFAULT email_of(1)) RETURNS text LANGUAGE sql AS 'SELECT who || i';
CREATE PROCEDURE greets(i int, who text DEFAULT email_of(1), INOUT o text DEFAULT 'z') LANGUAGE plpgsql AS $$
BEGIN o := who; END $$;
ANALYZE;
