//! What agents, approvers and operators are told of a budget that is used up.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Budget;
use crate::budget::Kind;
use crate::refusal::Refusal;

/// Such as `budget "planner-reads" is used up: 10,000 rows in 1 hour; room again at 14:05:00 UTC`.
pub(super) fn used_up(
    budget: &Budget,
    kind: Kind,
    limit: u64,
    room: Option<Timestamp>,
    now: Timestamp,
) -> Refusal {
    let (name, limit, span) = (&budget.name, kind.told(limit), span(budget.window));
    let mut reason = format!("budget \"{name}\" is used up: {limit} in {span}");
    if let Some(room) = room {
        reason = format!("{reason}; room again at {}", clock(room, now));
    }
    if let Some(why) = &budget.reason {
        reason = format!("{reason}; {why}");
    }
    Refusal {
        rule: Some(budget.rule.clone()),
        reason,
    }
}

/// Such as `1 hour`, `90 minutes`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(24 * 60 * 60, "day"), (60 * 60, "hour"), (60, "minute")];
    let mut units = units
        .into_iter()
        .filter(|(size, _)| seconds.is_multiple_of(*size));
    let (size, unit) = units.next().unwrap_or((1, "second"));
    match seconds / size {
        1 => format!("1 {unit}"),
        count => format!("{count} {unit}s"),
    }
}

/// The time of day in UTC, with the date if that is another one than today.
fn clock(at: Timestamp, now: Timestamp) -> String {
    // A second too late rather than one too early.
    let whole = match at.subsec_nanosecond() {
        0 => at.as_second(),
        _ => at.as_second().saturating_add(1),
    };
    let at = Timestamp::from_second(whole).unwrap_or(Timestamp::MAX);
    let (at, now) = (at.to_zoned(TimeZone::UTC), now.to_zoned(TimeZone::UTC));
    let pattern = match at.date() == now.date() {
        true => "%H:%M:%S UTC",
        false => "%Y-%m-%d %H:%M:%S UTC",
    };
    at.strftime(pattern).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told() {
        let check = |seconds, told: &str| assert_eq!(span(Duration::from_secs(seconds)), told);
        check(3600, "1 hour");
        check(5400, "90 minutes");
        check(90, "90 seconds");
        check(86_400, "1 day");
        check(1, "1 second");
    }

    #[test]
    fn times_are_told() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-26T13:30:00Z");
        assert_eq!(clock(at("2026-11-26T14:05:00Z"), now), "14:05:00 UTC");
        assert_eq!(clock(at("2026-11-26T14:05:00.2Z"), now), "14:05:01 UTC");
        let tomorrow = clock(at("2026-11-27T00:05:00Z"), now);
        assert_eq!(tomorrow, "2026-11-27 00:05:00 UTC");
    }
}
