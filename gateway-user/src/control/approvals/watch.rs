//! What happens with requests and grants, told as it does: one JSON value a line.
//!
//! A reader that is slow falls behind and is told how much it missed; it never holds up the desk.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use gateway_core::approvals::change::Notice;
use gateway_core::approvals::person::Person;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Bytes;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::api::{Brief, Line};
use super::eyes::Eyes;
use super::failure::ApprovalError;
use super::{concerns, may_see};
use crate::control::operations::Operations;

/// Lines that wait for the reader; when they are more, the notices behind them wait at the desk, which
/// keeps so many and then leaves the oldest out.
const WAITING: usize = 64;
/// When nothing happened for so long, an empty line shows whether the reader is still there.
const QUIET: Duration = Duration::from_secs(30);

/// The body of the answer: what waits already, then what happens.
pub(super) async fn begin(operations: &Arc<Operations>, eyes: Eyes) -> Result<Body, ApprovalError> {
    // In this order, so that nothing falls in between; it may be told twice.
    let notices = operations.approvals().watch();
    let waiting = operations.approvals().open().await?;
    let seen = waiting
        .iter()
        .filter(|request| may_see(request, &eyes.person));
    let first: Vec<_> = seen
        .map(|request| Line::Waiting {
            approval: Brief::of(request, &eyes),
        })
        .chain([Line::Ready])
        .collect();
    let (sender, body) = Channel::<Bytes, std::convert::Infallible>::new(WAITING);
    tokio::spawn(tell(sender, first, notices, eyes));
    Ok(Body::new(body))
}

/// Ends when the reader has gone, which shows at the next line, or the daemon ends.
async fn tell(
    mut sender: Sender<Bytes>,
    first: Vec<Line>,
    mut notices: Receiver<Notice>,
    eyes: Eyes,
) {
    for line in first {
        if send(&mut sender, &line).await.is_none() {
            return;
        }
    }
    loop {
        let sent = match tokio::time::timeout(QUIET, notices.recv()).await {
            Err(_quiet) => sender.send_data(Bytes::from_static(b"\n")).await.ok(),
            Ok(Ok(notice)) if is_for(&notice, &eyes.person) => {
                send(&mut sender, &Line::of(&notice, &eyes)).await
            }
            Ok(Ok(_)) => continue,
            Ok(Err(RecvError::Lagged(count))) => send(&mut sender, &Line::Missed { count }).await,
            Ok(Err(RecvError::Closed)) => return,
        };
        if sent.is_none() {
            return;
        }
    }
}

async fn send(sender: &mut Sender<Bytes>, line: &Line) -> Option<()> {
    let mut text = serde_json::to_vec(line).ok()?;
    text.push(b'\n');
    sender.send_data(text.into()).await.ok()
}

fn is_for(notice: &Notice, person: &Person) -> bool {
    match notice {
        Notice::Opened(request)
        | Notice::Previewed(request)
        | Notice::Voted(request)
        | Notice::Closed(request) => may_see(request, person),
        Notice::Granted(grant) | Notice::Used(grant) | Notice::Ended(grant, _) => {
            concerns(&grant.demands, person)
        }
    }
}
