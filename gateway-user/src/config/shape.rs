//! Reads the text as TOML of the right shape, and finds everything in it that has another one.
//!
//! Serde stops at the first mistake. So what it stopped at is taken out and the rest is read again,
//! until nothing is wrong with what is left. What the values mean is looked at in `check`.

use std::ops::Range;

use gateway_core::policy::diagnostic::{Diagnostic, Level};
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use super::nearest::nearest;

/// So many mistakes are told at most: nobody reads more, and each costs another look at the file.
const MOST: usize = 100;

/// What was read.
pub(super) struct Shape<T> {
    /// What is left without the mistakes. None where something is missing without them, so that what
    /// is left would have mistakes that nobody made.
    pub(super) file: Option<T>,
    /// All that was found.
    pub(super) mistakes: Vec<Diagnostic>,
}

/// Reads a whole file.
pub(super) fn read<T: DeserializeOwned>(source: &str) -> Shape<T> {
    let mut mistakes = Vec::new();
    let mut table = match DeTable::parse(source) {
        Ok(table) => table,
        // What follows may be read as something else than was meant.
        Err(error) => {
            mistakes.push(told(&error));
            return Shape {
                file: None,
                mistakes,
            };
        }
    };
    let mut taken = Vec::new();
    let mut is_whole = true;
    loop {
        let error = match T::deserialize(Deserializer::from(table.clone())) {
            Ok(file) => {
                let file = is_whole.then_some(file);
                return Shape { file, mistakes };
            }
            Err(error) => error,
        };
        let place = error.span();
        let is_ours = place.as_ref().is_some_and(|place| {
            let missing = quoted(&error, "missing field");
            missing.is_some_and(|name| taken.contains(&(place.clone(), Some(name.to_owned()))))
        });
        if !is_ours {
            mistakes.push(told(&error));
        }
        is_whole &= quoted(&error, "unknown field").is_some();
        let whole = table.span();
        let out = place.and_then(|place| take_out(table.get_mut(), &whole, &place));
        let is_out = out.is_some();
        taken.extend(out);
        if !is_out || mistakes.len() == MOST {
            return Shape {
                file: None,
                mistakes,
            };
        }
    }
}

/// The name that an error of this kind is about.
fn quoted<'a>(error: &'a Error, kind: &str) -> Option<&'a str> {
    let names = error.message().strip_prefix(kind)?;
    names.split('`').nth(1)
}

/// What was taken out: the place of the table that it was in, and its name there if it had one.
type Taken = (Range<usize>, Option<String>);

/// Takes the setting or value at a place out of a table, which is at `whole`; none if it is not there.
fn take_out(table: &mut DeTable<'_>, whole: &Range<usize>, place: &Range<usize>) -> Option<Taken> {
    let mut settings = table.iter();
    let found = settings.find(|(name, value)| name.span() == *place || value.span() == *place);
    if let Some(name) = found.map(|(name, _)| name.clone()) {
        table.remove(&name);
        return Some((whole.clone(), Some(name.into_inner().into_owned())));
    }
    let mut settings = table.iter_mut();
    settings.find_map(|(_, value)| take_out_of(value, place))
}

fn take_out_of(value: &mut Spanned<DeValue<'_>>, place: &Range<usize>) -> Option<Taken> {
    let whole = value.span();
    match value.get_mut() {
        DeValue::Table(table) => take_out(table, &whole, place),
        DeValue::Array(array) if array.iter().any(|item| item.span() == *place) => {
            let items = std::mem::replace(array, DeArray::new()).into_iter();
            *array = items.filter(|item| item.span() != *place).collect();
            Some((whole, None))
        }
        DeValue::Array(array) => array.iter_mut().find_map(|item| take_out_of(item, place)),
        _ => None,
    }
}

/// What serde said, in words for people, with the name that may have been meant.
fn told(error: &Error) -> Diagnostic {
    // Serde and toml put names into back quotes: first the one found, then those known.
    let mut names = error.message().split('`').skip(1).step_by(2);
    let unknown = error.message().starts_with("unknown ");
    let meant = names
        .next()
        .filter(|_| unknown)
        .and_then(|found| nearest(found, names));
    let message = error
        .message()
        .lines()
        .next()
        .unwrap_or_default()
        .replace("unknown field", "unknown setting")
        .replace("unknown variant", "unknown value")
        .replace("missing field", "missing setting")
        .replace("expected u16", "expected a number from 0 to 65535")
        .replace("expected usize", "expected a number that is not negative");
    Diagnostic {
        level: Level::Error,
        span: error.span().unwrap_or(0..0),
        message,
        help: meant.map(|name| format!("did you mean `{name}`?")),
    }
}
