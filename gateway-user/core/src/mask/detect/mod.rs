//! Finds personal data and secrets in texts: `find`.
//!
//! Each detector reads the text once and says where what it knows is. They would rather miss a number than
//! take another for it: checksums, prefixes and boundaries are checked (`number`, `address`, `secret`).

mod address;
mod number;
mod secret;

use std::ops::Range;

use regex::Regex;

/// What is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    /// An e-mail address.
    Email,
    /// A payment card's number.
    Card,
    /// A bank account's number (ISO 13616).
    Iban,
    /// A signed token (RFC 7519).
    Jwt,
    /// A private key (RFC 7468), as far as it goes.
    PrivateKey,
    /// A key of a cloud or vendor.
    ApiKey,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A phone number.
    Phone,
    /// A social security number of the United States.
    Ssn,
    /// What a pattern of the configuration finds.
    Pattern,
}

impl What {
    /// All that need no pattern.
    pub const ALL: [Self; 9] = [
        Self::Email,
        Self::Card,
        Self::Iban,
        Self::Jwt,
        Self::PrivateKey,
        Self::ApiKey,
        Self::Ip,
        Self::Phone,
        Self::Ssn,
    ];
}

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct Detectors {
    /// These; patterns beside them.
    pub what: Vec<What>,
    /// Each of these.
    pub patterns: Vec<Regex>,
}

/// Where something is, in bytes of the text, at boundaries of characters; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where.
    pub at: Range<usize>,
    /// What.
    pub what: What,
}

/// What is in a text, from its beginning to its end. Where two would overlap, they are one span that says
/// of the first what it is.
pub fn find(text: &str, which: &Detectors) -> Vec<Span> {
    let mut found = Vec::new();
    for what in &which.what {
        let spans = match what {
            What::Email => address::emails(text),
            What::Ip => address::ips(text),
            What::Card => number::cards(text),
            What::Iban => number::ibans(text),
            What::Phone => number::phones(text),
            What::Ssn => number::ssns(text),
            What::Jwt => secret::tokens(text),
            What::PrivateKey => secret::private_keys(text),
            What::ApiKey => secret::api_keys(text),
            What::Pattern => Vec::new(),
        };
        found.extend(spans.into_iter().map(|at| Span { at, what: *what }));
    }
    for pattern in &which.patterns {
        let spans = pattern.find_iter(text).map(|found| found.range());
        let whole = spans.filter(|at| !at.is_empty());
        found.extend(whole.map(|at| Span {
            at,
            what: What::Pattern,
        }));
    }
    found.sort_by_key(|span| (span.at.start, std::cmp::Reverse(span.at.end)));
    let mut apart: Vec<Span> = Vec::with_capacity(found.len());
    for span in found {
        match apart.last_mut() {
            Some(last) if span.at.start < last.at.end => {
                last.at.end = last.at.end.max(span.at.end);
            }
            _ => apart.push(span),
        }
    }
    apart
}

/// Runs of characters that fit, each as long as it can be.
fn runs<'t>(
    text: &'t str,
    fits: impl Fn(char) -> bool + 't,
) -> impl Iterator<Item = (usize, &'t str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let start = at + rest.find(&fits)?;
        let rest = text.get(start..)?;
        let len = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        at = start + len;
        Some((start, rest.get(..len)?))
    })
}

/// The run without such characters at its ends, and where that begins.
fn trim(start: usize, run: &str, odd: impl Fn(char) -> bool) -> (usize, &str) {
    let trimmed = run.trim_start_matches(&odd);
    let start = start + (run.len() - trimmed.len());
    (start, trimmed.trim_end_matches(&odd))
}

/// Whether a letter, digit or the like is right before this place.
fn is_inside(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    before.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// Whether one is right behind it.
fn goes_on(text: &str, at: usize) -> bool {
    let behind = text.get(at..).and_then(|behind| behind.chars().next());
    behind.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests;
