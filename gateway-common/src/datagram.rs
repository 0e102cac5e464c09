//! `DatagramRule`: key of the prefix tree `DATAGRAMS`, which holds where datagrams may go.
//!
//! Byte arrays only, compared from the first bit on: the attached cgroup and the port always
//! count whole, of the address as much as the rule's prefix says.

/// Bits before the address.
pub const EXACT_BITS: u32 = 80;

/// What a datagram is looked up by.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramRule {
    /// Id of the attached cgroup, in the machine's byte order.
    pub attached: [u8; 8],
    /// Destination port, network order.
    pub port: [u8; 2],
    /// Destination, IPv4 as `::ffff:a.b.c.d`.
    pub address: [u8; 16],
}

const _: () = assert!(size_of::<DatagramRule>() == 26);

// SAFETY: byte arrays without padding (the size is asserted above), so any bytes are a valid
// value and all bytes are initialised.
#[cfg(feature = "user")]
unsafe impl aya::Pod for DatagramRule {}
