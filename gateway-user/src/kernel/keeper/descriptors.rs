//! A foothold in a network namespace as descriptors, in an order of their own, and back.

use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};
use socket2::Socket;

use crate::kernel::error::KernelError;
use crate::kernel::listeners::Listeners;
use crate::kernel::netns::Foothold;
use crate::kernel::resolvers::Resolvers;
use crate::kernel::unreachable::Icmp;

/// Which of the descriptors that need not be there are.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::kernel) struct Packed {
    listener_v6: bool,
    resolver_v6: bool,
    icmp_v6: bool,
}

pub(super) fn pack(foothold: Foothold, with: &mut Vec<OwnedFd>) -> Packed {
    let Foothold {
        listeners,
        resolvers,
        icmp,
    } = foothold;
    let packed = Packed {
        listener_v6: listeners.v6.is_some(),
        resolver_v6: resolvers.v6.is_some(),
        icmp_v6: icmp.v6.is_some(),
    };
    with.push(listeners.v4.into());
    with.extend(listeners.v6.map(OwnedFd::from));
    with.push(resolvers.v4.into());
    with.extend(resolvers.v6.map(OwnedFd::from));
    with.push(icmp.v4.into());
    with.extend(icmp.v6.map(OwnedFd::from));
    packed
}

pub(in crate::kernel) fn unpack(
    packed: Packed,
    with: Vec<OwnedFd>,
) -> Result<Foothold, KernelError> {
    let mut with = with.into_iter();
    let mut next = || {
        with.next()
            .ok_or_else(|| KernelError::Keeper(String::from("the keeper sent too few descriptors")))
    };
    let v4 = next()?;
    let v6 = packed.listener_v6.then(&mut next).transpose()?;
    let resolver_v4 = next()?;
    let resolver_v6 = packed.resolver_v6.then(&mut next).transpose()?;
    let icmp_v4 = next()?;
    let icmp_v6 = packed.icmp_v6.then(&mut next).transpose()?;
    Ok(Foothold {
        listeners: Listeners {
            v4: v4.into(),
            v6: v6.map(Into::into),
        },
        resolvers: Resolvers {
            v4: resolver_v4.into(),
            v6: resolver_v6.map(Into::into),
        },
        icmp: Icmp {
            v4: Socket::from(icmp_v4),
            v6: icmp_v6.map(Socket::from),
        },
    })
}
