//! PostgreSQL, protocol 3.0 and 3.2.
//!
//! `again` is what was found out about texts that stay. `wire` knows the frames, `client`, `execute`, `server` and `failing` what they mean in each direction, `moment` what the session has done by then, `startup` what
//! comes before a session is ready, with `options` for what it sets, `login` how the gateway logs in itself, by `scram` and others, `proving` how clients show their placeholders, by a `challenge`, `passing` what is let pass, `pipeline` and `names` what is under way and what names stand
//! for, `path` in which schemas names without one are looked for, `limits` how statements are ended that
//! bring too much, take too long or cannot be masked, `refusing` how what was asked for is turned down, `reply` what the gateway says
//! itself, `shown` what people see of a statement that waits for them, `script` what a statement asks for, `attributes` which facts a rule can match,
//! `value` what masks make of one value. The conversation's state is in `codec`.

mod again;
pub mod attributes;
pub mod cache;
mod challenge;
mod client;
mod codec;
mod execute;
mod failing;
mod limits;
mod login;
mod masking;
mod moment;
mod names;
mod options;
mod passing;
mod path;
mod pipeline;
mod proving;
mod refusing;
pub mod reply;
mod resolve;
mod scram;
pub mod script;
mod server;
mod shape;
pub mod shown;
mod startup;
pub mod value;
pub mod wire;

use std::sync::Arc;

use bytes::Bytes;

use self::cache::ScriptCache;
use self::codec::PostgresCodec;
use super::{CancelKey, Codec, CodecOptions, Framed};
use crate::descriptor::{Protocol, Shape, TlsRequest};

/// The descriptor.
pub static PROTOCOL: Protocol = Protocol {
    name: "postgres",
    shape: Shape::Framed,
    ports: &[5432],
    attributes: attributes::ATTRIBUTES,
    upstream_tls: Some(TlsRequest {
        request: wire::SSL_REQUEST,
        accepted: b'S',
        declined: b'N',
    }),
    alpn: Some(b"postgresql"),
    housekeeping: client::is_housekeeping,
    questions: &[path::QUESTION, path::QUESTION_AGAIN],
};

/// How a request to cancel is called in recordings.
pub const CANCEL_REQUEST: &str = "CancelRequest";

/// The protocol, with what its sessions share.
#[derive(Debug, Default)]
pub struct Postgres {
    scripts: Arc<ScriptCache>,
}

impl Framed for Postgres {
    fn protocol(&self) -> &'static Protocol {
        &PROTOCOL
    }

    fn codec(&self, options: &CodecOptions) -> Box<dyn Codec> {
        Box::new(PostgresCodec::new(
            Arc::clone(&self.scripts),
            options.clone(),
        ))
    }

    fn cancel_request(&self, key: &CancelKey) -> Bytes {
        reply::cancel_request(key.process, &key.secret)
    }
}

#[cfg(test)]
mod tests;
