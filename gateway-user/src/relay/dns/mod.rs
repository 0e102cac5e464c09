//! The agents' look-ups: each is read, decided by its name, answered as the host itself would find
//! the answer, and recorded.
//!
//! A query never goes on as it came: `resolver` asks in the gateway's own words, by `servers`,
//! `files` and `cache`. `session` is what one process looks up, as a recording; `refresh` keeps
//! the addresses of resources' hosts known. What messages mean, and the limits, are in
//! `gateway_core::protocols::dns`.

mod cache;
mod files;
mod refresh;
mod resolver;
mod servers;
pub mod session;

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gateway_core::event::{Outcome, ServerError};
use gateway_core::ids::{AskId, WorkloadName};
use gateway_core::policy::decision::{Decision, Verdict};
use gateway_core::policy::model::Mode;
use gateway_core::protocols::dns::limits::{Excess, Limits, Meter};
use gateway_core::protocols::dns::query::{Query, Rejected, Transport, unread};
use gateway_core::protocols::dns::record::{Record, type_name};
use gateway_core::protocols::dns::wire::{Message, code_name};
use gateway_core::refusal::Refusal;
use gateway_core::session::ledger::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use self::resolver::{Resolver, addresses};
use self::session::{Session, Sessions, count};
use crate::config::Config;
use crate::names::Names;

/// A query is never longer, in bytes: a name, and what EDNS adds.
const LONGEST_QUERY: usize = 4096;
/// A connection may wait so long for its next query (RFC 7766 section 6.2.3 leaves it to us).
const NEXT_QUERY: Duration = Duration::from_secs(10);
/// Of an answer so many records are told in the recording.
const RECORDS_TOLD: usize = 64;
/// Queries beyond the rate are told of this often.
const TELL: Duration = Duration::from_secs(1);

/// What answers look-ups.
#[derive(Debug)]
pub struct Dns {
    /// The sessions that are open.
    pub sessions: Sessions,
    config: watch::Receiver<Arc<Config>>,
    names: Names,
    resolver: Arc<Resolver>,
    meters: Mutex<HashMap<WorkloadName, Metered>>,
    start: Instant,
}

#[derive(Debug, Default)]
struct Metered {
    meter: Meter,
    /// When a query beyond the rate was told of last.
    told: Option<Duration>,
}

impl Dns {
    /// Answers by the configuration in force, and fills `names`.
    pub fn new(config: watch::Receiver<Arc<Config>>, names: Names) -> Self {
        Self {
            sessions: Sessions::default(),
            resolver: Arc::new(Resolver::new(config.clone(), names.clone())),
            meters: Mutex::default(),
            start: Instant::now(),
            config,
            names,
        }
    }

    /// Keeps the addresses of resources' hosts known, until it is dropped.
    pub fn refresh(&self) -> impl Future<Output = ()> + use<> {
        let (names, config) = (self.names.clone(), self.config.clone());
        refresh::refresh(Arc::clone(&self.resolver), names, config)
    }

    /// The answer to a message, if it gets one.
    pub async fn answer(
        &self,
        session: &Session,
        mode: Mode,
        bytes: &[u8],
        transport: Transport,
    ) -> Option<Vec<u8>> {
        let config = Arc::clone(&self.config.borrow());
        let limits = &config.dns.limits;
        let within = self.within_rate(&session.subject.workload, limits);
        if matches!(within, Err(None)) {
            return None;
        }
        let excess = within.err().flatten();
        let query = match Query::read(bytes) {
            Ok(query) => query,
            Err(rejected) => return refuse(session, &config, bytes, rejected),
        };
        let request = Request {
            facts: query.facts(),
            word: "QUERY",
            text: Some(query.text()),
        };
        let judge = |decision| self.judge(session, &query, limits, mode, excess, decision);
        let asked = session.ask(&config.engine, &request, bytes.len(), judge);
        let (ask, verdict) = asked.ok()?;
        let limit = query.limit(transport);
        let permit = match verdict {
            Verdict::Deny(refusal) => return Some(query.refused(&refusal.reason).write(limit)),
            // No look-up waits, and policy knows; the ledger has made a refusal of it.
            Verdict::Hold(_) => return None,
            Verdict::Allow(permit) => permit,
        };
        let found = self.resolver.look_up(&query, permit).await;
        let found = found.map_err(|error| error.to_string());
        let found = found.and_then(|found| not_too_long(found, limits.answer_bytes));
        let (message, error) = match found {
            Ok(message) => (message, None),
            Err(error) => (query.failed(&error), Some(error)),
        };
        let answer = message.write(limit);
        let told = outcome(ask, &message, error, answer.len());
        session.outcome(told).ok()?;
        let name = query.question.name.text();
        self.names.told(
            &config,
            &session.subject.workload,
            &name,
            &addresses(&message),
            Instant::now(),
        );
        Some(answer)
    }

    /// Answers the queries of one connection, one after the other, until it is idle or ends.
    pub async fn serve(&self, session: &Session, mode: Mode, mut stream: TcpStream) {
        let Ok(_turn) = session.connections.try_acquire() else {
            return; // It has as many as it needs, and can ask on those.
        };
        let serving = async {
            while let Ok(Ok(length)) = timeout(NEXT_QUERY, stream.read_u16()).await {
                let length = usize::from(length);
                if length > LONGEST_QUERY {
                    break;
                }
                let mut query = vec![0; length];
                let read = timeout(NEXT_QUERY, stream.read_exact(&mut query)).await;
                let Ok(Ok(_)) = read else { break };
                let answer = self.answer(session, mode, &query, Transport::Tcp).await;
                let Some(answer) = answer else { break };
                let length = u16::try_from(answer.len()).unwrap_or_default();
                let framed = [&length.to_be_bytes(), &*answer].concat();
                let written = timeout(NEXT_QUERY, stream.write_all(&framed)).await;
                if !matches!(written, Ok(Ok(()))) {
                    break;
                }
            }
        };
        tokio::select! {
            () = session.cancelled() => {}
            () = serving => {}
        }
    }

    /// Counts a query. `Err` says that there were too many: with the excess once in a while, with
    /// nothing in between, where a query gets neither an answer nor a line.
    fn within_rate(&self, workload: &WorkloadName, limits: &Limits) -> Result<(), Option<Excess>> {
        let now = self.start.elapsed();
        self.metered(workload, |metered| {
            let counted = metered.meter.query(limits, now);
            counted.map_err(|excess| {
                let tell = metered.told.is_none_or(|told| now >= told + TELL);
                tell.then(|| {
                    metered.told = Some(now);
                    excess
                })
            })
        })
    }

    fn metered<T>(&self, workload: &WorkloadName, with: impl FnOnce(&mut Metered) -> T) -> T {
        // A meter that a panic left half counted is still a meter.
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        with(meters.entry(workload.clone()).or_default())
    }

    /// Puts a refusal into words, and refuses what is beyond the limits.
    fn judge(
        &self,
        session: &Session,
        query: &Query,
        limits: &Limits,
        mode: Mode,
        excess: Option<Excess>,
        mut decision: Decision,
    ) -> Decision {
        let question = &query.question;
        let (name, kind) = (question.name.text(), type_name(question.kind));
        if let Verdict::Deny(refusal) = &mut decision.verdict
            && refusal.rule.is_none()
        {
            refusal.reason = format!("no rule allows to look up {name} ({kind})");
        }
        if let Some(refusal) = &mut decision.observed
            && refusal.rule.is_none()
        {
            refusal.reason = format!("no rule allows to look up {name} ({kind})");
        }
        if !matches!(decision.verdict, Verdict::Allow(_)) {
            return decision;
        }
        let now = self.start.elapsed();
        let within = match excess {
            Some(excess) => Err(excess),
            None => self.metered(&session.subject.workload, |metered| {
                metered.meter.name(limits, &question.name, now)
            }),
        };
        let Err(excess) = within else {
            return decision;
        };
        let reason = excess.to_string();
        match mode {
            Mode::Enforce => denied(reason),
            Mode::Observe => Decision {
                observed: decision.observed.or(Some(Refusal { rule: None, reason })),
                ..decision
            },
        }
    }
}

fn denied(reason: String) -> Decision {
    Decision {
        verdict: Verdict::Deny(Refusal { rule: None, reason }),
        rule: None,
        observed: None,
    }
}

/// What is no query is refused, whatever the rules say: there is nothing to decide on.
fn refuse(session: &Session, config: &Config, bytes: &[u8], rejected: Rejected) -> Option<Vec<u8>> {
    let request = Request {
        facts: unread(),
        word: "QUERY",
        text: None,
    };
    let judge = |_| denied(rejected.why.to_owned());
    let recorded = session.ask(&config.engine, &request, bytes.len(), judge);
    recorded.ok()?;
    rejected.answer
}

/// An answer beyond the limit is none: it could be a way in for anything.
fn not_too_long(found: Message, limit: usize) -> Result<Message, String> {
    let length = found.write(usize::MAX).len();
    if length > limit {
        return Err(format!("the answer has {length} bytes, more than {limit}"));
    }
    Ok(found)
}

fn outcome(ask: AskId, message: &Message, error: Option<String>, length: usize) -> Outcome {
    let code = code_name(message.code);
    let records = message.answers.iter().take(RECORDS_TOLD).map(Record::text);
    Outcome {
        tags: std::iter::once(code.clone()).chain(records).collect(),
        bytes_out: count(length),
        error: error.map(|message| ServerError {
            severity: "ERROR".to_owned(),
            code,
            message,
        }),
        ..Outcome::new(ask)
    }
}
