//! Policy: from rules to decisions. `model` is the source, `compile` checks and resolves it with
//! the patterns of `pattern` and says by `diagnostic` what is wrong, `engine` decides, `decision`
//! is what comes out; `bar` knows before there is a session that none could begin. Nothing here fails at run time: a policy that loads decides everything.

pub mod decision;
pub mod diagnostic;
pub mod engine;
pub mod model;

mod bar;
mod compile;
mod matching;
mod pattern;
#[cfg(test)]
mod tests;
