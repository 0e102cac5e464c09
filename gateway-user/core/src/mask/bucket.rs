//! The beginning of the time or range that a date or number is in.
//!
//! Dates are days since 2000-01-01 of the Gregorian calendar, also before there was one, with a year 0
//! before the year 1.

use super::Bucket;

/// 0000-03-01 to 2000-01-01, in days.
const EPOCH: i64 = 730_425;
/// Days of 400 years.
const ERA: i64 = 146_097;

/// A date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// The year; 0 is the one before 1.
    pub year: i64,
    /// From 1.
    pub month: i64,
    /// From 1.
    pub day: i64,
}

impl Civil {
    /// The date of a day. See <https://howardhinnant.github.io/date_algorithms.html>: years begin in March.
    pub fn of_day(day: i32) -> Self {
        let day = i64::from(day) + EPOCH;
        let era = day.div_euclid(ERA);
        let day_of_era = day.rem_euclid(ERA);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = (from_march + 2) % 12 + 1;
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * from_march + 2) / 5 + 1,
        }
    }

    /// The day of a date; nothing if there is no such date, or it is too far away.
    pub fn to_day(self) -> Option<i32> {
        let Self { year, month, day } = self;
        if !(-10_000_000..=10_000_000).contains(&year) || !(1..=12).contains(&month) {
            return None;
        }
        if !(1..=days_of_month(year, month)).contains(&day) {
            return None;
        }
        let year = year - i64::from(month <= 2);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        i32::try_from(year.div_euclid(400) * ERA + day_of_era - EPOCH).ok()
    }

    /// The date that is written `2024-02-29`; years may have more digits, none have fewer.
    pub fn parse(text: &str) -> Option<Self> {
        Self::parts(text).filter(|civil| civil.to_day().is_some())
    }

    /// The same, whether there is such a date or not.
    pub fn parts(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut number = |least: usize, most: usize| {
            let part = parts.next()?;
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            (digits && (least..=most).contains(&part.len())).then(|| part.parse::<i64>().ok())?
        };
        let civil = Self {
            year: number(4, 7)?,
            month: number(2, 2)?,
            day: number(2, 2)?,
        };
        parts.next().is_none().then_some(civil)
    }

    /// The first of the day, month or year that it is in; nothing for a bucket of numbers.
    pub fn floor(self, bucket: Bucket) -> Option<Self> {
        match bucket {
            Bucket::Day => Some(self),
            Bucket::Month => Some(Self { day: 1, ..self }),
            Bucket::Year => Some(Self {
                month: 1,
                day: 1,
                ..self
            }),
            Bucket::Width(_) => None,
        }
    }
}

/// How many days the year has.
pub fn days_of_year(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The next lower multiple of a width, which is not 0; `least` where that would be below it.
pub fn floor_number(value: i64, width: u64, least: i64) -> i64 {
    let wide = i128::from(value);
    let rest = wide.checked_rem_euclid(i128::from(width));
    let floor = rest.map_or(0, |rest| wide - rest);
    i64::try_from(floor.max(i128::from(least))).unwrap_or(least)
}

/// The same of a number that is no integer.
pub fn floor_float(value: f64, width: u64) -> f64 {
    let [a, b, c, d, e, f, g, h] = width.to_be_bytes();
    let high = f64::from(u32::from_be_bytes([a, b, c, d]));
    let width = high * 4_294_967_296.0 + f64::from(u32::from_be_bytes([e, f, g, h]));
    if width == 0.0 {
        return 0.0;
    }
    // Adding 0 makes 0 of -0.
    (value / width).floor() * width + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        let check = |day, year, month, date_day| {
            let civil = Civil {
                year,
                month,
                day: date_day,
            };
            assert_eq!(Civil::of_day(day), civil, "{day}");
            assert_eq!(civil.to_day(), Some(day), "{civil:?}");
        };
        check(0, 2000, 1, 1);
        check(-1, 1999, 12, 31);
        check(59, 2000, 2, 29);
        check(8825, 2024, 2, 29);
        check(-10_957, 1970, 1, 1);
        // PostgreSQL's first day, 4714-11-24 BC.
        check(-2_451_545, -4713, 11, 24);
        check(-730_120, 0, 12, 31);
    }

    #[test]
    fn dates_are_read_strictly() {
        for bad in [
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-1-1",
            "24-01-01",
            "2024-01-01x",
            "2024-01-01-01",
            "",
            "+024-01-01",
            "12345678-01-01",
        ] {
            assert_eq!(Civil::parse(bad), None, "{bad}");
        }
        assert!(Civil::parse("5874897-12-31").is_some());
        assert!(Civil::parse("1900-02-29").is_none() && Civil::parse("2000-02-29").is_some());
    }

    #[test]
    fn numbers_go_down() {
        let check = |value, width, expected| {
            assert_eq!(floor_number(value, width, i64::MIN), expected, "{value}");
        };
        check(1234, 100, 1200);
        check(-1, 100, -100);
        check(-100, 100, -100);
        check(5, u64::MAX, 0);
        check(-5, u64::MAX, i64::MIN);
        check(i64::MIN, 1000, i64::MIN);
        check(i64::MAX, 10, i64::MAX - 7);
        check(7, 0, 0);
        assert_eq!(floor_float(12.5, 5), 10.0);
        assert_eq!(floor_float(-0.0, 5).to_bits(), 0.0_f64.to_bits());
        assert_eq!(floor_float(-1.5, 10), -10.0);
    }

    proptest::proptest! {
        #[test]
        fn there_and_back(day in -3_000_000_i32..i32::MAX) {
            assert_eq!(Civil::of_day(day).to_day(), Some(day));
        }

        #[test]
        fn any_day_is_a_date(day: i32) {
            let civil = Civil::of_day(day);
            assert!((1..=12).contains(&civil.month) && (1..=31).contains(&civil.day));
        }
    }
}
