//! `Tally`: what the enforcement log told of since the daemon started, as numbers.
//!
//! For `gateway coverage` and the metrics. Its keys are names of the configuration and a few words of
//! ours, so it stays small whatever agents do. What the kernel counts by itself is not in here.

use std::collections::BTreeMap;

use gateway_core::ids::{ResourceName, WorkloadName};

use super::enforcement::{Connection, What};

/// Numbers for each workload and resource; none of either where it was not known.
pub type Tally = BTreeMap<(Option<WorkloadName>, Option<ResourceName>), Counts>;

/// What became of the connections of one workload to one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sessions that began and are inspected.
    pub inspected: u64,
    /// Sessions that began and pass uninspected, by rule; an empty one where a resource is only
    /// observed.
    pub uninspected: BTreeMap<String, u64>,
    /// Connections that were refused as a whole, by why.
    pub refused: BTreeMap<&'static str, u64>,
    /// Asks that waited for people.
    pub held: u64,
    /// Asks that would have been refused, had they been enforced.
    pub observed: u64,
    /// Statements that reached a limit, by its name, what was limited, and whether they were ended for it.
    pub limited: BTreeMap<(String, &'static str, bool), u64>,
    /// What detectors have found and was masked, by their names.
    pub detected: BTreeMap<String, u64>,
    /// Sessions that ended, by how.
    pub ended: BTreeMap<&'static str, u64>,
    /// Asks that were let pass, in sessions that ended.
    pub allowed: u64,
    /// Asks that were refused, likewise.
    pub denied: u64,
    /// Bytes from agents to servers, likewise.
    pub bytes_in: u64,
    /// Bytes from servers to agents, likewise.
    pub bytes_out: u64,
}

/// Adds what an entry tells.
pub(super) fn add(tally: &mut Tally, what: &What) {
    match what {
        What::ConnectionOpened(connection) => bump(&mut of(tally, connection).inspected, 1),
        What::PassedUninspected { connection, rule } => {
            let rule = rule.as_ref().map_or_else(String::new, ToString::to_string);
            bump(
                of(tally, connection).uninspected.entry(rule).or_default(),
                1,
            );
        }
        What::ConnectionRefused {
            connection,
            rule,
            frozen,
            ..
        } => {
            let why = match (rule, &connection.workload, &connection.resource) {
                _ if *frozen => "frozen",
                (Some(_), _, _) => "denied_by_rule",
                (None, None, _) => "no_workload",
                (None, _, None) => "no_resource",
                (None, _, Some(_)) => "not_allowed",
            };
            bump(of(tally, connection).refused.entry(why).or_default(), 1);
        }
        What::AskHeld(denial) => bump(&mut of(tally, &denial.connection).held, 1),
        What::LimitReached {
            connection,
            limited,
        } => {
            let name = limited
                .rule
                .as_str()
                .trim_start_matches("limit ")
                .to_owned();
            let key = (name, limited.kind.name(), !limited.observed);
            bump(of(tally, connection).limited.entry(key).or_default(), 1);
        }
        What::Detected(it) => {
            let counts = of(tally, &it.connection);
            for (name, times) in &it.detected {
                bump(counts.detected.entry(name.clone()).or_default(), *times);
            }
        }
        What::AskObserved(denial) => bump(&mut of(tally, &denial.connection).observed, 1),
        What::SessionEnded {
            connection,
            how,
            allowed,
            denied,
            bytes_in,
            bytes_out,
            ..
        } => {
            let counts = of(tally, connection);
            bump(counts.ended.entry(how.name()).or_default(), 1);
            bump(&mut counts.allowed, *allowed);
            bump(&mut counts.denied, *denied);
            bump(&mut counts.bytes_in, *bytes_in);
            bump(&mut counts.bytes_out, *bytes_out);
        }
        _ => {}
    }
}

fn of<'a>(tally: &'a mut Tally, connection: &Connection) -> &'a mut Counts {
    let key = (connection.workload.clone(), connection.resource.clone());
    tally.entry(key).or_default()
}

fn bump(number: &mut u64, more: u64) {
    *number = number.saturating_add(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> What {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_told_is_counted() {
        let mut tally = Tally::new();
        for text in [
            r#"{"event":"connection_opened","workload":"w","resource":"db"}"#,
            r#"{"event":"passed_uninspected","workload":"w","resource":"cache","rule":"r"}"#,
            r#"{"event":"connection_refused","workload":"w","reason":"x"}"#,
            r#"{"event":"session_ended","workload":"w","resource":"db","end":"client_closed",
                "duration_ms":1,"allowed":3,"denied":1,"bytes_in":10,"bytes_out":20}"#,
            r#"{"event":"daemon_stopped","reason":"x"}"#,
        ] {
            add(&mut tally, &entry(text));
        }
        let counts = |resource: Option<&str>| {
            let key = (
                Some(WorkloadName::new("w")),
                resource.map(ResourceName::new),
            );
            tally.get(&key).unwrap()
        };
        let db = counts(Some("db"));
        assert_eq!((db.inspected, db.allowed, db.denied), (1, 3, 1));
        assert_eq!(db.ended, [("client_closed", 1)].into());
        assert_eq!(
            counts(Some("cache")).uninspected,
            [("r".to_owned(), 1)].into()
        );
        assert_eq!(counts(None).refused, [("no_resource", 1)].into());
        assert_eq!(tally.len(), 3);
    }
}
