//! One session: bytes in, decisions made, bytes and events out. A machine without I/O.
//!
//! The relay feeds it (`handle_*`, `resume`), asks what it wants (`wants_read`), and empties its
//! [`outbox`]. What frames mean is the codec's, whether they may pass is policy's; here the one is
//! joined to the other, and every ask is recorded before anything of it is sent. Sessions of
//! protocols without a codec have the [`ledger`] only.

mod ending;
mod hold;
pub mod identity;
mod inbound;
pub mod ledger;
mod limiting;
mod masking;
mod meter;
pub mod opaque;
pub mod outbox;
mod prove;
mod record;
mod speaking;
mod steps;

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use self::hold::Held;
use self::inbound::{Inbound, Rest};
use self::ledger::Ledger;
use self::meter::Meter;
use self::outbox::{Action, Outbox};
use self::record::Asked;
use crate::budget::book::Book;
use crate::descriptor::Protocol;
use crate::event::{Event, Leg, SessionEnd, Tls};
use crate::facts::{Facts, Stage};
use crate::flow::Flow;
use crate::held::{HeldAction, Withdrawal};
use crate::ids::{AskId, ResourceName};
use crate::mask::{MaskKey, MaskSet};
use crate::policy::budget::Counts;
use crate::policy::decision::{Decision, Permit, Verdict};
use crate::policy::engine::Engine;
use crate::policy::limit::Limits;
use crate::protocols::{Ask, Codec, CodecOptions, Fatal, Framed, Side, Step, Then, TlsInfo};
use crate::refusal::Refusal;
use crate::subject::Subject;

/// Bytes that may wait for a peer before nothing more is taken from whoever makes them.
pub const HIGH_WATER: usize = 256 << 10;

/// One session.
pub struct Session {
    protocol: &'static Protocol,
    codec: Box<dyn Codec>,
    engine: Arc<Engine>,
    /// The time by which is decided: that of whatever was taken last.
    now: Timestamp,
    subject: Arc<Subject>,
    flow: Arc<Flow>,
    client: Inbound,
    server: Inbound,
    outbox: Outbox,
    ledger: Ledger,
    /// In a box: most sessions have no budget.
    meter: Box<Meter>,
    /// What is limited for each statement.
    limits: Limits,
    /// What is masked, as policy has it.
    masks: Arc<MaskSet>,
    /// What hashes and pseudonyms of what is found are made with.
    mask_key: Option<MaskKey>,
    /// The ask that waits until people decide: nothing more is taken from the client before.
    held: Option<Held>,
    /// A word to the client whose turn has not come.
    notice: Option<Bytes>,
    /// What the client has shown is being checked: nothing more is taken from it before.
    proving: bool,
    /// A handshake with the client is under way: what it sends belongs to that.
    handshaking: bool,
    /// The server has been asked for.
    dialed: bool,
    /// The client has said all it wanted.
    finishing: bool,
    closed: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("protocol", &self.protocol.name)
            .field("flow", &self.flow)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Begins a session; its first event is in the outbox. `gateway` is the program's version.
    pub fn new(
        framed: &dyn Framed,
        options: &CodecOptions,
        engine: Arc<Engine>,
        subject: Arc<Subject>,
        flow: Arc<Flow>,
        gateway: &str,
    ) -> Self {
        let (ledger, open) = Ledger::open(framed.protocol(), &subject, &flow, gateway);
        let mut outbox = Outbox::default();
        outbox.record(open);
        let meter = Box::new(Meter::new(engine.accounts(&subject, &flow)));
        let (limits, mut codec) = (engine.limits(&subject, &flow), framed.codec(options));
        codec.tell_moment(engine.looks_at_moment(&flow));
        Self {
            protocol: framed.protocol(),
            codec,
            engine,
            now: Timestamp::MIN,
            subject,
            flow,
            client: Inbound::default(),
            server: Inbound::default(),
            outbox,
            ledger,
            meter,
            limits,
            masks: Arc::default(),
            mask_key: None,
            held: None,
            notice: None,
            proving: false,
            handshaking: false,
            dialed: false,
            finishing: false,
            closed: false,
        }
    }

    /// Counts what budgets are for in `book`, which sessions share; without it in one of its own.
    #[must_use]
    pub fn counting_in(mut self, book: Arc<Book>) -> Self {
        self.meter.count_in(book);
        self
    }

    /// What waits to be done.
    pub fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// How many asks were allowed and denied so far.
    pub fn asked(&self) -> (u64, u64) {
        self.ledger.asked()
    }

    /// Bytes that went to the client and to the server so far.
    pub fn traffic(&self) -> (u64, u64) {
        self.outbox.sent
    }

    /// Whether to go on may mean to judge a text of more than `long`, which the client sends or refers to.
    pub fn may_take_long(&self, more: usize, long: usize) -> bool {
        let text = (self.client.len() + more).max(self.codec.longest_kept());
        text > long && self.client.rest.is_done() && !self.codec.takes_data()
    }

    /// The resource that it is about.
    pub fn resource(&self) -> Option<&ResourceName> {
        self.flow.resource.as_ref()
    }

    /// Whether the session's own start has been decided: the client has said who it is.
    pub fn is_ready(&self) -> bool {
        self.ledger.has_asked()
    }

    /// Whether more from `side` can be taken now. What is held in memory stays below a few times
    /// [`HIGH_WATER`] because of this.
    pub fn wants_read(&mut self, side: Side) -> bool {
        if self.closed || self.handshaking {
            return false;
        }
        match side {
            Side::Client => !self.finishing && !self.is_full() && self.client.has_room(),
            Side::Server => self.outbox.to_client().len() < HIGH_WATER && self.server.has_room(),
        }
    }

    fn is_full(&mut self) -> bool {
        self.outbox.to_client().len() >= HIGH_WATER || self.outbox.to_server().len() >= HIGH_WATER
    }

    /// Takes what `side` sent.
    pub fn handle_bytes(&mut self, side: Side, bytes: &[u8], now: Timestamp) {
        self.now = now;
        self.read(side, bytes);
        self.settle(side);
    }

    /// Goes on with what was left when the outbox was full, some of which was sent: whether that helped.
    pub fn resume(&mut self, now: Timestamp) -> bool {
        self.now = now;
        let held = self.client.len() + self.server.len();
        if held > 0 && !self.closed {
            self.settle(Side::Client);
        }
        held != self.client.len() + self.server.len()
    }

    /// Takes the end of what `side` sends.
    pub fn handle_eof(&mut self, side: Side) {
        match side {
            Side::Client => self.finish(),
            Side::Server if self.finishing => self.end(SessionEnd::ClientClosed, None),
            Side::Server => self.end(SessionEnd::ServerClosed, None),
        }
    }

    /// The client has nothing more to say. What it asked for before still runs to its end on the
    /// server, and that end is recorded.
    fn finish(&mut self) {
        self.withdraw(Withdrawal::ClientGone);
        if !self.dialed {
            return self.end(SessionEnd::ClientClosed, None);
        }
        if !self.finishing && !self.closed {
            self.finishing = true;
            self.outbox.act(Action::FinishServer);
        }
    }

    /// Takes the result of a TLS handshake.
    pub fn handle_tls(&mut self, side: Side, info: &TlsInfo) {
        let leg = match side {
            Side::Client => {
                self.handshaking = false;
                Leg::Client
            }
            Side::Server => Leg::Server,
        };
        self.outbox.record(Event::Tls(Tls {
            leg,
            version: info.version.clone(),
            cipher: info.cipher.clone(),
            server_name: info.server_name.clone(),
        }));
        if let Err(error) = self.codec.tls_started(side, info) {
            self.violated(&error);
        }
    }

    /// Takes a new policy for everything that is asked from now on, and for what waits. The same one
    /// again means that the time of some rule has begun or ended: what waits goes on waiting unless
    /// that makes a difference to it.
    pub fn handle_policy(&mut self, engine: Arc<Engine>, now: Timestamp) {
        self.now = now;
        // The same file, read again, is no other policy: what waits keeps its votes and its time.
        let is_new = self.engine.digest() != engine.digest();
        self.engine = engine;
        let accounts = self.engine.accounts(&self.subject, &self.flow);
        self.meter.change(accounts, now);
        self.limits = self.engine.limits(&self.subject, &self.flow);
        self.codec
            .tell_moment(self.engine.looks_at_moment(&self.flow));
        if is_new && self.dialed {
            self.choose_masks();
        }
        if is_new || !self.waits_as_before() {
            self.decide_again();
        }
    }

    /// Reads on both sides until neither gets further: an answer of the server may be what a
    /// message of the client waits for.
    fn settle(&mut self, first: Side) {
        let mut side = first.other();
        let mut idle = 0;
        while idle < 2 && !self.closed {
            let before = self.inbound(side).len();
            if before > 0 && !self.is_full() {
                self.read(side, &[]);
            }
            idle = if self.inbound(side).len() == before {
                idle + 1
            } else {
                0
            };
            side = side.other();
        }
    }

    fn inbound(&mut self, side: Side) -> &mut Inbound {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Reads what is held of `side` and then `bytes`; what cannot be read yet is held.
    fn read(&mut self, side: Side, bytes: &[u8]) {
        if self.closed {
            return;
        }
        let mut held = self.inbound(side).take();
        if held.is_empty() {
            let taken = self.read_input(side, bytes);
            self.inbound(side)
                .hold(bytes.get(taken..).unwrap_or_default());
        } else {
            held.extend_from_slice(bytes);
            let taken = self.read_input(side, &held);
            self.inbound(side).put_back(held, taken);
        }
    }

    /// Takes steps as far as `input` goes; says how many bytes were taken.
    fn read_input(&mut self, side: Side, input: &[u8]) -> usize {
        let mut taken = 0;
        while self.may_step(side) {
            let rest = input.get(taken..).unwrap_or_default();
            if !self.inbound(side).rest.is_done() {
                if rest.is_empty() {
                    break;
                }
                taken += self.stream(side, rest);
                continue;
            }
            match self.codec.next(side, rest) {
                Ok(Some(step)) if self.within_budget() => taken += self.step(side, step, rest),
                // It has ended.
                Ok(Some(_)) => break,
                Ok(None) => {
                    self.speak();
                    break;
                }
                Err(error) => self.violated(&error),
            }
            self.speak();
        }
        self.settle_up();
        taken
    }

    fn may_step(&mut self, side: Side) -> bool {
        let unheard =
            side == Side::Client && (self.finishing || self.proving || self.held.is_some());
        !(self.closed || self.handshaking || unheard || self.is_full())
    }

    /// Lets the rest of a frame by whose beginning was dealt with.
    fn stream(&mut self, side: Side, input: &[u8]) -> usize {
        let mut rest = std::mem::take(&mut self.inbound(side).rest);
        let taken = match &mut rest {
            Rest::Done => 0,
            Rest::ToServer(carry) => self.outbox.carry(carry, input),
            Rest::ToClient(remaining) => {
                let taken = input.len().min(*remaining);
                self.outbox.reply(input.get(..taken).unwrap_or_default());
                *remaining -= taken;
                taken
            }
            Rest::Nowhere(remaining) => {
                let taken = input.len().min(*remaining);
                *remaining -= taken;
                taken
            }
        };
        self.inbound(side).rest = rest;
        taken
    }

    /// Does what one step says; says how many bytes of `input` it took.
    fn step(&mut self, side: Side, step: Step, input: &[u8]) -> usize {
        match step {
            Step::Pass(len) => self.pass(side, len, input),
            Step::Finish(len) => {
                let taken = self.pass(side, len, input);
                self.finish();
                taken
            }
            Step::Discard(len) => {
                let taken = len.min(input.len());
                self.inbound(side).rest = Rest::Nowhere(len - taken);
                taken
            }
            Step::Replace(len, bytes) => self.replace(side, len, &bytes, input),
            Step::IssueKey {
                len,
                bytes,
                issued,
                real,
            } => {
                self.outbox.act(Action::IssueKey { issued, real });
                self.replace(side, len, &bytes, input)
            }
            Step::Precede(own, len) => {
                let sent = self.outbox.own(&own, self.protocol);
                debug_assert!(sent, "a codec says nothing but what is declared");
                self.pass(side, len, input)
            }
            Step::Answer(len, bytes) => {
                self.outbox.reply(&bytes);
                len
            }
            Step::Prove(presented) => {
                self.proving = true;
                self.outbox.act(Action::Prove(presented));
                0
            }
            Step::StartTls(len, bytes) => self.start_tls(len, &bytes, input),
            Step::Ask(ask) => {
                let taken = ask.head;
                let head = input.get(..taken).unwrap_or_default();
                self.decide(*ask, head);
                taken
            }
        }
    }

    /// What the rules say, and what budgets leave of it.
    fn ruled(&self, facts: &Facts, counts: Counts) -> Decision {
        let (engine, now) = (&self.engine, self.now);
        let decision = engine.decide(&self.subject, &self.flow, facts, now);
        self.meter.judge(decision, facts, counts, now)
    }

    /// Puts an ask to policy, records what it said, and does it.
    fn decide(&mut self, ask: Ask, head: &[u8]) {
        let decision = self.ruled(&ask.facts, meter::counts(&ask));
        let (decision, action) = self.people(decision, &ask, head);
        let asked = Asked {
            facts: &ask.facts,
            request: ask.request,
            text: ask.text.as_deref(),
            of: ask.of,
        };
        let named = action.as_ref().map(|it| it.action.clone());
        let (id, event) = self
            .ledger
            .decided(asked, &decision, self.engine.digest(), named);
        self.outbox.record(event);
        self.enact(id, ask, head, decision, action);
    }

    /// Does what was decided.
    fn enact(
        &mut self,
        id: AskId,
        ask: Ask,
        head: &[u8],
        decision: Decision,
        action: Option<Box<HeldAction>>,
    ) {
        match (decision.verdict, action) {
            (Verdict::Allow(permit), _) => self.pass_on(id, ask, head, permit),
            (Verdict::Hold(hold), Some(action)) => self.hold(id, ask, head, hold, action),
            (Verdict::Hold(hold), None) => {
                let refusal = hold.refuse("it cannot wait for an approval");
                self.turn_down(id, &ask, head, &refusal);
            }
            (Verdict::Deny(refusal), _) => self.turn_down(id, &ask, head, &refusal),
        }
    }

    /// Does what was let pass.
    fn pass_on(&mut self, id: AskId, ask: Ask, head: &[u8], permit: Permit) {
        let ceiling = self.limits.ceiling(&ask.facts);
        self.codec.allowed(id, ceiling);
        match ask.then {
            Then::Cancel(key) => {
                self.outbox.act(Action::Cancel(key));
                self.end(SessionEnd::ClientClosed, None);
                return;
            }
            Then::Dial => {
                self.dialed = true;
                self.choose_masks();
                self.outbox.act(Action::Dial);
            }
            Then::Forward | Then::Prepare | Then::Again { .. } => {}
        }
        self.client.rest = match &ask.instead {
            None => Rest::ToServer(self.outbox.forward(head, ask.len, permit)),
            Some(own) => {
                let carry = self.outbox.forward(own, own.len(), permit);
                debug_assert!(carry.is_done(), "it is there as a whole");
                Rest::Nowhere(ask.len.saturating_sub(head.len()))
            }
        };
    }

    /// Refuses it in the client's language.
    fn turn_down(&mut self, id: AskId, ask: &Ask, head: &[u8], refusal: &Refusal) {
        self.client.rest = Rest::Nowhere(ask.len.saturating_sub(head.len()));
        if matches!(ask.facts.stage, Stage::Connect | Stage::Cancel) {
            self.end(SessionEnd::Refused, Some(Fatal::Refused(refusal)));
        }
        self.codec.refused(id, refusal);
    }
}
