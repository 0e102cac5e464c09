//! `connect4` and `connect6`: sends an agent's TCP connection to the daemon, or refuses it.
//!
//! INVARIANT: a TCP socket created in an attached cgroup reaches the daemon or nothing. `Pass`
//! is said only for sockets that are not streams, for the daemon itself, and for a connection
//! that an inner attached cgroup has redirected already. The daemon's kernel tests check it. What
//! happens after the SYN is in `lifecycle`.

use aya_ebpf::bindings::{bpf_sock, bpf_sock_addr, bpf_sock_tuple};
use aya_ebpf::helpers::generated::{
    bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid,
    bpf_get_current_uid_gid, bpf_get_local_storage, bpf_get_netns_cookie, bpf_get_socket_cookie,
    bpf_ktime_get_boot_ns, bpf_set_retval, bpf_sk_lookup_tcp, bpf_sk_release,
};
use core::mem::MaybeUninit;
use core::ptr::{addr_of, addr_of_mut, read_volatile, write_volatile};
use gateway_common::counter::Counter;
use gateway_common::origin::Origin;

use crate::address::{AF_INET, AF_INET6, Address};
use crate::maps::{ATTACHED, FLOW, Flow, LMARK, count, on_socket, on_socket_or_new, settings};
use crate::{PASS, REFUSE};

const SOCK_STREAM: u32 = 1;
const IPPROTO_TCP: u32 = 6;
const TCP_LISTEN: u32 = 10;
/// The namespace of the socket itself.
const CURRENT_NETNS: u64 = u64::MAX;

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

enum Verdict {
    Pass,
    Refuse(Counter, i32),
    Redirect(Address),
}

#[inline(always)]
pub fn connect4(ctx: *mut bpf_sock_addr) -> i32 {
    // SAFETY: the kernel passes a live context; the verifier checks each offset.
    let ip = unsafe { read_volatile(addr_of!((*ctx).user_ip4)) };
    match judge(&request(ctx, AF_INET, Address::v4(ip))) {
        Verdict::Pass => PASS,
        Verdict::Refuse(counter, errno) => refuse(counter, errno),
        Verdict::Redirect(target) => {
            let [_, _, _, ip] = target.0;
            // SAFETY: as above; the hook may write these fields.
            unsafe { write_volatile(addr_of_mut!((*ctx).user_ip4), ip) };
            redirected(ctx)
        }
    }
}

#[inline(always)]
pub fn connect6(ctx: *mut bpf_sock_addr) -> i32 {
    // SAFETY: as above. Four reads, because the context allows no wider ones.
    let ip = unsafe {
        [
            read_volatile(addr_of!((*ctx).user_ip6[0])),
            read_volatile(addr_of!((*ctx).user_ip6[1])),
            read_volatile(addr_of!((*ctx).user_ip6[2])),
            read_volatile(addr_of!((*ctx).user_ip6[3])),
        ]
    };
    match judge(&request(ctx, AF_INET6, Address(ip))) {
        Verdict::Pass => PASS,
        Verdict::Refuse(counter, errno) => refuse(counter, errno),
        Verdict::Redirect(target) => {
            let [a, b, c, d] = target.0;
            // SAFETY: as above; the hook may write these fields.
            unsafe {
                write_volatile(addr_of_mut!((*ctx).user_ip6[0]), a);
                write_volatile(addr_of_mut!((*ctx).user_ip6[1]), b);
                write_volatile(addr_of_mut!((*ctx).user_ip6[2]), c);
                write_volatile(addr_of_mut!((*ctx).user_ip6[3]), d);
            }
            redirected(ctx)
        }
    }
}

#[inline(always)]
fn request(ctx: *mut bpf_sock_addr, family: u32, destination: Address) -> Request {
    // SAFETY: as above.
    unsafe {
        Request {
            ctx,
            sk: read_volatile(addr_of!((*ctx).__bindgen_anon_1.sk)),
            family,
            destination: destination.canonical(),
            // 16 bits in network order.
            port: u16::from_be(read_volatile(addr_of!((*ctx).user_port)) as u16),
            kind: read_volatile(addr_of!((*ctx).type_)),
            protocol: read_volatile(addr_of!((*ctx).protocol)),
        }
    }
}

#[inline(always)]
fn judge(request: &Request) -> Verdict {
    if request.kind != SOCK_STREAM {
        return Verdict::Pass;
    }
    if request.protocol != IPPROTO_TCP {
        // A stream nobody would look into. MPTCP is not one: its subflows come here as TCP.
        return Verdict::Refuse(Counter::Protocol, EPROTONOSUPPORT);
    }
    if request.port == 0 || request.destination.is_group() {
        return Verdict::Refuse(Counter::Destination, ENETUNREACH);
    }
    let target = request.destination.redirect_target();
    let Some(daemon) = listening_daemon(request.ctx, target) else {
        return Verdict::Refuse(Counter::NoListener, ECONNREFUSED);
    };
    // SAFETY: a helper without preconditions.
    let caller = unsafe { bpf_get_current_pid_tgid() };
    let tgid = (caller >> 32) as u32;
    if daemon == tgid {
        count(Counter::OwnProcess);
        return Verdict::Pass;
    }
    if request.destination == target && request.port == settings().port {
        return at_own_listener(request, tgid);
    }
    record(request, target, caller)
}

/// The destination is the daemon's own listener: either an inner attached cgroup's program has
/// redirected this very `connect` already, or the agent asks for it by its address.
#[inline(always)]
fn at_own_listener(request: &Request, tgid: u32) -> Verdict {
    let flow = on_socket(&FLOW, request.sk.cast());
    if !flow.is_null() {
        // SAFETY: not null, hence a live value of this socket.
        let (in_connect, whose) = unsafe { ((*flow).in_connect, (*flow).origin.tgid) };
        if in_connect == 1 && whose == tgid {
            return Verdict::Pass;
        }
    }
    Verdict::Refuse(Counter::Loop, ECONNREFUSED)
}

/// Thread group id in the mark of whoever listens at the redirect target, in the network
/// namespace of the agent's socket. None: nobody, or somebody without the mark.
#[inline(always)]
fn listening_daemon(ctx: *mut bpf_sock_addr, target: Address) -> Option<u32> {
    let mut tuple = MaybeUninit::<bpf_sock_tuple>::uninit();
    let size = write_tuple(tuple.as_mut_ptr(), target, settings().port.to_be());
    let tuple = tuple.as_mut_ptr();
    // SAFETY: context and tuple are live; the reference is released below on every path.
    let sk = unsafe { bpf_sk_lookup_tcp(ctx.cast(), tuple, size, CURRENT_NETNS, 0) };
    if sk.is_null() {
        return None;
    }
    let mut daemon = None;
    // SAFETY: not null, hence a socket we hold a reference to.
    if unsafe { read_volatile(addr_of!((*sk).state)) } == TCP_LISTEN {
        let mark = on_socket(&LMARK, sk.cast());
        if !mark.is_null() {
            // SAFETY: not null, hence a live value of this socket.
            daemon = Some(unsafe { (*mark).tgid });
        }
    }
    // SAFETY: taken above and not used any more.
    unsafe { bpf_sk_release(sk.cast()) };
    daemon
}

/// From anywhere to the redirect target. Volatile writes of all bytes that count, because zeroing
/// the whole would be a call to memset. Returns how many count.
#[inline(always)]
fn write_tuple(tuple: *mut bpf_sock_tuple, target: Address, port: u16) -> u32 {
    let [a, b, c, d] = target.0;
    // SAFETY: the tuple is the caller's own, and each field is in it.
    unsafe {
        if target.is_v4() {
            let tuple = addr_of_mut!((*tuple).__bindgen_anon_1.ipv4);
            write_volatile(addr_of_mut!((*tuple).saddr), 0);
            write_volatile(addr_of_mut!((*tuple).daddr), d);
            write_volatile(addr_of_mut!((*tuple).sport), 0);
            write_volatile(addr_of_mut!((*tuple).dport), port);
            12
        } else {
            let tuple = addr_of_mut!((*tuple).__bindgen_anon_1.ipv6);
            let (from, to) = (addr_of_mut!((*tuple).saddr), addr_of_mut!((*tuple).daddr));
            write_volatile(addr_of_mut!((*from)[0]), 0);
            write_volatile(addr_of_mut!((*from)[1]), 0);
            write_volatile(addr_of_mut!((*from)[2]), 0);
            write_volatile(addr_of_mut!((*from)[3]), 0);
            write_volatile(addr_of_mut!((*to)[0]), a);
            write_volatile(addr_of_mut!((*to)[1]), b);
            write_volatile(addr_of_mut!((*to)[2]), c);
            write_volatile(addr_of_mut!((*to)[3]), d);
            write_volatile(addr_of_mut!((*tuple).sport), 0);
            write_volatile(addr_of_mut!((*tuple).dport), port);
            36
        }
    }
}

/// Writes the record to the agent's socket; without it there is no redirect.
#[inline(always)]
fn record(request: &Request, target: Address, caller: u64) -> Verdict {
    // SAFETY: the map is this program's cgroup storage; the helper never fails.
    let attached =
        unsafe { *bpf_get_local_storage((&raw const ATTACHED).cast_mut().cast(), 0).cast::<u64>() };
    if attached == 0 {
        return Verdict::Refuse(Counter::NotReady, ECONNREFUSED);
    }
    let flow: *mut Flow = on_socket_or_new(&FLOW, request.sk.cast(), core::ptr::null());
    if flow.is_null() {
        return Verdict::Refuse(Counter::NotReady, ECONNREFUSED);
    }
    let ctx = request.ctx.cast();
    // SAFETY: helpers without preconditions; the context is live.
    let (ids, cookie, netns, cgroup, boot_ns) = unsafe {
        (
            bpf_get_current_uid_gid(),
            bpf_get_socket_cookie(ctx),
            bpf_get_netns_cookie(ctx),
            bpf_get_current_cgroup_id(),
            bpf_ktime_get_boot_ns(),
        )
    };
    // SAFETY: not null, hence a live value of this socket, which the caller has locked. Field by
    // field, because a whole value would be built by a call to memset; `lifecycle` writes the
    // source before anybody reads it.
    unsafe {
        let origin: *mut Origin = addr_of_mut!((*flow).origin);
        (*origin).cookie = cookie;
        (*origin).netns = netns;
        (*origin).cgroup = cgroup;
        (*origin).attached = attached;
        (*origin).boot_ns = boot_ns;
        (*origin).destination = request.destination.bytes();
        (*origin).destination_port = request.port;
        (*origin).family = request.family as u16;
        (*origin).protocol = request.protocol as u16;
        (*origin).tgid = (caller >> 32) as u32;
        (*origin).tid = caller as u32;
        (*origin).uid = ids as u32;
        (*origin).gid = (ids >> 32) as u32;
        bpf_get_current_comm(addr_of_mut!((*origin).comm).cast(), 16);
        (*flow).in_connect = 1;
    }
    Verdict::Redirect(target)
}

#[inline(always)]
fn redirected(ctx: *mut bpf_sock_addr) -> i32 {
    let port = u32::from(settings().port.to_be());
    // SAFETY: the context is live and the hook may write this field.
    unsafe { write_volatile(addr_of_mut!((*ctx).user_port), port) };
    count(Counter::Redirected);
    PASS
}

#[inline(always)]
fn refuse(counter: Counter, errno: i32) -> i32 {
    count(counter);
    if settings().has_set_retval == 1 {
        // SAFETY: the daemon saw that this kernel has the helper; elsewhere the verifier drops
        // this branch. Should it fail, the errno is EPERM.
        unsafe { bpf_set_retval(-errno) };
    }
    REFUSE
}
