//! The client's end of the control socket, for the command line. One connection a request, so
//! that a command holds no socket while it does something else.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use gateway_core::ids::WorkloadName;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::api::{
    AttachRequest, Attached, Detached, FreezeRequest, Froze, Killed, Problem, Reloaded, Run,
    RunEnded, RunRequest, Status, Thawed,
};
use super::coverage::Coverage;
use crate::kernel::CgroupId;

/// An answer is a list of sessions at most: a few hundred bytes for each.
const ANSWER_LIMIT: usize = 64 << 20;
/// The slowest request is a reload, which reads certificates and compiles the policy.
const DEADLINE: Duration = Duration::from_secs(30);

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
    pub async fn start_run(&self, workload: WorkloadName) -> Result<Run, ClientError> {
        self.ask(Method::POST, "/v1/runs", Some(&RunRequest { workload }))
            .await
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

    /// Ends the open session whose id begins or ends like this.
    pub async fn kill(&self, session: &str) -> Result<Killed, ClientError> {
        let path = format!("/v1/sessions/{}", segment(session));
        self.ask(Method::DELETE, &path, None::<&()>).await
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
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|e| self.not_reached(e))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "gateway")
            .header("content-type", "application/json")
            .header("connection", "close")
            .body(Full::new(Bytes::from(body)))
            .expect("method, path and headers are valid by construction");
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
        let problem = serde_json::from_slice(&body).unwrap_or_else(|_| Problem {
            error: format!("the daemon answered {status} to {path}"),
            help: Some("is it another version than this command?".to_owned()),
        });
        Err(ClientError::Refused { status, problem })
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
