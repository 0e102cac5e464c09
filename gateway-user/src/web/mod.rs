//! One request to one web service: a connection of its own, and of the answer no more than is needed.
//!
//! There are few, so nothing is kept open between them. Redirects are not followed: the
//! address is the one that the operator wrote down. Errors tell the host at most. Who is asked, and
//! what for, is in `notify` and `identity`.

pub mod url;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use self::url::Url;

/// What a service answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    /// What it said about when to come again.
    pub retry_after: Option<String>,
    /// The beginning of its body. It may repeat the address, so it is not to be shown.
    pub body: Bytes,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
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
    /// The service cannot be put into a request. The configuration lets none such pass.
    #[error("the request cannot be made")]
    Unfit,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Whom.
    pub url: &'a Url,
    /// How TLS is spoken; none for plain HTTP, which is for loopback only.
    pub tls: Option<&'a Arc<ClientConfig>>,
    /// Headers besides the usual.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// So much of the answer is read, in bytes.
    pub most: usize,
}

/// Sends JSON. Of an answer that is longer than is wanted there is nothing. To be called with a deadline.
pub async fn post(ask: Ask<'_>, body: Bytes) -> Result<Answer, WebError> {
    send(ask, Method::POST, body).await
}

/// Reads JSON; likewise.
pub async fn get(ask: Ask<'_>) -> Result<Answer, WebError> {
    send(ask, Method::GET, Bytes::new()).await
}

async fn send(ask: Ask<'_>, method: Method, body: Bytes) -> Result<Answer, WebError> {
    let most = ask.most;
    let request = request(&ask, method, body).ok_or(WebError::Unfit)?;
    let tcp = connect(&ask).await?;
    let Some(config) = ask.tls else {
        return exchange(tcp, request, most).await;
    };
    let name = ServerName::try_from(ask.url.host.clone()).map_err(|_| WebError::Unfit)?;
    let connector = TlsConnector::from(Arc::clone(config));
    let tls = connector.connect(name, tcp).await.map_err(WebError::Tls)?;
    exchange(tls, request, most).await
}

fn request(ask: &Ask<'_>, method: Method, body: Bytes) -> Option<Request<Full<Bytes>>> {
    let path = std::str::from_utf8(ask.url.path.reveal()).ok()?;
    let json = match method {
        Method::GET => ("accept", "application/json"),
        _ => ("content-type", "application/json; charset=utf-8"),
    };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", ask.url.authority())
        .header("user-agent", concat!("gateway/", env!("CARGO_PKG_VERSION")))
        .header(json.0, json.1)
        .header("connection", "close")
        .body(Full::new(body))
        .ok()?;
    let headers = ask.headers.iter().cloned();
    request
        .headers_mut()
        .extend(headers.map(|(name, value)| (Some(name), value)));
    Some(request)
}

async fn connect(ask: &Ask<'_>) -> Result<TcpStream, WebError> {
    let place = (ask.url.host.as_str(), ask.url.port);
    let found = tokio::net::lookup_host(place).await;
    let addresses: Vec<SocketAddr> = found.map_err(WebError::Resolve)?.collect();
    // `localhost` is what the host's files say, and they may say something else.
    let is_elsewhere = |address: &SocketAddr| !address.ip().is_loopback();
    if ask.tls.is_none() && addresses.iter().any(is_elsewhere) {
        return Err(WebError::NotThisHost);
    }
    TcpStream::connect(&*addresses)
        .await
        .map_err(WebError::Connect)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<Answer, WebError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok());
        let retry_after = retry_after.map(str::to_owned);
        // The message arrived by then, whatever becomes of the rest of the answer.
        let body = Limited::new(response.into_body(), most).collect().await;
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
