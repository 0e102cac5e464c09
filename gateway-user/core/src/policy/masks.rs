//! From the `[[mask]]` of the file to masks, with the rules that come with them (`mask_rules`).

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;

use super::claims::Claims;
use super::compile::{Scope, resources, who};
use super::demand::sets;
use super::detectors;
use super::diagnostic::Diagnostic;
use super::engine::{Inventory, Resource};
use super::entry;
use super::mask_rules::{PROBED, rules};
use super::model::{Globs, MaskSpec, RuleSpec, Tree};
use super::table::Who;
use crate::glob::Glob;
use crate::held::ApproverSet;
use crate::ids::{MaskName, ResourceName};
use crate::mask::json::Path;
use crate::mask::screen::Part;
use crate::mask::{Bucket, Kind, Mask, Otherwise, Partial, Selector, Within};

/// The kinds of masks.
const KINDS: [&str; 6] = ["full", "partial", "hash", "pseudonym", "null", "bucket"];

/// What people call types that the catalog calls otherwise.
const ALIASES: [(&str, &str); 14] = [
    ("int", "int4"),
    ("integer", "int4"),
    ("bigint", "int8"),
    ("smallint", "int2"),
    ("boolean", "bool"),
    ("real", "float4"),
    ("double precision", "float8"),
    ("decimal", "numeric"),
    ("character varying", "varchar"),
    ("character", "bpchar"),
    ("char", "bpchar"),
    ("timestamp with time zone", "timestamptz"),
    ("timestamp without time zone", "timestamp"),
    ("time with time zone", "timetz"),
];

/// A mask, and whom it is for.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) who: Who,
    /// Who sees the values in what waits for people.
    pub(super) seen_by: Arc<[ApproverSet]>,
    pub(super) mask: Arc<Mask>,
}

/// What came of the masks of the file.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// For each resource, in the order of the file.
    pub(super) masks: HashMap<ResourceName, Vec<Applied>>,
    /// The rules that come with them.
    pub(super) rules: Vec<(RuleSpec, Scope)>,
}

/// Reads all masks. What is wrong with one is told, and the policy does not load.
pub(super) fn read(
    inventory: &Inventory,
    specs: &[Spanned<MaskSpec>],
    diagnostics: &mut Vec<Diagnostic>,
) -> Read {
    let mut read = Read::default();
    let mut names = HashSet::new();
    for spec in specs.iter().map(Spanned::get_ref) {
        name(&spec.name, &mut names, diagnostics);
        let scope = scope(inventory, spec, diagnostics);
        let kind = kind(spec, diagnostics);
        let name = MaskName::new(spec.name.get_ref().as_str());
        let otherwise = otherwise(spec, diagnostics);
        let looks = detectors::looks(inventory, spec, diagnostics);
        let mask = Mask {
            name: name.clone(),
            selector: selector(spec, diagnostics),
            // Not used where something is looked for, nor where it could not be read: then there is
            // no policy.
            kind: kind.clone().unwrap_or(Kind::Full),
            json: json(spec, diagnostics),
            otherwise,
            within: looks.map(|looks| {
                Within::new(Part {
                    mask: name,
                    looks,
                    kind,
                    otherwise,
                })
            }),
        };
        let mask = Arc::new(mask);
        let seen_by = spec.seen_by.as_ref();
        let seen_by = seen_by.map(|names| sets(names, &inventory.approvers, diagnostics));
        let seen_by: Arc<[ApproverSet]> = seen_by.unwrap_or_default().into();
        for resource in scope.resources.iter().flatten() {
            let masks = read.masks.entry(resource.clone()).or_default();
            masks.push(Applied {
                who: scope.who.clone(),
                seen_by: Arc::clone(&seen_by),
                mask: Arc::clone(&mask),
            });
        }
        // What is looked for in all values comes from nowhere: there is nothing to get round.
        let rules = match detectors::is_everywhere(spec) {
            true => Vec::new(),
            false => rules(spec, diagnostics),
        };
        read.rules
            .extend(rules.into_iter().map(|rule| (rule, scope.clone())));
    }
    read
}

fn name<'a>(
    name: &'a Spanned<String>,
    taken: &mut HashSet<&'a str>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let text = name.get_ref().as_str();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.chars().all(fits) {
        entry::name("mask", name, taken, diagnostics);
    } else {
        let message = format!("{text:?} cannot be the name of a mask");
        let help = "use letters, digits, `-`, `_` and `.`: rules match it by patterns";
        diagnostics.push(Diagnostic::error(name.span(), message).help(help));
    }
}

/// Where it applies, and to whom.
fn scope(inventory: &Inventory, spec: &MaskSpec, diagnostics: &mut Vec<Diagnostic>) -> Scope {
    let except_group = &spec.except_group;
    let named = [&spec.workload, &spec.group, except_group];
    let who = Who {
        claims: Claims::read(&inventory.issuers, &spec.issuer, &spec.claims, diagnostics),
        ..who(inventory, named, diagnostics)
    };
    let all_excepted = match &who.groups {
        Some(groups) => {
            !groups.is_empty() && groups.iter().all(|it| who.except.binary_search(it).is_ok())
        }
        None => false,
    };
    if let Some(except) = except_group.as_ref().filter(|_| all_excepted) {
        let message = format!("mask `{}` is for nobody", spec.name.get_ref());
        let help = "every group that it is for is excepted";
        diagnostics.push(Diagnostic::error(except.span(), message).help(help));
    }
    let named = resources(inventory, &spec.resource, diagnostics);
    let is_named = |it: &&Resource| {
        let mut names = named.iter();
        names.all(|names| names.binary_search(&it.name).is_ok())
    };
    let maskable = inventory.resources.iter().filter(|it| can_mask(it));
    let mut meant: Vec<ResourceName> = maskable
        .filter(is_named)
        .map(|it| it.name.clone())
        .collect();
    meant.sort_unstable();
    not_maskable(inventory, spec, diagnostics);
    Scope {
        resources: Some(meant),
        who,
        only_stops: true,
    }
}

fn can_mask(resource: &Resource) -> bool {
    let mut attributes = resource.protocol.attributes.iter();
    attributes.any(|it| it.name == PROBED)
}

/// Complains of resources whose results cannot be masked: of each that is named, and of patterns that mean
/// no others.
fn not_maskable(inventory: &Inventory, spec: &MaskSpec, diagnostics: &mut Vec<Diagnostic>) {
    let Some(globs) = &spec.resource else {
        if !inventory.resources.iter().any(can_mask) {
            let message = "there is no resource whose results can be masked";
            let help = "masks are for resources with `protocol = \"postgres\"`";
            diagnostics.push(Diagnostic::error(spec.name.span(), message).help(help));
        }
        return;
    };
    for source in &globs.get_ref().0 {
        let glob = Glob::new(source.get_ref());
        let meant = || {
            let all = inventory.resources.iter();
            all.filter(|it| glob.matches(it.name.as_str()))
        };
        if let Some(first) = meant().next().filter(|_| !meant().any(can_mask)) {
            let (name, protocol) = (&first.name, first.protocol.name);
            let message = format!("`{name}` speaks {protocol}, whose results cannot be masked");
            let help = "masks are for resources with `protocol = \"postgres\"`";
            diagnostics.push(Diagnostic::error(source.span(), message).help(help));
        }
    }
}

fn selector(spec: &MaskSpec, diagnostics: &mut Vec<Diagnostic>) -> Selector {
    if spec.column.is_none() && spec.ty.is_none() && spec.detector.is_none() {
        let message = format!("mask `{}` names no column", spec.name.get_ref());
        let help =
            "add `column = [\"schema.table.column\"]`, `type = [\"…\"]` or `detector = [\"…\"]`";
        diagnostics.push(Diagnostic::error(spec.name.span(), message).help(help));
    }
    let columns = globs(spec.column.as_ref(), "column", diagnostics, |text| {
        let is_whole = text.contains('*') || text.matches('.').count() >= 2;
        (!is_whole).then(|| {
            let message = format!("`{text}` is no column");
            let help = format!("columns are `schema.table.column`, such as `*.*.{text}`");
            (message, help)
        })
    });
    let types = globs(spec.ty.as_ref(), "type", diagnostics, |text| {
        let mut aliases = ALIASES.iter();
        let (_, name) = aliases.find(|(alias, _)| alias.eq_ignore_ascii_case(text))?;
        let message = format!("the server's catalog has no type `{text}`");
        Some((message, format!("it calls it `{name}`")))
    });
    Selector { columns, types }
}

/// The globs of a list, with what is wrong with each.
fn globs(
    list: Option<&Spanned<Globs>>,
    what: &str,
    diagnostics: &mut Vec<Diagnostic>,
    wrong: impl Fn(&str) -> Option<(String, String)>,
) -> Vec<Glob> {
    let Some(list) = list else {
        return Vec::new();
    };
    if list.get_ref().0.is_empty() {
        let message = format!("an empty list masks no {what}");
        let help = "leave it out to mask whatever the other one means";
        diagnostics.push(Diagnostic::error(list.span(), message).help(help));
    }
    let items = list.get_ref().0.iter();
    items
        .map(|item| {
            if let Some((message, help)) = wrong(item.get_ref()) {
                diagnostics.push(Diagnostic::error(item.span(), message).help(help));
            }
            Glob::new(item.get_ref())
        })
        .collect()
}

fn kind(spec: &MaskSpec, diagnostics: &mut Vec<Diagnostic>) -> Option<Kind> {
    let Some(named) = &spec.kind else {
        detectors::no_kind(spec, &KINDS, diagnostics);
        return None;
    };
    let word = named.get_ref().as_str();
    let only_of = [
        ("keep", &spec.keep, "partial"),
        ("bucket", &spec.bucket, "bucket"),
    ];
    for (what, tree, kind) in only_of {
        if let Some(tree) = tree.as_ref().filter(|_| word != kind) {
            let message = format!("`{what}` is for masks with `kind = \"{kind}\"`");
            diagnostics.push(Diagnostic::error(tree.span(), message));
        }
    }
    let kind = match word {
        "full" => Ok(Kind::Full),
        "hash" => Ok(Kind::Hash),
        "pseudonym" => Ok(Kind::Pseudonym),
        "null" => Ok(Kind::Null),
        "partial" => keep(spec, named).map(Kind::Partial),
        "bucket" => bucket(spec, named).map(Kind::Bucket),
        _ => {
            let message = format!("there is no kind of mask `{word}`");
            Err(Diagnostic::error(named.span(), message).suggest(word, KINDS))
        }
    };
    kind.map_err(|diagnostic| diagnostics.push(diagnostic)).ok()
}

/// What a partial mask keeps.
fn keep(spec: &MaskSpec, kind: &Spanned<String>) -> Result<Partial, Diagnostic> {
    let help = "such as `keep = { first = 1, last = 4 }`, or `keep = \"email\"`";
    let Some(tree) = &spec.keep else {
        let message = "a partial mask says what stays";
        return Err(Diagnostic::error(kind.span(), message).help(help));
    };
    let wrong = |span: Range<usize>, message: &str| Diagnostic::error(span, message).help(help);
    match tree.get_ref() {
        Tree::Text(text) if text == "email" => Ok(Partial::Email),
        Tree::Table(entries) => {
            let (mut first, mut last) = (0, 0);
            for (key, value) in entries {
                let Tree::Number(number) = value.get_ref() else {
                    return Err(wrong(value.span(), "this is no number of characters"));
                };
                let number = usize::try_from(*number)
                    .map_err(|_| wrong(value.span(), "this is no number of characters"))?;
                match key.get_ref().as_str() {
                    "first" => first = number,
                    "last" => last = number,
                    other => {
                        let message = format!("a partial mask keeps no `{other}`");
                        let diagnostic = Diagnostic::error(key.span(), message);
                        return Err(diagnostic.suggest(other, ["first", "last"]));
                    }
                }
            }
            if first == 0 && last == 0 {
                let help = "use `kind = \"full\"` for that";
                let message = "nothing stays of a value";
                return Err(Diagnostic::error(tree.span(), message).help(help));
            }
            Ok(Partial::Ends { first, last })
        }
        _ => Err(wrong(tree.span(), "a partial mask cannot keep this")),
    }
}

/// How coarse a bucket is.
fn bucket(spec: &MaskSpec, kind: &Spanned<String>) -> Result<Bucket, Diagnostic> {
    let help = "`day`, `month` or `year` for dates and times, or a number such as 100 for numbers";
    let Some(tree) = &spec.bucket else {
        let message = "a mask that puts values into buckets says how wide these are";
        return Err(Diagnostic::error(kind.span(), message).help(help));
    };
    match tree.get_ref() {
        Tree::Text(text) if text == "day" => Ok(Bucket::Day),
        Tree::Text(text) if text == "month" => Ok(Bucket::Month),
        Tree::Text(text) if text == "year" => Ok(Bucket::Year),
        Tree::Number(number) => match u64::try_from(*number) {
            Ok(width) if width > 1 => Ok(Bucket::Width(width)),
            _ => {
                let message = "a bucket of numbers is at least 2 wide";
                Err(Diagnostic::error(tree.span(), message))
            }
        },
        _ => Err(Diagnostic::error(tree.span(), "there is no such bucket").help(help)),
    }
}

fn json(spec: &MaskSpec, diagnostics: &mut Vec<Diagnostic>) -> Vec<Path> {
    let Some(list) = &spec.json else {
        return Vec::new();
    };
    if list.get_ref().0.is_empty() {
        let message = "an empty list of paths masks nothing";
        let help = "leave it out to mask values as a whole";
        diagnostics.push(Diagnostic::error(list.span(), message).help(help));
    }
    let mut paths = Vec::new();
    for item in &list.get_ref().0 {
        match Path::parse(item.get_ref()) {
            Ok(path) => paths.push(path),
            Err(error) => {
                let message = format!("`{}` is no path into JSON values", item.get_ref());
                let diagnostic = Diagnostic::error(item.span(), message);
                diagnostics.push(diagnostic.help(error.to_string()));
            }
        }
    }
    paths
}

fn otherwise(spec: &MaskSpec, diagnostics: &mut Vec<Diagnostic>) -> Otherwise {
    let Some(word) = &spec.otherwise else {
        return Otherwise::default();
    };
    match word.get_ref().as_str() {
        "null" => Otherwise::Null,
        "refuse" => Otherwise::Refuse,
        other => {
            let message = format!("a value cannot be masked with `{other}`");
            let diagnostic = Diagnostic::error(word.span(), message);
            diagnostics.push(diagnostic.suggest(other, ["null", "refuse"]));
            Otherwise::Refuse
        }
    }
}
