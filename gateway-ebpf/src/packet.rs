//! The headers of a packet that leaves: IPv4 or IPv6, then TCP or UDP, with nothing in between.

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::bpf_skb_load_bytes;
use core::mem::MaybeUninit;
use core::ptr::{addr_of, read_volatile};

use crate::address::{AF_INET, AF_INET6, Address};
use crate::listener::{IPPROTO_TCP, IPPROTO_UDP, Way};

pub const TCP_SYN: u8 = 2;
pub const TCP_ACK: u8 = 16;

const ETH_P_IP: u16 = 0x0800;
/// "More fragments", and the offset, in IPv4's word for them.
const FRAGMENT: u16 = 0x3fff;
/// Version 4 and a header of five words, which is one without options.
const PLAIN_IP4: u8 = 0x45;

/// What the headers say.
pub struct Packet {
    /// Whether this is all there is: no IPv4 options, no fragment, no IPv6 extension header, and
    /// TCP or UDP. Otherwise ports and flags are zero, and an address may not be the one that the
    /// packet goes to.
    pub is_plain: bool,
    pub family: u32,
    pub protocol: u32,
    pub from: Address,
    pub to: Address,
    /// Host order.
    pub from_port: u16,
    /// Likewise.
    pub to_port: u16,
    /// 0 for UDP.
    pub tcp_flags: u8,
    /// TCP's sequence number, host order; 0 for UDP.
    pub sequence: u32,
    /// Whether anything comes behind TCP's header.
    pub has_data: bool,
}

#[repr(C)]
struct Ip4 {
    version_and_length: u8,
    tos: u8,
    total: u16,
    id: u16,
    fragment: u16,
    ttl: u8,
    protocol: u8,
    checksum: u16,
    from: u32,
    to: u32,
}

#[repr(C)]
struct Ip6 {
    version_and_flow: u32,
    payload: u16,
    next_header: u8,
    hop_limit: u8,
    from: [u32; 4],
    to: [u32; 4],
}

/// The part of TCP's header up to the flags; its first two fields are UDP's as well.
#[repr(C)]
struct Tcp {
    from: u16,
    to: u16,
    seq: u32,
    ack: u32,
    offset: u8,
    flags: u8,
    window: u16,
}

impl Packet {
    const NOTHING: Self = Self {
        is_plain: false,
        family: 0,
        protocol: 0,
        from: Address::NONE,
        to: Address::NONE,
        from_port: 0,
        to_port: 0,
        tcp_flags: 0,
        sequence: 0,
        has_data: false,
    };

    #[inline(always)]
    pub fn read(ctx: *mut __sk_buff) -> Self {
        // SAFETY: the kernel passes a live context; the verifier checks each offset.
        let protocol = unsafe { read_volatile(addr_of!((*ctx).protocol)) };
        if u16::from_be(protocol as u16) == ETH_P_IP {
            let Some(ip) = load::<Ip4>(ctx, 0) else {
                return Self::NOTHING;
            };
            let packet = Self {
                is_plain: ip.version_and_length == PLAIN_IP4
                    && u16::from_be(ip.fragment) & FRAGMENT == 0,
                family: AF_INET,
                protocol: u32::from(ip.protocol),
                from: Address::v4(ip.from),
                to: Address::v4(ip.to),
                ..Self::NOTHING
            };
            packet.with_transport(ctx, size_of::<Ip4>() as u32)
        } else {
            let Some(ip) = load::<Ip6>(ctx, 0) else {
                return Self::NOTHING;
            };
            let packet = Self {
                // The kernel sends to mapped addresses by IPv4, so this is no doing of its own.
                is_plain: !Address(ip.to).is_v4(),
                family: AF_INET6,
                protocol: u32::from(ip.next_header),
                from: Address(ip.from),
                to: Address(ip.to),
                ..Self::NOTHING
            };
            packet.with_transport(ctx, size_of::<Ip6>() as u32)
        }
    }

    #[inline(always)]
    pub fn way(&self, protocol: u32) -> Way {
        Way {
            protocol,
            from: (self.from, self.from_port),
            to: (self.to, self.to_port),
        }
    }

    #[inline(always)]
    fn with_transport(mut self, ctx: *mut __sk_buff, offset: u32) -> Self {
        if !self.is_plain {
            return self;
        }
        match self.protocol {
            IPPROTO_TCP => {
                if let Some(tcp) = load::<Tcp>(ctx, offset) {
                    self.from_port = u16::from_be(tcp.from);
                    self.to_port = u16::from_be(tcp.to);
                    self.tcp_flags = tcp.flags;
                    self.sequence = u32::from_be(tcp.seq);
                    // The upper half counts words of four bytes.
                    let header = u32::from(tcp.offset >> 4) * 4;
                    // SAFETY: the kernel passes a live context.
                    let length = unsafe { read_volatile(addr_of!((*ctx).len)) };
                    self.has_data = length > offset + header;
                    return self;
                }
            }
            IPPROTO_UDP => {
                if let Some([from, to]) = load::<[u16; 2]>(ctx, offset) {
                    self.from_port = u16::from_be(from);
                    self.to_port = u16::from_be(to);
                    return self;
                }
            }
            _ => {}
        }
        self.is_plain = false;
        self
    }
}

/// Bytes of the packet as a header; none if it is shorter.
#[inline(always)]
fn load<T>(ctx: *mut __sk_buff, offset: u32) -> Option<T> {
    let mut header = MaybeUninit::<T>::uninit();
    // SAFETY: the buffer is ours and of the size told. `T` is integers only, so that any bytes
    // are a valid value, and the helper fills all of them or fails.
    unsafe {
        let failed = bpf_skb_load_bytes(
            ctx.cast(),
            offset,
            header.as_mut_ptr().cast(),
            size_of::<T>() as u32,
        );
        (failed == 0).then(|| header.assume_init())
    }
}
