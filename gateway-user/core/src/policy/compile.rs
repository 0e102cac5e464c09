//! From the rules of the file to what `engine` runs through: checked, and resolved for each
//! resource they cover.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use toml::Spanned;

use super::claims::Claims;
use super::demand::{demand, waiting};
use super::diagnostic::{Diagnostic, Level};
use super::during::During;
use super::engine::{Grant, Inventory};
use super::entry;
use super::index::Index;
use super::masks::{self, Applied};
use super::matching::{Condition, Matching, resolve};
use super::model::{Effect, Globs, MaskSpec, Mode, RuleSpec};
use super::pattern::{Pattern, Quantifier, TextPattern, Truth};
use super::review::review;
use super::table::{Rule, Slots, Table, Who};
use super::when::{Parsed, When};
use crate::descriptor::Protocol;
use crate::facts::Fact;
use crate::glob::Glob;
use crate::ids::{GroupName, ResourceName, RuleName, WorkloadName};

/// What came of the rules and masks.
pub(super) struct Compiled {
    pub(super) tables: HashMap<ResourceName, Table>,
    pub(super) masks: HashMap<ResourceName, Vec<Applied>>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// What a rule is for, beside what it matches.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// Sorted; none means any.
    pub(super) resources: Option<Vec<ResourceName>>,
    pub(super) who: Who,
    /// Whether it stops only, whatever it matches.
    pub(super) only_stops: bool,
}

impl Scope {
    fn of(inventory: &Inventory, spec: &RuleSpec, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let RuleSpec {
            workload, group, ..
        } = spec;
        let claims = Claims::read(&inventory.issuers, &spec.issuer, &spec.claims, diagnostics);
        Self {
            who: Who {
                claims,
                ..who(inventory, [workload, group, &None], diagnostics)
            },
            resources: resources(inventory, &spec.resource, diagnostics),
            only_stops: false,
        }
    }
}

/// Those whom globs over workloads, over groups, and over groups that are left out stand for.
pub(super) fn who(
    inventory: &Inventory,
    [workload, group, except]: [&Option<Spanned<Globs>>; 3],
    diagnostics: &mut Vec<Diagnostic>,
) -> Who {
    let workloads = inventory.workloads.iter();
    let named = WorkloadName::as_str;
    let workloads = select(workload, workloads, named, "workload", diagnostics);
    let mut groups = |globs| {
        let known = inventory.groups.iter();
        let groups = select(globs, known, GroupName::as_str, "group", diagnostics);
        groups.map(Vec::into_boxed_slice)
    };
    Who {
        workloads: workloads.map(Vec::into_boxed_slice),
        groups: groups(group),
        except: groups(except).unwrap_or_default(),
        claims: Claims::default(),
    }
}

/// The resources that globs stand for.
pub(super) fn resources(
    inventory: &Inventory,
    globs: &Option<Spanned<Globs>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<ResourceName>> {
    let known = inventory.resources.iter().map(|resource| &resource.name);
    select(globs, known, ResourceName::as_str, "resource", diagnostics)
}

/// Resolves all rules.
pub(super) fn compile(
    inventory: &Inventory,
    rules: &[Spanned<RuleSpec>],
    masks: &[Spanned<MaskSpec>],
) -> Compiled {
    let mut diagnostics = Vec::new();
    let mut tables: HashMap<ResourceName, Table> = inventory
        .resources
        .iter()
        .map(|resource| {
            let slots = Slots::of(resource.protocol.attributes);
            let table = Table {
                mode: resource.mode,
                attributes: resource.protocol.attributes,
                shape: resource.protocol.shape,
                slots,
                denies: Vec::new(),
                approves: Vec::new(),
                allows: Vec::new(),
                index: Default::default(),
            };
            (resource.name.clone(), table)
        })
        .collect();
    let mut names = HashSet::new();
    for rule in rules {
        let spec = rule.get_ref();
        entry::name("rule", &spec.name, &mut names, &mut diagnostics);
        let scope = Scope::of(inventory, spec, &mut diagnostics);
        one(inventory, spec, &scope, &mut tables, &mut diagnostics);
    }
    let read = masks::read(inventory, masks, &mut diagnostics);
    for (spec, scope) in &read.rules {
        if names.contains(spec.name.get_ref().as_str()) {
            let message = format!("there is another rule called `{}`", spec.name.get_ref());
            let help = "the mask has a rule of that name: call the other one differently";
            diagnostics.push(Diagnostic::error(spec.name.span(), message).help(help));
        }
        one(inventory, spec, scope, &mut tables, &mut diagnostics);
    }
    for grant in &inventory.grants {
        if let Some(table) = tables.get_mut(&grant.on) {
            table.allows.extend(granted(inventory, grant));
        }
    }
    for ordinary in &inventory.ordinary {
        let condition = among(inventory, &ordinary.on, ordinary.fact, &ordinary.values);
        let table = tables.get_mut(&ordinary.on);
        let (Some(condition), Some(table)) = (condition, table) else {
            continue;
        };
        for rule in &mut table.allows {
            let mut conditions = rule.conditions.iter();
            if conditions.all(|other| other.slot != condition.slot) {
                let more = std::slice::from_ref(&condition);
                rule.conditions = [&*rule.conditions, more].concat().into();
            }
        }
    }
    for table in tables.values_mut() {
        table.index = [
            Index::of(&table.denies, Quantifier::Any, &table.slots),
            // Those that hold are asked in both ways, of which this leaves more.
            Index::of(&table.approves, Quantifier::Any, &table.slots),
            Index::of(&table.allows, Quantifier::All, &table.slots),
        ];
    }
    if diagnostics.iter().all(|it| it.level == Level::Warning) {
        diagnostics.extend(review(&tables, rules));
    }
    Compiled {
        tables,
        masks: read.masks,
        diagnostics,
    }
}

/// The rule that a grant stands for.
fn granted(inventory: &Inventory, grant: &Grant) -> Option<Rule> {
    let condition = among(inventory, &grant.on, grant.fact, &grant.values)?;
    Some(Rule {
        name: RuleName::new(format!("hosts of {}", grant.of)),
        effect: Effect::Allow,
        mode: Mode::Enforce,
        reason: None,
        who: Who::default(),
        conditions: [condition].into(),
        when: None,
        during: None,
        values: u128::MAX,
        unread: false,
        of: Some(grant.of.clone()),
        demand: None,
        only_stops: false,
    })
}

/// That a fact of a resource's protocol has one of these values.
fn among(
    inventory: &Inventory,
    on: &ResourceName,
    fact: &str,
    values: &[String],
) -> Option<Condition> {
    let mut resources = inventory.resources.iter();
    let attributes = resources.find(|it| it.name == *on)?.protocol.attributes;
    let slot = attributes.iter().position(|it| it.name == fact)?;
    let exact = |value: &String| TextPattern::Glob(Glob::Exact(value.as_str().into()));
    Some(Condition {
        slot,
        scope: attributes.get(slot)?.scope,
        pattern: Pattern::Text(values.iter().map(exact).collect()),
    })
}

/// Resolves a rule once for each protocol and gives it to the resources it covers.
fn one(
    inventory: &Inventory,
    spec: &RuleSpec,
    scope: &Scope,
    tables: &mut HashMap<ResourceName, Table>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let parsed = match spec.when.as_ref().map(Parsed::read).transpose() {
        Ok(parsed) => parsed,
        Err(diagnostic) => {
            diagnostics.push(diagnostic);
            return;
        }
    };

    let demand = demand(spec, &inventory.approvers, diagnostics);
    let during = spec.during.as_ref();
    let during = during.and_then(|tree| During::read(tree, diagnostics));

    let issuer = scope.who.claims.issuer();
    let issuer = inventory.issuers.iter().find(|it| Some(&it.name) == issuer);

    let covered = inventory.resources.iter().filter(|resource| {
        scope
            .resources
            .as_ref()
            .is_none_or(|names| names.binary_search(&resource.name).is_ok())
    });
    let mut by_protocol: HashMap<&str, Option<Rule>> = HashMap::new();
    let mut missing: Vec<(&Protocol, String, Range<usize>)> = Vec::new();
    let mut unwritten: Vec<&str> = Vec::new();
    for resource in covered {
        let protocol = resource.protocol;
        let rule = by_protocol.entry(protocol.name).or_insert_with(|| {
            let matching = spec.matching.as_ref().map(|tree| {
                let mut found = Vec::new();
                let matching = resolve(tree, protocol.attributes, &mut found);
                diagnostics.append(&mut found);
                matching
            });
            let Matching {
                conditions,
                missing: mut absent,
            } = matching.unwrap_or_default();
            let when = parsed.as_ref().map(|parsed| {
                let mut found = Vec::new();
                let when = parsed.resolve(protocol.attributes, issuer, &mut absent, &mut found);
                // What is wrong with it is so for most protocols alike.
                found.retain(|it| !diagnostics.contains(it));
                diagnostics.append(&mut found);
                when
            });
            let known = absent.is_empty();
            if inventory.unwritten.contains(&resource.name) {
                unwritten.push(protocol.name);
            }
            missing.extend(
                absent
                    .into_iter()
                    .map(|(name, span)| (protocol, name, span)),
            );
            known.then(|| {
                let during = during.clone();
                let rule = Rule {
                    during,
                    ..rule(spec, protocol, conditions, when.flatten(), scope)
                };
                waiting(rule, demand.clone(), protocol, spec, diagnostics)
            })
        });
        let is_for_all = spec.resource.is_none() && spec.matching.is_none() && spec.when.is_none();
        let is_meant = !(is_for_all && inventory.unwritten.contains(&resource.name));
        if let (Some(rule), Some(table)) = (rule, tables.get_mut(&resource.name))
            && (is_meant || spec.action == Effect::Deny)
        {
            match rule.effect {
                Effect::Allow => table.allows.push(rule.clone()),
                Effect::Approve => table.approves.push(rule.clone()),
                Effect::Deny => table.denies.push(rule.clone()),
            }
        }
    }
    let usable = by_protocol.values().any(Option::is_some);
    // A rule for any resource is for those that have its facts; only one that names others too is
    // told so.
    if usable && spec.resource.is_none() {
        return;
    }
    // Nobody who writes `*` thinks of a resource that is not in the file.
    missing.retain(|(protocol, _, _)| !(usable && unwritten.contains(&protocol.name)));
    diagnostics.extend(unknown_facts(missing, usable));
}

/// What is said of facts that protocols do not have: once for each place in the file.
fn unknown_facts(missing: Vec<(&Protocol, String, Range<usize>)>, usable: bool) -> Vec<Diagnostic> {
    let mut told: Vec<Diagnostic> = Vec::new();
    for diagnostic in missing.into_iter().map(|it| unknown_fact(it, usable)) {
        let guess = |it: &Diagnostic| {
            let help = it.help.as_deref().unwrap_or_default();
            help.starts_with("did you mean")
        };
        // Of several protocols that do not have a fact, the one with a name like it was meant.
        match told.iter_mut().find(|it| it.span == diagnostic.span) {
            Some(other) if !usable => {
                if guess(&diagnostic) && !guess(other) {
                    *other = diagnostic;
                }
            }
            _ => told.push(diagnostic),
        }
    }
    told
}

fn rule(
    spec: &RuleSpec,
    protocol: &Protocol,
    conditions: Vec<Condition>,
    when: Option<When>,
    scope: &Scope,
) -> Rule {
    let slots = Slots::of(protocol.attributes);
    let unread = conditions.iter().any(|condition| {
        let at_slot = Some(condition.slot) == slots.parsed;
        at_slot
            && condition
                .pattern
                .matches(&Fact::Flag(false), Quantifier::All)
                == Truth::Yes
    });
    Rule {
        name: RuleName::new(spec.name.get_ref().as_str()),
        effect: spec.action,
        mode: spec.mode,
        reason: spec.reason.as_ref().map(|reason| reason.get_ref().clone()),
        who: scope.who.clone(),
        values: values(&conditions, slots),
        conditions: conditions.into(),
        when,
        during: None,
        unread,
        of: None,
        demand: None,
        only_stops: scope.only_stops,
    }
}

/// The verbs that a rule can match, as bits.
fn values(conditions: &[Condition], slots: Slots) -> u128 {
    let Some((slot, values)) = slots.verb.filter(|(_, values)| values.len() <= 128) else {
        return u128::MAX;
    };
    let on_verb = conditions.iter().filter(|condition| condition.slot == slot);
    on_verb.fold(u128::MAX, |bits, condition| {
        let can = |value: &&str| condition.pattern.text(value) != Truth::No;
        let matched = values.iter().enumerate().filter(|(_, value)| can(value));
        bits & matched.fold(0, |bits, (index, _)| bits | 1 << index)
    })
}

/// A fact that a protocol does not have: an error if no resource of the rule has it.
pub(super) fn unknown_fact(
    (protocol, name, span): (&Protocol, String, Range<usize>),
    usable: bool,
) -> Diagnostic {
    let message = format!("`{name}` is no fact of {}", protocol.name);
    let diagnostic = Diagnostic {
        level: if usable { Level::Warning } else { Level::Error },
        ..Diagnostic::error(span, message)
    };
    if usable {
        return diagnostic.help(format!(
            "the rule never matches on resources of {}",
            protocol.name
        ));
    }
    let all = protocol.attributes.iter().map(|attribute| attribute.name);
    if name.contains('.') {
        return diagnostic.suggest(&name, all);
    }
    diagnostic.suggest(
        &name,
        all.map(|full| full.rsplit('.').next().unwrap_or(full)),
    )
}

/// The names that globs stand for, sorted; none if there are no globs, which stands for any.
pub(super) fn select<'a, T: Clone + Ord + 'a>(
    globs: &Option<Spanned<Globs>>,
    known: impl Iterator<Item = &'a T> + Clone,
    text: impl Fn(&T) -> &str,
    what: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<T>> {
    let globs = globs.as_ref()?;
    let mut names = Vec::new();
    if globs.get_ref().0.is_empty() {
        let message = format!("an empty list covers no {what}");
        diagnostics
            .push(Diagnostic::error(globs.span(), message).help("leave it out to cover every one"));
    }
    for source in &globs.get_ref().0 {
        let glob = Glob::new(source.get_ref());
        let before = names.len();
        names.extend(
            known
                .clone()
                .filter(|name| glob.matches(text(name)))
                .cloned(),
        );
        if names.len() == before {
            let message = format!("there is no {what} like `{}`", source.get_ref());
            diagnostics.push(
                Diagnostic::error(source.span(), message)
                    .suggest(source.get_ref(), known.clone().map(&text)),
            );
        }
    }
    names.sort_unstable();
    names.dedup();
    Some(names)
}
