//! Processes outside the run stay out of reach, also those of the same user.
//!
//! A process in a Landlock domain can neither trace one outside of it nor open its memory, its
//! descriptors or its root directory in `/proc`. Within the run debuggers work. What kind of domain
//! there can be is the kernel's age; without one the filter refuses tracing altogether.

use landlock::{
    AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, PathFdError,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope,
};

/// How far processes outside are protected from those inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outsiders {
    /// By the kernel, whatever is tried.
    Shielded,
    /// Not by a domain: the filter has to refuse what it can.
    Exposed,
}

/// Why there is no domain although the kernel has some.
#[derive(Debug, thiserror::Error)]
pub enum ShieldError {
    /// It is refused.
    #[error(transparent)]
    Ruleset(#[from] RulesetError),
    /// The root directory cannot be opened.
    #[error(transparent)]
    Root(#[from] PathFdError),
}

/// Enters a domain where the kernel has such.
pub(super) fn raise() -> Result<Outsiders, ShieldError> {
    if is_enforced(&by_scope()?) || is_enforced(&by_files()?) {
        Ok(Outsiders::Shielded)
    } else {
        Ok(Outsiders::Exposed)
    }
}

/// From Linux 6.12: a domain that beside this keeps abstract Unix sockets from outside away, and
/// nothing else.
fn by_scope() -> Result<RestrictionStatus, ShieldError> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::SoftRequirement)
        .scope(Scope::AbstractUnixSocket)?
        .create()?;
    Ok(ruleset.restrict_self()?)
}

/// From Linux 5.19: a domain has to restrict some access to files. It is the making of block
/// devices, which nobody can here. A domain of this kind takes mounts in user namespaces away too,
/// and with them some sandboxes of the agent's own (bubblewrap). Before 5.19 it would also refuse to
/// move files between folders, which too much needs.
fn by_files() -> Result<RestrictionStatus, ShieldError> {
    let moving: BitFlags<AccessFs> = AccessFs::Refer.into();
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::SoftRequirement)
        .handle_access(moving | AccessFs::MakeBlock)?
        .create()?
        .add_rule(PathBeneath::new(PathFd::new("/")?, moving))?;
    Ok(ruleset.restrict_self()?)
}

fn is_enforced(status: &RestrictionStatus) -> bool {
    status.ruleset == RulesetStatus::FullyEnforced
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::{Child, Command};

    use super::*;

    /// Domains are a thread's own, so that one that ends can try them. None where the kernel has no
    /// such domain.
    fn within<T: Send + 'static>(
        domain: fn() -> Result<RestrictionStatus, ShieldError>,
        attempt: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let thread = std::thread::spawn(move || is_enforced(&domain().unwrap()).then(attempt));
        thread.join().unwrap()
    }

    fn sleeper() -> Child {
        Command::new("sleep").arg("100").spawn().unwrap()
    }

    #[test]
    fn domains_keep_outsiders_away_and_insiders_not() {
        let mut outsider = sleeper();
        let outsiders = format!("/proc/{}/mem", outsider.id());
        fs::File::open(&outsiders).unwrap();
        let tried = [by_scope, by_files].map(|domain| {
            let outsiders = outsiders.clone();
            within(domain, move || {
                fs::File::open(outsiders).unwrap_err();
                let mut insider = sleeper();
                fs::File::open(format!("/proc/{}/mem", insider.id())).unwrap();
                insider.kill().unwrap();
                insider.wait().unwrap();
            })
        });
        outsider.kill().unwrap();
        outsider.wait().unwrap();
        assert!(
            tried.iter().any(Option::is_some),
            "this kernel has no Landlock"
        );
    }

    #[test]
    fn files_move_between_folders_in_the_older_domain() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a/file"), folder.path().join("b/file"));
        for path in [&from, &to] {
            fs::create_dir(path.parent().unwrap()).unwrap();
        }
        fs::write(&from, "").unwrap();
        let moved = within(by_files, move || fs::rename(from, to));
        moved.expect("this kernel has no Landlock").unwrap();
    }
}
