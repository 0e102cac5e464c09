//! `Execute`: a portal runs. Most were judged when they were bound; some are asked for again.

use std::sync::Arc;

use super::client::{CUT, Request};
use super::codec::{Asked, PostgresCodec};
use super::masking::Tracing;
use super::names::Resolved;
use super::pipeline::{Bound, Pending, Prepared};
use super::reply;
use super::resolve::refers_to_names;
use super::script::Script;
use super::wire::{Head, server_name};
use crate::cursor::Cursor;
use crate::facts::FactSet;
use crate::protocols::{CodecError, Step, Then};

impl PostgresCodec {
    pub(super) fn execute(
        &mut self,
        head: Head,
        frame: &[u8],
        mut body: Cursor<'_>,
    ) -> Result<Option<Step>, CodecError> {
        let portal = body.cstr().ok_or(CUT)?;
        if body.u32().is_none() || !body.rest().is_empty() {
            return Err(CUT);
        }
        let found = self
            .portals
            .resolve(portal, self.pipeline.portal(server_name(portal)));
        match found {
            Resolved::Undecided => Ok(self.wait_for_server()),
            Resolved::Known(bound) => {
                let script = Arc::clone(&bound.prepared.script);
                if refers_to_names(&script) {
                    let tracing = self.trace_prepared(&bound.prepared);
                    // What the names stand for may have changed since the portal was bound.
                    let Some(units) = self.resolve(&script) else {
                        return Ok(self.wait_for_server());
                    };
                    return Ok(self.ask_execute(head, frame, portal, Some(script), units, tracing));
                }
                if bound.traced.is_none() && self.awaits_masks() {
                    return Ok(None);
                }
                let moves = self.has_moved(bound.moment.as_ref());
                if moves || self.is_overtaken(&bound) || self.is_narrowed(&bound) {
                    return Ok(Some(self.ask_again(head, frame, portal, bound)));
                }
                let traced = self.traced_when_bound(&bound);
                self.note_passed(&bound.prepared.units, traced.as_ref());
                self.expect_of(&bound.prepared);
                (self.executed, self.sent_since_ready) = (true, true);
                let asks = self.asks_fields(traced.as_ref());
                if asks {
                    self.pipeline.push(Pending::Fields);
                }
                let tally = self.tally_of(&bound, traced);
                self.pipeline.push(Pending::Execute(tally, Some(script)));
                Ok(Some(match asks {
                    true => Step::Precede(reply::describe_portal(portal), head.len),
                    false => Step::Pass(head.len),
                }))
            }
            Resolved::Unknown => {
                let tracing = self.trace_cursor(portal);
                let units = self
                    .cursors
                    .known(portal)
                    .unwrap_or_else(|| Prepared::unknown().units);
                Ok(self.ask_execute(head, frame, portal, None, units, tracing))
            }
        }
    }

    /// Asks anew for a portal that was judged when it was bound: the session has done something since, and
    /// rules look at that.
    fn ask_again(&mut self, head: Head, frame: &[u8], portal: &[u8], bound: Arc<Bound>) -> Step {
        let mut traced = self.traced_when_bound(&bound);
        let units = self.with_masks(Arc::clone(&bound.prepared.units), traced.as_mut());
        let asks = self.asks_fields(traced.as_ref());
        let (of, agreed) = (Some(bound.ask), bound.agreed);
        self.asked = Some(Asked::Again(bound, traced));
        let request = Request {
            request: "Execute",
            text: None,
            of,
            units,
            then: Then::Again { agreed },
        };
        let mut step = self.ask(head, head.len, request);
        if let (true, Step::Ask(ask)) = (asks, &mut step) {
            let both = [&reply::describe_portal(portal)[..], frame].concat();
            ask.instead = Some(both.into());
        }
        step
    }

    /// Asks whether a portal may run that was not judged when it was bound. Where its rows are masked the
    /// gateway's own question for their columns goes before it.
    fn ask_execute(
        &mut self,
        head: Head,
        frame: &[u8],
        portal: &[u8],
        script: Option<Arc<Script>>,
        units: Arc<[FactSet]>,
        tracing: Tracing,
    ) -> Option<Step> {
        if tracing.waits() {
            return None;
        }
        let mut traced = tracing.known();
        let units = self.with_masks(units, traced.as_mut());
        let asks = self.asks_fields(traced.as_ref());
        self.asked = Some(Asked::Execute(script, Arc::clone(&units), traced));
        let request = Request {
            request: "Execute",
            text: None,
            of: None,
            units,
            then: Then::Forward,
        };
        let mut step = self.ask(head, head.len, request);
        if let (true, Step::Ask(ask)) = (asks, &mut step) {
            let both = [&reply::describe_portal(portal)[..], frame].concat();
            ask.instead = Some(both.into());
        }
        Some(step)
    }
}
