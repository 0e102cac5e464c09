//! `connect4` and `connect6`: sends an agent's TCP connection to the daemon, or refuses it.
//!
//! INVARIANT: a TCP socket created in an attached cgroup reaches the daemon, a server of the same
//! attached cgroup on the loopback address, or nothing. `egress` checks the same again for the
//! packet; the daemon's kernel tests check both. Datagram sockets are judged in `ask`.

use aya_ebpf::bindings::bpf_sock_addr;
use aya_ebpf::helpers::generated::{bpf_get_current_pid_tgid, bpf_setsockopt};
use core::ptr::{addr_of, read_volatile};
use gateway_common::coverage::Kind;
use gateway_common::own::Flow;

use crate::address::Address;
use crate::ask;
use crate::hold;
use crate::listener::{self, Daemon, IPPROTO_TCP, IPPROTO_UDP, Way};
use crate::maps::{attached, settings};
use crate::request::{ECONNREFUSED, ENETUNREACH, EPROTONOSUPPORT, Request, Verdict};

pub const SOCK_STREAM: u32 = 1;
pub const SOCK_DGRAM: u32 = 2;
const SOL_SOCKET: i32 = 1;
const SO_BINDTODEVICE: i32 = 25;

#[inline(always)]
pub fn connect4(ctx: *mut bpf_sock_addr) -> i32 {
    let request = Request::read4(ctx);
    request.answer(judge(&request))
}

#[inline(always)]
pub fn connect6(ctx: *mut bpf_sock_addr) -> i32 {
    let request = Request::read6(ctx);
    request.answer(judge(&request))
}

#[inline(always)]
fn judge(request: &Request) -> Verdict {
    match (request.kind, request.protocol) {
        (SOCK_STREAM, IPPROTO_TCP) => judge_stream(request),
        (SOCK_DGRAM, IPPROTO_UDP) => ask::judge(request),
        // Made before the cgroup was attached; `socket` makes none any more.
        _ => Verdict::Refuse(Kind::OtherSocket, EPROTONOSUPPORT),
    }
}

#[inline(always)]
fn judge_stream(request: &Request) -> Verdict {
    let destination = request.address.canonical();
    if request.port == 0 || destination.is_group() {
        return Verdict::Refuse(Kind::Destination, ENETUNREACH);
    }
    let attached = attached();
    let own = request.own(attached);
    if own.is_null() {
        return Verdict::Refuse(Kind::NotReady, ECONNREFUSED);
    }
    // SAFETY: not null, hence a live value of this socket, which the caller has locked.
    let own = unsafe { &mut *own };
    // SAFETY: a helper without preconditions.
    let tgid = (unsafe { bpf_get_current_pid_tgid() } >> 32) as u32;
    let target = destination.redirect_target();
    if destination == target && request.port == settings().port {
        return at_own_listener(&own.flow, attached, tgid);
    }
    let way = Way {
        protocol: IPPROTO_TCP,
        from: (Address::NONE, 0),
        to: (destination, request.port),
    };
    if destination.is_loopback() && listener::is_of(request.ctx.cast(), way, own.attached) {
        // What an earlier connect of the socket left says nothing about this one.
        own.flow.held.origin.cookie = 0;
        own.flow.hold = 0;
        own.flow.in_connect = 0;
        return Verdict::Let(Kind::OwnServer);
    }
    let daemon = listener::daemon(request.ctx.cast(), Way::to_daemon(IPPROTO_TCP, target));
    match daemon {
        Daemon::Absent | Daemon::Usurped => return Verdict::Refuse(Kind::NoListener, ECONNREFUSED),
        Daemon::Hung => return Verdict::Refuse(Kind::Hung, ECONNREFUSED),
        // It would serve itself until it has no descriptors left.
        Daemon::Serving(daemon) | Daemon::Late(daemon) if daemon == tgid => {
            return Verdict::Refuse(Kind::Loop, ECONNREFUSED);
        }
        Daemon::Serving(_) | Daemon::Late(_) | Daemon::Awaited => {}
    }
    if attached == 0 {
        return Verdict::Refuse(Kind::NotReady, ECONNREFUSED);
    }
    if !is_free_of_devices(request) {
        return Verdict::Refuse(Kind::Device, ENETUNREACH);
    }
    let flow = &mut own.flow;
    request.record(attached, &mut flow.held.origin);
    flow.in_connect = 1;
    let goes_at_once = matches!(daemon, Daemon::Serving(_)) && hold::is_reached(&flow.held.origin);
    flow.hold = u32::from(!goes_at_once);
    if !goes_at_once {
        hold::persist(request.ctx.cast());
    }
    Verdict::Redirect(Kind::Redirected, target)
}

/// The destination is the daemon's own listener: either an inner attached cgroup's program has
/// redirected this very `connect` already, or the agent asks for it by its address.
#[inline(always)]
fn at_own_listener(flow: &Flow, attached: u64, tgid: u32) -> Verdict {
    let origin = &flow.held.origin;
    if flow.in_connect == 1 && origin.attached != attached && origin.tgid == tgid {
        return Verdict::Pass;
    }
    Verdict::Refuse(Kind::Loop, ECONNREFUSED)
}

/// A socket bound to a network device would look for the daemon there. The binding is undone
/// where the kernel lets the caller do so itself.
#[inline(always)]
fn is_free_of_devices(request: &Request) -> bool {
    // SAFETY: the socket of a live context.
    if unsafe { read_volatile(addr_of!((*request.sk).bound_dev_if)) } == 0 {
        return true;
    }
    let none = 0_u32;
    let name = (&raw const none).cast_mut().cast();
    // SAFETY: the context is live and `name` points to the four bytes told.
    let result =
        unsafe { bpf_setsockopt(request.ctx.cast(), SOL_SOCKET, SO_BINDTODEVICE, name, 4) };
    result == 0
}
