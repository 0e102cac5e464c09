//! Which capabilities the kernel side needs, checked before anything is touched.
//!
//! A kernel that refuses although they are there (a user namespace, a security module) is told
//! by the operation that failed.

use std::fs;

use super::error::KernelError;

/// Bit in the capability sets, and name (linux/capability.h). `CAP_SYS_ADMIN` mounts the bpffs
/// and covers `CAP_BPF` and `CAP_PERFMON`.
const NEEDED: [(u32, &str); 4] = [
    (2, "CAP_DAC_READ_SEARCH"),
    (12, "CAP_NET_ADMIN"),
    (13, "CAP_NET_RAW"),
    (21, "CAP_SYS_ADMIN"),
];

/// Fails with the names of those that the process lacks.
pub(super) fn check() -> Result<(), KernelError> {
    let status = fs::read_to_string("/proc/self/status")
        .map_err(|error| KernelError::os("reading /proc/self/status", error))?;
    let missing = missing_in(&status);
    if missing.is_empty() {
        return Ok(());
    }
    Err(KernelError::Permission {
        what: "intercepting connections",
        capability: missing.join(", "),
    })
}

fn missing_in(status: &str) -> Vec<&'static str> {
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .unwrap_or(0);
    NEEDED
        .into_iter()
        .filter(|(bit, _)| effective >> bit & 1 == 0)
        .map(|(_, name)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_missing() {
        let root = "Name:\tgateway\nCapEff:\t000001fffeffffff\n";
        assert!(missing_in(root).is_empty());
        let network_only = "CapEff:\t0000000000001000\n";
        assert_eq!(
            missing_in(network_only),
            ["CAP_DAC_READ_SEARCH", "CAP_NET_RAW", "CAP_SYS_ADMIN"]
        );
        assert_eq!(missing_in("").len(), 4);
    }
}
