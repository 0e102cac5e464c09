//! Whether an attempt ended as the table says.

use super::answer::Answer;
use super::needles;
use super::table::{Outcome, Row};

/// The masked value that an answer tells, if it tells one.
pub(crate) fn told(row: &Row, answer: &Answer) -> Option<String> {
    let shown = row.shows.iter().find(|text| answer.holds(text)).cloned();
    shown.or_else(|| needles::found(answer))
}

/// What is wrong with what came back by the gateway (`through`), if something is; `direct` came back
/// without it.
pub(crate) fn wrong(
    row: &Row,
    outcome: Outcome,
    direct: &Answer,
    through: &Answer,
) -> Option<String> {
    let told = told(row, through);
    let tells = told.is_some();
    let may_tell = matches!(outcome, Outcome::True | Outcome::Oracle | Outcome::Open);
    let told = told.filter(|_| !may_tell);
    let said = || {
        format!(
            "without the gateway:\n{}through it:\n{}",
            direct.shown(),
            through.shown()
        )
    };
    if let Some(value) = told {
        return Some(format!("TELLS {value}: {}", said()));
    }
    let is_right = match outcome {
        Outcome::Masked => direct.rows() == through.rows() && direct.errors() == through.errors(),
        Outcome::Refused => through.is_refused(),
        Outcome::Closed => true,
        Outcome::Open => tells,
        Outcome::Oracle => row.shows.iter().any(|text| through.holds(text)),
        Outcome::True => direct.essence() == through.essence(),
    };
    (!is_right || through.is_closed()).then(|| format!("is not {outcome:?}: {}", said()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masks::answer::Message;

    fn row(shows: &[&str]) -> Row {
        Row {
            name: String::new(),
            outcomes: [Outcome::Masked; 2],
            modes: Vec::new(),
            is_own: false,
            since: 0,
            shows: shows.iter().map(|text| (*text).to_owned()).collect(),
            steps: Vec::new(),
        }
    }

    fn answer(messages: &[(char, &str)]) -> Answer {
        let message = |(tag, body): &(char, &str)| Message {
            tag: *tag,
            body: body.as_bytes().to_vec(),
        };
        Answer {
            messages: messages.iter().map(message).collect(),
        }
    }

    #[test]
    fn each_outcome_is_told_from_what_it_is_not() {
        let value = answer(&[('D', "\0\x01\0\0\0\x06needle"), ('C', "SELECT 1")]);
        let masked = answer(&[('D', "\0\x01\0\0\0\x04****"), ('C', "SELECT 1")]);
        let refused = answer(&[('E', "SERROR\0C42501\0\0")]);
        let yes = answer(&[('D', "\0\x01\0\0\0\x05bingo"), ('C', "SELECT 1")]);
        let check =
            |outcome, through: &Answer| wrong(&row(&["bingo"]), outcome, &value, through).is_none();
        for (outcome, right) in [
            (Outcome::Masked, [false, true, false, false]),
            (Outcome::Refused, [false, false, true, false]),
            (Outcome::Closed, [false, true, true, false]),
            (Outcome::Oracle, [false, false, false, true]),
            (Outcome::Open, [true, false, false, true]),
            (Outcome::True, [true, false, false, false]),
        ] {
            let seen = [&value, &masked, &refused, &yes].map(|through| check(outcome, through));
            assert_eq!(seen, right, "{outcome:?}");
        }
    }
}
