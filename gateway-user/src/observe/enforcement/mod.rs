//! The enforcement log: one JSON line for each thing that an operator wants to hear of.
//!
//! Never the text of a statement: that is in the session's recording, which this names. Written by
//! intake, relay and control; read by `gateway tail` and by whatever ships logs. Rotation is left
//! to logrotate and the like: move the file and send SIGHUP, which calls
//! [`EnforcementLog::reopen`]. What never comes to the daemon is in `unseen`, what detectors find in `detected`; `pace` keeps floods out.

pub mod detected;
pub mod identified;
mod pace;
pub mod unseen;
pub mod untold;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_common::origin::Origin;
use gateway_core::event::{Answered, SessionEnd};
use gateway_core::ids::{
    AskId, IssuerName, PlaceholderId, PolicyDigest, ResourceName, RuleName, SessionId, WorkloadName,
};
use gateway_core::limit::Limited;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::detected::{Detection, Unanswered};
use self::identified::Identified;
use self::pace::{Pace, Turn};
use self::unseen::{Datagrams, KernelEvent};
use self::untold::Untold;
use super::tally::{self, Tally};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub time: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// The daemon is ready.
    DaemonStarted {
        /// Version of the program.
        version: String,
        /// Its process.
        pid: u32,
    },
    /// The daemon stops; agents are refused from here on.
    DaemonStopped {
        /// Why, such as the signal's name.
        reason: String,
    },
    /// The gateway was taken off the host: nothing is attached any more.
    Uninstalled {
        /// Who did it.
        by: Operator,
    },
    /// A policy is in force.
    PolicyLoaded {
        /// Its digest.
        policy: PolicyDigest,
        /// The file it came from.
        file: PathBuf,
        /// How many rules it has.
        rules: usize,
        /// Who asked for it; none when a signal did or the daemon started.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Operator>,
    },
    /// A policy was not taken over; the one before stays.
    PolicyRejected {
        /// The file it came from.
        file: PathBuf,
        /// What was wrong with it, in a line.
        error: String,
        /// Who asked for it; none when a signal did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Operator>,
    },
    /// A cgroup's connections come to the gateway from now on.
    Attached(Attachment),
    /// It is known from now on who an attached cgroup is, by its token.
    IdentityKnown(Identified),
    /// It is not known any more, or was not to be found out.
    IdentityUnknown(Identified),
    /// A cgroup's connections do not come to the gateway any more.
    Detached(Attachment),
    /// Something of the kernel side was not as it has to be: somebody had detached or replaced it.
    Damaged {
        /// Who runs in the cgroup.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workload: Option<WorkloadName>,
        /// The cgroup; none where it was the daemon's own part.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cgroup: Option<String>,
        /// What was wrong.
        what: String,
        /// Why it still is; none when it was put right at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remains: Option<String>,
    },
    /// A cgroup had connections open before its hooks were there.
    ClosedEarlier {
        /// Which.
        #[serde(flatten)]
        attachment: Attachment,
        /// Connections that were closed.
        closed: usize,
        /// Sockets made outside of the cgroup that cannot be used any more.
        cut_off: usize,
        /// Sockets that stay although the hooks may not see them.
        left: usize,
        /// Why not everything was closed that had to be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
    },
    /// A cgroup that the configuration chooses could not be attached: its connections are direct.
    AttachFailed {
        /// Which.
        #[serde(flatten)]
        attachment: Attachment,
        /// Why.
        reason: String,
    },
    /// An operator stops a workload: what it has open ends, what it opens is refused.
    WorkloadFrozen(Switch),
    /// An operator lets a frozen workload act again.
    WorkloadThawed(Switch),
    /// An operator ends one session.
    SessionKilled(Switch),
    /// An operator issued a placeholder.
    PlaceholderIssued(Leased),
    /// A placeholder proves nothing any more: an operator took it back, or its time was over.
    PlaceholderEnded(Leased),
    /// A connection was taken over and its resource allows the workload to speak.
    ConnectionOpened(Connection),
    /// A connection was taken over and passes, and nobody looks into it.
    PassedUninspected {
        /// Which.
        #[serde(flatten)]
        connection: Connection,
        /// The rule that allows it; none where a resource in observe mode lets it pass.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<RuleName>,
    },
    /// An attached cgroup's datagrams pass to these addresses from now on, and nobody looks into them.
    DatagramsPass(Datagrams),
    /// They do not pass any more.
    DatagramsEnd(Datagrams),
    /// The kernel refused or dropped something that never came to the gateway.
    KernelRefused(KernelEvent),
    /// The kernel let something pass that never came to the gateway.
    KernelPassed(KernelEvent),
    /// There was more of both within a second than is told of one by one.
    KernelMore {
        /// Whose.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workload: Option<WorkloadName>,
        /// How often.
        times: u64,
    },
    /// More connections were refused than is told of one by one.
    RefusedMore {
        /// Whose.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workload: Option<WorkloadName>,
        /// How many.
        times: u64,
    },
    /// A connection was taken over and refused as a whole.
    ConnectionRefused {
        /// Which.
        #[serde(flatten)]
        connection: Connection,
        /// The rule that said so; none when nothing allowed it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<RuleName>,
        /// Whether it was because the workload is frozen.
        #[serde(default, skip_serializing_if = "is_false")]
        frozen: bool,
        /// Why.
        reason: String,
    },
    /// Somebody was to be told of a request for approval, and was not.
    NoticeLost(Untold),
    /// Something asked for waits until people decide.
    AskHeld(Denial),
    /// They decided, or it waits no longer.
    AskAnswered {
        /// On which connection.
        #[serde(flatten)]
        connection: Connection,
        /// What was decided, and by whom.
        #[serde(flatten)]
        answered: Answered,
    },
    /// Something asked for was refused.
    AskDenied(Denial),
    /// Something asked for would have been refused, had the rule or resource been enforced.
    AskObserved(Denial),
    /// A statement was ended because it reached a limit, or would have been.
    LimitReached {
        /// On which connection.
        #[serde(flatten)]
        connection: Connection,
        /// Which limit of what.
        #[serde(flatten)]
        limited: Limited,
    },
    /// Detectors have found something in what came back, and it was masked.
    Detected(Detection),
    /// A detector outside the gateway does not answer as it should.
    DetectorFailed(Unanswered),
    /// A session ended.
    SessionEnded {
        /// Which.
        #[serde(flatten)]
        connection: Connection,
        /// How.
        #[serde(flatten)]
        how: SessionEnd,
        /// How long it lasted, in milliseconds.
        duration_ms: u64,
        /// Asks that were let pass.
        allowed: u64,
        /// Asks that were refused.
        denied: u64,
        /// Bytes from the client to the server.
        bytes_in: u64,
        /// Bytes from the server to the client.
        bytes_out: u64,
        /// How many lines its recording has; left out where it could not be closed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lines: Option<u64>,
        /// SHA-256 of the recording's last line: with it `gateway sessions verify` sees a change
        /// to that line too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        head: Option<String>,
    },
}

/// Which connection an entry is about. What is not known of a connection that was refused early is
/// left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Names the recording; none where it was refused before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadName>,
    /// The process that connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Its own name for itself: a label, never evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// Who said by a token who the workload is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerName>,
    /// Whom the issuer means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Where it wanted to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<SocketAddr>,
    /// The resource that covers the destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceName>,
}

impl Connection {
    /// A connection that has no session yet.
    pub fn of_origin(
        origin: &Origin,
        workload: Option<WorkloadName>,
        resource: Option<ResourceName>,
    ) -> Self {
        Self {
            session: None,
            workload,
            pid: Some(origin.tgid),
            uid: Some(origin.uid),
            comm: Some(String::from_utf8_lossy(origin.comm_bytes()).into_owned()),
            issuer: None,
            identity: None,
            destination: Some(origin.destination_addr()),
            resource,
        }
    }
}

/// Something asked for that policy did not want.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// On which connection.
    #[serde(flatten)]
    pub connection: Connection,
    /// The ask in the session's recording, where the statement's text is.
    pub ask: AskId,
    /// The rule that said so; none when nothing allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
    /// Why.
    pub reason: String,
    /// What was asked for, in a word for each unit, such as `delete`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verbs: Vec<String>,
    /// What it touches, such as `public.orders`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
}

/// A cgroup that was attached or detached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Who runs in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadName>,
    /// Its path below the cgroup v2 mount, or its id where the path is not known.
    pub cgroup: String,
    /// Who asked for it; none when the daemon did it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Operator>,
    /// What chose it, where the configuration did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The other workload whose attached cgroup this one is inside of: it is not that one any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<WorkloadName>,
}

/// A workload or session that an operator stopped, or a workload that may act again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// The workload.
    pub workload: WorkloadName,
    /// The session, where only one is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who did it.
    pub by: Operator,
}

/// A placeholder: whose, for what and until when. Never what is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leased {
    /// Its id.
    pub placeholder: PlaceholderId,
    /// Who may show it.
    pub workload: WorkloadName,
    /// Where.
    pub resource: ResourceName,
    /// As whom a client has to present itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Until when.
    pub until: Timestamp,
    /// Who issued it or took it back; none when its time was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Operator>,
}

/// Who used the control socket, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// The user.
    pub uid: u32,
    /// The process.
    pub pid: u32,
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The log file. Cheap to clone; all clones write to the same file.
#[derive(Clone, Debug)]
pub struct EnforcementLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: Mutex<LogFile>,
    tally: Mutex<Tally>,
    pace: Mutex<Pace>,
}

#[derive(Debug)]
struct LogFile {
    file: File,
    /// Whether a write failed, which may have left the beginning of a line.
    torn: bool,
}

impl EnforcementLog {
    /// Opens `path` for appending, with mode 0640 if it is new; makes its directory if missing.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o750)
                .create(directory)?;
        }
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            file: Mutex::new(append_to(path)?),
            tally: Mutex::default(),
            pace: Mutex::default(),
        })))
    }

    /// Writes one line, by one `write(2)` on all but a full disk.
    ///
    /// Fails closed at the caller: a connection whose opening cannot be logged is refused.
    pub fn write(&self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        // A thread that panicked while it held the file left no state behind that could be wrong.
        let mut file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.torn {
            line.insert(0, b'\n');
        }
        let written = file.file.write_all(&line);
        file.torn = written.is_err();
        written
    }

    /// Writes what happened just now; of refused connections so many lines as [`Pace`] gives.
    pub fn note(&self, what: What) -> io::Result<()> {
        tally::add(&mut self.counted(), &what);
        let time = Timestamp::now();
        if let What::ConnectionRefused { connection, .. } = &what {
            let workload = connection.workload.clone();
            // Numbers only: a poisoned one is still a good one.
            let mut pace = self.0.pace.lock().unwrap_or_else(PoisonError::into_inner);
            match pace.turn(workload.as_ref(), time.as_second()) {
                Turn::Nothing => return Ok(()),
                Turn::Line { untold: 0 } => {}
                Turn::Line { untold: times } => {
                    let what = What::RefusedMore { workload, times };
                    self.write(&Entry { time, what })?;
                }
            }
        }
        self.write(&Entry { time, what })
    }

    /// Opens the path anew, after it was moved away. The old file stays in use if that fails.
    pub fn reopen(&self) -> io::Result<()> {
        let file = append_to(&self.0.path)?;
        *self.0.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
        Ok(())
    }

    /// What was told since it was opened, in numbers.
    pub fn tally(&self) -> Tally {
        self.counted().clone()
    }

    fn counted(&self) -> MutexGuard<'_, Tally> {
        // Nothing under the lock can leave a number half changed.
        self.0.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

fn append_to(path: &Path) -> io::Result<LogFile> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)?;
    Ok(LogFile { file, torn: false })
}

#[cfg(test)]
mod tests;
