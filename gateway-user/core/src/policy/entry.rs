//! What entries of the file have in common, whatever they are of: names that no other one has, spans of time
//! within bounds, numbers of bytes.

use std::collections::HashSet;
use std::time::Duration;

use toml::Spanned;

use super::diagnostic::Diagnostic;
use crate::budget::{EXPECTED, parse_bytes};
use crate::duration;

/// Complains of a name that is missing, or that another one of the `sort` has.
pub(super) fn name<'a>(
    sort: &str,
    name: &'a Spanned<String>,
    taken: &mut HashSet<&'a str>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let text = name.get_ref().as_str();
    if text.is_empty() {
        let message = format!("a {sort} needs a name");
        diagnostics.push(Diagnostic::error(name.span(), message));
    } else if !taken.insert(text) {
        let message = format!("there is another {sort} called `{text}`");
        diagnostics.push(Diagnostic::error(name.span(), message));
    }
}

/// A complaint, and what helps.
type Said = (&'static str, &'static str);

/// Where a span of time has to be.
pub(super) struct Bounds {
    /// Of no time at all.
    pub(super) nothing: Said,
    /// The longest one.
    pub(super) longest: Duration,
    /// Of a longer one.
    pub(super) too_long: Said,
}

impl Bounds {
    /// The span; none where it is out of them or none at all.
    pub(super) fn read(
        &self,
        text: &Spanned<String>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Duration> {
        let complain =
            |message: String, help: &str| Diagnostic::error(text.span(), message).help(help);
        let wrong = match duration::parse(text.get_ref()) {
            None => complain(
                format!("`{}` is no span of time", text.get_ref()),
                duration::EXPECTED,
            ),
            Some(Duration::ZERO) => complain(self.nothing.0.to_owned(), self.nothing.1),
            Some(span) if span > self.longest => {
                complain(self.too_long.0.to_owned(), self.too_long.1)
            }
            Some(span) => return Some(span),
        };
        diagnostics.push(wrong);
        None
    }
}

/// A number of bytes; none if it is not one.
pub(super) fn bytes(text: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> Option<u64> {
    let bytes = parse_bytes(text.get_ref());
    if bytes.is_none() {
        let message = format!("`{}` is no number of bytes", text.get_ref());
        diagnostics.push(Diagnostic::error(text.span(), message).help(EXPECTED));
    }
    bytes
}
