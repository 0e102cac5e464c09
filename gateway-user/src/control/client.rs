//! The client's end of the control socket, for the command line. One connection a request, so
//! that a command holds no socket while it does something else.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::BytesMut;
use gateway_core::ids::{RequestId, WorkloadName};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{Connection, SendRequest};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::api::{
    AttachRequest, Attached, ChosenRequest, Detached, FreezeRequest, Froze, Killed, Problem,
    Reloaded, Run, RunEnded, RunRequest, Status, Thawed,
};
use super::approvals::Which;
use super::approvals::api::{Approval, ApproveRequest, Brief, DenyRequest, Grant, Line};
use super::budgets::BudgetUse;
use super::coverage::Coverage;
use super::placeholders::{IssueRequest, Issued, Lease, Revoked};
use super::routes::CHOSEN;
use crate::kernel::CgroupId;

/// An answer is a list of sessions at most: a few hundred bytes for each.
const ANSWER_LIMIT: usize = 64 << 20;
/// A line is about one request, or one grant with its likeness.
const LINE_LIMIT: usize = 16 << 20;
/// The slowest request is a reload, which reads certificates and compiles the policy.
const DEADLINE: Duration = Duration::from_secs(30);

type Connected = Connection<TokioIo<UnixStream>, Full<Bytes>>;

/// Why a request got no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens at the socket.
    #[error("the daemon is not running: nobody listens at {}", socket.display())]
    NotRunning {
        /// The socket.
        socket: PathBuf,
    },
    /// The socket may not be opened by this user.
    #[error("not permitted to speak to the daemon at {}", socket.display())]
    NotPermitted {
        /// The socket.
        socket: PathBuf,
    },
    /// The socket could not be used for another reason.
    #[error("cannot speak to the daemon at {}", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The conversation broke.
    #[error("the daemon broke off the conversation")]
    Http(#[from] hyper::Error),
    /// The answer is too long or was cut.
    #[error("the daemon's answer could not be read: {0}")]
    Body(String),
    /// The answer is not what this version understands.
    #[error("the daemon's answer is not understood; is it another version than this command?")]
    Answer(#[from] serde_json::Error),
    /// No answer came.
    #[error("the daemon did not answer within {} seconds", DEADLINE.as_secs())]
    Silent,
    /// The daemon said no.
    #[error("{}", problem.error)]
    Refused {
        /// What kind of no.
        status: StatusCode,
        /// The no.
        problem: Problem,
    },
}

/// Speaks to the daemon behind one socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the daemon that listens at `socket`.
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// What is attached, what is open, what is in force.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.ask(Method::GET, "/v1/status", None::<&()>).await
    }

    /// What was inspected, passed, refused and not seen.
    pub async fn coverage(&self) -> Result<Coverage, ClientError> {
        self.ask(Method::GET, "/v1/coverage", None::<&()>).await
    }

    /// What was used of budgets.
    pub async fn budgets(&self) -> Result<Vec<BudgetUse>, ClientError> {
        self.ask(Method::GET, "/v1/budgets", None::<&()>).await
    }

    /// The daemon's numbers, as OpenMetrics text.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let text = self.fetch(Method::GET, "/v1/metrics", None::<&()>).await?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// What is attached.
    pub async fn attachments(&self) -> Result<Vec<Attached>, ClientError> {
        self.ask(Method::GET, "/v1/attachments", None::<&()>).await
    }

    /// Attaches a cgroup.
    pub async fn attach(&self, request: &AttachRequest) -> Result<Attached, ClientError> {
        self.ask(Method::POST, "/v1/attachments", Some(request))
            .await
    }

    /// Attaches a cgroup as what the configuration chooses it for.
    pub async fn attach_chosen(&self, request: &ChosenRequest) -> Result<Attached, ClientError> {
        self.ask(Method::POST, CHOSEN, Some(request)).await
    }

    /// Detaches a cgroup and ends its sessions.
    pub async fn detach(&self, cgroup: CgroupId) -> Result<Detached, ClientError> {
        self.ask(
            Method::DELETE,
            &format!("/v1/attachments/{}", cgroup.0),
            None::<&()>,
        )
        .await
    }

    /// Makes an attached cgroup for one command.
    pub async fn start_run(&self, request: &RunRequest) -> Result<Run, ClientError> {
        self.ask(Method::POST, "/v1/runs", Some(request)).await
    }

    /// Says that the command ended.
    pub async fn end_run(&self, id: CgroupId) -> Result<RunEnded, ClientError> {
        self.ask(Method::DELETE, &format!("/v1/runs/{}", id.0), None::<&()>)
            .await
    }

    /// Stops a workload.
    pub async fn freeze(&self, request: &FreezeRequest) -> Result<Froze, ClientError> {
        self.ask(Method::POST, "/v1/freezes", Some(request)).await
    }

    /// Lets a workload act again.
    pub async fn thaw(&self, workload: &WorkloadName) -> Result<Thawed, ClientError> {
        let path = format!("/v1/freezes/{}", segment(workload.as_str()));
        self.ask(Method::DELETE, &path, None::<&()>).await
    }

    /// The placeholders that are known.
    pub async fn placeholders(&self) -> Result<Vec<Lease>, ClientError> {
        self.ask(Method::GET, "/v1/placeholders", None::<&()>).await
    }

    /// Issues a placeholder.
    pub async fn issue(&self, request: &IssueRequest) -> Result<Issued, ClientError> {
        self.ask(Method::POST, "/v1/placeholders", Some(request))
            .await
    }

    /// Takes a placeholder back.
    pub async fn revoke_placeholder(&self, id: &str) -> Result<Revoked, ClientError> {
        let path = format!("/v1/placeholders/{}", segment(id));
        self.ask(Method::DELETE, &path, None::<&()>).await
    }

    /// Ends the open session whose id begins or ends like this.
    pub async fn kill(&self, session: &str) -> Result<Killed, ClientError> {
        let path = format!("/v1/sessions/{}", segment(session));
        self.ask(Method::DELETE, &path, None::<&()>).await
    }

    /// The requests that wait, or with `all` also those that are over.
    pub async fn approvals(&self, which: Which) -> Result<Vec<Brief>, ClientError> {
        let path = format!("/v1/approvals?state={}", which.word());
        self.ask(Method::GET, &path, None::<&()>).await
    }

    /// One request, whole, by the beginning or end of its id.
    pub async fn approval(&self, id: &str) -> Result<Approval, ClientError> {
        let path = format!("/v1/approvals/{}", segment(id));
        self.ask(Method::GET, &path, None::<&()>).await
    }

    /// Says yes.
    pub async fn approve(
        &self,
        id: &RequestId,
        request: &ApproveRequest,
    ) -> Result<Approval, ClientError> {
        let path = format!("/v1/approvals/{}/approve", segment(id.as_str()));
        self.ask(Method::POST, &path, Some(request)).await
    }

    /// Says no.
    pub async fn deny(
        &self,
        id: &RequestId,
        request: &DenyRequest,
    ) -> Result<Approval, ClientError> {
        let path = format!("/v1/approvals/{}/deny", segment(id.as_str()));
        self.ask(Method::POST, &path, Some(request)).await
    }

    /// What people let pass beforehand.
    pub async fn grants(&self, which: Which) -> Result<Vec<Grant>, ClientError> {
        let path = format!("/v1/grants?state={}", which.word());
        self.ask(Method::GET, &path, None::<&()>).await
    }

    /// Takes a grant back.
    pub async fn revoke(&self, id: &str) -> Result<Grant, ClientError> {
        let path = format!("/v1/grants/{}/revoke", segment(id));
        self.ask(Method::POST, &path, None::<&()>).await
    }

    /// What waits, and what happens from now on.
    pub async fn watch(&self) -> Result<Watch, ClientError> {
        let response = tokio::time::timeout(DEADLINE, async {
            let (mut sender, connection) = self.connect().await?;
            // It is driven for as long as somebody reads; how it ends, they see.
            tokio::spawn(connection);
            let path = "/v1/approvals/watch";
            let response = sender
                .send_request(ask_for(Method::GET, path, Bytes::new()))
                .await?;
            if response.status().is_success() {
                return Ok(response);
            }
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_LIMIT)
                .collect()
                .await;
            let body = body.map_err(|e| ClientError::Body(e.to_string()))?;
            Err(refused(status, &body.to_bytes(), path))
        });
        let response = response.await.map_err(|_elapsed| ClientError::Silent)??;
        Ok(Watch {
            body: response.into_body(),
            read: BytesMut::new(),
        })
    }

    /// Reads the configuration again.
    pub async fn reload(&self) -> Result<Reloaded, ClientError> {
        self.ask(Method::POST, "/v1/reload", None::<&()>).await
    }

    async fn ask<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<A, ClientError> {
        Ok(serde_json::from_slice(
            &self.fetch(method, path, body).await?,
        )?)
    }

    async fn fetch(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Bytes, ClientError> {
        tokio::time::timeout(DEADLINE, self.exchange(method, path, body))
            .await
            .map_err(|_elapsed| ClientError::Silent)?
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Bytes, ClientError> {
        let body = body
            .map(serde_json::to_vec)
            .transpose()?
            .unwrap_or_default();
        let (mut sender, connection) = self.connect().await?;
        let request = ask_for(method, path, Bytes::from(body));
        // The connection has to be driven while the answer is awaited. When it ends with an error
        // the exchange tells of it, so its own result says nothing more.
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_LIMIT)
                .collect()
                .await;
            let body = body
                .map_err(|e| ClientError::Body(e.to_string()))?
                .to_bytes();
            Ok::<_, ClientError>((status, body))
        };
        let (status, body) = drive(connection, exchange).await?;
        if status.is_success() {
            return Ok(body);
        }
        Err(refused(status, &body, path))
    }

    async fn connect(&self) -> Result<(SendRequest<Full<Bytes>>, Connected), ClientError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|e| self.not_reached(e))?;
        Ok(hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?)
    }

    fn not_reached(&self, error: io::Error) -> ClientError {
        let socket = self.socket.clone();
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::NotRunning { socket }
            }
            io::ErrorKind::PermissionDenied => ClientError::NotPermitted { socket },
            _ => ClientError::Connect {
                socket,
                source: error,
            },
        }
    }
}

fn ask_for(method: Method, path: &str, body: Bytes) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "gateway")
        .header("content-type", "application/json")
        .header("connection", "close")
        .body(Full::new(body))
        .expect("method, path and headers are valid by construction")
}

fn refused(status: StatusCode, body: &[u8], path: &str) -> ClientError {
    let problem = serde_json::from_slice(body).unwrap_or_else(|_| Problem {
        error: format!("the daemon answered {status} to {path}"),
        help: Some("is it another version than this command?".to_owned()),
    });
    ClientError::Refused { status, problem }
}

/// What the daemon tells of approvals, line by line.
#[derive(Debug)]
pub struct Watch {
    body: Incoming,
    read: BytesMut,
}

impl Watch {
    /// The next line; none when the daemon ended. Cancel safe.
    pub async fn next(&mut self) -> Result<Option<Line>, ClientError> {
        loop {
            while let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line = self.read.split_to(end + 1);
                let text = line.trim_ascii();
                if text.is_empty() {
                    continue;
                }
                match serde_json::from_slice(text) {
                    Ok(line) => return Ok(Some(line)),
                    // A newer daemon's. What it is about is in the lists.
                    Err(error) => tracing::debug!(%error, "a line that is not understood"),
                }
            }
            if self.read.len() > LINE_LIMIT {
                return Err(ClientError::Body("a line is too long".to_owned()));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.read.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(None),
            }
        }
    }
}

/// A text as one segment of a path (RFC 3986 section 3.3).
fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte);
    let one = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

/// Completes with `exchange`, driving `connection` for as long as that takes.
async fn drive<T>(
    connection: impl Future<Output = Result<(), hyper::Error>>,
    exchange: impl Future<Output = T>,
) -> T {
    let mut connection = std::pin::pin!(connection);
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        // The connection ends before the exchange has read the last of the body.
        _ended = &mut connection => exchange.await,
        answer = &mut exchange => answer,
    }
}
