//! What a workload that an operator has stopped gets instead of a session: a refusal, at once.
//!
//! Connections that the dialer let go before the freeze, or that this kernel cannot hold, end here;
//! so do look-ups, which have no connection. The list is `control::frozen`'s.

use gateway_common::origin::Origin;
use gateway_core::flow::Flow;
use gateway_core::protocols::dns::query::{Query, Transport};
use gateway_core::session::Session;
use gateway_core::subject::Subject;
use tokio::net::TcpStream;

use super::{Intake, Refused};
use crate::control::frozen::Freeze;
use crate::kernel::CgroupId;
use crate::observe::enforcement::{Connection, What};
use crate::relay::{evidence, opaque};

impl Intake {
    /// The freeze of whoever is behind `origin`.
    pub(super) fn freeze_of(&self, origin: &Origin) -> Option<Freeze> {
        let attached = CgroupId(origin.attached);
        let workload = self.attachments.workload_of(attached)?;
        self.frozen.find(&workload)
    }

    /// The answer to a question of a workload that is frozen: no session, hence no recording of it;
    /// the enforcement log has it.
    pub(super) fn answer_frozen(
        &self,
        origin: &Origin,
        freeze: Freeze,
        query: &[u8],
    ) -> Option<Vec<u8>> {
        let reason = freeze.why();
        self.turn_down(origin, &Refused::Frozen(freeze));
        match Query::read(query) {
            Ok(query) => {
                let limit = query.limit(Transport::Udp);
                Some(query.refused(&reason).write(limit))
            }
            Err(rejected) => rejected.answer,
        }
    }

    /// Ends a stream that nobody looks into before it begins. There are no words for it.
    pub(super) fn cut_frozen(
        &self,
        stream: TcpStream,
        subject: &Subject,
        flow: &Flow,
        freeze: &Freeze,
    ) {
        self.note_frozen(evidence::connection(subject, flow), freeze);
        opaque::reset(stream);
    }

    /// Tells a client, in the words of its protocol.
    pub(super) async fn turn_frozen(
        &self,
        stream: TcpStream,
        mut session: Session,
        subject: &Subject,
        flow: &Flow,
        freeze: &Freeze,
    ) {
        self.note_frozen(evidence::connection(subject, flow), freeze);
        session.handle_stop(&freeze.end());
        self.bid_farewell(stream, session).await;
    }

    pub(super) fn note_frozen(&self, connection: Connection, freeze: &Freeze) {
        self.note(What::ConnectionRefused {
            connection,
            rule: None,
            frozen: true,
            reason: freeze.why(),
        });
    }
}
