//! What the server still owes an answer to, in order, with the refusals that wait for their turn.
//!
//! A client may send many messages before it reads. The server answers each in order, and after an
//! error in the extended protocol skips up to `Sync`. The queue here follows both, so that a
//! refusal comes out where the server's own error would have, and results find their asks.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::again::Again;
use super::masking::{Made, Results, Traced};
use super::moment::Seen;
use super::path::Answer;
use super::script::{self, Effect, Script};
use crate::event::Outcome;
use crate::facts::FactSet;
use crate::ids::AskId;
use crate::limit::Counted;
use crate::protocols::CodecError;
use crate::sql::postgres::Session;

/// What is known of a running statement's result so far.
#[derive(Debug)]
pub(super) struct Tally {
    /// What the recording will say.
    pub(super) outcome: Outcome,
    /// What is masked of it and looked for in it; none where nothing is.
    pub(super) results: Option<Box<Results>>,
    /// What limits it has, and what was counted; none where it has none.
    pub(super) counted: Option<Counted>,
}

impl Tally {
    /// Nothing has come back yet of what does this.
    pub(super) fn of(ask: AskId, results: Option<Box<Results>>) -> Self {
        Self {
            results,
            ..Self::new(ask)
        }
    }

    /// Nothing has come back yet.
    pub(super) fn new(ask: AskId) -> Self {
        Self {
            outcome: Outcome::new(ask),
            results: None,
            counted: None,
        }
    }

    /// With limits.
    pub(super) fn limited(self, counted: Option<Counted>) -> Self {
        Self { counted, ..self }
    }
}

/// A prepared statement, and what it was judged by.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    /// The ask that let it be prepared; none for what did not pass the gateway.
    pub(super) ask: Option<AskId>,
    /// Its text, where it came by the protocol's `Parse`: the server reads it anew when the session
    /// it runs in has changed.
    pub(super) text: Option<Bytes>,
    /// The types of its parameters, as the server described them or else as `Parse` declared them; 0 is
    /// one that was left to the server.
    pub(super) types: Box<[u32]>,
    /// How its text was read.
    pub(super) session: Session,
    /// What was read.
    pub(super) script: Arc<Script>,
    /// What it was judged by.
    pub(super) units: Arc<[FactSet]>,
    /// What it returns, where SQL has made it.
    pub(super) made: Option<Made>,
    /// How long preparing it may take.
    pub(super) counted: Option<Counted>,
    /// Whether it touches something masked in any way, or may.
    pub(super) touches: bool,
    /// What was found out about its text; the same for all that is made of it.
    pub(super) again: Arc<Again>,
}

impl Prepared {
    /// What no name the gateway knows stands for.
    pub(super) fn unknown() -> Self {
        let script = Script::unread();
        let units: Arc<[FactSet]> = Arc::new([script::unknown(true)]);
        Self {
            ask: None,
            text: None,
            types: Box::default(),
            session: Session::default(),
            script,
            units,
            made: None,
            counted: None,
            touches: true,
            again: Arc::default(),
        }
    }

    /// Prepared by SQL's `PREPARE` in a script.
    pub(super) fn by_sql(
        ask: AskId,
        by: &Script,
        units: Arc<[FactSet]>,
        made: Option<Made>,
    ) -> Self {
        let session = Session {
            search_path: by.search_path.clone(),
            ..Session::default()
        };
        Self {
            ask: Some(ask),
            units,
            session,
            made,
            ..Self::unknown()
        }
    }

    /// About how many bytes of memory it takes.
    pub(super) fn bytes(&self) -> usize {
        let text = self.text.as_ref().map_or(0, Bytes::len);
        let made = self.made.as_ref().map_or(0, Made::bytes);
        text + made + self.types.len() * 4 + self.script.bytes() + script::bytes(&self.units)
    }
}

/// A portal, and the ask that let it be bound.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    /// The ask of the `Bind`.
    pub(super) ask: AskId,
    /// The statement it was bound to.
    pub(super) prepared: Arc<Prepared>,
    /// What it returns: the server has planned it when it was bound, whatever names mean later. None where
    /// nothing was masked then.
    pub(super) traced: Option<Traced>,
    /// What the session had done when it was decided, where that was looked at.
    pub(super) moment: Option<Seen>,
    /// Whether people agreed to it.
    pub(super) agreed: bool,
    /// What limits it has, and what was counted each time that it ran.
    pub(super) counted: Option<Counted>,
}

/// One thing that the server owes an answer to, or a refusal in its place.
#[derive(Debug)]
pub(super) enum Pending {
    /// The start-up packet: until the first `ReadyForQuery`.
    Startup(AskId),
    /// A simple query: until `ReadyForQuery`.
    Query(Tally, Arc<Script>),
    /// A function call: until `ReadyForQuery`.
    Call(Tally),
    /// `Parse`: `ParseComplete`. The name is as the server cuts it.
    Parse(Box<[u8]>, Arc<Prepared>),
    /// `Bind`: `BindComplete`.
    Bind(Box<[u8]>, Arc<Bound>),
    /// `Describe`: `RowDescription` or `NoData`. Of a statement its name, as the server cuts it.
    Describe(Option<Box<[u8]>>),
    /// The gateway's own `Describe` of the portal that runs next, to mask its rows.
    Fields,
    /// `Execute`: `CommandComplete`, `EmptyQueryResponse` or `PortalSuspended`. The script is the
    /// statement's, where it is known.
    Execute(Tally, Option<Arc<Script>>),
    /// `Close` of a statement: `CloseComplete`.
    CloseStatement(Box<[u8]>),
    /// `Close` of a portal: `CloseComplete`.
    ClosePortal(Box<[u8]>),
    /// `Sync`: `ReadyForQuery`.
    Sync,
    /// A refusal within the extended protocol: this `ErrorResponse`.
    Refused(Bytes),
    /// A refused simple query: this `ErrorResponse`, then `ReadyForQuery` with the true status.
    RefusedQuery(Bytes),
    /// The gateway's own question for the search path: until `ReadyForQuery`.
    Path(Answer),
    /// A poisoned pipeline: the server's error, replaced by this `ErrorResponse`.
    Poison(Bytes),
}

impl Pending {
    /// Whether the server answers it with `ReadyForQuery`.
    fn ends_in_ready(&self) -> bool {
        matches!(
            self,
            Self::Startup(_) | Self::Query(..) | Self::Call(_) | Self::Sync | Self::Path(_)
        )
    }

    /// Whether running it may change what a name means to the server.
    fn defines_names(&self) -> bool {
        match self {
            Self::Query(tally, _) | Self::Call(tally) | Self::Execute(tally, _)
                if tally.opens() =>
            {
                true
            }
            Self::Query(_, script) | Self::Execute(_, Some(script)) => {
                script.effects.iter().any(defines_name)
            }
            _ => false,
        }
    }

    /// The tally of whatever returns rows.
    pub(super) fn tally(&mut self) -> Option<&mut Tally> {
        match self {
            Self::Query(tally, _) | Self::Call(tally) | Self::Execute(tally, _) => Some(tally),
            _ => None,
        }
    }

    /// Whether it runs a statement.
    pub(super) fn runs(&self) -> bool {
        matches!(self, Self::Query(..) | Self::Call(_) | Self::Execute(..))
    }

    /// What limits it has.
    pub(super) fn counted(&self) -> Option<&Counted> {
        match self {
            Self::Query(tally, _) | Self::Call(tally) | Self::Execute(tally, _) => {
                tally.counted.as_ref()
            }
            Self::Parse(_, prepared) => prepared.counted.as_ref(),
            Self::Bind(_, bound) => bound.counted.as_ref(),
            _ => None,
        }
    }

    /// The ask behind it.
    pub(super) fn ask(&self) -> Option<AskId> {
        match self {
            Self::Query(tally, _) | Self::Call(tally) | Self::Execute(tally, _) => {
                Some(tally.outcome.ask)
            }
            Self::Startup(ask) => Some(*ask),
            Self::Parse(_, prepared) => prepared.ask,
            Self::Bind(_, bound) => Some(bound.ask),
            _ => None,
        }
    }

    /// What is masked of what it returns.
    pub(super) fn results(&mut self) -> Option<&mut Results> {
        self.tally()?.results.as_deref_mut()
    }

    /// What the recording will say of it so far, where an ask stands behind it.
    pub(super) fn outcome(&mut self) -> Option<Outcome> {
        match self {
            Self::Query(tally, _) | Self::Call(tally) | Self::Execute(tally, _) => {
                Some(tally.outcome.clone())
            }
            Self::Startup(ask) => Some(Outcome::new(*ask)),
            Self::Parse(_, prepared) => prepared.ask.map(Outcome::new),
            Self::Bind(_, bound) => Some(Outcome::new(bound.ask)),
            _ => None,
        }
    }
}

fn defines_name(effect: &Effect) -> bool {
    match effect {
        Effect::Prepare { .. } | Effect::Deallocate { .. } | Effect::Declare { .. } => true,
        Effect::CloseCursor { .. } | Effect::DiscardAll => true,
        Effect::Execute { .. } | Effect::Fetch { .. } => false,
        Effect::SearchPathChanged | Effect::ReadingChanged | Effect::ReadingReset => false,
    }
}

/// What a name stands for, as far as the queue can tell.
#[derive(Debug)]
pub(super) enum Lookup<T> {
    /// This will be it when the message that asks is reached.
    Pending(T),
    /// It depends on answers that are still to come.
    Undecided,
    /// The queue says nothing about it: what has been confirmed holds.
    Settled,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    queue: VecDeque<Pending>,
    /// The server has been told to answer all that is in the queue.
    flushed: bool,
    /// How many have left it.
    number: u64,
}

/// So many answers may be owed; then the client is not read until some have come.
const DEPTH: usize = 4096;

impl Pipeline {
    /// Nothing is owed.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The answer to the question for the search path is owed.
    pub(super) fn owes_path(&self) -> bool {
        self.queue
            .iter()
            .any(|pending| matches!(pending, Pending::Path(_)))
    }

    /// The server owes nothing: whatever is there is the gateway's own to say.
    pub(super) fn is_settled(&self) -> bool {
        self.queue
            .iter()
            .all(|pending| matches!(pending, Pending::Refused(_) | Pending::RefusedQuery(_)))
    }

    /// As much is owed as may be.
    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= DEPTH
    }

    /// One more.
    pub(super) fn push(&mut self, pending: Pending) {
        self.queue.push_back(pending);
        self.flushed = false;
    }

    /// What the server answers next.
    pub(super) fn head(&mut self) -> Option<&mut Pending> {
        self.queue.front_mut()
    }

    /// The same, to look at.
    pub(super) fn front(&self) -> Option<&Pending> {
        self.queue.front()
    }

    /// Numbers what the server answers next, as it never numbers anything else.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The server has answered it.
    pub(super) fn pop(&mut self) -> Option<Pending> {
        self.number += 1;
        self.queue.pop_front()
    }

    /// Whether something is owed that may return or change rows, or change the state of the transaction.
    pub(super) fn moves(&self) -> bool {
        let mut queue = self.queue.iter();
        queue.any(|it| {
            let between = matches!(it, Pending::Startup(_) | Pending::Sync | Pending::Poison(_));
            it.runs() || between
        })
    }

    /// Whether something that has limits runs, or will when its turn comes.
    pub(super) fn runs_limited(&self) -> bool {
        let mut queue = self.queue.iter();
        queue.any(|it| it.runs() && it.counted().is_some())
    }

    /// Whether something runs, or will when its turn comes, of whose result something is masked.
    pub(super) fn runs_masked(&self) -> bool {
        let mut queue = self.queue.iter();
        queue.any(|it| match it {
            Pending::Query(tally, _) | Pending::Call(tally) | Pending::Execute(tally, _) => {
                let results = tally.results.as_deref();
                results.is_some_and(Results::hides_something)
            }
            _ => false,
        })
    }

    /// Whether a statement runs and nothing that a request to cancel it could hit is behind it.
    pub(super) fn ends_alone(&self) -> bool {
        let mut behind = self.queue.iter().skip(1);
        let runs = self.queue.front().is_some_and(Pending::runs);
        runs && behind.all(|it| matches!(it, Pending::Sync))
    }

    /// The last statement to be prepared or bound whose time is limited.
    pub(super) fn youngest_timed(&self) -> Option<&Pending> {
        let mut queue = self.queue.iter().rev();
        queue.find(|it| !it.runs() && it.counted().is_some_and(Counted::is_timed))
    }

    /// Whether the server has to be told to answer what it owes: true once, when the last of it
    /// was asked since the last `Sync` or query.
    pub(super) fn take_flush(&mut self) -> bool {
        let needed = !self.flushed && self.queue.back().is_some_and(|last| !last.ends_in_ready());
        self.flushed |= needed;
        needed
    }

    /// The server failed at the head, in the extended protocol: it skips all up to `Sync`.
    pub(super) fn skip_to_sync(&mut self) {
        while self
            .queue
            .front()
            .is_some_and(|pending| !matches!(pending, Pending::Sync))
        {
            self.pop();
        }
    }

    /// The server has begun to copy in for the head. It ignores each `Sync` that was sent right
    /// behind it; of anything else it takes one message for a mistake, and which of the others it
    /// still runs then depends on how the copy was asked for.
    ///
    /// # Errors
    /// Something else was sent behind it.
    pub(super) fn copy_in(&mut self) -> Result<(), CodecError> {
        if self
            .queue
            .iter()
            .skip(1)
            .all(|it| matches!(it, Pending::Sync))
        {
            self.queue.truncate(1);
            return Ok(());
        }
        Err(CodecError::Client(
            "a message was sent behind COPY from stdin before its data",
        ))
    }

    /// What statement `name` will be once the server gets there.
    pub(super) fn statement(&self, name: &[u8]) -> Lookup<Arc<Prepared>> {
        self.lookup(|pending| match pending {
            Pending::Parse(defined, prepared) if **defined == *name => {
                Some(Some(Arc::clone(prepared)))
            }
            Pending::CloseStatement(closed) if **closed == *name => Some(None),
            _ => None,
        })
    }

    /// What portal `name` will be once the server gets there.
    pub(super) fn portal(&self, name: &[u8]) -> Lookup<Arc<Bound>> {
        self.lookup(|pending| match pending {
            Pending::Bind(defined, bound) if **defined == *name => Some(Some(Arc::clone(bound))),
            Pending::ClosePortal(closed) if **closed == *name => Some(None),
            _ => None,
        })
    }

    /// Whether names that SQL statements define are still open.
    pub(super) fn defines_names(&self) -> bool {
        self.queue.iter().any(Pending::defines_names)
    }

    /// Looks from the youngest to the oldest. A definition in the same batch as the question is
    /// certain: if it fails, the server skips the question too. One in an earlier batch is not.
    fn lookup<T>(&self, defines: impl Fn(&Pending) -> Option<Option<T>>) -> Lookup<T> {
        let mut earlier_batch = false;
        for pending in self.queue.iter().rev() {
            earlier_batch |= pending.ends_in_ready();
            match defines(pending) {
                Some(Some(found)) if !earlier_batch => return Lookup::Pending(found),
                Some(_) => return Lookup::Undecided,
                None if pending.defines_names() => return Lookup::Undecided,
                None => {}
            }
        }
        Lookup::Settled
    }
}
