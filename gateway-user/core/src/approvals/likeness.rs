//! `Likeness`: what an action has to have in common with one that people saw, to pass by their word
//! for that one.
//!
//! Strict on purpose. All facts must be equal, so that a grant for deletes with a `WHERE` on one table
//! opens nothing else; what is not known is like nothing; a table whose schema is uncertain may be
//! another one next time. Left out are labels alone, which a client chooses and which change nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scope::Closeness;
use crate::event::Value;
use crate::held::{HeldAction, Parameter};
use crate::ids::{ResourceName, WorkloadName};

/// Facts that are labels: the client's name for itself.
const LABELS: [&str; 1] = ["sql.application_name"];
/// The name of a prepared statement is a label too, where the statement itself is looked at.
const PREPARED: &str = "sql.prepared";
/// A number that is compared where it is written; that there is a limit at all is a fact of its own.
const LIMIT_ROWS: &str = "sql.limit_rows";
/// What the statement does.
const VERB: &str = "sql.verb";
/// Verbs that act on a prepared statement by its name.
const BY_NAME: [&str; 3] = ["prepare", "execute", "deallocate"];
/// Facts that name things in schemas. Functions are not among them: arguments decide between those of
/// one name, so their schema is hardly ever certain; their names must be equal.
const IN_SCHEMAS: [&str; 3] = ["sql.table", "sql.read", "sql.write"];

/// Facts by name.
type Facts = BTreeMap<String, Value>;

/// What an action has to be, to be like another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Likeness {
    /// Who asks.
    pub workload: WorkloadName,
    /// What is acted on.
    pub resource: ResourceName,
    /// Name of the protocol.
    pub protocol: String,
    /// The protocol's own word for the request.
    pub request: String,
    /// Facts of the session, labels left out.
    pub connection: Facts,
    /// Facts of its units, labels left out: the same units, as many of each, in the same order.
    pub units: Vec<Facts>,
    /// Its text, where that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its parameters, where they matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Vec<Parameter>>,
}

/// Why nothing can be like an action: this fact of it is not known for certain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncertain {
    /// The fact's name.
    pub fact: String,
}

impl Likeness {
    /// What an action has to be to be like `action`.
    ///
    /// # Errors
    /// Nothing is like it.
    pub fn of(action: &HeldAction, closeness: Closeness) -> Result<Self, Uncertain> {
        let text = closeness >= Closeness::Text;
        let parameters = closeness >= Closeness::Parameters;
        let units = action.units.iter().map(certain).collect::<Result<_, _>>()?;
        Ok(Self {
            workload: action.subject.workload.clone(),
            resource: action.resource.clone(),
            protocol: action.protocol.clone(),
            request: action.request.clone(),
            connection: certain(&action.connection)?,
            units,
            text: text.then(|| action.text.clone()),
            parameters: parameters.then(|| action.parameters.clone()),
        })
    }

    /// What sort of action it is: to count how often that was asked for, and for nothing else. What is
    /// not known is taken for the same here.
    pub fn sort(action: &HeldAction) -> Self {
        let mut units: Vec<_> = action.units.iter().map(compared).collect();
        units.dedup();
        Self {
            workload: action.subject.workload.clone(),
            resource: action.resource.clone(),
            protocol: action.protocol.clone(),
            request: action.request.clone(),
            connection: compared(&action.connection),
            units,
            text: None,
            parameters: None,
        }
    }
}

/// Whether `action` is like that. Its units are those that were seen, one for one: nobody who agreed to one
/// delete agreed to a thousand in one message, or to a part of a transaction without its `ROLLBACK`. An action
/// without units (a session that begins) is only like another one without.
pub fn covers(likeness: &Likeness, action: &HeldAction) -> bool {
    let whole = likeness.workload == action.subject.workload
        && likeness.resource == action.resource
        && likeness.protocol == action.protocol
        && likeness.request == action.request
        && likeness.text.as_ref().is_none_or(|it| *it == action.text)
        && likeness
            .parameters
            .as_ref()
            .is_none_or(|it| *it == action.parameters);
    whole
        && likeness.units.len() == action.units.len()
        && certain(&action.connection).is_ok_and(|it| it == likeness.connection)
        && action
            .units
            .iter()
            .zip(&likeness.units)
            .all(|(unit, seen)| certain(unit).is_ok_and(|it| it == *seen))
}

/// The facts that are compared, if all of them are certain.
fn certain(facts: &Facts) -> Result<Facts, Uncertain> {
    let compared = compared(facts);
    let mut uncertain = compared.iter().filter(|(name, value)| match value {
        Value::Unknown(()) => true,
        // Names with a schema are written with a dot, and others without.
        Value::Texts(texts) if IN_SCHEMAS.contains(&name.as_str()) => {
            !texts.iter().all(|text| has_schema(text))
        }
        _ => false,
    });
    match uncertain.next() {
        Some((fact, _)) => Err(Uncertain { fact: fact.clone() }),
        None => Ok(compared),
    }
}

/// Without labels, and lists in order and without repetition.
fn compared(facts: &Facts) -> Facts {
    let by_name = match facts.get(VERB) {
        Some(Value::Text(verb)) => BY_NAME.contains(&verb.as_str()),
        _ => false,
    };
    let is_label = |name: &str| LABELS.contains(&name) || (name == PREPARED && !by_name);
    let kept = facts.iter().filter(|(name, value)| {
        let open = *name == LIMIT_ROWS && **value == Value::Unknown(());
        !(is_label(name) || open)
    });
    let kept = kept.map(|(name, value)| (name.clone(), value.clone()));
    let mut kept: Facts = kept.collect();
    for value in kept.values_mut() {
        if let Value::Texts(texts) = value {
            texts.sort_unstable();
            texts.dedup();
        }
    }
    kept
}

/// Whether a name, as [`crate::facts::Name`] is written, says its schema: it has a dot outside of
/// quotation marks.
fn has_schema(name: &str) -> bool {
    let mut quoted = false;
    name.chars().any(|c| {
        quoted ^= c == '"';
        c == '.' && !quoted
    })
}
