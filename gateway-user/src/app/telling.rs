//! What happens to requests, told to people: the one place where approvals and notices meet.
//!
//! Each set of approvers is told when it is asked, and of the end of what it was told of. Where a preview
//! is being made the message waits a few seconds for it, and no longer; the request waits for neither.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gateway_core::approvals::change;
use gateway_core::approvals::moment::Moment;
use gateway_core::approvals::request::{Request, Says, State};
use gateway_core::approvals::veil;
use gateway_core::event::Value;
use gateway_core::held::{HeldAction, Parameter, ParameterValue};
use gateway_core::ids::RequestId;
use jiff::Timestamp;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::Instant;

use super::stopping::until;
use crate::approvals::Approvals;
use crate::config::Config;
use crate::notify::Notifier;
use crate::notify::notice::{About, Demanded, Matter, Notice};

/// So long a message waits for a preview at most.
const PREVIEW: Duration = Duration::from_secs(5);

/// Tells people until `stopped` says so, and then of what has happened by then.
pub(super) async fn tell_task(
    approvals: Approvals,
    notifier: Notifier,
    config: watch::Receiver<Arc<Config>>,
    stopped: watch::Receiver<bool>,
) {
    let mut watching = approvals.watch();
    let mut telling = Telling {
        notifier,
        config,
        told: BTreeMap::new(),
        waiting: BTreeMap::new(),
    };
    let mut stop = std::pin::pin!(until(stopped));
    loop {
        let due = telling.waiting.values().map(|(due, _)| *due).min();
        let due = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = &mut stop => break,
            heard = watching.recv() => match heard {
                Ok(notice) => telling.hear(&notice),
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "people are told late of requests");
                    telling.catch_up(&approvals).await;
                }
                Err(RecvError::Closed) => break,
            },
            () = due => telling.tell_due(),
        }
    }
    while let Ok(notice) = watching.try_recv() {
        telling.hear(&notice);
    }
}

struct Telling {
    notifier: Notifier,
    config: watch::Receiver<Arc<Config>>,
    /// Which targets know of a request that is open.
    told: BTreeMap<RequestId, BTreeSet<String>>,
    /// Requests whose preview is waited for, and until when.
    waiting: BTreeMap<RequestId, (Instant, Arc<Request>)>,
}

impl Telling {
    fn hear(&mut self, notice: &change::Notice) {
        match notice {
            change::Notice::Opened(request) => {
                if self.has_preview(request) {
                    let due = Instant::now() + PREVIEW;
                    let waiting = (due, Arc::clone(request));
                    self.waiting.insert(request.id.clone(), waiting);
                } else {
                    self.ask(request);
                }
            }
            // It may be the turn of others now; and a preview that comes late is not told of.
            change::Notice::Voted(request) => self.ask(request),
            change::Notice::Previewed(request) => {
                if self.waiting.contains_key(&request.id) {
                    self.ask(request);
                }
            }
            change::Notice::Closed(request) => self.close(request),
            change::Notice::Granted(_) | change::Notice::Used(_) | change::Notice::Ended(..) => {}
        }
    }

    fn has_preview(&self, request: &Request) -> bool {
        let config = self.config.borrow();
        let mut resources = config.resources.iter();
        resources.any(|it| it.name == request.action.resource && it.preview.is_some())
    }

    /// Tells the sets that are asked now and were not told before.
    fn ask(&mut self, request: &Request) {
        self.waiting.remove(&request.id);
        if request.state != State::Open {
            return;
        }
        let told = self.told.entry(request.id.clone()).or_default();
        let asked = targets_of(request, Asked::Now);
        let new: Vec<_> = asked.difference(told).cloned().collect();
        told.extend(new.iter().cloned());
        self.send(request, About::Opened, Timestamp::now(), new);
    }

    /// Tells those who were told of it; of one that is let pass late everyone, for nobody knows any more.
    fn close(&mut self, request: &Request) {
        self.waiting.remove(&request.id);
        let known = self.told.remove(&request.id);
        let targets = known.unwrap_or_else(|| targets_of(request, Asked::Ever));
        let Some(about) = about(request) else { return };
        let time = request.closed.map_or_else(Timestamp::now, timestamp);
        self.send(request, about, time, targets.into_iter().collect());
    }

    fn tell_due(&mut self) {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(_, (due, _))| *due <= now);
        self.waiting = later;
        let due: BTreeMap<RequestId, (Instant, Arc<Request>)> = due;
        for (_, request) in due.values() {
            self.ask(request);
        }
    }

    /// Finds out what was missed: what is open and nobody was told of. The ends of others are not told.
    async fn catch_up(&mut self, approvals: &Approvals) {
        let open = match approvals.open().await {
            Ok(open) => open,
            Err(error) => return tracing::error!(%error, "cannot see which requests are open"),
        };
        let is_open = |id: &RequestId| open.iter().any(|request| request.id == *id);
        self.told.retain(|id, _| is_open(id));
        self.waiting.retain(|id, _| is_open(id));
        for request in open {
            self.ask(&request);
        }
    }

    fn send(&self, request: &Request, about: About, time: Timestamp, targets: Vec<String>) {
        if targets.is_empty() {
            return;
        }
        // Nobody knows who reads what is sent: they see no value that is masked.
        let engine = Arc::clone(&self.config.borrow().engine);
        let hidden = engine.hidden_of(&request.action, |_| false);
        let veiled = (!hidden.is_empty()).then(|| veil::request(request, hidden));
        let request = veiled.as_ref().unwrap_or(request);
        self.notifier.send(Notice {
            request: request.id.to_string(),
            about,
            time,
            opened: timestamp(request.opened),
            expires: timestamp(request.deadline),
            targets,
            preview: request.preview.clone(),
            matter: matter(&request.action),
        });
    }
}

/// Which sets of approvers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Those who have to agree and can.
    Now,
    /// All.
    Ever,
}

fn targets_of(request: &Request, asked: Asked) -> BTreeSet<String> {
    let progress = request.progress();
    let demands = request.action.demands.iter().zip(&progress);
    let sets = demands.flat_map(|(demand, progress)| demand.approvers.iter().zip(&progress.sets));
    let sets = sets.filter(|(_, standing)| asked == Asked::Ever || standing.asked);
    sets.flat_map(|(set, _)| set.notify.iter().cloned())
        .collect()
}

fn about(request: &Request) -> Option<About> {
    let comments: Vec<_> = request
        .votes
        .iter()
        .filter(|vote| matches!(vote.says, Says::Approve { .. }))
        .filter_map(|vote| Some(format!("{}: {}", vote.by.name, vote.comment.as_ref()?)))
        .collect();
    let comments = (!comments.is_empty()).then(|| comments.join("; "));
    Some(match &request.state {
        State::Open => return None,
        State::Approved { by, .. } | State::ApprovedLate { by, .. } => About::Decided {
            approved: true,
            by: by.clone(),
            reason: comments,
        },
        State::Refused { by, comment } => About::Decided {
            approved: false,
            by: vec![by.clone()],
            reason: comment.clone(),
        },
        State::TimedOut => About::TimedOut,
        State::Withdrawn { why } => About::Withdrawn {
            reason: why.reason().to_owned(),
        },
    })
}

fn matter(action: &HeldAction) -> Matter {
    let process = &action.subject.process;
    let connection = action.connection.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix("sql.").unwrap_or(name);
        Some((name.to_owned(), written(value)?))
    });
    let demands = action.demands.iter().map(|demand| Demanded {
        rule: demand.rule.to_string(),
        reason: demand.reason.clone().unwrap_or_default(),
        approvers: demand.approvers.iter().map(|it| it.name.clone()).collect(),
    });
    Matter {
        digest: action.action.to_string(),
        workload: action.subject.workload.to_string(),
        identity: action.subject.identity.as_ref().map(ToString::to_string),
        process: format!(
            "{} (pid {}, uid {})",
            process.comm, process.pid, process.uid
        ),
        resource: action.resource.to_string(),
        protocol: action.protocol.clone(),
        connection: connection.collect(),
        demands: demands.collect(),
        hidden_by: action.hidden_by.iter().map(ToString::to_string).collect(),
        text: action.text.clone(),
        parameters: action.parameters.iter().map(parameter).collect(),
        // Maps with keys of text and numbers: nothing that JSON does not have.
        whole: serde_json::to_value(action).unwrap_or_default(),
    }
}

fn written(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Texts(texts) => Some(texts.join(", ")),
        Value::Number(number) => Some(number.to_string()),
        Value::Flag(flag) => Some(flag.to_string()),
        Value::Unknown(()) => None,
    }
}

fn parameter(parameter: &Parameter) -> Option<String> {
    match (&parameter.value, &parameter.reads) {
        (ParameterValue::Null, _) => None,
        (ParameterValue::Hidden(what), _) => Some(format!("[{what}]")),
        (ParameterValue::Text(text), _) | (ParameterValue::Bytes(_), Some(text)) => {
            Some(text.clone())
        }
        (ParameterValue::Bytes(digits) | ParameterValue::Encoded(digits), _) => {
            Some(format!("\\x{digits}"))
        }
    }
}

/// The end of time, where it lies beyond.
fn timestamp(moment: Moment) -> Timestamp {
    let milliseconds = i64::try_from(moment.0).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
}
