//! `Action`s and the doors to both peers. The only place where bytes get on their way.
//!
//! INVARIANT: towards the server there are three doors. [`Outbox::forward`] takes a [`Permit`], which
//! only policy mints; [`Outbox::housekeeping`] takes no frame but of the kinds that the protocol
//! declared; [`Outbox::own`] takes from the codec, and never from the client, what is housekeeping
//! or, byte for byte, a question that the protocol declared. The conformance laws check them on
//! every codec.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::descriptor::Protocol;
use crate::event::{Event, SessionEnd};
use crate::held::{HeldAction, Withdrawal};
use crate::mask::MaskSet;
use crate::mask::screen::question::Question;
use crate::policy::decision::Permit;
use crate::protocols::CancelKey;
use crate::protocols::placeholder::Presented;

/// What the session wants done that is not bytes.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Connect to the server.
    Dial,
    /// Send what is waiting for the client, then do the server's side of a TLS handshake with it.
    /// These bytes of the handshake have been read already.
    StartTls(Bytes),
    /// Check what the client has shown; the answer goes to the session.
    Prove(Box<Presented>),
    /// Find out what these masks come to in this database of the server; the answer goes to the session.
    FindMasked {
        /// What is masked.
        masks: Arc<MaskSet>,
        /// The database.
        database: String,
    },
    /// Ask detectors outside the gateway; their answers go to the session.
    Ask(Vec<Question>),
    /// Have people decide on this; the answer goes to the session.
    Hold(Box<HeldAction>),
    /// What was held needs no answer any more.
    Withdraw(Withdrawal),
    /// Cancel what runs under this key, if it belongs to the same workload.
    Cancel(CancelKey),
    /// Cancel what the session's own server runs; that it was done goes to the session.
    Abort,
    /// From now on `issued` stands for `real` on this session's server.
    IssueKey {
        /// What the client was given.
        issued: CancelKey,
        /// What the server knows.
        real: CancelKey,
    },
    /// Send what is waiting for the server, then tell it that nothing more comes.
    FinishServer,
    /// Send what is waiting for both, then close.
    Close(SessionEnd),
}

/// A frame on its way to the server under a permit that was spent on it.
#[derive(Debug)]
pub struct Carry {
    remaining: usize,
}

/// What waits to be done. The relay empties it: events into the recording first, then bytes.
#[derive(Debug, Default)]
pub struct Outbox {
    to_client: BytesMut,
    to_server: BytesMut,
    events: Vec<Event>,
    actions: VecDeque<Action>,
    /// Bytes that ever went to the client and to the server.
    pub(super) sent: (u64, u64),
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

impl Outbox {
    /// Bytes waiting for the client.
    pub fn to_client(&mut self) -> &mut BytesMut {
        &mut self.to_client
    }

    /// Bytes waiting for the server.
    pub fn to_server(&mut self) -> &mut BytesMut {
        &mut self.to_server
    }

    /// The next thing to do that is not bytes.
    pub fn action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Events to be recorded before anything else is done.
    pub fn events(&mut self) -> &mut Vec<Event> {
        &mut self.events
    }

    /// The door for what was decided: the beginning of a frame of `len` bytes, under its permit.
    pub(super) fn forward(&mut self, head: &[u8], len: usize, permit: Permit) -> Carry {
        permit.spend();
        self.push_to_server(head);
        Carry {
            remaining: len.saturating_sub(head.len()),
        }
    }

    /// More of a frame whose beginning was forwarded. Says how many of the bytes belong to it.
    pub(super) fn carry(&mut self, carry: &mut Carry, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(carry.remaining);
        self.push_to_server(bytes.get(..taken).unwrap_or_default());
        carry.remaining -= taken;
        taken
    }

    /// The small door, for a frame of a declared kind or the rest of one. Says whether it is one.
    #[must_use]
    pub(super) fn housekeeping(
        &mut self,
        frame: &[u8],
        len: usize,
        declared: fn(u8) -> bool,
    ) -> Option<Carry> {
        if !frame.first().copied().is_some_and(declared) {
            return None;
        }
        self.push_to_server(frame);
        Some(Carry {
            remaining: len.saturating_sub(frame.len()),
        })
    }

    /// The door for a whole frame of the codec's own. Says whether it is housekeeping or one of the
    /// protocol's questions.
    #[must_use]
    pub(super) fn own(&mut self, frame: &[u8], protocol: &Protocol) -> bool {
        if protocol.questions.contains(&frame) {
            self.push_to_server(frame);
            return true;
        }
        self.housekeeping(frame, frame.len(), protocol.housekeeping)
            .is_some()
    }

    /// Bytes for the client: the server's, or the gateway's own.
    pub(super) fn reply(&mut self, bytes: &[u8]) {
        self.sent.0 += length(bytes);
        self.to_client.extend_from_slice(bytes);
    }

    pub(super) fn record(&mut self, event: Event) {
        self.events.push(event);
    }

    pub(super) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    fn push_to_server(&mut self, bytes: &[u8]) {
        self.sent.1 += length(bytes);
        self.to_server.extend_from_slice(bytes);
    }
}

impl Carry {
    /// Whether the frame is complete.
    pub(super) fn is_done(&self) -> bool {
        self.remaining == 0
    }
}
