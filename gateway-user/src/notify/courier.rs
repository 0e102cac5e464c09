//! Empties one mailbox: tries, waits and tries again, and at some time gives up.
//!
//! In order, one at a time, so that a target that is slow is not hit harder. Tried again is what may
//! go better the next time: no connection, 408, 429 and 5xx. `Retry-After` (RFC 9110, 10.2.3) is kept
//! to where it is longer than what it would have been.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{hmac, rand};
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use tokio::time::Instant;

use super::mailbox::{Letter, Mailbox};
use super::message;
use super::target::{Kind, Target};
use super::{Lost, Witness, lost};
use crate::web::{self, Answer, Ask, WebError};

/// So much is read of an answer, in bytes.
const ANSWER: usize = 4096;

/// When it is tried again, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// An attempt takes so long at most.
    pub attempt: Duration,
    /// The wait after the first one that failed; it doubles with each.
    pub first: Duration,
    /// No wait is longer, but where the target wants it.
    pub longest: Duration,
    /// So long after it was handed in, a notice is given up.
    pub deadline: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(10),
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
            deadline: Duration::from_secs(15 * 60),
        }
    }
}

/// Delivers to one target.
pub(super) struct Courier {
    pub(super) target: Arc<Target>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) witness: Arc<dyn Witness>,
    pub(super) pace: Pace,
}

/// What became of one attempt.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Arrived,
    /// It may go better the next time, but not before so long.
    Later(String, Duration),
    /// It will not.
    Never(String),
}

impl Courier {
    /// Delivers for ever.
    pub(super) async fn run(self) {
        loop {
            let letter = self.mailbox.oldest().await;
            self.bring(&letter).await;
        }
    }

    /// Tries until it has arrived or is given up.
    async fn bring(&self, letter: &Letter) {
        loop {
            let attempts = letter.try_again();
            let (reason, least) = match self.attempt(letter).await {
                Outcome::Arrived => {
                    self.mailbox.well();
                    self.mailbox.settle(letter);
                    return;
                }
                Outcome::Never(reason) => return self.give_up(letter, &reason),
                Outcome::Later(reason, least) => (reason, least),
            };
            let wait = self.wait(attempts).max(least);
            let given_up = letter.since + self.pace.deadline;
            if Instant::now() + wait >= given_up {
                return self.give_up(letter, &reason);
            }
            self.mailbox.failed(&reason, 0);
            tokio::time::sleep(wait).await;
        }
    }

    fn give_up(&self, letter: &Letter, reason: &str) {
        // One that had to go meanwhile was told of then.
        if self.mailbox.settle(letter).is_none() {
            return;
        }
        self.mailbox.failed(reason, 1);
        let lost: Lost = lost(&self.target.name, &letter.notice, letter.attempts(), reason);
        self.witness.lost(&lost);
    }

    async fn attempt(&self, letter: &Letter) -> Outcome {
        let body = message::body(self.target.kind, &self.target.name, &letter.notice);
        let Some(headers) = self.headers(letter, &body) else {
            return Outcome::Never(WebError::Unfit.to_string());
        };
        let ask = Ask {
            url: &self.target.url,
            tls: self.target.tls.as_ref(),
            headers,
            most: ANSWER,
        };
        let posted = web::post(ask, body);
        match tokio::time::timeout(self.pace.attempt, posted).await {
            Ok(Ok(answer)) => judge(self.target.kind, &answer, Timestamp::now()),
            Ok(Err(error)) => Outcome::Later(error.to_string(), Duration::ZERO),
            Err(_late) => {
                let seconds = self.pace.attempt.as_secs();
                Outcome::Later(
                    format!("no answer within {seconds} seconds"),
                    Duration::ZERO,
                )
            }
        }
    }

    fn headers(&self, letter: &Letter, body: &Bytes) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let header = |name, value: String| {
            Some((
                HeaderName::from_static(name),
                HeaderValue::try_from(value).ok()?,
            ))
        };
        let mut headers = Vec::new();
        if self.target.kind == Kind::Generic {
            // Signed anew for each attempt: whoever checks it may refuse what is old.
            let timestamp = Timestamp::now().as_second().to_string();
            let key = self.target.key.as_ref()?;
            let signature = sign(key.reveal(), &timestamp, body);
            headers.push(header("gateway-timestamp", timestamp)?);
            headers.push(header("gateway-signature", signature)?);
            headers.push(header("gateway-delivery", letter.delivery.to_string())?);
        }
        Some(headers)
    }

    /// Twice as long with each attempt, and up to half of it less by chance: targets that failed
    /// for all at once are not hit by all at once.
    fn wait(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(16);
        let whole = self.pace.first.saturating_mul(1 << doublings);
        let whole = whole.min(self.pace.longest);
        let mut byte = [0];
        // Without randomness it is the whole.
        let less = match rand::fill(&mut byte) {
            Ok(()) => u32::from(byte[0]),
            Err(_) => 0,
        };
        whole - whole / 512 * less
    }
}

/// The value of `Gateway-Signature`.
pub(super) fn sign(key: &[u8], timestamp: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    context.update(timestamp.as_bytes());
    context.update(b".");
    context.update(body);
    format!("v1={}", hex::encode(context.sign()))
}

fn judge(kind: Kind, answer: &Answer, now: Timestamp) -> Outcome {
    let status = answer.status;
    let said = said(kind, answer);
    let reason = match &said {
        Some(word) => format!("it answered {} ({word})", status.as_u16()),
        None => format!("it answered {}", status.as_u16()),
    };
    if status.is_success() && said.is_none() {
        return Outcome::Arrived;
    }
    let is_later = status.is_success()
        || status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT;
    match is_later {
        true => Outcome::Later(reason, retry_after(answer, now)),
        false if status.is_redirection() => {
            Outcome::Never(format!("{reason}, and redirects are not followed"))
        }
        false => Outcome::Never(reason),
    }
}

/// What the target said went wrong, where that is a word that cannot be anything else: an answer
/// may repeat the address, which is a secret.
fn said(kind: Kind, answer: &Answer) -> Option<String> {
    let body = std::str::from_utf8(&answer.body).ok()?.trim();
    match kind {
        // Such as `invalid_blocks` or `channel_is_archived`; `ok` where it took it.
        Kind::Slack if !answer.status.is_success() => {
            let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
            let fits = (1..=40).contains(&body.len()) && body.chars().all(is_word);
            fits.then(|| body.to_owned())
        }
        // Connectors say it with a 200, see "Rate limiting" in the documentation of their webhooks.
        Kind::Teams => {
            let (_, code) = body.split_once("Teams endpoint returned HTTP error ")?;
            let code: String = code.chars().take_while(char::is_ascii_digit).collect();
            Some(format!("in Teams an error {}", code.get(..3)?))
        }
        _ => None,
    }
}

/// How long the target wants to be left alone: seconds, or a date.
fn retry_after(answer: &Answer, now: Timestamp) -> Duration {
    let Some(text) = answer.retry_after.as_deref().map(str::trim) else {
        return Duration::ZERO;
    };
    if let Ok(seconds) = text.parse() {
        return Duration::from_secs(seconds);
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(text);
    let wait = date.ok().map(|date| date.duration_since(now));
    wait.and_then(|wait| Duration::try_from(wait).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&str>, body: &'static str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: retry_after.map(str::to_owned),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[track_caller]
    fn check(kind: Kind, answer: &Answer, expected: Outcome) {
        let now = "2026-01-31T09:00:00Z".parse().unwrap();
        assert_eq!(judge(kind, answer, now), expected);
    }

    fn later(reason: &str, seconds: u64) -> Outcome {
        Outcome::Later(reason.to_owned(), Duration::from_secs(seconds))
    }

    #[test]
    fn answers_are_judged() {
        use Kind::{Generic, Slack, Teams};
        check(Slack, &answer(200, None, "ok"), Outcome::Arrived);
        check(Teams, &answer(202, None, ""), Outcome::Arrived);
        check(Generic, &answer(204, None, ""), Outcome::Arrived);
        check(
            Generic,
            &answer(503, None, "x"),
            later("it answered 503", 0),
        );
        check(Generic, &answer(408, None, ""), later("it answered 408", 0));
        check(
            Slack,
            &answer(429, Some("30"), "rate_limited"),
            later("it answered 429 (rate_limited)", 30),
        );
        check(
            Generic,
            &answer(503, Some("Sat, 31 Jan 2026 09:01:00 GMT"), ""),
            later("it answered 503", 60),
        );
        // A date that has passed, and what is none.
        for text in ["Sat, 31 Jan 2026 08:00:00 GMT", "soon", "-5", ""] {
            check(
                Generic,
                &answer(503, Some(text), ""),
                later("it answered 503", 0),
            );
        }
        check(
            Teams,
            &answer(
                200,
                None,
                "Webhook message delivery failed with error: Microsoft Teams endpoint returned \
                 HTTP error 429 with ContextId tcid=0",
            ),
            later("it answered 200 (in Teams an error 429)", 0),
        );
        check(
            Slack,
            &answer(400, None, "invalid_blocks"),
            Outcome::Never("it answered 400 (invalid_blocks)".to_owned()),
        );
        check(
            Generic,
            &answer(301, None, ""),
            Outcome::Never("it answered 301, and redirects are not followed".to_owned()),
        );
    }

    #[test]
    fn what_may_be_a_secret_is_not_repeated() {
        for body in ["Cannot POST /services/T0/s3cr3t", "s3cr3t", "a b", ""] {
            for kind in [Kind::Slack, Kind::Teams, Kind::Generic] {
                check(
                    kind,
                    &answer(404, None, body),
                    Outcome::Never("it answered 404".to_owned()),
                );
            }
        }
    }
}
