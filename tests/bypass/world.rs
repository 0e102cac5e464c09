//! A host with a gateway, an internet around it, and an attacker in it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use gateway_tests::cgroup::Cgroup;
use gateway_tests::gateway::Gateway;
use gateway_tests::namespace;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::sandbox::Sandbox;
use gateway_tests::wait;
use serde_json::Value;

use crate::attacker::{Attacker, User, Way, attempts, program};
use crate::network::{BESIDE4, BESIDE6, INTERFACE, Network, OWN4, OWN6};
use crate::outside::{Caller, NEAR, Outside};
use crate::sniffer::{Packet, Sniffer};

/// Attempts that wait to be called from the internet.
const CALLED: [&str; 2] = ["tcp-listen", "tcp-simultaneous"];

/// What there is. Dropped in the order of the fields.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) attached: Cgroup,
    pub(crate) outside: Cgroup,
    servers: Outside,
    sniffer: Sniffer,
    /// Attackers that have been let go.
    gone: RefCell<Vec<Attacker>>,
    /// Rounds without the gateway.
    free: RefCell<BTreeSet<u8>>,
    /// Rounds and numbers of attempts that are known to have got out.
    out: RefCell<BTreeSet<(u8, u8)>>,
    network: Network,
    sandbox: Sandbox,
}

/// Where an attacker begins, and where it would rather be.
pub(crate) struct Place<'a> {
    /// An attached cgroup.
    pub(crate) attached: &'a Path,
    /// One that is not.
    pub(crate) outside: &'a Path,
}

/// How one attempt ended.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    /// Its round and number.
    whose: (u8, u8),
    /// What the attacker says: `ERRNO call`, `sent`, `connected`.
    pub(crate) said: String,
    /// Whether the daemon logged that it refused this destination.
    pub(crate) is_judged: bool,
    /// What the sniffer saw of it.
    pub(crate) packets: Vec<String>,
}

/// An attacker in its place, with what belongs to its round.
pub(crate) struct Round {
    number: u8,
    attacker: Attacker,
    _caller: Caller,
}

/// Nothing in the internet is a resource, so nothing at all may leave the host. One server on the
/// host is, to have connections that come about.
pub(crate) fn policy() -> PolicyFile {
    let addresses = format!("{OWN4}/32:{NEAR}, [{OWN6}]/128:{NEAR}");
    PolicyFile::new().shop(&addresses, "").allow_all()
}

impl World {
    /// `name` is for the cgroups, hence each test's own.
    pub(crate) fn new(name: &str) -> World {
        let sandbox = Sandbox::new("bypass").unwrap();
        let network = Network::new();
        let sniffer = Sniffer::start(&network);
        let servers = Outside::start(&network, sandbox.path());
        let enter = namespace::enter(network.host()).unwrap();
        let words = std::iter::once(enter.get_program()).chain(enter.get_args());
        let words = words
            .map(|word| word.to_str().unwrap().to_owned())
            .collect();
        let gateway = Gateway::start_within(&policy(), |_| Ok(words)).unwrap();
        let attached = Cgroup::new(&format!("{name}-attached")).unwrap();
        let world = World {
            gateway,
            attached,
            outside: Cgroup::new(&format!("{name}-outside")).unwrap(),
            servers,
            sniffer,
            gone: RefCell::default(),
            free: RefCell::default(),
            out: RefCell::default(),
            network,
            sandbox,
        };
        world.attach(world.attached.path());
        world
    }

    pub(crate) fn attach(&self, cgroup: &Path) {
        let cgroup = cgroup.to_str().unwrap();
        self.gateway
            .ask(["attach", "--as", "agent", "--cgroup", cgroup])
            .unwrap();
    }

    /// Starts an attacker that will try these attempts, or all, once it is let go.
    pub(crate) fn ready(&self, way: Way, user: User, only: &[&str]) -> Round {
        let place = Place {
            attached: self.attached.path(),
            outside: self.outside.path(),
        };
        self.ready_in(&place, way, user, only)
    }

    /// As [`World::ready`] in another attached cgroup.
    pub(crate) fn ready_in(&self, place: &Place, way: Way, user: User, only: &[&str]) -> Round {
        static ROUNDS: AtomicU8 = AtomicU8::new(1);
        let number = ROUNDS.fetch_add(1, Ordering::Relaxed);
        if way == Way::Free {
            self.free.borrow_mut().insert(number);
        }
        let called = CALLED.map(|name| Ipv4Addr::new(198, 18, number, attempts()[name]));
        let caller = self.servers.call(&self.network, &called);
        let mut command = namespace::enter(self.network.host()).unwrap();
        command
            .arg(program())
            .args(["prepare", user.id()])
            .env("ATTACKER_RELAY", self.sandbox.path())
            .env("ATTACKER_CGROUP_FILE", place.outside.join("cgroup.procs"))
            .env("ATTACKER_NAMESPACE", self.network.internet());
        match way {
            Way::Free => command.arg(program()).args(["enter", "", user.id()]),
            Way::Attached => command
                .arg(program())
                .arg("enter")
                .arg(place.attached)
                .arg(user.id()),
            Way::Run => self.run(&mut command, user),
        };
        command
            .arg(program())
            .args(["try", &number.to_string(), INTERFACE])
            .args([OWN4, BESIDE4, OWN6, BESIDE6])
            .arg(self.gateway.port().to_string())
            .arg(place.outside)
            .args(only);
        Round {
            number,
            attacker: Attacker::start(&mut command),
            _caller: caller,
        }
    }

    fn run<'a>(&self, command: &'a mut Command, user: User) -> &'a mut Command {
        let run = self.gateway.command(["run", "--as", "agent"]);
        command.arg(run.get_program()).args(run.get_args());
        let user = match user {
            User::Nobody => "nobody",
            User::Root => "root",
        };
        command.args(["--user", user, "--"])
    }

    /// Lets the attacker go and says how each attempt ended.
    pub(crate) fn go(&self, round: Round) -> Vec<Outcome> {
        let Round {
            number,
            mut attacker,
            ..
        } = round;
        let said = attacker.go();
        self.gone.borrow_mut().push(attacker);
        self.servers.settle();
        let seen = self.sniffer.seen();
        let refused = self.refused();
        said.into_iter()
            .map(|(name, said)| {
                let whose = (number, attempts()[&name]);
                let packets = seen.iter().filter(|packet| packet.whose == Some(whose));
                let packets: Vec<String> = packets.map(|packet| packet.shape.clone()).collect();
                if !packets.is_empty() {
                    self.out.borrow_mut().insert(whose);
                }
                Outcome {
                    name,
                    said,
                    is_judged: is_one_of(whose, &refused),
                    whose,
                    packets,
                }
            })
            .collect()
    }

    /// Whether the daemon, which may be slower than the attacker has patience, logs soon that it
    /// refused this attempt.
    pub(crate) fn is_judged_soon(&self, outcome: &Outcome) -> bool {
        let logged = wait::within(Duration::from_secs(5), "the daemon refuses it", || {
            Ok(is_one_of(outcome.whose, &self.refused()).then_some(()))
        });
        logged.is_ok()
    }

    /// Whether sockets that are not IP are seen.
    pub(crate) fn sees_families(&self) -> bool {
        let said = self.gateway.ask(["coverage", "--json"]).unwrap();
        let coverage: Value = serde_json::from_str(&said).unwrap();
        let mut unseen = coverage["host"].as_array().unwrap().iter();
        let is_of_families = |line: &Value| line["what"].as_str().unwrap().contains("not IP");
        !unseen.any(is_of_families)
    }

    /// Whether the daemon has refused more than its log has lines of.
    pub(crate) fn leaves_untold(&self) -> bool {
        let said = self.gateway.ask(["coverage", "--json"]).unwrap();
        let coverage: Value = serde_json::from_str(&said).unwrap();
        let workloads = coverage["workloads"].as_array().unwrap();
        // What the kernel programs refuse and drop is told by themselves.
        let is_daemons =
            |kind: &str| !kind.starts_with("refused_") && !kind.starts_with("dropped_");
        let kinds = workloads
            .iter()
            .flat_map(|one| one["refused"].as_object().unwrap());
        let counts = kinds.filter(|(kind, _)| is_daemons(kind));
        let refused: u64 = counts.filter_map(|(_, count)| count.as_u64()).sum();
        let log = self.gateway.enforcement().unwrap();
        let told = log
            .iter()
            .filter(|line| line["event"] == "connection_refused");
        refused > u64::try_from(told.count()).unwrap()
    }

    /// The destinations that the daemon has refused.
    fn refused(&self) -> BTreeSet<IpAddr> {
        let log = self.gateway.enforcement().unwrap();
        let refused = log
            .iter()
            .filter(|line| line["event"] == "connection_refused");
        refused
            .filter_map(|line| line["destination"].as_str()?.parse::<SocketAddr>().ok())
            .map(|destination| destination.ip())
            .collect()
    }

    /// Waits until whoever started an attacker has ended.
    pub(crate) fn wait_gone(&self) {
        self.gone.take().into_iter().for_each(Attacker::wait);
    }

    /// The folder of a cgroup's pinned links, which are named after their hooks.
    pub(crate) fn links(&self, cgroup: &Path) -> PathBuf {
        let layouts = std::fs::read_dir(self.gateway.path("run/bpf")).unwrap();
        let layout = layouts.map(|entry| entry.unwrap().path()).next().unwrap();
        // The kernel names a cgroup by the inode of its folder.
        let id = std::fs::metadata(cgroup).unwrap().ino();
        layout.join("links").join(id.to_string())
    }

    /// The file of the host's network namespace.
    pub(crate) fn host(&self) -> &Path {
        self.network.host()
    }

    /// Whatever got out.
    pub(crate) fn packets(&self) -> Vec<Packet> {
        self.sniffer.seen()
    }

    /// Packets that belong to no attempt, or came after it was said how the attempt ended.
    pub(crate) fn strays(&self) -> Vec<String> {
        let (out, free) = (self.out.borrow(), self.free.borrow());
        let seen = self.sniffer.seen();
        let known = |whose: Option<(u8, u8)>| {
            whose.is_some_and(|whose| out.contains(&whose) || free.contains(&whose.0))
        };
        let strays = seen.iter().filter(|packet| !known(packet.whose));
        strays
            .map(|packet| format!("{:?}: {}", packet.whose, packet.shape))
            .collect()
    }
}

/// Whether what an attempt of this round and number aims at is one of these.
fn is_one_of((round, number): (u8, u8), addresses: &BTreeSet<IpAddr>) -> bool {
    let v4 = Ipv4Addr::new(198, 18, round, number);
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, round.into(), 0, 0, 0, 0, number.into());
    addresses.contains(&IpAddr::from(v4)) || addresses.contains(&IpAddr::from(v6))
}
