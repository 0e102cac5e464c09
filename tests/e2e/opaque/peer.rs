//! A server of byte streams that checks what arrives. `clients/streams.py` is its client: the first
//! byte of a connection says what is wanted.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_tests::sandbox::free_port;

/// What is sent and expected in bulk is this over and over.
const BLOCK: usize = 256 * 1024;

/// A server on threads of this process, which is no agent.
pub(super) struct Peer {
    pub(super) port: u16,
    /// Bytes that arrived after the server's own end.
    pub(super) heard: Arc<AtomicU64>,
    /// Bytes that arrived in bulk and were as expected.
    pub(super) good: Arc<AtomicU64>,
}

impl Peer {
    pub(super) fn start() -> Peer {
        let port = free_port().unwrap();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let peer = Peer {
            port,
            heard: Arc::default(),
            good: Arc::default(),
        };
        let (heard, good) = (Arc::clone(&peer.heard), Arc::clone(&peer.good));
        // Both end with the test process: nobody joins them.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (heard, good) = (Arc::clone(&heard), Arc::clone(&good));
                // A stream that a test cuts is an error here and nowhere else.
                std::thread::spawn(move || serve(stream?, &heard, &good));
            }
        });
        peer
    }
}

fn serve(mut stream: TcpStream, heard: &AtomicU64, good: &AtomicU64) -> std::io::Result<()> {
    let mut word = [0];
    stream.read_exact(&mut word)?;
    match &word {
        b"e" => {
            let mut all = Vec::new();
            stream.read_to_end(&mut all)?;
            stream.write_all(&all)
        }
        b"s" => {
            stream.write_all(&vec![b's'; 100_000])?;
            stream.shutdown(Shutdown::Write)?;
            let mut all = Vec::new();
            let count = stream.read_to_end(&mut all)?;
            heard.fetch_add(u64::try_from(count).unwrap(), Ordering::Relaxed);
            Ok(())
        }
        b"b" => bulk(stream, good),
        _ => {
            let mut buffer = vec![0; 64 << 10];
            loop {
                let count = stream.read(&mut buffer)?;
                if count == 0 {
                    return Ok(());
                }
                stream.write_all(&buffer[..count])?;
            }
        }
    }
}

fn bulk(mut stream: TcpStream, good: &AtomicU64) -> std::io::Result<()> {
    let block: Vec<u8> = (0..=255).cycle().take(BLOCK).collect();
    let mut buffer = vec![0; BLOCK];
    let mut blocks = 0;
    loop {
        let mut filled = 0;
        while filled < BLOCK {
            match stream.read(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        if filled == 0 {
            break;
        }
        assert!(filled == BLOCK && buffer == block, "block {blocks} differs");
        blocks += 1;
        good.fetch_add(u64::try_from(BLOCK).unwrap(), Ordering::Relaxed);
    }
    for _ in 0..blocks {
        stream.write_all(&block)?;
    }
    Ok(())
}
