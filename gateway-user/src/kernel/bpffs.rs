//! The private bpffs: where maps and links survive the daemon.
//!
//! `<mount>/<layout>/maps/<NAME>` and `<mount>/<layout>/links/<cgroup id>/<hook>`. Mounted for
//! this alone with mode 0700, because whoever reaches a map can mark a listener. A lock on the
//! root keeps two daemons from working on it at a time.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gateway_common::LAYOUT;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use super::error::KernelError;

/// How long the end of an earlier holder of the lock is waited for.
const HANDOVER: Duration = Duration::from_secs(1);

/// Where things are on a mounted bpffs; enough to look, not to change.
#[derive(Debug)]
pub(super) struct Folders {
    mount: PathBuf,
    layout: OsString,
}

/// The mounted file system, locked for this process: what changes attachments asks for it.
#[derive(Debug)]
pub(super) struct Bpffs {
    /// Where things are on it.
    pub(super) folders: Folders,
    /// Its root, by which it is locked.
    root: Flock<File>,
}

impl Folders {
    /// Those of a bpffs that is mounted; none if it is not.
    pub(super) fn existing(mount_point: &Path) -> Result<Option<Self>, KernelError> {
        Ok(is_mounted(mount_point)?.then(|| Self::of_this_layout(mount_point)))
    }

    /// Those that daemons of other layouts left on the same bpffs.
    pub(super) fn others(&self) -> Result<Vec<Self>, KernelError> {
        let unreadable = |error| problem(&self.mount, format!("cannot be read: {error}"));
        let mut others = Vec::new();
        for entry in fs::read_dir(&self.mount).map_err(unreadable)? {
            let layout = entry.map_err(unreadable)?.file_name();
            let other = Self {
                mount: self.mount.clone(),
                layout,
            };
            // The kernel may have put files of its own there.
            if other.layout != self.layout && other.links().is_dir() {
                others.push(other);
            }
        }
        Ok(others)
    }

    /// Removes the layout's maps and folders, once no link is left in them.
    pub(super) fn remove(&self) -> Result<(), KernelError> {
        let remove = || -> io::Result<()> {
            for pin in fs::read_dir(self.maps())? {
                fs::remove_file(pin?.path())?;
            }
            fs::remove_dir(self.maps())?;
            fs::remove_dir(self.links())?;
            fs::remove_dir(self.mount.join(&self.layout))
        };
        remove().map_err(|error| {
            let folder = self.mount.join(&self.layout);
            problem(&folder, format!("cannot be removed: {error}"))
        })
    }

    fn of_this_layout(mount: &Path) -> Self {
        Self {
            mount: mount.to_owned(),
            layout: OsString::from(LAYOUT),
        }
    }

    /// Where maps are pinned.
    pub(super) fn maps(&self) -> PathBuf {
        self.mount.join(&self.layout).join("maps")
    }

    /// Where links are pinned, a folder for each cgroup.
    pub(super) fn links(&self) -> PathBuf {
        self.mount.join(&self.layout).join("links")
    }
}

impl Bpffs {
    /// Mounts it if it is not yet and makes its folders.
    pub(super) fn open(mount_point: &Path) -> Result<Self, KernelError> {
        if !is_mounted(mount_point)? {
            let mut folder = DirBuilder::new();
            folder.recursive(true).mode(0o700);
            folder
                .create(mount_point)
                .map_err(|error| problem(mount_point, format!("cannot be made: {error}")))?;
            mount_at(mount_point)?;
        }
        check_private(mount_point)?;
        let bpffs = Self::locked(mount_point)?;
        for folder in [bpffs.folders.maps(), bpffs.folders.links()] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)
                .map_err(|error| problem(&folder, format!("cannot be made: {error}")))?;
        }
        Ok(bpffs)
    }

    /// Locks it if it is mounted; none if it is not.
    pub(super) fn existing(mount_point: &Path) -> Result<Option<Self>, KernelError> {
        if is_mounted(mount_point)? {
            Self::locked(mount_point).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Whether it is still what one finds at its path. If not, it lasts as long as this process.
    pub(super) fn is_in_place(&self) -> bool {
        let here = fs::metadata(&self.folders.mount).map(|here| here.dev());
        let ours = self.root.metadata().map(|ours| ours.dev());
        here.is_ok_and(|here| ours.is_ok_and(|ours| here == ours))
    }

    /// Unmounts it; what is still pinned there goes with it.
    pub(super) fn unmount(&self) -> Result<(), KernelError> {
        let mount = &self.folders.mount;
        // Lazily, because the lock's own descriptor is still open on it.
        umount2(mount, MntFlags::MNT_DETACH)
            .map_err(|error| problem(mount, format!("cannot be unmounted: {error}")))
    }

    fn locked(mount: &Path) -> Result<Self, KernelError> {
        let mut root = File::open(mount)
            .map_err(|error| problem(mount, format!("cannot be opened: {error}")))?;
        let began = Instant::now();
        loop {
            match Flock::lock(root, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => {
                    return Ok(Self {
                        folders: Folders::of_this_layout(mount),
                        root: lock,
                    });
                }
                // A daemon that was killed may leave its keeper behind for a moment.
                Err((again, Errno::EWOULDBLOCK)) if began.elapsed() < HANDOVER => root = again,
                Err((_, Errno::EWOULDBLOCK)) => return Err(KernelError::Busy(mount.to_owned())),
                Err((_, error)) => {
                    return Err(problem(mount, format!("cannot be locked: {error}")));
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Whether a bpffs is mounted exactly here, rather than somewhere above.
fn is_mounted(point: &Path) -> Result<bool, KernelError> {
    let here = match fs::metadata(point) {
        Ok(here) => here,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(problem(point, format!("cannot be looked at: {error}"))),
    };
    if !here.is_dir() {
        return Err(problem(
            point,
            String::from("is not a directory: remove it"),
        ));
    }
    let above = fs::metadata(point.join(".."))
        .map_err(|error| problem(point, format!("cannot be looked at: {error}")))?;
    let kind = statfs(point)
        .map_err(|error| problem(point, format!("cannot be looked at: {error}")))?
        .filesystem_type();
    Ok(kind == BPF_FS_MAGIC && here.dev() != above.dev())
}

fn mount_at(point: &Path) -> Result<(), KernelError> {
    // What is pinned has to outlive the daemon. In a mount namespace of its own, as systemd gives
    // to units with `ProtectSystem=` and the like, the mount would end with the daemon, the hooks
    // with it, and agents would go past the gateway.
    if has_own_mounts() {
        let text = format!(
            "would end with the daemon, which has a mount namespace of its own: mount it outside \
             before, as deploy/run-gateway-bpf.mount does (`mount -t bpf -o mode=0700 bpf {}`)",
            point.display()
        );
        return Err(problem(point, text));
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    match mount(Some("bpf"), point, Some("bpf"), flags, Some("mode=0700")) {
        Ok(()) => Ok(()),
        Err(Errno::EPERM) => Err(KernelError::Permission {
            what: "mounting the private bpffs",
            capability: String::from("CAP_SYS_ADMIN"),
        }),
        Err(Errno::ENODEV) => Err(KernelError::TooOld {
            release: super::refusal::release(),
            missing: String::from("bpf file system (CONFIG_BPF_SYSCALL)"),
        }),
        Err(error) => Err(problem(point, format!("cannot be mounted: {error}"))),
    }
}

/// Whether this process has other mounts than the host. The host's are those of the kernel's own
/// threads; in a container, whose first process is another, nothing outlives the container anyway.
fn has_own_mounts() -> bool {
    /// `kthreadd`, from which they come.
    const KERNEL: &str = "/proc/2";
    let is_host = fs::read_to_string(format!("{KERNEL}/comm")).is_ok_and(|it| it == "kthreadd\n");
    let namespace = |process| fs::read_link(format!("{process}/ns/mnt"));
    match (namespace(KERNEL), namespace("/proc/self")) {
        (Ok(hosts), Ok(own)) => is_host && hosts != own,
        _ => false,
    }
}

fn check_private(point: &Path) -> Result<(), KernelError> {
    let metadata = fs::metadata(point)
        .map_err(|error| problem(point, format!("cannot be looked at: {error}")))?;
    if metadata.mode() & 0o077 != 0 || metadata.uid() != nix::unistd::geteuid().as_raw() {
        let text = "is open to others: chmod it to 0700 and give it to the daemon's user";
        return Err(problem(point, String::from(text)));
    }
    Ok(())
}

fn problem(path: &Path, problem: String) -> KernelError {
    KernelError::Bpffs {
        path: path.to_owned(),
        problem,
    }
}

/// Opens a cgroup's directory or the like for bpf(2).
pub(super) fn open_folder(path: &Path) -> Result<impl AsFd, KernelError> {
    File::open(path).map_err(|error| KernelError::os(format!("opening {}", path.display()), error))
}
