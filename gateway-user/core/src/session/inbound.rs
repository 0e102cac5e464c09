//! What one peer sent and is not dealt with yet.

use bytes::{Buf, BytesMut};

use super::HIGH_WATER;
use super::outbox::Carry;
use crate::protocols::GATHER_LIMIT;

/// Where the rest of a frame goes whose beginning was dealt with.
#[derive(Debug, Default)]
pub(super) enum Rest {
    /// There is none.
    #[default]
    Done,
    /// To the server, by the door that its beginning went through.
    ToServer(Carry),
    /// So many bytes to the client.
    ToClient(usize),
    /// So many bytes nowhere.
    Nowhere(usize),
}

impl Rest {
    /// Whether more of a frame has to go to the server.
    pub(super) fn goes_to_server(&self) -> bool {
        matches!(self, Self::ToServer(carry) if !carry.is_done())
    }

    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Done => true,
            Self::ToServer(carry) => carry.is_done(),
            Self::ToClient(remaining) | Self::Nowhere(remaining) => *remaining == 0,
        }
    }
}

/// One direction's input.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    held: BytesMut,
    pub(super) rest: Rest,
}

impl Inbound {
    /// Bytes that are held.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether more may be read: the longest message that is held whole, and a read on top.
    pub(super) fn has_room(&self) -> bool {
        self.held.len() < GATHER_LIMIT + HIGH_WATER
    }

    /// Takes what is held out.
    pub(super) fn take(&mut self) -> BytesMut {
        std::mem::take(&mut self.held)
    }

    /// Holds these bytes; nothing else is held.
    pub(super) fn hold(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.held.extend_from_slice(bytes);
        }
    }

    /// Holds what is left of bytes that were taken out. An empty buffer gives its memory back.
    pub(super) fn put_back(&mut self, mut held: BytesMut, taken: usize) {
        held.advance(taken.min(held.len()));
        if !held.is_empty() {
            self.held = held;
        }
    }
}
