//! `bench relay`: what an uninspected stream loses on its way through the gateway, compared with
//! nothing between and with a relay that copies.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use anyhow::Result;
use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::process::Process;
use gateway_tests::programs::{Profile, build_gateway};
use gateway_tests::sandbox::{Sandbox, free_port};
use nix::sys::signal::Signal;

use super::load::Work;
use super::rounds::{Client, Goal, Options, Samples, finish};
use super::target;

const DIRECT: &str = "direct";
const COPY: &str = "tokio copy";
const GATEWAY: &str = "gateway";
const RATE: &str = "bytes per second";
const PING: &str = "p50 round trip, µs";

/// Measures and reports.
pub(crate) fn run(options: &Options) -> Result<()> {
    let program = build_gateway(Profile::Release)?;
    let (sink, pings) = (target::sink()?, target::pings()?);
    let policy = PolicyFile::new()
        .piece(&format!(
            "[[resource]]\nname = \"bench\"\nprotocol = \"tcp\"\naddresses = [\"{sink}\", \"{pings}\"]"
        ))
        .rule("bench", "allow", "resource = \"bench\"");
    let gateway = Gateway::start_program(program, &policy)?;
    let sandbox = Sandbox::new("relay")?;
    let (_copy_sink, copied_sink) = copy(&sandbox, sink)?;
    let (_copy_pings, copied_pings) = copy(&sandbox, pings)?;
    let paths = [
        (DIRECT, sink, pings, None),
        (COPY, copied_sink, copied_pings, None),
        (GATEWAY, sink, pings, Some(&gateway)),
    ];
    let mut samples = Samples::default();
    let seconds = options.seconds;
    for round in 0..options.rounds {
        let first = usize::try_from(round)? % paths.len();
        for (name, sink, pings, agent_of) in paths.iter().cycle().skip(first).take(paths.len()) {
            let (rate, _) = measure(&Work::Stream { to: *sink, seconds }, *agent_of)?;
            let (_, p50) = measure(
                &Work::Pings {
                    to: *pings,
                    seconds,
                },
                *agent_of,
            )?;
            samples.add(name, RATE, rate);
            samples.add(name, PING, p50);
        }
    }
    println!(
        "{:<12} {:>10} {:>12}   {:<20} {:<20}",
        "", "Gbit/s", "p50 µs", "rate : direct", "p50 - direct, µs"
    );
    for (name, ..) in paths {
        let rate = samples.median(name, RATE).unwrap_or_default() * 8.0 / 1e9;
        let p50 = samples.median(name, PING).unwrap_or_default();
        let ratio = samples.ratio(name, DIRECT, RATE);
        let more = samples.difference(name, DIRECT, PING);
        let shown =
            |it: Option<super::spread::Spread>| it.map_or(String::new(), |it| it.to_string());
        println!(
            "{name:<12} {rate:>10.2} {p50:>12.1}   {:<20} {:<20}",
            shown(ratio),
            shown(more)
        );
    }
    let rate = samples.ratio(GATEWAY, DIRECT, RATE);
    let more = samples.difference(GATEWAY, DIRECT, PING);
    let goals = [
        Goal {
            what: "at least 0.55 of the direct bytes per second".to_owned(),
            measured: rate,
            is_met: rate.is_some_and(|rate| rate.median >= 0.55),
        },
        Goal {
            what: "p50 round trip of 64 bytes within 30 µs of direct".to_owned(),
            measured: more,
            is_met: more.is_some_and(|more| more.median <= 30.0),
        },
    ];
    finish("relay", options, &samples, &goals)
}

fn measure(work: &Work, agent_of: Option<&Gateway>) -> Result<(f64, f64)> {
    let mut client = Client::start(work, agent_of)?;
    let loaded = client.work()?;
    client.end()?;
    Ok((loaded.per_second, loaded.p50_us))
}

/// Starts a relay that copies, in front of `to`.
fn copy(sandbox: &Sandbox, to: SocketAddr) -> Result<(Process, SocketAddr)> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
    let mut command = Command::new(std::env::current_exe()?);
    command.args(Work::Relay { listen, to }.arguments());
    let log = sandbox.join("relay.log");
    let mut relay = Process::start("the copying relay", &mut command, &log, Signal::SIGKILL)?;
    relay.wait_ready(|| Ok(std::net::TcpStream::connect(listen).is_ok()))?;
    Ok((relay, listen))
}
