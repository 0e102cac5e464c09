//! A program attached as others may do it: without a link and without letting anybody beside it.
//!
//! The daemon never attaches like this, so the two commands of bpf(2) are only here.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use nix::libc;

use super::stage::program;
use crate::kernel::{Cgroup, Hook, Kernel};

const PROG_ATTACH: libc::c_long = 8;
const PROG_DETACH: libc::c_long = 9;

#[repr(C)]
struct AttachAttr {
    target_fd: i32,
    program_fd: i32,
    attach_type: u32,
    flags: u32,
    replaced_fd: u32,
}

/// Detached when dropped.
pub(super) struct Attachment {
    cgroup: File,
    program_fd: i32,
}

/// Attaches a `connect4` program to the cgroup.
pub(super) fn attach(kernel: &Kernel, cgroup: &Cgroup) -> Attachment {
    let program = program(kernel, Hook::Connect4);
    let attachment = Attachment {
        cgroup: File::open(&cgroup.path).unwrap(),
        program_fd: program.as_raw_fd(),
    };
    attachment.command(PROG_ATTACH).unwrap();
    attachment
}

impl Attachment {
    fn command(&self, command: libc::c_long) -> io::Result<()> {
        let attr = AttachAttr {
            target_fd: self.cgroup.as_raw_fd(),
            program_fd: self.program_fd,
            attach_type: Hook::Connect4.attach_type(),
            flags: 0,
            replaced_fd: 0,
        };
        // SAFETY: the structure is whole and holds no pointers.
        let result = unsafe {
            libc::syscall(
                libc::SYS_bpf,
                command,
                &raw const attr,
                size_of::<AttachAttr>(),
            )
        };
        match result {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let _gone_with_its_cgroup = self.command(PROG_DETACH);
    }
}
