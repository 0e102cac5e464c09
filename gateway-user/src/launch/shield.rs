//! Processes outside the run stay out of reach, also those of the same user.
//!
//! A process in a Landlock domain can neither trace one outside of it nor open its memory, its
//! descriptors or its root directory in `/proc`, and it connects to no abstract Unix socket from
//! outside. Within the run debuggers work. A domain that does only this needs Linux 6.12; with the
//! older kinds of rules a domain would also take mounts in user namespaces away, and with them
//! sandboxes that agents use (bubblewrap). Without it the filter refuses tracing altogether.

use landlock::{CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope};

/// How far processes outside are protected from those inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outsiders {
    /// By the kernel, whatever is tried.
    Shielded,
    /// Not by a domain: the filter has to refuse what it can.
    Exposed,
}

/// Enters a domain where the kernel has such.
pub(super) fn raise() -> Result<Outsiders, RulesetError> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .scope(Scope::AbstractUnixSocket)?
        .create()?;
    let status = ruleset.restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Outsiders::Shielded,
        RulesetStatus::PartiallyEnforced | RulesetStatus::NotEnforced => Outsiders::Exposed,
    })
}
