//! What is asked of a PostgreSQL server, 13 or newer, about one of its databases.
//!
//! All of it in one transaction that can write nothing, and with everything outside `pg_catalog` out of
//! sight: then the server writes all names in definitions with their schemas.

/// Opens the transaction. Nothing in it runs or waits for long.
pub(super) const BEGIN: &str = "\
    BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; \
    SET LOCAL search_path = pg_catalog; \
    SET LOCAL statement_timeout = '30s'; \
    SET LOCAL lock_timeout = '1s'; \
    SET LOCAL row_security = off; \
    SET LOCAL standard_conforming_strings = on; \
    SET LOCAL jit = off";

/// The server's version as a number.
pub(super) const VERSION: &str = "SELECT pg_catalog.current_setting('server_version_num')";
/// The first version with functions that have SQL-standard bodies.
pub(super) const BODIES: u32 = 140_000;

/// What waits behind a lock, by the catalog that its definition is in. The session that the catalog is read
/// for may hold that lock itself, and definitions are not written without locks of their own.
macro_rules! locked {
    ($catalog:literal, $oid:literal) => {
        concat!(
            "EXISTS (SELECT FROM pg_catalog.pg_depend AS d \
             WHERE d.classid = '",
            $catalog,
            "'::pg_catalog.regclass AND d.objid = ",
            $oid,
            " AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
             AND d.refobjid IN (SELECT relation FROM held))"
        )
    };
}

macro_rules! held {
    () => {
        "WITH held AS MATERIALIZED (SELECT l.relation FROM pg_catalog.pg_locks AS l \
         WHERE l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL AND l.database = \
         (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())) "
    };
}

/// Relations: number, schema, name, kind, whether there are rules, and the query of a view.
pub(super) const RELATIONS: &str = concat!(
    held!(),
    "SELECT c.oid, n.nspname, c.relname, c.relkind, \
     EXISTS (SELECT FROM pg_catalog.pg_rewrite AS r \
     WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN'), \
     CASE WHEN c.relkind IN ('v', 'm') \
     AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
     AND c.oid NOT IN (SELECT relation FROM held) \
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_rewrite AS w WHERE w.ev_class = c.oid AND ",
    locked!("pg_catalog.pg_rewrite", "w.oid"),
    ") THEN pg_catalog.pg_get_viewdef(c.oid) END \
     FROM pg_catalog.pg_class AS c \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
);

/// Columns: number of the relation, number, name, type, collation, what fills them (`d` a default, `g` an expression over
/// the row), and its text. In order. A default has no columns in it: it is written without a look at the
/// table.
pub(super) const COLUMNS: &str = concat!(
    held!(),
    "SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.attcollation, \
     CASE WHEN a.attgenerated <> '' THEN 'g' \
     WHEN d.oid IS NOT NULL OR t.typdefaultbin IS NOT NULL THEN 'd' ELSE '' END, \
     CASE WHEN a.attgenerated = '' THEN coalesce(pg_catalog.pg_get_expr(d.adbin, 0), \
     pg_catalog.pg_get_expr(t.typdefaultbin, 0)) \
     WHEN a.attrelid NOT IN (SELECT relation FROM held) \
     THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END \
     FROM pg_catalog.pg_attribute AS a \
     JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid \
     LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
     LEFT JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid AND t.typdefaultbin IS NOT NULL \
     WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind NOT IN ('i', 'I') \
     ORDER BY a.attrelid, a.attnum"
);

/// What may not be there twice: number of the relation and of the index, whether it is of one column and no more,
/// and the number of a column that counts, 0 where any may. What its condition and its expressions are of counts too.
pub(super) const UNIQUE: &str = "\
    SELECT i.indrelid, i.indexrelid, i.indisunique AND i.indisvalid AND i.indnatts = 1 \
    AND i.indexprs IS NULL AND i.indpred IS NULL, k.number \
    FROM pg_catalog.pg_index AS i, LATERAL (SELECT pg_catalog.unnest(i.indkey) UNION \
    SELECT d.refobjsubid::int2 FROM pg_catalog.pg_depend AS d \
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid \
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = i.indrelid) AS k(number) \
    WHERE i.indisunique OR i.indisexclusion ORDER BY 1, 2, 4";

/// What decides in which partition a row is: number of the relation, and of the column, 0 for an expression.
pub(super) const PARTED: &str = "\
    SELECT DISTINCT p.partrelid, k.number FROM pg_catalog.pg_partitioned_table AS p, \
    LATERAL pg_catalog.unnest(p.partattrs) AS k(number) ORDER BY 1, 2";

/// Triggers: number of the relation, number of the function, whether it is called when rows are written, and
/// when all go at once. Those of foreign keys have none of anybody's.
///
/// `tgtype` has a bit for each: 4, 8 and 16 are `INSERT`, `DELETE` and `UPDATE`, 32 is `TRUNCATE`.
pub(super) const TRIGGERS: &str = "\
    SELECT t.tgrelid, f.oid, pg_catalog.bool_or(t.tgtype & 28 <> 0), \
    pg_catalog.bool_or(t.tgtype & 32 <> 0) \
    FROM pg_catalog.pg_trigger AS t, LATERAL (SELECT t.tgfoid AS oid UNION SELECT d.refobjid \
    FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass \
    AND d.objid = t.oid AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass) AS f \
    WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' GROUP BY 1, 2 ORDER BY 1, 2";

/// Foreign keys: number of the relation and of the column, those that are referred to, and whether rows follow
/// those that change, and those that go.
pub(super) const REFERENCES: &str = "\
    SELECT DISTINCT c.conrelid, k.number, c.confrelid, k.referred, \
    c.confupdtype IN ('c', 'n', 'd'), c.confdeltype IN ('c', 'n', 'd') \
    FROM pg_catalog.pg_constraint AS c, \
    LATERAL ROWS FROM (pg_catalog.unnest(c.conkey), pg_catalog.unnest(c.confkey)) \
    AS k(number, referred) WHERE c.contype = 'f' ORDER BY 1, 2, 3, 4";

/// Who inherits from whom: child, parent.
pub(super) const PARENTS: &str = "\
    SELECT i.inhrelid, i.inhparent FROM pg_catalog.pg_inherits AS i \
    ORDER BY i.inhrelid, i.inhseqno";

/// Types: number, schema, name, kind, whether they are arrays, the type of the elements, the relation, the
/// type below a domain, whether a domain has constraints.
///
/// `int2vector` and `oidvector` look like arrays and are not written like them.
pub(super) const TYPES: &str = "\
    SELECT t.oid, n.nspname, t.typname, t.typtype, e.oid IS NOT NULL, t.typelem, t.typrelid, \
    t.typbasetype, t.typnotnull OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS c \
    WHERE c.contypid = t.oid), pg_catalog.pg_get_expr(t.typdefaultbin, 0) \
    FROM pg_catalog.pg_type AS t \
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace \
    LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem AND e.typarray = t.oid";

macro_rules! functions {
    ($body:expr) => {
        concat!(
            held!(),
            "SELECT p.oid, n.nspname, p.proname, l.lanname, p.provolatile, p.prokind, p.proretset, \
             p.prorettype, \
             (SELECT pg_catalog.array_to_json(pg_catalog.array_agg(u.name ORDER BY u.place)) \
             FROM ROWS FROM (pg_catalog.unnest(p.proargmodes), pg_catalog.unnest(p.proargnames)) \
             WITH ORDINALITY AS u(mode, name, place) WHERE u.mode IN ('t', 'o', 'b')), \
             (SELECT pg_catalog.json_build_array(g.aggtransfn::oid, g.aggfinalfn::oid, \
             g.aggcombinefn::oid, g.aggserialfn::oid, g.aggdeserialfn::oid, g.aggmtransfn::oid, \
             g.aggminvtransfn::oid, g.aggmfinalfn::oid) \
             FROM pg_catalog.pg_aggregate AS g WHERE g.aggfnoid = p.oid AND p.prokind = 'a' \
             AND p.oid >= 16384), \
             CASE WHEN l.lanname IN ('sql', 'plpgsql') AND (n.nspname <> 'pg_catalog' OR p.oid >= 16384) THEN ",
            $body,
            " || COALESCE(pg_catalog.chr(10) || ';SELECT ' \
             || pg_catalog.pg_get_expr(p.proargdefaults, 0), '') END FROM pg_catalog.pg_proc AS p \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace \
             JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang"
        )
    };
}

/// Functions: number, schema, name, language, volatility, kind, whether they return rows, what, the names
/// of their output columns and, of aggregates that are not built in, the functions that they are made of as
/// JSON, and the text, with the defaults of arguments as a query behind it. Before [`BODIES`].
pub(super) const FUNCTIONS_WITHOUT_BODIES: &str = functions!("p.prosrc");

/// The same from [`BODIES`] on.
pub(super) const FUNCTIONS: &str = functions!(concat!(
    "CASE WHEN p.prosqlbody IS NULL THEN p.prosrc WHEN NOT ",
    locked!("pg_catalog.pg_proc", "p.oid"),
    " THEN pg_catalog.pg_get_function_sqlbody(p.oid) END"
));

/// Operators that are not built in: name, function.
pub(super) const OPERATORS: &str = "\
    SELECT o.oprname, o.oprcode::pg_catalog.oid \
    FROM pg_catalog.pg_operator AS o \
    WHERE o.oid >= 16384 AND o.oprcode <> 0 ORDER BY o.oid";
