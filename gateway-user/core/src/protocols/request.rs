//! A request as a person writes it down, without a connection: what `gateway policy explain` and
//! `gateway policy test` put to the policy.

use std::net::SocketAddr;
use std::sync::Arc;

use super::dns::{self, name::Name, query, record, wire};
use super::opaque;
use super::postgres::{self, script::Script};
use crate::descriptor::Protocol;
use crate::facts::{FactSet, Facts, Stage};
use crate::sql::postgres::{SearchPath, Session};

/// The class `IN`, the only one that is looked up.
const INTERNET: u16 = 1;

/// Why a text is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Streams and datagrams are told by where they go.
    #[error("expected an address with a port, such as 10.0.0.5:6379")]
    NoDestination,
    /// Look-ups are told by the name and the type of record.
    #[error("expected a name, and a type of record if that is not `a`, such as db.internal aaaa")]
    NoQuestion,
    /// The protocol has no notation for requests.
    #[error("requests of {0} have no notation of their own: give their facts")]
    NoNotation(&'static str),
}

/// The facts of what `text` asks for: statements, a name and perhaps a type to be looked up, or for
/// what passes uninspected the destination.
/// `connection` are the facts of the connection, where those are not told by the text itself.
///
/// Names that statements prepared or declared before stand for nothing: that is another request.
/// Needs a stack of 16 MiB, as [`Script::read`] does.
///
/// # Errors
/// The text is no request.
pub fn facts(
    protocol: &'static Protocol,
    text: &str,
    connection: FactSet,
    search_path: SearchPath,
) -> Result<Facts, RequestError> {
    let is = |other: &Protocol| protocol.name == other.name;
    if is(&postgres::PROTOCOL) {
        let session = Session {
            search_path,
            ..Session::default()
        };
        let units = Script::read(text.as_bytes(), &session).resolve(|_| None);
        return Ok(Facts {
            stage: Stage::Action(units),
            connection: Arc::new(connection),
        });
    }
    if is(&dns::PROTOCOL) {
        let question = question(text).ok_or(RequestError::NoQuestion)?;
        return Ok(query::facts_of(&question));
    }
    if is(&opaque::TCP) || is(&opaque::UDP) {
        let destination: SocketAddr = text.parse().map_err(|_| RequestError::NoDestination)?;
        return Ok(opaque::to_destination(destination));
    }
    Err(RequestError::NoNotation(protocol.name))
}

fn question(text: &str) -> Option<wire::Question> {
    let mut words = text.split_whitespace();
    let (name, kind) = (words.next()?, words.next().unwrap_or("a"));
    let question = wire::Question {
        name: Name::host(name)?.lower(),
        kind: record::type_number(&kind.to_ascii_lowercase())?,
        class: INTERNET,
    };
    words.next().is_none().then_some(question)
}
