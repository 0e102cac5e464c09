//! The clerk: carries errands out, one after the other, on a thread of its own.
//!
//! The order is always the same: what time brought about first, then the errand, then what follows from
//! it. Errands that come together are each decided, written and taken in, then put on disk in one go, and
//! only then anyone is told. While nothing can be written down there is no desk: who waits is refused, and
//! at the next errand everything is read back from the file.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gateway_core::approvals::change::{Change, Effect, Notice};
use gateway_core::approvals::command::Command;
use gateway_core::approvals::desk::{Desk, Limits};
use gateway_core::approvals::grant::Ending;
use gateway_core::approvals::moment::Moment;
use gateway_core::approvals::request::Request;
use gateway_core::held::{HeldAction, Outcome};
use gateway_core::ids::{ActionDigest, AskId, GrantId, RequestId, SessionId};
use tokio::sync::{Notify, broadcast, mpsc, oneshot};

use super::clock::Clock;
use super::outbox::{self, Outbox, Outcomes};
use super::store::{Store, StoreError};
use super::tally::Tally;
use super::ticket::{Leaving, Word};
use super::{EndSession, Failure};

/// After a failure the store is tried again no sooner than this.
const RETRY: Duration = Duration::from_secs(1);
/// How often the clerk looks at the clock at least: the calendar may be set, and the machine sleep.
const GLANCE: Duration = Duration::from_secs(30);
/// For so long the store keeps what is over.
const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How often what is older is let go.
const SWEEP: Duration = Duration::from_secs(10 * 60);
/// So many errands are put on disk in one go at most: the first of them waits for the last.
const TOGETHER: usize = 128;

/// What the clerk is asked to do.
pub(super) enum Errand {
    /// An action waits.
    Hold(Box<HeldAction>, Waiter),
    /// A command, with whom to tell what came of it.
    Tell(Box<Command>, oneshot::Sender<Outcomes>),
    /// Somebody wants to look.
    Look(Look),
}

/// Looks at desk and store, or is told why there are none.
pub(super) type Look = Box<dyn FnOnce(Result<(&Desk, &Store), Failure>) + Send>;

/// A session that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    request: RequestId,
    words: mpsc::Sender<Word>,
    leaving: Arc<Leaving>,
}

/// What passes by a grant, as long as it is not known that the session has heard of it.
#[derive(Debug)]
struct Passing {
    grant: GrantId,
    session: SessionId,
    ask: AskId,
    waiter: Waiter,
}

/// Who is told what.
pub(super) struct Told {
    pub(super) notices: broadcast::Sender<Notice>,
    pub(super) wake: Arc<Notify>,
    pub(super) problem: Arc<Mutex<Option<String>>>,
    pub(super) tally: Arc<Tally>,
    pub(super) end: EndSession,
}

/// The clerk.
pub(super) struct Clerk {
    folder: PathBuf,
    limits: Limits,
    clock: Clock,
    /// None while nothing can be written down.
    office: Option<Office>,
    /// When that may be tried again.
    retry: Instant,
    /// What ran by grants when the desk was let go of, and when it has to end.
    lapsing: Vec<(Moment, SessionId)>,
    swept: Instant,
    waiting: HashMap<(SessionId, AskId), (ActionDigest, Waiter)>,
    passing: Vec<Passing>,
    outbox: Outbox,
    told: Told,
}

/// A desk and where its changes are written down.
struct Office {
    desk: Desk,
    store: Store,
}

impl Waiter {
    pub(super) fn new(
        request: RequestId,
        words: mpsc::Sender<Word>,
        leaving: Arc<Leaving>,
    ) -> Self {
        Self {
            request,
            words,
            leaving,
        }
    }
}

impl Clerk {
    /// Opens the store and withdraws what an earlier daemon left.
    pub(super) fn open(folder: &Path, limits: Limits, told: Told) -> Result<Self, StoreError> {
        let mut clock = Clock::new();
        let now = clock.now();
        let mut office = Office::open(folder, limits, now)?;
        office.store.prune(before(now))?;
        let started = office.desk.decide(Command::Started, now);
        // Starting has no objection.
        let started = started.unwrap_or_default();
        office.store.write(&started)?;
        office.store.commit()?;
        for change in started {
            // Nobody waits for anything yet.
            drop(office.desk.apply(change));
        }
        Ok(Self {
            folder: folder.to_owned(),
            limits,
            clock,
            office: Some(office),
            retry: Instant::now(),
            lapsing: Vec::new(),
            swept: Instant::now(),
            waiting: HashMap::new(),
            passing: Vec::new(),
            outbox: Outbox::default(),
            told,
        })
    }

    /// Works, on a thread of its own, until nobody has errands any more.
    pub(super) fn work(self, errands: mpsc::Receiver<Errand>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        std::thread::Builder::new()
            .name("approvals".to_owned())
            .spawn(move || runtime.block_on(self.run(errands)))?;
        Ok(())
    }

    async fn run(mut self, mut errands: mpsc::Receiver<Errand>) {
        let wake = Arc::clone(&self.told.wake);
        loop {
            self.keep_up();
            self.settle();
            self.sweep();
            let errand = tokio::select! {
                errand = errands.recv() => errand,
                () = wake.notified() => continue,
                () = tokio::time::sleep(self.pause()) => continue,
            };
            let Some(errand) = errand else { return };
            self.carry_out(errand);
            for _ in 1..TOGETHER {
                let Ok(errand) = errands.try_recv() else {
                    break;
                };
                self.carry_out(errand);
            }
        }
    }

    /// How long nothing has to be done by itself.
    fn pause(&mut self) -> Duration {
        let now = self.clock.now();
        let Some(office) = &self.office else {
            return RETRY;
        };
        let due = office.desk.due();
        due.map_or(GLANCE, |due| due.since(now).min(GLANCE))
    }

    fn carry_out(&mut self, errand: Errand) {
        match errand {
            Errand::Hold(action, waiter) => self.hold(action, waiter),
            Errand::Tell(command, reply) => {
                let outcome = self.tell(*command);
                self.outbox.reply(reply, outcome);
            }
            Errand::Look(look) => {
                self.settle();
                let office = self.office();
                look(office.map(|office| (&office.desk, &office.store)));
            }
        }
    }

    fn hold(&mut self, action: Box<HeldAction>, waiter: Waiter) {
        // A session may have let go of another one for the same ask just before: that is over first.
        self.keep_up();
        let key = (action.session.clone(), action.ask);
        let digest = action.action.clone();
        if self.waiting.contains_key(&key) {
            let refusal = outbox::refusal(digest, "the same ask waits already".to_owned());
            return self.outbox.word(&waiter.words, refusal);
        }
        let request = waiter.request.clone();
        let command = Command::Open {
            request: request.clone(),
            action,
        };
        self.waiting.insert(key.clone(), (digest, waiter));
        if let Err(failure) = self.tell(command)
            && let Some((digest, waiter)) = self.waiting.remove(&key)
        {
            let refusal = outbox::refusal(digest, failure.to_string());
            self.outbox.word(&waiter.words, refusal);
        }
    }

    /// Carries a command out. Returns what those who watch are told.
    fn tell(&mut self, command: Command) -> Outcomes {
        self.office()?;
        self.keep_up();
        let now = self.clock.now();
        let changes = self.office()?.desk.decide(command, now)?;
        let notices = self.enact(changes)?;
        self.keep_up();
        Ok(notices)
    }

    /// Does what has to be done by itself. What fails is told where it fails.
    fn keep_up(&mut self) {
        self.lapse();
        // What is wrong is told where it is found.
        if self.office().is_err() {
            return;
        }
        let left = self.waiting.iter();
        let left = left.filter(|(_, (_, it))| it.words.is_closed());
        let left: Vec<_> = left.map(|(key, _)| key.clone()).collect();
        for key in left {
            let Some((_, waiter)) = self.waiting.remove(&key) else {
                continue;
            };
            let why = waiter.leaving.why();
            let request = waiter.request;
            let Some(office) = &self.office else { return };
            let withdraw = Command::Withdraw { request, why };
            let changes = office.desk.decide(withdraw, self.clock.now());
            if self.enact(changes.unwrap_or_default()).is_err() {
                return;
            }
        }
        if self.end_unheard().is_err() {
            return;
        }
        loop {
            let now = self.clock.now();
            let Some(office) = &mut self.office else {
                return;
            };
            let changes = office.desk.follow(now);
            if changes.is_empty() || self.enact(changes).is_err() {
                return;
            }
        }
    }

    /// What passes by a grant in the books only, because whoever waited had left before the answer came,
    /// is over and changed nothing.
    fn end_unheard(&mut self) -> Result<(), Failure> {
        let has_left = |it: &Passing| it.waiter.words.is_closed();
        self.passing
            .retain(|it| !(has_left(it) && it.waiter.leaving.has_heard()));
        while let Some(place) = self.passing.iter().position(has_left) {
            let Some(passing) = self.passing.get(place) else {
                break;
            };
            let finished = Command::Finished {
                grant: passing.grant.clone(),
                session: passing.session.clone(),
                ask: passing.ask,
                rows: Some(0),
            };
            let now = self.clock.now();
            let changes = self.office()?.desk.decide(finished, now)?;
            self.enact(changes)?;
            self.passing.swap_remove(place);
        }
        Ok(())
    }

    /// Writes changes, takes them in, and has whom they concern told once that is on disk.
    fn enact(&mut self, changes: Vec<Change>) -> Outcomes {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let office = self.office()?;
        if let Err(error) = office.store.write(&changes) {
            return Err(self.broken(&error));
        }
        let office = self.office()?;
        let effects: Vec<_> = changes
            .into_iter()
            .flat_map(|change| office.desk.apply(change))
            .collect();
        Ok(effects
            .into_iter()
            .filter_map(|it| self.effect(it))
            .collect())
    }

    /// Puts on disk what was written since the last time, and tells everybody.
    fn settle(&mut self) {
        if let Some(office) = &mut self.office
            && let Err(error) = office.store.commit()
        {
            self.broken(&error);
        }
        self.outbox.send(&self.told);
    }

    fn effect(&mut self, effect: Effect) -> Option<Notice> {
        match effect {
            Effect::Answer {
                session,
                ask,
                answer,
            } => {
                let (_, waiter) = self.waiting.remove(&(session.clone(), ask))?;
                let grant = match &answer.outcome {
                    Outcome::Approved { grant, .. } => grant.clone(),
                    Outcome::Refused { .. } => None,
                };
                self.outbox.word(&waiter.words, Word::Answered(answer));
                self.passing.extend(grant.map(|grant| Passing {
                    grant,
                    session,
                    ask,
                    waiter,
                }));
                None
            }
            Effect::EndSession { session, reason } => {
                self.outbox.end(session, reason);
                None
            }
            Effect::Notice(notice) => {
                if let Notice::Opened(request) = &notice {
                    self.opened(request);
                }
                self.outbox.notice(notice.clone());
                Some(notice)
            }
        }
    }

    fn opened(&mut self, request: &Request) {
        let key = (request.action.session.clone(), request.action.ask);
        let Some((_, waiter)) = self.waiting.get(&key) else {
            return;
        };
        let progress = request.progress();
        let sets = progress.iter().flat_map(|it| &it.sets);
        let mut asked: Vec<String> = Vec::new();
        for set in sets.filter(|set| set.asked) {
            if !asked.contains(&set.name) {
                asked.push(set.name.clone());
            }
        }
        let waits = Word::Waits {
            request: request.id.clone(),
            until: request.deadline,
            asked,
        };
        self.outbox.word(&waiter.words, waits);
    }

    /// The desk and its store. Tries to get them back, where they were lost.
    fn office(&mut self) -> Result<&mut Office, Failure> {
        if self.office.is_none() {
            if Instant::now() < self.retry {
                let problem = self.problem().clone().unwrap_or_default();
                return Err(Failure::Store(problem));
            }
            self.resume()?;
        }
        self.office.as_mut().ok_or(Failure::Ended)
    }

    /// Reads back what is written down.
    fn resume(&mut self) -> Result<(), Failure> {
        let now = self.clock.now();
        let opened = Office::open(&self.folder, self.limits, now).and_then(|mut office| {
            let changes = office.desk.decide(Command::Resumed, now);
            let changes = changes.unwrap_or_default();
            office.store.write(&changes)?;
            office.store.commit()?;
            Ok((office, changes))
        });
        let (office, changes) = opened.map_err(|error| self.broken(&error))?;
        self.office = Some(office);
        *self.problem() = None;
        tracing::info!("approvals can be written down again");
        for change in changes {
            let office = self.office.as_mut().ok_or(Failure::Ended)?;
            for effect in office.desk.apply(change) {
                self.effect(effect);
            }
        }
        Ok(())
    }

    /// Nothing can be written down: lets go of the desk, which is no better than what is written, and
    /// refuses whoever waits.
    fn broken(&mut self, error: &StoreError) -> Failure {
        let path = Store::file(&self.folder);
        let problem = format!(
            "approvals cannot be written down in {}: {error}",
            path.display()
        );
        self.retry = Instant::now() + RETRY;
        let known = self.problem().replace(problem.clone());
        if known.as_ref() != Some(&problem) {
            tracing::error!("{problem}");
        }
        if let Some(office) = self.office.take() {
            let running = office.desk.grants().flat_map(|grant| {
                let running = grant.running.iter();
                running.map(|(session, _)| (grant.expires, session.clone()))
            });
            self.lapsing = running.collect();
        }
        self.outbox.take_back(&self.told, &problem);
        for (_, (digest, waiter)) in self.waiting.drain() {
            outbox::refuse(&waiter.words, digest);
        }
        Failure::Store(problem)
    }

    /// Ends what ran by a grant whose time is over, also while that cannot be written down.
    fn lapse(&mut self) {
        if self.office.is_some() {
            // The desk knows better.
            return self.lapsing.clear();
        }
        let now = self.clock.now();
        let over = self.lapsing.extract_if(.., |(expires, _)| now >= *expires);
        for (_, session) in over {
            (self.told.end)(&session, &Ending::Expired.sentence());
        }
    }

    fn problem(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        let problem = self.told.problem.lock();
        problem.unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of what has been over for long, now and then.
    fn sweep(&mut self) {
        if self.swept.elapsed() < SWEEP {
            return;
        }
        self.swept = Instant::now();
        let until = before(self.clock.now());
        if let Some(office) = &mut self.office
            && let Err(error) = office.store.prune(until)
        {
            self.broken(&error);
        }
    }
}

impl Office {
    fn open(folder: &Path, limits: Limits, now: Moment) -> Result<Self, StoreError> {
        let store = Store::open(folder)?;
        let desk = store.desk(limits, now)?;
        Ok(Self { desk, store })
    }
}

/// Until when what is over is let go.
fn before(now: Moment) -> Moment {
    Moment(now.0.saturating_sub(Moment(0).after(KEPT).0))
}
