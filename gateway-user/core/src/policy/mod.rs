//! Policy: from rules to decisions. `model` is the source, `compile` makes a `table` of it for each
//! resource, with the patterns of `pattern`, the conditions of `when`, the times of `during`, what `claims` are
//! wanted of tokens and what `demand` says of approvers, and says by `diagnostic` what is wrong, with `entry` for what all entries of the file have; `review` finds rules that never
//! take effect; `masks` reads `[[mask]]` with `mask_rules`, `detectors` what they look for. `engine` decides on what an `actor` does: a `case` with the rules that `index` finds has
//! an `outcome`, and `decision` is what comes out, with `hold` where people decide; `budget` weighs what was used already, `limit` says how much one statement may bring, `bar` knows before
//! there is a session that none could begin. Nothing here fails at run time: a policy that loads decides
//! everything. `explain` says why, with patterns in the words of `notation`, for facts from a connection
//! or from a `draft`.

pub mod actor;
pub mod budget;
pub mod claims;
pub mod decision;
pub mod diagnostic;
pub mod draft;
pub mod engine;
pub mod explain;
pub mod hold;
pub mod limit;
pub mod model;

mod bar;
mod case;
mod compile;
mod demand;
mod detectors;
mod during;
mod entry;
mod index;
mod mask_rules;
mod masks;
mod matching;
mod notation;
mod outcome;
mod pattern;
mod review;
mod table;
#[cfg(test)]
mod tests;
mod when;
