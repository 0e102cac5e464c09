//! How much may be done in a window of time: what is counted, and how much of it was used.
//!
//! `window` counts what slides out of sight, `book` keeps a count for each that has one. Which budgets
//! there are, and what one that is used up means, is `policy`'s. The time comes in as an argument.

pub mod book;
pub mod window;

use serde::{Deserialize, Serialize};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Rows that were returned.
    Rows,
    /// Bytes of rows and copied data towards the agent.
    BytesOut,
    /// Statements that were let pass.
    Statements,
    /// Rows that the server says were changed.
    Writes,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rows, Self::BytesOut, Self::Statements, Self::Writes];

    /// As the configuration names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::BytesOut => "bytes_out",
            Self::Statements => "statements",
            Self::Writes => "writes",
        }
    }

    /// An amount of it, as people read it: `10,000 rows`, `50 MB`.
    pub fn told(self, amount: u64) -> String {
        let plural = if amount == 1 { "" } else { "s" };
        match self {
            Self::Rows => format!("{} row{plural}", grouped(amount)),
            Self::BytesOut => bytes(amount),
            Self::Statements => format!("{} statement{plural}", grouped(amount)),
            Self::Writes => format!("{} row{plural} written", grouped(amount)),
        }
    }
}

/// How much of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    /// Rows that were returned.
    pub rows: u64,
    /// Bytes of rows and copied data towards the agent.
    pub bytes_out: u64,
    /// Statements that were let pass.
    pub statements: u64,
    /// Rows that the server says were changed.
    pub writes: u64,
}

impl Amounts {
    /// One statement that was let pass.
    pub const STATEMENT: Self = Self {
        rows: 0,
        bytes_out: 0,
        statements: 1,
        writes: 0,
    };

    /// How much of one kind.
    pub fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Rows => self.rows,
            Kind::BytesOut => self.bytes_out,
            Kind::Statements => self.statements,
            Kind::Writes => self.writes,
        }
    }

    /// Adds to each.
    pub fn add(&mut self, more: &Self) {
        self.rows = self.rows.saturating_add(more.rows);
        self.bytes_out = self.bytes_out.saturating_add(more.bytes_out);
        self.statements = self.statements.saturating_add(more.statements);
        self.writes = self.writes.saturating_add(more.writes);
    }

    /// Whether there is nothing.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// How much there may be of each; none means any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Of rows that are returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Of bytes of rows and copied data towards the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<u64>,
    /// Of statements that are let pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statements: Option<u64>,
    /// Of rows that are changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes: Option<u64>,
}

impl Limits {
    /// The limit of one kind.
    pub fn of(&self, kind: Kind) -> Option<u64> {
        match kind {
            Kind::Rows => self.rows,
            Kind::BytesOut => self.bytes_out,
            Kind::Statements => self.statements,
            Kind::Writes => self.writes,
        }
    }

    /// Those that there are.
    pub fn each(&self) -> impl Iterator<Item = (Kind, u64)> + use<> {
        let limits = *self;
        let kinds = Kind::ALL.into_iter();
        kinds.filter_map(move |kind| Some((kind, limits.of(kind)?)))
    }
}

/// Units of bytes, greatest first.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// What people are told when a number of bytes cannot be read.
pub const EXPECTED: &str =
    "write a whole number and `B`, `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`, such as \"50MB\"";

/// Reads a number of bytes, such as `50MB`; none if it is not one.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = unit.trim_start();
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*size)
}

/// A number of bytes, in the greatest unit of which it is a whole number.
fn bytes(amount: u64) -> String {
    let mut units = UNITS.iter();
    let fits = |(_, size): &&(&str, u64)| amount >= *size && amount.is_multiple_of(*size);
    match units.find(fits) {
        Some((unit, size)) => format!("{} {unit}", grouped(amount / size)),
        None => format!("{amount} B"),
    }
}

/// A number with its thousands set apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_told() {
        assert_eq!(Kind::Rows.told(10_000), "10,000 rows");
        assert_eq!(Kind::Rows.told(1), "1 row");
        assert_eq!(Kind::BytesOut.told(50_000_000), "50 MB");
        assert_eq!(Kind::BytesOut.told(1 << 20), "1 MiB");
        assert_eq!(Kind::BytesOut.told(1_234_567), "1,234,567 B");
        assert_eq!(Kind::Statements.told(999), "999 statements");
        assert_eq!(Kind::Writes.told(1_000_000), "1,000,000 rows written");
    }

    #[test]
    fn bytes_are_read() {
        assert_eq!(parse_bytes("50MB"), Some(50_000_000));
        assert_eq!(parse_bytes("1 GiB"), Some(1 << 30));
        assert_eq!(parse_bytes("12kB"), Some(12_000));
        for wrong in ["", "50", "MB", "-1MB", "1.5MB", "1mb", "99999999999999GiB"] {
            assert_eq!(parse_bytes(wrong), None, "{wrong}");
        }
    }
}
