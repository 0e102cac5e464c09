//! What holds for all statements: what is told of them gets no less where more is masked, or where a query
//! stands in another. A fuzzer tries the same with more words (`tests/fuzz/targets/lineage.rs`).

use proptest::prelude::*;

use super::*;
use crate::sql::postgres::analyse;

const WORDS: &[&str] = &[
    "SELECT",
    "SELECT",
    "FROM",
    "FROM",
    "WHERE",
    "customers",
    "customers c",
    "orders",
    "v_contacts",
    "(SELECT * FROM customers) x",
    "email",
    "id",
    "note",
    "*",
    "c.email",
    ",",
    ",",
    "(",
    ")",
    "AS a",
    "WITH w AS (SELECT email FROM customers)",
    "w",
    "UNION ALL",
    "JOIN",
    "LEFT JOIN",
    "ON true",
    "USING (id)",
    "1",
    "'x'",
    "||",
    "IS NULL",
    "CASE WHEN",
    "THEN",
    "ELSE",
    "END",
    "lower(email)",
    "count(*)",
    "row_to_json(c)",
    "ROW(email)",
    "GROUP BY",
    "ORDER BY",
    "LIMIT 1",
    "DISTINCT",
    "(SELECT max(email) FROM customers)",
    "INSERT INTO orders",
    "UPDATE orders SET note =",
    "RETURNING",
    "DELETE FROM orders",
];

fn statements() -> impl Strategy<Value = String> {
    let words = proptest::collection::vec(proptest::sample::select(WORDS), 1..12);
    words.prop_map(|words| words.join(" "))
}

/// Statements that are read, more often than words that are put together are.
fn queries() -> impl Strategy<Value = String> {
    let values = proptest::collection::vec(
        proptest::sample::select(vec![
            "id",
            "email",
            "lower(email)",
            "1",
            "note",
            "*",
            "email || note",
            "count(*)",
            "CASE WHEN email IS NULL THEN id END",
            "(SELECT max(ssn) FROM customers)",
            "ROW(ssn, 1)",
        ]),
        1..4,
    );
    let from = proptest::sample::select(vec![
        "customers",
        "orders",
        "v_contacts",
        "customers c JOIN orders o USING (id)",
        "(SELECT id, name AS email, ssn AS note FROM customers) x",
        "parts NATURAL JOIN orders",
        "orders, LATERAL (SELECT email FROM customers) y",
    ]);
    let end = proptest::sample::select(vec![
        "",
        "WHERE email = 'x'",
        "ORDER BY email",
        "UNION ALL SELECT ssn FROM customers",
        "LIMIT 1",
    ]);
    (values, from, end)
        .prop_map(|(values, from, end)| format!("SELECT {} FROM {from} {end}", values.join(", ")))
}

/// The same masks, and those of other columns.
fn more() -> Arc<Masked> {
    let masks = vec![
        mask("emails", &["public.customers.email"]),
        mask("ssns", &["public.customers.ssn", "public.parts_1.secret"]),
        mask("notes", &["public.orders.*", "public.customers.name"]),
    ];
    Arc::new(Masked::new(
        Arc::new(catalog()),
        Arc::new(MaskSet::new(masks)),
        MaskKey::new([7; 32].to_vec()),
        Edition::default(),
    ))
}

/// Whether each column of a result is masked; none where that cannot be told.
fn hidden(outputs: &Outputs) -> Option<Vec<bool>> {
    match outputs {
        Outputs::Clean => Some(Vec::new()),
        Outputs::Columns(columns) => {
            let hidden = |output: &Output| !matches!(output, Output::Clean);
            Some(columns.iter().map(hidden).collect())
        }
        Outputs::Unknown => None,
    }
}

/// Whether `more` says at least what `less` does. Nothing known is the most.
fn says(less: &Statement, more: &Statement) -> bool {
    let hides = match (hidden(&less.outputs), hidden(&more.outputs)) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(less), Some(more)) => {
            let mut all = less.iter().enumerate();
            all.all(|(at, hidden)| !hidden || more.get(at) == Some(&true))
        }
    };
    hides
        && (more.touches || !less.touches)
        && (!more.probed.is_empty() || less.probed.is_empty())
        && (!more.copied.is_empty() || less.copied.is_empty())
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let session = Session::default();
    let (trace, more) = (
        masked().trace(text.as_bytes(), &session),
        more().trace(text.as_bytes(), &session),
    );
    prop_assert_eq!(trace.statements.len(), more.statements.len());
    for (one, more) in trace.statements.iter().zip(&more.statements) {
        prop_assert!(says(one, more), "{text}\n{one:?}\n{more:?}");
    }
    let units = analyse(text.as_bytes(), &session).units;
    let query = units.iter().all(|unit| unit.parsed && unit.kind == "read");
    if query && let [statement] = &*trace.statements {
        let within = format!("SELECT * FROM ({text}) within");
        let within = masked().trace(within.as_bytes(), &session);
        prop_assert!(
            says(statement, &within.statements[0]),
            "{text}\n{statement:?}\n{within:?}"
        );
    }
    Ok(())
}

#[test]
fn what_hides_less_is_noticed() {
    let made = |text: &str| statement(&masked(), text);
    let (shows, hides) = (
        made("SELECT id FROM orders"),
        made("SELECT email FROM customers"),
    );
    assert!(says(&shows, &hides) && !says(&hides, &shows));
}

proptest! {
    #[test]
    fn words_hide_no_less(text in statements()) {
        check(&text)?;
    }

    #[test]
    fn queries_hide_no_less(text in queries()) {
        check(&text)?;
    }
}
