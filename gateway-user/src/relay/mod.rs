//! Moves the bytes of one framed session and does what it asks for. The session decides; what
//! happens here is input and output in a fixed order: recorded, then sent, then read again.
//!
//! `around` is what a relay is given, `leg` one side's socket with its TLS and `bulk` what makes it take long streams in larger pieces, `handshake` how that begins with an agent, `dial` the way to the server, `closing` the end, `cancel` who may cancel what,
//! `aside` is where judging takes long, `overtime` how long something runs, `evidence` where events go, `prove` what is checked of a client, `client` how the gateway asks servers itself, `catalog` what databases say of themselves, `detectors` who is asked about texts. Streams that nobody looks into have a relay of their own, in `opaque`; look-ups of names are answered in `dns`.

mod around;
mod aside;
mod bulk;
pub mod cancel;
pub mod catalog;
mod client;
mod closing;
pub mod detectors;
mod dial;
pub mod dns;
pub mod evidence;
mod handshake;
mod leg;
mod look;
mod masked;
pub mod opaque;
mod overtime;
pub mod preview;
mod prove;
mod wait;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use gateway_core::event::SessionEnd;
use gateway_core::held::Withdrawal;
use gateway_core::protocols::{Framed, Side};
use gateway_core::session::Session;
use gateway_core::session::outbox::Action;
use gateway_core::sql::postgres::lineage::Masked;
use jiff::Timestamp;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Sleep;

pub use self::around::{Route, Surroundings};
use self::aside::aside;
use self::cancel::Issued;
pub use self::dial::Way;
use self::evidence::{Evidence, EvidenceError, Waiting};
use self::leg::{Leg, Read};
use self::overtime::Watch;
use self::wait::{Cancelled, Running, Said, Then, Wait};
use crate::approvals::ticket::Word;
use crate::config::Config;
use crate::live::Guard;

/// A client has so long from its connection to its welcome.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// A peer has so long to take the last words.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
/// What the server did is in the recording after so long, if nothing else is written before.
const WRITE_DELAY: Duration = Duration::from_millis(50);
/// An empty buffer keeps at most so many bytes while nothing happens.
const IDLE_CAPACITY: usize = 4 << 10;

/// One session and its two sockets.
pub struct Relay<'a> {
    framed: &'a dyn Framed,
    session: Session,
    client: Leg,
    server: Option<Leg>,
    evidence: Evidence,
    guard: Arc<Guard>,
    route: Route,
    around: &'a Surroundings,
    /// What the client asked for by SNI.
    sni: Option<String>,
    issued: Option<Issued>,
    wait: Wait,
    watch: Box<Watch>,
    /// What is masked, as it was found out last.
    masked: Option<Arc<Masked>>,
    /// When what waits to be written is written.
    due: Option<Pin<Box<Sleep>>>,
}

impl std::fmt::Debug for Relay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// What the relay has to stop pumping for.
enum Turn {
    Act(Action),
    Stop(SessionEnd),
    Late,
    Policy,
    /// Something is said to what waits for people.
    Word(Word),
    /// The client cancels what waits.
    Cancelled,
    /// Something that passed by a grant is over.
    Over,
    /// The client has said who it is: the deadline of its start is over.
    Ready,
}

impl<'a> Relay<'a> {
    /// Joins a session to its client.
    pub fn new(
        framed: &'a dyn Framed,
        session: Session,
        client: TcpStream,
        evidence: Evidence,
        guard: Guard,
        route: Route,
        around: &'a Surroundings,
    ) -> Self {
        Self {
            framed,
            session,
            client: Leg::new(client),
            server: None,
            evidence,
            guard: Arc::new(guard),
            route,
            around,
            sni: None,
            issued: None,
            wait: Wait::new(&around.approvals),
            watch: Box::default(),
            masked: None,
            due: None,
        }
    }

    /// Runs the session to its end.
    pub async fn run(mut self) -> SessionEnd {
        let mut config = self.around.config.clone();
        let mut starting = Some(Box::pin(tokio::time::sleep(START_DEADLINE)));
        let end = loop {
            if self.session.is_ready() {
                starting = None;
            }
            match self.turn(&mut config, starting.as_mut()).await {
                Turn::Stop(how) => self.session.handle_stop(&how),
                Turn::Late => self
                    .session
                    .handle_timeout("the client to start its session"),
                Turn::Policy => {
                    let engine = Arc::clone(&config.borrow_and_update().engine);
                    let now = Timestamp::now();
                    let cgroup = self.guard.info().cgroup.0;
                    let identity = self.around.identities.of(cgroup, now);
                    self.session.handle_identity(identity, now);
                    aside(&mut self.session, 0, |session| {
                        session.handle_policy(engine, now);
                    });
                }
                Turn::Ready => {}
                Turn::Act(Action::Dial) => {
                    let guard = Arc::clone(&self.guard);
                    // Who has to end does not wait for the peer.
                    tokio::select! {
                        how = guard.cancelled() => self.session.handle_stop(&how),
                        // In boxes, here and below: idle sessions need no room for what happens once.
                        () = Box::pin(self.dial()) => {}
                    }
                }
                Turn::Act(Action::StartTls(first)) => {
                    let guard = Arc::clone(&self.guard);
                    tokio::select! {
                        how = guard.cancelled() => self.session.handle_stop(&how),
                        () = Box::pin(self.start_tls(first)) => {}
                    }
                }
                Turn::Word(Word::Waits {
                    request,
                    until,
                    asked,
                }) => {
                    self.wait.look(&request);
                    let note = wait::note(request, until, &asked);
                    self.session.handle_waiting(&note);
                }
                Turn::Word(Word::Answered(answer)) => match self.wait.answered(&answer) {
                    true => aside(&mut self.session, 0, |session| {
                        session.handle_answer(&answer, Timestamp::now());
                    }),
                    false => self.session.handle_cancel(Timestamp::now()),
                },
                Turn::Cancelled => self.session.handle_cancel(Timestamp::now()),
                Turn::Over => self.wait.tell(),
                Turn::Act(Action::Hold(held)) => {
                    let wish = self.wish(&held);
                    self.wait.begin(*held, wish);
                }
                Turn::Act(Action::Prove(presented)) => Box::pin(self.prove(&presented)).await,
                Turn::Act(Action::FindMasked { masks, database }) => {
                    Box::pin(self.find_masked(masks, database)).await;
                }
                Turn::Act(Action::Ask(questions)) => Box::pin(self.ask(questions)).await,
                Turn::Act(Action::Abort) => {
                    let guard = Arc::clone(&self.guard);
                    tokio::select! {
                        how = guard.cancelled() => self.session.handle_stop(&how),
                        () = Box::pin(self.abort()) => {}
                    }
                }
                Turn::Act(Action::Withdraw(why)) => Box::pin(self.withdraw(why)).await,
                Turn::Act(Action::Cancel(key)) => Box::pin(self.cancel(&key)).await,
                Turn::Act(Action::IssueKey { issued, real }) => self.issue(issued, real),
                Turn::Act(Action::FinishServer) => Box::pin(self.finish_server()).await,
                Turn::Act(Action::Close(end)) => break end,
            }
        };
        let wait = std::mem::replace(&mut self.wait, Wait::new(&self.around.approvals));
        Box::pin(self.close(&end)).await;
        wait.end().await;
        end
    }

    /// Pumps until there is something to do that is not pumping. Cancel safe: all state is in
    /// `self`, and a poll that returns has left it whole.
    async fn turn(
        &mut self,
        config: &mut watch::Receiver<Arc<Config>>,
        starting: Option<&mut Pin<Box<Sleep>>>,
    ) -> Turn {
        let late = async {
            match starting {
                Some(sleep) => sleep.await,
                None => std::future::pending().await,
            }
        };
        let Self {
            guard,
            session,
            client,
            server,
            evidence,
            wait,
            watch,
            due,
            ..
        } = self;
        let (ticket, running) = wait.parts();
        let mut pump = Pump {
            session,
            client,
            server,
            evidence,
            running,
            watch,
            due,
            guard,
        };
        let was_starting = !pump.session.is_ready();
        tokio::select! {
            biased;
            action = std::future::poll_fn(|cx| pump.poll(cx, was_starting)) => match action {
                Pumped::Act(action) => Turn::Act(action),
                Pumped::Ready => Turn::Ready,
                Pumped::Over => Turn::Over,
            },
            how = guard.cancelled() => Turn::Stop(how),
            () = late => Turn::Late,
            // Before what people say: they may have said it under another policy.
            Ok(()) = config.changed() => Turn::Policy,
            said = Wait::next(ticket) => match said {
                Said::Word(word) => Turn::Word(word),
                Said::Cancelled => Turn::Cancelled,
            },
        }
    }

    /// Lets go of what waits. Another policy may have it wait again, or may have let it pass: who
    /// cancelled it just before means what the server runs then.
    async fn withdraw(&mut self, why: Withdrawal) {
        let then = match self.session.is_held() {
            true => Then::Anew,
            false => Then::Over,
        };
        if self.wait.withdraw(why, then) == Cancelled::No || why != Withdrawal::PolicyChanged {
            return;
        }
        let target = self.issued.as_ref().and_then(Issued::target);
        if let Some(target) = target {
            closing::abort(self.framed, &self.around.dialer, &target).await;
        }
    }

    async fn dial(&mut self) {
        let Some(upstream) = self.route.upstream.clone() else {
            // Policy lets nothing pass where no resource is. Fails closed all the same.
            return self
                .session
                .handle_unreachable("no resource covers this destination");
        };
        let (dialer, protocol) = (&self.around.dialer, self.framed.protocol());
        let name = self.server_name().map(str::to_owned);
        let way = &mut self.route.way;
        let dialed = dial::dial(dialer, way, protocol, &upstream, name.as_deref()).await;
        match dialed {
            Ok((leg, info)) => {
                self.server = Some(leg);
                if let Some(info) = info {
                    self.session.handle_tls(Side::Server, &info);
                }
            }
            Err(error) => self.session.handle_unreachable(&error.to_string()),
        }
    }

    /// The name that the server is asked for and verified as, where the configuration gives none.
    /// What an agent asks for by SNI counts among the resource's hosts, and where it has none.
    fn server_name(&self) -> Option<&str> {
        let (sni, hosts) = (self.sni.as_deref(), &self.route.hosts);
        let is_host = |name: &&str| hosts.iter().any(|host| host.eq_ignore_ascii_case(name));
        let host = sni.filter(is_host).or(hosts.first().map(String::as_str));
        host.or(sni)
    }
}

/// What the pump stops for.
enum Pumped {
    Act(Action),
    /// The session got ready, which ends the deadline of its start.
    Ready,
    /// Something that passed by a grant is over.
    Over,
}

/// The part of a relay that is polled.
struct Pump<'a> {
    session: &'a mut Session,
    client: &'a mut Leg,
    server: &'a mut Option<Leg>,
    evidence: &'a mut Evidence,
    running: &'a mut Running,
    watch: &'a mut Watch,
    due: &'a mut Option<Pin<Box<Sleep>>>,
    guard: &'a Guard,
}

impl Pump<'_> {
    /// Records, sends and reads until nothing moves or there is something to do.
    fn poll(&mut self, cx: &mut Context<'_>, was_starting: bool) -> Poll<Pumped> {
        loop {
            self.record();
            let mut moved = self.send(cx);
            if let Some(action) = self.session.outbox().action() {
                return Poll::Ready(Pumped::Act(action));
            }
            if was_starting && self.session.is_ready() {
                return Poll::Ready(Pumped::Ready);
            }
            if self.running.is_over() {
                return Poll::Ready(Pumped::Over);
            }
            moved |= self.read(cx, Side::Client);
            moved |= self.read(cx, Side::Server);
            moved |= self.watch.poll(cx, self.session);
            if !moved {
                std::task::ready!(self.rest(cx));
                self.flush();
            }
        }
    }

    /// What was asked is written down before anything of it leaves. Fails closed: otherwise the
    /// session ends, and what was about to go to the server does not.
    fn record(&mut self) {
        let events = self.session.outbox().events();
        if events.is_empty() {
            return;
        }
        self.running.note(events);
        let taken = self.evidence.take(events);
        self.check(taken);
        if self.evidence.waiting() == Waiting::Urgent {
            self.flush();
        }
        self.guard
            .counters()
            .set(self.session.asked(), self.session.traffic());
    }

    fn flush(&mut self) {
        let flushed = self.evidence.flush();
        self.check(flushed);
    }

    fn check(&mut self, written: Result<(), EvidenceError>) {
        if let Err(error) = written {
            self.session.handle_unrecorded(&error.to_string());
            // The recording takes nothing more; the enforcement log still tells of the end.
            self.evidence.take_end(self.session.outbox().events());
        }
    }

    /// Sends what waits; says whether that let the session go on.
    fn send(&mut self, cx: &mut Context<'_>) -> bool {
        let outbox = self.session.outbox();
        if let Poll::Ready(Err(error)) = self.client.poll_write(cx, outbox.to_client()) {
            outbox.to_client().clear();
            self.session.handle_client_failure(&error.to_string());
            return true;
        }
        let outbox = self.session.outbox();
        if let Some(server) = self.server
            && let Poll::Ready(Err(error)) = server.poll_write(cx, outbox.to_server())
        {
            outbox.to_server().clear();
            self.session.handle_unreachable(&error.to_string());
            return true;
        }
        let now = Timestamp::now();
        aside(self.session, 0, |session| session.resume(now))
    }

    /// Reads once from `side` if the session wants it; says whether something came.
    fn read(&mut self, cx: &mut Context<'_>, side: Side) -> bool {
        if !self.session.wants_read(side) {
            return false;
        }
        let session = &mut *self.session;
        let leg = match side {
            Side::Client => &mut *self.client,
            Side::Server => match self.server {
                Some(server) => server,
                None => return false,
            },
        };
        let take = |bytes: &[u8]| {
            let more = match side {
                Side::Client => bytes.len(),
                Side::Server => 0,
            };
            let now = Timestamp::now();
            aside(session, more, |session| {
                session.handle_bytes(side, bytes, now);
            });
        };
        match leg.poll_read(cx, take) {
            Poll::Pending => return false,
            Poll::Ready(Ok(Read::Bytes)) => {}
            Poll::Ready(Ok(Read::Eof)) => session.handle_eof(side),
            Poll::Ready(Err(error)) => match side {
                Side::Client => session.handle_client_failure(&error.to_string()),
                Side::Server => session.handle_unreachable(&error.to_string()),
            },
        }
        true
    }

    /// Nothing moves: memory that only busy sessions need is given back, and what waits to be
    /// written gets a deadline. Says whether that passed.
    fn rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let outbox = self.session.outbox();
        release(outbox.to_client());
        release(outbox.to_server());
        self.evidence.shrink();
        if self.evidence.waiting() == Waiting::Nothing && self.due.is_none() {
            return Poll::Pending;
        }
        // A timer that runs is left running, also when its lines are written before: a busy session
        // has one for each [`WRITE_DELAY`] and not one for each statement.
        let due = self
            .due
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_DELAY)));
        std::task::ready!(due.as_mut().poll(cx));
        *self.due = None;
        Poll::Ready(())
    }
}

fn release(buffer: &mut BytesMut) {
    if buffer.is_empty() && buffer.capacity() > IDLE_CAPACITY {
        *buffer = BytesMut::new();
    }
}
