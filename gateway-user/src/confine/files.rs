//! Which files the confined daemon may change: those below its own folders. It may read what its
//! user may read.

use std::path::PathBuf;

use landlock::{
    ABI, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, path_beneath_rules,
};

use super::Landlock;

/// The newest version of the interface whose rights are named here (Linux 6.10); an older kernel
/// guards what it knows.
const KNOWN: ABI = ABI::V5;

/// Restricts this thread and those it starts.
pub(super) fn guard(writable: &[PathBuf]) -> Result<Landlock, RulesetError> {
    let guarded = AccessFs::from_write(KNOWN) | AccessFs::Execute;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(guarded)?
        .create()?
        .add_rules(path_beneath_rules(writable, AccessFs::from_write(KNOWN)))?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Landlock::Full,
        RulesetStatus::PartiallyEnforced => Landlock::Partial,
        RulesetStatus::NotEnforced => Landlock::None,
    })
}
