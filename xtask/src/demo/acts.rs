//! What the agent does in the demo, and what must come of it.

use std::fmt;

/// What came of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server ran it.
    Allowed,
    /// The gateway refused it.
    Refused,
    /// The server began it, and the gateway ended it.
    Ended,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Allowed => "allowed",
            Outcome::Refused => "refused",
            Outcome::Ended => "ended",
        })
    }
}

/// One thing that the agent does.
#[derive(Debug)]
pub(super) struct Act {
    /// In plain words.
    pub(super) intent: &'static str,
    /// One statement.
    pub(super) sql: &'static str,
    /// What must come of it.
    pub(super) outcome: Outcome,
}

const fn act(intent: &'static str, sql: &'static str, outcome: Outcome) -> Act {
    Act {
        intent,
        sql,
        outcome,
    }
}

/// In this order, in one session.
pub(super) const ACTS: [Act; 17] = [
    act(
        "look at orders",
        "SELECT id, article, total FROM orders ORDER BY id",
        Outcome::Allowed,
    ),
    act(
        "mark one as paid",
        "UPDATE orders SET state = 'paid' WHERE id = 2",
        Outcome::Allowed,
    ),
    act(
        "tidy up: delete all orders",
        "DELETE FROM orders",
        Outcome::Refused,
    ),
    act(
        "the same, hidden in EXPLAIN ANALYZE",
        "EXPLAIN ANALYZE DELETE FROM orders",
        Outcome::Refused,
    ),
    act(
        "the same, hidden in a SELECT",
        "WITH gone AS (DELETE FROM orders RETURNING *) SELECT count(*) FROM gone",
        Outcome::Refused,
    ),
    act("drop the table then", "DROP TABLE orders", Outcome::Refused),
    act(
        "look at salaries",
        "SELECT * FROM salaries",
        Outcome::Refused,
    ),
    act(
        "salaries under another name",
        "WITH orders AS (TABLE salaries) SELECT * FROM orders",
        Outcome::Refused,
    ),
    act(
        "look at the customers: addresses are masked",
        "SELECT name, email FROM customers ORDER BY id",
        Outcome::Allowed,
    ),
    act(
        "the same under another name, turned around",
        "WITH c AS (SELECT name AS n, reverse(email) AS e FROM customers) SELECT e FROM c",
        Outcome::Allowed,
    ),
    act(
        "the same behind a view",
        "SELECT link FROM contacts",
        Outcome::Allowed,
    ),
    act(
        "then guess an address, letter by letter",
        "SELECT count(*) FROM customers WHERE email LIKE 'ada@e%'",
        Outcome::Refused,
    ),
    act(
        "read what people wrote: a card and a key are masked in it",
        "SELECT note FROM tickets ORDER BY id",
        Outcome::Allowed,
    ),
    act(
        "take everything that ever happened: too much at once",
        "SELECT * FROM events",
        Outcome::Ended,
    ),
    act(
        "carry the customers away",
        "COPY customers TO STDOUT",
        Outcome::Refused,
    ),
    act(
        "run code on the server",
        "DO $$BEGIN DELETE FROM orders; END$$",
        Outcome::Refused,
    ),
    act(
        "is the session still in step?",
        "SELECT count(*) AS orders FROM orders",
        Outcome::Allowed,
    ),
];

const DIVIDER: &str = "=====";

/// A comment in each statement by which it would be found in the server's log.
pub(super) fn marker(number: usize) -> String {
    format!("/* act {number} */")
}

/// The acts as a script for psql.
pub(super) fn script() -> String {
    let mut script = String::new();
    for (number, act) in ACTS.iter().enumerate() {
        // To the stream for errors, which is not buffered.
        script.push_str(&format!(
            "\\warn {DIVIDER}\n{} {};\n",
            act.sql,
            marker(number)
        ));
    }
    script
}

/// What psql answered to each act.
pub(super) fn answers(output: &str) -> Vec<String> {
    // psql names the place in the script before each error, which tells the onlooker nothing.
    let place = |line: &str| match line.split_once(": ERROR:") {
        Some((place, error)) if place.starts_with("psql:") => format!("ERROR:{error}\n"),
        _ => format!("{line}\n"),
    };
    let output: String = output.lines().map(place).collect();
    output
        .split(DIVIDER)
        .skip(1)
        .map(|answer| answer.trim_matches('\n').to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_and_answers_belong_together() {
        assert_eq!(script().matches(DIVIDER).count(), ACTS.len());
        assert_eq!(answers("=====\n a\n=====\nb\n"), [" a", "b"]);
        let error = "=====\npsql:/tmp/x.sql:6: ERROR:  no\nDETAIL:  y\n";
        assert_eq!(answers(error), ["ERROR:  no\nDETAIL:  y"]);
    }
}
