//! What was asked for and is let pass: from here on the server owes an answer to it.

use std::sync::Arc;

use super::codec::{Asked, Phase, PostgresCodec};
use super::masking::Copies;
use super::pipeline::{Bound, Pending, Prepared, Tally};
use crate::ids::AskId;
use crate::limit::{Ceiling, Counted};

impl PostgresCodec {
    /// The last ask is let pass and is this one.
    pub(super) fn let_pass(&mut self, ask: AskId, ceiling: Option<Arc<Ceiling>>) {
        self.limiting.any |= ceiling.is_some();
        let counted = ceiling.map(Counted::new);
        let (moment, agreed) = (self.seen(), std::mem::take(&mut self.agreed));
        let pending = match self.asked.take() {
            Some(Asked::Connect) => {
                self.phase = Phase::Authenticating;
                Pending::Startup(ask)
            }
            Some(Asked::Query(script, units, traced)) => {
                self.note_passed(&units, traced.as_ref());
                self.expect_changes(&script, &units);
                let copies = std::mem::take(&mut self.looking.copies);
                let results = self.results_of(traced, copies);
                Pending::Query(Tally::of(ask, results).limited(counted), script)
            }
            Some(Asked::Parse(name, draft)) => Pending::Parse(
                name,
                Arc::new(Prepared {
                    ask: Some(ask),
                    counted: counted.filter(Counted::is_timed),
                    ..draft
                }),
            ),
            Some(Asked::Bind(portal, prepared, traced)) => Pending::Bind(
                portal,
                Arc::new(Bound {
                    ask,
                    prepared,
                    traced,
                    counted,
                    moment,
                    agreed,
                }),
            ),
            Some(Asked::Execute(script, units, traced)) => {
                self.note_passed(&units, traced.as_ref());
                match &script {
                    Some(script) => self.expect_changes(script, &units),
                    None => self.expect_unsettled(&units),
                }
                self.executed = true;
                if self.looking.fields {
                    // Its frame has the question in front.
                    self.pipeline.push(Pending::Fields);
                }
                let results = self.results_of(traced, Copies::default());
                Pending::Execute(Tally::of(ask, results).limited(counted), script)
            }
            Some(Asked::Again(bound, traced)) => {
                let script = Arc::clone(&bound.prepared.script);
                self.note_passed(&bound.prepared.units, traced.as_ref());
                self.expect_of(&bound.prepared);
                self.executed = true;
                if self.looking.fields {
                    self.pipeline.push(Pending::Fields);
                }
                let tally = self.tally_of(&bound, traced);
                Pending::Execute(tally, Some(script))
            }
            Some(Asked::Call(units, traced)) => {
                self.note_passed(&units, traced.as_ref());
                self.expect_unsettled(&units);
                let results = self.results_of(traced, Copies::default());
                Pending::Call(Tally::of(ask, results).limited(counted))
            }
            Some(Asked::Cancel) | None => {
                self.phase = Phase::Over;
                return;
            }
        };
        self.sent_since_ready = true;
        self.pipeline.push(pending);
    }
}
