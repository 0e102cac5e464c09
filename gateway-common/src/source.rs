//! `Source`: the far end of a connection or of a question, by which its record is found.

/// Key of the maps that hold records until somebody asks for them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// `SO_NETNS_COOKIE` of the network namespace.
    pub netns: u64,
    /// Source address, IPv4 as `::ffff:a.b.c.d`.
    pub ip: [u8; 16],
    /// Source port, host order.
    pub port: u64,
}

const _: () = assert!(size_of::<Source>() == 32);

// SAFETY: integers and bytes without padding (the size is asserted above), so any bytes are a
// valid value and all bytes are initialised.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Source {}
