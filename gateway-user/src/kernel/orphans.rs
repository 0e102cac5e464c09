//! Sockets that no process has any more and that still have something to send.
//!
//! The kernel goes on trying for minutes, and each packet is judged by the hooks that are there
//! then. So before the hooks of a cgroup go, what its processes left behind has to go: a packet
//! that was dropped because of its routing header would leave with the next try.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;

use super::cgroup::CgroupId;
use super::diag::Diag;

/// Destroys the connections of the cgroup's sockets that belong to no process, in all network
/// namespaces that a process is in. Those of cgroups below it that are gone stay: the kernel does
/// not tell any more where they were.
pub(super) fn close(cgroup: CgroupId) -> io::Result<()> {
    for namespace in namespaces()?.into_values() {
        let diag = Diag::in_namespace(namespace)?;
        for one in diag.all()? {
            let is_orphan = one.inode == 0 && one.is_connected();
            if is_orphan && one.cgroup == Some(cgroup.0) {
                diag.destroy(&one)?;
            }
        }
    }
    Ok(())
}

/// By device and inode of their files.
fn namespaces() -> io::Result<BTreeMap<(u64, u64), File>> {
    let mut found = BTreeMap::new();
    for process in fs::read_dir("/proc")?.flatten() {
        let file = process.path().join("ns/net");
        // What is no process has no namespace, and neither has one that ended meanwhile.
        let Ok(metadata) = fs::metadata(&file) else {
            continue;
        };
        let name = (metadata.dev(), metadata.ino());
        if !found.contains_key(&name)
            && let Ok(file) = File::open(&file)
        {
            found.insert(name, file);
        }
    }
    Ok(found)
}
