//! Messages of both sides, an engine to judge them, and a session to feed them to.

use std::sync::Arc;

use jiff::Timestamp;

use crate::budget::book::Book;
use crate::conformance::proofs::SALT;
use crate::conformance::{self, flow, subject};
use crate::event::{Ask, Event, Outcome, Ruling};
use crate::policy::engine::Engine;
use crate::protocols::postgres::{PROTOCOL, Postgres};
use crate::protocols::{ClientTls, CodecOptions, Side};
use crate::session::Session;
use crate::session::outbox::Action;

/// What the clock says all the time.
pub(super) const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// What the conversations here may do.
const RULES: &str = r#"
[[rule]]
name = "work"
action = "allow"
match = { verb = ["select", "insert", "update", "copy_from", "copy_to", "set", "show", "reset", "begin", "commit",
    "rollback", "prepare", "execute", "deallocate", "declare", "fetch", "close", "discard", "call", "empty"] }
[[rule]]
name = "no-secrets"
action = "deny"
reason = "secrets are secret"
match = { table = ["public.secrets"] }
"#;

/// An engine with these rules on PostgreSQL.
pub(super) fn engine(rules: &str) -> Arc<Engine> {
    conformance::engine(&PROTOCOL, rules)
}

/// The engine of most conversations.
pub(super) fn working() -> Arc<Engine> {
    engine(RULES)
}

/// An engine that allows nothing.
pub(super) fn nothing() -> Arc<Engine> {
    engine("rule = []")
}

pub(super) fn options(client_tls: ClientTls) -> CodecOptions {
    CodecOptions {
        client_tls,
        login: None,
        entropy: [7; 32],
        salt: SALT,
    }
}

fn message(tag: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag], length.to_be_bytes().as_slice(), &body].concat()
}

/// What a client says.
pub(super) mod client {
    use super::message;

    pub(in super::super) fn startup(version: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
        let mut body = version.to_be_bytes().to_vec();
        for (name, value) in parameters {
            body.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
        }
        body.push(0);
        let length = u32::try_from(body.len() + 4).unwrap();
        [length.to_be_bytes().as_slice(), &body].concat()
    }

    pub(in super::super) fn query(text: &str) -> Vec<u8> {
        message(b'Q', &[text.as_bytes(), b"\0"])
    }

    pub(in super::super) fn parse(name: &str, text: &str) -> Vec<u8> {
        message(b'P', &[name.as_bytes(), b"\0", text.as_bytes(), b"\0\0\0"])
    }

    pub(in super::super) fn bind(portal: &str, name: &str) -> Vec<u8> {
        message(
            b'B',
            &[portal.as_bytes(), b"\0", name.as_bytes(), b"\0\0\0\0\0\0\0"],
        )
    }

    pub(in super::super) fn execute(portal: &str) -> Vec<u8> {
        message(b'E', &[portal.as_bytes(), b"\0\0\0\0\0"])
    }

    pub(in super::super) fn describe(name: &str) -> Vec<u8> {
        message(b'D', &[b"S", name.as_bytes(), b"\0"])
    }

    pub(in super::super) fn close(name: &str) -> Vec<u8> {
        message(b'C', &[b"S", name.as_bytes(), b"\0"])
    }

    pub(in super::super) fn sync() -> Vec<u8> {
        message(b'S', &[])
    }

    pub(in super::super) fn flush() -> Vec<u8> {
        message(b'H', &[])
    }

    pub(in super::super) fn call(function: u32) -> Vec<u8> {
        message(b'F', &[&function.to_be_bytes(), &[0; 6]])
    }

    pub(in super::super) fn terminate() -> Vec<u8> {
        message(b'X', &[])
    }

    pub(in super::super) fn copy_data(data: &[u8]) -> Vec<u8> {
        message(b'd', &[data])
    }

    pub(in super::super) fn copy_done() -> Vec<u8> {
        message(b'c', &[])
    }

    pub(in super::super) fn password(body: &[u8]) -> Vec<u8> {
        message(b'p', &[body])
    }
}

/// What a server says.
pub(super) mod server {
    use super::message;

    /// Of a server whose search path is `public`.
    pub(in super::super) fn welcome() -> Vec<u8> {
        [greeting(), path(&["public"])].concat()
    }

    /// Before it answers the gateway's question.
    pub(in super::super) fn greeting() -> Vec<u8> {
        [
            message(b'R', &[&[0, 0, 0, 0]]),
            status("standard_conforming_strings", "on"),
            status("client_encoding", "UTF8"),
            message(b'K', &[&[0, 0, 0, 42], b"real"]),
            ready(b'I'),
        ]
        .concat()
    }

    /// The answer to the question for the search path.
    pub(in super::super) fn path(schemas: &[&str]) -> Vec<u8> {
        let array = format!("{{{}}}", schemas.join(","));
        let row = row(array.as_bytes());
        [description(), row, complete("SELECT 1"), ready(b'I')].concat()
    }

    pub(in super::super) fn description() -> Vec<u8> {
        message(
            b'T',
            &[b"\0\x01current_schemas\0\0\0\0\0\0\0\0\0\x03\xeb\xff\xff\xff\xff\xff\xff\0\0"],
        )
    }

    pub(in super::super) fn notice() -> Vec<u8> {
        message(b'N', &[b"SNOTICE\0VNOTICE\0C00000\0Mnote\0\0"])
    }

    pub(in super::super) fn fatal(code: &str) -> Vec<u8> {
        message(
            b'E',
            &[b"SFATAL\0VFATAL\0C", code.as_bytes(), b"\0Mover\0\0"],
        )
    }

    pub(in super::super) fn status(name: &str, value: &str) -> Vec<u8> {
        message(b'S', &[name.as_bytes(), b"\0", value.as_bytes(), b"\0"])
    }

    pub(in super::super) fn sasl(mechanisms: &[&str]) -> Vec<u8> {
        let names: Vec<u8> = mechanisms
            .iter()
            .flat_map(|name| [name.as_bytes(), b"\0"].concat())
            .collect();
        message(b'R', &[&[0, 0, 0, 10], &names, b"\0"])
    }

    pub(in super::super) fn ready(status: u8) -> Vec<u8> {
        message(b'Z', &[&[status]])
    }

    pub(in super::super) fn complete(tag: &str) -> Vec<u8> {
        message(b'C', &[tag.as_bytes(), b"\0"])
    }

    pub(in super::super) fn row(value: &[u8]) -> Vec<u8> {
        let length = u32::try_from(value.len()).unwrap();
        message(b'D', &[&[0, 1], &length.to_be_bytes(), value])
    }

    pub(in super::super) fn null() -> Vec<u8> {
        message(b'D', &[&[0, 1], &u32::MAX.to_be_bytes()])
    }

    pub(in super::super) fn parsed() -> Vec<u8> {
        message(b'1', &[])
    }

    pub(in super::super) fn bound() -> Vec<u8> {
        message(b'2', &[])
    }

    pub(in super::super) fn closed() -> Vec<u8> {
        message(b'3', &[])
    }

    pub(in super::super) fn copy_in() -> Vec<u8> {
        message(b'G', &[&[0, 0, 0]])
    }

    pub(in super::super) fn copy_out() -> Vec<u8> {
        message(b'H', &[&[0, 0, 0]])
    }

    pub(in super::super) fn copied(data: &[u8]) -> Vec<u8> {
        message(b'd', &[data])
    }

    pub(in super::super) fn error(code: &str) -> Vec<u8> {
        message(
            b'E',
            &[b"SERROR\0VERROR\0C", code.as_bytes(), b"\0Mfailed\0\0"],
        )
    }
}

/// A session, with all that came out of it since it was last looked at.
pub(super) struct Talk {
    pub(super) session: Session,
    pub(super) actions: Vec<Action>,
    pub(super) events: Vec<Event>,
}

impl Talk {
    /// Before the first byte.
    pub(super) fn fresh(engine: Arc<Engine>, client_tls: ClientTls) -> Self {
        let (subject, flow) = (Arc::new(subject()), Arc::new(flow()));
        let session = Session::new(
            &Postgres::default(),
            &options(client_tls),
            engine,
            subject,
            flow,
            "test",
        );
        Self {
            session,
            actions: Vec::new(),
            events: Vec::new(),
        }
    }

    /// With budgets that others use too.
    pub(super) fn counting_in(mut self, book: &Arc<Book>) -> Self {
        self.session = self.session.counting_in(Arc::clone(book));
        self
    }

    /// Ready for statements.
    pub(super) fn ready(engine: Arc<Engine>) -> Self {
        let mut talk = Self::fresh(engine, ClientTls::Accept);
        talk.client(&client::startup(3 << 16, &[("user", "app")]));
        talk.server(&server::welcome());
        talk.heard();
        talk.sent();
        talk
    }

    pub(super) fn client(&mut self, bytes: &[u8]) -> &mut Self {
        self.feed(Side::Client, bytes)
    }

    pub(super) fn server(&mut self, bytes: &[u8]) -> &mut Self {
        self.feed(Side::Server, bytes)
    }

    fn feed(&mut self, side: Side, bytes: &[u8]) -> &mut Self {
        self.session.handle_bytes(side, bytes, NOW);
        while let Some(action) = self.session.outbox().action() {
            self.actions.push(action);
        }
        self.events.append(self.session.outbox().events());
        self
    }

    /// What went to the client, as tags with what matters of each message.
    pub(super) fn heard(&mut self) -> String {
        describe(&self.session.outbox().to_client().split())
    }

    /// What went to the server, likewise.
    pub(super) fn sent(&mut self) -> String {
        describe(&self.session.outbox().to_server().split())
    }

    /// Forgets what came out so far.
    pub(super) fn clear(&mut self) {
        self.session.outbox().to_client().clear();
        self.session.outbox().to_server().clear();
    }

    /// The asks so far, as `Request:ruling`.
    pub(super) fn asked(&self) -> Vec<String> {
        let asks = self.events.iter().filter_map(|event| match event {
            Event::Ask(Ask {
                request,
                ruling: Ruling::Allow,
                ..
            }) => Some(format!("{request} allow")),
            Event::Ask(Ask {
                request,
                ruling: Ruling::Deny,
                ..
            }) => Some(format!("{request} deny")),
            _ => None,
        });
        asks.collect()
    }

    /// The outcomes so far.
    pub(super) fn outcomes(&self) -> Vec<&Outcome> {
        let outcomes = self.events.iter().filter_map(|event| match event {
            Event::Outcome(outcome) => Some(outcome),
            _ => None,
        });
        outcomes.collect()
    }
}

/// Messages in short: `Z/I` for a `ReadyForQuery`, `E/42501` for an error, else the tag.
fn describe(mut bytes: &[u8]) -> String {
    let mut words = Vec::new();
    while let [tag, a, b, c, d, rest @ ..] = bytes {
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap() - 4;
        let (body, after) = rest.split_at(length.min(rest.len()));
        let tag = char::from(*tag);
        words.push(match tag {
            'Z' => format!("Z/{}", char::from(body[0])),
            // An `Execute` ends in four zero bytes, an error's fields do not begin with its portal.
            'E' if body.starts_with(b"S") && body.ends_with(b"\0\0") && body.contains(&b'V') => {
                let mut fields = body.split(|byte| *byte == 0);
                let code = fields.find_map(|field| field.strip_prefix(b"C")).unwrap();
                format!("E/{}", String::from_utf8_lossy(code))
            }
            tag => tag.to_string(),
        });
        bytes = after;
    }
    words.join(" ")
}
