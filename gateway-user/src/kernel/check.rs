//! Whether what was attached still is, and puts it right where it is not.
//!
//! Links are detached by whoever has the privilege (`bpftool link detach`, a pin removed), and they
//! die with their cgroup. So each is asked for: it has to be there, to be on its cgroup and hook,
//! and to run the program that is loaded now. The maps have to be the ones that are pinned, or the
//! next daemon would begin with others.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::PoisonError;

use serde::{Deserialize, Serialize};

use super::bpffs::Folders;
use super::cgroup::{Cgroup, CgroupId, CgroupMount};
use super::error::KernelError;
use super::hook::Hook;
use super::link;
use super::load::Programs;
use super::{Here, syscall};

/// Something that was not as it has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// The attached cgroup; none where it was the daemon's own part.
    pub cgroup: Option<CgroupId>,
    /// What was wrong, as `connect4 was detached`.
    pub what: String,
    /// Why it still is; none when it was put right.
    pub remains: Option<String>,
}

/// A pinned map, and the map that the programs use.
#[derive(Debug)]
pub(super) struct PinnedMap {
    name: String,
    map: OwnedFd,
    id: u32,
}

impl Here {
    /// [`super::Kernel::check`].
    pub(super) fn check(
        &self,
        mount: &CgroupMount,
        programs: &Programs,
        expected: &[Cgroup],
    ) -> Result<Vec<Damage>, KernelError> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.bpffs.is_in_place() {
            let remains = "what is attached lasts as long as this daemon, and no longer";
            return Ok(vec![Damage {
                cgroup: None,
                what: "the private bpffs was unmounted".to_owned(),
                remains: Some(remains.to_owned()),
            }]);
        }
        let folders = &self.bpffs.folders;
        let mut damages: Vec<_> = self
            .maps
            .iter()
            .filter_map(|map| map.check(folders))
            .collect();
        let mut cgroups = expected.to_owned();
        for id in link::pinned(folders)? {
            if !expected.iter().any(|one| one.id == id) {
                cgroups.extend(mount.path_of(id)?.map(|path| Cgroup { id, path }));
            }
        }
        for cgroup in cgroups {
            let folder = link::folder_of(folders, cgroup.id);
            let faults = faults(&folder, cgroup.id, programs.hooks())
                .map_err(|error| KernelError::os("looking at links", error))?;
            if faults.is_empty() {
                continue;
            }
            let repaired = link::attach(folders, programs, &cgroup);
            // It has gone meanwhile, with its links, which is no damage.
            if repaired.is_err() && mount.path_of(cgroup.id)?.is_none() {
                continue;
            }
            damages.push(Damage {
                cgroup: Some(cgroup.id),
                what: faults.join(", "),
                remains: repaired.err().map(|error| error.to_string()),
            });
        }
        Ok(damages)
    }
}

/// The maps as they are pinned now, right after the programs were loaded onto them.
pub(super) fn maps(folders: &Folders) -> Result<Vec<PinnedMap>, KernelError> {
    let folder = folders.maps();
    let failed = |error| KernelError::os(format!("reading {}", folder.display()), error);
    let mut maps = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let map = syscall::pinned(&entry.path()).map_err(failed)?;
        maps.push(PinnedMap {
            name: entry.file_name().to_string_lossy().into_owned(),
            id: syscall::object_id(map.as_fd()).map_err(failed)?,
            map,
        });
    }
    Ok(maps)
}

impl PinnedMap {
    /// Pins it again where it is not pinned any more, or another map is in its place.
    pub(super) fn check(&self, folders: &Folders) -> Option<Damage> {
        let pin = folders.maps().join(&self.name);
        let what = match syscall::pinned(&pin).and_then(|map| syscall::object_id(map.as_fd())) {
            Ok(id) if id == self.id => return None,
            Ok(_) => "is not the one that was pinned",
            Err(_) => "was not pinned any more",
        };
        let repaired = unpin(&pin).and_then(|()| syscall::pin(self.map.as_fd(), &pin));
        Some(Damage {
            cgroup: None,
            what: format!("the map {} {what}", self.name),
            remains: repaired.err().map(|error| error.to_string()),
        })
    }
}

/// What can be wrong with a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Detached,
    Foreign,
    OtherProgram,
}

impl Fault {
    /// As said of a hook.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Detached => "was detached",
            Self::Foreign => "was replaced by something else",
            Self::OtherProgram => "ran another program",
        }
    }
}

/// What is wrong with one link; none if it is on this cgroup and hook and runs
/// `program`.
pub(super) fn fault(
    link: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    cgroup: CgroupId,
    hook: Hook,
) -> io::Result<Option<Fault>> {
    let info = syscall::link_info(link)?;
    Ok(if info.cgroup == 0 {
        Some(Fault::Detached)
    } else if info.cgroup != cgroup.0 || info.attach_type != hook.attach_type() {
        Some(Fault::Foreign)
    } else if info.program != syscall::object_id(program)? {
        Some(Fault::OtherProgram)
    } else {
        None
    })
}

/// What is wrong with the hooks of a cgroup, whose links are pinned in `folder`. What is in the
/// place of a link and is none of this cgroup is taken out of it, so that attaching again makes
/// a new one.
pub(super) fn faults<'a>(
    folder: &Path,
    cgroup: CgroupId,
    hooks: impl Iterator<Item = (Hook, BorrowedFd<'a>)>,
) -> io::Result<Vec<String>> {
    let mut faults = Vec::new();
    for (hook, program) in hooks {
        let pin = folder.join(hook.name());
        let fault = match syscall::pinned(&pin) {
            Ok(link) => fault(link.as_fd(), program, cgroup, hook)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Fault::Detached),
            Err(_) => Some(Fault::Foreign),
        };
        if fault == Some(Fault::Foreign) {
            // Only the pin is ours to remove: what it holds may be somebody's.
            unpin(&pin)?;
        }
        faults.extend(fault.map(|fault| format!("{} {}", hook.name(), fault.words())));
    }
    Ok(faults)
}

fn unpin(pin: &Path) -> io::Result<()> {
    match fs::remove_file(pin) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
