//! The daemon's end of the control socket: routes, who may use them, and answers.
//!
//! What a request does is in [`super::operations`]; here it is only unpacked, checked for who
//! sends it, and its outcome put into an HTTP status and JSON.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequest, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixListener;

use super::api::Problem;
use super::operations::{OperationError, Operations};
use super::peer::{APPROVERS, OPERATORS, Peer, group_of};
use super::placeholders::PlaceholderError;
use super::routes::{self, CHOSEN};
use crate::kernel::CgroupId;

/// Why the socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the control socket {}", path.display())]
pub struct SocketError {
    path: PathBuf,
    source: io::Error,
}

/// Opens a socket, not blocking: for root, and for `group` where the host has it.
///
/// The caller holds the runtime directory's lock, so a socket that is there already is a dead
/// daemon's and is replaced.
pub fn listen(path: &Path, group: &str) -> Result<StdUnixListener, SocketError> {
    let open = || -> io::Result<StdUnixListener> {
        // Made under another name and moved when its rights are set, so that at no moment anybody
        // else can connect.
        let draft = path.with_extension("sock.new");
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = StdUnixListener::bind(&draft)?;
        std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o600))?;
        if let Some(group) = group_of(group) {
            std::os::unix::fs::chown(&draft, None, Some(group.as_raw()))?;
        }
        std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o660))?;
        std::fs::rename(&draft, path)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    open().map_err(|source| SocketError {
        path: path.to_owned(),
        source,
    })
}

/// Whom a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Operators, who may do everything.
    Operators,
    /// People who decide on requests, and may do nothing else.
    Approvers,
}

/// Serves until `stop` completes and the requests under way are answered.
pub async fn serve(
    listener: UnixListener,
    door: Door,
    operations: Arc<Operations>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let app = routes(operations, door).into_make_service_with_connect_info::<Peer>();
    axum::serve(listener, app)
        .with_graceful_shutdown(stop)
        .await
}

fn routes(operations: Arc<Operations>, door: Door) -> Router {
    routes::router(door)
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(middleware::from_fn_with_state(
            (door, Arc::clone(&operations)),
            only_people,
        ))
        .with_state(operations)
}

async fn only_people(
    State((door, operations)): State<(Door, Arc<Operations>)>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    // The user database may be slow to answer, and /proc is read.
    let is_for_agents = door == Door::Operators && request.uri().path() == CHOSEN;
    let why_not = move || why_not(&operations, door, peer, is_for_agents);
    let asked = tokio::task::spawn_blocking(why_not).await;
    let problem = match asked {
        Ok(None) => return next.run(request).await,
        Ok(Some(problem)) => problem,
        // Fails closed: who is not known to be let in is not.
        Err(_panicked) => return broken(),
    };
    tracing::warn!(uid = peer.uid, pid = peer.pid, "control request refused");
    (StatusCode::FORBIDDEN, Json(problem)).into_response()
}

/// Why this peer may not come in by this door, if it may not. Blocks.
fn why_not(
    operations: &Operations,
    door: Door,
    peer: Peer,
    is_for_agents: bool,
) -> Option<Problem> {
    let (is_permitted, group) = match door {
        Door::Operators => (peer.is_permitted(), OPERATORS),
        Door::Approvers => (peer.is_permitted() || peer.may_approve(), APPROVERS),
    };
    if !is_permitted {
        return Some(Problem {
            error: format!("user {} may not control the gateway", peer.uid),
            help: Some(format!("be root, or a member of the group `{group}`")),
        });
    }
    let is_refused = !is_for_agents && operations.is_agent(peer);
    is_refused.then(|| Problem {
        error: "a process of an attached cgroup may not control the gateway".to_owned(),
        help: Some("do it from a shell that is not an agent's".to_owned()),
    })
}

async fn unknown(request: Request) -> Response {
    let problem = Problem {
        error: format!("there is no {} {}", request.method(), request.uri().path()),
        help: Some("GET /v1/openapi.json and docs/control.md list what there is".to_owned()),
    };
    (StatusCode::NOT_FOUND, Json(problem)).into_response()
}

/// Runs an operation where it may block, and puts its outcome into an answer.
pub(super) async fn perform<T: Serialize + Send + 'static>(
    operation: impl FnOnce() -> Result<T, OperationError> + Send + 'static,
) -> Response {
    answer(operation, |outcome| Json(outcome).into_response()).await
}

pub(super) async fn answer<T: Send + 'static>(
    operation: impl FnOnce() -> Result<T, OperationError> + Send + 'static,
    form: impl FnOnce(T) -> Response,
) -> Response {
    match tokio::task::spawn_blocking(operation).await {
        Ok(Ok(outcome)) => form(outcome),
        Ok(Err(error)) => refuse(&error),
        Err(_panicked) => broken(),
    }
}

/// An error that is answered with.
pub(super) trait Refusal: std::error::Error {
    /// The status of the answer.
    fn status(&self) -> StatusCode;
    /// What to do about it.
    fn help(&self) -> Option<String>;
}

/// The answer that says no.
pub(super) fn refuse(error: &impl Refusal) -> Response {
    (error.status(), Json(problem(error))).into_response()
}

/// The answer when there was a panic.
pub(super) fn broken() -> Response {
    let problem = Problem {
        error: "the daemon failed inside".to_owned(),
        help: Some("its own log says where; please report it".to_owned()),
    };
    (StatusCode::INTERNAL_SERVER_ERROR, Json(problem)).into_response()
}

impl Refusal for OperationError {
    fn status(&self) -> StatusCode {
        match self {
            OperationError::NotAttached { .. }
            | OperationError::NoRun { .. }
            | OperationError::NotFrozen { .. }
            | OperationError::NoSession { .. } => StatusCode::NOT_FOUND,
            OperationError::AttachedAlready { .. }
            | OperationError::Released { .. }
            | OperationError::DetachFrozen { .. }
            | OperationError::SeveralSessions { .. } => StatusCode::CONFLICT,
            OperationError::Placeholder(error) => match error {
                PlaceholderError::Unknown(_) => StatusCode::NOT_FOUND,
                PlaceholderError::Several { .. } | PlaceholderError::TooMany => {
                    StatusCode::CONFLICT
                }
                PlaceholderError::User | PlaceholderError::Lasting => StatusCode::BAD_REQUEST,
                PlaceholderError::NotAsked(_) | PlaceholderError::NotIn { .. } => {
                    StatusCode::UNPROCESSABLE_ENTITY
                }
                PlaceholderError::Table(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
            OperationError::Reason { .. } => StatusCode::BAD_REQUEST,
            OperationError::NoWorkload { .. }
            | OperationError::NotChosen { .. }
            | OperationError::Unknown { .. }
            | OperationError::Configuration(_)
            | OperationError::Kernel(_) => StatusCode::UNPROCESSABLE_ENTITY,
            OperationError::Kept(_)
            | OperationError::HalfFrozen { .. }
            | OperationError::Log(_)
            | OperationError::Cgroup { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn help(&self) -> Option<String> {
        OperationError::help(self)
    }
}

fn problem(error: &impl Refusal) -> Problem {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    Problem {
        error: text,
        help: error.help(),
    }
}

/// A JSON body; what is wrong with one is told as a [`Problem`].
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => {
                let problem = Problem {
                    error: rejection.body_text(),
                    help: None,
                };
                Err((rejection.status(), Json(problem)).into_response())
            }
        }
    }
}

/// The cgroup id at the end of the path.
pub(super) struct Id(pub(super) CgroupId);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Id {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _state: &S,
    ) -> Result<Self, Response> {
        let last = parts.uri.path().rsplit('/').next().unwrap_or_default();
        last.parse()
            .map(|id| Self(CgroupId(id)))
            .map_err(|_not_a_number| {
                let problem = Problem {
                    error: "a cgroup is named by its id, a number".to_owned(),
                    help: Some("GET /v1/attachments lists the ids".to_owned()),
                };
                (StatusCode::BAD_REQUEST, Json(problem)).into_response()
            })
    }
}
