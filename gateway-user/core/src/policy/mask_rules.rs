//! The rules that come with a mask: what would get round it is denied, or held, by rules like any other.

use toml::Spanned;

use super::diagnostic::Diagnostic;
use super::model::{Effect, MaskSpec, Mode, RuleSpec, Tree};

/// The fact that tells which masks' columns are compared. Who tells it can mask.
pub(super) const PROBED: &str = "sql.masked_in_predicate";
/// The fact that tells which masks' columns are copied.
const COPIED: &str = "sql.masked_copied";
/// The fact that tells which masks may not hold any more.
const REDEFINED: &str = "sql.masked_redefined";

/// What a mask does to statements that compare its columns, or after which it may not hold.
const EFFECTS: [&str; 3] = ["deny", "approve", "allow"];

/// The rule for what copies values of a mask's columns.
pub(super) fn of_copies(mask: &str) -> String {
    format!("mask {mask}")
}

/// The rule for what compares or sorts by them.
pub(super) fn in_predicates(mask: &str) -> String {
    format!("mask {mask} in predicates")
}

/// The rule for what changes what names mean.
pub(super) fn of_redefinitions(mask: &str) -> String {
    format!("mask {mask} redefined")
}

/// The rules that come with a mask.
pub(super) fn rules(spec: &MaskSpec, diagnostics: &mut Vec<Diagnostic>) -> Vec<RuleSpec> {
    let name = spec.name.get_ref();
    let copied = format!("it would put values that mask {name} hides elsewhere than into a result");
    let probed = format!("it compares or sorts by values that mask {name} hides");
    let redefined = format!(
        "it may change what names in the database mean, and mask {name} could not be kept then"
    );
    let in_predicate = (&spec.masked_in_predicate, "masked_in_predicate");
    let of_definitions = (&spec.masked_redefined, "masked_redefined");
    let chosen = [
        (
            in_predicate,
            rule(spec, in_predicates(name), PROBED, probed),
        ),
        (
            of_definitions,
            rule(spec, of_redefinitions(name), REDEFINED, redefined),
        ),
    ];
    let chosen =
        chosen.map(|((word, what), rule)| (effect(word.as_ref(), what, diagnostics), rule));
    let asks_people = chosen
        .iter()
        .any(|(action, _)| *action == Some(Effect::Approve));
    people(spec, asks_people, diagnostics);
    let chosen = chosen.into_iter().filter_map(|(action, rule)| {
        let action = action?;
        let of_people = action == Effect::Approve;
        Some(RuleSpec {
            action,
            approvers: spec.approvers.clone().filter(|_| of_people),
            in_order: spec.in_order.clone().filter(|_| of_people),
            timeout: spec.timeout.clone().filter(|_| of_people),
            ..rule
        })
    });
    // A rule without people does not load; the mask has said so already.
    let chosen = chosen.filter(|rule| rule.action != Effect::Approve || rule.approvers.is_some());
    std::iter::once(rule(spec, of_copies(name), COPIED, copied))
        .chain(chosen)
        .collect()
}

/// Complains of people who decide nothing, and of nobody who decides.
fn people(spec: &MaskSpec, asks_people: bool, diagnostics: &mut Vec<Diagnostic>) {
    let name = spec.name.get_ref();
    if asks_people && spec.approvers.is_none() {
        let message = format!("mask `{name}` does not say who approves");
        let help = "add `approvers = [\"…\"]`, the names of [[approvers]]";
        diagnostics.push(Diagnostic::error(spec.name.span(), message).help(help));
    }
    if asks_people {
        return;
    }
    let people = [
        ("approvers", spec.approvers.as_ref().map(Spanned::span)),
        ("in_order", spec.in_order.as_ref().map(Spanned::span)),
        ("timeout", spec.timeout.as_ref().map(Spanned::span)),
    ];
    for (what, span) in people {
        if let Some(span) = span {
            let message = format!(
                "`{what}` is for masks with `masked_in_predicate` or `masked_redefined = \"approve\"`"
            );
            diagnostics.push(Diagnostic::error(span, message));
        }
    }
}

/// What is done with statements of one kind; none if they pass.
fn effect(
    word: Option<&Spanned<String>>,
    what: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Effect> {
    let Some(word) = word else {
        return Some(Effect::Deny);
    };
    match word.get_ref().as_str() {
        "deny" => Some(Effect::Deny),
        "approve" => Some(Effect::Approve),
        "allow" => None,
        other => {
            let message = format!("`{what}` cannot be `{other}`");
            let diagnostic = Diagnostic::error(word.span(), message);
            diagnostics.push(diagnostic.suggest(other, EFFECTS));
            Some(Effect::Deny)
        }
    }
}

/// A rule that denies what does this with the mask's columns. Where it applies is told by the mask.
fn rule(spec: &MaskSpec, name: String, fact: &str, reason: String) -> RuleSpec {
    let span = spec.name.span();
    let reason = match &spec.reason {
        Some(why) => format!("{reason}: {}", why.get_ref()),
        None => reason,
    };
    let mask = Spanned::new(span.clone(), Tree::Text(spec.name.get_ref().clone()));
    let pattern = Spanned::new(span.clone(), Tree::List(vec![mask]));
    let fact = Spanned::new(span.clone(), fact.to_owned());
    RuleSpec {
        name: Spanned::new(span.clone(), name),
        action: Effect::Deny,
        resource: None,
        workload: None,
        group: None,
        issuer: None,
        claims: None,
        matching: Some(Spanned::new(
            span.clone(),
            Tree::Table(vec![(fact, pattern)]),
        )),
        when: None,
        during: None,
        mode: Mode::Enforce,
        reason: Some(Spanned::new(span, reason)),
        approvers: None,
        in_order: None,
        timeout: None,
    }
}
