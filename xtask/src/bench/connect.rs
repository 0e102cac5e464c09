//! `bench connect`: what the kernel side adds to a connection.
//!
//! First the way there by itself: connections to a listener that accepts nothing meanwhile, so that
//! no server takes part. For the redirected ones that is the daemon's, which is stopped for as long
//! as they are made; the way was reached before and is kept open, so none is held. The kernel takes
//! the time of its programs in a sample of its own, since that takes time too. Then held ones, each to
//! somewhere else, which the daemon has to reach first. Then whole sessions, with the daemon at work:
//! connect, one exchange, close.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use aya::programs::loaded_programs;
use aya::sys::{Stats, enable_stats};
use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::programs::{Profile, build_gateway};
use gateway_tests::wait;
use nix::sys::signal::Signal;
use serde_json::Value;

use super::load::{Loaded, Work};
use super::open_way::{OpenWay, maps};
use super::rounds::{Client, Goal, Options, Samples, finish};
use super::target::{self, Silent};

const OFF: &str = "hooks off";
const ELSEWHERE: &str = "hooks on another cgroup";
const REDIRECTED: &str = "redirected";
const HELD: &str = "redirected and held";
const SESSIONS: &str = "sessions, direct";
const THROUGH: &str = "sessions, gateway";
const RATE: &str = "connections per second";
const P50: &str = "p50, µs";
const KERNEL: &str = "time in kernel programs, ns per connection";

/// Connections of one sample: they wait in the listener's backlog, which holds 4096.
const COUNT: u32 = 2_500;
/// Likewise of held ones, which take milliseconds each.
const HELD_COUNT: u32 = 200;
/// What the kernel programs are called, in the kernel's list of all programs.
const PREFIX: &str = "gw_";

/// Measures and reports.
pub(crate) fn run(options: &Options) -> Result<()> {
    let program = build_gateway(Profile::Release)?;
    let silent = Silent::open()?;
    let pings = target::pings()?;
    let policy = PolicyFile::new()
        .piece("[[workload]]\nname = \"idle\"")
        .piece(&format!(
            "[[resource]]\nname = \"bench\"\nprotocol = \"tcp\"\naddresses = [\"{pings}\", \"127.0.0.0/8:{}\"]",
            silent.address.port()
        ))
        .rule("bench", "allow", "workload = \"agent\"");
    let (others, before) = (programs()?, maps());
    let gateway = Gateway::start_program(program, &policy)?;
    let ours: BTreeSet<u32> = programs()?.difference(&others).copied().collect();
    let bench = Bench {
        options,
        silent,
        way: RefCell::new(OpenWay::of_new(&before)?),
        gateway,
        ours,
        pings,
    };
    let mut samples = Samples::default();
    for round in 0..options.rounds {
        bench.round(round, &mut samples)?;
    }
    show(&samples);
    let redirected = samples.ratio(REDIRECTED, OFF, RATE);
    let kernel = samples.spread(REDIRECTED, KERNEL);
    let goals = [
        Goal {
            what: "redirected: at least 0.85 of the direct rate at one client".to_owned(),
            measured: redirected,
            is_met: redirected.is_some_and(|it| it.median >= 0.85),
        },
        Goal {
            what: "at most 5000 ns in kernel programs for each connection".to_owned(),
            measured: kernel,
            is_met: kernel.is_some_and(|it| it.median <= 5_000.0),
        },
    ];
    finish("connect", options, &samples, &goals)
}

struct Bench<'a> {
    options: &'a Options,
    silent: Silent,
    way: RefCell<OpenWay>,
    gateway: Gateway,
    /// The ids of the kernel programs of this gateway.
    ours: BTreeSet<u32>,
    pings: std::net::SocketAddr,
}

type Cell = fn(&Bench<'_>, &mut Samples) -> Result<()>;

impl Bench<'_> {
    /// Each cell once, beginning with another one each round.
    fn round(&self, round: u32, samples: &mut Samples) -> Result<()> {
        let cells: [Cell; 7] = [
            |it, samples| it.connects(OFF, None, samples),
            |it, samples| it.elsewhere(samples),
            |it, samples| it.connects(REDIRECTED, Some(&it.gateway), samples),
            |it, samples| it.counted(samples),
            |it, samples| it.held(samples),
            |it, samples| it.sessions(SESSIONS, None, samples),
            |it, samples| it.sessions(THROUGH, Some(&it.gateway), samples),
        ];
        let first = usize::try_from(round)? % cells.len();
        for cell in cells.iter().cycle().skip(first).take(cells.len()) {
            cell(self, samples)?;
        }
        Ok(())
    }

    fn elsewhere(&self, samples: &mut Samples) -> Result<()> {
        // It ends when its input does.
        let mut other = self.gateway.run("idle", &Command::new("cat"));
        let mut other = other.stdin(Stdio::piped()).spawn()?;
        self.attached(1)?;
        self.connects(ELSEWHERE, None, samples)?;
        drop(other.stdin.take());
        other.wait()?;
        self.attached(0)
    }

    /// Waits until so many cgroups are attached.
    fn attached(&self, count: usize) -> Result<()> {
        wait::until("the attachment", || {
            let status = self.gateway.status()?;
            Ok((length(&status, "attachments") == count).then_some(()))
        })
    }

    fn connects(
        &self,
        name: &'static str,
        agent_of: Option<&Gateway>,
        samples: &mut Samples,
    ) -> Result<()> {
        let loaded = self.connect_all(agent_of)?;
        samples.add(name, RATE, loaded.per_second);
        samples.add(name, P50, loaded.p50_us);
        Ok(())
    }

    /// What redirected ones cost in the kernel programs.
    fn counted(&self, samples: &mut Samples) -> Result<()> {
        let counted = take_time()?;
        let before = self.by_program()?;
        self.connect_all(Some(&self.gateway))?;
        let after = self.by_program()?;
        drop(counted);
        let mut sum = 0.0;
        for (program, spent) in after {
            let before = before.get(&program).copied().unwrap_or_default();
            let each = spent.saturating_sub(before).as_secs_f64() * 1e9 / f64::from(COUNT);
            samples.add(&program, KERNEL, each);
            sum += each;
        }
        samples.add(REDIRECTED, KERNEL, sum);
        Ok(())
    }

    /// One sample of connects, to the daemon if they are an agent's.
    fn connect_all(&self, agent_of: Option<&Gateway>) -> Result<Loaded> {
        let to = self.silent.address;
        let mut client = Client::start(&Work::Connects { to, count: COUNT }, agent_of)?;
        if agent_of.is_some() {
            self.gateway.signal(Signal::SIGSTOP)?;
            self.way.borrow_mut().keep()?;
        }
        let loaded = client.work();
        if agent_of.is_some() {
            self.way.borrow_mut().release()?;
            self.gateway.signal(Signal::SIGCONT)?;
        }
        let loaded = loaded?;
        // The daemon's own connections there come until it is idle.
        self.settle()?;
        self.silent.drain();
        client.end()?;
        Ok(loaded)
    }

    fn held(&self, samples: &mut Samples) -> Result<()> {
        let (port, count) = (self.silent.address.port(), HELD_COUNT);
        let mut client = Client::start(&Work::Held { port, count }, Some(&self.gateway))?;
        let counted = take_time()?;
        let before = self.in_kernel()?;
        let loaded = client.work()?;
        let spent = self.in_kernel()?.saturating_sub(before);
        drop(counted);
        client.end()?;
        self.settle()?;
        self.silent.drain();
        samples.add(HELD, RATE, loaded.per_second);
        samples.add(HELD, P50, loaded.p50_us);
        samples.add(HELD, KERNEL, spent.as_secs_f64() * 1e9 / f64::from(count));
        Ok(())
    }

    fn sessions(
        &self,
        name: &'static str,
        agent_of: Option<&Gateway>,
        samples: &mut Samples,
    ) -> Result<()> {
        let (to, seconds) = (self.pings, self.options.seconds);
        let mut client = Client::start(&Work::Sessions { to, seconds }, agent_of)?;
        let loaded = client.work()?;
        client.end()?;
        self.settle()?;
        samples.add(name, RATE, loaded.per_second);
        samples.add(name, P50, loaded.p50_us);
        Ok(())
    }

    /// Waits until the daemon has dealt with what was left to it.
    fn settle(&self) -> Result<()> {
        let mut before = None;
        wait::until("the daemon is idle", || {
            let status = self.gateway.status()?;
            let open = length(&status, "connections");
            let now = (open, status.get("sessions").cloned());
            Ok((open == 0 && before.replace(now.clone()) == Some(now)).then_some(()))
        })
    }

    /// Time that this gateway's programs have taken so far.
    fn in_kernel(&self) -> Result<Duration> {
        Ok(self.by_program()?.into_values().sum())
    }

    /// Likewise, by their names.
    fn by_program(&self) -> Result<BTreeMap<String, Duration>> {
        let mut spent = BTreeMap::new();
        for program in loaded_programs() {
            let program = program?;
            if self.ours.contains(&program.id()) {
                let name = program.name_as_str().unwrap_or(PREFIX).to_owned();
                *spent.entry(name).or_default() += program.run_time();
            }
        }
        Ok(spent)
    }
}

/// Has the kernel take the time of its programs until this is dropped.
fn take_time() -> Result<OwnedFd> {
    enable_stats(Stats::RunTime).context("cannot have the kernel take the time")
}

fn length(status: &Value, list: &str) -> usize {
    status
        .get(list)
        .and_then(Value::as_array)
        .map_or(0, Vec::len)
}

/// The ids of all gateways' programs.
fn programs() -> Result<BTreeSet<u32>> {
    let mut ids = BTreeSet::new();
    for program in loaded_programs() {
        let program = program.context("cannot list the kernel's programs: run this as root")?;
        if program
            .name_as_str()
            .is_some_and(|name| name.starts_with(PREFIX))
        {
            ids.insert(program.id());
        }
    }
    Ok(ids)
}

fn show(samples: &Samples) {
    println!(
        "{:<26} {:>10} {:>10} {:>12}   {:<20}",
        "one client", "per s", "p50 µs", "kernel ns", "rate : off"
    );
    for (name, base) in [
        (OFF, OFF),
        (ELSEWHERE, OFF),
        (REDIRECTED, OFF),
        (HELD, OFF),
        (SESSIONS, SESSIONS),
        (THROUGH, SESSIONS),
    ] {
        let of = |figure| samples.median(name, figure).unwrap_or_default();
        let ratio = samples.ratio(name, base, RATE);
        println!(
            "{name:<26} {:>10.0} {:>10.1} {:>12.0}   {:<20}",
            of(RATE),
            of(P50),
            of(KERNEL),
            ratio.map_or(String::new(), |it| it.to_string())
        );
    }
    println!("\nkernel ns of a redirected one, by program");
    for program in samples.paths().filter(|path| path.starts_with(PREFIX)) {
        let spent = samples.spread(program, KERNEL);
        if let Some(spent) = spent.filter(|it| it.median > 0.0) {
            println!("{program:<26} {spent}");
        }
    }
}
