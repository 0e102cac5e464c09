//! One query to the servers: over UDP, over TCP where the answer is too long for that, the next
//! server where one does not answer.
//!
//! Each query has an id and a port of its own, by chance, and what does not come from the server
//! that was asked, with that id and about that question, is not heard (RFC 5452).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use gateway_core::protocols::dns::query::Query;
use gateway_core::protocols::dns::wire::{Message, code_name, flag};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// A server has so long to answer by datagram.
const DATAGRAM: Duration = Duration::from_millis(1500);
/// A server has so long to answer on a connection.
const CONNECTION: Duration = Duration::from_secs(3);
/// Each server is asked so often.
const ROUNDS: usize = 2;
/// A datagram is never longer.
const LONGEST: usize = 65_535;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// Nobody answered. The text reaches the agent and names no server.
    #[error("no server answered")]
    Silent,
    /// There is no randomness, and a query that can be guessed is not sent.
    #[error("no randomness for a query")]
    NoRandomness,
}

/// Asks the servers in turn. The answer is one of a server that answers questions, or the last "no"
/// of one that does not.
pub(super) async fn ask(servers: &[SocketAddr], query: &Query) -> Result<Message, NoAnswer> {
    let mut no = None;
    for server in std::iter::repeat_n(servers, ROUNDS).flatten() {
        let mut id = [0; 2];
        aws_lc_rs::rand::fill(&mut id).map_err(|_| NoAnswer::NoRandomness)?;
        match exchange(*server, query, u16::from_be_bytes(id)).await {
            Ok(message) if matches!(message.code, 0 | 3) => return Ok(message),
            Ok(message) => {
                tracing::debug!(%server, code = code_name(message.code), "a server of names says no");
                no = Some(message);
            }
            Err(error) => tracing::debug!(%server, %error, "a server of names does not answer"),
        }
    }
    no.ok_or(NoAnswer::Silent)
}

async fn exchange(server: SocketAddr, query: &Query, id: u16) -> io::Result<Message> {
    let message = timeout(DATAGRAM, by_datagram(server, query, id)).await??;
    if message.flags & flag::TRUNCATED == 0 {
        return Ok(message);
    }
    timeout(CONNECTION, by_connection(server, query, id)).await?
}

async fn by_datagram(server: SocketAddr, query: &Query, id: u16) -> io::Result<Message> {
    let any = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await?;
    // From now on the kernel drops what others send.
    socket.connect(server).await?;
    socket.send(&query.to_server(id)).await?;
    let mut buffer = vec![0; LONGEST];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let bytes = buffer.get(..length).unwrap_or_default();
        if let Some(message) = query.from_server(id, bytes) {
            return Ok(message);
        }
    }
}

async fn by_connection(server: SocketAddr, query: &Query, id: u16) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let bytes = query.to_server(id);
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream
        .write_all(&[&length.to_be_bytes(), &*bytes].concat())
        .await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    let message = query.from_server(id, &answer);
    message.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query() -> Query {
        let mut bytes = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        bytes.extend_from_slice(b"\x02db\x08internal\0\0\x01\0\x01");
        Query::read(&bytes).unwrap()
    }

    /// The answer of a server with this code to a query as it came.
    fn answer(bytes: &[u8], code: u16) -> Vec<u8> {
        let mut message = Message::read(bytes).unwrap();
        message.flags |= flag::RESPONSE;
        message.code = code;
        message.write(512)
    }

    async fn server() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    #[tokio::test]
    async fn only_the_answer_to_the_question_is_heard() {
        let (socket, address) = server().await;
        let serving = tokio::spawn(async move {
            let mut buffer = [0; 512];
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let asked = buffer[..length].to_vec();
            let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let forged = answer(&asked, 3);
            // The kernel may tell that nobody listens to a stranger.
            let told = stranger.send_to(&forged, from).await;
            let mut other = forged.clone();
            other[0] ^= 0xff;
            socket.send_to(&other, from).await.unwrap();
            socket.send_to(b"nonsense", from).await.unwrap();
            socket.send_to(&answer(&asked, 0), from).await.unwrap();
            told.map(|_| ())
        });
        let message = ask(&[address], &query()).await.unwrap();
        assert_eq!(message.code, 0);
        serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn next_server_is_asked_when_one_says_no_or_nothing() {
        let (socket, address) = server().await;
        let (failing, refusing) = server().await;
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let (length, from) = failing.recv_from(&mut buffer).await.unwrap();
                let no = answer(&buffer[..length], 2);
                failing.send_to(&no, from).await.unwrap();
            }
        });
        let gone = {
            let (_socket, address) = server().await;
            address
        };
        let no = ask(&[refusing], &query()).await.unwrap();
        assert_eq!(no.code, 2);
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let yes = answer(&buffer[..length], 0);
            socket.send_to(&yes, from).await.unwrap();
        });
        let message = ask(&[gone, refusing, address], &query()).await.unwrap();
        assert_eq!(message.code, 0);
        assert!(matches!(
            ask(&[gone], &query()).await,
            Err(NoAnswer::Silent)
        ));
    }
}
