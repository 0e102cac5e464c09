SET ROLE app;
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL);
INSERT INTO customers VALUES
    (1, 'Ada', 'ada@engine.example'), (2, 'Grace', 'grace@cobol.example'), (3, 'Jean', 'jean@fortran.example');
CREATE VIEW contacts AS SELECT name, 'mailto:' || email AS link FROM customers;
CREATE TABLE orders (
    id int PRIMARY KEY,
    customer int NOT NULL REFERENCES customers,
    article text NOT NULL,
    total numeric(10, 2) NOT NULL,
    state text NOT NULL DEFAULT 'open'
);
INSERT INTO orders VALUES
    (1, 1, 'notebook', 12.50), (2, 1, 'ink', 4.20), (3, 2, 'compiler', 980.00), (4, 3, 'lamp', 45.90);
CREATE TABLE salaries (employee text, amount numeric);
INSERT INTO salaries VALUES ('Mary', 5200), ('Dennis', 5100);
CREATE TABLE tickets (id int PRIMARY KEY, note text NOT NULL);
INSERT INTO tickets VALUES
    (1, 'paid with 4111 1111 1111 1111, please refund'), (2, 'the key is AKIAIOSFODNN7EXAMPLE, it works');
CREATE TABLE events AS SELECT i AS id, 'something happened' AS what FROM generate_series(1, 5000) AS i;
