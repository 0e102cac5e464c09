//! `Settings`: what the daemon tells the programs when it loads them.
//!
//! They are constants to the verifier (`.rodata`), so that a branch for a helper this kernel does
//! not have is never looked at. Anything that changes while the daemon runs does not belong here.

/// Constants of one load of the programs. All zero means that every connection is refused.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Port of the daemon's listeners and resolver sockets on 127.0.0.1 and ::1, host order.
    pub port: u16,
    /// 1 where the kernel has `bpf_set_retval` for programs on addresses: refusals then carry
    /// their own errno instead of `EPERM`.
    pub has_set_retval: u16,
    /// Likewise for programs on the making of sockets.
    pub has_socket_retval: u16,
    /// How often a held SYN is repeated at most.
    pub syn_repeats: u16,
}

const _: () = assert!(size_of::<Settings>() == 8);

// SAFETY: integers without padding (the size is asserted above), so any bytes are a valid value
// and all bytes are initialised.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Settings {}
