//! Policy: from rules to decisions. `model` is the source, `compile` checks and resolves it,
//! `decision` is what comes out. Nothing here fails at run time: a policy that loads decides
//! everything.

pub mod decision;
pub mod diagnostic;
pub mod engine;
pub mod model;
