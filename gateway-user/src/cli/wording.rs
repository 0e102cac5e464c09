//! Times, spans and endings in the words that commands share.

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
    }
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
