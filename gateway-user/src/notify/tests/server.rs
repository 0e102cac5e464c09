//! A webhook's end: an HTTP server, with TLS where it is wanted, that keeps what was posted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use gateway_core::secret::Secret;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::{KEY, until};
use crate::notify::target::{Kind, Target};

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Posted {
    pub(super) path: String,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Posted {
    pub(super) fn header(&self, name: &str) -> String {
        let value = self.headers.get(name);
        value.unwrap().to_str().unwrap().to_owned()
    }
}

/// An authority with a certificate of it for `localhost`.
#[derive(Debug)]
pub(super) struct Tls {
    root: CertificateDer<'static>,
    leaf: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Tls {
    pub(super) fn make() -> Self {
        let root_key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = params.self_signed(&root_key).unwrap();
        let issuer = rcgen::Issuer::new(params, root_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap();
        Self {
            root: root.der().clone(),
            leaf: leaf.der().clone(),
            key: key.serialize_der(),
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.leaf.clone()], key)
            .unwrap();
        Arc::new(config).into()
    }

    fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[derive(Debug, Default)]
struct State {
    posted: Mutex<Vec<Posted>>,
    answers: Mutex<VecDeque<(u16, Option<&'static str>)>>,
}

/// The server. It ends with the test.
#[derive(Debug)]
pub(super) struct Hook {
    port: u16,
    state: Arc<State>,
    client: Option<Arc<ClientConfig>>,
    serving: JoinHandle<()>,
}

impl Hook {
    pub(super) async fn start(tls: Option<&Tls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(listener, tls)
    }

    /// As [`Hook::start`], where another was.
    pub(super) async fn start_at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        Self::serve(listener, None)
    }

    /// Takes connections and says nothing.
    pub(super) async fn start_silent() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                held.push(stream);
            }
        });
        Self {
            port,
            state: Arc::default(),
            client: None,
            serving,
        }
    }

    fn serve(listener: TcpListener, tls: Option<&Tls>) -> Self {
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let acceptor = tls.map(Tls::acceptor);
        let serving = tokio::spawn(accept(listener, acceptor, Arc::clone(&state)));
        Self {
            port,
            state,
            client: tls.map(Tls::client),
            serving,
        }
    }

    /// What it answers to the first requests; then 200.
    pub(super) fn answer_first(&self, answers: &[(u16, Option<&'static str>)]) {
        self.state.answers.lock().unwrap().extend(answers);
    }

    /// Waits for so many requests, and returns all.
    pub(super) async fn posted(&self, count: usize) -> Vec<Posted> {
        let posted = until(|| {
            let posted = self.state.posted.lock().unwrap();
            (posted.len() >= count).then(|| posted.clone())
        });
        posted.await
    }

    pub(super) fn count(&self) -> usize {
        self.state.posted.lock().unwrap().len()
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn target(&self, name: &str, kind: Kind) -> Arc<Target> {
        self.make_target(name, kind, self.client.clone())
    }

    pub(super) fn target_trusting(&self, name: &str, kind: Kind, tls: &Tls) -> Arc<Target> {
        self.make_target(name, kind, Some(tls.client()))
    }

    fn make_target(&self, name: &str, kind: Kind, tls: Option<Arc<ClientConfig>>) -> Arc<Target> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://localhost:{}/hook/s3cr3t?x=1", self.port);
        Arc::new(Target {
            name: name.to_owned(),
            kind,
            url: url.parse().unwrap(),
            tls,
            key: (kind == Kind::Generic).then(|| Secret::new(KEY)),
        })
    }

    /// Stops listening; returns the port.
    pub(super) async fn stop(self) -> u16 {
        self.serving.abort();
        assert!(self.serving.await.unwrap_err().is_cancelled());
        self.port
    }
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            match acceptor {
                None => talk::<TcpStream>(stream, state).await,
                // A client that does not trust it goes away.
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        talk(stream, state).await;
                    }
                }
            }
        });
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: S, state: Arc<State>) {
    let service = service_fn(|request: Request<Incoming>| {
        let state = Arc::clone(&state);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let answer = state.answers.lock().unwrap().pop_front();
            let (status, retry_after) = answer.unwrap_or((200, None));
            state.posted.lock().unwrap().push(Posted {
                path: parts.uri.to_string(),
                headers: parts.headers,
                body,
            });
            let mut response = Response::builder().status(status);
            if let Some(value) = retry_after {
                response = response.header("retry-after", value);
            }
            // As servers do that do not know a path.
            let body = format!("Cannot POST {}", parts.uri);
            Ok::<_, hyper::Error>(response.body(Full::new(Bytes::from(body))).unwrap())
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A client that goes away in the middle is none of the test's business.
    let served = tokio::time::timeout(Duration::from_secs(30), connection).await;
    drop(served);
}
