//! `getpeername4/6`, `recvmsg4/6` and `getsockname4/6`: the agent sees the address it asked for, and
//! the one that it would have come from.
//!
//! It reads what `connect` or `sendmsg` left on the socket. A socket that asks two servers gets
//! both answers from the one it asked last.

use aya_ebpf::bindings::bpf_sock_addr;
use gateway_common::held::Reach;
use gateway_common::origin::Origin;

use crate::PASS;
use crate::address::Address;
use crate::maps::{LOCAL, flow_of, settings};
use crate::request::Request;

#[inline(always)]
pub fn shown4(ctx: *mut bpf_sock_addr) -> i32 {
    show(&Request::read4(ctx))
}

#[inline(always)]
pub fn shown6(ctx: *mut bpf_sock_addr) -> i32 {
    show(&Request::read6(ctx))
}

#[inline(always)]
pub fn own4(ctx: *mut bpf_sock_addr) -> i32 {
    show_own(&Request::read4(ctx))
}

#[inline(always)]
pub fn own6(ctx: *mut bpf_sock_addr) -> i32 {
    show_own(&Request::read6(ctx))
}

#[inline(always)]
fn show_own(request: &Request) -> i32 {
    if let Some(address) = would_come_from(request) {
        request.write(address, request.port);
    }
    PASS
}

#[inline(always)]
fn show(request: &Request) -> i32 {
    if let Some((address, port)) = asked_for(request) {
        request.write(address, port);
    }
    PASS
}

/// The original destination, if the peer shown is the redirect target. A record may be older than
/// the connection (the cgroup was detached in between), hence the comparison.
#[inline(always)]
fn asked_for(request: &Request) -> Option<(Address, u16)> {
    let shown = request.address;
    if request.port != settings().port || shown != shown.redirect_target() {
        return None;
    }
    let origin = record(request)?;
    let address = Address::from_bytes(origin.destination);
    // Both of one kind, so that an IPv4 socket is never told an IPv6 address.
    (address.is_v4() == shown.is_v4()).then_some((address, origin.destination_port))
}

/// The address that the server was reached from, if the one shown is only the way to the daemon. A
/// socket that was bound to an address shows that one.
#[inline(always)]
fn would_come_from(request: &Request) -> Option<Address> {
    let shown = request.address;
    if shown != shown.redirect_target() {
        return None;
    }
    let local = LOCAL.get_ptr(Reach::from(record(request)?))?;
    // SAFETY: a live value of the map. One that is replaced just now may be half another address of
    // the host's: it is shown and nothing is decided by it.
    let address = Address::from_bytes(unsafe { *local });
    (address.is_v4() == shown.is_v4()).then_some(address)
}

/// What is noted of the socket's connection or question.
#[inline(always)]
fn record<'a>(request: &Request) -> Option<&'a Origin> {
    let flow = flow_of(request.sk.cast());
    if flow.is_null() {
        return None;
    }
    // SAFETY: not null, hence a live value of this socket.
    let origin = unsafe { &(*flow).held.origin };
    (origin.cookie != 0).then_some(origin)
}
