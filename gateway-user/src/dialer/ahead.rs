//! `Ahead`: a server that is reached before its session asks for it. Whoever waits for something else
//! meanwhile goes on with it by [`Ahead::alongside`]; the relay takes it when the session dials.
//!
//! Only TCP, as while a connect is held: nothing is sent before policy has decided that the session
//! may begin.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;

use gateway_common::held::Reach;
use socket2::SockRef;
use tokio::net::TcpStream;

use super::Dialer;

type Reaching = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// What there is of the way to a server so far. It is used once.
#[derive(Default)]
pub enum Ahead {
    /// Nothing.
    #[default]
    Nothing,
    /// It is being reached, as far as this is polled.
    Underway(Reaching),
    /// It was reached.
    Reached(TcpStream),
}

impl Ahead {
    /// Waits for `work`, and reaches the server meanwhile.
    pub async fn alongside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        if let Self::Underway(reaching) = self {
            let made = tokio::select! {
                // First, so that the server has its part to do while the rest is done here.
                biased;
                made = reaching => made,
                done = &mut work => return done,
            };
            // One that was not reached is tried again when it is needed, and the error then told.
            *self = made.map_or(Self::Nothing, Self::Reached);
        }
        work.await
    }

    /// The socket to the server: this one, or another if there is none or it has failed meanwhile.
    pub async fn take(&mut self, dialer: &Dialer, reach: &Reach) -> io::Result<TcpStream> {
        match std::mem::take(self) {
            Self::Underway(reaching) => reaching.await,
            Self::Reached(server) if is_good(&server) => Ok(server),
            Self::Reached(_) | Self::Nothing => dialer.connect(reach).await,
        }
    }
}

impl std::fmt::Debug for Ahead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Underway(_) => "Underway",
            Self::Reached(_) => "Reached",
        })
    }
}

/// Whether a server has neither closed its socket meanwhile nor failed.
fn is_good(server: &TcpStream) -> bool {
    match SockRef::from(server).peek(&mut [MaybeUninit::uninit()]) {
        Ok(count) => count > 0,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
        (client.unwrap(), server.unwrap().0)
    }

    #[tokio::test]
    async fn goes_on_while_something_else_is_waited_for() {
        let (reached, _peer) = pair().await;
        let (tell, told) = tokio::sync::oneshot::channel();
        let mut ahead = Ahead::Underway(Box::pin(async move {
            tell.send(7).unwrap();
            Ok(reached)
        }));
        assert_eq!(ahead.alongside(told).await, Ok(7));
        assert!(matches!(ahead, Ahead::Reached(_)));
    }

    #[tokio::test]
    async fn holds_nobody_up_and_is_not_lost() {
        let (release, held) = tokio::sync::oneshot::channel();
        let mut ahead = Ahead::Underway(Box::pin(async move { Ok(held.await.unwrap()) }));
        ahead.alongside(std::future::ready(())).await;
        assert!(matches!(ahead, Ahead::Underway(_)));
        let (reached, _peer) = pair().await;
        release.send(reached).unwrap();
        ahead.alongside(tokio::task::yield_now()).await;
        assert!(matches!(ahead, Ahead::Reached(_)));
    }

    #[tokio::test]
    async fn what_failed_is_not_there() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let mut ahead = Ahead::Underway(Box::pin(async move { Err(refused()) }));
        ahead.alongside(tokio::task::yield_now()).await;
        assert!(matches!(ahead, Ahead::Nothing));
    }

    #[tokio::test]
    async fn a_server_that_has_closed_is_not_good() {
        let (reached, peer) = pair().await;
        assert!(is_good(&reached));
        drop(peer);
        reached.readable().await.unwrap();
        assert!(!is_good(&reached));
    }
}
