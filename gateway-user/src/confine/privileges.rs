//! No privileges: another user, and none of root's powers left or to be had again.
//!
//! INVARIANT: nothing that runs afterwards gains another capability in the host's user namespace, not by
//! a set-user-ID program (`no_new_privs`), not by being user 0 (securebits, locked), not by a
//! file's capabilities (empty bounding set). Checked by tests/e2e/launch.rs and
//! tests/e2e/confined.rs.

use std::ffi::CString;
use std::fs;
use std::io;

use nix::unistd::{User, initgroups, setgid, setuid};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

/// Each power of being root, taken away and locked.
const LOCKED: CapabilitiesSecureBits = CapabilitiesSecureBits::NO_ROOT
    .union(CapabilitiesSecureBits::NO_ROOT_LOCKED)
    .union(CapabilitiesSecureBits::NO_SETUID_FIXUP)
    .union(CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED)
    .union(CapabilitiesSecureBits::KEEP_CAPS_LOCKED)
    .union(CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE)
    .union(CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED);

/// Becomes `user`, with no capability but those `kept`. Each step needs what the next ones take
/// away.
pub fn give_up(user: &User, kept: CapabilitySet) -> io::Result<()> {
    for capability in known()?.filter(|capability| !kept.contains(*capability)) {
        rustix::thread::remove_capability_from_bounding_set(capability)?;
    }
    rustix::thread::clear_ambient_capability_set()?;
    rustix::thread::set_capabilities_secure_bits(LOCKED)?;
    // Groups first and the user last: after that there is no right left to change them.
    let name = CString::new(user.name.as_str())?;
    initgroups(&name, user.gid)?;
    setgid(user.gid)?;
    setuid(user.uid)?;
    let left = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, left)?;
    rustix::thread::set_no_new_privs(true)?;
    Ok(())
}

/// All capabilities that the running kernel knows, which may be more than we do.
fn known() -> io::Result<impl Iterator<Item = CapabilitySet>> {
    let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap")?;
    let last: u32 = last.trim().parse().map_err(io::Error::other)?;
    let bits = (0..=last).filter_map(|number| 1_u64.checked_shl(number));
    Ok(bits.map(CapabilitySet::from_bits_retain))
}
