//! The daemon at work: accepts connections, serves the control socket, listens to signals, and
//! stops.
//!
//! The stop is a fast one, as PostgreSQL calls it: no new connections, open sessions are ended
//! with an error in their own protocol, and their recordings get time to be closed. The hooks stay
//! in the kernel, so that agents are refused and not let through while no daemon runs.

use std::io::{self, PipeReader};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use anstream::{eprintln, println};
use gateway_core::protocols::registry::Registry;
use jiff::Timestamp;
use tokio::net::unix::pipe;
use tokio::net::{UdpSocket, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use super::accepting::{self, accept_task};
use super::notices::deliver_task;
use super::stopping::{Turns, until};
use super::{AppError, Parts, supervisor, times, tokens};
use crate::admission::Admission;
use crate::budgets::{self, Budgets};
use crate::control::frozen;
use crate::control::operations::{self, OperationError, Operations, Settings};
use crate::control::server::{self, Door};
use crate::control::sights;
use crate::dialer::{Dialer, Opened};
use crate::intake::{FAREWELLS, Intake};
use crate::kernel::Kernel;
use crate::kernel::listeners::Listeners;
use crate::names::Names;
use crate::observe::enforcement::What;
use crate::relay::Surroundings;
use crate::relay::cancel::CancelKeys;
use crate::relay::catalog::{self, Catalogs};
use crate::relay::detectors::Detectors;
use crate::relay::dns::Dns;
use crate::relay::opaque::Pipes;

/// How long open sessions may take to close their recordings.
const DRAIN: Duration = Duration::from_secs(5);
/// How often empty runs and cgroups that are gone are looked for.
const SWEEP: Duration = Duration::from_secs(2);
/// How often it is looked which placeholders have expired.
const LEASES: Duration = Duration::from_secs(1);
/// How often it is looked whether what is attached still is.
const CHECK: Duration = Duration::from_secs(5);
/// How long the start waits for the issuers of tokens.
const RECOGNITION: Duration = Duration::from_secs(3);
/// How often the kernel programs are told that this runtime runs: eight beats to the age from which
/// they hold connects, and forty to that at which they refuse them.
const HEARTBEAT: Duration = Duration::from_millis(250);

/// Serves until a signal ends it.
pub(super) async fn serve(parts: Parts) -> Result<(), AppError> {
    let config = parts.in_force.now();
    let socket = config.daemon.runtime.join("control.sock");
    let operations = Arc::new(operations(&parts)?);
    blocking(&operations, |operations| {
        operations.adopt()?;
        operations.sweep()?;
        // Before an agent could be told that all is ready.
        operations.follow();
        Ok::<_, OperationError>(())
    })
    .await?;
    recognise(&operations).await;
    note(
        &parts,
        What::DaemonStarted {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
        },
    )?;
    let in_force = parts.in_force.in_force();
    note(
        &parts,
        What::PolicyLoaded {
            policy: in_force.policy,
            file: in_force.file,
            rules: in_force.rules,
            by: None,
        },
    )?;

    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    for (listener, door) in [
        (&parts.control, Door::Operators),
        (&parts.approvers, Door::Approvers),
    ] {
        let listener = listener.try_clone().and_then(UnixListener::from_std);
        let listener = listener.map_err(AppError::Runtime)?;
        let operations = Arc::clone(&operations);
        tasks.spawn(control_task(listener, door, operations, stopped.clone()));
    }
    tasks.spawn(sweep_task(Arc::clone(&operations), stopped.clone()));
    tasks.spawn(budgets_task(Arc::clone(&parts.budgets), stopped.clone()));
    tasks.spawn(leases_task(Arc::clone(&operations), stopped.clone()));
    tasks.spawn(sights::tell(Arc::clone(&operations)));
    keep_deciding(&parts, &operations, &mut tasks, &stopped);
    // It outlives the sessions, whose ends it tells of.
    let (all_told, telling) = watch::channel(false);
    let subscribed = parts.in_force.subscribe();
    let (approvals, notifier) = (parts.approvals.clone(), parts.notifier.clone());
    let notices = tokio::spawn(deliver_task(approvals, notifier, subscribed, telling));
    let (ended, end) = io::pipe().map_err(AppError::Runtime)?;
    let following = follow_on(&operations, ended).map_err(AppError::Runtime)?;
    // The first beat by itself, so that whoever reads READY is served.
    parts.kernel.beat()?;
    tasks.spawn(heart_task(Arc::clone(&parts.kernel), stopped.clone()));
    tasks.spawn(supervisor::beat_task(stopped.clone()));
    serve_agents(&parts, &mut tasks, &stopped).map_err(AppError::Runtime)?;

    println!(
        "READY port={} control={}",
        config.daemon.port,
        socket.display()
    );
    supervisor::ready(&serving(&parts));
    let reason = tokio::select! {
        reason = signals(&parts, &operations) => reason.map_err(AppError::Runtime)?,
        ended = keeper_ended(&parts) => {
            ended.map_err(AppError::Runtime)?;
            return Err(AppError::Keeper);
        }
    };
    tracing::info!(reason, "stopping");
    supervisor::stopping();
    // The receivers are the tasks; that all of them ended already is fine too.
    stop.send_replace(true);
    drop(end);
    stop_sessions(&parts).await;
    keep_budgets(&parts.budgets).await;
    if following.join().is_err() {
        tracing::error!("the thread that follows cgroups had failed");
    }
    tasks.shutdown().await;
    all_told.send_replace(true);
    if notices.await.is_err() {
        tracing::error!("the task that delivers notices had failed");
    }
    note(
        &parts,
        What::DaemonStopped {
            reason: reason.to_owned(),
        },
    )?;
    operations.leave_runs();
    if !parts.kernel.leave()? {
        eprintln!(
            "hooks stay attached; agents are refused until the daemon runs again or \
             `gateway detach --all`"
        );
    }
    Ok(())
}

/// Who was known to the daemon before this one is known again before agents are served, but by issuers that
/// do not answer: what they know is found out later, and opens nothing until then.
async fn recognise(operations: &Arc<Operations>) {
    let recognised = tokio::time::timeout(RECOGNITION, operations.recognise_all()).await;
    if recognised.is_err() {
        tracing::warn!("not all tokens could be verified at the start");
    }
}

/// What is open is decided again when the time of a rule begins or ends, and when a token does.
fn keep_deciding(
    parts: &Parts,
    operations: &Arc<Operations>,
    tasks: &mut JoinSet<()>,
    stopped: &watch::Receiver<bool>,
) {
    tasks.spawn(times::keep_task(
        Arc::clone(&parts.in_force),
        Arc::clone(operations),
        stopped.clone(),
    ));
    tasks.spawn(tokens::keep_task(
        Arc::clone(&parts.in_force),
        Arc::clone(operations),
        parts.attachments.changes(),
        stopped.clone(),
    ));
}

/// Answers agents: their look-ups, their connections, and connects that are held before that.
fn serve_agents(
    parts: &Parts,
    tasks: &mut JoinSet<()>,
    stopped: &watch::Receiver<bool>,
) -> io::Result<()> {
    let (opened, openings) = mpsc::channel(accepting::OPENED);
    let names = Names::default();
    let admission = Admission::default();
    let dialer = dialer(parts, names.clone(), admission.clone(), opened)?;
    let dialer = Arc::new(dialer);
    let intake = Arc::new(intake(parts, names, admission, &dialer));
    tasks.spawn(intake.dns.refresh());
    for resolver in parts.resolvers.each() {
        let resolver = UdpSocket::from_std(resolver.try_clone()?)?;
        tasks.spawn(intake.answer(resolver)?);
    }
    for listener in parts.listeners.each() {
        let listener = listener.try_clone()?;
        tasks.spawn(accept_task(listener, Arc::clone(&intake), stopped.clone()));
    }
    tasks.spawn(accepting::elsewhere_task(openings, intake, stopped.clone()));
    tasks.spawn(accepting::sweep_task(Arc::clone(&dialer), stopped.clone()));
    let attached = parts.attachments.changes();
    tasks.spawn(accepting::ahead_task(
        Arc::clone(&dialer),
        attached,
        stopped.clone(),
    ));
    // The last of all: from here on connects that are held get their answers.
    if let Some(held) = parts.kernel.held() {
        tasks.spawn(accepting::dial_task(dialer, held, stopped.clone()));
    }
    Ok(())
}

fn dialer(
    parts: &Parts,
    names: Names,
    admission: Admission,
    opened: mpsc::Sender<Opened>,
) -> io::Result<Dialer> {
    Dialer::new(
        Arc::clone(&parts.kernel),
        Arc::clone(&parts.attachments),
        parts.frozen.clone(),
        parts.in_force.subscribe(),
        names,
        parts.log.clone(),
        admission,
        opened,
    )
}

fn intake(parts: &Parts, names: Names, admission: Admission, dialer: &Arc<Dialer>) -> Intake {
    Intake {
        kernel: Arc::clone(&parts.kernel),
        attachments: Arc::clone(&parts.attachments),
        frozen: parts.frozen.clone(),
        live: parts.live.clone(),
        log: parts.log.clone(),
        protocols: Registry::default(),
        around: Surroundings {
            authority: Arc::clone(&parts.authority),
            cancel_keys: CancelKeys::default(),
            dialer: Arc::clone(dialer),
            names: names.clone(),
            pipes: Pipes::default(),
            approvals: parts.approvals.clone(),
            placeholders: parts.placeholders.clone(),
            budgets: Arc::clone(parts.budgets.book()),
            previewer: Arc::default(),
            identities: parts.attachments.identities().clone(),
            detectors: Detectors::new(parts.log.clone()),
            catalogs: Arc::new(Catalogs::new(catalog::key_file(&frozen::folder(
                &parts.in_force.now().daemon.state,
            )))),
            config: parts.in_force.subscribe(),
        },
        dns: Arc::new(Dns::new(parts.in_force.subscribe(), names)),
        admission,
        farewells: Semaphore::new(FAREWELLS),
    }
}

fn operations(parts: &Parts) -> Result<Operations, AppError> {
    let config = parts.in_force.now();
    let settings: Arc<dyn Settings> = parts.in_force.clone();
    let parts = operations::Parts {
        listeners: duplicates(&parts.listeners).map_err(AppError::Runtime)?,
        kernel: Arc::clone(&parts.kernel),
        mount: parts.mount.clone(),
        attachments: Arc::clone(&parts.attachments),
        frozen: parts.frozen.clone(),
        placeholders: parts.placeholders.clone(),
        budgets: Arc::clone(parts.budgets.book()),
        approvals: parts.approvals.clone(),
        live: parts.live.clone(),
        settings,
        log: parts.log.clone(),
        notifier: parts.notifier.clone(),
        given: parts.given.clone(),
        port: config.daemon.port,
    };
    Ok(Operations::new(parts, Timestamp::now()))
}

fn duplicates(listeners: &Listeners) -> io::Result<Vec<OwnedFd>> {
    listeners
        .each()
        .map(|listener| listener.as_fd().try_clone_to_owned())
        .collect()
}

fn note(parts: &Parts, what: What) -> Result<(), AppError> {
    let path = parts.log.path().to_owned();
    parts
        .log
        .note(what)
        .map_err(|source| AppError::Log { path, source })
}

/// Runs operations where they may block.
pub(super) async fn blocking<T: Send + 'static>(
    operations: &Arc<Operations>,
    work: impl FnOnce(&Operations) -> T + Send + 'static,
) -> T {
    let operations = Arc::clone(operations);
    let outcome = tokio::task::spawn_blocking(move || work(&operations)).await;
    outcome.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

async fn control_task(
    listener: UnixListener,
    door: Door,
    operations: Arc<Operations>,
    stopped: watch::Receiver<bool>,
) {
    if let Err(error) = server::serve(listener, door, operations, until(stopped)).await {
        tracing::error!(%error, "the control socket failed");
    }
}

async fn sweep_task(operations: Arc<Operations>, stopped: watch::Receiver<bool>) {
    let mut tick = tokio::time::interval(SWEEP);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut check = tokio::time::interval(CHECK);
    check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut stop = std::pin::pin!(until(stopped));
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = check.tick() => {
                blocking(&operations, Operations::check).await;
                continue;
            }
            _ = tick.tick() => {}
        }
        if let Err(error) = blocking(&operations, Operations::sweep).await {
            tracing::warn!(%error, "cannot look for empty runs");
        }
        blocking(&operations, Operations::follow).await;
    }
}

/// Attaches what the configuration chooses as it appears, on a thread of its own that waits in
/// poll(2), until the other end of `ended` is closed.
fn follow_on(
    operations: &Arc<Operations>,
    ended: PipeReader,
) -> io::Result<std::thread::JoinHandle<()>> {
    let operations = Arc::clone(operations);
    std::thread::Builder::new()
        .name("cgroups".to_owned())
        .spawn(move || {
            while operations.following().wait(ended.as_fd()) {
                operations.catch_up();
            }
        })
}

/// On the runtime that serves agents, so that it stops when that is stuck.
async fn heart_task(kernel: Arc<Kernel>, stopped: watch::Receiver<bool>) {
    let mut turns = Turns::every(HEARTBEAT, stopped);
    while turns.next().await {
        // Fails closed: without a beat agents are refused.
        if let Err(error) = kernel.beat() {
            tracing::error!(%error, "agents are refused");
        }
    }
}

/// Acts on signals until one of them ends the daemon; returns its name.
async fn signals(parts: &Parts, operations: &Arc<Operations>) -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok("SIGTERM"),
            _ = interrupt.recv() => return Ok("SIGINT"),
            _ = hangup.recv() => {}
        }
        supervisor::reloading();
        // The log first: logrotate moves the file and then sends this signal.
        if let Err(error) = parts.log.reopen() {
            tracing::error!(%error, "cannot open the enforcement log anew; the old file stays in use");
        }
        match blocking(operations, |operations| operations.reload(None)).await {
            Ok(reloaded) => {
                for warning in reloaded.warnings {
                    tracing::warn!("{warning}");
                }
                tracing::info!(changed = reloaded.changed, "configuration read again");
            }
            Err(error) => tracing::error!("{error}"),
        }
        supervisor::ready(&serving(parts));
    }
}

/// What is in force, in a line for the service manager.
fn serving(parts: &Parts) -> String {
    let now = parts.in_force.in_force();
    let digest = now.policy.to_string();
    format!(
        "serving {} resources by {} rules, policy {}",
        now.resources,
        now.rules,
        digest.get(..12).unwrap_or(&digest)
    )
}

/// Completes when the keeper has ended. Cancel safe: it only looks.
async fn keeper_ended(parts: &Parts) -> io::Result<()> {
    let Some(life) = parts.kernel.keeper_life() else {
        return std::future::pending().await;
    };
    // Nothing is ever written to it: what can be read is its end.
    let life = pipe::Receiver::from_owned_fd(life.try_clone_to_owned()?)?;
    life.readable().await
}

/// Ends sessions whose placeholder has expired.
async fn leases_task(operations: Arc<Operations>, stopped: watch::Receiver<bool>) {
    let mut turns = Turns::every(LEASES, stopped);
    while turns.next().await {
        blocking(&operations, Operations::expire_placeholders).await;
    }
}

/// Keeps what was used of budgets, again and again.
async fn budgets_task(budgets: Arc<Budgets>, stopped: watch::Receiver<bool>) {
    let mut turns = Turns::every(budgets::INTERVAL, stopped);
    while turns.next().await {
        keep_budgets(&budgets).await;
    }
}

/// What cannot be written is tried again; it is counted in memory all the same.
async fn keep_budgets(budgets: &Arc<Budgets>) {
    let budgets = Arc::clone(budgets);
    let kept = tokio::task::spawn_blocking(move || budgets.keep(Timestamp::now())).await;
    if !matches!(kept, Ok(Ok(()))) {
        tracing::error!(?kept, "what was used of budgets is not on disk");
    }
}

async fn stop_sessions(parts: &Parts) {
    let open = parts.live.close();
    if open == 0 {
        return;
    }
    tracing::info!(open, "ending open sessions");
    if tokio::time::timeout(DRAIN, parts.live.drained())
        .await
        .is_err()
    {
        let left = parts.live.sessions().len();
        tracing::warn!(
            left,
            "sessions did not end in time; their recordings stay without an end"
        );
    }
}
