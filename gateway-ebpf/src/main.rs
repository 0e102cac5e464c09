//! The kernel programs' entry points: a few lines each, the work is in the modules.
//!
//! `socket` and, where the kernel has it, `family` say which sockets there may be, `connect` and `ask` redirect, `bind` keeps the
//! daemon's port free, `membership` keeps agents out of multicast groups, `peer` keeps up appearances, `egress` drops what
//! came by another way and publishes the records of what goes to the daemon, and `hold` keeps a SYN
//! until the server is reached. They stand on `request`,
//! `packet`, `listener`, `coverage`, `address` and `maps`. All but `family` loads on Linux 5.15 without
//! kernel type information (no CO-RE). How they are attached is in the daemon's `kernel` folder.
//!
//! Function names differ from section names because the linker takes both for symbols.
#![no_std]
#![no_main]

mod address;
mod ask;
mod bind;
mod connect;
mod coverage;
mod egress;
mod family;
mod hold;
mod listener;
mod maps;
mod membership;
mod packet;
mod peer;
mod request;
mod socket;

use aya_ebpf::macros::{
    cgroup_skb, cgroup_sock, cgroup_sock_addr, cgroup_sockopt, lsm_cgroup, sock_ops,
};
use aya_ebpf::programs::{
    LsmContext, SkBuffContext, SockAddrContext, SockContext, SockOpsContext, SockoptContext,
};

/// "Go on", of programs on addresses and sockets.
const PASS: i32 = 1;
/// Their "no": `EPERM`, or what `bpf_set_retval` said before.
const REFUSE: i32 = 0;

#[cgroup_sock(sock_create)]
pub fn gw_socket(ctx: SockContext) -> i32 {
    socket::create(ctx.sock)
}

#[lsm_cgroup(hook = "socket_create")]
pub fn gw_family(ctx: LsmContext) -> i32 {
    family::create(&ctx)
}

#[cgroup_sock_addr(bind4)]
pub fn gw_bind4(ctx: SockAddrContext) -> i32 {
    bind::bind4(ctx.sock_addr)
}

#[cgroup_sock_addr(bind6)]
pub fn gw_bind6(ctx: SockAddrContext) -> i32 {
    bind::bind6(ctx.sock_addr)
}

#[cgroup_sock_addr(connect4)]
pub fn gw_connect4(ctx: SockAddrContext) -> i32 {
    connect::connect4(ctx.sock_addr)
}

#[cgroup_sock_addr(connect6)]
pub fn gw_connect6(ctx: SockAddrContext) -> i32 {
    connect::connect6(ctx.sock_addr)
}

#[cgroup_sock_addr(sendmsg4)]
pub fn gw_sendmsg4(ctx: SockAddrContext) -> i32 {
    ask::sendmsg4(ctx.sock_addr)
}

#[cgroup_sock_addr(sendmsg6)]
pub fn gw_sendmsg6(ctx: SockAddrContext) -> i32 {
    ask::sendmsg6(ctx.sock_addr)
}

#[cgroup_sock_addr(recvmsg4)]
pub fn gw_recvmsg4(ctx: SockAddrContext) -> i32 {
    peer::shown4(ctx.sock_addr)
}

#[cgroup_sock_addr(recvmsg6)]
pub fn gw_recvmsg6(ctx: SockAddrContext) -> i32 {
    peer::shown6(ctx.sock_addr)
}

#[cgroup_sock_addr(getpeername4)]
pub fn gw_peername4(ctx: SockAddrContext) -> i32 {
    peer::shown4(ctx.sock_addr)
}

#[cgroup_sock_addr(getpeername6)]
pub fn gw_peername6(ctx: SockAddrContext) -> i32 {
    peer::shown6(ctx.sock_addr)
}

#[cgroup_sock_addr(getsockname4)]
pub fn gw_sockname4(ctx: SockAddrContext) -> i32 {
    peer::own4(ctx.sock_addr)
}

#[cgroup_sock_addr(getsockname6)]
pub fn gw_sockname6(ctx: SockAddrContext) -> i32 {
    peer::own6(ctx.sock_addr)
}

#[cgroup_sockopt(setsockopt)]
pub fn gw_setsockopt(ctx: SockoptContext) -> i32 {
    membership::setsockopt(ctx.sockopt)
}

#[sock_ops]
pub fn gw_repeat(ctx: SockOpsContext) -> u32 {
    hold::hasten(ctx.ops);
    1
}

#[cgroup_skb(egress)]
pub fn gw_egress(ctx: SkBuffContext) -> i32 {
    egress::egress(ctx.skb.skb)
}

/// What of this package's licences the kernel asks about: it takes programs at security hooks only under
/// the GPL or beside it. Nothing here needs a helper that is reserved for such.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
