//! From the `detector` of a `[[mask]]` to what is looked for.

use toml::Spanned;

use super::diagnostic::Diagnostic;
use super::engine::Inventory;
use super::model::{MaskSpec, Tree};
use crate::mask::detect::pattern::Pattern;
use crate::mask::detect::{Look, What};

/// What a mask looks for, each with its name; none for masks of whole values.
pub(super) fn looks(
    inventory: &Inventory,
    spec: &MaskSpec,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<(Box<str>, Look)>> {
    let tree = spec.detector.as_ref()?;
    let one = std::slice::from_ref(tree);
    let items = match tree.get_ref() {
        Tree::List(items) => items,
        _ => one,
    };
    if items.is_empty() {
        let help = format!("known are: {}", names(inventory).join(", "));
        let diagnostic = Diagnostic::error(tree.span(), "an empty list detects nothing");
        diagnostics.push(diagnostic.help(help));
    }
    let mut looks: Vec<(Box<str>, Look)> = Vec::new();
    for item in items {
        match look(inventory, item) {
            Ok((name, _)) if looks.iter().any(|(taken, _)| *taken == name) => {
                let message = format!("`{name}` is there already");
                diagnostics.push(Diagnostic::error(item.span(), message));
            }
            Ok(look) => looks.push(look),
            Err(diagnostic) => diagnostics.push(diagnostic),
        }
    }
    only_of_columns(spec, diagnostics);
    Some(looks)
}

/// Whether a mask is for what is found in any value, and not for columns.
pub(super) fn is_everywhere(spec: &MaskSpec) -> bool {
    spec.detector.is_some() && spec.column.is_none() && spec.ty.is_none()
}

/// All names there are.
fn names(inventory: &Inventory) -> Vec<&str> {
    let own = inventory.detectors.iter().map(|name| name.as_str());
    What::ALL
        .iter()
        .map(|what| what.name())
        .chain(own)
        .collect()
}

fn look(inventory: &Inventory, item: &Spanned<Tree>) -> Result<(Box<str>, Look), Diagnostic> {
    match item.get_ref() {
        Tree::Text(name) => {
            let outside = || {
                let mut own = inventory.detectors.iter();
                own.any(|it| it.as_str() == name).then_some(Look::Outside)
            };
            let known = What::named(name).map(Look::For).or_else(outside);
            let look = known.ok_or_else(|| {
                let message = format!("there is no detector `{name}`");
                Diagnostic::error(item.span(), message).suggest(name, names(inventory))
            })?;
            Ok((name.as_str().into(), look))
        }
        Tree::Table(entries) => pattern(inventory, item, entries),
        _ => {
            let message = "this is no detector";
            let help = "a name such as `\"email\"`, or `{ name = \"…\", regex = '…' }`";
            Err(Diagnostic::error(item.span(), message).help(help))
        }
    }
}

/// A pattern of one's own.
fn pattern(
    inventory: &Inventory,
    item: &Spanned<Tree>,
    entries: &[(Spanned<String>, Spanned<Tree>)],
) -> Result<(Box<str>, Look), Diagnostic> {
    let (mut name, mut regex, mut context) = (None, None, Vec::new());
    for (key, value) in entries {
        let word = key.get_ref().as_str();
        match (word, value.get_ref()) {
            ("name", Tree::Text(text)) => name = Some((text, value)),
            ("regex", Tree::Text(text)) => regex = Some((text, value)),
            ("context", tree) => context = words(tree, value)?,
            ("name" | "regex", _) => {
                let message = format!("`{word}` is a text");
                return Err(Diagnostic::error(value.span(), message));
            }
            _ => {
                let message = format!("a pattern has no `{word}`");
                let diagnostic = Diagnostic::error(key.span(), message);
                return Err(diagnostic.suggest(word, ["name", "regex", "context"]));
            }
        }
    }
    let missing = |what: &str| {
        let message = format!("a pattern needs a `{what}`");
        Diagnostic::error(item.span(), message)
    };
    let (name, place) = name.ok_or_else(|| missing("name"))?;
    let (regex, source) = regex.ok_or_else(|| missing("regex"))?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(fits) {
        let message = format!("{name:?} cannot be the name of a pattern");
        let help = "use letters, digits, `-`, `_` and `.`: recordings count what it finds by it";
        return Err(Diagnostic::error(place.span(), message).help(help));
    }
    if names(inventory).contains(&name.as_str()) {
        let message = format!("there is another detector called `{name}`");
        return Err(Diagnostic::error(place.span(), message));
    }
    let pattern = Pattern::new(regex, &context).map_err(|error| {
        let message = "this is no regular expression that can be used";
        let why = error.lines().last().unwrap_or_default();
        Diagnostic::error(source.span(), message).help(why.trim_start_matches("error: "))
    })?;
    if pattern.matches_nothing() {
        let message = "this finds something in an empty text";
        let help = "it would find nothing anywhere: let it need a character at least";
        return Err(Diagnostic::error(source.span(), message).help(help));
    }
    Ok((name.as_str().into(), Look::Pattern(pattern)))
}

fn words<'t>(tree: &'t Tree, value: &Spanned<Tree>) -> Result<Vec<&'t str>, Diagnostic> {
    let wrong = || {
        let message = "`context` is a word, or a list of words, of which one is near";
        Diagnostic::error(value.span(), message)
    };
    let word = |tree: &'t Tree| match tree {
        Tree::Text(text) if !text.trim().is_empty() => Ok(text.as_str()),
        _ => Err(wrong()),
    };
    match tree {
        Tree::List(items) if !items.is_empty() => {
            items.iter().map(|item| word(item.get_ref())).collect()
        }
        one => Ok(vec![word(one)?]),
    }
}

/// Complains of a mask that does not say its kind, and of what belongs to one.
pub(super) fn no_kind(spec: &MaskSpec, kinds: &[&str], diagnostics: &mut Vec<Diagnostic>) {
    if spec.detector.is_none() {
        let message = format!("mask `{}` does not say its kind", spec.name.get_ref());
        let help = format!("add `kind = \"…\"`, one of: {}", kinds.join(", "));
        diagnostics.push(Diagnostic::error(spec.name.span(), message).help(help));
    }
    for (what, tree) in [("keep", &spec.keep), ("bucket", &spec.bucket)] {
        if let Some(tree) = tree {
            let message = format!("`{what}` is for masks that say their kind");
            diagnostics.push(Diagnostic::error(tree.span(), message));
        }
    }
}

/// Complains of what has no meaning where something is looked for.
fn only_of_columns(spec: &MaskSpec, diagnostics: &mut Vec<Diagnostic>) {
    if let Some(json) = &spec.json {
        let message = "`json` is for masks without `detector`";
        let help = "what is found is masked in JSON values wherever it is";
        diagnostics.push(Diagnostic::error(json.span(), message).help(help));
    }
    if spec
        .kind
        .as_ref()
        .is_some_and(|kind| kind.get_ref() == "bucket")
    {
        let message = "what detectors find cannot be put into buckets";
        let span = spec.kind.as_ref().map(Spanned::span).unwrap_or_default();
        diagnostics.push(Diagnostic::error(span, message));
    }
    if !is_everywhere(spec) {
        return;
    }
    let of_columns = [
        (
            "masked_in_predicate",
            spec.masked_in_predicate.as_ref().map(Spanned::span),
        ),
        (
            "masked_redefined",
            spec.masked_redefined.as_ref().map(Spanned::span),
        ),
        ("reason", spec.reason.as_ref().map(Spanned::span)),
        ("seen_by", spec.seen_by.as_ref().map(Spanned::span)),
        ("approvers", spec.approvers.as_ref().map(Spanned::span)),
        ("in_order", spec.in_order.as_ref().map(Spanned::span)),
        ("timeout", spec.timeout.as_ref().map(Spanned::span)),
    ];
    for (what, span) in of_columns {
        if let Some(span) = span {
            let message = format!("`{what}` is for masks that name columns");
            let help = "a mask with `detector` alone refuses no statement: it looks at values";
            diagnostics.push(Diagnostic::error(span, message).help(help));
        }
    }
}
