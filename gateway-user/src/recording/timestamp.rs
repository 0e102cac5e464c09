//! How recordings write a time: RFC 3339 in UTC with six decimals, always of the same length.
//!
//! Of its own because it runs for each statement on the data path: no allocation, no locale, no
//! time zone database.

use std::io::Write as _;

use jiff::Timestamp;
use jiff::tz::Offset;

/// Appends `2026-11-21T02:45:17.000042Z`.
pub(super) fn write(buffer: &mut Vec<u8>, at: Timestamp) {
    let time = Offset::UTC.to_datetime(at);
    // Writing into a Vec cannot fail.
    let written = write!(
        buffer,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.subsec_nanosecond() / 1_000,
    );
    debug_assert!(written.is_ok(), "a Vec takes what is written");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_of_one_length_and_reads_back() {
        for text in [
            "2026-11-21T02:45:17.000042Z",
            "1970-01-01T00:00:00.000000Z",
            "2031-12-31T23:59:59.999999Z",
        ] {
            let at: Timestamp = text.parse().unwrap();
            let mut buffer = Vec::new();
            write(&mut buffer, at);
            assert_eq!(String::from_utf8(buffer).unwrap(), text);
        }
    }
}
