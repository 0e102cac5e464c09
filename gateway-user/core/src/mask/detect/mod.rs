//! Finds personal data and secrets in texts: `find`.
//!
//! Each detector reads the text once and says where what it knows is. They would rather miss a number than
//! take another for it: checksums, prefixes and boundaries are checked (`number`, `address`, `secret`), and
//! `pattern` is what the configuration looks for. Most texts hold nothing: `sketch` tells so at a glance,
//! and nothing is allocated for them.

mod address;
mod number;
pub mod pattern;
mod secret;
mod sketch;

use std::ops::Range;

use self::pattern::Pattern;
use self::sketch::Sketch;

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
}

impl What {
    /// All of them.
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

    /// How the configuration calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Card => "card",
            Self::Iban => "iban",
            Self::Jwt => "jwt",
            Self::PrivateKey => "private_key",
            Self::ApiKey => "api_key",
            Self::Ip => "ip",
            Self::Phone => "phone",
            Self::Ssn => "ssn",
        }
    }

    /// The one that is called so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.name() == name)
    }

    fn find(self, text: &str) -> Vec<Range<usize>> {
        match self {
            Self::Email => address::emails(text),
            Self::Ip => address::ips(text),
            Self::Card => number::cards(text),
            Self::Iban => number::ibans(text),
            Self::Phone => number::phones(text),
            Self::Ssn => number::ssns(text),
            Self::Jwt => secret::tokens(text),
            Self::PrivateKey => secret::private_keys(text),
            Self::ApiKey => secret::api_keys(text),
        }
    }
}

/// One thing that is looked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Look {
    /// What the gateway knows.
    For(What),
    /// What the configuration says.
    Pattern(Pattern),
    /// What a detector outside the gateway knows; nothing is found by it here.
    Outside,
}

/// Where something is, in bytes of the text, at boundaries of characters; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where.
    pub at: Range<usize>,
    /// By which of what was looked for.
    pub by: usize,
}

/// What is in a text, from its beginning to its end.
pub fn find<'l>(text: &str, looks: impl IntoIterator<Item = &'l Look>) -> Vec<Span> {
    let sketch = Sketch::of(text.as_bytes());
    let mut found = Vec::new();
    for (by, look) in looks.into_iter().enumerate() {
        match look {
            Look::For(what) if sketch.may_have(*what) => {
                let spans = what.find(text).into_iter();
                found.extend(spans.map(|at| Span { at, by }));
            }
            Look::Pattern(pattern) => {
                found.extend(pattern.find(text).map(|at| Span { at, by }));
            }
            Look::For(_) | Look::Outside => {}
        }
    }
    apart(found)
}

/// Spans in order. Where two would overlap, they are one that is by the first.
pub fn apart(mut found: Vec<Span>) -> Vec<Span> {
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

/// Whether bytes may have any of this in them, whatever they are part of: a value, or a row of many.
pub fn may_have<'l>(bytes: &[u8], looks: impl IntoIterator<Item = &'l Look>) -> bool {
    let sketch = Sketch::of(bytes);
    looks.into_iter().any(|look| match look {
        Look::For(what) => sketch.may_have(*what),
        Look::Pattern(_) | Look::Outside => !bytes.is_empty(),
    })
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
