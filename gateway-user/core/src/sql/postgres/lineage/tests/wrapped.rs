//! A query within another is never cleaner than by itself.

use proptest::prelude::*;

use super::statements::TABLE;
use super::{masked, statement};
use crate::sql::postgres::lineage::{Output, Outputs};

/// How much of the value at this place is shown at most: 0 where it is masked fully.
fn open(outputs: &Outputs, place: usize) -> u8 {
    match outputs {
        Outputs::Clean => 2,
        Outputs::Unknown => 0,
        Outputs::Columns(columns) => match columns.get(place) {
            Some(Output::Clean) => 2,
            Some(Output::Copy(_)) => 1,
            Some(Output::Full) | None => 0,
        },
    }
}

fn queries() -> Vec<&'static str> {
    let texts = TABLE.iter().map(|(text, ..)| *text);
    let starts = ["SELECT", "VALUES", "TABLE", "WITH"];
    let queries = texts.filter(|text| starts.iter().any(|start| text.starts_with(start)));
    queries.filter(|text| !text.contains(" INTO ")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nothing_is_cleaner_within_another_query(
        query in proptest::sample::select(queries()),
        wraps in proptest::collection::vec(0..4, 1..4),
    ) {
        let masked = masked();
        let plain = statement(&masked, query);
        let mut text = query.to_owned();
        for wrap in wraps {
            text = match wrap {
                0 => format!("SELECT * FROM ({text}) s"),
                1 => format!("WITH w AS ({text}) SELECT * FROM w"),
                2 => format!("({text}) UNION ALL ({text})"),
                _ => format!("SELECT s.* FROM orders o, LATERAL ({text}) s"),
            };
        }
        let made = statement(&masked, &text);
        for place in 0..8 {
            let (made, plain) = (open(&made.outputs, place), open(&plain.outputs, place));
            prop_assert!(made <= plain, "{} of {}", place, text);
        }
    }
}
