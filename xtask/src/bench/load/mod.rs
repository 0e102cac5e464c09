//! The client's part of a measurement, a process of its own so that it can be an agent; and the
//! relay that ours is compared with.
//!
//! It says `ready`, does its work when it reads a line, and prints the result as one line of JSON.

pub(crate) mod results;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use socket2::SockRef;

use self::results::Results;

/// Bytes of a ping.
pub(crate) const PING: usize = 64;
/// Bytes of one write of a stream, and of the buffers of the relay that ours is compared with.
const BLOCK: usize = 64 << 10;

/// Arguments of `cargo xtask load`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    work: Work,
}

/// What is done.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Work {
    /// Connect and reset, so many times
    Connects { to: SocketAddr, count: u32 },
    /// Connect and reset, each time to another address at the same port
    Held { port: u16, count: u32 },
    /// Connect, one ping, close, for so many seconds
    Sessions { to: SocketAddr, seconds: u32 },
    /// Pings on one connection for so many seconds
    Pings { to: SocketAddr, seconds: u32 },
    /// Send on one connection for so many seconds
    Stream { to: SocketAddr, seconds: u32 },
    /// Read what a statement gives
    Results { results: Results, sql: String },
    /// Copy between whoever connects and `to` by tokio, until killed
    Relay { listen: SocketAddr, to: SocketAddr },
}

/// What came of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Loaded {
    /// Connections, pings, bytes or rows a second.
    pub(crate) per_second: f64,
    /// Median time of one in microseconds; 0 for a stream, that of the whole for a result.
    pub(crate) p50_us: f64,
    /// Rows of a result.
    pub(crate) rows: u32,
}

impl Work {
    /// The command line for it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut words = vec!["load".to_owned()];
        words.extend(match self {
            Work::Connects { to, count } => ["connects".into(), to.to_string(), count.to_string()],
            Work::Held { port, count } => ["held".into(), port.to_string(), count.to_string()],
            Work::Sessions { to, seconds } => {
                ["sessions".into(), to.to_string(), seconds.to_string()]
            }
            Work::Pings { to, seconds } => ["pings".into(), to.to_string(), seconds.to_string()],
            Work::Stream { to, seconds } => ["stream".into(), to.to_string(), seconds.to_string()],
            Work::Results { results, sql } => {
                let how = match results {
                    Results::Simple => "simple",
                    Results::Binary => "binary",
                };
                ["results".into(), how.into(), sql.clone()]
            }
            Work::Relay { listen, to } => ["relay".into(), listen.to_string(), to.to_string()],
        });
        words
    }
}

/// Does it.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Work::Relay { listen, to } = arguments.work {
        return relay(listen, to);
    }
    if let Work::Connects { to, .. } = arguments.work {
        // The first one on a way is held until the server was reached; those after it are not.
        reset(to)?;
    }
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;
    let loaded = match arguments.work {
        Work::Results { results, ref sql } => results::read(results, sql)?,
        Work::Connects { to, count } => connects(count, |_| to)?,
        Work::Held { port, count } => {
            // Whoever was reached lately is not held again, so each is another.
            connects(count, |n| {
                let address = u32::from(Ipv4Addr::new(127, 1, 0, 1)).saturating_add(n);
                SocketAddr::from((Ipv4Addr::from(address), port))
            })?
        }
        Work::Sessions { to, seconds } => repeat(seconds, || session(to))?,
        Work::Pings { to, seconds } => {
            let mut stream = connect(to)?;
            repeat(seconds, || ping(&mut stream))?
        }
        Work::Stream { to, seconds } => stream(to, seconds)?,
        Work::Relay { .. } => return Ok(()),
    };
    println!("{}", serde_json::to_string(&loaded)?);
    // The run ends when whoever started it has seen to the daemon.
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

fn connect(to: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(to).with_context(|| format!("cannot connect to {to}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn connects(count: u32, to: impl Fn(u32) -> SocketAddr) -> Result<Loaded> {
    let mut times = Vec::new();
    let start = Instant::now();
    for number in 0..count {
        times.push(reset(to(number))?);
    }
    loaded(f64::from(count), start.elapsed(), times)
}

/// Connects and resets; says how long the former took.
fn reset(to: SocketAddr) -> Result<Duration> {
    let began = Instant::now();
    let stream = TcpStream::connect(to)?;
    let took = began.elapsed();
    // Without TIME_WAIT the ports last.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    Ok(took)
}

fn session(to: SocketAddr) -> Result<()> {
    let mut stream = connect(to)?;
    ping(&mut stream)
}

fn ping(stream: &mut TcpStream) -> Result<()> {
    let mut buffer = [7; PING];
    stream.write_all(&buffer)?;
    stream.read_exact(&mut buffer)?;
    Ok(())
}

fn repeat(seconds: u32, mut work: impl FnMut() -> Result<()>) -> Result<Loaded> {
    let (mut times, mut count) = (Vec::new(), 0);
    let (start, long) = (Instant::now(), Duration::from_secs(seconds.into()));
    while start.elapsed() < long {
        let began = Instant::now();
        work()?;
        times.push(began.elapsed());
        count += 1;
    }
    loaded(f64::from(count), start.elapsed(), times)
}

/// Counted is what the server has: it answers with the number when it has read the end.
fn stream(to: SocketAddr, seconds: u32) -> Result<Loaded> {
    let mut stream = connect(to)?;
    let block = vec![7; BLOCK];
    let (start, long) = (Instant::now(), Duration::from_secs(seconds.into()));
    while start.elapsed() < long {
        stream.write_all(&block)?;
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut count = String::new();
    stream.read_to_string(&mut count)?;
    loaded(count.parse()?, start.elapsed(), vec![Duration::ZERO])
}

fn loaded(count: f64, took: Duration, mut times: Vec<Duration>) -> Result<Loaded> {
    let middle = times.len() / 2;
    anyhow::ensure!(!times.is_empty(), "nothing was done");
    let (_, p50, _) = times.select_nth_unstable(middle);
    Ok(Loaded {
        per_second: count / took.as_secs_f64(),
        p50_us: p50.as_secs_f64() * 1e6,
        rows: 0,
    })
}

fn relay(listen: SocketAddr, to: SocketAddr) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(listen).await?;
        loop {
            let (mut client, _) = listener.accept().await?;
            tokio::spawn(async move {
                let mut server = tokio::net::TcpStream::connect(to).await?;
                client.set_nodelay(true)?;
                server.set_nodelay(true)?;
                tokio::io::copy_bidirectional_with_sizes(&mut client, &mut server, BLOCK, BLOCK)
                    .await
            });
        }
    })
}
