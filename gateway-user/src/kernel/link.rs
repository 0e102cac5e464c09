//! Keeps programs attached to cgroups: makes links, pins them, renews and removes them.
//!
//! A link that exists is never replaced but given the new program, so that a restart leaves no
//! moment without a hook. Which cgroups may be attached is judged in `mod`.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::libc;

use super::bpffs::{Folders, open_folder};
use super::cgroup::{Cgroup, CgroupId};
use super::error::KernelError;
use super::hook::Hook;
use super::load::Programs;
use super::syscall;

/// Attaches all hooks to a cgroup, or renews those that are attached already. If it fails, what
/// was attached before is still so, and nothing was added.
pub(super) fn attach(
    folders: &Folders,
    programs: &Programs,
    cgroup: &Cgroup,
) -> Result<(), KernelError> {
    let folder = folder_of(folders, cgroup.id);
    match fs::create_dir(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            let what = format!("making {}", folder.display());
            return Err(KernelError::os(what, error));
        }
        _ => {}
    }
    programs.maps.cover(cgroup.id)?;
    let mut made = Vec::new();
    for (hook, program) in programs.hooks() {
        let pin = folder.join(hook.name());
        let result = renew_or_create(&pin, hook, program, cgroup).and_then(|is_new| {
            if is_new {
                made.push(pin);
            }
            match hook.is_named() {
                true => programs.maps.name_attachment(cgroup.id, hook),
                false => Ok(()),
            }
        });
        if let Err(error) = result {
            for pin in made.iter().rev() {
                remove(pin)?;
            }
            // Fails while older links are in it, which is as it should be.
            if fs::remove_dir(&folder).is_ok() {
                programs.maps.uncover(cgroup.id)?;
            }
            return Err(error);
        }
    }
    Ok(())
}

/// Detaches all hooks of a cgroup.
pub(super) fn detach(folders: &Folders, id: CgroupId) -> Result<(), KernelError> {
    let folder = folder_of(folders, id);
    if !folder.is_dir() {
        return Err(KernelError::NotAttached(id));
    }
    for hook in Hook::ALL.into_iter().rev() {
        remove(&folder.join(hook.name()))?;
    }
    fs::remove_dir(&folder)
        .map_err(|error| KernelError::os(format!("removing {}", folder.display()), error))
}

/// Ids of the cgroups that have a folder, attached well or not.
pub(super) fn pinned(folders: &Folders) -> Result<Vec<CgroupId>, KernelError> {
    let folder = folders.links();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            let what = format!("reading {}", folder.display());
            return Err(KernelError::os(what, error));
        }
    };
    let mut ids = Vec::new();
    for entry in entries {
        let entry = entry
            .map_err(|error| KernelError::os(format!("reading {}", folder.display()), error))?;
        let id = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        ids.extend(id.map(CgroupId));
    }
    Ok(ids)
}

/// The hooks whose link is missing or severed. Of an optional one a missing link says nothing.
pub(super) fn dead(folders: &Folders, id: CgroupId) -> Result<Vec<Hook>, KernelError> {
    let folder = folder_of(folders, id);
    let mut dead = Vec::new();
    for hook in Hook::ALL {
        let cgroup = match open_pinned(&folder.join(hook.name()))? {
            Some(link) => syscall::link_cgroup(link.as_fd())
                .map_err(|error| KernelError::os("reading a link", error))?,
            None if hook.is_optional() => continue,
            None => 0,
        };
        if cgroup != id.0 {
            dead.push(hook);
        }
    }
    Ok(dead)
}

/// Whether it had to be made.
fn renew_or_create(
    pin: &Path,
    hook: Hook,
    program: BorrowedFd<'_>,
    cgroup: &Cgroup,
) -> Result<bool, KernelError> {
    if let Some(link) = open_pinned(pin)? {
        match syscall::link_update(link.as_fd(), program) {
            Ok(()) => return Ok(false),
            // Somebody detached the link; the pin holds nothing any more.
            Err(error) if error.raw_os_error() == Some(libc::ENOLINK) => remove(pin)?,
            Err(error) => {
                let what = format!("renewing {} of {}", hook.name(), cgroup.path.display());
                return Err(KernelError::os(what, error));
            }
        }
    }
    let link = create(hook, program, cgroup)?;
    syscall::pin(link.as_fd(), pin)
        .map_err(|error| KernelError::os(format!("pinning {}", pin.display()), error))?;
    Ok(true)
}

fn create(hook: Hook, program: BorrowedFd<'_>, cgroup: &Cgroup) -> Result<OwnedFd, KernelError> {
    let folder = open_folder(&cgroup.path)?;
    syscall::link_create(program, folder.as_fd(), hook.attach_type()).map_err(|error| match holder(
        hook,
        &cgroup.path,
    ) {
        Some((holder, programs)) => KernelError::Held {
            cgroup: cgroup.path.clone(),
            hook: hook.name(),
            holder,
            programs,
        },
        None if error.raw_os_error() == Some(libc::EPERM) => KernelError::Permission {
            what: "attaching a program to a cgroup",
            capability: String::from("CAP_NET_ADMIN"),
        },
        None => {
            let what = format!("attaching {} to {}", hook.name(), cgroup.path.display());
            KernelError::os(what, error)
        }
    })
}

/// The cgroup, here or above, whose programs do not allow others beside or below them.
fn holder(hook: Hook, cgroup: &Path) -> Option<(PathBuf, Vec<u32>)> {
    cgroup.ancestors().find_map(|path| {
        let folder = open_folder(path).ok()?;
        // Above the mount there is no cgroup to ask, which ends the search without a find.
        let query = syscall::query(folder.as_fd(), hook.attach_type()).ok()?;
        (!query.multi && !query.programs.is_empty()).then(|| (path.to_owned(), query.programs))
    })
}

fn remove(pin: &Path) -> Result<(), KernelError> {
    let Some(link) = open_pinned(pin)? else {
        return Ok(());
    };
    // Removing the pin alone would detach a little later. A severed link is detached already.
    match syscall::link_detach(link.as_fd()) {
        Err(error) if error.raw_os_error() != Some(libc::ENOLINK) => {
            return Err(KernelError::os(
                format!("detaching {}", pin.display()),
                error,
            ));
        }
        _ => {}
    }
    fs::remove_file(pin)
        .map_err(|error| KernelError::os(format!("removing {}", pin.display()), error))
}

fn open_pinned(pin: &Path) -> Result<Option<OwnedFd>, KernelError> {
    match syscall::pinned(pin) {
        Ok(link) => Ok(Some(link)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(KernelError::os(format!("opening {}", pin.display()), error)),
    }
}

pub(super) fn folder_of(folders: &Folders, id: CgroupId) -> PathBuf {
    folders.links().join(id.to_string())
}
