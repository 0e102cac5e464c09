//! What the command sees of the file system: a mount namespace of its own in which sockets of
//! programs outside are hidden and the kernel's controls cannot be written.
//!
//! `/run` is built anew from what holds no sockets; folders that are there for sockets are covered;
//! so is each socket that somebody listens at. What the caller allows is put back last. Covers hold
//! in namespaces that the command makes: the kernel locks mounts which come from a namespace with
//! more privileges (mount_namespaces(7)).

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, umask};

use super::deputies::{EMPTIED, KEPT, LEFT_OUT, RUNTIME};
use super::{Launch, mounts};

/// A folder with more in it than this is not searched to its end; it counts as one with sockets.
const SEARCHED: usize = 10_000;
/// Parts of `/proc` by which user 0 commands the kernel, without needing any capability.
const CONTROLS: [&str; 5] = [
    "/proc/sys",
    "/proc/sysrq-trigger",
    "/proc/irq",
    "/proc/bus",
    "/proc/fs",
];

/// Why the file system cannot be arranged.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}", path.display())]
pub struct ViewError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

type Done = Result<(), ViewError>;

/// For `map_err`: names what was done to which path.
fn failed<E: Into<io::Error>>(what: &'static str, path: &Path) -> impl FnOnce(E) -> ViewError {
    move |error| ViewError {
        what,
        path: path.to_owned(),
        source: error.into(),
    }
}

/// Moves this process to a mount namespace arranged for `launch`.
pub(super) fn enter(launch: &Launch) -> Done {
    // Folders that are made here are for the command to pass through.
    let before = umask(Mode::from_bits_truncate(0o022));
    let arranged = arrange(launch);
    umask(before);
    arranged
}

fn arrange(launch: &Launch) -> Done {
    let root = Path::new("/");
    unshare(CloneFlags::CLONE_NEWNS).map_err(failed("make mounts of our own below", root))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount_plain(None, root, private).map_err(failed("keep mounts to ourselves below", root))?;
    let here = std::env::current_dir();
    // Opened before anything is covered, and in this namespace, whose mounts alone can be bound.
    let kept = Kept::open(launch)?;
    let sockets = listening();
    forbid_control(launch)?;
    let runtime = canonical(Path::new(RUNTIME));
    thin_out(&runtime)?;
    let old_place = canonical(Path::new("/var/run"));
    if old_place != runtime && old_place.is_dir() {
        thin_out(&old_place)?;
    }
    let uid = launch.user.uid.to_string();
    let emptied = EMPTIED
        .iter()
        .map(|deputy| PathBuf::from(deputy.folder.replace("UID", &uid)));
    for path in emptied.chain(launch.hidden.iter().cloned()) {
        cover(&path)?;
    }
    for socket in sockets {
        if !kept.has(&socket) && is_socket(&socket) {
            cover_file(&socket)?;
        }
    }
    kept.show()?;
    own_folder(launch, &runtime)?;
    // A working directory below a cover would be a way under it.
    match here {
        Ok(here) => std::env::set_current_dir(&here).map_err(failed("stay in", &here)),
        Err(_removed) => std::env::set_current_dir(root).map_err(failed("go to", root)),
    }
}

/// What stays as it was: what is allowed, and files that everyone needs.
struct Kept(Vec<(PathBuf, OwnedFd)>);

impl Kept {
    fn open(launch: &Launch) -> Result<Self, ViewError> {
        let mut kept = Vec::new();
        for path in launch.allowed.iter().chain(&launch.shown) {
            let real = fs::canonicalize(path).map_err(failed("find", path))?;
            kept.push((handle(&real)?, real));
        }
        for path in KEPT.iter().chain(&["/etc/resolv.conf"]) {
            // A host without it has nothing to keep.
            if let Ok(real) = fs::canonicalize(path) {
                kept.push((handle(&real)?, real));
            }
        }
        Ok(Self(
            kept.into_iter().map(|(fd, path)| (path, fd)).collect(),
        ))
    }

    fn has(&self, path: &Path) -> bool {
        self.0.iter().any(|(kept, _)| path.starts_with(kept))
    }

    /// Puts back what is covered now.
    fn show(&self) -> Done {
        for (path, fd) in &self.0 {
            let source = through(fd);
            let original = fs::metadata(&source).map_err(failed("look at", path))?;
            let is_there = fs::metadata(path)
                .is_ok_and(|now| (now.dev(), now.ino()) == (original.dev(), original.ino()));
            if is_there {
                continue;
            }
            if original.is_dir() {
                fs::create_dir_all(path).map_err(failed("make folder", path))?;
            } else {
                let folder = path.parent().unwrap_or(Path::new("/"));
                fs::create_dir_all(folder).map_err(failed("make folder", folder))?;
                File::create(path).map_err(failed("make", path))?;
            }
            bind(&source, path)?;
        }
        Ok(())
    }
}

/// The hooks go with the cgroup, so nobody moves to another one. User 0 needs no capability for
/// what its files allow, so the kernel's other controls are closed to it as well.
fn forbid_control(launch: &Launch) -> Done {
    let is_root = launch.user.uid.is_root();
    let mounts = mounts::all().map_err(failed("read", Path::new(mounts::TABLE)))?;
    for mount in mounts {
        let is_control = mount.kind == "cgroup2"
            || mount.kind == "cgroup"
            || (is_root && mount.point.starts_with("/sys"));
        // One that cannot be reached, because another is on top, needs nothing.
        if is_control && mount.point.exists() {
            read_only(&mount.point, mount.flags)?;
        }
    }
    if is_root {
        for control in CONTROLS.map(Path::new) {
            if control.exists() {
                // Without what is mounted below, where programs for foreign binaries are named.
                mount_plain(Some(control), control, MsFlags::MS_BIND)
                    .map_err(failed("show", control))?;
                read_only(
                    control,
                    MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
                )?;
            }
        }
    }
    Ok(())
}

fn read_only(point: &Path, flags: MsFlags) -> Done {
    let flags = flags | MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount_plain(None, point, flags).map_err(failed("make read-only", point))
}

/// Builds a runtime directory anew: symbolic links, files, and folders without sockets.
fn thin_out(runtime: &Path) -> Done {
    let old = handle(runtime)?;
    let from = through(&old);
    tmpfs(runtime, "mode=0755,size=10%")?;
    for entry in fs::read_dir(&from).map_err(failed("list", runtime))? {
        let entry = entry.map_err(failed("list", runtime))?;
        let (name, source) = (entry.file_name(), entry.path());
        let target = runtime.join(&name);
        let Ok(kind) = entry.file_type() else {
            continue; // It went away meanwhile.
        };
        if kind.is_symlink() {
            let aim = fs::read_link(&source).map_err(failed("read link", &target))?;
            symlink(aim, &target).map_err(failed("make link", &target))?;
        } else if kind.is_file() {
            File::create(&target).map_err(failed("make", &target))?;
            bind(&source, &target)?;
        } else if kind.is_dir() && !is_left_out(&name) && !holds_sockets(&source) {
            fs::create_dir(&target).map_err(failed("make folder", &target))?;
            bind(&source, &target)?;
        }
        // Sockets, named pipes (of `init`, say) and devices are not shown.
    }
    Ok(())
}

fn is_left_out(name: &std::ffi::OsStr) -> bool {
    LEFT_OUT.iter().any(|deputy| name == deputy.folder)
}

/// Whether there is a socket anywhere in a folder, or may be: what cannot be searched counts.
fn holds_sockets(folder: &Path) -> bool {
    let mut folders = vec![folder.to_owned()];
    let mut seen = 0_usize;
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            return true;
        };
        for entry in entries.flatten() {
            seen = seen.saturating_add(1);
            match entry.file_type() {
                Ok(kind) if kind.is_socket() => return true,
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => {}
            }
            if seen > SEARCHED {
                return true;
            }
        }
    }
    false
}

/// The paths of sockets that can be connected or sent to. The kernel lists them by network namespace,
/// but a path leads to a socket in whatever namespace it was made: all are asked for that a process
/// is in.
fn listening() -> Vec<PathBuf> {
    let mut asked = HashSet::new();
    let mut paths = Vec::new();
    // Without a table there is nothing to cover by it; the folders are covered all the same.
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let process = process.path();
        let Ok(namespace) = fs::metadata(process.join("ns/net")) else {
            continue;
        };
        let namespace = (namespace.dev(), namespace.ino());
        if !asked.contains(&namespace)
            && let Ok(table) = fs::read_to_string(process.join("net/unix"))
        {
            asked.insert(namespace);
            let reachable = table.lines().skip(1).filter_map(reachable);
            paths.extend(reachable.map(|path| canonical(Path::new(path))));
        }
    }
    paths
}

/// The path in a line of `/proc/net/unix`, if the socket listens or takes datagrams.
fn reachable(line: &str) -> Option<&str> {
    const LISTENS: &str = "00010000";
    const DATAGRAMS: &str = "0002";
    // Num RefCount Protocol Flags Type St Inode Path; a path may hold spaces.
    let mut fields = line.splitn(8, ' ').skip(3);
    let (flags, kind) = (fields.next()?, fields.next()?);
    let path = line.find(" /").and_then(|at| line.get(at + 1..))?;
    (flags == LISTENS || kind == DATAGRAMS).then_some(path)
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// Shows an empty folder, or nothing to connect to.
fn cover(path: &Path) -> Done {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => tmpfs(path, "mode=0755,size=64k"),
        Ok(_) => cover_file(path),
        // Not there, or covered with what is above it.
        Err(_) => Ok(()),
    }
}

/// Who connects to it is told that nobody listens (`ECONNREFUSED`), who reads it finds nothing.
fn cover_file(path: &Path) -> Done {
    bind(Path::new("/dev/null"), path)
}

/// The user's folder for sockets, since the real one is hidden.
fn own_folder(launch: &Launch, runtime: &Path) -> Done {
    let folder = runtime.join("user").join(launch.user.uid.to_string());
    let make = || -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        chown(
            &folder,
            Some(launch.user.uid.as_raw()),
            Some(launch.user.gid.as_raw()),
        )
    };
    make().map_err(failed("make folder", &folder))
}

fn tmpfs(point: &Path, options: &str) -> Done {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("tmpfs"), point, Some("tmpfs"), flags, Some(options)).map_err(failed("cover", point))
}

fn bind(source: &Path, target: &Path) -> Done {
    mount_plain(Some(source), target, MsFlags::MS_BIND | MsFlags::MS_REC)
        .map_err(failed("show", target))
}

fn mount_plain(source: Option<&Path>, target: &Path, flags: MsFlags) -> nix::Result<()> {
    mount(source, target, None::<&str>, flags, None::<&str>)
}

fn handle(path: &Path) -> Result<OwnedFd, ViewError> {
    open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).map_err(failed("open", path))
}

/// The way to what is open, whatever covers its path.
fn through(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_missing| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reachable_sockets_are_found_in_the_kernels_table() {
        for (line, expected) in [
            (
                "0000000000000000: 00000002 00000000 00010000 0001 01 14812 /run/my sock",
                Some("/run/my sock"),
            ),
            (
                "0000000000000000: 00000002 00000000 00000000 0002 01 14813 /run/notify",
                Some("/run/notify"),
            ),
            // One end of an accepted connection, an abstract name, no name.
            (
                "0000000000000000: 00000003 00000000 00000000 0001 03 1 /run/x",
                None,
            ),
            (
                "0000000000000000: 00000002 00000000 00010000 0001 01 2 @/tmp/x",
                None,
            ),
            (
                "0000000000000000: 00000003 00000000 00000000 0001 03 3",
                None,
            ),
        ] {
            assert_eq!(reachable(line), expected, "{line}");
        }
    }

    #[test]
    fn sockets_are_found_however_deep() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        assert!(!holds_sockets(folder.path()));
        let _listener = std::os::unix::net::UnixListener::bind(deep.join("s")).unwrap();
        assert!(holds_sockets(folder.path()));
        assert!(holds_sockets(Path::new("/no/such/folder")));
    }
}
