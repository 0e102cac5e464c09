//! Which texts have a shape, and that one shape is one meaning.

use proptest::prelude::*;

use super::super::script::Script;
use super::shape;
use crate::sql::postgres::Session;

fn shown(text: &str) -> Option<String> {
    shape(text.as_bytes()).map(|shape| String::from_utf8(shape).unwrap().replace('\0', "?"))
}

#[test]
fn numbers_go_and_all_else_stays() {
    for (text, expected) in [
        (
            "SELECT a FROM b WHERE c = 12",
            Some("SELECT a FROM b WHERE c = ?"),
        ),
        ("update a1 set b=b+-5;\n", Some("update a1 set b=b+-?;\n")),
        (
            "insert into a values(1,2.5,3000000000)",
            Some("insert into a values(?,2.5,3000000000)"),
        ),
        (
            "SELECT a1, 1a, 1e5, .5, 1. FROM t",
            Some("SELECT a1, 1a, 1e5, .5, 1. FROM t"),
        ),
        ("SELECT x[1:2], f(3)", Some("SELECT x[?:?], f(?)")),
        ("SELECT é1", Some("SELECT é1")),
        (
            "SELECT a LIMIT (7) OFFSET 8",
            Some("SELECT a LIMIT (7) OFFSET ?"),
        ),
        (
            "SELECT 1 FETCH FIRST 7 ROWS ONLY",
            Some("SELECT ? FETCH FIRST 7 ROWS ONLY"),
        ),
        ("SELECT 1; SELECT 2", None),
        ("SELECT '1'", None),
        ("SELECT \"1\"", None),
        ("SELECT $1", None),
        ("SELECT 1 -- 2", None),
        ("SELECT 1 /* 2 */", None),
        ("SELECT 1::FLOAT(25)", None),
        ("SELECT 1 \0", None),
        ("EXPLAIN (ANALYZE 1) SELECT 1", None),
        ("FETCH 1 FROM c", None),
    ] {
        assert_eq!(shown(text).as_deref(), expected, "{text}");
    }
}

const WORDS: &[&str] = &[
    "SELECT",
    "INSERT INTO",
    "UPDATE",
    "DELETE FROM",
    "WITH",
    "a",
    "s.b",
    "AS",
    "(",
    ")",
    ",",
    ";",
    "FROM",
    "WHERE",
    "VALUES",
    "SET",
    "=",
    "<",
    "-",
    "+",
    "*",
    "/",
    ".",
    ":",
    "::",
    "[",
    "]",
    "AND",
    "IN",
    "LIMIT",
    "OFFSET",
    "FETCH FIRST",
    "ROWS ONLY",
    "ORDER BY",
    "GROUP BY",
    "f",
    "count(*)",
    "set_config(",
    "interval",
    "interval(",
    "float(",
    "numeric(",
    "char(",
    "timestamp(",
    "double precision",
    "CASE WHEN",
    "THEN",
    "ELSE",
    "END",
    "JOIN",
    "ON",
    "USING",
    "UNION",
    "RETURNING",
    "OVER (ROWS",
    "PRECEDING",
    "BETWEEN",
    "TABLESAMPLE SYSTEM (",
    "FOR UPDATE",
    "DEFAULT",
    "ON CONFLICT DO NOTHING",
    "EXPLAIN",
    "ANALYZE",
    "NULL",
    "true",
    "e",
    "x",
    "_",
    "\n",
    "'",
    "\"",
    "$",
    "--",
    "/*",
    "é",
    "0x",
    "1e",
];

/// A statement that may well be one, for words at random seldom are.
const LIKELY: &[&str] = &[
    "SELECT a FROM b WHERE c = # AND d IN (#, #) LIMIT #",
    "SELECT #, -#, + #, x[#], f(#, #), #::int, CAST(# AS numeric(#, #)) FROM t, s.u OFFSET # LIMIT #",
    "SELECT a FROM t ORDER BY #, # FETCH FIRST # ROWS ONLY",
    "SELECT a, sum(b) OVER (ROWS BETWEEN # PRECEDING AND # FOLLOWING) FROM t GROUP BY #, ROLLUP (#)",
    "SELECT a::float(#), a::timestamp(#), a::char(#), a::bit(#) FROM t TABLESAMPLE SYSTEM (#)",
    "SELECT CASE # WHEN # THEN # ELSE # END FROM generate_series(#, #) g",
    "WITH d AS (DELETE FROM a WHERE b = # RETURNING #) INSERT INTO c VALUES (#, #), (#, DEFAULT);",
    "INSERT INTO t (a) VALUES (#) ON CONFLICT (a) DO UPDATE SET a = # WHERE t.a > #",
    "UPDATE t SET a = a + #, (b, c) = (#, #) WHERE d BETWEEN # AND #",
    "SELECT set_config(#, #, true), lo_unlink(#), query_to_xml(#)",
    "SELECT # UNION ALL (SELECT # LIMIT #) EXCEPT SELECT #",
    "SELECT a FROM t LIMIT ( # )",
    "SELECT a FROM t FETCH NEXT((#))ROW ONLY",
    "SELECT a FROM t LIMIT -#",
    "SELECT #a, a#, #.#, #_#, # #",
];

fn text() -> impl Strategy<Value = String> {
    let words = proptest::collection::vec(
        prop_oneof![
            3 => proptest::sample::select(WORDS),
            1 => Just("#"),
        ],
        0..16,
    );
    let spaced = (words, any::<bool>())
        .prop_map(|(words, apart)| format!("SELECT {}", words.join(if apart { " " } else { "" })));
    prop_oneof![
        spaced,
        proptest::sample::select(LIKELY).prop_map(str::to_owned)
    ]
}

/// The text with numbers put where it has a `#`.
fn with(text: &str, numbers: &[u32]) -> String {
    let mut numbers = numbers.iter().cycle();
    text.split('#')
        .enumerate()
        .map(|(at, part)| match at {
            0 => part.to_owned(),
            _ => format!("{}{part}", numbers.next().unwrap()),
        })
        .collect()
}

fn numbers() -> impl Strategy<Value = Vec<u32>> {
    let number = prop_oneof![0_u32..70, 0_u32..40_000, 0_u32..1_000_000_000];
    proptest::collection::vec(number, 8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Texts of one shape mean the same.
    #[test]
    fn one_shape_one_meaning(text in text(), some in numbers(), others in numbers()) {
        let (one, other) = (with(&text, &some), with(&text, &others));
        let shapes = (shape(one.as_bytes()), shape(other.as_bytes()));
        if shapes.0.is_some() && shapes.0 == shapes.1 {
            let read = |text: &str| Script::read(text.as_bytes(), &Session::default());
            prop_assert_eq!(read(&one), read(&other), "{} / {}", one, other);
        }
    }
}
