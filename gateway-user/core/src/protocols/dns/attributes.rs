//! The facts that DNS can tell, documented, and the slots they have in a fact set.
//!
//! The reference in `docs/policy.md` follows this list.

use crate::facts::{Attribute, Scope, Type, Usual};

/// Slot of `dns.name`.
pub const NAME: usize = 0;
/// Slot of `dns.type`.
pub const TYPE: usize = 1;

/// All of them, in the order of their slots.
pub static ATTRIBUTES: [Attribute; 2] = [
    Attribute {
        name: "dns.name",
        ty: Type::Text,
        scope: Scope::Action,
        values: &[],
        usual: Usual::Absent,
        doc: "name that is looked up, in lower case and without the last dot",
    },
    Attribute {
        name: "dns.type",
        ty: Type::Text,
        scope: Scope::Action,
        values: &[],
        usual: Usual::Absent,
        doc: "type of record that is wanted, such as `a`, `aaaa` or `txt`",
    },
];
