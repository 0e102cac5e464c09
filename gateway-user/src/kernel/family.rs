//! The program at `socket_create` of the kernel's security hooks, which sees sockets that are not IP.
//!
//! It is optional: a kernel takes it from Linux 6.0 on, and asks it where `bpf` is among its security
//! modules. Why one does not is what `gateway coverage` tells.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use aya::programs::Program;
use aya::{Btf, Ebpf};

use super::hook::Hook;
use super::refusal::error_chain;

/// The security modules that are on, separated by commas (`Documentation/admin-guide/LSM`).
const MODULES: &str = "/sys/kernel/security/lsm";

/// Loads it, or says why the kernel would not ask it.
pub(super) fn load(ebpf: &mut Ebpf) -> Result<OwnedFd, String> {
    match fs::read_to_string(MODULES) {
        Ok(modules) if has_bpf(&modules) => {}
        Ok(modules) => {
            let modules = modules.trim();
            return Err(format!("BPF LSM is off here: boot with lsm={modules},bpf"));
        }
        Err(error) => {
            return Err(format!(
                "whether BPF LSM is on is not told: {MODULES}: {error}"
            ));
        }
    }
    taken(ebpf).map_err(|error| format!("this kernel does not take the program for it: {error}"))
}

fn taken(ebpf: &mut Ebpf) -> Result<OwnedFd, String> {
    let Some(Program::LsmCgroup(program)) = ebpf.program_mut(Hook::Family.program()) else {
        return Err("it is not in the embedded object".to_owned());
    };
    let types = Btf::from_sys_fs().map_err(|error| error_chain(&error))?;
    program
        .load("socket_create", &types)
        .map_err(|error| error_chain(&error))?;
    let fd = program.fd().map_err(|error| error_chain(&error))?;
    fd.as_fd()
        .try_clone_to_owned()
        .map_err(|error| error.to_string())
}

fn has_bpf(modules: &str) -> bool {
    modules.trim().split(',').any(|name| name == "bpf")
}

#[cfg(test)]
mod tests {
    use super::has_bpf;

    #[test]
    fn one_of_the_modules_is_it() {
        assert!(has_bpf("lockdown,capability,landlock,bpf\n"));
        assert!(!has_bpf("lockdown,capability,bpfish"));
        assert!(!has_bpf(""));
    }
}
