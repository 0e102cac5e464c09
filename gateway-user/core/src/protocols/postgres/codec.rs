//! The state of one PostgreSQL conversation, and how a decision changes it.
//!
//! Reading is in `startup`, `client` and `server`; each is an `impl` of this state for one part of
//! the conversation.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::again::Latest;
use super::attributes;
use super::cache::ScriptCache;
use super::limits::Limiting;
use super::login::LoggingIn;
use super::masking::{Brought, Looking, Made, Masking, Traced};
use super::moment::Moment;
use super::names::Names;
use super::pipeline::{Bound, Pending, Pipeline, Prepared};
use super::proving::Proving;
use super::reply;
use super::script::{self, Effect, Reading, Script};
use super::shown;
use super::startup::Startup;
use crate::budget::Amounts;
use crate::facts::{Fact, FactSet};
use crate::held::{Shown, Touches};
use crate::ids::{AskId, PlaceholderId};
use crate::limit::{Ceiling, Clock};
use crate::mask::MaskKey;
use crate::mask::screen::Screen;
use crate::mask::screen::question::{Answers, Question};
use crate::protocols::{
    Codec, CodecError, CodecOptions, Fatal, Overrun, Report, Side, Step, TlsInfo,
};
use crate::refusal::Refusal;
use crate::sql::postgres::lineage::Masked;
use crate::sql::postgres::lineage::apart::Here;
use crate::sql::postgres::{Encoding, SearchPath, Session, Strings};

/// Where the conversation is.
#[derive(Debug)]
pub(super) enum Phase {
    /// The client has not said yet who it is.
    Startup(Startup),
    /// It has, and is asked for a placeholder.
    Proving(Box<Proving>),
    /// The start-up packet is on its way; until the first `ReadyForQuery`.
    Authenticating,
    /// Statements come and go.
    Ready,
    /// Nothing more is read from the client.
    Over,
}

/// The ask that waits for its decision.
#[derive(Debug)]
pub(super) enum Asked {
    Connect,
    Cancel,
    /// With the units as they were judged, and what is masked.
    Query(Arc<Script>, Arc<[FactSet]>, Option<Traced>),
    Parse(Box<[u8]>, Prepared),
    Bind(Box<[u8]>, Arc<Prepared>, Option<Traced>),
    /// Likewise, where a script is known.
    Execute(Option<Arc<Script>>, Arc<[FactSet]>, Option<Traced>),
    /// Of a portal that was judged when it was bound.
    Again(Arc<Bound>, Option<Traced>),
    Call(Arc<[FactSet]>, Option<Traced>),
}

/// The codec.
#[derive(Debug)]
pub(super) struct PostgresCodec {
    pub(super) scripts: Arc<ScriptCache>,
    pub(super) options: CodecOptions,
    pub(super) phase: Phase,
    pub(super) connection: Arc<FactSet>,
    /// The long text that waits to be judged.
    pub(super) latest: Option<Latest>,
    /// Length of the longest text that what comes may refer to by a name.
    pub(super) longest: usize,
    pub(super) pipeline: Pipeline,
    /// Prepared statements, by protocol or by SQL: the server has one table for both.
    pub(super) statements: Names<Arc<Prepared>>,
    /// Portals of the protocol; they end with their transaction.
    pub(super) portals: Names<Arc<Bound>>,
    /// Cursors of SQL, which the server keeps in the same table but which may outlive it.
    pub(super) cursors: Names<Arc<[FactSet]>>,
    pub(super) asked: Option<Asked>,
    pub(super) inject: VecDeque<Bytes>,
    pub(super) reports: VecDeque<Report>,
    /// Transaction status of the last `ReadyForQuery`.
    pub(super) status: u8,
    /// The ask that waited for its decision is among what the server skips.
    pub(super) overtaken: bool,
    /// Everything from the client up to `Sync` is dropped, as the server would.
    pub(super) skipping: bool,
    /// A portal of the current batch runs: what it did goes if the batch fails.
    pub(super) executed: bool,
    /// The server takes copied data.
    pub(super) copy_in: bool,
    /// The server sends copied data.
    pub(super) copy_out: bool,
    /// What came back and was not asked for yet.
    pub(super) returned: Amounts,
    /// How texts are read now, by what was asked for and what the server has reported.
    pub(super) session: Session,
    /// The search path may have changed since the server was asked for it last.
    pub(super) path_stale: bool,
    /// And masks go by none until then.
    pub(super) path_doubted: bool,
    /// A temporary schema comes first in the search path once there is one: it is not known before.
    pub(super) path_wants_temporary: bool,
    /// Something under way may change how texts are read, which the server would report.
    pub(super) reading_changes: Reading,
    /// How texts are read was changed within the transaction that is open: whatever rolls it back,
    /// or back to a savepoint, changes that again.
    pub(super) reading_may_revert: bool,
    /// Something was sent since the server was last ready for more, which is when it reports settings.
    pub(super) sent_since_ready: bool,
    /// How texts are brought to the client, by its encoding.
    pub(super) brought_now: Brought,
    /// The worst of how they were before.
    pub(super) brought_before: Brought,
    /// The session began with settings that tell of values (`measures` in the lineage).
    pub(super) measured: bool,
    pub(super) client_encrypted: bool,
    /// What the channel to the client can be bound to.
    pub(super) client_end_point: Option<Vec<u8>>,
    /// The placeholder that the client has shown, where it was asked for one.
    pub(super) placeholder: Option<PlaceholderId>,
    /// What it is told of that.
    pub(super) proof_answer: Option<Bytes>,
    pub(super) server_encrypted: bool,
    /// It is known who the server is, before anything is said to it.
    pub(super) server_verified: bool,
    /// What the channel to the server can be bound to.
    pub(super) server_end_point: Option<Vec<u8>>,
    /// Where the gateway's own logging in is.
    pub(super) logging_in: Option<LoggingIn>,
    /// The server would have bound SCRAM to its TLS channel, which ends at the gateway.
    pub(super) binding_removed: bool,
    /// What the session has done so far.
    pub(super) moment: Moment,
    /// People agreed to the ask that is let pass next.
    pub(super) agreed: bool,
    /// What limits what runs has, and what they make of it.
    pub(super) limiting: Limiting,
    /// Whether and what is masked.
    pub(super) masking: Masking,
    /// What is looked for in all that comes back.
    pub(super) looking: Looking,
    /// That is to be found out, and nobody was asked yet.
    pub(super) wants_masks: bool,
    /// How often the database was known to have changed when that was asked for last.
    pub(super) asked_at: Option<u64>,
    /// What the transaction has made that is open, as the catalog cannot know.
    pub(super) here: Here,
    /// It was found out anew because a message names what was not known.
    pub(super) missed: bool,
    /// What cursors return that SQL has declared.
    pub(super) made_cursors: Names<Made>,
    /// Something ran since the last `ReadyForQuery` that may change what names mean in the database.
    pub(super) defines: bool,
    /// Something like that waits for its transaction to end.
    pub(super) defined: bool,
    /// Part of it may have given names that were known another meaning: what they mean is not known until
    /// it is over.
    pub(super) renames: bool,
    /// Part of it may have what is called and written by a name be something else.
    pub(super) diverts: bool,
    /// Part of it may have something masked shown under another name, or was judged by other masks.
    pub(super) strays: bool,
}

impl PostgresCodec {
    pub(super) fn new(scripts: Arc<ScriptCache>, options: CodecOptions) -> Self {
        Self {
            scripts,
            options,
            phase: Phase::Startup(Startup::default()),
            connection: Arc::new(FactSet::new(attributes::ATTRIBUTES)),
            latest: None,
            longest: 0,
            pipeline: Pipeline::default(),
            statements: Names::default(),
            portals: Names::default(),
            cursors: Names::default(),
            asked: None,
            inject: VecDeque::new(),
            reports: VecDeque::new(),
            status: b'I',
            overtaken: false,
            skipping: false,
            executed: false,
            copy_in: false,
            copy_out: false,
            returned: Amounts::default(),
            session: Session {
                search_path: SearchPath::Unknown,
                strings: Strings::Uncertain,
                encoding: Encoding::Uncertain,
                database: Encoding::Uncertain,
            },
            path_stale: true,
            path_doubted: false,
            path_wants_temporary: false,
            reading_changes: Reading::Stays,
            reading_may_revert: false,
            sent_since_ready: false,
            brought_now: Brought::Otherwise,
            brought_before: Brought::Whole,
            measured: false,
            client_encrypted: false,
            client_end_point: None,
            placeholder: None,
            proof_answer: None,
            server_encrypted: false,
            server_verified: false,
            server_end_point: None,
            logging_in: None,
            binding_removed: false,
            moment: Moment::default(),
            agreed: false,
            limiting: Limiting::default(),
            masking: Masking::Off,
            looking: Looking::default(),
            wants_masks: false,
            asked_at: None,
            here: Here::default(),
            missed: false,
            made_cursors: Names::default(),
            defines: false,
            defined: false,
            renames: false,
            diverts: false,
            strays: false,
        }
    }

    /// An answer of the server is needed before the next message can be judged.
    pub(super) fn wait_for_server(&mut self) -> Option<Step> {
        if self.pipeline.take_flush() {
            self.inject.push_back(reply::flush());
        }
        None
    }

    /// This is about to run. From here on unqualified names may be looked up elsewhere, and texts
    /// be read otherwise: what follows in the pipeline runs after it.
    pub(super) fn expect_changes(&mut self, script: &Script, units: &[FactSet]) {
        self.expect_definitions(units);
        for effect in &script.effects {
            match effect {
                Effect::SearchPathChanged => self.path_changes(),
                Effect::ReadingChanged => self.expect_reading(Reading::Changes),
                Effect::ReadingReset => self.expect_reading(Reading::Returns),
                Effect::Execute { .. } | Effect::Fetch { .. } => self.expect_unsettled(units),
                _ => {}
            }
        }
    }

    /// The same for a prepared statement.
    pub(super) fn expect_of(&mut self, prepared: &Prepared) {
        match prepared.text {
            Some(_) => self.expect_changes(&prepared.script, &prepared.units),
            None => self.expect_unsettled(&prepared.units),
        }
    }

    /// The same for units that are run by a name and not by their text.
    pub(super) fn expect_unsettled(&mut self, units: &[FactSet]) {
        self.expect_definitions(units);
        let unsettled = script::unsettled(units);
        if unsettled.search_path {
            self.path_changes();
        }
        self.expect_reading(unsettled.reading);
    }

    fn expect_definitions(&mut self, units: &[FactSet]) {
        if script::may_run_code(units) {
            // It may set anything, and the server tells of it with `ReadyForQuery` only.
            self.expect_reading(Reading::Changes);
        }
        let may_define = script::may_define(units);
        self.defines |= may_define;
        self.renames |= self.may_rename(units);
        if may_define && self.path_wants_temporary {
            self.path_changes();
        }
    }

    pub(super) fn expect_reading(&mut self, reading: Reading) {
        self.reading_changes = self.reading_changes.max(reading);
        self.reading_may_revert |= reading != Reading::Stays;
    }

    /// How a text that is sent now will be read.
    pub(super) fn session(&self) -> Session {
        let changes = self.reading_changes != Reading::Stays;
        if changes || self.reading_may_revert && self.sent_since_ready {
            return Session {
                strings: Strings::Uncertain,
                encoding: Encoding::Uncertain,
                database: self.session.database,
                search_path: self.session.search_path.clone(),
            };
        }
        self.session.clone()
    }
}

impl Codec for PostgresCodec {
    fn next(&mut self, side: Side, input: &[u8]) -> Result<Option<Step>, CodecError> {
        debug_assert!(
            side == Side::Server || self.asked.is_none(),
            "the last ask has no decision yet"
        );
        if input.is_empty() {
            return Ok(None);
        }
        match (side, &mut self.phase) {
            (_, Phase::Over) => Ok(Some(Step::Discard(input.len()))),
            (Side::Client, Phase::Startup(_)) => self.client_startup(input),
            (Side::Client, Phase::Proving(_)) => self.client_proving(input),
            (Side::Client, Phase::Authenticating) => self.client_authenticating(input),
            (Side::Client, Phase::Ready) => self.client_ready(input),
            (Side::Server, Phase::Startup(_) | Phase::Proving(_)) => {
                Err(CodecError::Server("spoke before it was asked"))
            }
            (Side::Server, Phase::Authenticating) => self.server_authenticating(input),
            (Side::Server, Phase::Ready) => self.server_ready(input),
        }
    }

    fn shown(&self, frame: &[u8]) -> Option<Shown> {
        let encoding = self.session().encoding;
        let (shown, traced) = match self.asked.as_ref()? {
            Asked::Query(script, _, traced) => (shown::query(script, frame, encoding)?, traced),
            Asked::Bind(_, prepared, traced) => (shown::bound(prepared, frame, encoding)?, traced),
            // What these run is known by its kind alone.
            Asked::Execute(..) | Asked::Again(..) | Asked::Call(..) => return None,
            Asked::Connect | Asked::Cancel | Asked::Parse(..) => return None,
        };
        let touches = traced.as_ref().map_or(Touches::Perhaps, Traced::touches);
        Some(Shown { touches, ..shown })
    }

    fn waiting(&self, note: &str) -> Option<Bytes> {
        matches!(self.phase, Phase::Ready).then(|| reply::notice(note))
    }

    fn allowed(&mut self, ask: AskId, ceiling: Option<Arc<Ceiling>>) {
        self.let_pass(ask, ceiling);
    }

    fn refused(&mut self, _ask: AskId, refusal: &Refusal) {
        self.turn_down(reply::refusal("ERROR", refusal));
    }

    fn agreed(&mut self) {
        self.agreed = true;
    }

    fn tell_moment(&mut self, wanted: bool) {
        self.want_moment(wanted);
    }

    fn clock(&self) -> Option<Clock> {
        self.limit_clock()
    }

    fn overrun(&mut self, clock: &Clock) -> Overrun {
        self.limit_overrun(clock)
    }

    fn wants_abort(&mut self) -> bool {
        self.take_abort()
    }

    fn aborted(&mut self) {
        self.abort_done();
    }

    fn proved(&mut self, placeholder: PlaceholderId, signature: Option<[u8; 32]>) {
        self.placeholder_proved(placeholder, signature);
    }

    fn is_overtaken(&mut self) -> bool {
        std::mem::take(&mut self.overtaken)
    }

    fn cancelled(&mut self, _ask: AskId) {
        self.turn_down(reply::cancelled());
    }

    fn answer(&mut self) -> Option<Bytes> {
        if let Some(answer) = self.proof_answer.take() {
            return Some(answer);
        }
        match self.pipeline.head()? {
            Pending::Refused(error) => {
                let bytes = std::mem::take(error);
                self.pipeline.pop();
                Some(bytes)
            }
            Pending::RefusedQuery(error) => {
                let bytes = [std::mem::take(error), reply::ready(self.status)].concat();
                self.pipeline.pop();
                Some(bytes.into())
            }
            _ => None,
        }
    }

    fn inject(&mut self) -> Option<Bytes> {
        match self.is_aborting() {
            true => None,
            false => self.inject.pop_front(),
        }
    }

    fn returned(&mut self) -> Amounts {
        std::mem::take(&mut self.returned)
    }

    fn report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    fn expect_masks(&mut self) {
        if matches!((&self.phase, &self.masking), (Phase::Ready, Masking::Off)) {
            // What ran while nothing was masked was not looked at.
            self.path_may_move();
        }
        self.ask_masks();
    }

    fn wants_masks(&mut self) -> Option<String> {
        let wants = std::mem::take(&mut self.wants_masks);
        match self.connection.fact(attributes::DATABASE) {
            Fact::Text(database) if wants => Some(database.to_string()),
            _ => None,
        }
    }

    fn masked(&mut self, masked: Option<Arc<Masked>>) {
        self.masking = masked.map_or(Masking::Off, Masking::On);
    }

    fn screen(&mut self, screen: Option<Arc<Screen>>, key: Option<MaskKey>) {
        (self.looking.screen, self.looking.key) = (screen, key);
    }

    fn questions(&mut self) -> Option<Vec<Question>> {
        let wants = std::mem::take(&mut self.looking.wants);
        wants.then(|| self.looking.memory.open.clone())
    }

    fn answered(&mut self, answers: Answers) {
        self.looking.memory.answered(answers);
    }

    fn tls_started(&mut self, side: Side, info: &TlsInfo) -> Result<(), CodecError> {
        match side {
            Side::Server => {
                self.server_encrypted = true;
                self.server_verified = info.verified;
                self.server_end_point.clone_from(&info.end_point);
            }
            Side::Client => {
                self.client_encrypted = true;
                self.client_end_point.clone_from(&info.end_point);
                if let Phase::Startup(startup) = &self.phase {
                    startup.check_alpn(info)?;
                }
            }
        }
        Ok(())
    }

    fn takes_data(&self) -> bool {
        self.copy_in
    }

    fn longest_kept(&self) -> usize {
        self.longest
    }

    fn farewell(&mut self, fatal: Fatal<'_>) -> Option<Bytes> {
        match (&self.phase, fatal) {
            (Phase::Proving(proving), Fatal::NotProven) => Some(reply::not_proven(proving.user())),
            (Phase::Startup(startup), _) if !startup.understands_errors() => None,
            _ => Some(reply::fatal(fatal)),
        }
    }
}
