//! Reads a large result from PostgreSQL and looks at none of it: clients that people use take longer for a
//! row than what is measured.

use std::env;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::Loaded;

/// What is read of the connection at once.
const BLOCK: usize = 256 << 10;
/// A message's type and length.
const HEAD: usize = 5;

/// How a result comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Results {
    /// The simple protocol, rows in text format, or `COPY … TO STDOUT`.
    Simple,
    /// The extended protocol, rows in binary format.
    Binary,
}

/// Reads what `sql` gives from the server that libpq's variables name.
pub(super) fn read(results: Results, sql: &str) -> Result<Loaded> {
    let mut server = Server::log_in()?;
    match results {
        Results::Simple => frontend::query(sql, &mut server.out)?,
        Results::Binary => server.ask_in_binary(sql)?,
    }
    let start = Instant::now();
    let rows = server.result()?;
    let took = start.elapsed();
    ensure!(rows > 0 && took > Duration::ZERO, "there was no result");
    Ok(Loaded {
        per_second: f64::from(rows) / took.as_secs_f64(),
        p50_us: took.as_secs_f64() * 1e6,
        rows,
    })
}

struct Server {
    stream: TcpStream,
    read: BytesMut,
    out: BytesMut,
}

impl Server {
    fn log_in() -> Result<Server> {
        let said = |name: &str| env::var(name).with_context(|| format!("{name} is not set"));
        let (user, password) = (said("PGUSER")?, said("PGPASSWORD")?);
        let stream = TcpStream::connect(format!("{}:{}", said("PGHOST")?, said("PGPORT")?))?;
        stream.set_nodelay(true)?;
        let (read, out) = (BytesMut::new(), BytesMut::new());
        let mut server = Server { stream, read, out };
        let database = said("PGDATABASE")?;
        let parameters = [("user", user.as_str()), ("database", database.as_str())];
        frontend::startup_message(parameters, &mut server.out)?;
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        loop {
            match server.message()? {
                Message::AuthenticationSasl(_) => {
                    let first = scram.message();
                    frontend::sasl_initial_response(SCRAM_SHA_256, first, &mut server.out)?;
                }
                Message::AuthenticationSaslContinue(body) => {
                    scram.update(body.data())?;
                    frontend::sasl_response(scram.message(), &mut server.out)?;
                }
                Message::AuthenticationSaslFinal(body) => scram.finish(body.data())?,
                Message::ReadyForQuery(_) => return Ok(server),
                Message::ErrorResponse(_) => bail!("the log-in was refused"),
                _ => {}
            }
        }
    }

    fn ask_in_binary(&mut self, sql: &str) -> Result<()> {
        let none: [i16; 0] = [];
        frontend::parse("", sql, [], &mut self.out)?;
        let bound = frontend::bind(
            "",
            "",
            none,
            none,
            |_: i16, _: &mut BytesMut| Ok(IsNull::Yes),
            [1],
            &mut self.out,
        );
        ensure!(bound.is_ok(), "the portal cannot be bound");
        frontend::execute("", 0, &mut self.out)?;
        frontend::sync(&mut self.out);
        Ok(())
    }

    /// Counts rows, or lines of a copy, up to the end of the answer.
    fn result(&mut self) -> Result<u32> {
        self.send()?;
        let mut block = vec![0; BLOCK];
        let mut rows = 0;
        loop {
            while let Some(&[kind, a, b, c, d]) = self.read.first_chunk::<HEAD>() {
                let length = usize::try_from(u32::from_be_bytes([a, b, c, d]))? + 1;
                if self.read.len() < length {
                    break;
                }
                match kind {
                    b'D' | b'd' => rows += 1,
                    b'E' => bail!("the server said: {}", String::from_utf8_lossy(&self.read)),
                    b'Z' => return Ok(rows),
                    _ => {}
                }
                let _passed = self.read.split_to(length);
            }
            let count = self.stream.read(&mut block)?;
            ensure!(count > 0, "the connection ended");
            self.read
                .extend_from_slice(block.get(..count).unwrap_or_default());
        }
    }

    /// The next message of the log-in.
    fn message(&mut self) -> Result<Message> {
        self.send()?;
        let mut block = [0; 4096];
        loop {
            if let Some(message) = Message::parse(&mut self.read)? {
                return Ok(message);
            }
            let count = self.stream.read(&mut block)?;
            ensure!(count > 0, "the connection ended");
            self.read
                .extend_from_slice(block.get(..count).unwrap_or_default());
        }
    }

    fn send(&mut self) -> Result<()> {
        self.stream.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }
}
