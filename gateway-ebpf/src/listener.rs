//! Who receives at an address of this host: the daemon, an agent, or somebody else.
//!
//! Asked before a connection or datagram is let through, of the kernel's own tables and in the
//! network namespace of the socket, so that the answer is about the socket which would get it.

use aya_ebpf::bindings::{bpf_sock, bpf_sock_tuple};
use aya_ebpf::helpers::generated::{
    bpf_ktime_get_coarse_ns, bpf_sk_lookup_tcp, bpf_sk_lookup_udp, bpf_sk_release,
};
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr::{addr_of, addr_of_mut, read_volatile, write_volatile};
use gateway_common::{HEARTBEAT_LIMIT_NS, HUNG_AFTER_NS};

use crate::address::Address;
use crate::maps::{HEARTBEAT, LMARK, OWN, on_socket, settings};

pub const IPPROTO_TCP: u32 = 6;
pub const IPPROTO_UDP: u32 = 17;

const TCP_LISTEN: u32 = 10;
/// The namespace of the socket itself.
const CURRENT_NETNS: u64 = u64::MAX;

/// The way of a connection or datagram: from, to.
#[derive(Clone, Copy)]
pub struct Way {
    pub protocol: u32,
    pub from: (Address, u16),
    pub to: (Address, u16),
}

/// What is to be said of the daemon.
pub enum Daemon {
    /// It serves; its thread group id.
    Serving(u32),
    /// Nobody listens, but its heart beats: it is about to, after a restart or in a network
    /// namespace that is new to it.
    Awaited,
    /// Nobody listens.
    Absent,
    /// Somebody without the mark does.
    Usurped,
    /// It listens, but its heart has missed some beats: it hangs, or the machine is busy. Its thread
    /// group id.
    Late(u32),
    /// It listens, but its heart has stopped.
    Hung,
}

enum Heart {
    Beats,
    Late,
    Stopped,
}

impl Way {
    /// To the daemon's socket for this kind of address.
    #[inline(always)]
    pub fn to_daemon(protocol: u32, target: Address) -> Self {
        Self {
            protocol,
            from: (Address::NONE, 0),
            to: (target, settings().port),
        }
    }
}

/// Whether the daemon would receive it, and serve.
#[inline(always)]
pub fn daemon(ctx: *mut c_void, way: Way) -> Daemon {
    let listener = receiver(ctx, way, |sk| {
        let mark = on_socket(&LMARK, sk.cast());
        // SAFETY: if not null, a live value of this socket.
        Some((!mark.is_null()).then(|| unsafe { (*mark).tgid }))
    });
    match listener {
        None => match heart() {
            Heart::Beats => Daemon::Awaited,
            Heart::Late | Heart::Stopped => Daemon::Absent,
        },
        Some(None) => Daemon::Usurped,
        Some(Some(tgid)) => match heart() {
            Heart::Beats => Daemon::Serving(tgid),
            Heart::Late => Daemon::Late(tgid),
            Heart::Stopped => Daemon::Hung,
        },
    }
}

/// Whether a socket of this attached cgroup would receive it.
#[inline(always)]
pub fn is_of(ctx: *mut c_void, way: Way, attached: u64) -> bool {
    let is_theirs = receiver(ctx, way, |sk| {
        let own = on_socket(&OWN, sk.cast());
        // SAFETY: if not null, a live value of this socket.
        Some(!own.is_null() && unsafe { (*own).attached } == attached)
    });
    is_theirs.unwrap_or(false)
}

/// Who is at the other end of a stream.
pub enum Peer {
    /// A connected socket of this attached cgroup, or somebody's (0).
    Connected(u64),
    /// It is being accepted by a listener of this attached cgroup, or somebody's (0).
    Accepting(u64),
}

/// The socket that has the other end of a TCP connection. None: there is none any more.
#[inline(always)]
pub fn peer(ctx: *mut c_void, way: Way) -> Option<Peer> {
    look_up(ctx, way, &|sk| {
        let own = on_socket(&OWN, sk.cast());
        let owner = if own.is_null() {
            0
        } else {
            // SAFETY: not null, hence a live value of this socket.
            unsafe { (*own).attached }
        };
        // SAFETY: `look_up` passes a socket that it holds a reference to.
        let state = unsafe { read_volatile(addr_of!((*sk).state)) };
        Some(if state == TCP_LISTEN {
            Peer::Accepting(owner)
        } else {
            Peer::Connected(owner)
        })
    })
}

/// Looks at the socket that would receive it. For TCP that is a listener: what is found first may
/// be the rest of an earlier connection between the same ports, which gives way to a new one.
#[inline(always)]
fn receiver<T>(ctx: *mut c_void, way: Way, look: impl Fn(*mut bpf_sock) -> Option<T>) -> Option<T> {
    // None: it is not a listener. Some(None): it is, and not the one that is looked for.
    let look_at_listener = |sk: *mut bpf_sock| {
        // SAFETY: `look_up` passes a socket that it holds a reference to.
        let state = unsafe { read_volatile(addr_of!((*sk).state)) };
        (way.protocol != IPPROTO_TCP || state == TCP_LISTEN).then(|| look(sk))
    };
    if let Some(found) = look_up(ctx, way, &look_at_listener) {
        return found;
    }
    if way.protocol != IPPROTO_TCP || way.from.1 == 0 {
        return None;
    }
    let anyone = Way {
        from: (Address::NONE, 0),
        ..way
    };
    look_up(ctx, anyone, &look_at_listener)?
}

#[inline(always)]
fn look_up<T>(ctx: *mut c_void, way: Way, look: &impl Fn(*mut bpf_sock) -> Option<T>) -> Option<T> {
    let mut tuple = MaybeUninit::<bpf_sock_tuple>::uninit();
    let size = write_tuple(tuple.as_mut_ptr(), &way);
    let tuple = tuple.as_mut_ptr();
    // SAFETY: context and tuple are live; the reference is released below on every path.
    let sk = unsafe {
        if way.protocol == IPPROTO_TCP {
            bpf_sk_lookup_tcp(ctx, tuple, size, CURRENT_NETNS, 0)
        } else {
            bpf_sk_lookup_udp(ctx, tuple, size, CURRENT_NETNS, 0)
        }
    };
    if sk.is_null() {
        return None;
    }
    let found = look(sk);
    // SAFETY: taken above and not used any more.
    unsafe { bpf_sk_release(sk.cast()) };
    found
}

/// Volatile writes of all bytes that count, because zeroing the whole would be a call to memset.
/// Returns how many count.
#[inline(always)]
fn write_tuple(tuple: *mut bpf_sock_tuple, way: &Way) -> u32 {
    let (from, from_port) = way.from;
    let (to, to_port) = way.to;
    let [fa, fb, fc, fd] = from.0;
    let [ta, tb, tc, td] = to.0;
    // SAFETY: the tuple is the caller's own, and each field is in it.
    unsafe {
        if to.is_v4() {
            let tuple = addr_of_mut!((*tuple).__bindgen_anon_1.ipv4);
            write_volatile(addr_of_mut!((*tuple).saddr), fd);
            write_volatile(addr_of_mut!((*tuple).daddr), td);
            write_volatile(addr_of_mut!((*tuple).sport), from_port.to_be());
            write_volatile(addr_of_mut!((*tuple).dport), to_port.to_be());
            12
        } else {
            let tuple = addr_of_mut!((*tuple).__bindgen_anon_1.ipv6);
            let (from, to) = (addr_of_mut!((*tuple).saddr), addr_of_mut!((*tuple).daddr));
            write_volatile(addr_of_mut!((*from)[0]), fa);
            write_volatile(addr_of_mut!((*from)[1]), fb);
            write_volatile(addr_of_mut!((*from)[2]), fc);
            write_volatile(addr_of_mut!((*from)[3]), fd);
            write_volatile(addr_of_mut!((*to)[0]), ta);
            write_volatile(addr_of_mut!((*to)[1]), tb);
            write_volatile(addr_of_mut!((*to)[2]), tc);
            write_volatile(addr_of_mut!((*to)[3]), td);
            write_volatile(addr_of_mut!((*tuple).sport), from_port.to_be());
            write_volatile(addr_of_mut!((*tuple).dport), to_port.to_be());
            36
        }
    }
}

/// A daemon that is stopped or stuck still listens; agents would wait for it in its backlog.
#[inline(always)]
fn heart() -> Heart {
    let Some(last) = HEARTBEAT.get(0) else {
        return Heart::Stopped;
    };
    // SAFETY: a helper without preconditions. The clock is CLOCK_MONOTONIC, a tick behind.
    let now = unsafe { bpf_ktime_get_coarse_ns() };
    if now < *last + HEARTBEAT_LIMIT_NS {
        Heart::Beats
    } else if now < *last + HUNG_AFTER_NS {
        Heart::Late
    } else {
        Heart::Stopped
    }
}
