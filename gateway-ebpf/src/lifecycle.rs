//! The sock_ops program: carries a record from the agent's socket to the one the daemon accepts.
//!
//! It runs in attached cgroups, where it publishes the record under the connection's source
//! address before the SYN leaves, and in the daemon's cgroup, where it moves it to the accepted
//! socket before `accept(2)` can return that socket. A lookup by source address in user space
//! would confuse connections that reuse a port; the accepted socket belongs to one connection.

use aya_ebpf::bindings::{
    BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB, BPF_SOCK_OPS_TCP_CONNECT_CB, BPF_SOCK_OPS_TIMEOUT_INIT,
    bpf_sock, bpf_sock_ops,
};
use aya_ebpf::helpers::generated::bpf_get_netns_cookie;
use core::ptr::{addr_of, read_volatile};
use gateway_common::counter::Counter;
use gateway_common::origin::Origin;
use gateway_common::source::Source;

use crate::address::{AF_INET, Address};
use crate::hold;
use crate::maps::{
    AFLOW, FLOW, Flow, SRC, count, on_socket, on_socket_or_new, remove_from_socket, settings,
};

/// The fields of the context, read once and before any branch (see `request`).
struct Event {
    ctx: *mut bpf_sock_ops,
    sk: *mut bpf_sock,
    family: u32,
    local: (u32, [u32; 4], u16),
    remote: (u32, [u32; 4], u16),
}

#[inline(always)]
pub fn event(ctx: *mut bpf_sock_ops) {
    // SAFETY: the kernel passes a live context; the verifier checks each offset.
    let op = unsafe { read_volatile(addr_of!((*ctx).op)) };
    if op == BPF_SOCK_OPS_TIMEOUT_INIT {
        return hold::hasten(ctx);
    }
    if op != BPF_SOCK_OPS_TCP_CONNECT_CB && op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB {
        return;
    }
    let event = read(ctx);
    if event.sk.is_null() {
        return;
    }
    if op == BPF_SOCK_OPS_TCP_CONNECT_CB {
        publish(&event);
    } else if event.local.2 == settings().port {
        deliver(&event);
    }
}

#[inline(always)]
fn read(ctx: *mut bpf_sock_ops) -> Event {
    // SAFETY: as above. The kernel keeps the local port in host order and the remote one in
    // network order in the upper half.
    unsafe {
        Event {
            ctx,
            sk: read_volatile(addr_of!((*ctx).__bindgen_anon_2.sk)),
            family: read_volatile(addr_of!((*ctx).family)),
            local: (
                read_volatile(addr_of!((*ctx).local_ip4)),
                [
                    read_volatile(addr_of!((*ctx).local_ip6[0])),
                    read_volatile(addr_of!((*ctx).local_ip6[1])),
                    read_volatile(addr_of!((*ctx).local_ip6[2])),
                    read_volatile(addr_of!((*ctx).local_ip6[3])),
                ],
                read_volatile(addr_of!((*ctx).local_port)) as u16,
            ),
            remote: (
                read_volatile(addr_of!((*ctx).remote_ip4)),
                [
                    read_volatile(addr_of!((*ctx).remote_ip6[0])),
                    read_volatile(addr_of!((*ctx).remote_ip6[1])),
                    read_volatile(addr_of!((*ctx).remote_ip6[2])),
                    read_volatile(addr_of!((*ctx).remote_ip6[3])),
                ],
                u32::from_be(read_volatile(addr_of!((*ctx).remote_port))) as u16,
            ),
        }
    }
}

/// The agent's side, before the SYN: the source port is known from here on.
#[inline(always)]
fn publish(event: &Event) {
    let flow: *mut Flow = on_socket(&FLOW, event.sk.cast());
    if flow.is_null() {
        return;
    }
    // SAFETY: not null, hence a live value of this socket, which `connect` has locked.
    let flow = unsafe { &mut *flow };
    if flow.in_connect != 1 {
        return;
    }
    flow.in_connect = 0;
    // An IPv6 socket on its way to a mapped address is a IPv4 connection; its IPv6 fields are not
    // set yet on every kernel.
    let (ip4, ip6, port) = event.local;
    let ip = if Address::from_bytes(flow.origin.destination).is_v4() {
        Address::v4(ip4)
    } else {
        Address(ip6)
    };
    flow.origin.source = ip.bytes();
    flow.origin.source_port = port;
    // That of a held one is published when its SYN leaves.
    if flow.hold == 0 {
        publish_record(&flow.origin);
    }
}

/// Puts a record where the daemon's side finds it. A stale entry of an earlier connection from this
/// port is overwritten. Without memory for a new one the daemon misses the record and refuses.
#[inline(always)]
pub fn publish_record(origin: &Origin) {
    let source = Source {
        netns: origin.netns,
        ip: origin.source,
        port: u64::from(origin.source_port),
    };
    let _missed_and_refused = SRC.insert(&source, origin, 0);
}

/// The daemon's side, at the end of the handshake: nobody else has the new socket yet.
#[inline(always)]
fn deliver(event: &Event) {
    let (ip4, ip6, port) = event.remote;
    let ip = if event.family == AF_INET {
        Address::v4(ip4)
    } else {
        Address(ip6)
    };
    let key = key(event, ip, port);
    let Some(published) = SRC.get_ptr(&key) else {
        count(Counter::Missed);
        return;
    };
    let accepted: *mut Origin = on_socket_or_new(&AFLOW, event.sk.cast(), published);
    // INVARIANT: a delivered record is whole and this connection's. Under pressure the map may
    // have given the entry to another connection while it was copied; that our key could still
    // be removed afterwards shows that it had not. The kernel tests check it by reusing ports.
    if SRC.remove(&key).is_err() || accepted.is_null() {
        remove_from_socket(&AFLOW, event.sk.cast());
        count(Counter::Missed);
        return;
    }
    count(Counter::Delivered);
}

#[inline(always)]
fn key(event: &Event, ip: Address, port: u16) -> Source {
    Source {
        // SAFETY: the context is live.
        netns: unsafe { bpf_get_netns_cookie(event.ctx.cast()) },
        ip: ip.bytes(),
        port: u64::from(port),
    }
}
