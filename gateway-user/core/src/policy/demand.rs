//! What a rule that holds wants: from the words of the file to a `Demand`.

use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use super::diagnostic::Diagnostic;
use super::entry::Bounds;
use super::model::{Effect, RuleSpec};
use super::table::Rule;
use crate::descriptor::{Protocol, Shape};
use crate::held::{ApproverSet, Demand};
use crate::ids::RuleName;

/// How long an action waits where the rule does not say.
const TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// How long one may wait: no client's connection lasts longer in good order.
const WAIT: Bounds = Bounds {
    nothing: (
        "an action that waits for no time is refused",
        "use `action = \"deny\"` for that",
    ),
    longest: Duration::from_secs(24 * 60 * 60),
    too_long: (
        "an action waits 24 hours at most",
        "who comes later than that can still approve it for the next try",
    ),
};

/// The demand of a rule that holds; of others, complaints about what only those have.
pub(super) fn demand(
    spec: &RuleSpec,
    known: &[ApproverSet],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Arc<Demand>> {
    if spec.action != Effect::Approve {
        let spans = [
            (
                "approvers",
                spec.approvers.as_ref().map(toml::Spanned::span),
            ),
            ("in_order", spec.in_order.as_ref().map(toml::Spanned::span)),
            ("timeout", spec.timeout.as_ref().map(toml::Spanned::span)),
        ];
        for (what, span) in spans {
            if let Some(span) = span {
                let message = format!("`{what}` is for rules with `action = \"approve\"`");
                diagnostics.push(Diagnostic::error(span, message));
            }
        }
        return None;
    }
    let Some(names) = &spec.approvers else {
        let message = "a rule that approves says by whom";
        let help = "add `approvers = [\"…\"]`, the names of [[approvers]]";
        diagnostics.push(Diagnostic::error(spec.name.span(), message).help(help));
        return None;
    };
    if names.get_ref().is_empty() {
        let message = "an empty list of approvers approves nothing";
        diagnostics.push(Diagnostic::error(names.span(), message));
    }
    let timeout = spec.timeout.as_ref();
    let timeout = timeout.and_then(|text| WAIT.read(text, diagnostics));
    Some(Arc::new(Demand {
        rule: RuleName::new(spec.name.get_ref().as_str()),
        reason: spec.reason.as_ref().map(|it| it.get_ref().clone()),
        approvers: sets(names, known, diagnostics),
        in_order: spec.in_order.as_ref().is_some_and(|it| *it.get_ref()),
        timeout: timeout.unwrap_or(TIMEOUT),
    }))
}

/// The sets of approvers with these names.
pub(super) fn sets(
    names: &Spanned<Vec<Spanned<String>>>,
    known: &[ApproverSet],
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<ApproverSet> {
    let mut approvers: Vec<ApproverSet> = Vec::new();
    for name in names.get_ref() {
        let text = name.get_ref();
        if approvers.iter().any(|set| set.name == *text) {
            let message = format!("`{text}` is named twice");
            diagnostics.push(Diagnostic::error(name.span(), message));
        } else if let Some(set) = known.iter().find(|set| set.name == *text) {
            approvers.push(set.clone());
        } else {
            let message = format!("there are no [[approvers]] named `{text}`");
            let names = known.iter().map(|set| set.name.as_str());
            diagnostics.push(Diagnostic::error(name.span(), message).suggest(text, names));
        }
    }
    approvers
}

/// A rule that holds, as it is for a protocol. One whose actions cannot wait is denied there: fails
/// closed, because whoever wrote the rule did not want it to pass unseen.
pub(super) fn waiting(
    mut rule: Rule,
    demand: Option<Arc<Demand>>,
    protocol: &Protocol,
    spec: &RuleSpec,
    diagnostics: &mut Vec<Diagnostic>,
) -> Rule {
    if rule.effect != Effect::Approve {
        return rule;
    }
    if matches!(protocol.shape, Shape::Framed | Shape::Stream) {
        return Rule { demand, ..rule };
    }
    if spec.resource.is_some() {
        let message = format!(
            "what is asked of {} cannot wait for an approval",
            protocol.name
        );
        let help = "the rule denies it there";
        diagnostics.push(Diagnostic::warning(spec.name.span(), message).help(help));
    }
    rule.effect = Effect::Deny;
    let why = "it would need an approval, and cannot wait for one";
    rule.reason.get_or_insert_with(|| why.to_owned());
    rule
}
