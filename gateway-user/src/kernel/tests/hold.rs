//! Connects that are held: what the agent waits for, and what it hears.

use std::time::{Duration, Instant};

use gateway_common::held::{Held, Reach};
use gateway_common::origin::Origin;

use super::agent::Agent;
use super::stage::{Stage, accept, is_idle, next_held};
use super::{MAPPED, V4, V6, root_in};
use crate::kernel::maps::monotonic;
use crate::kernel::{HeldConnects, Kernel, Unreachable};

const SOON: Duration = Duration::from_secs(10);
const REFUSED: &str = "ECONNREFUSED: Connection refused";

/// Runs the agent's task while `daemon` hears of what is held; returns what the agent says.
fn meanwhile(stage: &Stage, task: &str, daemon: impl FnOnce()) -> String {
    let cgroup = &stage.cgroup;
    std::thread::scope(|scope| {
        let agent = scope.spawn(|| root_in(cgroup).ask(task));
        daemon();
        agent.join().unwrap()
    })
}

fn hear(held: &mut HeldConnects) -> Held {
    next_held(held, SOON).expect("a connect that is held")
}

/// Runs the agent's task and says "no" to each of its SYNs. One may come too early: while the agent
/// is still inside `connect`, its kernel only notes the error.
fn refuse(
    kernel: &Kernel,
    held: &mut HeldConnects,
    agent: &Agent<'_>,
    task: &str,
    (why, port): (Unreachable, u16),
) -> String {
    while held.take_next().is_some() {}
    std::thread::scope(|scope| {
        let agent = scope.spawn(|| agent.ask(task));
        while !agent.is_finished() {
            if let Some(next) = next_held(held, Duration::from_millis(20)) {
                kernel.icmp().tell(&next, port, why).unwrap();
            }
        }
        agent.join().unwrap()
    })
}

/// The record of a connection that is accepted now.
fn accepted(kernel: &Kernel, listener: &std::net::TcpListener) -> Origin {
    accept(kernel, listener)
        .origin
        .expect("a record of the accepted connection")
}

#[test]
fn a_connect_ends_when_it_is_let_go() {
    let stage = Stage::set();
    let kernel = stage.start_holding();
    let listeners = stage.listen(&kernel);
    let mut held = kernel.held().unwrap();
    assert!(kernel.held().is_none());
    kernel.attach(&stage.cgroup).unwrap();
    for (destination, listener) in [
        (V4, &listeners.v4),
        (V6, &listeners.v6),
        (MAPPED, &listeners.v4),
    ] {
        for task in ["try", "poll"] {
            // What the one before repeated on a slow machine, until it was let go.
            while held.take_next().is_some() {}
            let said = meanwhile(&stage, &format!("{task} {destination} 10000"), || {
                let first = hear(&mut held);
                // It comes again and again, and nobody is connected.
                let second = hear(&mut held);
                assert_eq!(
                    (first.origin, first.sequence),
                    (second.origin, second.sequence)
                );
                assert!(is_idle(listener));
                kernel.let_go(&first.origin).unwrap();
                assert_eq!(accepted(&kernel, listener), first.origin);
            });
            assert_eq!(said, destination, "{task}");
        }
    }
    assert_eq!(kernel.counters().unwrap().missed, 0);
}

#[test]
fn what_the_network_says_of_the_server_is_what_the_agent_hears() {
    let stage = Stage::set();
    let kernel = stage.start_holding();
    let listeners = stage.listen(&kernel);
    let mut held = kernel.held().unwrap();
    kernel.attach(&stage.cgroup).unwrap();
    for (why, expected) in [
        (Unreachable::Port, REFUSED),
        (Unreachable::Host, "EHOSTUNREACH: No route to host"),
        (Unreachable::Net, "ENETUNREACH: Network is unreachable"),
    ] {
        for destination in [V4, V6, MAPPED] {
            for task in ["try", "poll"] {
                let task = format!("{task} {destination} 10000");
                let (agent, why) = (root_in(&stage.cgroup), (why, stage.options.port));
                let said = refuse(&kernel, &mut held, &agent, &task, why);
                assert_eq!(said, expected, "{task}");
            }
        }
    }
    assert!(is_idle(&listeners.v4) && is_idle(&listeners.v6));
}

#[test]
fn nothing_said_is_nothing_heard() {
    let stage = Stage::set();
    let kernel = stage.start_holding();
    let listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    let said = root_in(&stage.cgroup).ask(&format!("poll {V4} 500"));
    assert_eq!(said, "nothing yet");
    assert!(is_idle(&listeners.v4));
}

#[test]
fn where_a_server_was_reached_nobody_is_held() {
    let stage = Stage::set();
    let kernel = stage.start_holding();
    let listeners = stage.listen(&kernel);
    let mut held = kernel.held().unwrap();
    kernel.attach(&stage.cgroup).unwrap();
    let try_it = |daemon: &mut dyn FnMut()| meanwhile(&stage, &format!("try {V4}"), daemon);
    let mut reach = None;
    let said = try_it(&mut || {
        let first = hear(&mut held).origin;
        reach = Some(Reach::from(&first));
        kernel.let_go(&first).unwrap();
        kernel.reached(&Reach::from(&first), None).unwrap();
    });
    assert_eq!(said, V4);
    while held.take_next().is_some() {}
    assert_eq!(try_it(&mut || ()), V4);
    assert!(held.take_next().is_none());
    for _ in 0..2 {
        accepted(&kernel, &listeners.v4);
    }
    // Lost, or for somebody else, it is held again.
    kernel.lost(&reach.unwrap()).unwrap();
    kernel.lost(&reach.unwrap()).unwrap();
    let (task, why) = (format!("try {V4}"), (Unreachable::Port, stage.options.port));
    let agent = root_in(&stage.cgroup);
    assert_eq!(refuse(&kernel, &mut held, &agent, &task, why), REFUSED);
    kernel.reached(&reach.unwrap(), None).unwrap();
    let inner = stage.child("inner");
    kernel.attach(&inner).unwrap();
    let agent = root_in(&inner);
    assert_eq!(refuse(&kernel, &mut held, &agent, &task, why), REFUSED);
}

#[test]
fn an_agent_sees_the_address_that_its_server_was_reached_from() {
    let stage = Stage::set();
    let kernel = stage.start_holding();
    let listeners = stage.listen(&kernel);
    let mut held = kernel.held().unwrap();
    kernel.attach(&stage.cgroup).unwrap();
    for (destination, listener, from, seen) in [
        (V4, &listeners.v4, Some("192.0.2.7"), "192.0.2.7"),
        (V6, &listeners.v6, Some("2001:db8::7"), "2001:db8::7"),
        (MAPPED, &listeners.v4, Some("192.0.2.8"), "::ffff:192.0.2.8"),
        // Not known, or of the other kind: what it is.
        (V4, &listeners.v4, None, "127.0.0.1"),
        (V6, &listeners.v6, Some("192.0.2.7"), "::1"),
    ] {
        let said = meanwhile(&stage, &format!("own {destination}"), || {
            let origin = hear(&mut held).origin;
            let from = from.map(|from| from.parse().unwrap());
            kernel.reached(&Reach::from(&origin), from).unwrap();
            kernel.let_go(&origin).unwrap();
            accepted(&kernel, listener);
            kernel.lost(&Reach::from(&origin)).unwrap();
        });
        assert_eq!(said, seen, "{destination}");
        while held.take_next().is_some() {}
    }
}

#[test]
fn who_takes_the_port_of_a_dead_daemon_gets_no_held_connect() {
    let stage = Stage::set();
    let kernel = stage.start_holding();
    let listeners = stage.listen(&kernel);
    let mut held = kernel.held().unwrap();
    kernel.attach(&stage.cgroup).unwrap();
    let said = meanwhile(&stage, &format!("poll {V4} 500"), || {
        let first = hear(&mut held);
        drop(listeners);
        let squatter = stage.listen_unmarked();
        kernel.let_go(&first.origin).unwrap();
        // Its SYN is held on, though it was let go.
        while next_held(&mut held, Duration::from_millis(600)).is_some() {}
        assert!(is_idle(&squatter.v4));
    });
    assert_eq!(said, "nothing yet");
}

#[test]
fn what_is_held_is_refused_when_the_daemon_is_dead() {
    let stage = Stage::set();
    let kernel = stage.start_holding();
    let mut held = kernel.held().unwrap();
    kernel.attach(&stage.cgroup).unwrap();
    for (destination, task) in [(V4, "try"), (V6, "poll"), (MAPPED, "try")] {
        kernel.beat().unwrap();
        let said = meanwhile(&stage, &format!("{task} {destination} 20000"), || {
            hear(&mut held);
            stage.hang();
        });
        assert_eq!(said, REFUSED, "{task} {destination}");
    }
}

#[test]
fn another_daemon_hears_of_what_is_held() {
    let stage = Stage::set();
    let first = stage.start_holding();
    let listeners = stage.listen(&first);
    let mut held = first.held().unwrap();
    first.attach(&stage.cgroup).unwrap();
    let said = meanwhile(&stage, &format!("try {V4}"), || {
        let heard = hear(&mut held).origin;
        // However long an emulated machine takes to load the programs once more.
        stage.hang();
        let later = monotonic().unwrap() + Duration::from_secs(120);
        first.programs.maps.beat_at(later).unwrap();
        drop((held, first, listeners));
        let second = stage.start_holding();
        let listeners = stage.listen(&second);
        let again = hear(&mut second.held().unwrap()).origin;
        assert_eq!(again, heard);
        second.let_go(&again).unwrap();
        assert_eq!(accepted(&second, &listeners.v4), heard);
    });
    assert_eq!(said, V4);
}

#[test]
fn what_is_held_for_long_is_heard_of_twice_a_second() {
    let stage = Stage::set();
    let kernel = stage.start_holding();
    let _listeners = stage.listen(&kernel);
    let mut held = kernel.held().unwrap();
    kernel.attach(&stage.cgroup).unwrap();
    for destination in [V4, V6] {
        let said = meanwhile(&stage, &format!("poll {destination} 5000"), || {
            // The first pauses are short; by doubling there would be three long ones.
            let (mut last, mut pauses) = (Instant::now(), 0);
            while pauses < 6 {
                hear(&mut held);
                pauses += usize::from(last.elapsed() > Duration::from_millis(300));
                last = Instant::now();
            }
        });
        assert_eq!(said, "nothing yet");
        while held.take_next().is_some() {}
    }
}

#[test]
fn a_go_is_for_one_connect_only() {
    let stage = Stage::set();
    let kernel = stage.start_holding();
    let listeners = stage.listen(&kernel);
    let mut held = kernel.held().unwrap();
    kernel.attach(&stage.cgroup).unwrap();
    let said = meanwhile(&stage, &format!("poll {V4} 300"), || {
        let first = hear(&mut held).origin;
        // For an earlier connect of the same socket, and taken back.
        let earlier = Origin {
            boot_ns: first.boot_ns - 1,
            ..first
        };
        kernel.let_go(&earlier).unwrap();
        hear(&mut held);
        kernel.take_back(&first).unwrap();
        kernel.take_back(&first).unwrap();
        hear(&mut held);
    });
    assert_eq!(said, "nothing yet");
    assert!(is_idle(&listeners.v4));
}

#[test]
fn fast_open_is_held_too() {
    let stage = Stage::set();
    let kernel = stage.start_holding();
    let listeners = stage.listen(&kernel);
    let mut held = kernel.held().unwrap();
    kernel.attach(&stage.cgroup).unwrap();
    let cgroup = &stage.cgroup;
    std::thread::scope(|scope| {
        let agent = scope.spawn(|| root_in(cgroup).run(&format!("fastopen {V4} 2")));
        for _ in 0..2 {
            let origin = hear(&mut held).origin;
            assert!(is_idle(&listeners.v4));
            kernel.let_go(&origin).unwrap();
            assert_eq!(accept(&kernel, &listeners.v4).checked(), origin);
            while held.take_next().is_some() {}
        }
        agent.join().unwrap();
    });
}
