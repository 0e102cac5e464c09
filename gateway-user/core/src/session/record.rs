//! How an ask is written down: facts as named values, texts as text.

use std::collections::BTreeMap;

use crate::descriptor::{Protocol, Shape};
use crate::event::{self, Ruling, Value};
use crate::facts::{Attribute, FactSet, Facts, Scope, Stage};
use crate::ids::{ActionDigest, AskId, PolicyDigest};
use crate::policy::decision::{Decision, Verdict};

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// What policy looked at.
    pub(super) facts: &'a Facts,
    /// The protocol's own word for the request.
    pub(super) request: &'static str,
    /// The statement or command.
    pub(super) text: Option<&'a [u8]>,
    /// The earlier ask whose statement this one runs.
    pub(super) of: Option<AskId>,
}

/// The event of one ask.
pub(super) fn ask(
    id: AskId,
    ask: Asked<'_>,
    decision: &Decision,
    protocol: &Protocol,
    policy: Option<PolicyDigest>,
    action: Option<ActionDigest>,
) -> event::Ask {
    let attributes = protocol.attributes;
    let (ruling, reason) = match &decision.verdict {
        Verdict::Allow(_) => (Ruling::Allow, None),
        Verdict::Hold(_) => (Ruling::Hold, None),
        Verdict::Deny(refusal) => (Ruling::Deny, Some(refusal.reason.clone())),
    };
    let (connection, units) = match &ask.facts.stage {
        Stage::Connect | Stage::Cancel => (named(&ask.facts.connection, attributes), Vec::new()),
        Stage::Action(_) if ask.of.is_some() => (BTreeMap::new(), Vec::new()),
        Stage::Action(units) => (
            BTreeMap::new(),
            units.iter().map(|unit| named(unit, attributes)).collect(),
        ),
    };
    let moment = match &ask.facts.stage {
        Stage::Action(_) => told(&ask.facts.connection, attributes, |it| it == Scope::Moment),
        _ => BTreeMap::new(),
    };
    event::Ask {
        ask: id,
        request: ask.request.to_owned(),
        text: ask
            .text
            .map(|text| String::from_utf8_lossy(text).into_owned()),
        text_bytes: ask
            .text
            .map_or(0, |text| u64::try_from(text.len()).unwrap_or(u64::MAX)),
        of: ask.of,
        connection,
        units,
        moment,
        ruling,
        rule: decision.rule.clone(),
        reason,
        observed: decision.observed.clone(),
        action,
        uninspected: ruling == Ruling::Allow && protocol.shape == Shape::Stream,
        policy,
    }
}

/// Without those of the moment: they are not what something is.
pub(super) fn named(facts: &FactSet, attributes: &[Attribute]) -> BTreeMap<String, Value> {
    told(facts, attributes, |scope| scope != Scope::Moment)
}

fn told(
    facts: &FactSet,
    attributes: &[Attribute],
    scope: impl Fn(Scope) -> bool,
) -> BTreeMap<String, Value> {
    let values = attributes
        .iter()
        .enumerate()
        .filter(|(_, attribute)| scope(attribute.scope))
        .filter_map(|(slot, attribute)| {
            let value = Value::recorded(attribute, facts.fact(slot))?;
            Some((attribute.name.to_owned(), value))
        });
    values.collect()
}
