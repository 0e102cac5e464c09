//! The kernel programs' entry points: a few lines each, the work is in the modules.
//!
//! `connect` redirects, `lifecycle` hands the connection's record to the daemon's socket, `peer`
//! keeps up appearances, `maps` is what they share. All of it loads on Linux 5.15 without kernel
//! type information (no CO-RE). How they are attached is in the daemon's `kernel` folder.
//!
//! Function names differ from section names because the linker takes both for symbols.
#![no_std]
#![no_main]

mod address;
mod connect;
mod lifecycle;
mod maps;
mod peer;

use aya_ebpf::macros::{cgroup_sock_addr, sock_ops};
use aya_ebpf::programs::{SockAddrContext, SockOpsContext};

/// A sock_addr program's "go on".
const PASS: i32 = 1;
/// A sock_addr program's "no": `EPERM`, or what `bpf_set_retval` said before.
const REFUSE: i32 = 0;

#[cgroup_sock_addr(connect4)]
pub fn gw_connect4(ctx: SockAddrContext) -> i32 {
    connect::connect4(ctx.sock_addr)
}

#[cgroup_sock_addr(connect6)]
pub fn gw_connect6(ctx: SockAddrContext) -> i32 {
    connect::connect6(ctx.sock_addr)
}

#[cgroup_sock_addr(getpeername4)]
pub fn gw_peername4(ctx: SockAddrContext) -> i32 {
    peer::getpeername4(ctx.sock_addr)
}

#[cgroup_sock_addr(getpeername6)]
pub fn gw_peername6(ctx: SockAddrContext) -> i32 {
    peer::getpeername6(ctx.sock_addr)
}

#[sock_ops]
pub fn gw_lifecycle(ctx: SockOpsContext) -> u32 {
    lifecycle::event(ctx.ops);
    1
}

/// Nothing here needs a helper reserved for the GPL; the kernel checks it.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 11] = *b"Apache-2.0\0";

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
