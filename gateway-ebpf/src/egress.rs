//! `egress`: the last look at each packet of an agent's socket before it leaves the kernel.
//!
//! INVARIANT: what leaves goes over the loopback device to the daemon, or to a socket of the same
//! attached cgroup, or is a datagram to a destination that the daemon allowed. `connect` refuses
//! early and with a good errno; this is what does not depend on how a packet came to be: routing
//! headers, sockets from before the attach, answers to somebody who connected to an agent.
//!
//! Packets that the kernel sends on its own account have no socket and do not come by: resets and
//! SYN cookies to whoever asked, and reports on multicast groups (see `membership`).

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::btf_maps::lpm_trie::Key;
use aya_ebpf::helpers::generated::bpf_sk_fullsock;
use core::ffi::c_void;
use core::ptr::{addr_of, read_volatile};
use gateway_common::coverage::Kind;
use gateway_common::datagram::{DatagramRule, EXACT_BITS};
use gateway_common::own::{Flow, Own};
use gateway_common::source::Source;

use crate::coverage::{self, Happened};
use crate::hold;
use crate::listener::{self, Daemon, IPPROTO_TCP, IPPROTO_UDP, Peer, Way};
use crate::maps::{ASKED, DATAGRAMS, OWN, SRC, attached, on_socket, settings};
use crate::packet::{Packet, TCP_ACK, TCP_SYN};

/// The packet goes on.
const SEND: i32 = 1;
/// It does not; a sender of datagrams sees `EPERM`, a TCP socket tries again.
const DROP: i32 = 0;
/// Likewise, for want of room in the network as the kernel understands it: a TCP socket tries again
/// after half a second (`TCP_RESOURCE_PROBE_INTERVAL`) and does not lengthen its pauses.
const CONGESTED: i32 = 2;

/// Number of the loopback device in every network namespace.
const LOOPBACK_DEVICE: u32 = 1;
const HTTPS: u16 = 443;

enum Verdict {
    Send,
    /// Uninspected.
    Let(Kind),
    Drop(Kind),
    /// Not now: it comes again, each time later.
    Hold,
    /// Not now: it comes again soon.
    HoldSteadily,
}

/// One packet, and the agent's socket it is of.
struct Leaving<'a> {
    ctx: *mut c_void,
    owner: u64,
    packet: &'a Packet,
    flow: &'a mut Flow,
}

#[inline(always)]
pub fn egress(ctx: *mut __sk_buff) -> i32 {
    // SAFETY: the kernel passes a live context; the verifier checks each offset.
    let (sk, device) = unsafe {
        (
            read_volatile(addr_of!((*ctx).__bindgen_anon_2.sk)),
            read_volatile(addr_of!((*ctx).ifindex)),
        )
    };
    if sk.is_null() {
        return DROP;
    }
    // SAFETY: not null, hence a socket. The kernel puts the listener here for a SYN-ACK.
    let sk: *mut c_void = unsafe { bpf_sk_fullsock(sk) }.cast();
    if sk.is_null() {
        return DROP;
    }
    let own: *mut Own = on_socket(&OWN, sk);
    let packet = Packet::read(ctx);
    let (verdict, owner) = if own.is_null() {
        (Verdict::Drop(Kind::Before), 0)
    } else {
        // SAFETY: not null, hence a live value of this socket. Whoever sends TCP has locked it, but for
        // the listener of a SYN-ACK and for datagrams: what is written at the same time then is one
        // socket's in any case.
        let own = unsafe { &mut *own };
        let mut leaving = Leaving {
            ctx: ctx.cast(),
            owner: own.attached,
            packet: &packet,
            flow: &mut own.flow,
        };
        (judge(&mut leaving, device), own.attached)
    };
    let (kind, answer) = match verdict {
        Verdict::Send => return SEND,
        Verdict::Hold => return DROP,
        Verdict::HoldSteadily => return CONGESTED,
        Verdict::Let(kind) => (kind, SEND),
        Verdict::Drop(kind) => (kind, DROP),
    };
    let told_to = match attached() {
        0 => owner,
        attached => attached,
    };
    let happened = Happened {
        attached: told_to,
        kind,
        destination: packet.to,
        port: packet.to_port,
        family: packet.family,
        protocol: packet.protocol,
    };
    coverage::tell(&happened, |process| coverage::maker(own, process));
    answer
}

#[inline(always)]
fn judge(leaving: &mut Leaving<'_>, device: u32) -> Verdict {
    let packet = leaving.packet;
    if !packet.is_plain {
        return Verdict::Drop(Kind::Header);
    }
    let is_local = packet.to.is_loopback();
    if is_local && device != LOOPBACK_DEVICE {
        return Verdict::Drop(Kind::Device);
    }
    let at_daemon = packet.to == packet.to.redirect_target() && packet.to_port == settings().port;
    match packet.protocol {
        IPPROTO_TCP => judge_segment(leaving, is_local, at_daemon),
        IPPROTO_UDP => judge_datagram(leaving, is_local, at_daemon),
        _ => Verdict::Drop(Kind::Header),
    }
}

/// The SYN decides: it is looked at with the address that it really goes to, each time it is sent.
/// What comes after belongs to a connection whose SYN passed, or to one that a process of this
/// host made to an agent's server.
#[inline(always)]
fn judge_segment(leaving: &mut Leaving<'_>, is_local: bool, at_daemon: bool) -> Verdict {
    let kind = leaving.packet.tcp_flags & (TCP_SYN | TCP_ACK);
    if !is_local {
        return Verdict::Drop(if kind == TCP_SYN | TCP_ACK {
            Kind::Inbound
        } else {
            Kind::Outside
        });
    }
    let is_held = leaving.flow.hold == 1;
    if kind != TCP_SYN && is_held {
        return Verdict::Drop(Kind::NoListener);
    }
    if !at_daemon {
        let way = leaving.packet.way(IPPROTO_TCP);
        return judge_direct(leaving, way, kind == TCP_SYN);
    }
    if kind != TCP_SYN {
        return Verdict::Send;
    }
    if leaving.flow.held.origin.cookie == 0 {
        return Verdict::Drop(Kind::Loop);
    }
    leaving.note_source();
    // The listener, whoever asks: from this packet's own port there may be the rest of an earlier
    // connection, which gives way.
    let way = Way::to_daemon(IPPROTO_TCP, leaving.packet.to);
    let daemon = listener::daemon(leaving.ctx, way);
    if is_held {
        // For the kernel to refuse it. Should somebody listen there by the time it arrives, that is
        // all that they get.
        if let Daemon::Absent = daemon {
            return Verdict::Send;
        }
        if !hold::judge(leaving.flow, &daemon) {
            return match hold::is_steady(leaving.flow) {
                true => Verdict::HoldSteadily,
                false => Verdict::Hold,
            };
        }
    }
    match daemon {
        Daemon::Absent | Daemon::Usurped | Daemon::Awaited => Verdict::Drop(Kind::NoListener),
        Daemon::Hung => Verdict::Drop(Kind::Hung),
        Daemon::Late(_) => Verdict::Hold,
        Daemon::Serving(_) if leaving.publish() => Verdict::Send,
        Daemon::Serving(_) => Verdict::Hold,
    }
}

/// To a server of the agent's own, or from one to its client. Several sockets may listen at one
/// address (`SO_REUSEPORT`), and not all of them need be the agent's: which of them got the SYN
/// is known only when it has answered. So nothing is said before: the SYN is empty, and the very
/// socket at the other end is looked at until it is the agent's.
#[inline(always)]
fn judge_direct(leaving: &mut Leaving<'_>, way: Way, is_syn: bool) -> Verdict {
    if is_syn {
        if leaving.packet.has_data {
            return Verdict::Drop(Kind::LocalService);
        }
        leaving.flow.unproven = 1;
        return leaving.to_own_server(way);
    }
    if leaving.flow.unproven == 0 {
        return Verdict::Send;
    }
    match listener::peer(leaving.ctx, way) {
        Some(Peer::Connected(owner)) if owner == leaving.owner => {
            leaving.flow.unproven = 0;
            Verdict::Send
        }
        Some(Peer::Accepting(owner)) if owner == leaving.owner => Verdict::Send,
        _ => Verdict::Drop(Kind::LocalService),
    }
}

#[inline(always)]
fn judge_datagram(leaving: &mut Leaving<'_>, is_local: bool, at_daemon: bool) -> Verdict {
    let way = leaving.packet.way(IPPROTO_UDP);
    if at_daemon {
        return to_resolver(leaving, way);
    }
    if is_local && let Verdict::Send = leaving.to_own_server(way) {
        return Verdict::Send;
    }
    if leaving.is_allowed() {
        return Verdict::Let(Kind::AllowedDatagram);
    }
    Verdict::Drop(match (is_local, leaving.packet.to_port) {
        (true, _) => Kind::LocalService,
        (false, HTTPS) => Kind::Quic,
        (false, _) => Kind::Datagram,
    })
}

/// The source is known only now: the record is put where the daemon finds it by who asked.
#[inline(always)]
fn to_resolver(leaving: &mut Leaving<'_>, way: Way) -> Verdict {
    if leaving.flow.held.origin.cookie == 0 {
        return Verdict::Drop(Kind::Loop);
    }
    match listener::daemon(leaving.ctx, way) {
        Daemon::Absent | Daemon::Usurped | Daemon::Awaited => {
            return Verdict::Drop(Kind::NoListener);
        }
        Daemon::Hung => return Verdict::Drop(Kind::Hung),
        Daemon::Serving(_) | Daemon::Late(_) => {}
    }
    leaving.note_source();
    // Without a record the resolver does not answer.
    let _refused_there = ASKED.insert(&leaving.source(), &leaving.flow.held.origin, 0);
    Verdict::Send
}

impl Leaving<'_> {
    /// Completes the record: from where it goes, and for TCP by which SYN, is known only now.
    #[inline(always)]
    fn note_source(&mut self) {
        let held = &mut self.flow.held;
        held.origin.source = self.packet.from.bytes();
        held.origin.source_port = self.packet.from_port;
        held.sequence = self.packet.sequence;
        self.flow.in_connect = 0;
    }

    /// By what the daemon finds the record.
    #[inline(always)]
    fn source(&self) -> Source {
        Source {
            netns: self.flow.held.origin.netns,
            ip: self.packet.from.bytes(),
            port: u32::from(self.packet.from_port),
            sequence: self.packet.sequence,
        }
    }

    /// Puts the record where the daemon finds it once it has accepted the connection that this SYN
    /// makes. Says whether it is there: without it the SYN must not leave.
    #[inline(always)]
    fn publish(&self) -> bool {
        SRC.insert(&self.source(), &self.flow.held.origin, 0)
            .is_ok()
    }

    #[inline(always)]
    fn to_own_server(&self, way: Way) -> Verdict {
        if listener::is_of(self.ctx, way, self.owner) {
            Verdict::Send
        } else {
            Verdict::Drop(Kind::LocalService)
        }
    }

    /// Whether the daemon allowed datagrams to this destination.
    #[inline(always)]
    fn is_allowed(&self) -> bool {
        let rule = DatagramRule {
            attached: self.owner.to_ne_bytes(),
            port: self.packet.to_port.to_be_bytes(),
            address: self.packet.to.bytes(),
        };
        DATAGRAMS.get(&Key::new(EXACT_BITS + 128, rule)).is_some()
    }
}
