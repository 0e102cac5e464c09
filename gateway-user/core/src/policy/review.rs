//! Rules that load and never take effect, because another one refuses all that they allow.

use std::collections::{BTreeSet, HashMap};

use toml::Spanned;

use super::diagnostic::Diagnostic;
use super::model::{Mode, RuleSpec};
use super::pattern::Pattern;
use super::table::{Rule, Table};
use crate::ids::ResourceName;

/// A warning for each rule that lets pass, at once or after an approval, and is refused wherever it
/// applies.
pub(super) fn review(
    tables: &HashMap<ResourceName, Table>,
    rules: &[Spanned<RuleSpec>],
) -> Vec<Diagnostic> {
    // For each such rule and each resource it is for: the rule that refuses all of it.
    let mut refused_by: HashMap<&str, Vec<Option<&Rule>>> = HashMap::new();
    for table in tables.values() {
        let enforced = table.denies.iter().filter(|it| it.mode == Mode::Enforce);
        let denies: Vec<_> = enforced.map(|rule| (rule, told(rule))).collect();
        for rule in table.openings() {
            let wanted = told(rule);
            let by = denies.iter().find(|(deny, denied)| {
                covers(deny, rule) && decides(deny) && denied.is_subset(&wanted)
            });
            let places = refused_by.entry(rule.name.as_str()).or_default();
            places.push(by.map(|(deny, _)| *deny));
        }
    }
    let names = rules.iter().map(|spec| &spec.get_ref().name);
    names
        .filter_map(|name| {
            let everywhere: Option<Vec<_>> = refused_by
                .get(name.get_ref().as_str())?
                .iter()
                .copied()
                .collect();
            let by = *everywhere?.first()?;
            let what = if by.is_unconditional() {
                "everything, whatever is allowed"
            } else {
                "all that it allows"
            };
            let message = format!("rule `{}` never takes effect", name.get_ref());
            let help = format!("rule `{}` denies {what}", by.name);
            Some(Diagnostic::warning(name.span(), message).help(help))
        })
        .collect()
}

/// The conditions in words that two rules share if they are the same.
fn told(rule: &Rule) -> BTreeSet<String> {
    let conditions = rule.conditions.iter();
    conditions
        .map(|condition| format!("{} {}", condition.slot, condition.pattern))
        .chain(rule.when.iter().map(|when| format!("when {when}")))
        .chain(rule.during.iter().map(|during| format!("during {during}")))
        .collect()
}

/// Whether all that one rule is about is what the other is about.
fn covers(all: &Rule, rule: &Rule) -> bool {
    let (all, some) = (&all.who, &rule.who);
    within(all.workloads.as_deref(), some.workloads.as_deref())
        && within(all.groups.as_deref(), some.groups.as_deref())
        && all.except.is_empty()
        && all.claims.include(&some.claims)
}

fn within<T: Ord>(all: Option<&[T]>, some: Option<&[T]>) -> bool {
    match (all, some) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(all), Some(some)) => some.iter().all(|name| all.binary_search(name).is_ok()),
    }
}

/// Whether it denies wherever an allow rule with the same patterns and more allows. A deny rule with
/// `not` over a list wants a value that is out of it, where an allow rule is content with none.
fn decides(deny: &Rule) -> bool {
    let mut conditions = deny.conditions.iter();
    conditions.all(|condition| !matches!(condition.pattern, Pattern::Not(_)))
}
