//! What is wrong with a configuration file, for people: file, line, the text itself, what was
//! expected and what may have been meant.
//!
//! Findings are `gateway_core::policy`'s `Diagnostic`s, here as there, so that rules and everything
//! else are shown alike. What is looked for is in `check`.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Group, Level as Shown, Renderer, Snippet};
use gateway_core::policy::diagnostic::{Diagnostic, Level};
use serde::Serialize;

use super::RulePlace;

/// Findings about one file. Shown as plain text by `Display`, in colour by [`Report::styled`].
#[derive(Clone, Debug)]
pub struct Report {
    path: PathBuf,
    source: String,
    findings: Vec<Diagnostic>,
}

/// A finding with its place, for machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `error` or `warning`.
    pub level: &'static str,
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// The bytes of the file that it is about, from 0.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Report {
    /// Findings in the order of the file.
    pub(super) fn new(path: PathBuf, source: &str, mut findings: Vec<Diagnostic>) -> Self {
        findings.sort_by_key(|finding| finding.span.start);
        for finding in &mut findings {
            finding.message = without_secrets(&finding.message);
        }
        Self {
            path,
            source: without_secrets(source),
            findings,
        }
    }

    /// With the escape sequences of a terminal, which `anstream` takes out again where there is
    /// none.
    pub fn styled(&self) -> String {
        self.render(&Renderer::styled())
    }

    /// Only what is about one of these places of the file.
    pub fn about(self, places: &[RulePlace]) -> Self {
        let is_within = |finding: &Diagnostic| {
            let (start, end) = (finding.span.start, finding.span.end);
            let mut extents = places.iter().map(|place| &place.extent);
            extents.any(|extent| extent.start <= start && end <= extent.end)
        };
        let findings = self.findings.into_iter().filter(is_within).collect();
        Self { findings, ..self }
    }

    /// How many findings of a level there are.
    pub fn count(&self, level: Level) -> usize {
        let of_level = |finding: &&Diagnostic| finding.level == level;
        self.findings.iter().filter(of_level).count()
    }

    /// The findings with their places, for machines.
    pub fn findings(&self) -> impl Iterator<Item = Finding> + '_ {
        self.findings.iter().map(|finding| {
            let (line, column) = place(&self.source, finding.span.start);
            Finding {
                level: match finding.level {
                    Level::Error => "error",
                    Level::Warning => "warning",
                },
                file: self.path.clone(),
                line,
                column,
                span: finding.span.clone(),
                message: finding.message.clone(),
                help: finding.help.clone(),
            }
        })
    }

    fn render(&self, renderer: &Renderer) -> String {
        let path = self.path.to_string_lossy();
        let mut text = String::new();
        for finding in &self.findings {
            let level = match finding.level {
                Level::Error => Shown::ERROR,
                Level::Warning => Shown::WARNING,
            };
            let span = shown_span(&self.source, &finding.span);
            let mut group: Group<'_> = level.primary_title(finding.message.as_str()).element(
                Snippet::source(self.source.as_str())
                    .path(path.as_ref())
                    .annotation(AnnotationKind::Primary.span(span)),
            );
            if let Some(help) = &finding.help {
                group = group.element(Shown::HELP.message(help.as_str()));
            }
            text.push_str(&renderer.render(&[group]));
            text.push_str("\n\n");
        }
        text.truncate(text.trim_end().len());
        text
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Renderer::plain()))
    }
}

/// The same text, as long in bytes, with stars for what is secret in addresses of the web: all but
/// the host. A report is shown to operators, but is also logged.
fn without_secrets(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`');
        let (address, next) = after.split_at(after.find(is_end).unwrap_or(after.len()));
        let authority = address.find(['/', '?', '#']).unwrap_or(address.len());
        let host = address.get(..authority).and_then(|it| it.rfind('@'));
        let host = host.map_or(0, |at| at + 1);
        shown.push_str(before);
        shown.push_str("://");
        shown.extend(address.char_indices().flat_map(|(at, letter)| {
            let is_shown = (host..=authority).contains(&at);
            let (letter, times) = match is_shown {
                true => (letter, 1),
                false => ('*', letter.len_utf8()),
            };
            std::iter::repeat_n(letter, times)
        }));
        rest = next;
    }
    shown.push_str(rest);
    shown
}

/// Line and character of a byte of the file, both from 1.
pub fn place(source: &str, byte: usize) -> (usize, usize) {
    let before = source.get(..byte).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The first line of a span: one that covers a whole table would hide what it is about.
fn shown_span(source: &str, span: &Range<usize>) -> Range<usize> {
    let Some(text) = source.get(span.clone()) else {
        return source.len()..source.len();
    };
    let line = text.split('\n').next().unwrap_or_default();
    span.start..span.start + line.trim_end().len()
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn only_hosts_of_addresses_are_shown() {
        for (text, expected) in [
            (
                "url = \"https://a.b/c/dä?e\" # f",
                "url = \"https://a.b/*******\" # f",
            ),
            ("https://u:p@a:1", "https://****a:1"),
            ("`http://a?x` 'b://c#d'", "`http://a?*` 'b://c#*'"),
            ("://", "://"),
            ("plain", "plain"),
        ] {
            assert_eq!(without_secrets(text), expected);
            assert_eq!(text.len(), expected.len());
        }
    }
}
