//! `sock_create`: which IP sockets an agent may have, and the note on each whose it is.
//!
//! What neither `connect` nor `egress` understands is refused here, before it exists. Families
//! that are not IP do not come by.

use aya_ebpf::bindings::bpf_sock;
use aya_ebpf::helpers::generated::bpf_set_retval;
use core::ptr::{addr_of, read_volatile};
use gateway_common::coverage::Kind;

use crate::address::Address;
use crate::connect::{SOCK_DGRAM, SOCK_STREAM};
use crate::coverage::{self, Happened};
use crate::listener::{IPPROTO_TCP, IPPROTO_UDP};
use crate::maps::{attached, own_or_new, settings};
use crate::request::{EPERM, EPROTONOSUPPORT};
use crate::{PASS, REFUSE};

const SOCK_RAW: u32 = 3;
const IPPROTO_ICMP: u32 = 1;
const IPPROTO_ICMPV6: u32 = 58;
const IPPROTO_SCTP: u32 = 132;
const IPPROTO_UDPLITE: u32 = 136;
const IPPROTO_MPTCP: u32 = 262;
const ENOBUFS: i32 = 105;

#[inline(always)]
pub fn create(ctx: *mut bpf_sock) -> i32 {
    // SAFETY: the kernel passes a live context; the verifier checks each offset.
    let (family, kind, protocol) = unsafe {
        (
            read_volatile(addr_of!((*ctx).family)),
            read_volatile(addr_of!((*ctx).type_)),
            read_volatile(addr_of!((*ctx).protocol)),
        )
    };
    let attached = attached();
    let (refused, errno) = match (kind, protocol) {
        (SOCK_STREAM, 0 | IPPROTO_TCP) | (SOCK_DGRAM, 0 | IPPROTO_UDP) => {
            // An inner attached cgroup's program ran first, and it is theirs. While the attachment
            // is not told its name, the first use tells.
            if attached == 0 || !own_or_new(ctx.cast(), attached).is_null() {
                return PASS;
            }
            (Kind::NotReady, ENOBUFS)
        }
        (SOCK_RAW, _) => (Kind::Raw, EPERM),
        (SOCK_DGRAM, IPPROTO_ICMP | IPPROTO_ICMPV6) => (Kind::Ping, EPERM),
        // Programs take these answers for a kernel without the protocol, and fall back.
        (_, IPPROTO_MPTCP) => (Kind::Mptcp, EPROTONOSUPPORT),
        (_, IPPROTO_SCTP) => (Kind::Sctp, EPROTONOSUPPORT),
        (_, IPPROTO_UDPLITE) => (Kind::UdpLite, EPROTONOSUPPORT),
        _ => (Kind::OtherSocket, EPROTONOSUPPORT),
    };
    let happened = Happened {
        attached,
        kind: refused,
        destination: Address::NONE,
        port: 0,
        family,
        protocol,
    };
    coverage::tell(&happened, coverage::current);
    if settings().has_socket_retval == 1 {
        // SAFETY: the daemon saw that this kernel has the helper; elsewhere the verifier drops
        // this branch.
        unsafe { bpf_set_retval(-errno) };
    }
    REFUSE
}
