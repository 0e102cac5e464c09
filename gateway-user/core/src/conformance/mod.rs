//! The laws that every framed protocol keeps, as functions over its [`Framed`]: what the tests of
//! each codec, the property tests and the fuzz target check.
//!
//! They look at a session from outside: bytes in, bytes and events out. Whether a "no" is put in
//! the right words is for each protocol's own tests.

pub mod budgets;
pub mod limits;
pub mod proofs;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use toml::Spanned;

use jiff::Timestamp;

use crate::descriptor::Protocol;
use crate::event::{Event, Ruling};
use crate::flow::{ClientAddr, Flow, OriginalDst};
use crate::held::{Answer, ApproverSet, HeldAction, Outcome};
use crate::ids::{AskId, PolicyDigest, ResourceName, SessionId, WorkloadName};
use crate::policy::budget::{self, BudgetSpec};
use crate::policy::engine::{Engine, Inventory, Resource};
use crate::policy::limit::{self, LimitSpec};
use crate::policy::model::{MaskSpec, Mode, RuleSpec};
use crate::protocols::{CodecOptions, Framed, GATHER_LIMIT, Side, TlsInfo};
use crate::session::outbox::Action;
use crate::session::{HIGH_WATER, Session};
use crate::subject::{Process, Subject};

/// What one side sends; the order of these is the order in which the gateway reads.
pub type Said = (Side, Vec<u8>);

/// A session may hold so many bytes: one message that is held whole, what waits for both peers,
/// and what one read adds to each.
pub const MEMORY_LIMIT: usize = GATHER_LIMIT + 4 * HIGH_WATER;

/// All that came out of a session.
#[derive(Debug, Default, PartialEq)]
pub struct Trace {
    /// Bytes for the client.
    pub to_client: Vec<u8>,
    /// Bytes for the server.
    pub to_server: Vec<u8>,
    /// Events.
    pub events: Vec<Event>,
    /// Everything else it wanted.
    pub actions: Vec<Action>,
    /// The most bytes that waited for the peers at one time.
    pub most_waiting: usize,
    /// Bytes for the server when the action was held that waits; none when none waits any more.
    pub held_at: Option<usize>,
    /// Whether any moved towards the server while one waited.
    pub moved_while_held: bool,
    /// Bytes for the server when it was to be asked to stop, and nobody answered.
    pub aborted_at: Option<usize>,
}

/// What people say to an action that is held, in conformance runs. Where they are silent the server that is
/// to be asked to stop is not reached either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum People {
    /// Nothing.
    Silent,
    /// Yes.
    Agree,
    /// No.
    Refuse,
    /// Yes, to an action that differs.
    AgreeToAnother,
}

impl People {
    fn answer(self, held: &HeldAction) -> Option<Answer> {
        let approved = Outcome::Approved {
            by: vec!["alice".to_owned()],
            grant: None,
        };
        let refused = Outcome::Refused {
            by: None,
            reason: "no".to_owned(),
        };
        let (action, outcome) = match self {
            Self::Silent => return None,
            Self::Agree => (held.digest(), approved),
            Self::Refuse => (held.digest(), refused),
            Self::AgreeToAnother => {
                let another = HeldAction {
                    text: format!("{} ", held.text),
                    ..held.clone()
                };
                (another.digest(), approved)
            }
        };
        Some(Answer {
            action,
            request: None,
            outcome,
        })
    }
}

/// The subject that acts in conformance runs.
pub fn subject() -> Subject {
    Subject {
        workload: WorkloadName::new("agent"),
        groups: Arc::new([]),
        cgroup: "/agent".to_owned(),
        process: Process {
            pid: 1,
            uid: 1000,
            gid: 1000,
            comm: "agent".to_owned(),
            exe: None,
            command_line: None,
            start_ticks: None,
        },
        identity: None,
    }
}

/// The flow of conformance runs, to a resource called `db`.
pub fn flow() -> Flow {
    let addr = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Flow {
        session: SessionId::new("conformance"),
        client: ClientAddr(addr(40_000)),
        destination: OriginalDst(addr(5432)),
        resource: Some(ResourceName::new("db")),
        hosts: Vec::new(),
        unclear: None,
    }
}

/// An engine with these `[[rule]]`s, `[[budget]]`s and `[[limit]]`s, in TOML, on the resource and subject of conformance runs.
///
/// # Panics
/// When the rules do not load.
pub fn engine(protocol: &'static Protocol, rules: &str) -> Arc<Engine> {
    #[derive(serde::Deserialize)]
    struct Rules {
        rule: Vec<Spanned<RuleSpec>>,
        #[serde(default)]
        budget: Vec<Spanned<BudgetSpec>>,
        #[serde(default)]
        limit: Vec<Spanned<LimitSpec>>,
        #[serde(default)]
        mask: Vec<Spanned<MaskSpec>>,
    }
    let digest = PolicyDigest::new(rules);
    let rules: Rules = toml::from_str(rules).expect("the rules are TOML");
    let inventory = Inventory {
        resources: vec![Resource {
            name: ResourceName::new("db"),
            protocol,
            mode: Mode::Enforce,
        }],
        workloads: vec![WorkloadName::new("agent")],
        approvers: vec![ApproverSet {
            name: "people".to_owned(),
            users: vec!["alice".to_owned()],
            groups: Vec::new(),
            quorum: 1,
            notify: Vec::new(),
        }],
        ..Inventory::default()
    };
    let compiled = Engine::compile(&inventory, &rules.rule, &rules.mask, digest);
    let (engine, _warnings) = compiled.expect("the rules load");
    let (budgets, wrong) = budget::compile(&inventory, &rules.budget);
    assert!(wrong.is_empty(), "the budgets load: {wrong:?}");
    let (limits, wrong) = limit::compile(&inventory, &rules.limit);
    assert!(wrong.is_empty(), "the limits load: {wrong:?}");
    Arc::new(engine.with_budgets(budgets).with_limits(limits))
}

/// What the clock says all the time.
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// Runs a session over what is said, each saying cut into pieces as `cut` wants: it is given what
/// is left and says how much of it comes next (at least 1).
pub fn run(
    framed: &dyn Framed,
    options: &CodecOptions,
    engine: &Arc<Engine>,
    said: &[Said],
    cut: impl FnMut(usize) -> usize,
) -> Trace {
    run_with(framed, options, engine, said, cut, People::Silent)
}

/// The same, where people answer what is held.
pub fn run_with(
    framed: &dyn Framed,
    options: &CodecOptions,
    engine: &Arc<Engine>,
    said: &[Said],
    mut cut: impl FnMut(usize) -> usize,
    people: People,
) -> Trace {
    let (subject, flow) = (Arc::new(subject()), Arc::new(flow()));
    let mut session = Session::new(framed, options, Arc::clone(engine), subject, flow, "test");
    let mut trace = Trace::default();
    let collect = |session: &mut Session, trace: &mut Trace| {
        collect(session, trace, framed.protocol(), people);
    };
    collect(&mut session, &mut trace);
    for (side, bytes) in said {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() && session.wants_read(*side) {
            let (piece, after) = rest.split_at(cut(rest.len()).clamp(1, rest.len()));
            session.handle_bytes(*side, piece, NOW);
            collect(&mut session, &mut trace);
            rest = after;
        }
    }
    session.handle_eof(Side::Server);
    collect(&mut session, &mut trace);
    session.handle_eof(Side::Client);
    collect(&mut session, &mut trace);
    trace
}

/// Empties the outbox as a relay does, until nothing moves. Handshakes succeed at once.
fn collect(session: &mut Session, trace: &mut Trace, protocol: &Protocol, people: People) {
    loop {
        let outbox = session.outbox();
        let waiting = outbox.to_client().len() + outbox.to_server().len();
        trace.most_waiting = trace.most_waiting.max(waiting);
        trace
            .to_client
            .extend_from_slice(&outbox.to_client().split());
        trace
            .to_server
            .extend_from_slice(&outbox.to_server().split());
        trace.events.append(outbox.events());
        let Some(action) = outbox.action() else {
            if !session.resume(NOW) {
                let now = trace.to_server.len();
                trace.moved_while_held |= trace.held_at.is_some_and(|at| at != now);
                return;
            }
            continue;
        };
        if matches!(action, Action::StartTls(_)) {
            session.handle_tls(Side::Client, &handshake(protocol));
        }
        if action == Action::Abort {
            match people {
                People::Silent => {
                    trace.aborted_at = trace.aborted_at.or(Some(trace.to_server.len()))
                }
                _ => session.handle_aborted(Ok(()), NOW),
            }
        }
        if let Action::Hold(held) = &action {
            match people.answer(held) {
                Some(answer) => session.handle_answer(&answer, NOW),
                None => trace.held_at = trace.held_at.or(Some(trace.to_server.len())),
            }
        }
        // What comes with the withdrawal comes after it.
        if let Action::Withdraw(_) = &action {
            trace.held_at = None;
        }
        if let Action::Prove(presented) = &action {
            session.handle_proof(proofs::proved(presented), NOW);
        }
        trace.actions.push(action);
    }
}

fn handshake(protocol: &Protocol) -> TlsInfo {
    TlsInfo {
        version: "TLSv1_3".to_owned(),
        cipher: "TLS13_AES_256_GCM_SHA384".to_owned(),
        server_name: None,
        alpn: protocol.alpn.map(<[u8]>::to_vec),
        end_point: None,
        verified: false,
    }
}

/// Law: how the input is cut into reads changes nothing, in a session without TLS.
///
/// # Panics
/// When the law is broken.
pub fn chunking_changes_nothing(
    framed: &dyn Framed,
    options: &CodecOptions,
    engine: &Arc<Engine>,
    said: &[Said],
    cut: impl FnMut(usize) -> usize,
) {
    let whole = run(framed, options, engine, said, |rest| rest);
    let pieces = run(framed, options, engine, said, cut);
    // Bytes behind a request for TLS are a violation if they are there when it is read, and part of
    // the handshake if they come later: there the cut is what matters.
    if pieces
        .actions
        .iter()
        .any(|action| matches!(action, Action::StartTls(_)))
    {
        return;
    }
    assert_eq!(
        whole.to_server, pieces.to_server,
        "bytes for the server differ"
    );
    assert_eq!(
        whole.to_client, pieces.to_client,
        "bytes for the client differ"
    );
    assert_eq!(whole.events, pieces.events, "events differ");
    assert_eq!(whole.actions, pieces.actions, "actions differ");
}

/// Law: where policy allows nothing, nothing reaches the server, and nobody even connects to it.
///
/// # Panics
/// When the law is broken.
pub fn nothing_passes_without_permit(
    framed: &dyn Framed,
    options: &CodecOptions,
    nothing: &Arc<Engine>,
    said: &[Said],
) {
    let trace = run(framed, options, nothing, said, |rest| rest);
    assert!(
        trace.to_server.is_empty(),
        "bytes reached the server without a permit"
    );
    assert!(
        !trace.actions.contains(&Action::Dial),
        "the server was connected to without a permit"
    );
}

/// Law: a question of the gateway's own goes to the server when the codec asks it, and never because
/// a client says the same. Under a policy that lets sessions begin and allows nothing in them, each
/// one that was sent has its answer in the recording, but for the last.
///
/// # Panics
/// When the law is broken.
pub fn questions_are_the_gateways_own(
    framed: &dyn Framed,
    options: &CodecOptions,
    beginning: &Arc<Engine>,
    said: &[Said],
) {
    let trace = run(framed, options, beginning, said, |rest| rest);
    let answered = trace.events.iter();
    let answered = answered
        .filter(|event| matches!(event, Event::Found(_)))
        .count();
    let asked: usize = framed
        .protocol()
        .questions
        .iter()
        .map(|question| memchr::memmem::find_iter(&trace.to_server, question).count())
        .sum();
    assert!(
        asked == answered || asked == answered + 1,
        "{asked} questions were sent and {answered} answered"
    );
}

/// Law: while an action waits, nothing moves towards the server.
///
/// # Panics
/// When the law is broken.
pub fn nothing_moves_while_people_are_silent(
    framed: &dyn Framed,
    options: &CodecOptions,
    holding: &Arc<Engine>,
    said: &[Said],
) {
    let trace = run_with(framed, options, holding, said, |rest| rest, People::Silent);
    assert!(
        !trace.moved_while_held,
        "bytes reached the server while an action waited"
    );
    evidence_is_complete(&trace);
}

/// Law: what people agree to passes as if a rule had allowed it. `holding` holds what `allowing`
/// allows.
///
/// # Panics
/// When the law is broken.
pub fn what_people_agree_to_passes(
    framed: &dyn Framed,
    options: &CodecOptions,
    allowing: &Arc<Engine>,
    holding: &Arc<Engine>,
    said: &[Said],
) {
    let run = |engine, people| run_with(framed, options, engine, said, |rest| rest, people);
    let (allowed, agreed) = (run(allowing, People::Silent), run(holding, People::Agree));
    evidence_is_complete(&agreed);
    // What cannot be shown whole is refused without asking anyone.
    let cannot_be_shown = agreed.events.iter().any(|event| match event {
        Event::Ask(ask) => ask.ruling == Ruling::Deny && ask.rule.is_some(),
        _ => false,
    });
    if cannot_be_shown {
        return;
    }
    assert_eq!(
        allowed.to_server, agreed.to_server,
        "the server hears other things"
    );
    assert_eq!(
        allowed.to_client, agreed.to_client,
        "the client hears other things"
    );
}

/// Law: an approval of something else is worth as much as a refusal.
///
/// # Panics
/// When the law is broken.
pub fn an_approval_is_for_one_action(
    framed: &dyn Framed,
    options: &CodecOptions,
    holding: &Arc<Engine>,
    said: &[Said],
) {
    let run = |people| run_with(framed, options, holding, said, |rest| rest, people);
    let (refused, another) = (run(People::Refuse), run(People::AgreeToAnother));
    assert_eq!(
        refused.to_server, another.to_server,
        "another approval was taken"
    );
    evidence_is_complete(&refused);
}

/// Laws: a recording begins with `open` and ends with `end`, every ask in it has its own number and
/// its ruling, `end` counts them right, and what is held in memory stays below the limit.
///
/// # Panics
/// When a law is broken.
pub fn evidence_is_complete(trace: &Trace) {
    assert!(
        matches!(trace.events.first(), Some(Event::Open(_))),
        "a recording begins with its opening"
    );
    let Some(Event::End(end)) = trace.events.last() else {
        panic!("a recording ends with its end");
    };
    let (mut asks, mut allowed, mut denied, mut held) = (0, 0, 0, Vec::new());
    let mut rule = |ask, ruling, held: &mut Vec<AskId>| match ruling {
        Ruling::Allow => allowed += 1,
        Ruling::Deny => denied += 1,
        Ruling::Hold => held.push(ask),
    };
    for event in &trace.events {
        match event {
            Event::Ask(ask) => {
                asks += 1;
                assert_eq!(ask.ask.0, asks, "asks are numbered from 1 without a gap");
                rule(ask.ask, ask.ruling, &mut held);
            }
            Event::Answered(answered) => {
                let waiting = held.iter().position(|ask| *ask == answered.ask);
                held.swap_remove(waiting.expect("what is answered was held"));
                rule(answered.ask, answered.ruling, &mut held);
            }
            _ => {}
        }
    }
    assert!(held.is_empty(), "what was held has an end");
    assert_eq!(
        (end.allowed, end.denied),
        (allowed, denied),
        "the end counts what was asked"
    );
    assert!(
        matches!(trace.actions.last(), Some(Action::Close(_))),
        "a session that ended is closed"
    );
    assert!(
        trace.most_waiting <= MEMORY_LIMIT,
        "{} bytes waited at one time",
        trace.most_waiting
    );
}
