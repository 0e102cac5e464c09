//! `Detectors`: asks programs outside the gateway what of texts is to be masked.
//!
//! Each listens at a Unix socket, because the daemon can start no program, and is asked in lines of JSON:
//! `line` says how. A connection is used again once it is free. Fails closed: a text that is not
//! answered for, in time and as it should be, is masked whole, and the enforcement log says why.

mod line;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gateway_core::ids::{DetectorName, ResourceName};
use gateway_core::mask::screen::question::{Answers, Question, Spans};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use self::line::LineError;
use crate::config::detectors::Detector;
use crate::observe::enforcement::detected::Unanswered;
use crate::observe::enforcement::{EnforcementLog, What};

/// So many connections to one detector are kept while they are free.
const IDLE: usize = 8;
/// A detector that cannot be reached is not tried for so long.
const PAUSE: Duration = Duration::from_secs(1);
/// Failures of one detector are told so often; those between are counted.
const TELL: Duration = Duration::from_secs(1);

/// Why a detector did not answer.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("it cannot be reached: {0}")]
    Connect(io::Error),
    #[error("it could not be reached a moment ago")]
    Pause,
    #[error("it runs as user {0}, which is not the one that the configuration names")]
    Stranger(u32),
    #[error("its connection broke: {0}")]
    Broken(#[from] io::Error),
    #[error("it has ended its connection")]
    Ended,
    #[error("it did not answer in time")]
    Late,
    #[error("{0}")]
    Line(#[from] LineError),
    #[error("the configuration does not have it any more")]
    Gone,
}

/// Those that have been asked.
#[derive(Debug)]
pub struct Detectors {
    log: EnforcementLog,
    links: Mutex<HashMap<(DetectorName, PathBuf), Arc<Link>>>,
}

impl Detectors {
    /// None yet.
    pub fn new(log: EnforcementLog) -> Self {
        Self {
            log,
            links: Mutex::default(),
        }
    }

    /// Asks each detector what it is asked.
    pub async fn ask(
        &self,
        known: &[Detector],
        resource: Option<&ResourceName>,
        questions: &[Question],
    ) -> Answers {
        let mut names: Vec<&str> = questions.iter().map(|it| &*it.detector).collect();
        names.sort_unstable();
        names.dedup();
        let mut answers: Vec<Option<Spans>> = questions.iter().map(|_| None).collect();
        // One after the other: each has its deadline, and there are few.
        for name in names {
            let asked = questions.iter().filter(|it| *it.detector == *name);
            let detector = known.iter().find(|it| it.name.as_str() == name);
            let said = match detector {
                Some(detector) => {
                    let link = self.link(detector);
                    let asked: Vec<_> = asked.collect();
                    let said = link.ask(detector, resource, &asked).await;
                    said.map_err(|error| (link, error))
                }
                None => Err((Arc::default(), AskError::Gone)),
            };
            let mut said = match said {
                Ok(said) => said.into_iter(),
                Err((link, error)) => {
                    self.tell(&link, name, &error);
                    continue;
                }
            };
            let places = answers.iter_mut().zip(questions);
            for (answer, _) in places.filter(|(_, it)| *it.detector == *name) {
                *answer = said.next();
            }
        }
        Answers(answers)
    }

    fn link(&self, detector: &Detector) -> Arc<Link> {
        let key = (detector.name.clone(), detector.socket.clone());
        Arc::clone(lock(&self.links).entry(key).or_default())
    }

    fn tell(&self, link: &Link, name: &str, error: &AskError) {
        let Some(times) = link.failed() else { return };
        let told = self.log.note(What::DetectorFailed(Unanswered {
            detector: name.to_owned(),
            reason: error.to_string(),
            times,
        }));
        // What it was asked is masked whole, whether or not the log takes it.
        if let Err(error) = told {
            tracing::error!(%error, "cannot write the enforcement log");
        }
    }
}

/// The way to one detector.
#[derive(Debug, Default)]
struct Link {
    idle: Mutex<Vec<BufReader<UnixStream>>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    /// It is not tried before.
    pause: Option<Instant>,
    told: Option<Instant>,
    untold: u64,
}

impl Link {
    /// How many failures are to be told of now; none where that comes later.
    fn failed(&self) -> Option<u64> {
        let (mut state, now) = (lock(&self.state), Instant::now());
        state.untold += 1;
        let is_due = state
            .told
            .is_none_or(|told| now.duration_since(told) >= TELL);
        is_due.then(|| {
            state.told = Some(now);
            std::mem::take(&mut state.untold)
        })
    }

    async fn ask(
        &self,
        detector: &Detector,
        resource: Option<&ResourceName>,
        questions: &[&Question],
    ) -> Result<Vec<Spans>, AskError> {
        let id = {
            let mut state = lock(&self.state);
            if state.pause.is_some_and(|until| Instant::now() < until) {
                return Err(AskError::Pause);
            }
            state.last_id += 1;
            state.last_id
        };
        let request = line::request(id, resource, questions)?;
        let asked = async {
            // One that was kept may have been ended by a detector that began anew: then a new one is made.
            let kept = lock(&self.idle).pop();
            if let Some(kept) = kept
                && let Ok(said) = exchange(kept, &request, questions.len()).await
            {
                return Ok(said);
            }
            let new = self.connect(detector).await?;
            exchange(new, &request, questions.len()).await
        };
        let asked = tokio::time::timeout(detector.deadline, asked).await;
        // Whoever is too late is not heard any more: its connection is gone.
        let (said, connection) = asked.unwrap_or(Err(AskError::Late))?;
        let spans = line::response(id, questions, &said)?;
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE {
            idle.push(connection);
        }
        Ok(spans)
    }

    async fn connect(&self, detector: &Detector) -> Result<BufReader<UnixStream>, AskError> {
        let connected = UnixStream::connect(&detector.socket).await;
        let stream = connected.map_err(|error| {
            lock(&self.state).pause = Some(Instant::now() + PAUSE);
            AskError::Connect(error)
        })?;
        // Whoever listens there is told what agents must not see.
        let uid = stream.peer_cred()?.uid();
        let own = nix::unistd::geteuid().as_raw();
        match uid == 0 || uid == own || Some(uid) == detector.uid {
            true => Ok(BufReader::new(stream)),
            false => Err(AskError::Stranger(uid)),
        }
    }
}

/// Sends a line and reads one.
async fn exchange(
    mut connection: BufReader<UnixStream>,
    request: &[u8],
    texts: usize,
) -> Result<(Vec<u8>, BufReader<UnixStream>), AskError> {
    connection.get_mut().write_all(request).await?;
    let mut said = Vec::new();
    let longest = line::longest(request.len(), texts);
    (&mut connection)
        .take(longest)
        .read_until(b'\n', &mut said)
        .await?;
    match said.last() {
        Some(b'\n') => Ok((said, connection)),
        Some(_) if u64::try_from(said.len()) == Ok(longest) => Err(LineError::Long.into()),
        Some(_) | None => Err(AskError::Ended),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Each change is a single one, so a poisoned one is still good.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
