//! Spans of time as the configuration writes them: `90s`, `15m`, `1h30m`, `2d`.

use std::time::Duration;

/// What people are told when a span of time cannot be read.
pub const EXPECTED: &str = "write a number and `s`, `m`, `h` or `d`, such as \"90s\" or \"1h30m\"";

/// Reads a span of time; none if it is not one.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = rest.split_at_checked(digits)?;
        let mut units = unit.chars();
        let seconds: u64 = match units.next()? {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return None,
        };
        let number: u64 = number.parse().ok()?;
        total = total.checked_add(number.checked_mul(seconds)?)?;
        rest = units.as_str();
    }
    (!text.is_empty()).then_some(Duration::from_secs(total))
}

/// Writes it in the same way, in whole seconds.
pub fn written(span: Duration) -> String {
    let mut rest = span.as_secs();
    let mut text = String::new();
    for (seconds, unit) in [(24 * 60 * 60, 'd'), (60 * 60, 'h'), (60, 'm'), (1, 's')] {
        if rest >= seconds {
            text.push_str(&(rest / seconds).to_string());
            text.push(unit);
            rest %= seconds;
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time() {
        let check = |text: &str, seconds: Option<u64>| {
            assert_eq!(parse(text), seconds.map(Duration::from_secs), "{text}");
        };
        check("90s", Some(90));
        check("15m", Some(900));
        check("1h30m", Some(5400));
        check("2d", Some(172_800));
        check("0s", Some(0));
        for wrong in [
            "",
            "15",
            "m",
            "1w",
            "-1s",
            "1.5h",
            "1h 30m",
            "1H",
            "99999999999999999999d",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for seconds in [0, 1, 60, 61, 3600, 5400, 86_400, 90_061] {
            let span = Duration::from_secs(seconds);
            assert_eq!(parse(&written(span)), Some(span));
        }
    }
}
