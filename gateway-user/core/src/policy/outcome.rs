//! `Outcome`: what comes of the rules for an action, before the resource's mode; and the words of what
//! is refused.

use super::decision::{Decision, Permit, Verdict};
use super::hold::Hold;
use super::model::Mode;
use super::table::{Rule, Slots};
use crate::facts::{Fact, FactSet, Name};
use crate::flow::OriginalDst;
use crate::ids::{ResourceName, WorkloadName};
use crate::refusal::Refusal;

/// What came of the rules, before a resource in observe mode lets pass what they refuse.
pub(super) enum Outcome<'a> {
    Allowed {
        by: &'a Rule,
        /// What enforcing every rule would have refused.
        observed: Option<Refusal>,
    },
    Held {
        /// Each once, in the order of the file; never empty.
        by: Vec<&'a Rule>,
        observed: Option<Refusal>,
    },
    Refused(Refusal),
}

impl<'a> Outcome<'a> {
    /// What comes of two units of one action.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Refused(refusal), _) | (_, Self::Refused(refusal)) => Self::Refused(refusal),
            (Self::Held { mut by, observed }, other) => {
                let observed = observed.or(match other {
                    Self::Held { by: more, observed } => {
                        for rule in more {
                            add(&mut by, rule);
                        }
                        observed
                    }
                    Self::Allowed { observed, .. } => observed,
                    Self::Refused(refusal) => Some(refusal),
                });
                Self::Held { by, observed }
            }
            (
                Self::Allowed { observed, .. },
                Self::Held {
                    by,
                    observed: other,
                },
            ) => Self::Held {
                by,
                observed: observed.or(other),
            },
            (
                Self::Allowed { by, observed },
                Self::Allowed {
                    observed: other, ..
                },
            ) => {
                let observed = observed.or(other);
                Self::Allowed { by, observed }
            }
        }
    }

    pub(super) fn decision(self, mode: Mode) -> Decision {
        match (self, mode) {
            (Self::Allowed { by, observed }, _) => Decision {
                verdict: Verdict::Allow(Permit::mint()),
                rule: Some(by.name.clone()),
                observed,
            },
            (Self::Held { by, observed }, Mode::Enforce) => Decision {
                rule: by.first().map(|rule| rule.name.clone()),
                verdict: Verdict::Hold(Hold::new(
                    by.iter().filter_map(|rule| rule.demand.clone()).collect(),
                )),
                observed,
            },
            (Self::Held { by, observed }, Mode::Observe) => Decision {
                verdict: Verdict::Allow(Permit::mint()),
                rule: by.first().map(|rule| rule.name.clone()),
                observed: observed.or_else(|| by.first().map(|rule| held_by(rule))),
            },
            (Self::Refused(refusal), Mode::Enforce) => Decision {
                rule: refusal.rule.clone(),
                verdict: Verdict::Deny(refusal),
                observed: None,
            },
            (Self::Refused(refusal), Mode::Observe) => Decision {
                verdict: Verdict::Allow(Permit::mint()),
                rule: refusal.rule.clone(),
                observed: Some(refusal),
            },
        }
    }
}

/// The refusal of a destination that no resource covers.
pub(super) fn not_a_resource(destination: OriginalDst) -> Refusal {
    let reason = format!("{} is not a resource of this gateway", destination.0);
    Refusal { rule: None, reason }
}

/// The refusal of a session that no rule allows.
pub(super) fn no_session(workload: &WorkloadName, resource: &ResourceName) -> Refusal {
    let reason = format!("no rule allows workload {workload} on {resource}");
    Refusal { rule: None, reason }
}

/// The refusal of a workload that must be known by a token, and is not.
pub(super) fn not_known(workload: &WorkloadName) -> Refusal {
    let reason = format!("workload {workload} has no valid identity token");
    Refusal { rule: None, reason }
}

/// The refusal by a rule.
pub(super) fn denied_by(rule: &Rule) -> Refusal {
    let reason = rule
        .reason
        .clone()
        .unwrap_or_else(|| "denied by policy".to_owned());
    Refusal {
        rule: Some(rule.name.clone()),
        reason,
    }
}

/// What is told where a rule in observe mode would have held.
pub(super) fn held_by(rule: &Rule) -> Refusal {
    Refusal {
        rule: Some(rule.name.clone()),
        reason: "it would wait for an approval".to_owned(),
    }
}

pub(super) fn add<'a>(rules: &mut Vec<&'a Rule>, rule: &'a Rule) {
    if rules.iter().all(|it| it.name != rule.name) {
        rules.push(rule);
    }
}

/// Most names of a list that a refusal tells.
const NAMES_TOLD: usize = 3;

/// Such as `no rule allows delete on public.orders`.
pub(super) fn explain(unit: &FactSet, slots: Slots) -> String {
    if slots
        .parsed
        .is_some_and(|slot| *unit.fact(slot) != Fact::Flag(true))
    {
        return "the statement could not be understood".to_owned();
    }
    let verb = match slots.verb.map(|(slot, _)| unit.fact(slot)) {
        Some(Fact::Text(verb)) => verb,
        _ => "this",
    };
    let told = slots
        .objects
        .into_iter()
        .flatten()
        .find_map(|slot| match unit.fact(slot) {
            Fact::Names(names) => tell(names),
            _ => None,
        });
    match told {
        Some(names) => format!("no rule allows {verb} on {names}"),
        None => format!("no rule allows {verb}"),
    }
}

fn tell(names: &[Name]) -> Option<String> {
    let mut told: Vec<String> = names
        .iter()
        .take(NAMES_TOLD)
        .map(ToString::to_string)
        .collect();
    if names.len() > NAMES_TOLD {
        told.push(format!("{} more", names.len() - NAMES_TOLD));
    }
    (!told.is_empty()).then(|| told.join(", "))
}
