//! From the `match` of a rule to conditions over the slots of one protocol's facts.
//!
//! Everything that can be wrong with a pattern is found here, when the policy is loaded.

use std::ops::{Range, RangeInclusive};

use regex::{Regex, RegexBuilder};
use toml::Spanned;

use super::diagnostic::Diagnostic;
use super::model::Tree;
use super::pattern::{NamePattern, Pattern, TextPattern, Truth};
use crate::facts::{Attribute, Scope, Type};
use crate::glob::Glob;

/// Largest compiled regular expression, in bytes.
pub(super) const MAX_REGEX: usize = 1 << 20;

/// A pattern over one slot.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) slot: usize,
    pub(super) scope: Scope,
    pub(super) pattern: Pattern,
}

/// What came of a `match`.
#[derive(Debug, Default)]
pub(super) struct Matching {
    pub(super) conditions: Vec<Condition>,
    /// Names of facts that the protocol does not have, with their place.
    pub(super) missing: Vec<(String, Range<usize>)>,
}

/// Resolves a `match` against the facts of a protocol.
pub(super) fn resolve(
    tree: &Spanned<Tree>,
    attributes: &[Attribute],
    diagnostics: &mut Vec<Diagnostic>,
) -> Matching {
    let mut matching = Matching::default();
    match tree.get_ref() {
        Tree::Table(entries) => table("", entries, attributes, &mut matching, diagnostics),
        _ => diagnostics.push(
            Diagnostic::error(tree.span(), "`match` must be a table of facts and patterns")
                .help("such as { verb = [\"select\"], table = [\"public.*\"] }"),
        ),
    }
    matching
}

fn table(
    prefix: &str,
    entries: &[(Spanned<String>, Spanned<Tree>)],
    attributes: &[Attribute],
    matching: &mut Matching,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for (key, value) in entries {
        let name = format!("{prefix}{}", key.get_ref());
        let within = format!("{name}.");
        match (slot_of(&name, attributes), value.get_ref()) {
            (Some(slot), _) => {
                let Some(attribute) = attributes.get(slot) else {
                    continue;
                };
                match pattern(value, attribute, diagnostics) {
                    Ok(pattern) => {
                        let scope = attribute.scope;
                        matching.conditions.push(Condition {
                            slot,
                            scope,
                            pattern,
                        });
                    }
                    Err(diagnostic) => diagnostics.push(diagnostic),
                }
            }
            (None, Tree::Table(inner))
                if attributes
                    .iter()
                    .any(|attribute| attribute.name.starts_with(&within)) =>
            {
                table(&within, inner, attributes, matching, diagnostics);
            }
            (None, _) => matching.missing.push((name, key.span())),
        }
    }
}

/// The fact of this name, or of this last part of a name.
pub(super) fn slot_of(name: &str, attributes: &[Attribute]) -> Option<usize> {
    let mut all = attributes.iter();
    let full = all.position(|attribute| attribute.name == name);
    full.or_else(|| short(name, attributes))
}

/// The fact whose name ends so, if it is the only one.
fn short(name: &str, attributes: &[Attribute]) -> Option<usize> {
    let ends = |attribute: &Attribute| {
        attribute
            .name
            .strip_suffix(name)
            .is_some_and(|before| before.ends_with('.'))
    };
    let mut found = attributes
        .iter()
        .enumerate()
        .filter(|(_, attribute)| ends(attribute));
    match (found.next(), found.next()) {
        (Some((slot, _)), None) => Some(slot),
        _ => None,
    }
}

fn pattern(
    value: &Spanned<Tree>,
    attribute: &Attribute,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Pattern, Diagnostic> {
    match value.get_ref() {
        Tree::List(items) if items.is_empty() => Ok(Pattern::Empty),
        Tree::Table(entries) if entries.iter().any(|(key, _)| key.get_ref() == "not") => {
            match entries.as_slice() {
                [(_, inner)] => Ok(Pattern::Not(Box::new(pattern(
                    inner,
                    attribute,
                    diagnostics,
                )?))),
                _ => Err(Diagnostic::error(
                    value.span(),
                    "`not` must stand alone in its table",
                )),
            }
        }
        Tree::List(items) => alternatives(items, attribute, diagnostics),
        _ => alternatives(std::slice::from_ref(value), attribute, diagnostics),
    }
}

/// A value, or a list of which one must match.
fn alternatives(
    items: &[Spanned<Tree>],
    attribute: &Attribute,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Pattern, Diagnostic> {
    match attribute.ty {
        Type::Text | Type::Texts => {
            let patterns = items.iter().map(|item| text(item, attribute, diagnostics));
            Ok(Pattern::Text(patterns.collect::<Result<_, _>>()?))
        }
        Type::Names => {
            let patterns = items.iter().map(|item| name(item, attribute));
            Ok(Pattern::Names(patterns.collect::<Result<_, _>>()?))
        }
        Type::Flag => match items {
            [item] => match item.get_ref() {
                Tree::Flag(flag) => Ok(Pattern::Flag(*flag)),
                _ => Err(wrong_type(item, attribute)),
            },
            [first, ..] => Err(wrong_type(first, attribute)),
            [] => Ok(Pattern::Empty),
        },
        Type::Number => {
            let ranges = items.iter().map(|item| number(item, attribute));
            Ok(Pattern::Number(ranges.collect::<Result<_, _>>()?))
        }
    }
}

fn wrong_type(value: &Spanned<Tree>, attribute: &Attribute) -> Diagnostic {
    let wanted = match attribute.ty {
        Type::Text | Type::Texts => "a string, a list of strings, { regex = \"…\" } or { not = … }",
        Type::Names => {
            "a name such as \"public.orders\", a list of names, { regex = \"…\" } or { not = … }"
        }
        Type::Flag => "true or false",
        Type::Number => "a whole number, a list of them or { min = …, max = … }",
    };
    Diagnostic::error(
        value.span(),
        format!("`{}` cannot be held against this", attribute.name),
    )
    .help(format!("expected {wanted}"))
}

fn text(
    value: &Spanned<Tree>,
    attribute: &Attribute,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<TextPattern, Diagnostic> {
    let pattern = match value.get_ref() {
        Tree::Text(text) => TextPattern::Glob(Glob::new(text)),
        Tree::Table(entries) => TextPattern::Regex(regex(value, entries, attribute)?),
        _ => return Err(wrong_type(value, attribute)),
    };
    let possible = Pattern::Text(vec![pattern.clone()]);
    let never = attribute
        .values
        .iter()
        .all(|value| possible.text(value) == Truth::No);
    if never && !attribute.values.is_empty() {
        let message = format!("no `{}` is ever like this", attribute.name);
        let word = if let Tree::Text(text) = value.get_ref() {
            text
        } else {
            ""
        };
        diagnostics.push(
            Diagnostic::warning(value.span(), message)
                .suggest(word, attribute.values.iter().copied()),
        );
    }
    Ok(pattern)
}

fn name(value: &Spanned<Tree>, attribute: &Attribute) -> Result<NamePattern, Diagnostic> {
    match value.get_ref() {
        Tree::Text(text) => match text.split_once('.') {
            Some((schema, name)) if schema.is_empty() || name.is_empty() => Err(Diagnostic::error(
                value.span(),
                "a name has something on both sides of its dot",
            )
            .help("write `schema.name`, `schema.*`, `*.name` or `name`")),
            Some((schema, name)) => Ok(NamePattern::Parts {
                schema: Glob::new(schema),
                name: Glob::new(name),
            }),
            None if text.is_empty() => Err(Diagnostic::error(value.span(), "a name is not empty")),
            None => Ok(NamePattern::Parts {
                schema: Glob::Any,
                name: Glob::new(text),
            }),
        },
        Tree::Table(entries) => Ok(NamePattern::Regex(regex(value, entries, attribute)?)),
        _ => Err(wrong_type(value, attribute)),
    }
}

fn regex(
    value: &Spanned<Tree>,
    entries: &[(Spanned<String>, Spanned<Tree>)],
    attribute: &Attribute,
) -> Result<Regex, Diagnostic> {
    let [(key, source)] = entries else {
        return Err(wrong_type(value, attribute));
    };
    match (key.get_ref().as_str(), source.get_ref()) {
        ("regex", Tree::Text(text)) => RegexBuilder::new(&format!("^(?:{text})$"))
            .size_limit(MAX_REGEX)
            .build()
            .map_err(|error| {
                let lines = error.to_string();
                let why = lines.lines().last().unwrap_or_default();
                Diagnostic::error(source.span(), "this regular expression cannot be used")
                    .help(why.trim_start_matches("error: "))
            }),
        _ => Err(wrong_type(value, attribute)),
    }
}

fn number(value: &Spanned<Tree>, attribute: &Attribute) -> Result<RangeInclusive<u64>, Diagnostic> {
    let bound = |tree: &Spanned<Tree>| match tree.get_ref() {
        Tree::Number(number) => u64::try_from(*number).map_err(|_| wrong_type(tree, attribute)),
        _ => Err(wrong_type(tree, attribute)),
    };
    let Tree::Table(entries) = value.get_ref() else {
        let number = bound(value)?;
        return Ok(number..=number);
    };
    let (mut min, mut max) = (0, u64::MAX);
    for (key, limit) in entries {
        match key.get_ref().as_str() {
            "min" => min = bound(limit)?,
            "max" => max = bound(limit)?,
            _ => return Err(wrong_type(value, attribute)),
        }
    }
    if entries.is_empty() || min > max {
        return Err(Diagnostic::error(
            value.span(),
            "no number is in this range",
        ));
    }
    Ok(min..=max)
}
