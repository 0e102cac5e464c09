//! How recordings write a time: RFC 3339 in UTC with six decimals, always of the same length.
//!
//! Of its own because it runs for each statement on the data path: no allocation, no locale, no
//! time zone database, and no `fmt`, which took a tenth of what the gateway itself does for one.

use jiff::Timestamp;
use jiff::tz::Offset;

/// Appends `2026-11-21T02:45:17.000042Z`.
pub(super) fn write(buffer: &mut Vec<u8>, at: Timestamp) {
    let time = Offset::UTC.to_datetime(at);
    // Years before 0 are none of a clock's.
    number(buffer, 4, time.year().max(0).into(), b'-');
    number(buffer, 2, time.month().into(), b'-');
    number(buffer, 2, time.day().into(), b'T');
    number(buffer, 2, time.hour().into(), b':');
    number(buffer, 2, time.minute().into(), b':');
    number(buffer, 2, time.second().into(), b'.');
    number(buffer, 6, time.subsec_nanosecond() / 1_000, b'Z');
}

/// Appends a number with so many digits, and what follows it.
fn number(buffer: &mut Vec<u8>, digits: usize, mut number: i32, then: u8) {
    let start = buffer.len();
    buffer.resize(start + digits, b'0');
    for digit in buffer.iter_mut().skip(start).rev() {
        // A digit fits a byte.
        *digit += u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
    buffer.push(then);
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
            "9998-10-30T20:10:50.908070Z",
        ] {
            let at: Timestamp = text.parse().unwrap();
            let mut buffer = Vec::new();
            write(&mut buffer, at);
            assert_eq!(String::from_utf8(buffer).unwrap(), text);
        }
    }
}
