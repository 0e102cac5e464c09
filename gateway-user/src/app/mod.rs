//! The daemon: puts the parts together, runs them, and takes them apart again.
//!
//! The order of the start is the order in which things may exist: no listener before the daemon is
//! in its own cgroup, no mark on a listener that is not ours, no READY before an agent would be
//! served. Early in it the process splits in two: the keeper has the privileges from then on. What goes
//! wrong ends the start with one sentence. What the parts do is in their own folders; this one holds
//! their places, the configuration in force and the stop.

mod accepting;
mod descent;
mod notices;
pub mod place;
mod serve;
mod settings;
mod stopping;
mod supervisor;
mod telling;
mod times;
mod tokens;

use std::io;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use gateway_core::approvals::desk::Limits;
use gateway_core::event::SessionEnd;
use gateway_core::ids::SessionId;
use jiff::Timestamp;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::User;

use crate::approvals::{self, Approvals};
use crate::budgets::Budgets;
use crate::config::{self, Config, ConfigError};
use crate::control::attachments::{self, Attachments};
use crate::control::frozen::{self, Frozen};
use crate::control::operations::OperationError;
use crate::control::peer;
use crate::control::placeholders::{Placeholders, TableError};
use crate::control::runs::Given;
use crate::control::server::{self, SocketError};
use crate::kept::KeptError;
use crate::kernel::listeners::{self, ListenError, Listeners};
use crate::kernel::resolvers::{self, Resolvers};
use crate::kernel::{self, CgroupMount, Duty, Kernel, KernelError, Options, Side};
use crate::live::Live;
use crate::notify::Notifier;
use crate::observe::enforcement::EnforcementLog;
use crate::tls::authority::{Authority, AuthorityError};
use crate::tls::{bundle, upstream};
use descent::DescentError;
use place::{Lock, PlaceError};
use settings::InForce;

/// Statements are parsed on the runtime's threads, and PostgreSQL's grammar is recursive: legal
/// statements near the size limit need more than the usual 2 MiB.
const STACK: usize = 16 << 20;

/// Why the daemon could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The configuration is not good. The text is made for people and points at the place.
    #[error("{0}")]
    Configuration(#[from] ConfigError),
    /// A directory or its lock.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// From root to an ordinary user.
    #[error(transparent)]
    Descent(#[from] DescentError),
    /// The kernel side.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// A listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The control socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// What an earlier daemon kept.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// Which placeholders were issued.
    #[error(transparent)]
    Placeholders(#[from] TableError),
    /// Making table and hooks agree.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// What approvals keep.
    #[error("cannot use {}: {source}", path.display())]
    Approvals {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: approvals::StoreError,
    },
    /// The gateway's own certificates.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The file that agents' TLS clients are told to trust.
    #[error("cannot write {}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The enforcement log; without it there is no evidence, hence no service.
    #[error("cannot write the enforcement log {}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The keeper ended, without whom nothing can be attached or detached.
    #[error(
        "the keeper, the privileged part of the daemon, ended; agents are refused until the daemon runs again"
    )]
    Keeper,
    /// Threads, timers or signals.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
}

/// Everything that is there before the first thread of the runtime.
struct Parts {
    in_force: Arc<InForce>,
    mount: CgroupMount,
    kernel: Arc<Kernel>,
    listeners: Listeners,
    resolvers: Resolvers,
    attachments: Arc<Attachments>,
    frozen: Frozen,
    placeholders: Placeholders,
    budgets: Arc<Budgets>,
    approvals: Approvals,
    live: Live,
    authority: Arc<Authority>,
    log: EnforcementLog,
    notifier: Notifier,
    /// What runs are given, and what is kept from them.
    given: Given,
    control: UnixListener,
    /// The socket for people who only decide on requests.
    approvers: UnixListener,
    /// Held to the end: it is what makes this the only daemon.
    _lock: Lock,
}

/// Runs the daemon until a signal ends it.
pub fn run(file: PathBuf) -> Result<(), AppError> {
    let (config, warnings) = Config::load(&file)?;
    if let Some(warning) = warnings {
        // Made for people, over several lines, like the errors of the same file.
        anstream::eprintln!("{}", warning.styled());
    }
    let workers = match config.daemon.workers {
        // More threads than are busy cost more in waking each other than they bring: sending and
        // receiving is most of the work, and the other end of it needs a core as well.
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
        workers => workers,
    };
    let parts = prepare(file, config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_stack_size(STACK)
        .thread_name("gateway")
        .enable_all()
        .build()
        .map_err(AppError::Runtime)?;
    runtime.block_on(serve::serve(parts))
}

/// The part of the start that needs no runtime, in the order that it has to be.
fn prepare(file: PathBuf, config: Config) -> Result<Parts, AppError> {
    let daemon = &config.daemon;
    let user = descent::user(&daemon.user)?;
    place::directory(&daemon.runtime, 0o755)?;
    let lock = place::lock(&daemon.runtime)?;
    // Its owner may pass through it to what is handed over to it; the keys have a folder of their own.
    place::directory(&daemon.state, 0o711)?;
    raise_file_limit();
    // Tried before anything is mounted or loaded; the real ones have to be made after that, in the
    // daemon's own cgroup.
    drop((listeners::open(daemon.port)?, resolvers::open(daemon.port)?));
    let bpffs = daemon.runtime.join("bpf");
    let kernel = Kernel::start(&Options {
        bpffs,
        port: daemon.port,
    })?;
    let kernel = match kernel.split()? {
        Side::Daemon(kernel) => kernel,
        Side::Keeper(duty) => keep(duty, lock),
    };
    let kernel = Arc::new(kernel);
    let parts = prepare_daemon(file, config, user, Arc::clone(&kernel), lock);
    if parts.is_err()
        && let Err(error) = kernel.leave()
    {
        tracing::warn!(%error, "the start that failed left its bpffs behind");
    }
    parts
}

/// The daemon's own part of it, while it still is root; at the end it is not any more.
fn prepare_daemon(
    file: PathBuf,
    config: Config,
    user: User,
    kernel: Arc<Kernel>,
    lock: Lock,
) -> Result<Parts, AppError> {
    let daemon = &config.daemon;
    descent::hand_over(&config, &user)?;
    let log = EnforcementLog::open(&config.log.file).map_err(|source| AppError::Log {
        path: config.log.file.clone(),
        source,
    })?;
    let attachments = Attachments::load(attachments::file(&daemon.runtime))?;
    let frozen = Frozen::load(frozen::file(&daemon.state))?;
    let budgets = Budgets::load(frozen::budgets_file(&daemon.state))?;
    let listeners = listeners::open(daemon.port)?;
    kernel.admit(&listeners)?;
    let resolvers = resolvers::open(daemon.port)?;
    kernel.mark(&resolvers)?;
    let host = nix::unistd::gethostname().unwrap_or_default();
    let authority = Authority::load_or_create(
        &daemon.state.join("ca"),
        &host.to_string_lossy(),
        Timestamp::now(),
    )?;
    let given = given(daemon, &authority)?;
    let control = server::listen(&daemon.runtime.join("control.sock"), peer::OPERATORS)?;
    let approvers = server::listen(&daemon.runtime.join("approvals.sock"), peer::APPROVERS)?;
    descent::descend(&config, user, kernel::needs_cap_bpf())?;
    let live = Live::default();
    let approvals = approvals(daemon, &live)?;
    let placeholders = Placeholders::load(frozen::placeholders_file(&daemon.state))?;
    Ok(Parts {
        mount: CgroupMount::find()?,
        in_force: Arc::new(InForce::new(file, config)),
        kernel,
        listeners,
        resolvers,
        attachments: Arc::new(attachments),
        frozen,
        placeholders,
        budgets: Arc::new(budgets),
        approvals,
        live,
        authority: Arc::new(authority),
        notifier: notices::notifier(&log),
        log,
        given,
        control,
        approvers,
        _lock: lock,
    })
}

/// Starts what keeps approvals. What runs by one that ends is ended with its session.
fn approvals(daemon: &config::Daemon, live: &Live) -> Result<Approvals, AppError> {
    let folder = approvals::folder(&daemon.state);
    let live = live.clone();
    let end = move |session: &SessionId, reason: &str| {
        let reason = reason.to_owned();
        // One that has ended by itself needs no more.
        live.end_session(session, &SessionEnd::ApprovalEnded { reason });
    };
    let started = Approvals::start(&folder, Limits::default(), Box::new(end));
    started.map_err(|source| AppError::Approvals {
        path: approvals::Store::file(&folder),
        source,
    })
}

/// Writes what agents' TLS clients are told to trust; returns what runs are given of it.
fn given(daemon: &config::Daemon, authority: &Authority) -> Result<Given, AppError> {
    let roots = upstream::host_roots();
    let files = bundle::write(&daemon.runtime, &roots, authority.certificate());
    let files = files.map_err(|source| AppError::Bundle {
        path: daemon.runtime.clone(),
        source,
    })?;
    let variables = bundle::environment(&files).into_iter();
    Ok(Given {
        environment: variables
            .map(|(name, value)| (name.to_owned(), value.to_string_lossy().into_owned()))
            .collect(),
        hidden: vec![daemon.runtime.clone(), daemon.state.clone()],
        shown: vec![files.bundle, files.authority],
    })
}

/// Is the keeper until the daemon ends. The daemon alone holds the lock on its runtime directory.
fn keep(duty: Duty, lock: Lock) -> ! {
    drop(lock);
    let status = match duty.perform() {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!(%error, "the keeper failed");
            1
        }
    };
    std::process::exit(status)
}

/// Each session needs two descriptors and its recording a third; the usual soft limit of 1024 is
/// for programs that use `select`. Staying below is no reason not to start.
fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_soft, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}
