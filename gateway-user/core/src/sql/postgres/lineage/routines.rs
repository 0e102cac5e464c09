//! What functions, operators and casts do with what they are given: `call`, `operator`, `cast`.
//!
//! What is not known to be harmless is `Unknown`.

use pg_query::protobuf;

use super::Masks;
use super::tracer::Tracer;

/// What a function does with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Its value depends on its arguments only, and it does nothing else with them.
    Pure,
    /// Its value depends on its arguments only, but it may keep them, tell them or act on them.
    Keeps,
    /// As `Keeps`, and its value is made of columns with these masks too.
    Reads(Masks),
    /// Anything.
    Unknown,
}

/// What the function of this name does, whichever of that name is meant.
pub(super) fn call(_tracer: &Tracer, _name: &[&str]) -> Call {
    Call::Unknown
}

/// What the operator of this name does.
pub(super) fn operator(_tracer: &Tracer, _name: &[&str]) -> Call {
    Call::Unknown
}

/// What a cast to this type does.
pub(super) fn cast(_tracer: &Tracer, _ty: &protobuf::TypeName) -> Call {
    Call::Unknown
}
