//! `during` of a rule: the times at which it is there. Outside of them it is as if it were not written.
//!
//! A window is told by the clock on the wall of its zone: days of the week, and from when to when. So
//! where clocks are put forward, a window within the hour that is left out does not open that day, and
//! one that begins within it opens when the hour is over; where they are put back, a window within the
//! hour that comes twice opens twice. The zones' rules come with the program, so that a policy says the
//! same on every host, and nothing is read.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan as _};
use toml::Spanned;

use super::diagnostic::Diagnostic;
use super::model::Tree;

/// How to write one.
const EXPECTED: &str =
    "such as { days = [\"mon-fri\"], from = \"09:00\", to = \"17:00\", zone = \"Europe/Berlin\" }";
/// Days of the week, in their order.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// How many days from now on changes are looked for: every window comes at least once a week.
const AHEAD: i32 = 9;

/// The times at which a rule is there.
#[derive(Clone, Debug)]
pub(super) struct During(Arc<[Window]>);

#[derive(Debug)]
struct Window {
    /// On which days it begins, from Monday on.
    days: [bool; 7],
    /// The minute of the day from which it is open.
    from: u16,
    /// The minute from which it is not; of the next day, if that is not after `from`.
    to: u16,
    zone: TimeZone,
    /// As it is told to people.
    text: Box<str>,
}

impl fmt::Display for During {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, window) in self.0.iter().enumerate() {
            let or = if index > 0 { " or " } else { "" };
            write!(f, "{or}{}", window.text)?;
        }
        Ok(())
    }
}

impl PartialEq for During {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl During {
    /// Reads it: a window or a list of them.
    pub(super) fn read(tree: &Spanned<Tree>, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let windows = match tree.get_ref() {
            Tree::List(items) if items.is_empty() => {
                let message = "an empty list of times is never";
                let help = "leave `during` out for a rule that is always there";
                diagnostics.push(Diagnostic::error(tree.span(), message).help(help));
                return None;
            }
            Tree::List(items) => items.iter().map(window).collect::<Result<Vec<_>, _>>(),
            _ => window(tree).map(|window| vec![window]),
        };
        match windows {
            Ok(windows) => Some(Self(windows.into())),
            Err(diagnostic) => {
                diagnostics.push(diagnostic);
                None
            }
        }
    }

    /// Whether the rule is there.
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        self.0.iter().any(|window| window.is_open(now))
    }

    /// When that changes next; none where it does not within days.
    pub(super) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let is_open = self.is_open(now);
        let mut instants: Vec<Timestamp> = self.0.iter().flat_map(|it| it.instants(now)).collect();
        instants.retain(|it| *it > now);
        instants.sort_unstable();
        instants.into_iter().find(|it| self.is_open(*it) != is_open)
    }

    /// The time as the clocks of its zones show it.
    pub(super) fn told(&self, now: Timestamp) -> String {
        let zone = self.0.first().map(|window| window.zone.clone());
        let local = zone.unwrap_or(TimeZone::UTC).to_datetime(now);
        let day = DAYS.get(day_of(local)).copied().unwrap_or_default();
        let (date, time) = (local.date(), local.time());
        format!("{day} {date} {:02}:{:02}", time.hour(), time.minute())
    }
}

impl Window {
    fn is_open(&self, now: Timestamp) -> bool {
        let local = self.zone.to_datetime(now);
        let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute()));
        let minute = minute.unwrap_or(0);
        let today = day_of(local);
        let begins = |day: usize| self.days.get(day % 7).copied().unwrap_or(false);
        if self.from < self.to {
            return begins(today) && self.from <= minute && minute < self.to;
        }
        begins(today) && self.from <= minute || begins(today + 6) && minute < self.to
    }

    /// Instants around which it may open or close.
    fn instants(&self, now: Timestamp) -> Vec<Timestamp> {
        let today = self.zone.to_datetime(now).date();
        let mut instants = Vec::new();
        for days in -1..=AHEAD {
            let Ok(date) = today.checked_add(days.days()) else {
                continue;
            };
            for minute in [0, self.from, self.to % DAY] {
                let told = self.zone.to_ambiguous_timestamp(at(date, minute));
                instants.extend([told.earlier(), told.later()].into_iter().flatten());
            }
        }
        // Where clocks are changed, a window may begin or end without its minute being shown.
        let changes = self.zone.following(now).take(4);
        instants.extend(changes.map(|change| change.timestamp()));
        instants
    }
}

fn at(date: Date, minute: u16) -> DateTime {
    let part = |minutes: u16| i8::try_from(minutes).unwrap_or(0);
    let time = Time::new(part(minute / 60), part(minute % 60), 0, 0);
    date.to_datetime(time.unwrap_or(Time::midnight()))
}

fn day_of(local: DateTime) -> usize {
    usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or(0)
}

fn window(tree: &Spanned<Tree>) -> Result<Window, Diagnostic> {
    let Tree::Table(entries) = tree.get_ref() else {
        return Err(Diagnostic::error(tree.span(), "this is no span of the week").help(EXPECTED));
    };
    let (mut days, mut from, mut to, mut zone) = (None, None, None, None);
    for (key, value) in entries {
        match key.get_ref().as_str() {
            "days" => days = Some(days_of(value)?),
            "from" => from = Some(minute(value)?),
            "to" => to = Some(minute(value)?),
            "zone" => zone = Some(zone_of(value)?),
            other => {
                let message = format!("`during` has no setting `{other}`");
                let known = ["days", "from", "to", "zone"];
                return Err(Diagnostic::error(key.span(), message).suggest(other, known));
            }
        }
    }
    let wrong = |message: &str, help: &str| Diagnostic::error(tree.span(), message).help(help);
    let Some((zone_name, zone)) = zone else {
        let help = "add zone = \"Europe/Berlin\", say, or \"UTC\"";
        return Err(wrong("times are of a zone", help));
    };
    if days.is_none() && from.is_none() && to.is_none() {
        return Err(wrong("this is always", EXPECTED));
    }
    let (days_text, days) = days.unwrap_or_else(|| ("daily".to_owned(), [true; 7]));
    let (from, to) = (from.unwrap_or(0), to.unwrap_or(DAY));
    if from == to {
        let help = "leave `from` and `to` out for whole days";
        return Err(wrong("it ends when it begins", help));
    }
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let text = format!("{days_text} {}-{} {zone_name}", clock(from), clock(to));
    Ok(Window {
        days,
        from,
        to,
        zone,
        text: text.into(),
    })
}

fn text(value: &Spanned<Tree>) -> Result<&str, Diagnostic> {
    match value.get_ref() {
        Tree::Text(text) => Ok(text),
        _ => Err(Diagnostic::error(value.span(), "this is a text").help(EXPECTED)),
    }
}

/// `mon`, `mon-fri`, or a list of such.
fn days_of(value: &Spanned<Tree>) -> Result<(String, [bool; 7]), Diagnostic> {
    let items = match value.get_ref() {
        Tree::List(items) => items.as_slice(),
        _ => std::slice::from_ref(value),
    };
    let mut days = [false; 7];
    let mut texts = Vec::new();
    for item in items {
        let span = text(item)?;
        for day in span_of_days(span, item.span())? {
            if let Some(day) = days.get_mut(day % 7) {
                *day = true;
            }
        }
        texts.push(span);
    }
    if texts.is_empty() {
        return Err(Diagnostic::error(
            value.span(),
            "an empty list of days is never",
        ));
    }
    Ok((texts.join(","), days))
}

/// The days from the first to the last, which may be in the next week.
fn span_of_days(text: &str, place: Range<usize>) -> Result<Range<usize>, Diagnostic> {
    let day = |name: &str| {
        let found = DAYS.iter().position(|day| *day == name);
        found.ok_or_else(|| {
            let message = format!("`{name}` is no day");
            let help = format!("the days are {}", DAYS.join(", "));
            Diagnostic::error(place.clone(), message).help(help)
        })
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (day(first)?, day(last)?);
    let last = if last < first { last + 7 } else { last };
    Ok(first..last + 1)
}

/// `09:00`, to `24:00`.
fn minute(value: &Spanned<Tree>) -> Result<u16, Diagnostic> {
    let written = text(value)?;
    let part = |text: &str, most: u16| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<u16>().ok().filter(|_| digits)?;
        (number <= most).then_some(number)
    };
    let minute = written.split_once(':').and_then(|(hours, minutes)| {
        let minute = part(hours, 24)? * 60 + part(minutes, 59)?;
        (minute <= DAY).then_some(minute)
    });
    minute.ok_or_else(|| {
        let message = format!("`{written}` is no time of day");
        Diagnostic::error(value.span(), message).help("write it as 09:00, up to 24:00")
    })
}

fn zone_of(value: &Spanned<Tree>) -> Result<(String, TimeZone), Diagnostic> {
    let name = text(value)?;
    let zones = TimeZoneDatabase::bundled();
    match zones.get(name) {
        Ok(zone) => {
            // In the database's own letters.
            let own = zone.iana_name().unwrap_or(name).to_owned();
            Ok((own, zone))
        }
        Err(_) => {
            let message = format!("there is no time zone `{name}`");
            let all: Vec<String> = zones.available().map(|it| it.to_string()).collect();
            let found = Diagnostic::error(value.span(), message)
                .suggest(name, all.iter().map(String::as_str));
            // There are too many to tell them all.
            let is_guess = |help: &String| help.starts_with("did you mean");
            let help = found.help.clone().filter(is_guess);
            Err(found.help(help.unwrap_or_else(|| {
                "use a name of the IANA time zone database, such as \"Europe/Berlin\"".to_owned()
            })))
        }
    }
}
