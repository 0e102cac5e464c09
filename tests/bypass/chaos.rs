//! Agents that connect all the time, while the daemon is killed, started, ended and started
//! again with its programs loaded afresh over the state that was left.

use std::env;
use std::time::{Duration, Instant};

use gateway_tests::wait;
use nix::sys::signal::Signal;

use crate::network::{OWN4, OWN6};
use crate::storm::Storm;
use crate::world::World;

/// How often the daemon goes; `GATEWAY_CHAOS_CYCLES` says otherwise.
const CYCLES: u32 = 50;
/// When it is enough on a slow machine; `GATEWAY_CHAOS_SECONDS` says otherwise.
const SECONDS: u32 = 60;

/// How long connects are held without a daemon, from its last heartbeat; somewhat less.
const HELD: Duration = Duration::from_millis(1500);
/// How long an agent waits for a connect; somewhat less.
const PATIENCE: Duration = Duration::from_millis(4500);

#[test]
fn nothing_gets_out_while_daemons_come_and_go() {
    let most = Duration::from_secs(setting("GATEWAY_CHAOS_SECONDS", SECONDS).into());
    let mut world = World::new("chaos");
    // Some connect to a server that anybody may reach, and succeed all the way; others to strangers
    // in the internet, to whom not a single packet may go.
    let mut to_near = Storm::start(&world, [OWN4, "5432", OWN6, "5432"]);
    let to_far = Storm::start(&world, ["198.18.200.1", "7", "2001:db8:c8::1", "7"]);

    let start = Instant::now();
    let (mut cycles, mut longest, mut without) = (0_u64, Duration::ZERO, Duration::ZERO);
    let mut since = start;
    for cycle in 0..setting("GATEWAY_CHAOS_CYCLES", CYCLES) {
        if start.elapsed() > most {
            break;
        }
        // Ended in order every fifth time: what is attached stays, and is given new programs.
        let way = match cycle % 5 {
            4 => Signal::SIGTERM,
            _ => Signal::SIGKILL,
        };
        let gone = Instant::now();
        world.gateway.stop(way).unwrap();
        world.gateway.restart().unwrap();
        longest = longest.max(gone.elapsed());
        cycles += 1;
        // Half of them go again at once, wherever the connects are that were held.
        if cycle % 4 >= 2 {
            continue;
        }
        let before = to_near.connected();
        wait::until("every agent connects again", || {
            let now = to_near.connected();
            let all = now.iter().zip(&before).all(|(now, before)| now > before);
            Ok(all.then_some(()))
        })
        .unwrap();
        without = without.max(since.elapsed());
        since = Instant::now();
    }
    let (near, far) = (to_near.stop(), to_far.stop());
    println!(
        "{cycles} daemons in {:?}, away for {longest:?} at most, {without:?} until every agent \
         connected: near {near:?}, far {far:?}",
        start.elapsed()
    );
    assert!(near["connected"] > 0, "{near:?}");
    // Connects are held while the daemon is away for a moment, and refused when it stays away. A SYN
    // that is on its way already when the daemon is killed is answered by the kernel with a reset.
    if longest < HELD {
        let refused = near.get("ECONNREFUSED").copied().unwrap_or_default();
        assert!(refused <= cycles, "{longest:?}: {near:?}");
    }
    // And go on as soon as it is back.
    if without < PATIENCE {
        assert!(!near.contains_key("unanswered"), "{without:?}: {near:?}");
    }
    let packets = world.packets();
    assert!(
        packets.is_empty(),
        "{} packets: {:?}",
        packets.len(),
        packets.first()
    );
}

fn setting(name: &str, otherwise: u32) -> u32 {
    env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}
