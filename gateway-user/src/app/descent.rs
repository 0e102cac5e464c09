//! From root to an ordinary user: hands over what the daemon writes, then confines it.
//!
//! Everything else it uses is open by then, or may be read by anyone, or is asked of the keeper. What
//! the new user turns out not to reach is told now and not at the first connection.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, lchown};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, User, access};

use super::AppError;
use crate::approvals;
use crate::config::Config;
use crate::confine::{self, Confinement, Landlock};
use crate::control::{attachments, frozen};

/// Why the daemon could not become an ordinary user's.
#[derive(Debug, thiserror::Error)]
pub enum DescentError {
    /// There is no such user.
    #[error(
        "there is no user {0}, as whom the daemon runs once it has started: `useradd --system \
         --no-create-home --shell /usr/sbin/nologin {0}`, or name another as `user` in [daemon]"
    )]
    NoUser(String),
    /// The user database could not be read.
    #[error("cannot look user {name} up: {source}")]
    Lookup {
        /// The name.
        name: String,
        /// What the system said.
        source: nix::errno::Errno,
    },
    /// A file or folder could not be handed over.
    #[error("cannot give {} to user {user}: {source}", path.display())]
    HandOver {
        /// The file or folder.
        path: PathBuf,
        /// The user.
        user: String,
        /// What the system said.
        source: io::Error,
    },
    /// The user does not reach what the daemon needs.
    #[error(
        "user {user}, as whom the daemon runs, cannot {what} {}: see to the modes and owners of it and of the folders above it", path.display()
    )]
    Unreachable {
        /// The user.
        user: String,
        /// What it cannot do.
        what: &'static str,
        /// To what.
        path: PathBuf,
    },
    /// The kernel refused a restriction.
    #[error(transparent)]
    Confine(#[from] confine::ConfineError),
}

/// The user that the daemon becomes.
pub(super) fn user(name: &str) -> Result<User, DescentError> {
    let found = User::from_name(name).map_err(|source| DescentError::Lookup {
        name: name.to_owned(),
        source,
    })?;
    found.ok_or_else(|| DescentError::NoUser(name.to_owned()))
}

/// Makes the folders that the daemon writes to, and gives them and the enforcement log to `user`.
pub(super) fn hand_over(config: &Config, user: &User) -> Result<(), DescentError> {
    let recordings = &config.recording.directory;
    let own = attachments::folder(&config.daemon.runtime);
    let kept = frozen::folder(&config.daemon.state);
    let approvals = approvals::folder(&config.daemon.state);
    for folder in [recordings, &own, &kept, &approvals] {
        let failed = failed(user, folder);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.and_then(|()| give(folder, user)).map_err(failed)?;
    }
    attachments::adopt_file(&config.daemon.runtime).map_err(failed(user, &own))?;
    for folder in [&own, &kept, &approvals] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            give(&path, user).map_err(failed(user, &path))?;
        }
    }
    let log = &config.log.file;
    if let Some(folder) = log.parent().filter(|folder| !folder.exists()) {
        // A folder that is there may be everybody's, such as /var/log; then only the file is given.
        let made = DirBuilder::new().recursive(true).mode(0o750).create(folder);
        made.and_then(|()| give(folder, user))
            .map_err(failed(user, folder))?;
    }
    let open = fs::OpenOptions::new().append(true).create(true).open(log);
    open.and_then(|_file| give(log, user))
        .map_err(failed(user, log))
}

fn give(path: &Path, user: &User) -> io::Result<()> {
    lchown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
}

fn failed(user: &User, path: &Path) -> impl FnOnce(io::Error) -> DescentError {
    let (user, path) = (user.name.clone(), path.to_owned());
    move |source| DescentError::HandOver { path, user, source }
}

/// Gives the privileges up, and sees that the daemon can do its work without them.
pub(super) fn descend(config: &Config, user: User, keeps_bpf: bool) -> Result<(), AppError> {
    let own = attachments::folder(&config.daemon.runtime);
    let kept = frozen::folder(&config.daemon.state);
    let approvals = approvals::folder(&config.daemon.state);
    let log = config.log.file.parent().unwrap_or(Path::new("/"));
    let recordings = &config.recording.directory;
    let confinement = Confinement {
        user,
        writable: vec![
            recordings.clone(),
            own.clone(),
            kept.clone(),
            approvals.clone(),
            log.to_owned(),
        ],
        keeps_bpf,
    };
    let landlock = confine::confine(&confinement).map_err(DescentError::from)?;
    let user = confinement.user.name;
    match landlock {
        Landlock::Full => tracing::info!(user, "confined"),
        landlock => tracing::warn!(user, ?landlock, "confined as far as this kernel can"),
    }
    let writes = AccessFlags::W_OK | AccessFlags::X_OK;
    let needs = [
        ("write to", recordings.as_path(), writes),
        ("write to", own.as_path(), writes),
        ("write to", kept.as_path(), writes),
        ("write to", approvals.as_path(), writes),
        ("write", config.log.file.as_path(), AccessFlags::W_OK),
        // Read again at each reload.
        ("read", config.path.as_path(), AccessFlags::R_OK),
    ];
    let credentials = config.credentials.iter().flat_map(|one| &one.files);
    let previews = config.resources.iter().flat_map(|one| &one.preview);
    let previews = previews.flat_map(|preview| &preview.file);
    let secrets = config.notify.iter().flat_map(|one| &one.files);
    let secrets = secrets.chain(credentials).chain(previews);
    let secrets = secrets.map(|path| ("read", path.as_path(), AccessFlags::R_OK));
    for (what, path, how) in needs.into_iter().chain(secrets) {
        if access(path, how).is_err() {
            let path = path.to_owned();
            return Err(DescentError::Unreachable { user, what, path }.into());
        }
    }
    Ok(())
}
