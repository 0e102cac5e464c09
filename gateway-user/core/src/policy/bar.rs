//! What is refused whole: told of a connection that is only being made, when nothing has been said
//! on it yet.
//!
//! It can be closed before it opens, as a firewall would. Everything else is for a session to
//! begin with, and for [`Engine::decide`].

use jiff::Timestamp;

use super::case::is_about;
use super::engine::Engine;
use super::model::Mode;
use super::outcome::{denied_by, no_session, not_a_resource};
use crate::flow::OriginalDst;
use crate::ids::{GroupName, ResourceName, WorkloadName};
use crate::refusal::Refusal;

impl Engine {
    /// Why no session of this workload could begin now at `destination`, which `resource` covers; none
    /// if one might.
    ///
    /// INVARIANT: what is barred, `decide` refuses at the start of a session at that time, whatever the
    /// session says of itself. Checked by a property test beside this file.
    pub fn bars(
        &self,
        workload: &WorkloadName,
        groups: &[GroupName],
        destination: OriginalDst,
        resource: Option<&ResourceName>,
        now: Timestamp,
    ) -> Option<Refusal> {
        let (Some(resource), Some(table)) = (resource, self.table(resource)) else {
            return Some(not_a_resource(destination));
        };
        if table.mode == Mode::Observe {
            return None;
        }
        // A rule with conditions may turn out not to match what is still to come, nor is it known here
        // by which token the workload is known.
        let barring = table.denies.iter().find(|rule| {
            rule.mode == Mode::Enforce
                && rule.is_unconditional()
                && rule.who.claims.is_empty()
                && is_about(rule, workload, groups)
                && rule.is_there(now)
        });
        if let Some(rule) = barring {
            return Some(denied_by(rule));
        }
        let open = table
            .openings()
            .any(|rule| is_about(rule, workload, groups) && rule.is_there(now));
        (!open).then(|| no_session(workload, resource))
    }
}
