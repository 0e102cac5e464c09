//! How an ask is written down: facts as named values, texts as text.

use std::collections::BTreeMap;

use crate::event::{self, Ruling, Value};
use crate::facts::{Attribute, FactSet, Stage};
use crate::ids::{AskId, PolicyDigest};
use crate::policy::decision::{Decision, Verdict};
use crate::protocols::Ask;

/// The event of one ask.
pub(super) fn ask(
    id: AskId,
    ask: &Ask,
    decision: &Decision,
    attributes: &[Attribute],
    policy: Option<PolicyDigest>,
) -> event::Ask {
    let (ruling, reason) = match &decision.verdict {
        Verdict::Allow(_) => (Ruling::Allow, None),
        Verdict::Deny(refusal) => (Ruling::Deny, Some(refusal.reason.clone())),
    };
    let (connection, units) = match &ask.facts.stage {
        Stage::Connect => (named(&ask.facts.connection, attributes), Vec::new()),
        Stage::Action(_) if ask.of.is_some() => (BTreeMap::new(), Vec::new()),
        Stage::Action(units) => (
            BTreeMap::new(),
            units.iter().map(|unit| named(unit, attributes)).collect(),
        ),
    };
    event::Ask {
        ask: id,
        request: ask.request.to_owned(),
        text: ask
            .text
            .as_ref()
            .map(|text| String::from_utf8_lossy(text).into_owned()),
        text_bytes: ask
            .text
            .as_ref()
            .map_or(0, |text| u64::try_from(text.len()).unwrap_or(u64::MAX)),
        of: ask.of,
        connection,
        units,
        ruling,
        rule: decision.rule.clone(),
        reason,
        observed: decision.observed.clone(),
        uninspected: false,
        policy,
    }
}

pub(super) fn named(facts: &FactSet, attributes: &[Attribute]) -> BTreeMap<String, Value> {
    let values = attributes
        .iter()
        .enumerate()
        .filter_map(|(slot, attribute)| {
            let value = Value::of(facts.fact(slot))?;
            Some((attribute.name.to_owned(), value))
        });
    values.collect()
}
