//! What a program on addresses is asked, and how it answers.
//!
//! `connect`, `ask` and `bind` judge a [`Request`]; reading the context, writing the new address
//! to it, counting and refusing is here, once for IPv4 and IPv6.

use aya_ebpf::bindings::{bpf_sock, bpf_sock_addr};
use aya_ebpf::helpers::generated::{
    bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid,
    bpf_get_current_uid_gid, bpf_get_netns_cookie, bpf_get_socket_cookie, bpf_ktime_get_boot_ns,
    bpf_set_retval,
};
use core::ptr::{addr_of, addr_of_mut, read_volatile, write_volatile};
use gateway_common::coverage::Kind;
use gateway_common::origin::Origin;
use gateway_common::own::Own;

use crate::address::{AF_INET, AF_INET6, Address};
use crate::coverage::{self, Happened};
use crate::maps::{attached, own_or_new, settings};
use crate::{PASS, REFUSE};

pub const EPERM: i32 = 1;
pub const EPROTONOSUPPORT: i32 = 93;
pub const EADDRINUSE: i32 = 98;
pub const ENETUNREACH: i32 = 101;
pub const ECONNREFUSED: i32 = 111;

/// The fields of the context, read once and before any branch: the compiler would otherwise merge
/// reads of several branches into one through a computed pointer, which the verifier refuses.
pub struct Request {
    pub ctx: *mut bpf_sock_addr,
    pub sk: *mut bpf_sock,
    /// Of the socket, and of the hook.
    pub family: u32,
    /// The address as given; `connect` to the unspecified one means loopback.
    pub address: Address,
    /// Host order.
    pub port: u16,
    /// `SOCK_STREAM` or the like.
    pub kind: u32,
    pub protocol: u32,
}

/// What to do with a request.
pub enum Verdict {
    /// Go on; not ours to count.
    Pass,
    /// Go on as asked, uninspected.
    Let(Kind),
    /// No, with this errno.
    Refuse(Kind, i32),
    /// Go on to the daemon.
    Redirect(Kind, Address),
}

impl Request {
    #[inline(always)]
    pub fn read4(ctx: *mut bpf_sock_addr) -> Self {
        // SAFETY: the kernel passes a live context; the verifier checks each offset.
        let ip = unsafe { read_volatile(addr_of!((*ctx).user_ip4)) };
        Self::read(ctx, AF_INET, Address::v4(ip))
    }

    #[inline(always)]
    pub fn read6(ctx: *mut bpf_sock_addr) -> Self {
        // SAFETY: as above. Four reads, because the context allows no wider ones.
        let ip = unsafe {
            [
                read_volatile(addr_of!((*ctx).user_ip6[0])),
                read_volatile(addr_of!((*ctx).user_ip6[1])),
                read_volatile(addr_of!((*ctx).user_ip6[2])),
                read_volatile(addr_of!((*ctx).user_ip6[3])),
            ]
        };
        Self::read(ctx, AF_INET6, Address(ip))
    }

    #[inline(always)]
    fn read(ctx: *mut bpf_sock_addr, family: u32, address: Address) -> Self {
        // SAFETY: as above.
        unsafe {
            Self {
                ctx,
                sk: read_volatile(addr_of!((*ctx).__bindgen_anon_1.sk)),
                family,
                address,
                // 16 bits in network order.
                port: u16::from_be(read_volatile(addr_of!((*ctx).user_port)) as u16),
                kind: read_volatile(addr_of!((*ctx).type_)),
                protocol: read_volatile(addr_of!((*ctx).protocol)),
            }
        }
    }

    /// The note on the socket, made now for one from before; null when that cannot be.
    #[inline(always)]
    pub fn own(&self, attached: u64) -> *mut Own {
        own_or_new(self.sk.cast(), attached)
    }

    /// Carries the verdict out; the program's return value.
    #[inline(always)]
    pub fn answer(&self, verdict: Verdict) -> i32 {
        let (kind, errno) = match verdict {
            Verdict::Pass => return PASS,
            Verdict::Redirect(kind, target) => {
                self.write(target, settings().port);
                coverage::count(attached(), kind);
                return PASS;
            }
            Verdict::Let(kind) => (kind, 0),
            Verdict::Refuse(kind, errno) => (kind, errno),
        };
        let happened = Happened {
            attached: attached(),
            kind,
            destination: self.address.canonical(),
            port: self.port,
            family: self.family,
            protocol: self.protocol,
        };
        coverage::tell(&happened, coverage::current);
        if errno == 0 {
            return PASS;
        }
        if settings().has_set_retval == 1 {
            // SAFETY: the daemon saw that this kernel has the helper; elsewhere the verifier
            // drops this branch. Should it fail, the errno is EPERM.
            unsafe { bpf_set_retval(-errno) };
        }
        REFUSE
    }

    /// Puts another address in the place of the one asked for.
    #[inline(always)]
    pub fn write(&self, address: Address, port: u16) {
        let ctx = self.ctx;
        let [a, b, c, d] = address.0;
        // SAFETY: the context is live and the hook may write these fields.
        unsafe {
            if self.family == AF_INET {
                write_volatile(addr_of_mut!((*ctx).user_ip4), d);
            } else {
                write_volatile(addr_of_mut!((*ctx).user_ip6[0]), a);
                write_volatile(addr_of_mut!((*ctx).user_ip6[1]), b);
                write_volatile(addr_of_mut!((*ctx).user_ip6[2]), c);
                write_volatile(addr_of_mut!((*ctx).user_ip6[3]), d);
            }
            write_volatile(addr_of_mut!((*ctx).user_port), u32::from(port.to_be()));
        }
    }

    /// Writes the record of this request, into the note on its socket.
    #[inline(always)]
    pub fn record(&self, attached: u64, origin: &mut Origin) {
        let ctx = self.ctx.cast();
        // SAFETY: helpers without preconditions; the context is live.
        let (caller, ids) = unsafe { (bpf_get_current_pid_tgid(), bpf_get_current_uid_gid()) };
        // SAFETY: likewise, and there is room for 16 bytes of name. Field by field, because a whole
        // value would be built by a call to memset; the source is written by `egress` before
        // anybody reads it.
        unsafe {
            origin.cookie = bpf_get_socket_cookie(ctx);
            origin.netns = bpf_get_netns_cookie(ctx);
            origin.cgroup = bpf_get_current_cgroup_id();
            origin.boot_ns = bpf_ktime_get_boot_ns();
            bpf_get_current_comm(addr_of_mut!(origin.comm).cast(), 16);
        }
        origin.attached = attached;
        origin.destination = self.address.canonical().bytes();
        origin.destination_port = self.port;
        origin.family = self.family as u16;
        origin.protocol = self.protocol as u16;
        origin.tgid = (caller >> 32) as u32;
        origin.tid = caller as u32;
        origin.uid = ids as u32;
        origin.gid = (ids >> 32) as u32;
    }
}
