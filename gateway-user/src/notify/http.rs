//! One POST to one target: a connection of its own, and of the answer no more than is needed.
//!
//! There are few messages, so nothing is kept open between them. Redirects are not followed: the
//! address is the one that the operator wrote down. Errors tell the host at most.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::target::Target;

/// So much is read of an answer, in bytes.
const ANSWER: usize = 4096;

/// What a target answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// What it said about when to come again.
    pub(super) retry_after: Option<String>,
    /// The beginning of its body. It may repeat the address, so it is not to be shown.
    pub(super) body: Bytes,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    /// The host's name was not found.
    #[error("cannot find the host: {0}")]
    Resolve(#[source] io::Error),
    /// Plain text would have gone over a network.
    #[error("plain http, and the name does not stand for this host")]
    NotThisHost,
    /// TCP failed.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// The handshake failed, or the certificate is not good.
    #[error("TLS failed: {0}")]
    Tls(#[source] io::Error),
    /// The conversation broke.
    #[error("HTTP failed: {0}")]
    Http(#[from] hyper::Error),
    /// The target cannot be put into a request. The configuration lets none such pass.
    #[error("the request cannot be made")]
    Unfit,
}

/// Sends one message. To be called with a deadline.
pub(super) async fn post(
    target: &Target,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
) -> Result<Answer, PostError> {
    let request = request(target, headers, body).ok_or(PostError::Unfit)?;
    let tcp = connect(target).await?;
    let Some(config) = &target.tls else {
        return exchange(tcp, request).await;
    };
    let name = ServerName::try_from(target.url.host.clone()).map_err(|_| PostError::Unfit)?;
    let connector = TlsConnector::from(Arc::clone(config));
    let tls = connector.connect(name, tcp).await.map_err(PostError::Tls)?;
    exchange(tls, request).await
}

fn request(
    target: &Target,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
) -> Option<Request<Full<Bytes>>> {
    let path = std::str::from_utf8(target.url.path.reveal()).ok()?;
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("host", target.url.authority())
        .header("user-agent", concat!("gateway/", env!("CARGO_PKG_VERSION")))
        .header("content-type", "application/json; charset=utf-8")
        .header("connection", "close")
        .body(Full::new(body))
        .ok()?;
    request
        .headers_mut()
        .extend(headers.into_iter().map(|(name, value)| (Some(name), value)));
    Some(request)
}

async fn connect(target: &Target) -> Result<TcpStream, PostError> {
    let place = (target.url.host.as_str(), target.url.port);
    let found = tokio::net::lookup_host(place).await;
    let addresses: Vec<SocketAddr> = found.map_err(PostError::Resolve)?.collect();
    // `localhost` is what the host's files say, and they may say something else.
    let is_elsewhere = |address: &SocketAddr| !address.ip().is_loopback();
    if target.tls.is_none() && addresses.iter().any(is_elsewhere) {
        return Err(PostError::NotThisHost);
    }
    TcpStream::connect(&*addresses)
        .await
        .map_err(PostError::Connect)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<Answer, PostError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok());
        let retry_after = retry_after.map(str::to_owned);
        // The message arrived by then, whatever becomes of the rest of the answer.
        let body = Limited::new(response.into_body(), ANSWER).collect().await;
        let body = body.map_or_else(|_| Bytes::new(), |body| body.to_bytes());
        Ok(Answer {
            status,
            retry_after,
            body,
        })
    };
    // The connection has to be driven while the answer is awaited. When it ends first, the
    // exchange tells why.
    let mut connection = std::pin::pin!(connection);
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        _ended = &mut connection => exchange.await,
        answer = &mut exchange => answer,
    }
}
