//! `connect4` and `connect6`: sends an agent's TCP connection to the daemon, or refuses it.
//!
//! INVARIANT: a TCP socket created in an attached cgroup reaches the daemon or nothing. Every
//! return of PASS below is either after the rewrite, or for the daemon itself, or for sockets
//! that are not streams. The daemon's kernel tests check it. What happens after the SYN is in
//! `lifecycle`.

use aya_ebpf::bindings::{BPF_F_CURRENT_NETNS, bpf_sock, bpf_sock_addr, bpf_sock_tuple};
use aya_ebpf::helpers::generated::{
    bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid,
    bpf_get_current_uid_gid, bpf_get_netns_cookie, bpf_get_socket_cookie, bpf_ktime_get_boot_ns,
    bpf_set_retval, bpf_sk_lookup_tcp, bpf_sk_release,
};
use core::ffi::c_void;
use core::ptr::{addr_of, read_volatile, write_volatile};
use gateway_common::counter::Counter;
use gateway_common::mark::Mark;
use gateway_common::origin::Origin;

use crate::address::{AF_INET, AF_INET6, Address};
use crate::maps::{ATTACHED, FLOW, Flow, LMARK, count, on_socket, on_socket_or_new, settings};
use crate::{PASS, REFUSE};

const SOCK_STREAM: u32 = 1;
const IPPROTO_TCP: u32 = 6;
const TCP_LISTEN: u32 = 10;

const EPROTONOSUPPORT: i32 = 93;
const ENETUNREACH: i32 = 101;
const ECONNREFUSED: i32 = 111;

/// The fields of the context, read once and before any branch: the compiler would otherwise merge
/// reads of several branches into one through a computed pointer, which the verifier refuses.
struct Request {
    ctx: *mut bpf_sock_addr,
    sk: *mut bpf_sock,
    family: u32,
    destination: Address,
    port: u16,
    kind: u32,
    protocol: u32,
}

/// The process in whose name the hook runs.
struct Caller {
    tgid: u32,
    tid: u32,
}

#[inline(always)]
pub fn connect4(ctx: *mut bpf_sock_addr) -> i32 {
    // SAFETY: the kernel passes a live context; the verifier checks each offset.
    let request = unsafe {
        Request {
            ctx,
            sk: read_volatile(addr_of!((*ctx).__bindgen_anon_1.sk)),
            family: AF_INET,
            destination: Address::v4(read_volatile(addr_of!((*ctx).user_ip4))),
            port: port_of(read_volatile(addr_of!((*ctx).user_port))),
            kind: read_volatile(addr_of!((*ctx).type_)),
            protocol: read_volatile(addr_of!((*ctx).protocol)),
        }
    };
    let Some(_target) = redirect(&request) else {
        return REFUSE;
    };
    PASS
}

/// `user_port` holds 16 bits in network order.
#[inline(always)]
fn port_of(user_port: u32) -> u16 {
    u16::from_be(user_port as u16)
}
