//! `sendmsg4/6`, and `connect` on datagram sockets: questions at port 53 go to the daemon's
//! resolver. What else datagrams may do is judged by `egress`, where they all pass.
//!
//! `connect` on a datagram socket sends nothing, and `getaddrinfo` uses it to sort addresses, so
//! one that leads nowhere is let be. A connected IPv6 socket with a mapped address runs `sendmsg4`
//! for each question, with the address that stands there already.

use aya_ebpf::bindings::bpf_sock_addr;
use gateway_common::coverage::Kind;

use crate::address::Address;
use crate::hold;
use crate::listener::{self, Daemon, IPPROTO_UDP, Way};
use crate::maps::attached;
use crate::request::{ECONNREFUSED, Request, Verdict};

const DNS: u16 = 53;

#[inline(always)]
pub fn sendmsg4(ctx: *mut bpf_sock_addr) -> i32 {
    let request = Request::read4(ctx);
    request.answer(judge(&request))
}

#[inline(always)]
pub fn sendmsg6(ctx: *mut bpf_sock_addr) -> i32 {
    let request = Request::read6(ctx);
    request.answer(judge(&request))
}

#[inline(always)]
pub fn judge(request: &Request) -> Verdict {
    if request.protocol != IPPROTO_UDP {
        return Verdict::Pass;
    }
    let attached = attached();
    let own = request.own(attached);
    if own.is_null() {
        return Verdict::Refuse(Kind::NotReady, ECONNREFUSED);
    }
    // SAFETY: not null, hence a live value of this socket. Other threads may ask by it at the same time:
    // what they write is theirs, and one socket's.
    let own = unsafe { &mut *own };
    if request.port != DNS {
        return Verdict::Pass;
    }
    let destination = request.address.canonical();
    let ctx = request.ctx.cast();
    let way = Way {
        protocol: IPPROTO_UDP,
        from: (Address::NONE, 0),
        to: (destination, DNS),
    };
    if destination.is_loopback() && listener::is_of(ctx, way, own.attached) {
        return Verdict::Let(Kind::OwnServer);
    }
    if attached == 0 {
        return Verdict::Refuse(Kind::NotReady, ECONNREFUSED);
    }
    let target = destination.redirect_target();
    let daemon = listener::daemon(ctx, Way::to_daemon(IPPROTO_UDP, target));
    match daemon {
        Daemon::Absent | Daemon::Usurped => {
            return Verdict::Refuse(Kind::NoListener, ECONNREFUSED);
        }
        Daemon::Hung => return Verdict::Refuse(Kind::Hung, ECONNREFUSED),
        // Of one that is late the question waits in its buffer.
        Daemon::Serving(_) | Daemon::Late(_) | Daemon::Awaited => {}
    }
    let flow = &mut own.flow;
    request.record(attached, &mut flow.held.origin);
    if let Daemon::Awaited = daemon {
        // There is one when it is asked again.
        hold::tell(&flow.held);
        return Verdict::Refuse(Kind::NoListener, ECONNREFUSED);
    }
    Verdict::Redirect(Kind::Resolver, target)
}
