//! A machine that is busy: the daemon has to wait for its turn, and agents wait for the daemon.

use std::thread::sleep;
use std::time::Duration;

use gateway_tests::wait;
use nix::sys::signal::Signal;

use crate::network::{OWN4, OWN6};
use crate::storm::Storm;
use crate::world::World;

/// How long the daemon waits for its turn: longer than a heart may be late without anybody's noticing,
/// shorter than it takes to be given up. Stopped and let go on, it is for the kernel as if others had
/// all processors; busy loops would take as long as the scheduler of the day sees fit.
const WITHOUT_A_TURN: Duration = Duration::from_secs(4);
const TIMES: u32 = 4;
/// How many connects are to come about.
const CONNECTS: u64 = 200;

#[test]
fn nobody_is_refused_while_the_daemon_waits_for_its_turn() {
    let world = World::new("busy");
    let mut storm = Storm::start(&world, [OWN4, "5432", OWN6, "5432"]);
    for _ in 0..TIMES {
        let before: u64 = storm.connected().iter().sum();
        world.gateway.signal(Signal::SIGSTOP).unwrap();
        sleep(WITHOUT_A_TURN);
        world.gateway.signal(Signal::SIGCONT).unwrap();
        wait::until("agents connect again", || {
            let connected: u64 = storm.connected().iter().sum();
            Ok((connected >= before + CONNECTS / u64::from(TIMES)).then_some(()))
        })
        .unwrap();
    }
    let ended = storm.stop();
    println!("{ended:?}");
    assert!(ended["connected"] >= CONNECTS, "{ended:?}");
    assert!(!ended.contains_key("ECONNREFUSED"), "{ended:?}");
    assert!(world.packets().is_empty());
}
