//! `Source`: one connection or question by its far end, by which its record is found.

/// Key of the maps that hold records until somebody asks for them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// `SO_NETNS_COOKIE` of the network namespace.
    pub netns: u64,
    /// Source address, IPv4 as `::ffff:a.b.c.d`.
    pub ip: [u8; 16],
    /// Source port, host order.
    pub port: u32,
    /// Sequence number of the SYN, host order: it tells apart the connections that come one after
    /// another from the same port. 0 for a question.
    pub sequence: u32,
}

const _: () = assert!(size_of::<Source>() == 32);

// SAFETY: integers and bytes without padding (the size is asserted above), so any bytes are a
// valid value and all bytes are initialised.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Source {}
