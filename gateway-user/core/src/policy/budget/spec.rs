//! `[[budget]]` of the configuration file: as serde reads it, and what it is checked to be.

use std::collections::HashSet;
use std::time::Duration;

use toml::Spanned;

use super::{Action, Budget, Per};
use crate::budget::{Kind, Limits};
use crate::descriptor::Shape;
use crate::ids::{BudgetName, GroupName, ResourceName, RuleName, WorkloadName};
use crate::policy::claims::Claims;
use crate::policy::compile::select;
use crate::policy::demand::demand;
use crate::policy::diagnostic::{Diagnostic, Level};
use crate::policy::engine::Inventory;
use crate::policy::entry::{self, Bounds};
use crate::policy::model::{Effect, Globs, Mode, RuleSpec, Tree};

/// The span of time that it is for.
const WINDOW: Bounds = Bounds {
    nothing: (
        "in no time nothing is used",
        "the shortest window is \"1s\"",
    ),
    longest: Duration::from_secs(366 * 24 * 60 * 60),
    too_long: ("a window is a year at most", "write \"366d\" or less"),
};

/// What is said of resources that it cannot be about.
const COUNTED: &str = "budgets are for resources whose statements the gateway reads";

/// A `[[budget]]`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetSpec {
    /// Names it in refusals.
    pub name: Spanned<String>,
    /// Globs over resources; left out, any.
    pub resource: Option<Spanned<Globs>>,
    /// Globs over workloads; left out, any.
    pub workload: Option<Spanned<Globs>>,
    /// Globs over groups; left out, any.
    pub group: Option<Spanned<Globs>>,
    /// By whose tokens those are known whom it is about; left out, by any or none.
    pub issuer: Option<Spanned<String>>,
    /// What these tokens say; left out, anything.
    pub claims: Option<Spanned<Tree>>,
    /// Who has a count of their own.
    pub per: Option<Spanned<Per>>,
    /// The span of time.
    pub window: Spanned<String>,
    /// The limit of rows that are returned.
    pub rows: Option<Spanned<u64>>,
    /// The limit of bytes of rows and copied data towards the agent.
    pub bytes_out: Option<Spanned<String>>,
    /// The limit of statements that are let pass.
    pub statements: Option<Spanned<u64>>,
    /// The limit of rows that are changed.
    pub writes: Option<Spanned<u64>>,
    /// What becomes of what is asked for when it is used up.
    #[serde(default)]
    pub action: Action,
    /// Whether it takes effect.
    #[serde(default)]
    pub mode: Mode,
    /// Why; shown to the agent by a refusal, and to approvers.
    pub reason: Option<Spanned<String>>,
    /// Of a budget that approves: the names of those who must agree.
    pub approvers: Option<Spanned<Vec<Spanned<String>>>>,
    /// Whether they are asked one after the other.
    pub in_order: Option<Spanned<bool>>,
    /// How long an action waits for them.
    pub timeout: Option<Spanned<String>>,
}

/// Checks all budgets; gives those that are good, and what is wrong with the others.
pub fn compile(
    inventory: &Inventory,
    specs: &[Spanned<BudgetSpec>],
) -> (Vec<Budget>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let mut names = HashSet::new();
    let mut budgets = Vec::new();
    for spec in specs.iter().map(Spanned::get_ref) {
        entry::name("budget", &spec.name, &mut names, &mut diagnostics);
        budgets.push(one(inventory, spec, &mut diagnostics));
    }
    (budgets, diagnostics)
}

fn one(inventory: &Inventory, spec: &BudgetSpec, diagnostics: &mut Vec<Diagnostic>) -> Budget {
    let workloads = select(
        &spec.workload,
        inventory.workloads.iter(),
        WorkloadName::as_str,
        "workload",
        diagnostics,
    );
    let groups = select(
        &spec.group,
        inventory.groups.iter(),
        GroupName::as_str,
        "group",
        diagnostics,
    );
    let per = spec.per.as_ref().map_or(Per::default(), |it| *it.get_ref());
    if let (Per::Group, None, Some(place)) = (per, &groups, &spec.per) {
        let message = "a budget for each group says for which";
        let help = "add `group = \"…\"`: who is in none of them is not counted";
        diagnostics.push(Diagnostic::error(place.span(), message).help(help));
    }
    let limits = limits(spec, diagnostics);
    let rule = as_rule(spec);
    Budget {
        name: BudgetName::new(spec.name.get_ref().as_str()),
        rule: RuleName::new(rule.name.get_ref().as_str()),
        resources: framed(inventory, &spec.resource, COUNTED, diagnostics),
        workloads,
        groups,
        claims: Claims::read(&inventory.issuers, &spec.issuer, &spec.claims, diagnostics),
        per,
        // Not used where it could not be read: then there is no policy.
        window: WINDOW
            .read(&spec.window, diagnostics)
            .unwrap_or(WINDOW.longest),
        limits,
        action: spec.action,
        mode: spec.mode,
        reason: spec.reason.as_ref().map(|it| it.get_ref().clone()),
        demand: demand(&rule, &inventory.approvers, diagnostics),
    }
}

/// What it is about: of what nobody looks into, nothing can be counted.
pub(in crate::policy) fn framed(
    inventory: &Inventory,
    globs: &Option<Spanned<Globs>>,
    help: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<ResourceName> {
    let names = inventory.resources.iter().map(|resource| &resource.name);
    let named = select(globs, names, ResourceName::as_str, "resource", diagnostics);
    let mut resources = inventory.resources.iter().collect::<Vec<_>>();
    if let Some(named) = &named {
        resources.retain(|resource| named.binary_search(&resource.name).is_ok());
    }
    let counted = |name: &ResourceName| {
        let mut resources = resources.iter();
        resources.any(|it| it.name == *name && it.protocol.shape == Shape::Framed)
    };
    for name in named.iter().flatten().filter(|name| !counted(name)) {
        let at = globs.as_ref().map_or(0..0, Spanned::span);
        let message = format!("nothing is counted at `{name}`");
        let level = match named.iter().flatten().any(counted) {
            true => Level::Warning,
            false => Level::Error,
        };
        let diagnostic = Diagnostic::error(at, message).help(help);
        diagnostics.push(Diagnostic {
            level,
            ..diagnostic
        });
    }
    let mut names: Vec<ResourceName> = resources
        .iter()
        .filter(|it| it.protocol.shape == Shape::Framed)
        .map(|it| it.name.clone())
        .collect();
    names.sort_unstable();
    names
}

fn limits(spec: &BudgetSpec, diagnostics: &mut Vec<Diagnostic>) -> Limits {
    let mut limits = Limits::default();
    let numbers = [
        (&mut limits.rows, &spec.rows, Kind::Rows),
        (&mut limits.statements, &spec.statements, Kind::Statements),
        (&mut limits.writes, &spec.writes, Kind::Writes),
    ];
    for (limit, number, kind) in numbers {
        *limit = number.as_ref().map(|it| *it.get_ref());
        if let Some(number) = number.as_ref().filter(|it| *it.get_ref() == 0) {
            diagnostics.push(nothing(number.span(), kind));
        }
    }
    if let Some(text) = &spec.bytes_out {
        limits.bytes_out = entry::bytes(text, diagnostics);
        match limits.bytes_out {
            None => return limits,
            Some(0) => diagnostics.push(nothing(text.span(), Kind::BytesOut)),
            Some(_) => {}
        }
    }
    if limits.each().next().is_none() {
        let message = "a budget without a limit limits nothing";
        let help = "add `rows`, `bytes_out`, `statements` or `writes`";
        diagnostics.push(Diagnostic::error(spec.name.span(), message).help(help));
    }
    limits
}

fn nothing(span: std::ops::Range<usize>, kind: Kind) -> Diagnostic {
    let message = format!("a budget of no {} is always used up", kind.name());
    Diagnostic::error(span, message).help("use a rule with `action = \"deny\"` for that")
}

/// The rule that one that is used up acts like.
fn as_rule(spec: &BudgetSpec) -> RuleSpec {
    let name = format!("budget {}", spec.name.get_ref());
    RuleSpec {
        name: Spanned::new(spec.name.span(), name),
        action: match spec.action {
            Action::Deny => Effect::Deny,
            Action::Approve => Effect::Approve,
        },
        resource: None,
        workload: None,
        group: None,
        issuer: None,
        claims: None,
        matching: None,
        when: None,
        during: None,
        mode: spec.mode,
        reason: spec.reason.clone(),
        approvers: spec.approvers.clone(),
        in_order: spec.in_order.clone(),
        timeout: spec.timeout.clone(),
    }
}
