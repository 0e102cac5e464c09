//! Cgroups by path, process, unit name and id, and the small trees the daemon makes for itself.
//!
//! Nothing here knows programs or maps; `link` attaches. Paths are those of the file system; a
//! cgroup's id is the inode number of its directory, which the kernel never gives out twice.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::libc;
use serde::{Deserialize, Serialize};

use super::error::KernelError;

/// Below the mount, the folder of everything that daemons make for themselves.
const HOME: &str = "gateway";

/// Identifies a cgroup until the next boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CgroupId(pub u64);

impl fmt::Display for CgroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where the cgroup v2 hierarchy is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupMount {
    root: PathBuf,
}

/// One cgroup that existed when it was looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cgroup {
    /// Its id.
    pub id: CgroupId,
    /// Its directory, absolute.
    pub path: PathBuf,
}

impl CgroupMount {
    /// Finds it: unified (`/sys/fs/cgroup`), hybrid (`/sys/fs/cgroup/unified`) or elsewhere.
    pub fn find() -> Result<Self, KernelError> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")
            .map_err(|error| KernelError::os("reading /proc/self/mountinfo", error))?;
        let root = mount_in(&mounts).ok_or(KernelError::NoCgroup2)?;
        Ok(Self { root })
    }

    /// The mount point, which is the root cgroup.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The cgroup at `path`: absolute in the file system, or relative to the mount. A path that
    /// starts with `/` and is no directory of the mount is taken as `/proc/PID/cgroup` writes it.
    pub fn at(&self, path: &Path) -> Result<Cgroup, KernelError> {
        let missing = || KernelError::NoSuchCgroup {
            path: path.to_owned(),
            mount: self.root.clone(),
        };
        let inside = match path.strip_prefix(&self.root) {
            Ok(relative) => relative,
            Err(_) => path.strip_prefix("/").unwrap_or(path),
        };
        if inside.components().any(|part| part == Component::ParentDir) {
            return Err(missing());
        }
        let full = match inside.as_os_str().is_empty() {
            true => self.root.clone(),
            false => self.root.join(inside),
        };
        let metadata = fs::metadata(&full).map_err(|_| missing())?;
        if !metadata.is_dir() {
            return Err(missing());
        }
        Ok(Cgroup {
            id: CgroupId(metadata.ino()),
            path: full,
        })
    }

    /// The cgroup that process `pid` is in.
    pub fn of_process(&self, pid: u32) -> Result<Cgroup, KernelError> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))
            .map_err(|_| KernelError::NoSuchProcess(pid))?;
        let path = text
            .lines()
            .find_map(|line| line.strip_prefix("0::"))
            .ok_or(KernelError::NoSuchProcess(pid))?;
        self.at(Path::new(path))
            .map_err(|_| KernelError::NoSuchProcess(pid))
    }

    /// The daemon's own cgroup.
    pub fn own(&self) -> Result<Cgroup, KernelError> {
        self.of_process(std::process::id())
    }

    /// Removes what daemons made here for themselves and nobody uses any more: the kernel keeps
    /// every cgroup that has a process or a child.
    pub fn tidy(&self) {
        let home = self.root.join(HOME);
        let children = fs::read_dir(&home).into_iter().flatten().flatten();
        for folder in children.map(|entry| entry.path()).chain([home.clone()]) {
            // Files are no folders, and what is in use is busy: both are as they should be.
            let _kept_if_in_use = fs::remove_dir(folder);
        }
    }

    /// The cgroup of a systemd unit, by its name; `.service` may be left out. Where the system's manager has
    /// it, which keeps units in slices, it counts alone: below `user@1000.service` a user takes any name.
    pub fn of_unit(&self, unit: &str) -> Result<Cgroup, KernelError> {
        let wanted = match unit.contains('.') {
            true => String::from(unit),
            false => format!("{unit}.service"),
        };
        let mut found = Vec::new();
        let mut near = Vec::new();
        walk(&self.root, &mut |path, name| {
            if name == wanted {
                found.push(path.to_owned());
            } else if is_like(name, unit) {
                near.push(String::from(name));
            }
        });
        let is_systems = |path: &&PathBuf| {
            let above = path.strip_prefix(&self.root).ok().and_then(Path::parent);
            let mut above = above.into_iter().flatten();
            above.all(|name| Path::new(name).extension().is_some_and(|it| it == "slice"))
        };
        let systems: Vec<PathBuf> = found.iter().filter(is_systems).cloned().collect();
        if !systems.is_empty() {
            found = systems;
        }
        match found.as_slice() {
            [] => {
                near.sort();
                near.dedup();
                near.truncate(5);
                Err(KernelError::NoSuchUnit { unit: wanted, near })
            }
            [only] => self.at(only),
            _ => Err(KernelError::AmbiguousUnit {
                unit: wanted,
                paths: found,
            }),
        }
    }

    /// The directory of the cgroup with this id, or none if it is gone.
    pub fn path_of(&self, id: CgroupId) -> Result<Option<PathBuf>, KernelError> {
        let handle = FileHandle::of(id);
        let root = fs::File::open(&self.root)
            .map_err(|error| KernelError::os(format!("opening {}", self.root.display()), error))?;
        // SAFETY: `handle` is a whole file handle whose length field tells its true size.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_open_by_handle_at,
                root.as_raw_fd(),
                &raw const handle,
                libc::O_PATH | libc::O_CLOEXEC | libc::O_DIRECTORY,
            )
        };
        if fd < 0 {
            let error = io::Error::last_os_error();
            return match error.raw_os_error() {
                Some(libc::ESTALE | libc::ENOENT) => Ok(None),
                Some(libc::EPERM) => Err(KernelError::Permission {
                    what: "finding a cgroup by its id",
                    capability: String::from("CAP_DAC_READ_SEARCH"),
                }),
                _ => Err(KernelError::os(format!("opening cgroup {id}"), error)),
            };
        }
        let fd = i32::try_from(fd).map_err(|_| KernelError::os("open", io::Error::other("fd")))?;
        // SAFETY: the kernel just gave us this descriptor and nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let path = fs::read_link(&link).map_err(|error| KernelError::os(link, error))?;
        // A directory removed while it is open is shown as "… (deleted)".
        Ok(path.is_dir().then_some(path))
    }
}

impl Cgroup {
    /// Makes the child `name`, or finds it if it is there.
    pub fn create_child(&self, name: &str) -> Result<Cgroup, KernelError> {
        let path = self.path.join(name);
        match fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(KernelError::Permission {
                    what: "making a cgroup",
                    capability: String::from("CAP_DAC_OVERRIDE"),
                });
            }
            Err(error) => {
                let what = format!("making the cgroup {}", path.display());
                return Err(KernelError::os(what, error));
            }
        }
        let metadata = fs::metadata(&path)
            .map_err(|error| KernelError::os(path.display().to_string(), error))?;
        Ok(Cgroup {
            id: CgroupId(metadata.ino()),
            path,
        })
    }

    /// Moves a process in. Sockets that it has already stay with the cgroup they were made in.
    pub fn add_process(&self, pid: u32) -> Result<(), KernelError> {
        let file = self.path.join("cgroup.procs");
        fs::write(&file, pid.to_string()).map_err(|error| {
            KernelError::os(format!("moving process {pid} to {}", file.display()), error)
        })
    }

    /// The processes that are in it, without those of its children.
    pub fn processes(&self) -> Result<Vec<u32>, KernelError> {
        let file = self.path.join("cgroup.procs");
        let text = fs::read_to_string(&file)
            .map_err(|error| KernelError::os(format!("reading {}", file.display()), error))?;
        Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Whether `other` is this cgroup or inside it.
    pub fn contains(&self, other: &Cgroup) -> bool {
        other.path.starts_with(&self.path)
    }
}

/// The cgroup the daemon lives in: its service's if systemd started it, else `gateway/daemon`,
/// which it moves to, so that it is not attached together with what it was started from.
pub(super) fn daemon_home(mount: &CgroupMount) -> Result<Cgroup, KernelError> {
    let own = mount.own()?;
    let is_service = own.path.extension().is_some_and(|kind| kind == "service");
    if is_service && own.path != mount.root {
        return Ok(own);
    }
    let root = mount.at(Path::new("/"))?;
    let mut tries = 0;
    loop {
        match enter(&root, &own) {
            // Another daemon that ends may remove the empty folders just now.
            Err(_) if tries < 3 => tries += 1,
            done => return done,
        }
    }
}

/// Makes a cgroup, and those above it where they are missing.
pub(super) fn make(mount: &CgroupMount, path: &Path) -> Result<(), KernelError> {
    let failed = |source| KernelError::os(format!("making the cgroup {}", path.display()), source);
    inside(mount, path)?;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::create_dir(path).map_err(failed)
}

/// Removes a cgroup and those below it, deepest first.
pub(super) fn remove(mount: &CgroupMount, path: &Path) -> Result<(), KernelError> {
    inside(mount, path)?;
    remove_tree(path).map_err(|source| {
        KernelError::os(format!("removing the cgroup {}", path.display()), source)
    })
}

/// What is made and removed here is a cgroup and nothing else, whoever asks.
fn inside(mount: &CgroupMount, path: &Path) -> Result<(), KernelError> {
    let leads_out = |part| part == Component::ParentDir;
    if path.starts_with(&mount.root) && !path.components().any(leads_out) {
        return Ok(());
    }
    Err(KernelError::NoSuchCgroup {
        path: path.to_owned(),
        mount: mount.root.clone(),
    })
}

fn remove_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path).into_iter().flatten() {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

fn enter(root: &Cgroup, own: &Cgroup) -> Result<Cgroup, KernelError> {
    let home = root.create_child(HOME)?.create_child("daemon")?;
    if home != *own {
        home.add_process(std::process::id())?;
    }
    Ok(home)
}

/// `struct file_handle` for kernfs: the cgroup's id is all of it.
#[repr(C)]
struct FileHandle {
    bytes: u32,
    kind: i32,
    id: u64,
}

impl FileHandle {
    /// `FILEID_KERNFS`, since Linux 5.5.
    const KERNFS: i32 = 0xfe;

    fn of(id: CgroupId) -> Self {
        Self {
            bytes: 8,
            kind: Self::KERNFS,
            id: id.0,
        }
    }
}

/// The cgroup v2 mount in the text of `/proc/self/mountinfo`. Only a mount of the whole
/// hierarchy counts: below a bind mount of a part, paths of `/proc/PID/cgroup` would not fit.
fn mount_in(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        if right.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = left.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        (root == "/").then(|| PathBuf::from(unescape(point)))
    })
}

/// mountinfo writes blank, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

/// Whether a unit of this name may have been meant.
fn is_like(name: &str, wanted: &str) -> bool {
    let stem = wanted.split('.').next().unwrap_or(wanted);
    let start: String = stem.chars().take(4).collect();
    name.contains('.') && (name.contains(stem) || name.starts_with(&start))
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path, &str)) {
    // Cgroups come and go while we look; one that cannot be read any more has nothing to find.
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let path = entry.path();
            if let Some(name) = entry.file_name().to_str() {
                visit(&path, name);
            }
            walk(&path, visit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_mount_in_both_layouts() {
        let hybrid = "30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      31 30 0:27 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_in(hybrid), Some("/sys/fs/cgroup/unified".into()));
        let unified = "31 23 0:27 / /sys/fs/cgroup rw,relatime - cgroup2 none rw\n";
        assert_eq!(mount_in(unified), Some("/sys/fs/cgroup".into()));
        let part = "31 23 0:27 /docker /mnt/my\\040cgroup rw - cgroup2 none rw\n";
        assert_eq!(mount_in(part), None);
        assert_eq!(unescape("/mnt/my\\040cgroup"), "/mnt/my cgroup");
    }

    #[test]
    fn a_path_cannot_leave_the_mount() {
        let mount = CgroupMount::find().unwrap();
        assert!(mount.at(Path::new("../../etc")).is_err());
        assert!(mount.at(Path::new("no/such/cgroup")).is_err());
        assert_eq!(mount.at(Path::new("/")).unwrap().path, mount.root());
        assert_eq!(mount.at(mount.root()).unwrap().path, mount.root());
    }

    #[test]
    fn an_id_leads_back_to_its_path() {
        let mount = CgroupMount::find().unwrap();
        let root = mount.at(Path::new("/")).unwrap();
        let name = format!("gateway-unit-test-{}", std::process::id());
        let child = root.create_child(&name).unwrap();
        assert_eq!(mount.path_of(child.id).unwrap().as_ref(), Some(&child.path));
        assert!(child.processes().unwrap().is_empty());
        fs::remove_dir(&child.path).unwrap();
        assert_eq!(mount.path_of(child.id).unwrap(), None);
    }

    #[test]
    fn an_unknown_unit_names_what_is_like_it() {
        let mount = CgroupMount::find().unwrap();
        let root = mount.at(Path::new("/")).unwrap();
        let name = format!("gateway-test-{}.service", std::process::id());
        let child = root.create_child(&name).unwrap();
        assert_eq!(mount.of_unit(&name).unwrap(), child);
        let error = mount.of_unit("gateway-test").unwrap_err().to_string();
        fs::remove_dir(&child.path).unwrap();
        assert!(error.contains(&name), "{error}");
    }

    #[test]
    fn a_unit_is_the_systems_where_users_have_one_of_its_name() {
        let mount = CgroupMount::find().unwrap();
        let root = mount.at(Path::new("/")).unwrap();
        let name = format!("gateway-test-same-{}.service", std::process::id());
        let manager = root.create_child(&format!("user@{name}")).unwrap();
        let users = manager.create_child(&name).unwrap();
        assert_eq!(mount.of_unit(&name).unwrap(), users);
        let slice = root.create_child(&format!("{name}.slice")).unwrap();
        let systems = slice.create_child(&name).unwrap();
        let found = mount.of_unit(&name);
        for made in [&users, &manager, &systems, &slice] {
            fs::remove_dir(&made.path).unwrap();
        }
        assert_eq!(found.unwrap(), systems);
    }
}
