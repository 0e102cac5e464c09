//! Holds SYNs back until the daemon has reached the server, so that the agent's `connect` ends as
//! it would have without a gateway in between.
//!
//! `connect` decides whether to hold, the egress program drops the SYN and tells the daemon, again
//! at each repetition, until the daemon lets it go. What it has to say of a server that cannot be
//! reached is no business of these programs: it comes as an ICMP error.

use aya_ebpf::bindings::{BPF_SOCK_OPS_TIMEOUT_INIT, bpf_sock_ops};
use aya_ebpf::helpers::generated::{bpf_ktime_get_boot_ns, bpf_ringbuf_output, bpf_setsockopt};
use core::ffi::c_void;
use core::ptr::{addr_of, addr_of_mut, read_volatile, write_volatile};
use gateway_common::held::{Held, Reach, STEADY_FROM_NS, STEADY_UNTIL_NS};
use gateway_common::origin::Origin;
use gateway_common::own::Flow;

use crate::listener::Daemon;
use crate::maps::{DIAL, REACHABLE, VERDICT, as_map, flow_of, settings};

const SOL_TCP: i32 = 6;
const TCP_SYNCNT: i32 = 7;

/// Whether the server was reached a moment ago.
#[inline(always)]
pub fn is_reached(origin: &Origin) -> bool {
    match REACHABLE.get_ptr(Reach::from(origin)) {
        // SAFETY: a live value of the map; it is replaced as one word.
        Some(until) => unsafe { read_volatile(until) > origin.boot_ns },
        None => false,
    }
}

/// In `connect`: keeps the agent's kernel at it as long as without a gateway.
#[inline(always)]
pub fn persist(ctx: *mut c_void) {
    let repeats = i32::from(settings().syn_repeats);
    let value = addr_of!(repeats).cast_mut().cast();
    // SAFETY: the context is live, and the value is an int. Should it fail, the agent's kernel
    // only gives up sooner.
    unsafe { bpf_setsockopt(ctx, SOL_TCP, TCP_SYNCNT, value, 4) };
}

/// In sock_ops: repeats the SYN of a held socket after one tick rather than after a second. The other
/// events in a connection's life are nothing to us.
#[inline(always)]
pub fn hasten(ctx: *mut bpf_sock_ops) {
    // SAFETY: the kernel passes a live context; the verifier checks each offset.
    let (op, sk) = unsafe {
        (
            read_volatile(addr_of!((*ctx).op)),
            read_volatile(addr_of!((*ctx).__bindgen_anon_2.sk)),
        )
    };
    if op != BPF_SOCK_OPS_TIMEOUT_INIT || sk.is_null() {
        return;
    }
    let flow = flow_of(sk.cast());
    // SAFETY: if not null, a live value of this socket.
    if !flow.is_null() && unsafe { (*flow).hold } == 1 {
        // SAFETY: as above; the answer to this event is written here.
        unsafe { write_volatile(addr_of_mut!((*ctx).__bindgen_anon_1.reply), 1) };
    }
}

/// In egress: whether a SYN that is held may leave now; if not, the daemon is told of it.
///
/// INVARIANT: it leaves only for a listener with the daemon's mark, which is asked for again each
/// time: the daemon may have died since, and somebody taken its port.
#[inline(always)]
pub fn judge(flow: &mut Flow, daemon: &Daemon) -> bool {
    if matches!(daemon, Daemon::Serving(_)) && is_let_go(&flow.held.origin) {
        let _goes_with_its_socket = VERDICT.remove(flow.held.origin.cookie);
        flow.hold = 0;
        return true;
    }
    tell(&flow.held);
    false
}

/// In egress, of a SYN that is held: whether the next one is to come in half a second, and not after
/// twice the pause that was before this one.
#[inline(always)]
pub fn is_steady(flow: &Flow) -> bool {
    // SAFETY: a helper without preconditions.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    let waited = now.wrapping_sub(flow.held.origin.boot_ns);
    (STEADY_FROM_NS..STEADY_UNTIL_NS).contains(&waited)
}

/// Tells the daemon. What it does not hear now it hears with the next repetition.
#[inline(always)]
pub fn tell(held: &Held) {
    let held = core::ptr::from_ref(held).cast_mut().cast();
    // SAFETY: a whole `Held`, which the helper only reads.
    unsafe { bpf_ringbuf_output(as_map(&DIAL), held, size_of::<Held>() as u64, 0) };
}

#[inline(always)]
fn is_let_go(origin: &Origin) -> bool {
    match VERDICT.get_ptr(origin.cookie) {
        // SAFETY: a live value of the map, one word. An earlier connect of the socket had another.
        Some(connect) => unsafe { read_volatile(connect) == origin.boot_ns },
        None => false,
    }
}
