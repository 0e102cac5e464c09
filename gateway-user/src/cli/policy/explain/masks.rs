//! The masks that are in force for who asks, as people read them.

use std::io::{self, Write};

use gateway_core::event::Ruling;
use gateway_core::policy::explain::masks::MaskExplanation;
use gateway_core::policy::model::Effect;

use crate::cli::policy::question::Answer;
use crate::cli::printable::{DIM, STRONG, line};

/// What has to hold besides for what is said to pass.
pub(super) fn proviso(answer: &Answer<'_>) -> Option<&'static str> {
    let explanation = &answer.explanation;
    let passes = !answer.at_start && explanation.ruled.ruling != Ruling::Deny;
    let has_rules = explanation.masks.iter().any(|mask| !mask.rules.is_empty());
    (passes && has_rules).then_some(
        "unless it compares, sorts by or copies masked values, which only the daemon can tell",
    )
}

/// Each mask in a few lines.
pub(super) fn print(out: &mut impl Write, answer: &Answer<'_>) -> io::Result<()> {
    let masks = &answer.explanation.masks;
    if masks.is_empty() {
        return Ok(());
    }
    let (workload, resource) = (&answer.workload.name, &answer.resource.name);
    writeln!(
        out,
        "\n{STRONG}masked for {workload} on {resource}{STRONG:#}"
    )?;
    for mask in masks {
        writeln!(out, "  {}: {}", line(mask.mask.as_str()), told(mask))?;
        if let Some(tables) = mask.tables.as_ref().filter(|tables| !tables.is_empty()) {
            let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
            let tables = tables.join(", ");
            writeln!(out, "    may have such columns here: {}", line(&tables))?;
        }
        for rule in &mask.rules {
            let does = match rule.action {
                Effect::Deny => "denies",
                Effect::Approve => "holds for an approval",
                Effect::Allow => "allows",
            };
            let what = match rule.of {
                "copied" => "what copies its values",
                "redefined" => "what changes what names in the database mean",
                _ => "what compares or sorts by them",
            };
            writeln!(out, "    rule {} {does} {what}", line(rule.rule.as_str()))?;
        }
    }
    writeln!(
        out,
        "  {DIM}Of columns that more than one means, the first counts. Which results have such columns, \
         through views,\n  partitions and functions too, is known by the database's catalog, which is not \
         asked here.{DIM:#}"
    )
}

/// Such as `columns public.customers.email, partial, email`.
fn told(mask: &MaskExplanation) -> String {
    let mut parts = Vec::new();
    if !mask.columns.is_empty() {
        parts.push(format!("columns {}", mask.columns.join(" ")));
    }
    if !mask.types.is_empty() {
        parts.push(format!("types {}", mask.types.join(" ")));
    }
    if !mask.detectors.is_empty() {
        let place = match parts.is_empty() {
            true => "in all values ",
            false => "in these ",
        };
        parts.push(format!("{place}{}", mask.detectors.join(" ")));
    }
    let mut kind = format!("kind {}", mask.kind);
    if !mask.json.is_empty() {
        kind.push_str(&format!(", in JSON at {}", mask.json.join(" ")));
    }
    parts.push(kind);
    parts.push(format!("otherwise {}", mask.otherwise));
    line(&parts.join("; ")).to_string()
}
