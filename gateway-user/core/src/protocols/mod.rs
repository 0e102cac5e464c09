//! What every protocol offers: a static [`Protocol`] descriptor and, for framed ones, a [`Codec`].
//!
//! Adding a protocol touches its own folder and one line in `registry`. Names for policy, ports,
//! sniffing, recordings and the conformance laws come from the descriptor.

pub mod postgres;

use crate::facts::Attribute;

/// Everything static that the rest of the program needs to know of a protocol.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// Name in configuration, recordings and log.
    pub name: &'static str,
    /// The facts it can tell, in the order of the slots of its fact sets.
    pub attributes: &'static [Attribute],
}
