//! `bind4` and `bind6`: nobody but the daemon has the daemon's port, in no network namespace.
//!
//! Somebody who had it would not get agents' connections, for want of the mark, but would keep
//! the daemon from listening there. A port that the kernel chooses does not come by here.

use aya_ebpf::bindings::bpf_sock_addr;
use gateway_common::coverage::Kind;

use crate::maps::{attached, settings};
use crate::request::{EADDRINUSE, Request, Verdict};

#[inline(always)]
pub fn bind4(ctx: *mut bpf_sock_addr) -> i32 {
    let request = Request::read4(ctx);
    request.answer(judge(&request))
}

#[inline(always)]
pub fn bind6(ctx: *mut bpf_sock_addr) -> i32 {
    let request = Request::read6(ctx);
    request.answer(judge(&request))
}

#[inline(always)]
fn judge(request: &Request) -> Verdict {
    if request.port == settings().port {
        return Verdict::Refuse(Kind::Bind, EADDRINUSE);
    }
    // A socket from before may become a server now. Without the note it serves nobody.
    let _nobody_then = request.own(attached());
    Verdict::Pass
}
