//! A small internet: two network namespaces with a cable between them, one for agents and one that
//! is everywhere else, where every packet that comes is seen.

use std::fs::File;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::libc;
use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Socket, Type};

/// Both namespaces, removed when dropped.
pub(super) struct Internet {
    /// Name of the agents' namespace. Its addresses are 10.77.0.2 and 2001:db8:77::2.
    pub(super) inside: String,
    /// Name of the other, to which everything is routed: 10.77.0.1 and 2001:db8:77::1.
    pub(super) outside: String,
}

/// Sees what comes to the outside.
pub(super) struct Tap(Socket);

impl Internet {
    pub(super) fn make() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "gwk-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let internet = Self {
            inside: format!("{name}-in"),
            outside: format!("{name}-out"),
        };
        let Self { inside, outside } = &internet;
        for command in [
            format!("netns add {inside}"),
            format!("netns add {outside}"),
            format!("-n {inside} link add cable type veth peer name cable netns {outside}"),
            format!("-n {inside} link set lo up"),
            format!("-n {outside} link set lo up"),
            format!("-n {inside} link set cable up"),
            format!("-n {outside} link set cable up"),
            format!("-n {inside} address add 10.77.0.2/24 dev cable"),
            format!("-n {outside} address add 10.77.0.1/24 dev cable"),
            format!("-n {inside} address add 2001:db8:77::2/64 dev cable nodad"),
            format!("-n {outside} address add 2001:db8:77::1/64 dev cable nodad"),
            format!("-n {inside} route add default via 10.77.0.1"),
            format!("-n {inside} -6 route add default via 2001:db8:77::1"),
        ] {
            ip(&command).unwrap();
        }
        internet
    }

    /// Runs something on a thread in one of them.
    pub(super) fn within<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(namespace);
                work()
            });
            thread.join().unwrap()
        })
    }

    /// Starts to look at what comes out.
    pub(super) fn tap(&self) -> Tap {
        let all = i32::from(u16::try_from(libc::ETH_P_ALL).unwrap().to_be());
        let open = || Socket::new(Domain::PACKET, Type::DGRAM, Some(all.into())).unwrap();
        let socket = Self::within(&self.outside, open);
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        Tap(socket)
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        for name in [&self.inside, &self.outside] {
            let _never_made = ip(&format!("netns delete {name}"));
        }
    }
}

impl Tap {
    /// All packets since it was made or asked last, without what hosts tell each other about
    /// addresses, and with nothing new for a while.
    pub(super) fn packets(&self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        let mut buffer = [std::mem::MaybeUninit::<u8>::uninit(); 2048];
        while let Ok(length) = self.0.recv(&mut buffer) {
            // SAFETY: the kernel has just written that many bytes.
            let packet = buffer[..length]
                .iter()
                .map(|byte| unsafe { byte.assume_init() });
            let packet: Vec<_> = packet.collect();
            if !is_chatter(&packet) {
                packets.push(packet);
            }
        }
        packets
    }
}

/// Makes the thread live in a namespace.
pub(super) fn enter(namespace: &str) {
    let file = File::open(format!("/run/netns/{namespace}")).unwrap();
    setns(file, CloneFlags::CLONE_NEWNET).unwrap();
}

/// ARP and neighbour discovery; and the host's own joining of the groups for the latter.
fn is_chatter(packet: &[u8]) -> bool {
    const SOLICITED_NODE: [u8; 4] = [0xff, 0x02, 0, 0];
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => false,
        Some(6) => {
            let next = packet[6];
            let is_icmp = next == 58;
            // A report (hop-by-hop first) on groups of which all are solicited-node addresses.
            let is_report = next == 0 && packet.len() >= 76 && {
                let groups = packet[56..].chunks(20).filter(|group| group.len() == 20);
                groups
                    .map(|group| &group[4..])
                    .all(|ip| ip[..4] == SOLICITED_NODE && ip[11..14] == [1, 0xff, ip[13]])
            };
            is_icmp || is_report
        }
        _ => true,
    }
}

fn ip(arguments: &str) -> std::io::Result<()> {
    let output = Command::new("ip").args(arguments.split(' ')).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(std::io::Error::other(format!("ip {arguments}: {said}")))
}
