//! `setsockopt`: keeps agents from joining multicast groups, from choosing who receives, and from
//! leaving connections half open.
//!
//! The kernel reports a membership to the network by itself, in packets without a socket that
//! `egress` never sees; the group's address, up to 14 bytes of the agent's choice, is in them.
//! A program on a group of sockets that share a port (`SO_REUSEPORT`) sends datagrams to another of
//! them than `egress` finds. A TCP socket that drops what comes back leaves its connection half open: a
//! few thousand of these, and the kernel begins all others in that network namespace by SYN cookies,
//! which leave the daemon no SYN to know them by. No other option is looked at.

use aya_ebpf::bindings::{bpf_sock, bpf_sockopt};
use core::ptr::{addr_of, addr_of_mut, read_volatile, write_volatile};
use gateway_common::coverage::Kind;

use crate::address::{AF_INET, AF_INET6, Address};
use crate::connect::SOCK_STREAM;
use crate::coverage::{self, Happened};
use crate::listener::{IPPROTO_TCP, IPPROTO_UDP};
use crate::maps::{OWN, attached, on_socket};
use crate::{PASS, REFUSE};

const SOL_SOCKET: i32 = 1;
const SO_ATTACH_FILTER: i32 = 26;
const SO_ATTACH_BPF: i32 = 50;
const SO_ATTACH_REUSEPORT_CBPF: i32 = 51;
const SO_ATTACH_REUSEPORT_EBPF: i32 = 52;
const SOL_IP: i32 = 0;
const SOL_IPV6: i32 = 41;
const IP_MINTTL: i32 = 21;
const IPV6_MINHOPCOUNT: i32 = 73;
const IP_ADD_MEMBERSHIP: i32 = 35;
const IP_ADD_SOURCE_MEMBERSHIP: i32 = 39;
const IPV6_ADD_MEMBERSHIP: i32 = 20;
const IPV6_JOIN_ANYCAST: i32 = 27;
const MCAST_JOIN_GROUP: i32 = 42;
const MCAST_JOIN_SOURCE_GROUP: i32 = 46;

#[inline(always)]
pub fn setsockopt(ctx: *mut bpf_sockopt) -> i32 {
    // SAFETY: the kernel passes a live context; the verifier checks each offset.
    let (sk, level, option): (*mut bpf_sock, i32, i32) = unsafe {
        (
            read_volatile(addr_of!((*ctx).__bindgen_anon_1.sk)),
            read_volatile(addr_of!((*ctx).level)),
            read_volatile(addr_of!((*ctx).optname)),
        )
    };
    let is_joining = match level {
        SOL_IP => matches!(
            option,
            IP_ADD_MEMBERSHIP
                | IP_ADD_SOURCE_MEMBERSHIP
                | MCAST_JOIN_GROUP
                | MCAST_JOIN_SOURCE_GROUP
        ),
        SOL_IPV6 => matches!(
            option,
            IPV6_ADD_MEMBERSHIP | IPV6_JOIN_ANYCAST | MCAST_JOIN_GROUP | MCAST_JOIN_SOURCE_GROUP
        ),
        _ => false,
    };
    let is_choosing = level == SOL_SOCKET
        && matches!(option, SO_ATTACH_REUSEPORT_CBPF | SO_ATTACH_REUSEPORT_EBPF);
    // SAFETY: as above; the socket of a live context.
    let (family, kind) = unsafe {
        (
            read_volatile(addr_of!((*sk).family)),
            read_volatile(addr_of!((*sk).type_)),
        )
    };
    let is_dropping = matches!(
        (level, option),
        (SOL_SOCKET, SO_ATTACH_FILTER | SO_ATTACH_BPF)
            | (SOL_IP, IP_MINTTL)
            | (SOL_IPV6, IPV6_MINHOPCOUNT)
    ) && kind == SOCK_STREAM
        && matches!(family, AF_INET | AF_INET6);
    let (kind, protocol) = match (is_joining, is_choosing, is_dropping) {
        (true, ..) => (Kind::Multicast, IPPROTO_UDP),
        (_, true, _) => (Kind::LocalService, IPPROTO_UDP),
        (.., true) => (Kind::OtherSocket, IPPROTO_TCP),
        _ => {
            // "Take the caller's value as it is": the kernel has copied a page of it at most, and
            // would refuse a longer one.
            // SAFETY: as above; the hook may write this field.
            unsafe { write_volatile(addr_of_mut!((*ctx).optlen), 0) };
            return PASS;
        }
    };
    let own = on_socket(&OWN, sk.cast());
    let happened = Happened {
        attached: attached(),
        kind,
        destination: Address::NONE,
        port: 0,
        family,
        protocol,
    };
    coverage::tell(&happened, |process| coverage::maker(own, process));
    REFUSE
}
