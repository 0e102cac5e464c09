//! The servers of `connect` and `relay`, on threads of the bench's own.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use anyhow::Result;
use gateway_tests::sandbox::free_port;
use socket2::{Domain, Socket, Type};

use super::load::PING;

/// Connections that wait to be accepted, as many as the daemon's listeners have.
const BACKLOG: i32 = 4096;
/// What is read of a stream at once.
const BLOCK: usize = 256 << 10;

/// A listener that accepts nothing until it is told to.
#[derive(Debug)]
pub(crate) struct Silent {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

impl Silent {
    pub(crate) fn open() -> Result<Silent> {
        // At every loopback address, for connects that each go somewhere else.
        let listener = listen(Ipv4Addr::UNSPECIFIED)?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        Ok(Silent {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            listener,
        })
    }

    /// Takes away what waits.
    pub(crate) fn drain(&self) {
        while self.listener.accept().is_ok() {}
    }
}

/// A server that answers pings; it ends with the bench.
pub(crate) fn pings() -> Result<SocketAddr> {
    serve(|mut stream| {
        let mut buffer = [0; PING];
        while stream.read_exact(&mut buffer).is_ok() {
            if stream.write_all(&buffer).is_err() {
                return;
            }
        }
    })
}

/// A server that reads all and then tells how much it was; it ends with the bench.
pub(crate) fn sink() -> Result<SocketAddr> {
    serve(|mut stream| {
        let mut buffer = vec![0; BLOCK];
        let mut count: u64 = 0;
        while let Ok(more @ 1..) = stream.read(&mut buffer) {
            count += u64::try_from(more).unwrap_or(0);
        }
        // The client fails when it hears nothing, and says so.
        let _told = write!(stream, "{count}");
    })
}

fn serve(one: fn(TcpStream)) -> Result<SocketAddr> {
    let listener = listen(Ipv4Addr::LOCALHOST)?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                // Slower without it, and the same for all paths.
                let _set = stream.set_nodelay(true);
                one(stream);
            });
        }
    });
    Ok(address)
}

fn listen(address: Ipv4Addr) -> Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((address, free_port()?)).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
