//! A stream that waits until people decide. No byte of it moves meanwhile.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::event::SessionEnd;
use gateway_core::held::{HeldAction, Withdrawal};
use gateway_core::policy::decision::Permit;
use gateway_core::session::opaque::Stream;
use jiff::Timestamp;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::{Rest, Stopped};
use crate::approvals::ticket::Word;
use crate::config::Config;

/// How often it is looked whether the client is still there: it may have said something already, which
/// nobody reads, so that its leaving cannot be waited for.
const LOOK: Duration = Duration::from_millis(500);

impl Rest<'_> {
    /// Waits for people. None says that a new policy has to decide.
    pub(super) async fn wait(
        &mut self,
        stream: &mut Stream,
        action: HeldAction,
        config: &mut watch::Receiver<Arc<Config>>,
        client: Option<&TcpStream>,
    ) -> Result<Option<Permit>, Stopped> {
        self.was_held = true;
        let mut ticket = self.around.approvals.hold(action);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (why, how) = tokio::select! {
                biased;
                how = self.guard.cancelled() => (Withdrawal::SessionEnded, how),
                changed = config.changed() => match changed {
                    Ok(()) => {
                        let now = Arc::clone(&config.borrow_and_update());
                        let (subject, flow) = (&self.subject, &self.flow);
                        let as_before = |time| stream.waits_as_before(&now.engine, subject, flow, time);
                        // Only the time of some rule has begun or ended.
                        let is_same = self.identity() == self.subject.identity;
                        if is_same && as_before(Timestamp::now()) {
                            continue;
                        }
                        // The stream itself takes it back when it is decided on again.
                        ticket.withdraw(Withdrawal::PolicyChanged);
                        return Ok(None);
                    }
                    Err(_) => (Withdrawal::SessionEnded, SessionEnd::Stopped),
                },
                word = ticket.next() => match word {
                    // There is no way to tell the client.
                    Word::Waits { .. } => continue,
                    Word::Answered(answer) => {
                        let permit = stream.answer(&answer);
                        self.record(stream)?;
                        return permit.map(Some).ok_or(Stopped::Refused);
                    }
                },
                _ = look.tick() => match client {
                    Some(client) if has_left(client) => {
                        (Withdrawal::ClientGone, SessionEnd::ClientClosed)
                    }
                    _ => continue,
                },
            };
            ticket.withdraw(why);
            stream.withdraw(why);
            self.record(stream)?;
            return Err(Stopped::Ended(how));
        }
    }
}

/// Whether the client has closed or broken its connection, whatever it said before.
fn has_left(client: &TcpStream) -> bool {
    let closed = PollFlags::from_bits_retain(libc::POLLRDHUP);
    let mut fds = [PollFd::new(client.as_fd(), closed)];
    match poll(&mut fds, PollTimeout::ZERO) {
        Ok(0) => false,
        Ok(_) => true,
        // Interrupted: the next look sees it.
        Err(_) => false,
    }
}
