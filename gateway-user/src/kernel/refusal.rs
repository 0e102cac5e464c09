//! Why a kernel does not take the programs, found by asking it for what they need.
//!
//! Loading is in `load`; the words for people are `KernelError`'s.

use aya::EbpfError;
use aya::maps::MapType;
use aya::programs::{ProgramError, ProgramType};
use aya::sys::BpfHelper;

use super::error::KernelError;
use super::hook::Hook;

/// The first kernel that has all that the programs need.
const OLDEST: (u32, u32) = (5, 15);

/// `uname -r`.
pub(super) fn release() -> String {
    match nix::sys::utsname::uname() {
        Ok(name) => name.release().to_string_lossy().into_owned(),
        Err(_) => String::from("unknown"),
    }
}

/// Whether maps that are open already can be used with `CAP_BPF` only: before Linux 5.19, where
/// `kernel.unprivileged_bpf_disabled` stands for all of bpf(2).
pub fn needs_cap_bpf() -> bool {
    let release = release();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) < (Some(5), Some(19))
}

/// Maps could not be made: most often no privilege, or no socket-local storage (5.2).
pub(super) fn of_maps(error: EbpfError) -> KernelError {
    explain(error_chain(&error), is_permission(&error), missing())
}

/// One program could not be loaded: its hook may be newer than the kernel, or a helper in it.
pub(super) fn of_program(hook: Hook, error: &ProgramError) -> KernelError {
    let detail = format!("{}: {}", hook.name(), error_chain(error));
    let hook = is_too_old(&release()).then(|| format!("{} hook as it is needed", hook.name()));
    explain(detail, is_permission(error), missing().or(hook))
}

fn explain(detail: String, permission: bool, missing: Option<String>) -> KernelError {
    if permission {
        return KernelError::Permission {
            what: "loading the kernel programs",
            capability: String::from("CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"),
        };
    }
    match missing {
        Some(missing) => KernelError::TooOld {
            release: release(),
            missing,
        },
        None => KernelError::Load {
            release: release(),
            detail,
        },
    }
}

/// Whether `uname -r` tells a version before the oldest one that will do.
fn is_too_old(release: &str) -> bool {
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => (major, minor) < OLDEST,
        _ => false,
    }
}

fn missing() -> Option<String> {
    use BpfHelper as Helper;
    use aya::sys::{is_helper_supported, is_map_supported};
    let maps = [
        (
            MapType::SkStorage,
            "socket-local storage (BPF_MAP_TYPE_SK_STORAGE)",
        ),
        (MapType::CgroupStorage, "cgroup storage (CONFIG_CGROUP_BPF)"),
        (MapType::RingBuf, "ring buffer (BPF_MAP_TYPE_RINGBUF)"),
    ];
    let (address, packet) = (ProgramType::CgroupSockAddr, ProgramType::CgroupSkb);
    let helpers = [
        (
            address,
            Helper::BPF_FUNC_sk_lookup_tcp,
            "bpf_sk_lookup_tcp in the connect hook",
        ),
        (
            address,
            Helper::BPF_FUNC_ktime_get_coarse_ns,
            "bpf_ktime_get_coarse_ns",
        ),
        (
            address,
            Helper::BPF_FUNC_get_netns_cookie,
            "bpf_get_netns_cookie in the connect hook",
        ),
        (
            ProgramType::SockOps,
            Helper::BPF_FUNC_sk_storage_get,
            "socket-local storage in sock_ops",
        ),
        (
            ProgramType::CgroupSock,
            Helper::BPF_FUNC_sk_storage_get,
            "socket-local storage in the sock_create hook",
        ),
        (
            packet,
            Helper::BPF_FUNC_sk_storage_get,
            "socket-local storage in the egress hook",
        ),
    ];
    let map = maps
        .into_iter()
        .find(|(kind, _)| matches!(is_map_supported(*kind), Ok(false)))
        .map(|(_, name)| name);
    let helper = || {
        helpers
            .into_iter()
            .find(|(kind, helper, _)| matches!(is_helper_supported(*kind, *helper), Ok(false)))
            .map(|(_, _, name)| name)
    };
    map.or_else(helper).map(String::from)
}

fn is_permission(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            // EACCES is the verifier's word for a program that it does not like.
            return io.raw_os_error() == Some(nix::libc::EPERM);
        }
        next = error.source();
    }
    false
}

pub(super) fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::is_too_old;

    #[test]
    fn versions_are_read() {
        for old in ["5.14.21-suse", "4.19.0-27-amd64", "5.10.0-32"] {
            assert!(is_too_old(old), "{old}");
        }
        for good in ["5.15.0-25-generic", "6.1.0-53-amd64", "6.18.44", "unknown"] {
            assert!(!is_too_old(good), "{good}");
        }
    }
}
