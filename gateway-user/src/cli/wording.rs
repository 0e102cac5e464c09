//! Times, spans and endings in the words that commands share.

use std::fmt::Display;

use gateway_core::event::SessionEnd;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::printable::line;

/// How a session ended, in words.
pub(super) fn ending(how: &SessionEnd) -> String {
    match how {
        SessionEnd::ClientClosed => "the client closed".to_owned(),
        SessionEnd::ServerClosed => "the server closed".to_owned(),
        SessionEnd::Refused => "refused by policy".to_owned(),
        SessionEnd::ClientViolation { detail } => {
            format!("the client broke the protocol: {}", line(detail))
        }
        SessionEnd::ServerViolation { detail } => {
            format!("the server broke the protocol: {}", line(detail))
        }
        SessionEnd::ClientFailed { detail } => format!("the client failed: {}", line(detail)),
        SessionEnd::ServerFailed { detail } => format!("the server failed: {}", line(detail)),
        SessionEnd::TimedOut { waiting_for } => format!("timed out: {}", line(waiting_for)),
        SessionEnd::RecordingFailed { detail } => {
            format!("the recording failed: {}", line(detail))
        }
        SessionEnd::Stopped => "stopped by the gateway".to_owned(),
        SessionEnd::Killed => "killed by an operator".to_owned(),
        SessionEnd::Frozen { reason: None } => "the workload was frozen".to_owned(),
        SessionEnd::Frozen { reason: Some(why) } => {
            format!("the workload was frozen: {}", line(why))
        }
        SessionEnd::NotProven { reason } => {
            format!(
                "the client showed no placeholder for this: {}",
                line(reason)
            )
        }
        SessionEnd::BudgetUsedUp { reason, .. }
        | SessionEnd::LimitReached { reason, .. }
        | SessionEnd::PlaceholderEnded { reason } => line(reason).to_string(),
        SessionEnd::ApprovalEnded { reason } => {
            format!("what it ran was approved no longer: {}", line(reason))
        }
    }
}

/// So many of something, whose plural takes an `s`.
pub(super) fn counted<N: Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let plural = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// What the kernel programs did, by the name of its kind.
pub(super) fn kind_word(kind: &str) -> String {
    let word = match kind {
        "redirected" => "intercepted connection",
        "own_server" => "connection to a server of its own",
        "resolver" => "question to the resolver",
        "allowed_datagram" => "datagram",
        "refused_datagram" => "datagram",
        "refused_quic" => "QUIC",
        "refused_ping" => "ping socket",
        "refused_raw" => "raw socket",
        "refused_sctp" => "SCTP socket",
        "refused_mptcp" => "MPTCP socket, falls back to TCP",
        "refused_udplite" => "UDP-Lite socket",
        "refused_socket" => "socket of another kind",
        "refused_bind" => "bind to the gateway's port",
        "refused_destination" => "port 0, multicast or broadcast",
        "refused_loop" => "connection to the gateway itself",
        "refused_no_listener" => "connection while no daemon listened",
        "refused_hung" => "connection while the daemon hung",
        "refused_not_ready" => "connection before the attachment was complete",
        "refused_before" => "socket from before the attach, or from elsewhere",
        "refused_device" => "socket bound to a network device",
        "refused_multicast" => "joining a multicast group",
        "refused_family" => "socket of another family",
        "dropped_outside" => "packet that would have left uninspected",
        "dropped_header" => "packet with options, extension headers or of another protocol",
        "dropped_inbound" => "answer to a connection from elsewhere",
        "dropped_local_service" => "packet to somebody else's local service",
        // A newer daemon's.
        other => return line(other).to_string(),
    };
    word.to_owned()
}

/// Milliseconds in the unit that fits.
pub(super) fn span(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..=59 => format!("{seconds}.{} s", milliseconds % 1000 / 100),
        60..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The clock time of `at` where the operator is.
pub(super) fn local(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

#[cfg(test)]
mod tests {
    use gateway_common::coverage::Kind;

    use super::*;

    #[test]
    fn every_kind_has_words() {
        for kind in Kind::ALL {
            assert_ne!(kind_word(kind.name()), kind.name());
        }
    }
}
