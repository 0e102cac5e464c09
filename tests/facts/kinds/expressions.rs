//! Expressions over the columns of the universe.

use gateway_core::sql::postgres::lineage::functions_that_tell_nothing;

use super::universe::COLUMNS;

/// An expression, and the columns that it is made of.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    pub(super) text: String,
    pub(super) columns: Vec<&'static str>,
}

/// What is no column. Of `nullif` the gateway does not know the type.
const OTHERS: &[&str] = &[
    "'a'",
    "'1'",
    "NULL",
    "1",
    "2",
    "-2147483648",
    "2.5",
    "n + 1",
    "n * 2::int8",
    "1::int2 - n::int2",
    "'{\"a\": 1}'::jsonb",
    "true",
    "nullif('x'::text, 'y')",
    "nullif('x'::varchar, 'y')",
    "nullif(ARRAY['a'], ARRAY['b'])",
    "nullif(1::oid, 2::oid)",
    "nullif(1.5, 2)",
    "nullif('{}'::jsonb, '[]')",
    "nullif('2020-01-01'::date, '2020-01-02')",
    "'a'::line_of_text",
    "'a'::name",
    "current_user",
    "current_schema()",
    "('' COLLATE \"C\")",
    "(SELECT x FROM unnest(ARRAY['a' COLLATE \"C\"]) x)",
    "(SELECT x FROM current_database() x)",
    "(VALUES ('a'))",
    "'{a}'::text[]",
];

/// Ways to put one, two or three expressions together, beside calls of functions.
const ONE: &[&str] = &[
    "extract(year FROM {})",
    "extract(epoch FROM {})",
    "extract(day FROM {})",
    "extract(week FROM {})",
    "extract(timezone FROM {})",
    "extract(julian FROM {})",
    "date_part('year', {})",
    "date_part('epoch', {})",
    "date_part('dow', {})",
    "date_trunc('month', {})",
    "date_trunc('week', {})",
    "date_trunc('millennium', {})",
    "to_char({}, 'YYYY-MM-DD HH24:MI:SS.US')",
    "to_char({}, 'HH24 MS')",
    "to_char({}, '')",
    "trim({})",
    "trim(both 'a' from {})",
    "{}::text",
    "{}::varchar",
    "{}::varchar(3)",
    "{}::char(2)",
    "{}::name",
    "{} || ''",
    "'x' || {}",
    "{} || NULL",
    "{}::text || 'x'",
    "{} COLLATE \"C\"",
    "ARRAY[{}]",
    "ARRAY[{}, NULL]",
    "ARRAY(SELECT {})",
    "(ARRAY[{}])[1]",
    "({})[1]",
    "({})[1:2]",
    "({})[1:2][1]",
    "({})[1][1]",
    "ROW({}, 1)",
    "ROW({}, 1)::text",
    "to_jsonb(ROW({}, 1))",
    "(SELECT {})",
    "(SELECT x FROM (SELECT {} AS x) s)",
    "(SELECT x FROM (VALUES ({}), (NULL)) s (x) LIMIT 1)",
    "coalesce({}, NULL)",
    "coalesce(NULL, {})",
    "NOT ({})",
    "({}) IS TRUE",
    "CASE WHEN n >= 0 THEN {} END",
    "xmlelement(name x, {})",
    "xmlelement(name x, xmlattributes({} AS a))",
    "xmlforest({} AS x)",
    "xmlagg(xmlelement(name x, {}))",
    "JSON_OBJECT('a': {})",
    "JSON_ARRAY({})",
    "JSON_ARRAY(SELECT {})",
    "JSON_SCALAR({})",
    "JSON_SERIALIZE({})",
    "JSON_ARRAYAGG({})",
    "JSON_OBJECTAGG('a': {})",
    "{} IS JSON",
    "({}).b",
    "(ROW({}, 1)).f1",
    "(SELECT (s.r).f1 FROM (SELECT ROW({}, 1) AS r) s)",
    "({})['a']",
    "substr({}, 2)",
    "substr({}, -1, 3)",
    "substring({} from 2 for 3)",
    "left({}, 2)",
    "left({}, -2)",
    "right({}, -2147483648)",
    "split_part({}, '@', 2)",
    "split_part({}, '@', -1)",
    "position('a' in {})",
    "position({} in 'a')",
    "strpos({}, 'zzzzzzzzzz')",
    "encode({}, 'base64')",
    "encode({}, 'escape')",
    "{} -> 'a'",
    "{} ->> 'a'",
    "{} -> 0",
    "{} #> '{a,b}'",
    "{} #>> '{a,b}'",
    "json_build_object('a', {})",
    "jsonb_build_object('a', {})",
    "json_object_agg(n, {})",
    "jsonb_object_agg(n, {})",
    "string_agg({}, ',')",
    "string_agg({}, NULL)",
    "lag({}) OVER ()",
    "lead({}, 1) OVER ()",
    "lag({}, 0, NULL) OVER ()",
    "lag({}, 1, 'a') OVER ()",
    "lag({}, 1, 1) OVER ()",
    "lag(1, 1, {}) OVER ()",
    "lag(1.5, 1, {}) OVER ()",
    "lag('a'::text, 1, {}) OVER ()",
    "first_value({}) OVER ()",
    "last_value({}) OVER (ORDER BY n)",
    "nth_value({}, 1) OVER ()",
    "count({}) OVER ()",
    "max({}) OVER ()",
    "sum({}) OVER ()",
    "avg({}) OVER ()",
    "array_agg({}) OVER ()",
    "max({}) FILTER (WHERE n >= 0)",
    "array_to_string({}, ',')",
    "array_to_string(array_agg({}), ',', 'x')",
    "array_length({}, 1)",
    "array_lower({}, 2)",
];

const TWO: &[&str] = &[
    "{} || {}",
    "coalesce({}, {})",
    "greatest({}, {})",
    "least({}, {})",
    "CASE WHEN n >= 0 THEN {} ELSE {} END",
    "ARRAY[{}, {}]",
    "ARRAY(SELECT {} UNION ALL SELECT {})",
    "(SELECT {} UNION ALL (SELECT {} LIMIT 0))",
    "(SELECT x FROM (VALUES ({}), ({})) s (x) LIMIT 1)",
    "(SELECT x FROM (SELECT {} AS x) s FULL JOIN (SELECT {} AS x) r USING (x) LIMIT 1)",
    "(WITH RECURSIVE r (x, i) AS (SELECT {}, 1 UNION ALL SELECT {}, 2 FROM r WHERE i < 1) SELECT x FROM r)",
    "lag({}, 1, {}) OVER ()",
    "lead({}, 0, {}) OVER ()",
    "split_part({}, {}, 1)",
    "split_part({} || {}, '@', 1)",
    "strpos({}, {})",
    "position('zzz' in {} || {})",
    "starts_with({}, {})",
    "starts_with({} || {}, 'a')",
    "lower({} || {})",
    "concat_ws({}, {})",
    "array_to_string({}, {})",
    "string_agg({}, {})",
    "btrim({}, {})",
    "left({}, {})",
    "json_build_object('a', {}, 'b', {})",
    "jsonb_build_array({}, {})",
    "to_jsonb(ROW({}, {}))",
    "xmlelement(name x, {}, {})",
];

/// Functions that are tried in other ways than with arguments of any kind.
const WINDOWS: [&str; 5] = ["first_value", "lag", "last_value", "lead", "nth_value"];

/// Numbers that look as if they were drawn, the same in each run.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("it has 31 bits") % bound
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        all.get(self.below(all.len())).expect("it is below")
    }
}

/// Columns, and others.
fn arguments() -> Vec<Expression> {
    let columns = COLUMNS.iter().map(|column| Expression {
        text: column.name.to_owned(),
        columns: vec![column.name],
    });
    let others = OTHERS.iter().map(|text| Expression {
        text: (*text).to_owned(),
        columns: Vec::new(),
    });
    columns.chain(others).collect()
}

fn filled(pattern: &str, arguments: &[&Expression]) -> Expression {
    let mut text = String::new();
    let mut rest = pattern;
    for argument in arguments {
        let (before, after) = rest.split_once("{}").expect("a place for each");
        text.push_str(before);
        text.push_str(&argument.text);
        rest = after;
    }
    text.push_str(rest);
    let columns = arguments
        .iter()
        .flat_map(|argument| argument.columns.clone());
    let mut columns: Vec<&str> = columns.collect();
    columns.sort_unstable();
    columns.dedup();
    Expression { text, columns }
}

/// Every way with each of the columns, or two of them.
pub(super) fn plain(chance: &mut Chance) -> Vec<Expression> {
    let arguments = arguments();
    let is_column = |expression: &Expression| !expression.columns.is_empty();
    let mut all = Vec::new();
    for one in &arguments {
        all.extend(ONE.iter().map(|pattern| filled(pattern, &[one])));
        for column in COLUMNS {
            let ty = column.ty.split(" COLLATE").next().unwrap_or_default();
            all.push(filled(&format!("{{}}::{ty}"), &[one]));
        }
        for name in functions_that_tell_nothing() {
            if !WINDOWS.contains(&name) {
                all.push(filled(&format!("{name}({{}})"), &[one]));
            }
        }
    }
    for one in &arguments {
        for other in &arguments {
            let patterns = TWO.iter().take(3);
            all.extend(patterns.map(|pattern| filled(pattern, &[one, other])));
        }
    }
    for pattern in TWO {
        for _ in 0..150 {
            let two = [chance.one_of(&arguments), chance.one_of(&arguments)];
            all.push(filled(pattern, &two));
        }
    }
    for name in functions_that_tell_nothing() {
        for (count, times) in [(2, 60), (3, 40)] {
            let pattern = format!("{name}({})", vec!["{}"; count].join(", "));
            for _ in 0..times {
                let mut given = Vec::new();
                given.resize_with(count, || chance.one_of(&arguments));
                all.push(filled(&pattern, &given));
            }
        }
    }
    all.retain(is_column);
    all
}

/// The same with expressions in each other.
pub(super) fn nested(of: &[Expression], count: usize, chance: &mut Chance) -> Vec<Expression> {
    let arguments = arguments();
    let names: Vec<&str> = functions_that_tell_nothing()
        .filter(|name| !WINDOWS.contains(name))
        .collect();
    let calls = names.iter().map(|name| format!("{name}({{}})"));
    let casts = [
        "int4",
        "int8",
        "numeric",
        "float8",
        "text",
        "text[]",
        "line_of_text",
    ];
    let casts = casts.iter().map(|ty| format!("({{}})::{ty}"));
    let one: Vec<String> = ONE
        .iter()
        .map(|it| (*it).to_owned())
        .chain(calls)
        .chain(casts)
        .collect();
    let mut all = Vec::new();
    while all.len() < count {
        let inner = chance.one_of(of);
        let other = match chance.below(3) {
            0 => chance.one_of(of),
            _ => chance.one_of(&arguments),
        };
        let inner = filled("({})", &[inner]);
        all.push(match chance.below(5) {
            0 | 1 => filled(chance.one_of::<String>(&one), &[&inner]),
            2 | 3 => filled(chance.one_of::<&str>(TWO), &[&inner, other]),
            _ => filled(chance.one_of::<&str>(TWO), &[other, &inner]),
        });
    }
    all
}
