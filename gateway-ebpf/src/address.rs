//! Addresses as the programs compare them: 16 bytes in network order, IPv4 as `::ffff:a.b.c.d`.
//!
//! Nothing here reads a context; `request` and `packet` do.

pub const AF_INET: u32 = 2;
pub const AF_INET6: u32 = 10;

/// 16 bytes as four words in network order, the form contexts have them in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Address(pub [u32; 4]);

const MAPPED: u32 = 0xffff_u32.to_be();
const LOOPBACK4: u32 = 0x7f00_0001_u32.to_be();

impl Address {
    /// 127.0.0.1, where IPv4 is redirected to.
    pub const LOCALHOST4: Self = Self([0, 0, MAPPED, LOOPBACK4]);
    /// ::, no address.
    pub const NONE: Self = Self([0; 4]);
    /// ::1, where IPv6 is redirected to.
    pub const LOCALHOST6: Self = Self([0, 0, 0, 1_u32.to_be()]);

    #[inline(always)]
    pub fn v4(ip: u32) -> Self {
        Self([0, 0, MAPPED, ip])
    }

    #[inline(always)]
    pub fn is_v4(self) -> bool {
        let [a, b, c, _] = self.0;
        a == 0 && b == 0 && c == MAPPED
    }

    /// The daemon's listener for this kind of address.
    #[inline(always)]
    pub fn redirect_target(self) -> Self {
        if self.is_v4() {
            Self::LOCALHOST4
        } else {
            Self::LOCALHOST6
        }
    }

    /// `connect` to the unspecified address means the loopback address.
    #[inline(always)]
    pub fn canonical(self) -> Self {
        match self.0 {
            [0, 0, 0, 0] => Self::LOCALHOST6,
            [0, 0, MAPPED, 0] => Self::LOCALHOST4,
            _ => self,
        }
    }

    /// Multicast and limited broadcast, which would "connect" if they were redirected. A subnet's
    /// broadcast address cannot be told here; no resource covers it.
    #[inline(always)]
    pub fn is_group(self) -> bool {
        let [a, _, _, d] = self.0;
        if self.is_v4() {
            let ip = u32::from_be(d);
            ip >> 28 == 0xe || ip == u32::MAX
        } else {
            u32::from_be(a) >> 24 == 0xff
        }
    }

    /// One receiver's address that never leaves the host: 127.0.0.0/8 without its first and last,
    /// which are broadcasts and reach every socket that has the port, or ::1.
    #[inline(always)]
    pub fn is_loopback(self) -> bool {
        let [_, _, _, d] = self.0;
        if self.is_v4() {
            let ip = u32::from_be(d);
            ip > 0x7f00_0000 && ip < 0x7fff_ffff
        } else {
            self == Self::LOCALHOST6
        }
    }

    #[inline(always)]
    pub fn bytes(self) -> [u8; 16] {
        // SAFETY: both are 16 bytes without padding, and any byte is valid in both.
        unsafe { core::mem::transmute(self.0) }
    }

    #[inline(always)]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        // SAFETY: as above.
        Self(unsafe { core::mem::transmute::<[u8; 16], [u32; 4]>(bytes) })
    }
}
