//! DNS: what is asked, as policy sees it, and the gateway's own words for question and answer.
//!
//! `wire` reads and writes messages over `name` and `record`, `query` is what an agent asked and
//! how it is answered, `attributes` which facts a rule can match, `limits` what keeps look-ups from
//! carrying data out. A terminated protocol: sending, waiting and remembering are done by
//! `gateway-user`'s `relay::dns`.

pub mod attributes;
pub mod limits;
pub mod name;
pub mod query;
pub mod record;
pub mod wire;

use crate::descriptor::{Protocol, Shape};

/// The descriptor.
pub static PROTOCOL: Protocol = Protocol {
    name: "dns",
    shape: Shape::Terminated,
    ports: &[53],
    attributes: &attributes::ATTRIBUTES,
    upstream_tls: None,
    alpn: None,
    housekeeping: |_| false,
    questions: &[],
};

/// A message that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message could not be read")]
pub struct Malformed;

#[cfg(test)]
mod tests;
