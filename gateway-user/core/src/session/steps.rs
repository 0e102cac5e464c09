//! Steps that need no decision: what passes, what is replaced, and where TLS begins.

use bytes::Bytes;

use super::Session;
use super::inbound::Rest;
use super::outbox::Action;
use crate::protocols::{CodecError, Side};

impl Session {
    pub(super) fn pass(&mut self, side: Side, len: usize, input: &[u8]) -> usize {
        let taken = len.min(input.len());
        let bytes = input.get(..taken).unwrap_or_default();
        match side {
            Side::Server => {
                self.outbox.reply(bytes);
                self.server.rest = Rest::ToClient(len - taken);
            }
            Side::Client => match self
                .outbox
                .housekeeping(bytes, len, self.protocol.housekeeping)
            {
                Some(carry) => self.client.rest = Rest::ToServer(carry),
                // Only a fault of the codec leads here. Fails closed: the frame does not pass.
                None => self.violated(&CodecError::Client(
                    "a message that needs a decision came without one",
                )),
            },
        }
        taken
    }

    pub(super) fn replace(&mut self, side: Side, len: usize, bytes: &Bytes, input: &[u8]) -> usize {
        debug_assert_eq!(side, Side::Server, "only the server's frames are replaced");
        let taken = len.min(input.len());
        self.outbox.reply(bytes);
        self.server.rest = Rest::Nowhere(len - taken);
        taken
    }

    pub(super) fn start_tls(&mut self, len: usize, answer: &[u8], input: &[u8]) -> usize {
        let after = input.get(len..).unwrap_or_default();
        // Bytes behind a request for TLS were sent in plain text before the handshake: whoever put
        // them there wants them to be taken for encrypted ones (CVE-2021-23214).
        if len > 0 && !after.is_empty() {
            self.violated(&CodecError::Client(
                "received unencrypted data after SSL request",
            ));
            return input.len();
        }
        self.outbox.reply(answer);
        self.outbox
            .act(Action::StartTls(Bytes::copy_from_slice(after)));
        self.handshaking = true;
        input.len()
    }
}
