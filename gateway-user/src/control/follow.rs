//! Attaches what the configuration's selectors choose, as it appears.
//!
//! [`Follower`] watches the folders of the cgroup hierarchy in which something could be chosen, by
//! inotify, and never whole trees: a container's own cgroups are no business of ours. A look at all of them at the
//! start, at a reload and every few seconds finds what the watch lost. What a selector means is in
//! `config::selector`; attaching itself is in [`super::operations`].
//!
//! What was attached by a selector stays so when the selector goes: only an operator's `detach`
//! and the end of the cgroup let go of anything.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_core::ids::WorkloadName;
use jiff::Timestamp;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use super::api::{Attached, Hooks, Unmatched};
use super::attachments::{Attachment, Purpose};
use super::hooks::is_gone;
use super::operations::{OperationError, Operations};
use super::peer::Peer;
use super::status::describe;
use crate::config::selector::Selector;
use crate::kernel::{Cgroup, CgroupId, Closing};
use crate::observe::enforcement::{self, Operator, What};

/// Folders watched at a time. Cgroups in folders beyond that are found by the look that comes
/// every few seconds, and `gateway status` says so.
const MOST_WATCHED: usize = 4096;

/// Which selectors choose which workload.
pub type Selection = Vec<(WorkloadName, Arc<[Selector]>)>;

/// What is remembered from one look to the next.
#[derive(Debug, Default)]
pub struct Following(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// None where inotify is not to be had: then there are only the looks.
    follower: Option<Follower>,
    /// Cgroups that an operator let go of: they are left alone until they are made anew or the
    /// configuration is read again.
    released: BTreeSet<CgroupId>,
    /// What could not be attached, and why.
    failed: BTreeMap<PathBuf, String>,
}

/// The watch over the hierarchy.
#[derive(Debug)]
struct Follower {
    inotify: Inotify,
    folders: HashMap<WatchDescriptor, PathBuf>,
    /// Whether a folder could not be watched.
    is_short: bool,
}

/// A cgroup that a selector chose.
struct Found {
    path: PathBuf,
    workload: WorkloadName,
    selector: String,
}

impl Following {
    /// Starts to watch, for as long as this lives.
    pub fn start() -> Self {
        let follower = Follower::new()
            .inspect_err(|error| tracing::error!(%error, "cannot watch the cgroups; they are looked at every few seconds"));
        Self(Mutex::new(State {
            follower: follower.ok(),
            ..State::default()
        }))
    }

    /// Waits until a cgroup may have appeared; false when nobody has the other end of `ended` any
    /// more.
    pub fn wait(&self, ended: BorrowedFd<'_>) -> bool {
        let inotify = {
            let state = self.state();
            let follower = state.follower.as_ref();
            follower.and_then(|one| one.inotify.as_fd().try_clone_to_owned().ok())
        };
        let ended = PollFd::new(ended, PollFlags::empty());
        let mut both = vec![ended];
        both.extend(
            inotify
                .as_ref()
                .map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)),
        );
        loop {
            match poll(&mut both, PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot wait for cgroups; they are looked at every few seconds");
                    return false;
                }
                Ok(_) => {
                    let hung_up = both.first().and_then(PollFd::any) == Some(true);
                    return !hung_up;
                }
            }
        }
    }

    /// What does not work, for people.
    pub fn problems(&self) -> Vec<String> {
        let state = self.state();
        let short = state.follower.as_ref().is_none_or(|one| one.is_short);
        let short = short.then(|| {
            "not all cgroups can be watched (fs.inotify.max_user_watches, max_user_instances): \
             new ones may be attached some seconds late"
                .to_owned()
        });
        let failed = state.failed.iter();
        failed
            .map(|(path, error)| format!("{} is not attached: {error}", path.display()))
            .chain(short)
            .collect()
    }

    /// An operator let go of a cgroup that a selector chooses.
    pub(super) fn release(&self, id: CgroupId) {
        self.state().released.insert(id);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whatever a panic left of it, the next look puts it right.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Operations {
    /// Looks at the whole hierarchy and attaches what is chosen and is not attached yet.
    pub fn follow(&self) {
        let _change = self.changing();
        self.look();
    }

    /// As [`Operations::follow`], for a configuration that was just read: what operators let go
    /// of is chosen again.
    pub(super) fn follow_anew(&self) {
        self.following().state().released.clear();
        self.look();
    }

    /// Attaches what is chosen among the cgroups that appeared since the last time.
    pub fn catch_up(&self) {
        let _change = self.changing();
        let selection = self.parts().settings.selection();
        let root = self.parts().mount.root();
        let found = {
            let mut state = self.following().state();
            let Some(follower) = &mut state.follower else {
                return;
            };
            follower.appeared(root, &selection)
        };
        match found {
            Some(found) => self.take(found),
            None => self.look(),
        }
    }

    /// Attaches a cgroup that the configuration chooses, at once and as what it chooses it for. Agents may
    /// ask for it as well: the same would come of it a moment later. A service whose own cgroup it is
    /// asks before it starts.
    pub fn attach_chosen(&self, cgroup: &Path, by: Peer) -> Result<Attached, OperationError> {
        let _change = self.changing();
        let cgroup = self.parts().mount.at(cgroup)?;
        let path = &cgroup.path;
        let selection = self.parts().settings.selection();
        let Some(found) = choice(self.parts().mount.root(), &selection, path) else {
            return Err(OperationError::NotChosen { path: path.clone() });
        };
        self.take_one(&found, Some(by))?;
        let Some(before) = self.parts().attachments.find(cgroup.id) else {
            return Err(OperationError::Released { path: path.clone() });
        };
        let is_alone = || before.closing.is_nothing() && by.is_alone_in(path);
        let attachment = Attachment {
            before_start: before.before_start || is_alone(),
            ..before.clone()
        };
        let attachment = if !self.is_covered(cgroup.id)? {
            self.put_hooks(&cgroup, attachment, Some(by.into()))?
        } else {
            if attachment != before {
                self.parts().attachments.insert(attachment.clone())?;
            }
            attachment
        };
        Ok(describe(
            cgroup.id,
            Some(cgroup.path),
            Some(attachment),
            Hooks::Ok,
        ))
    }

    /// Selectors by which nothing is attached.
    pub(super) fn unmatched(&self) -> Vec<Unmatched> {
        let root = self.parts().mount.root();
        let mut attached = self.parts().attachments.all();
        attached.retain(|one| !is_gone(one));
        let is_matched = |selector: &Selector| {
            let mut paths = attached.iter().map(|one| &one.path);
            paths.any(|path| selects(selector, root, path))
        };
        let mut unmatched = Vec::new();
        for (workload, selectors) in self.parts().settings.selection() {
            let none = selectors.iter().filter(|one| !is_matched(one));
            unmatched.extend(none.map(|selector| Unmatched {
                workload: workload.clone(),
                selector: selector.to_string(),
            }));
        }
        unmatched
    }

    fn look(&self) {
        let selection = self.parts().settings.selection();
        let root = self.parts().mount.root();
        let found = {
            let mut state = self.following().state();
            state.failed.retain(|path, _| path.exists());
            match &mut state.follower {
                Some(follower) => follower.all(root, &selection),
                None => search(root, &selection, root, &mut |_| ()),
            }
        };
        self.take(found);
    }

    fn take(&self, found: Vec<Found>) {
        for one in found {
            let outcome = self.take_one(&one, None);
            let mut state = self.following().state();
            match outcome {
                Ok(()) => {
                    state.failed.remove(&one.path);
                }
                // It went away meanwhile: there is nothing to attach, hence nothing to tell.
                Err(_) if !one.path.exists() => {}
                Err(error) => {
                    let error = error.to_string();
                    let before = state.failed.insert(one.path.clone(), error.clone());
                    if before.as_ref() != Some(&error) {
                        drop(state);
                        self.tell_failed(&one, error);
                    }
                }
            }
        }
    }

    fn take_one(&self, found: &Found, by: Option<Peer>) -> Result<(), OperationError> {
        let cgroup = self.parts().mount.at(&found.path)?;
        let before = self.parts().attachments.find(cgroup.id);
        let before_workload = before.as_ref().map(|one| one.workload.clone());
        match before {
            Some(before) if before.workload == found.workload => return Ok(()),
            // Who named this very cgroup knew more than a pattern does.
            Some(before) if before.purpose != Purpose::Selected => {
                return Err(OperationError::AttachedAlready {
                    path: before.path,
                    workload: before.workload,
                });
            }
            None if self.following().state().released.contains(&cgroup.id) => return Ok(()),
            Some(_) | None => {}
        }
        let attachment = Attachment {
            cgroup: cgroup.id,
            path: cgroup.path.clone(),
            workload: found.workload.clone(),
            purpose: Purpose::Selected,
            selector: Some(found.selector.clone()),
            before_start: false,
            identity_token: None,
            since: Timestamp::now(),
            closing: Closing::default(),
        };
        // Nobody else's token is its own.
        self.parts().attachments.identities().set(cgroup.id.0, None);
        self.put_hooks(&cgroup, attachment, by.map(Operator::from))?;
        tracing::info!(path = %cgroup.path.display(), workload = %found.workload, selector = found.selector, "attached");
        if before_workload.is_some() {
            // Its sessions were opened as somebody else.
            self.parts().live.end_cgroup(cgroup.id);
        }
        Ok(())
    }

    fn tell_failed(&self, found: &Found, reason: String) {
        tracing::error!(path = %found.path.display(), reason, "cannot attach what a selector chose");
        let attachment = enforcement::Attachment {
            workload: Some(found.workload.clone()),
            cgroup: found.path.display().to_string(),
            by: None,
            selector: Some(found.selector.clone()),
            inside: None,
        };
        // The daemon's own log has it, and `status` as long as it lasts.
        if let Err(error) = self.note(What::AttachFailed { attachment, reason }) {
            tracing::error!(%error, "cannot write the enforcement log");
        }
    }

    /// The workload of the attached cgroup around this one, if that is another one.
    pub(super) fn around(&self, cgroup: &Cgroup, workload: &WorkloadName) -> Option<WorkloadName> {
        let all = self.parts().attachments.all();
        let around = all
            .into_iter()
            .filter(|one| one.cgroup != cgroup.id && cgroup.path.starts_with(&one.path))
            .max_by_key(|one| one.path.as_os_str().len())?;
        (around.workload != *workload).then_some(around.workload)
    }
}

impl Follower {
    fn new() -> nix::Result<Self> {
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        Ok(Self {
            inotify: Inotify::init(flags)?,
            folders: HashMap::new(),
            is_short: false,
        })
    }

    /// Everything that is chosen now. From here on the folders that it went through are watched,
    /// and no others.
    fn all(&mut self, root: &Path, selection: &Selection) -> Vec<Found> {
        self.is_short = false;
        let mut seen = BTreeSet::new();
        let found = search(root, selection, root, &mut |folder| {
            self.watch(folder);
            seen.insert(folder.to_owned());
        });
        let stale: Vec<_> = self
            .folders
            .iter()
            .filter(|(_, folder)| !seen.contains(*folder))
            .map(|(watch, _)| *watch)
            .collect();
        for watch in stale {
            self.folders.remove(&watch);
            // The kernel removes the watch of a folder that is gone by itself.
            let _gone_already = self.inotify.rm_watch(watch);
        }
        found
    }

    /// What is chosen of that which appeared; none when events were lost.
    fn appeared(&mut self, root: &Path, selection: &Selection) -> Option<Vec<Found>> {
        let mut found = Vec::new();
        loop {
            let events = match self.inotify.read_events() {
                Ok(events) => events,
                Err(Errno::EAGAIN) => return Some(found),
                Err(Errno::EINTR) => continue,
                Err(error) => {
                    tracing::error!(%error, "cannot read what happened to the cgroups");
                    return None;
                }
            };
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    return None;
                }
                if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                    self.folders.remove(&event.wd);
                    continue;
                }
                let folder = self.folders.get(&event.wd).cloned();
                if let (Some(folder), Some(name)) = (folder, event.name) {
                    let path = folder.join(name);
                    found.extend(search(root, selection, &path, &mut |one| self.watch(one)));
                }
            }
        }
    }

    fn watch(&mut self, folder: &Path) {
        // Watching again what is watched gives the same descriptor.
        let flags = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_ONLYDIR;
        match self.inotify.add_watch(folder, flags) {
            Ok(watch) if self.folders.len() < MOST_WATCHED || self.folders.contains_key(&watch) => {
                self.folders.insert(watch, folder.to_owned());
            }
            Ok(watch) => {
                self.is_short = true;
                let _gone_already = self.inotify.rm_watch(watch);
            }
            Err(Errno::ENOENT) => {} // It went away meanwhile.
            Err(error) => {
                tracing::debug!(%error, path = %folder.display(), "cannot watch a cgroup");
                self.is_short = true;
            }
        }
    }
}

/// What is chosen at `path` itself.
fn choice(root: &Path, selection: &Selection, path: &Path) -> Option<Found> {
    selection.iter().find_map(|(workload, selectors)| {
        let selector = selectors.iter().find(|one| selects(one, root, path))?;
        Some(Found {
            path: path.to_owned(),
            workload: workload.clone(),
            selector: selector.to_string(),
        })
    })
}

fn selects(selector: &Selector, root: &Path, path: &Path) -> bool {
    let parts = parts(root, path);
    selector.selects(&Vec::from_iter(parts.iter().map(AsRef::as_ref)))
}

/// The names on the way from `root` to `path`.
fn parts<'a>(root: &Path, path: &'a Path) -> Vec<Cow<'a, str>> {
    let inside = path.strip_prefix(root).unwrap_or(Path::new(""));
    inside.iter().map(OsStr::to_string_lossy).collect()
}

/// What is chosen at `from` and below, outer cgroups first. `enter` is told of each folder before
/// its children are read, so that one that is watched by then misses none.
fn search(
    root: &Path,
    selection: &Selection,
    from: &Path,
    enter: &mut dyn FnMut(&Path),
) -> Vec<Found> {
    let mut found = Vec::from_iter(choice(root, selection, from));
    let parts = parts(root, from);
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    let mut all = selection.iter().flat_map(|(_, selectors)| selectors.iter());
    if all.any(|one| one.may_select_below(&parts)) {
        enter(from);
        // One that cannot be read any more has gone.
        let children = fs::read_dir(from).into_iter().flatten().flatten();
        let folders = children.filter(|one| one.file_type().is_ok_and(|kind| kind.is_dir()));
        for child in folders {
            found.extend(search(root, selection, &child.path(), enter));
        }
    }
    found
}
