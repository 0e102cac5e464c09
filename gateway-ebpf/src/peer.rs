//! `getpeername4` and `getpeername6`: the agent sees the address it asked for.
//!
//! It reads what `connect` left on the socket. `getsockname` is left alone: on a redirected
//! connection it tells a loopback address.

use aya_ebpf::bindings::{bpf_sock, bpf_sock_addr};
use core::ptr::{addr_of, addr_of_mut, read_volatile, write_volatile};

use crate::PASS;
use crate::address::Address;
use crate::maps::{FLOW, on_socket, settings};

#[inline(always)]
pub fn getpeername4(ctx: *mut bpf_sock_addr) -> i32 {
    // SAFETY: the kernel passes a live context; the verifier checks each offset.
    let shown = Address::v4(unsafe { read_volatile(addr_of!((*ctx).user_ip4)) });
    if let Some((address, port)) = asked_for(ctx, shown) {
        let [_, _, _, ip] = address.0;
        // SAFETY: as above; the hook may write these fields.
        unsafe {
            write_volatile(addr_of_mut!((*ctx).user_ip4), ip);
            write_volatile(addr_of_mut!((*ctx).user_port), u32::from(port.to_be()));
        }
    }
    PASS
}

#[inline(always)]
pub fn getpeername6(ctx: *mut bpf_sock_addr) -> i32 {
    // SAFETY: as above. Four reads, because the context allows no wider ones.
    let shown = Address(unsafe {
        [
            read_volatile(addr_of!((*ctx).user_ip6[0])),
            read_volatile(addr_of!((*ctx).user_ip6[1])),
            read_volatile(addr_of!((*ctx).user_ip6[2])),
            read_volatile(addr_of!((*ctx).user_ip6[3])),
        ]
    });
    if let Some((address, port)) = asked_for(ctx, shown) {
        let [a, b, c, d] = address.0;
        // SAFETY: as above; the hook may write these fields.
        unsafe {
            write_volatile(addr_of_mut!((*ctx).user_ip6[0]), a);
            write_volatile(addr_of_mut!((*ctx).user_ip6[1]), b);
            write_volatile(addr_of_mut!((*ctx).user_ip6[2]), c);
            write_volatile(addr_of_mut!((*ctx).user_ip6[3]), d);
            write_volatile(addr_of_mut!((*ctx).user_port), u32::from(port.to_be()));
        }
    }
    PASS
}

/// The original destination, if the peer shown is the redirect target. A record may be older than
/// the connection (the cgroup was detached in between), hence the comparison.
#[inline(always)]
fn asked_for(ctx: *mut bpf_sock_addr, shown: Address) -> Option<(Address, u16)> {
    // SAFETY: as above.
    let (sk, port): (*mut bpf_sock, u32) = unsafe {
        (
            read_volatile(addr_of!((*ctx).__bindgen_anon_1.sk)),
            read_volatile(addr_of!((*ctx).user_port)),
        )
    };
    if u16::from_be(port as u16) != settings().port || shown != shown.redirect_target() {
        return None;
    }
    let flow = on_socket(&FLOW, sk.cast());
    if flow.is_null() {
        return None;
    }
    // SAFETY: not null, hence a live value of this socket.
    let origin = unsafe { &(*flow).origin };
    let address = Address::from_bytes(origin.destination);
    // Both of one kind, so that an IPv4 socket is never told an IPv6 address.
    (address.is_v4() == shown.is_v4()).then_some((address, origin.destination_port))
}
