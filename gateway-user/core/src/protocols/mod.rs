//! What a framed protocol offers: a static [`Protocol`] descriptor and a [`Codec`].
//!
//! Adding a protocol touches its own folder and one line in `registry`. Names for policy, ports,
//! sniffing, recordings and the conformance laws come from the descriptor. A codec reads frames
//! and says in [`Step`]s what is to become of them; it decides nothing and sends nothing: that is
//! the session's.

pub mod dns;
pub mod login;
pub mod opaque;
pub mod placeholder;
pub mod postgres;
pub mod reference;
pub mod registry;
pub mod request;
pub mod scram;

use std::sync::Arc;

use bytes::Bytes;

use self::login::Login;
use self::placeholder::Presented;

use crate::budget::Amounts;
use crate::descriptor::Protocol;
use crate::event::{self, Found, Outcome, ServerError};
use crate::facts::Facts;
use crate::held::Shown;
use crate::ids::{AskId, PlaceholderId};
use crate::limit::{Ceiling, Clock, Limited};
use crate::mask::MaskKey;
use crate::mask::screen::Screen;
use crate::mask::screen::question::{Answers, Question};
use crate::refusal::Refusal;
use crate::sql::postgres::lineage::Masked;

/// So much of a message that needs a look is held in memory, in bytes; what is behind it streams.
pub const GATHER_LIMIT: usize = 1 << 20;

/// One of the two peers of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The agent.
    Client,
    /// The server that it wanted.
    Server,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Whether the gateway offers TLS to clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientTls {
    /// When they ask.
    #[default]
    Accept,
    /// Never.
    Refuse,
    /// Always: a session without it is refused.
    Require,
}

/// What a codec is told at its start.
#[derive(Clone, Debug)]
pub struct CodecOptions {
    /// Whether the gateway offers TLS to clients.
    pub client_tls: ClientTls,
    /// As whom the gateway logs in itself; none where the client does.
    pub login: Option<Arc<Login>>,
    /// 32 random bytes for secrets that the gateway hands out in place of the server's.
    pub entropy: [u8; 32],
    /// What clients that have to prove a placeholder are told to salt it with.
    pub salt: [u8; 16],
}

/// Names a running action towards whoever may cancel it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CancelKey {
    /// The server's process, as the protocol tells it to the client.
    pub process: u32,
    /// The secret that goes with it.
    pub secret: Bytes,
}

/// An action that needs a decision.
#[derive(Debug)]
pub struct Ask {
    /// Bytes of the frame that are buffered and needed for the decision.
    pub head: usize,
    /// Bytes of the whole frame; those after `head` stream under the same permit.
    pub len: usize,
    /// What policy looks at.
    pub facts: Facts,
    /// The protocol's own word for the request.
    pub request: &'static str,
    /// The statement or command.
    pub text: Option<Bytes>,
    /// The earlier ask whose statement this one runs.
    pub of: Option<AskId>,
    /// What happens once it is allowed.
    pub then: Then,
    /// What goes to the server in the frame's place, where that is not the client's own.
    pub instead: Option<Bytes>,
}

/// What an allowed action does besides going to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// Goes to the server.
    Forward,
    /// Goes to the server, where nothing runs by it: what runs it later is asked for again.
    Prepare,
    /// Goes to the server. It was let pass as the earlier ask, and is asked for anew because the session has
    /// done something since.
    Again {
        /// Whether people agreed to the earlier ask.
        agreed: bool,
    },
    /// Opens the connection to the server, then goes there.
    Dial,
    /// Goes nowhere: the gateway cancels what the key names.
    Cancel(CancelKey),
}

/// What is to become of the bytes at the head of the input.
///
/// A length may be greater than what is buffered: then the rest streams as it comes, unseen by the
/// codec.
#[derive(Debug)]
pub enum Step {
    /// So many bytes go to the other side as they are. From the client only housekeeping frames.
    Pass(usize),
    /// So many bytes go nowhere: they are dealt with, or answer the gateway itself.
    Discard(usize),
    /// So many bytes are replaced on their way to the other side.
    Replace(usize, Bytes),
    /// So many bytes of the client go to the server, and before them a whole housekeeping frame of the
    /// codec's own.
    Precede(Bytes, usize),
    /// So many bytes are answered to the side that they came from.
    Answer(usize, Bytes),
    /// An action needs a decision: nothing more of the client is read before [`Codec::allowed`],
    /// [`Codec::refused`] or [`Codec::cancelled`]; of the server it may be.
    Ask(Box<Ask>),
    /// What the client has shown is to be checked: nothing more of it is read before [`Codec::proved`].
    /// No bytes are taken: the ask that follows takes them.
    Prove(Box<Presented>),
    /// So many bytes ask for TLS with the client, and this answers them; then the handshake
    /// follows. Where the length is 0 the input is already the handshake's first message.
    StartTls(usize, Bytes),
    /// Like `Replace`; and whoever shows `issued` from now on means the server's `real` one.
    IssueKey {
        /// Length of the frame that is replaced.
        len: usize,
        /// What goes to the client instead.
        bytes: Bytes,
        /// What the client was given.
        issued: CancelKey,
        /// What the server knows.
        real: CancelKey,
    },
    /// So many bytes end the session in good order once they have been passed on.
    Finish(usize),
}

/// What the server said about an action, for the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// It finished.
    Outcome(Outcome),
    /// It let the gateway in.
    LoggedIn(event::Login),
    /// It answered a question of the gateway's own.
    Found(Found),
    /// The server spoke of its own accord.
    Server(ServerError),
    /// A statement reached a limit.
    Limited(Limited),
}

/// What comes of a clock that has run out.
#[derive(Debug, PartialEq, Eq)]
pub enum Overrun {
    /// Nothing more than the codec has said itself.
    Nothing,
    /// What was told to stop has not: the session has to end.
    Stuck(Refusal),
}

/// What ends a session from the gateway's side, to be told in the client's language.
#[derive(Clone, Copy, Debug)]
pub enum Fatal<'a> {
    /// Policy refused the whole session.
    Refused(&'a Refusal),
    /// The server could not be reached.
    Unreachable(&'a str),
    /// The client broke the protocol.
    Violation(&'a str),
    /// What it wants works only in another way, which the text tells.
    Unsupported(&'a str),
    /// The recording cannot be written.
    Unrecorded,
    /// The workload has this many sessions, and may not have more.
    TooMany(usize),
    /// The gateway stops, or an operator let go of the agent.
    Stopped,
    /// An operator ended this session.
    Killed,
    /// The client did not show what it was asked for.
    NotProven,
    /// The placeholder that it showed proves nothing any more, for this reason.
    PlaceholderEnded(&'a str),
    /// An operator froze the workload, perhaps with a reason.
    Frozen(Option<&'a str>),
    /// It ran something by an approval that ended, for this reason.
    ApprovalEnded(&'a str),
}

/// A peer said what the protocol does not have at this point. The text holds no peer bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The client broke the protocol.
    #[error("{0}")]
    Client(&'static str),
    /// The client wants what cannot pass; the text tells what to do instead.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The server broke the protocol.
    #[error("{0}")]
    Server(&'static str),
}

/// Facts about a finished TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// Protocol version, such as `TLSv1_3`.
    pub version: String,
    /// Cipher suite.
    pub cipher: String,
    /// The server name of the handshake.
    pub server_name: Option<String>,
    /// The ALPN protocol that was agreed on.
    pub alpn: Option<Vec<u8>>,
    /// The hash of the certificate that channels are bound to (RFC 5929, section 4): the server's, or
    /// what the client was shown; none where that is not defined for it.
    pub end_point: Option<Vec<u8>>,
    /// Of a server: whether a trusted authority says who it is.
    pub verified: bool,
}

/// Reads one session of a framed protocol.
///
/// A state machine without I/O: input comes in, [`Step`]s go out. What it has to say itself (a
/// refusal whose turn has come, a frame that makes the server answer) waits in
/// [`Codec::answer`] and [`Codec::inject`], which the session empties after every step.
pub trait Codec: Send {
    /// Looks at the head of what `side` sent and says what is to become of it. `None` means that
    /// more input is needed, from this side or from the other. Each step takes at least one byte,
    /// but for `StartTls(0, _)` and `Prove(_)`.
    ///
    /// # Errors
    /// The peer that is to blame.
    fn next(&mut self, side: Side, input: &[u8]) -> Result<Option<Step>, CodecError>;

    /// What the last ask would run, whole and as people read it; `frame` is its frame. Nothing where
    /// that cannot be shown whole.
    fn shown(&self, frame: &[u8]) -> Option<Shown>;

    /// A word to a client that waits for the decision on its last ask, if there is a way to say it.
    fn waiting(&self, note: &str) -> Option<Bytes>;

    /// The last ask was let pass and is this one. What it may bring and how long it may take is what the
    /// ceiling says.
    fn allowed(&mut self, ask: AskId, ceiling: Option<Arc<Ceiling>>);

    /// People agreed to the last ask, which is let pass next.
    fn agreed(&mut self) {}

    /// Whether asks tell what the session has done by then: where some rule looks at it.
    fn tell_moment(&mut self, _wanted: bool) {}

    /// By when what runs has to be looked at, where its time is limited.
    fn clock(&self) -> Option<Clock> {
        None
    }

    /// The time of this clock is over, as it was told last.
    fn overrun(&mut self, _clock: &Clock) -> Overrun {
        Overrun::Nothing
    }

    /// What the server runs now is to be cancelled: said once. Nothing of the client is passed on before
    /// [`Codec::aborted`].
    fn wants_abort(&mut self) -> bool {
        false
    }

    /// The server has acted on that.
    fn aborted(&mut self) {}

    /// The last ask was refused: from now on the codec keeps client and server in step.
    fn refused(&mut self, ask: AskId, refusal: &Refusal);

    /// What was to be checked is this placeholder; `signature` says so to the client, where the protocol
    /// wants that. Where it is none the session ends.
    fn proved(&mut self, placeholder: PlaceholderId, signature: Option<[u8; 32]>);

    /// Whether the last ask, whose decision is not known yet, need not be decided any more: the server
    /// has failed before it and passes over it. Then the codec has dealt with it.
    fn is_overtaken(&mut self) -> bool {
        false
    }

    /// The client itself cancelled the last ask while it waited for its decision.
    fn cancelled(&mut self, ask: AskId);

    /// Bytes for the client whose turn has come.
    fn answer(&mut self) -> Option<Bytes>;

    /// A frame for the server that the codec needs for itself: housekeeping, or one of the questions
    /// that the protocol declares.
    fn inject(&mut self) -> Option<Bytes>;

    /// What came back since the last call, with what the last step is about to pass: rows, bytes of them
    /// and of copied data, and rows that the server says were changed. Nothing where it is not counted.
    fn returned(&mut self) -> Amounts {
        Amounts::default()
    }

    /// What the server has finished since the last call.
    fn report(&mut self) -> Option<Report>;

    /// Values are to be masked: nothing is asked for before [`Codec::masked`] says which.
    fn expect_masks(&mut self);

    /// The database of which it is to be found out, maybe again, what is masked: once.
    fn wants_masks(&mut self) -> Option<String>;

    /// This is masked from now on.
    fn masked(&mut self, masked: Option<Arc<Masked>>);

    /// This is looked for in all that comes back from now on; `key` is for hashes and pseudonyms.
    fn screen(&mut self, screen: Option<Arc<Screen>>, key: Option<MaskKey>);

    /// What detectors outside the gateway are to be asked before the server's input goes on: once.
    fn questions(&mut self) -> Option<Vec<Question>>;

    /// What they have said to these questions.
    fn answered(&mut self, answers: Answers);

    /// A handshake with `side` is done.
    ///
    /// # Errors
    /// The handshake did not agree on what the protocol demands.
    fn tls_started(&mut self, side: Side, info: &TlsInfo) -> Result<(), CodecError>;

    /// Whether the client sends data now and no statements.
    fn takes_data(&self) -> bool;

    /// Length of the longest text that a few bytes from the client may have it look into again.
    fn longest_kept(&self) -> usize;

    /// The last words to the client, if there is a way to say them at this point.
    fn farewell(&mut self, fatal: Fatal<'_>) -> Option<Bytes>;
}

/// A protocol whose frames a [`Codec`] reads.
pub trait Framed: Send + Sync {
    /// The static descriptor.
    fn protocol(&self) -> &'static Protocol;

    /// A codec for a new session.
    fn codec(&self, options: &CodecOptions) -> Box<dyn Codec>;

    /// What a client sends on a connection of its own to cancel what runs under `key`.
    fn cancel_request(&self, key: &CancelKey) -> Bytes;
}
