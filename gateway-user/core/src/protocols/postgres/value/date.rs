//! How dates and times are written: ISO in text format, which is the only style that is read.
//!
//! Days are counted from 2000-01-01, times in microseconds from its beginning (in UTC for `timestamptz`).

use super::{Format, Not, exactly, utf8};
use crate::mask::bucket::Civil;

/// 4714-11-24 BC, the first day there is.
pub(super) const FIRST_DAY: i32 = -2_451_545;
/// 5874897-12-31, the last.
const LAST_DAY: i32 = 0x7fda_970c;
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A day, or what lies beyond all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Date {
    /// A day.
    Day(i32),
    /// `infinity`
    Infinity,
    /// `-infinity`
    MinusInfinity,
}

/// Whether a time has a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// `timestamp`
    None,
    /// `timestamptz`
    Some,
}

/// Reads a `date`.
pub(super) fn read_date(value: &[u8], format: Format) -> Result<Date, Not> {
    let day = match format {
        Format::Binary => match i32::from_be_bytes(exactly(value)?) {
            i32::MAX => return Ok(Date::Infinity),
            i32::MIN => return Ok(Date::MinusInfinity),
            day => day,
        },
        Format::Text => match utf8(value)? {
            "infinity" => return Ok(Date::Infinity),
            "-infinity" => return Ok(Date::MinusInfinity),
            // Another style is not malformed, but cannot be told from others.
            text => {
                let (text, era) = era(text);
                day_of(text, era).ok_or(Not::Unfit)?
            }
        },
    };
    in_range(day)
}

/// Reads the day of a `timestamp` or `timestamptz`, the latter's in UTC.
pub(super) fn read_time(value: &[u8], zone: Zone, format: Format) -> Result<Date, Not> {
    let day = match format {
        Format::Binary => match i64::from_be_bytes(exactly(value)?) {
            i64::MAX => return Ok(Date::Infinity),
            i64::MIN => return Ok(Date::MinusInfinity),
            time => i32::try_from(time.div_euclid(DAY)).map_err(|_| Not::Malformed)?,
        },
        Format::Text => match utf8(value)? {
            "infinity" => return Ok(Date::Infinity),
            "-infinity" => return Ok(Date::MinusInfinity),
            text => utc_day(text, zone).ok_or(Not::Unfit)?,
        },
    };
    in_range(day)
}

fn in_range(day: i32) -> Result<Date, Not> {
    if (FIRST_DAY..=LAST_DAY).contains(&day) {
        Ok(Date::Day(day))
    } else {
        Err(Not::Malformed)
    }
}

/// A text without what says that it is before Christ, and whether it is.
fn era(text: &str) -> (&str, bool) {
    text.strip_suffix(" BC")
        .map_or((text, false), |text| (text, true))
}

fn day_of(text: &str, before_christ: bool) -> Option<i32> {
    let mut civil = Civil::parts(text)?;
    if civil.year == 0 {
        return None;
    }
    if before_christ {
        civil.year = 1 - civil.year;
    }
    civil.to_day()
}

/// `2024-02-29 10:00:00.25+05:30`
fn utc_day(text: &str, zone: Zone) -> Option<i32> {
    let (text, before_christ) = era(text);
    let (date, time) = text.split_once(' ')?;
    let day = day_of(date, before_christ)?;
    let (clock, sign, offset) = match (zone, time.find(['+', '-'])) {
        (Zone::None, None) => (time, 1, 0),
        (Zone::Some, Some(at)) => {
            let (clock, offset) = time.split_at_checked(at)?;
            let sign = if offset.starts_with('-') { -1 } else { 1 };
            let mut parts = offset.get(1..)?.split(':');
            let hours = part(parts.next()?, 2)?;
            let minutes = parts.next().map_or(Some(0), |text| part(text, 2))?;
            let seconds = parts.next().map_or(Some(0), |text| part(text, 2))?;
            if parts.next().is_some() {
                return None;
            }
            (clock, sign, hours * 3600 + minutes * 60 + seconds)
        }
        _ => return None,
    };
    let (clock, fraction) = clock
        .split_once('.')
        .map_or((clock, None), |(clock, fraction)| (clock, Some(fraction)));
    let is_fraction = |text: &str| {
        (1..=6).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !fraction.is_none_or(is_fraction) {
        return None;
    }
    let mut parts = clock.split(':');
    let hours = part(parts.next()?, 2)?;
    let minutes = part(parts.next()?, 2)?;
    let seconds = part(parts.next()?, 2)?;
    if parts.next().is_some() || hours > 24 || minutes > 59 || seconds > 60 {
        return None;
    }
    let seconds = hours * 3600 + minutes * 60 + seconds - sign * offset;
    day.checked_add(i32::try_from(seconds.div_euclid(86_400)).ok()?)
}

fn part(text: &str, len: usize) -> Option<i64> {
    let digits = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// A `date` as the server writes it.
pub(super) fn date_text(date: Date) -> String {
    match date {
        Date::Infinity => "infinity".to_owned(),
        Date::MinusInfinity => "-infinity".to_owned(),
        Date::Day(day) => {
            let (text, era) = civil_text(day);
            text + era
        }
    }
}

/// The beginning of a day, as the server writes it.
pub(super) fn time_text(date: Date, zone: Zone) -> String {
    let Date::Day(day) = date else {
        return date_text(date);
    };
    let (text, era) = civil_text(day);
    let zone = match zone {
        Zone::None => "",
        Zone::Some => "+00",
    };
    format!("{text} 00:00:00{zone}{era}")
}

fn civil_text(day: i32) -> (String, &'static str) {
    let Civil { year, month, day } = Civil::of_day(day);
    let (year, era) = if year > 0 {
        (year, "")
    } else {
        (1 - year, " BC")
    };
    (format!("{year:04}-{month:02}-{day:02}"), era)
}

/// A `date` in binary format.
pub(super) fn date_number(date: Date) -> i32 {
    match date {
        Date::Day(day) => day,
        Date::Infinity => i32::MAX,
        Date::MinusInfinity => i32::MIN,
    }
}

/// The beginning of a day in binary format.
pub(super) fn time_number(date: Date) -> Result<i64, Not> {
    match date {
        Date::Day(day) => i64::from(day).checked_mul(DAY).ok_or(Not::Malformed),
        Date::Infinity => Ok(i64::MAX),
        Date::MinusInfinity => Ok(i64::MIN),
    }
}
