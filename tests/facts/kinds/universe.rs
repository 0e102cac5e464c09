//! A table with columns of many types, and in them what things fail for.

/// Rows; in the first half are no dates and times that are infinite or far away.
const ROWS: usize = 64;

/// A column: its name, its type, what is in it, and what of that is only in the second half of the rows.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) ty: &'static str,
    values: &'static [&'static str],
    far: &'static [&'static str],
}

const fn column(
    name: &'static str,
    ty: &'static str,
    values: &'static [&'static str],
    far: &'static [&'static str],
) -> Column {
    Column {
        name,
        ty,
        values,
        far,
    }
}

const TEXTS: &[&str] = &[
    "''",
    "' '",
    "'a'",
    "'abcdefgh'",
    "'needle-quokka@burrow.example'",
    "'A  é ß İ'",
    "'{a,b}'",
    "'\\u0000'",
    "'{\"a\": 1}'",
    "'<a>&'",
    "E'\\x01\\n'",
    "'2147483648'",
    "'infinity'",
    "repeat('x@', 2000)",
    "'%_\\'",
];

const NAMES: &[&str] = &[
    "''",
    "' '",
    "'a'",
    "'abcdefgh'",
    "'é'",
    "'1'",
    "repeat('x', 63)",
];

const DOCUMENTS: &[&str] = &[
    "'{}'",
    "'[]'",
    "'null'",
    "'\"x\"'",
    "'1'",
    "'{\"a\": null, \"b\": [1, 2, {\"c\": \"d\"}]}'",
    "'[\"a\", null]'",
    "'{\"a\": {\"b\": \"c\"}}'",
    "'true'",
];

const JSON: &[&str] = &[
    "'{}'",
    "'null'",
    "'\"x\"'",
    "'{\"a\": \"\\u0000\"}'",
    "'\"\\u0000\"'",
    "'1e400'",
    "'1e999999999'",
    "'[1e200000]'",
    "'{\"a\": 1, \"a\": 2}'",
    "'[\"\\ud800\"]'",
    "'{\"a\": null}'",
];

pub(super) const COLUMNS: &[Column] = &[
    column("c_text", "text", TEXTS, &[]),
    column("c_varchar", "varchar", TEXTS, &[]),
    column("c_short", "varchar(70)", NAMES, &[]),
    column("c_bpchar", "char(80)", NAMES, &[]),
    column("c_name", "name", NAMES, &[]),
    column("c_char", "\"char\"", &["''", "'a'", "'\\'", "' '"], &[]),
    column("c_by_c", "text COLLATE \"C\"", TEXTS, &[]),
    column("c_by_posix", "text COLLATE \"POSIX\"", TEXTS, &[]),
    column("c_by_own", "text COLLATE loose", TEXTS, &[]),
    column("c_line", "line_of_text", TEXTS, &[]),
    column("c_loose", "loose_text", TEXTS, &[]),
    column("c_int2", "int2", &["0", "1", "-1", "32767", "-32768"], &[]),
    column(
        "c_int4",
        "int4",
        &["0", "1", "-1", "2147483647", "-2147483648", "3"],
        &[],
    ),
    column(
        "c_int8",
        "int8",
        &[
            "0",
            "1",
            "-1",
            "9223372036854775807",
            "-9223372036854775808",
            "4294967296",
        ],
        &[],
    ),
    column(
        "c_small",
        "small_number",
        &["0", "7", "-1", "2147483647"],
        &[],
    ),
    column(
        "c_numeric",
        "numeric",
        &[
            "0",
            "'NaN'",
            "1e300",
            "-1.5",
            "1e-300",
            "1e20000",
            "99999999999999999999",
        ],
        &[],
    ),
    column(
        "c_float4",
        "float4",
        &["0", "'NaN'", "'Infinity'", "3e38", "-1.5"],
        &[],
    ),
    column(
        "c_float8",
        "float8",
        &["0", "'NaN'", "'-Infinity'", "1e308", "-0.0", "1e-300"],
        &[],
    ),
    column("c_oid", "oid", &["0", "4294967295", "25"], &[]),
    column(
        "c_money",
        "money",
        &["'0'", "'92233720368547758.07'", "'-1.5'"],
        &[],
    ),
    column("c_bool", "bool", &["true", "false"], &[]),
    column(
        "c_bytea",
        "bytea",
        &["''", "'\\x00'", "'\\xff00fe'", "'a'"],
        &[],
    ),
    column(
        "c_date",
        "date",
        &[
            "'2020-02-29'",
            "'0001-01-01 BC'",
            "'1970-01-01'",
            "'9999-12-31'",
        ],
        &[
            "'infinity'",
            "'-infinity'",
            "'4714-11-24 BC'",
            "'5874897-12-31'",
        ],
    ),
    column(
        "c_time",
        "time",
        &["'00:00'", "'24:00'", "'12:34:56.789'"],
        &[],
    ),
    column(
        "c_timetz",
        "timetz",
        &["'00:00+15:59'", "'24:00-15:59'", "'12:34Z'"],
        &[],
    ),
    column(
        "c_timestamp",
        "timestamp",
        &[
            "'2020-02-29 12:00'",
            "'0001-01-01 BC'",
            "'9999-12-31 23:59:59.999999'",
        ],
        &[
            "'infinity'",
            "'-infinity'",
            "'4714-11-24 BC'",
            "'294276-12-31 23:59:59.999999'",
        ],
    ),
    column(
        "c_timestamptz",
        "timestamptz",
        &[
            "'2020-02-29 12:00Z'",
            "'0001-01-01 BC'",
            "'1900-01-01 00:00:00+12:34'",
        ],
        &[
            "'infinity'",
            "'-infinity'",
            "'4714-11-25 BC'",
            "'294276-12-30'",
        ],
    ),
    column(
        "c_interval",
        "interval",
        &[
            "'0'",
            "'1 mon -1 day 01:00'",
            "'178000000 years'",
            "'-178000000 years'",
            "'2000000000 hours'",
        ],
        &["INFINITE", "'1 day'"],
    ),
    column(
        "c_uuid",
        "uuid",
        &[
            "'00000000-0000-0000-0000-000000000000'",
            "gen_random_uuid()",
        ],
        &[],
    ),
    column(
        "c_inet",
        "inet",
        &["'127.0.0.1'", "'::1/64'", "'10.0.0.0/8'"],
        &[],
    ),
    column(
        "c_cidr",
        "cidr",
        &["'127.0.0.1'", "'::/0'", "'10.0.0.0/8'"],
        &[],
    ),
    column("c_macaddr", "macaddr", &["'08:00:2b:01:02:03'"], &[]),
    column("c_json", "json", JSON, &[]),
    column("c_jsonb", "jsonb", DOCUMENTS, &[]),
    column(
        "c_xml",
        "xml",
        &[
            "'<a/>'",
            "''",
            "'a<b/>c'",
            "'<?xml version=\"1.0\" standalone=\"no\"?><a/>'",
        ],
        &[],
    ),
    column("c_bit", "bit(3)", &["B'000'", "B'101'"], &[]),
    column(
        "c_varbit",
        "varbit",
        &["B''", "B'1'", "B'10101010101'"],
        &[],
    ),
    column(
        "c_texts",
        "text[]",
        &[
            "'{}'",
            "'{NULL}'",
            "'{a,b}'",
            "'[5:6]={a,b}'",
            "'{{a,b},{c,NULL}}'",
            "'[-1:-1][0:1]={{a,b}}'",
        ],
        &[],
    ),
    column(
        "c_ints",
        "int4[]",
        &[
            "'{}'",
            "'{NULL}'",
            "'{1,2147483647}'",
            "'[0:0]={3}'",
            "'{{1},{2}}'",
        ],
        &[],
    ),
    column(
        "c_jsons",
        "json[]",
        &["'{}'", "ARRAY['{\"a\": \"\\u0000\"}'::json]", "'{1,NULL}'"],
        &[],
    ),
    column("c_moods", "mood[]", &["'{}'", "'{glad}'"], &[]),
    column(
        "c_range",
        "int4range",
        &["'empty'", "'(,)'", "'[1,2)'", "'[1,)'"],
        &[],
    ),
    column(
        "c_days",
        "daterange",
        &["'empty'", "'(,)'", "'[2020-01-01,infinity]'"],
        &[],
    ),
    column(
        "c_ranges",
        "int4multirange",
        &["'{}'", "'{(,)}'", "'{[1,2),[5,)}'"],
        &[],
    ),
    column("c_mood", "mood", &["'glad'", "'sad'"], &[]),
    column(
        "c_pair",
        "pair",
        &["'(1,a)'", "'(,)'", "ROW(2, '')::pair"],
        &[],
    ),
    column(
        "c_holder",
        "holder",
        &[
            "ROW('1e400')::holder",
            "ROW('\"\\u0000\"')::holder",
            "ROW('1')::holder",
        ],
        &[],
    ),
    column("c_words", "tsvector", &["''", "'a:1 b:2'"], &[]),
    column("c_query", "tsquery", &["''", "'a & b'"], &[]),
    column("c_path", "path", &["'[(0,0),(1e10,0)]'", "'((0,0))'"], &[]),
    column(
        "c_segment",
        "lseg",
        &["'[(0,0),(0,0)]'", "'[(0,0),(1e300,0)]'"],
        &[],
    ),
    column("c_point", "point", &["'(0,0)'", "'(Infinity,NaN)'"], &[]),
    column("c_snapshot", "pg_snapshot", &["'1:2:'"], &[]),
];

const MORE: &str = "
CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE DOMAIN line_of_text AS text;
CREATE DOMAIN loose_text AS text COLLATE loose;
CREATE DOMAIN small_number AS int4;
CREATE TYPE pair AS (a int4, b text);
CREATE TYPE holder AS (j json);
";

/// Runs expressions: what does not run even without rows says nothing, and what fails in all rows, or depends on
/// NULL in the columns that it is made of alone, tells nothing. Aggregates are run over all rows as well as over
/// each; of a row before or after there is none then.
const TRIED: &str = r"
CREATE FUNCTION tried(texts text[], columns text[], near bool[])
RETURNS TABLE (what text, described text, tells bool) LANGUAGE plpgsql AS $$
DECLARE here text; pattern text; nulls text; failing text[]; passing text[];
BEGIN
    FOR i IN 1 .. cardinality(texts) LOOP
        here := CASE WHEN near[i] THEN ' WHERE n < 32' ELSE '' END;
        SELECT string_agg('num_nulls(o.' || c || ')', ', ') INTO pattern FROM unnest(string_to_array(columns[i], ', ')) c;
        what := 'static'; tells := false; described := '';
        BEGIN
            EXECUTE format('SELECT count(v) FROM (SELECT %s AS v FROM kinds WHERE n < 0) s', texts[i]);
            what := 'failed';
            EXECUTE format('SELECT count(v) FROM (SELECT %s AS v FROM kinds%s) s', texts[i], here);
            EXECUTE format('SELECT min(ty::oid)::text, bool_or(different) FROM (
                SELECT min(ty::oid) AS ty, count(DISTINCT nothing) > 1 AS different FROM (
                    SELECT ROW(%s)::text AS pattern, s.nothing, s.ty FROM kinds o, LATERAL (
                        SELECT num_nulls(v) AS nothing, pg_typeof(v) AS ty FROM (
                            SELECT %s AS v FROM (SELECT o.*) k) s) s%s) s GROUP BY pattern) s',
                pattern, texts[i], here)
                INTO described, tells;
            what := 'ran';
        EXCEPTION WHEN OTHERS THEN described := SQLSTATE || ' ' || SQLERRM;
        END;
        IF what = 'failed' THEN
            failing := '{}'; passing := '{}';
            FOR row IN 0 .. CASE WHEN near[i] THEN 31 ELSE 63 END LOOP
                EXECUTE format('SELECT ROW(%s)::text FROM kinds o WHERE n = %s', pattern, row) INTO nulls;
                BEGIN
                    EXECUTE format('SELECT count(v) FROM (SELECT %s AS v FROM kinds WHERE n = %s) s', texts[i], row);
                    passing := passing || nulls;
                EXCEPTION WHEN OTHERS THEN failing := failing || nulls;
                END;
            END LOOP;
            IF NOT failing && passing AND (failing <> '{}' OR texts[i] LIKE '%OVER (%') THEN what := 'static'; END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
";

/// Statements that make the universe.
pub(super) fn schema(is_newer: bool) -> String {
    let mut sql = MORE.to_owned();
    sql.push_str("CREATE TABLE kinds (n int4 PRIMARY KEY");
    for column in COLUMNS {
        sql.push_str(&format!(", {} {}", column.name, column.ty));
    }
    sql.push_str(");\n");
    for row in 0..ROWS {
        sql.push_str(&format!("INSERT INTO kinds VALUES ({row}"));
        for (place, column) in COLUMNS.iter().enumerate() {
            let far = match row < ROWS / 2 {
                true => &[],
                false => column.far,
            };
            let all: Vec<&str> = column.values.iter().chain(far).copied().collect();
            // All of them come, and beside others in each row; now and then there is nothing.
            let at = (row * (place % 5 + 1) + row / 7 + place) % (all.len() + 1);
            let value = match all.get(at) {
                Some(&"INFINITE") if is_newer => "'infinity'",
                Some(&"INFINITE") | None => "NULL",
                Some(value) => value,
            };
            sql.push_str(", ");
            sql.push_str(value);
        }
        sql.push_str(");\n");
    }
    sql.push_str(TRIED);
    sql
}
