//! `MaskExplanation`: a mask that is in force for who asks, as far as the policy alone knows.
//!
//! Which columns there are and which results have their values is told by a database's catalog, which the
//! policy does not have. So nothing here says that something is *not* masked.

use std::collections::BTreeSet;

use serde::Serialize;

use super::UnitExplanation;
use crate::event::Value;
use crate::facts::{Name, Schema};
use crate::glob::Glob;
use crate::ids::{MaskName, RuleName};
use crate::mask::{Bucket, Kind, Mask, MaskSet, Otherwise, Partial};
use crate::policy::mask_rules::{in_predicates, of_copies, of_redefinitions};
use crate::policy::model::Effect;

/// The fact that tells the tables of a statement.
const TABLES: &str = "sql.table";

/// A mask that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MaskExplanation {
    /// The mask.
    pub mask: MaskName,
    /// Globs over the columns that it is for; empty means columns of any name.
    pub columns: Vec<String>,
    /// Globs over the types that it is for; empty means any.
    pub types: Vec<String>,
    /// What is looked for, of which alone values are masked; empty, the whole. Without columns and types it is
    /// looked for in all values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub detectors: Vec<String>,
    /// How values are changed, such as `partial, email`.
    pub kind: String,
    /// Of JSON values only what is at these paths; empty, the whole.
    pub json: Vec<String>,
    /// What becomes of values that the kind does not go with.
    pub otherwise: &'static str,
    /// Which of the tables that are named may have such columns; none where the tables are not known.
    pub tables: Option<BTreeSet<String>>,
    /// The rules that come with it, with what each does to what gets round the mask.
    pub rules: Vec<MaskRule>,
}

/// A rule that comes with a mask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MaskRule {
    /// The rule.
    pub rule: RuleName,
    /// What it does where it holds.
    pub action: Effect,
    /// What it is for: `copied` values, values `in_predicate`, or names that are `redefined`.
    pub of: &'static str,
}

/// The masks in the order in which they count.
pub(super) fn explain(set: &MaskSet, units: &[UnitExplanation]) -> Vec<MaskExplanation> {
    let tables = tables(units);
    let masks = set.masks().iter();
    masks
        .map(|mask| MaskExplanation {
            mask: mask.name.clone(),
            columns: written(&mask.selector.columns),
            types: written(&mask.selector.types),
            detectors: detectors(mask),
            kind: match &mask.within {
                Some(within) => match &within.part.kind {
                    Some(it) => kind(it),
                    None => "what suits each".to_owned(),
                },
                None => kind(&mask.kind),
            },
            json: mask.json.iter().map(ToString::to_string).collect(),
            otherwise: match mask.otherwise {
                Otherwise::Null => "null",
                Otherwise::Refuse => "refuse",
            },
            tables: tables.as_ref().map(|tables| {
                let about = tables.iter().filter(|table| may_mask(mask, table));
                about.map(ToString::to_string).collect()
            }),
            rules: rules(mask, units),
        })
        .collect()
}

/// The tables that are named; none if they are not known.
fn tables(units: &[UnitExplanation]) -> Option<BTreeSet<Name>> {
    let mut tables = BTreeSet::new();
    for unit in units {
        match unit.facts.get(TABLES) {
            None => {}
            Some(Value::Texts(names)) => tables.extend(names.iter().map(|name| Name::read(name))),
            Some(_) => return None,
        }
    }
    Some(tables)
}

/// Whether a column of the table may be meant.
fn may_mask(mask: &Mask, table: &Name) -> bool {
    let schema = match &table.schema {
        Schema::In(schema) => &**schema,
        Schema::OneOf(_) | Schema::Any => "*",
    };
    if !mask.selector.says_something() {
        return false;
    }
    let columns = Glob::new(&format!("{schema}.{}.*", table.name));
    let mut globs = mask.selector.columns.iter();
    mask.selector.columns.is_empty() || globs.any(|glob| glob.overlaps(&columns))
}

/// The rules that come with a mask, of those that were held against what is explained.
fn rules(mask: &Mask, units: &[UnitExplanation]) -> Vec<MaskRule> {
    let names = [
        (of_copies(mask.name.as_str()), "copied"),
        (in_predicates(mask.name.as_str()), "in_predicate"),
        (of_redefinitions(mask.name.as_str()), "redefined"),
    ];
    let considered = units.first().map(|unit| unit.rules.as_slice());
    let considered = considered.unwrap_or_default();
    let rules = names.into_iter().filter_map(|(name, of)| {
        let rule = considered.iter().find(|it| it.rule.as_str() == name)?;
        Some(MaskRule {
            rule: rule.rule.clone(),
            action: rule.action,
            of,
        })
    });
    rules.collect()
}

fn detectors(mask: &Mask) -> Vec<String> {
    let looks = mask.within.iter().flat_map(|within| &within.part.looks);
    looks.map(|(name, _)| name.to_string()).collect()
}

fn written(globs: &[Glob]) -> Vec<String> {
    globs.iter().map(ToString::to_string).collect()
}

/// How values are changed, in the words of the file.
fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Full => "full".to_owned(),
        Kind::Hash => "hash".to_owned(),
        Kind::Pseudonym => "pseudonym".to_owned(),
        Kind::Null => "null".to_owned(),
        Kind::Partial(Partial::Email) => "partial, email".to_owned(),
        Kind::Partial(Partial::Ends { first, last }) => {
            format!("partial, first {first} and last {last}")
        }
        Kind::Bucket(Bucket::Day) => "bucket, day".to_owned(),
        Kind::Bucket(Bucket::Month) => "bucket, month".to_owned(),
        Kind::Bucket(Bucket::Year) => "bucket, year".to_owned(),
        Kind::Bucket(Bucket::Width(width)) => format!("bucket, {width}"),
    }
}
