//! `[[limit]]` of the configuration file: as serde reads it, and what it is checked to be.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use super::Limit;
use crate::ids::{LimitName, ResourceName, RuleName};
use crate::policy::budget::framed;
use crate::policy::claims::Claims;
use crate::policy::compile::{unknown_fact, who};
use crate::policy::diagnostic::{Diagnostic, Level};
use crate::policy::engine::Inventory;
use crate::policy::entry::{self, Bounds};
use crate::policy::matching::{Condition, Matching, resolve};
use crate::policy::model::{Globs, Mode, Tree};
use crate::policy::table::Who;

/// How long a statement may be given: as long as a person would wait.
const TIME: Bounds = Bounds {
    nothing: ("nothing runs in no time", "the shortest time is \"1s\""),
    longest: Duration::from_secs(24 * 60 * 60),
    too_long: (
        "a statement may be given a day at most",
        "write \"24h\" or less, or leave it out",
    ),
};

/// A `[[limit]]`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSpec {
    /// Names it to agents and in logs.
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
    /// Patterns over facts; left out, everything.
    #[serde(rename = "match")]
    pub matching: Option<Spanned<Tree>>,
    /// Rows that may be returned.
    pub rows: Option<Spanned<u64>>,
    /// Bytes of rows and copied data.
    pub bytes: Option<Spanned<String>>,
    /// How long it may run.
    pub time: Option<Spanned<String>>,
    /// Whether it takes effect.
    #[serde(default)]
    pub mode: Mode,
    /// Why; shown to the agent.
    pub reason: Option<Spanned<String>>,
}

/// Checks all limits; gives those that are good, and what is wrong with the others.
pub fn compile(
    inventory: &Inventory,
    specs: &[Spanned<LimitSpec>],
) -> (Vec<Limit>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let mut names = HashSet::new();
    let mut limits = Vec::new();
    for spec in specs.iter().map(Spanned::get_ref) {
        entry::name("limit", &spec.name, &mut names, &mut diagnostics);
        limits.push(one(inventory, spec, &mut diagnostics));
    }
    (limits, diagnostics)
}

fn one(inventory: &Inventory, spec: &LimitSpec, diagnostics: &mut Vec<Diagnostic>) -> Limit {
    let name = spec.name.get_ref();
    let limit = Limit {
        name: LimitName::new(name.as_str()),
        rule: RuleName::new(format!("limit {name}")),
        resources: resources(inventory, spec, diagnostics),
        who: Who {
            claims: Claims::read(&inventory.issuers, &spec.issuer, &spec.claims, diagnostics),
            ..who(inventory, [&spec.workload, &spec.group, &None], diagnostics)
        },
        rows: spec.rows.as_ref().map(|it| *it.get_ref()),
        bytes: spec
            .bytes
            .as_ref()
            .and_then(|it| entry::bytes(it, diagnostics)),
        time: spec.time.as_ref().and_then(|it| TIME.read(it, diagnostics)),
        mode: spec.mode,
        reason: spec.reason.as_ref().map(|it| it.get_ref().clone()),
    };
    if spec.rows.is_none() && spec.bytes.is_none() && spec.time.is_none() {
        let message = "a limit of nothing limits nothing";
        let help = "add `rows`, `bytes` or `time`";
        diagnostics.push(Diagnostic::error(spec.name.span(), message).help(help));
    }
    limit
}

/// The resources that it is about, with what it matches there.
fn resources(
    inventory: &Inventory,
    spec: &LimitSpec,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(ResourceName, Arc<[Condition]>)> {
    let help = "limits are for resources whose statements the gateway reads";
    let names = framed(inventory, &spec.resource, help, diagnostics);
    let covered = inventory.resources.iter();
    let covered = covered.filter(|it| names.binary_search(&it.name).is_ok());
    let mut by_protocol: HashMap<&str, Arc<[Condition]>> = HashMap::new();
    let mut resources = Vec::new();
    for resource in covered {
        let protocol = resource.protocol;
        let conditions = by_protocol.entry(protocol.name).or_insert_with(|| {
            let Some(tree) = &spec.matching else {
                return Arc::new([]);
            };
            let Matching {
                conditions,
                missing,
            } = resolve(tree, protocol.attributes, diagnostics);
            let unknown = missing.into_iter();
            let unknown = unknown.map(|(name, at)| unknown_fact((protocol, name, at), false));
            diagnostics.extend(unknown);
            conditions.into()
        });
        resources.push((resource.name.clone(), Arc::clone(conditions)));
    }
    resources.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    if resources.is_empty() && diagnostics.iter().all(|it| it.level == Level::Warning) {
        let message = "there is no resource that this limit could be for";
        diagnostics.push(Diagnostic::error(spec.name.span(), message).help(help));
    }
    resources
}
