//! `socket_create` of the kernel's security hooks (BPF LSM): which families of sockets an agent may
//! have.
//!
//! `socket` sees those of IP alone. A family that leads elsewhere, such as vsock, Bluetooth or whole
//! packets, is refused here, also where io_uring makes the socket. Unlike all others this program
//! needs Linux 6.0, its type information and `bpf` among the security modules: the daemon goes on
//! without it.

use aya_ebpf::helpers::generated::bpf_set_retval;
use aya_ebpf::programs::LsmContext;
use gateway_common::coverage::Kind;

use crate::address::Address;
use crate::coverage::{self, Happened};
use crate::maps::attached;
use crate::{PASS, REFUSE};

const AF_UNIX: i32 = 1;
const AF_INET: i32 = 2;
const AF_INET6: i32 = 10;
const AF_NETLINK: i32 = 16;
const AF_ALG: i32 = 38;
const EAFNOSUPPORT: i32 = 97;

#[inline(always)]
pub fn create(ctx: &LsmContext) -> i32 {
    // `int family, int type, int protocol, int kern`
    let (family, protocol, kern): (i32, i32, i32) = (ctx.arg(0), ctx.arg(2), ctx.arg(3));
    // What the kernel makes for itself in a process's name is part of a socket that was seen. Of the others,
    // the first two pairs have hooks of their own or stay on the host, and AF_ALG computes.
    if kern != 0 || matches!(family, AF_UNIX | AF_INET | AF_INET6 | AF_NETLINK | AF_ALG) {
        return PASS;
    }
    let happened = Happened {
        attached: attached(),
        kind: Kind::Family,
        destination: Address::NONE,
        port: 0,
        family: family as u32,
        protocol: protocol as u32,
    };
    coverage::tell(&happened, coverage::current);
    // SAFETY: every kernel with this hook has the helper.
    unsafe { bpf_set_retval(-EAFNOSUPPORT) };
    REFUSE
}
