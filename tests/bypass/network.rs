//! Two network namespaces: the agent's host, and the internet, with a veth pair between them.
//!
//! All of 198.18.0.0/15 and 2001:db8::/33 is one machine in the internet, so that each attempt can
//! have an address of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use gateway_tests::guardian::Undo;
use gateway_tests::programs::{find, output, require_root};
use nix::sched::{CloneFlags, setns};

/// The host's interface that leads out.
pub(crate) const INTERFACE: &str = "out";
/// The host's addresses, and those at the other end of the wire.
pub(crate) const OWN4: &str = "192.0.2.1";
pub(crate) const BESIDE4: &str = "192.0.2.2";
pub(crate) const OWN6: &str = "2001:db8:ffff::1";
pub(crate) const BESIDE6: &str = "2001:db8:ffff::2";

/// Both namespaces. Dropping it removes them.
pub(crate) struct Network {
    host: PathBuf,
    internet: PathBuf,
    undo: [Undo; 2],
}

impl Network {
    pub(crate) fn new() -> Network {
        static MADE: AtomicU32 = AtomicU32::new(0);
        require_root().unwrap();
        let id = format!(
            "{}-{}",
            std::process::id(),
            MADE.fetch_add(1, Ordering::Relaxed)
        );
        let (host, internet) = (format!("gwb-{id}-host"), format!("gwb-{id}-net"));
        let undo =
            [&host, &internet].map(|name| Undo::promise(&format!("ip netns del {name}")).unwrap());
        for name in [&host, &internet] {
            ip(&format!("netns add {name}"));
        }
        let network = Network {
            host: Path::new("/run/netns").join(host.as_str()),
            internet: Path::new("/run/netns").join(internet.as_str()),
            undo,
        };
        for namespace in [&network.host, &network.internet] {
            // Addresses are to be there at once, and no kernel is to speak by itself.
            sysctl(namespace, "ipv6/conf/default/accept_dad", "0");
            sysctl(namespace, "ipv6/conf/default/router_solicitations", "0");
        }
        // SYN cookies have no socket, hence pass: no byte of the agent's is in them. Here it would
        // hide what becomes of the socket's own answers. Not every kernel has them.
        let cookies = "/proc/sys/net/ipv4/tcp_syncookies";
        if Path::new(cookies).exists() {
            sysctl(&network.host, "ipv4/tcp_syncookies", "0");
        }
        // Where an administrator lets everybody ping.
        sysctl(&network.host, "ipv4/ping_group_range", "0 2147483647");
        ip(&format!(
            "link add {INTERFACE} netns {host} type veth peer name in netns {internet}"
        ));
        for line in [
            format!("addr add {OWN4}/24 brd + dev {INTERFACE}"),
            format!("addr add {OWN6}/64 dev {INTERFACE}"),
            "link set lo up".to_owned(),
            format!("link set {INTERFACE} up"),
        ] {
            ip(&format!("-n {host} {line}"));
        }
        for line in [
            format!("addr add {BESIDE4}/24 dev in"),
            format!("addr add {BESIDE6}/64 dev in"),
            "addr add fe80::77/64 dev in".to_owned(),
            "link set lo up".to_owned(),
            "link set in up".to_owned(),
            "route add local 198.18.0.0/15 dev lo".to_owned(),
            "-6 route add local 2001:db8::/33 dev lo".to_owned(),
        ] {
            ip(&format!("-n {internet} {line}"));
        }
        // Last: routes need an interface that is up.
        ip(&format!("-n {host} route add default via {BESIDE4}"));
        ip(&format!("-n {host} -6 route add default via {BESIDE6}"));
        network
    }

    /// The file of the host's namespace.
    pub(crate) fn host(&self) -> &Path {
        &self.host
    }

    /// The file of the internet's.
    pub(crate) fn internet(&self) -> &Path {
        &self.internet
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for (namespace, undo) in [&self.host, &self.internet].into_iter().zip(&self.undo) {
            let name = namespace.file_name().unwrap();
            let mut remove = Command::new(find("ip").unwrap());
            if output(remove.args(["netns", "del"]).arg(name)).is_ok() {
                undo.cancel();
            }
        }
    }
}

/// Does `work` in a namespace; sockets that it makes stay there, wherever they are used.
pub(crate) fn inside<T: Send>(namespace: &Path, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(File::open(namespace).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

fn sysctl(namespace: &Path, name: &str, value: &str) {
    inside(namespace, || {
        // `/proc/sys/net` is the namespace of whoever looks.
        fs::write(Path::new("/proc/sys/net").join(name), value).unwrap();
    });
}

fn ip(line: &str) {
    output(Command::new(find("ip").unwrap()).args(line.split(' '))).unwrap();
}
