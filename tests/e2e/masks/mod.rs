//! Ways in which agents try to get at masked values, and that none gets there.
//!
//! `attempts/` is the table: SQL for people to read, with how each attempt ends, read by `table`. It is
//! tried on the server of `world`, and `answer` is all that came back, where `needles` looks for the
//! values of `schema.sql` in any form; `judge` compares with the table. Without the gateway each attempt must
//! show one: else it is none. What a server is too old for is tried there too, and must fail without the gateway.

mod answer;
mod begun;
mod guarded;
mod judge;
mod needles;
mod observed;
mod table;
mod twins;
mod world;

use std::collections::BTreeSet;

use self::judge::told;
use self::table::{Outcome, Row, rows};
use self::world::{attempts, unguarded, version};

#[test]
fn names_are_not_taken_twice() {
    let rows = rows();
    let mut seen = BTreeSet::new();
    for row in &rows {
        assert!(seen.insert(&row.name), "twice: {}", row.name);
        assert!(!row.steps.is_empty(), "nothing is tried: {}", row.name);
    }
    let fair = rows.iter().filter(|row| row.outcomes[0] == Outcome::True);
    assert!(rows.len() > 400 && fair.count() > 40, "{}", rows.len());
}

#[test]
fn without_the_gateway_each_attempt_shows_a_value() {
    let rows = rows();
    let attempts = attempts(&rows, "direct");
    let mut wrong = Vec::new();
    for (attempt, answer) in attempts.iter().zip(unguarded()) {
        let is_fair = attempt.row.outcomes[0] == Outcome::True;
        let is_known = attempt.row.is_known_to(version());
        let told = if is_fair {
            // A trigger tells of what is changed.
            told(attempt.row, &answer.without_notices())
        } else {
            told(attempt.row, answer)
        };
        // What is asked for by its form must come in that form: another needle may be by accident.
        let is_shown =
            attempt.row.shows.is_empty() || attempt.row.shows.iter().any(|text| answer.holds(text));
        let is_right = if is_known {
            told.is_some() != is_fair && (is_fair || is_shown)
        } else {
            // The server does not know it, as the table says.
            told.is_none() && !answer.errors().is_empty()
        };
        if !is_right || answer.is_closed() {
            let Row { name, .. } = attempt.row;
            wrong.push(format!(
                "{name}, {:?}: {told:?}\n{}",
                attempt.mode,
                answer.shown()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
