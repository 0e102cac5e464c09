//! `Selector`: which cgroups a workload is, by the name of a systemd unit or by a path.
//!
//! Both are globs over names, never across a `/`. Pure: paths come in as their parts below the
//! cgroup v2 mount; who follows the hierarchy is `control::follow`.

use std::fmt;

use gateway_core::glob::Glob;

/// A glob that chooses cgroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// As people know it: `unit agent@*.service`, `cgroup docker-agents/*`.
    label: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// A unit of the system's manager, which keeps its units in slices, however deep.
    ///
    /// INVARIANT: not a cgroup of that name anywhere else. A user's own manager may make cgroups
    /// of any name below `user@UID.service`, and nobody becomes a workload by a name that he
    /// chooses himself. Checked by `only_slices_hold_units`.
    Unit(Glob),
    /// One glob for each part of the path.
    Path(Vec<Glob>),
}

/// Why a text chooses no cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// A unit's name with a `/` in it, or none at all.
    #[error("this is not the name of a unit")]
    NoUnit,
    /// Nothing but slashes.
    #[error("this would be every process of the host")]
    Root,
    /// `.`, `..` or an empty part.
    #[error("this is not a path below the cgroup v2 mount")]
    NoPath,
}

impl Selector {
    /// Chooses the units that `text` stands for; `.service` may be left out.
    pub fn unit(text: &str) -> Result<Self, SelectorError> {
        if text.is_empty() || text.contains('/') {
            return Err(SelectorError::NoUnit);
        }
        let name = match text.contains('.') {
            true => text.to_owned(),
            false => format!("{text}.service"),
        };
        Ok(Self {
            kind: Kind::Unit(Glob::new(&name)),
            label: format!("unit {name}"),
        })
    }

    /// Chooses the cgroups whose whole path `text` stands for, part by part.
    pub fn path(text: &str) -> Result<Self, SelectorError> {
        let inside = text.trim_matches('/');
        if inside.is_empty() {
            return Err(SelectorError::Root);
        }
        let parts: Vec<&str> = inside.split('/').collect();
        if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
            return Err(SelectorError::NoPath);
        }
        Ok(Self {
            label: format!("cgroup {inside}"),
            kind: Kind::Path(parts.into_iter().map(Glob::new).collect()),
        })
    }

    /// Whether it chooses the cgroup at `path`.
    pub fn selects(&self, path: &[&str]) -> bool {
        match &self.kind {
            Kind::Unit(name) => path.split_last().is_some_and(|(last, above)| {
                name.matches(last) && above.iter().all(|part| is_slice(part))
            }),
            Kind::Path(parts) => {
                parts.len() == path.len()
                    && parts
                        .iter()
                        .zip(path)
                        .all(|(glob, part)| glob.matches(part))
            }
        }
    }

    /// Whether it may choose something below the cgroup at `path`, which is then to be looked into.
    pub fn may_select_below(&self, path: &[&str]) -> bool {
        match &self.kind {
            Kind::Unit(_) => path.iter().all(|part| is_slice(part)),
            Kind::Path(parts) => {
                parts.len() > path.len()
                    && parts
                        .iter()
                        .zip(path)
                        .all(|(glob, part)| glob.matches(part))
            }
        }
    }

    /// Whether there is a path that both choose.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Unit(one), Kind::Unit(other)) => one.overlaps(other),
            (Kind::Path(one), Kind::Path(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a.overlaps(b))
            }
            (Kind::Unit(name), Kind::Path(parts)) | (Kind::Path(parts), Kind::Unit(name)) => {
                let slice = Glob::new("*.slice");
                parts.split_last().is_some_and(|(last, above)| {
                    name.overlaps(last) && above.iter().all(|part| slice.overlaps(part))
                })
            }
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

fn is_slice(name: &str) -> bool {
    name.ends_with(".slice")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &str) -> Vec<&str> {
        path.split('/').collect()
    }

    fn unit(text: &str) -> Selector {
        Selector::unit(text).unwrap()
    }

    fn path(text: &str) -> Selector {
        Selector::path(text).unwrap()
    }

    #[test]
    fn only_slices_hold_units() {
        let agent = unit("agent@*");
        for yes in [
            "agent@1.service",
            "system.slice/system-agent.slice/agent@1.service",
        ] {
            assert!(agent.selects(&parts(yes)), "{yes}");
        }
        for no in [
            "system.slice/agent.service",
            "user.slice/user-1000.slice/user@1000.service/app.slice/agent@1.service",
            "docker/agent@1.service",
        ] {
            assert!(!agent.selects(&parts(no)), "{no}");
        }
        assert!(agent.may_select_below(&[]));
        assert!(agent.may_select_below(&parts("user.slice/user-1000.slice")));
        assert!(!agent.may_select_below(&parts("user.slice/user-1000.slice/user@1000.service")));
    }

    #[test]
    fn a_path_is_compared_part_by_part() {
        let pods = path("/kubepods.slice/*/*.scope");
        assert!(pods.selects(&parts("kubepods.slice/pod1.slice/c.scope")));
        assert!(!pods.selects(&parts("kubepods.slice/pod1.slice/x/c.scope")));
        assert!(!pods.selects(&parts("kubepods.slice/pod1.slice")));
        assert!(pods.may_select_below(&parts("kubepods.slice/pod1.slice")));
        assert!(!pods.may_select_below(&parts("kubepods.slice/pod1.slice/c.scope")));
        assert!(!pods.may_select_below(&parts("system.slice")));
        assert_eq!(pods.to_string(), "cgroup kubepods.slice/*/*.scope");
    }

    #[test]
    fn what_two_can_choose_is_found() {
        assert!(unit("agent@*").overlaps(&unit("*@1.service")));
        assert!(!unit("agent@*").overlaps(&unit("coder@*")));
        assert!(path("a/*").overlaps(&path("*/b")));
        assert!(!path("a/*").overlaps(&path("a/*/c")));
        assert!(unit("agent@*").overlaps(&path("system.slice/*")));
        assert!(!unit("agent@*").overlaps(&path("docker/*")));
    }

    #[test]
    fn what_chooses_nothing_sensible_is_refused() {
        assert_eq!(Selector::unit("a/b"), Err(SelectorError::NoUnit));
        assert_eq!(Selector::unit(""), Err(SelectorError::NoUnit));
        assert_eq!(Selector::path("//"), Err(SelectorError::Root));
        assert_eq!(Selector::path("a//b"), Err(SelectorError::NoPath));
        assert_eq!(Selector::path("../a"), Err(SelectorError::NoPath));
    }
}
