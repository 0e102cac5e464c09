//! Every attempt in every state of the daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use gateway_tests::cgroup::Cgroup;
use gateway_tests::programs::output;
use gateway_tests::sandbox::give_to;
use gateway_tests::wait;
use nix::sys::signal::Signal;

use crate::attacker::{User, Way, attempts, program};
use crate::network::inside;
use crate::table::{COLUMNS, Seen, agrees, cell, explained, is_closed, rows, write_seen};
use crate::world::{Outcome, Place, World, policy};

#[test]
fn every_attempt_ends_as_the_table_says() {
    let world = World::new("running");
    let sees_families = world.sees_families();
    let rows = rows();
    let mut order = Vec::new();
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (column, (way, user)) in COLUMNS.into_iter().enumerate() {
        for outcome in world.go(world.ready(way, user, &[])) {
            let shown = cell(way, &outcome);
            let cells = seen.entry(outcome.name.clone()).or_insert_with(|| {
                order.push(outcome.name.clone());
                Vec::new()
            });
            cells.push(shown.clone());
            let free = cells[usize::from(user == User::Root)].clone();
            let Some(row) = rows.get(&outcome.name) else {
                wrong.push(format!("{}: is not in the table", outcome.name));
                continue;
            };
            let is_late = row.cells[column] == "proxied" && outcome.said == "unanswered";
            // The log has so many lines a second of what is refused, and then tells how many more there were.
            let is_untold =
                row.cells[column] == "proxied" && shown == "ECONNREFUSED" && world.leaves_untold();
            // On a busy machine it is refused after it was taken over rather than before.
            let is_taken = row.cells[column] == "ECONNREFUSED" && shown == "proxied";
            let now = Seen {
                cell: &shown,
                free: &free,
                sees_families,
            };
            let is_right = agrees(&outcome.name, row, column, now)
                || (is_late && world.is_judged_soon(&outcome))
                || is_untold
                || is_taken;
            if !is_right {
                wrong.push(format!(
                    "{} as {way:?} {user:?}: the table says {:?}, but it is {shown:?} ({}; {:?})",
                    outcome.name,
                    row.cells.get(column),
                    outcome.said,
                    outcome.packets
                ));
            }
        }
    }
    world.wait_gone();
    wrong.extend(
        world
            .strays()
            .into_iter()
            .map(|stray| format!("stray: {stray}")),
    );
    let place = write_seen(&order, &seen);
    let counted = world.gateway.ask(["coverage", "--json"]).unwrap();
    assert!(
        wrong.is_empty(),
        "{}\n{place}; what the gateway counted: {counted}",
        wrong.join("\n")
    );
}

#[test]
fn table_has_each_attempt_and_explains_what_is_open() {
    let rows = rows();
    let named: BTreeSet<&String> = rows.keys().collect();
    let made: BTreeSet<&String> = attempts().keys().collect();
    let differ: Vec<_> = named.symmetric_difference(&made).collect();
    assert!(
        differ.is_empty(),
        "either in docs/bypass.md or in the attacker: {differ:?}"
    );
    let explained = explained();
    for name in &explained {
        assert!(rows.contains_key(*name), "{name}");
    }
    for (name, row) in &rows {
        assert_eq!(row.cells.len(), COLUMNS.len(), "{name}");
        assert!(!row.what.is_empty(), "{name}");
        let open = row.cells.iter().skip(2).any(|cell| !is_closed(cell));
        assert!(
            !open || explained.contains(&name.as_str()),
            "{name}: what is open is explained under \"What is open\""
        );
    }
}

#[test]
fn nothing_gets_out_when_the_daemon_is_killed() {
    let mut world = World::new("killed");
    let rounds = agents(&world);
    world.gateway.stop(Signal::SIGKILL).unwrap();
    for (column, round) in rounds {
        let outcomes = world.go(round);
        check(column, &outcomes);
        assert_refused_or_held(column, &outcomes);
    }
    assert_eq!(world.strays(), Vec::<String>::new());
    world.gateway.restart().unwrap();
}

#[test]
fn nothing_gets_out_when_the_daemon_is_stopped() {
    let world = World::new("stopped");
    let rounds = agents(&world);
    world.gateway.signal(Signal::SIGSTOP).unwrap();
    for (column, round) in rounds {
        check(column, &world.go(round));
    }
    world.gateway.signal(Signal::SIGCONT).unwrap();
    world.wait_gone();
    assert_eq!(world.strays(), Vec::<String>::new());
}

#[test]
fn nothing_gets_out_when_the_policy_is_broken() {
    let world = World::new("broken");
    world
        .gateway
        .reload(&policy().piece("[[rule]]\nname = 7"))
        .unwrap();
    wait::until("the policy is rejected", || {
        let log = world.gateway.enforcement()?;
        let rejected = log.iter().any(|line| line["event"] == "policy_rejected");
        Ok(rejected.then_some(()))
    })
    .unwrap();
    for (column, round) in agents(&world) {
        check(column, &world.go(round));
    }
    assert_eq!(world.strays(), Vec::<String>::new());
}

/// Hooks come and go one by one, when they are attached and when somebody takes one away: what is
/// left must hold by itself.
#[test]
fn nothing_gets_out_when_a_hook_is_gone() {
    const TRIED: [&str; 12] = [
        "tcp4",
        "tcp6",
        "tcp-mapped",
        "tcp-srh",
        "tcp4-fastopen",
        "udp4",
        "udp6",
        "udp-mapped",
        "udp4-connected",
        "dns4",
        "ping4",
        "proxy-loopback",
    ];
    let world = World::new("hooks");
    let links = std::fs::read_dir(world.links(world.attached.path())).unwrap();
    let hooks = links.map(|link| link.unwrap().file_name().into_string().unwrap());
    let cgroups: Vec<(String, Cgroup)> = hooks
        .map(|hook| {
            let cgroup = Cgroup::new(&format!("hooks-{hook}")).unwrap();
            world.attach(cgroup.path());
            (hook, cgroup)
        })
        .collect();
    let mut out = Vec::new();
    for (hook, cgroup) in &cgroups {
        let place = Place {
            attached: cgroup.path(),
            outside: world.outside.path(),
        };
        let round = world.ready_in(&place, Way::Attached, User::Nobody, &TRIED);
        // A daemon that runs would put the hook back.
        world.gateway.signal(Signal::SIGSTOP).unwrap();
        let pin = world.links(cgroup.path()).join(hook);
        output(Command::new(program()).arg("sever").arg(pin)).unwrap();
        for outcome in world.go(round) {
            // Datagrams and headers are the business of this hook alone.
            let is_stream = outcome.name.starts_with("tcp") && outcome.name != "tcp-srh";
            let is_its_own = hook == "egress" && !is_stream;
            if !outcome.packets.is_empty() && !is_its_own {
                out.push(format!(
                    "without {hook}: {}: {:?}",
                    outcome.name, outcome.packets
                ));
            }
        }
        world.gateway.signal(Signal::SIGCONT).unwrap();
    }
    assert!(out.is_empty(), "{}", out.join("\n"));
}

/// Packets that the hooks dropped are sent again, also when nobody has the socket any more.
#[test]
fn nothing_gets_out_after_a_run() {
    let world = World::new("after");
    let round = world.ready(Way::Run, User::Nobody, &["tcp-srh-later"]);
    assert_eq!(world.go(round)[0].packets, Vec::<String>::new());
    world.wait_gone();
    wait::until("no socket of the run has something to send", || {
        let strays = world.strays();
        anyhow::ensure!(strays.is_empty(), "{strays:?}");
        let table = inside(world.host(), || {
            fs::read_to_string("/proc/thread-self/net/tcp6")
        })?;
        // The fifth column, whose first half is what was not acknowledged yet.
        let queues = table
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().nth(4));
        let sending = queues.filter(|queue| !queue.starts_with("00000000:"));
        Ok((sending.count() == 0).then_some(()))
    })
    .unwrap();
}

/// What `docs/bypass.md` warns of: in a tree of cgroups that was given to the agent's user, the agent
/// may leave the attached one.
#[test]
fn an_agent_leaves_a_tree_that_is_its_own() {
    let world = World::new("delegated");
    let tree = Cgroup::new("delegated-tree").unwrap();
    let (agent, free) = (tree.child("agent").unwrap(), tree.child("free").unwrap());
    for cgroup in [&tree, &agent, &free] {
        give_to(&cgroup.path().join("cgroup.procs"), "nobody").unwrap();
    }
    world.attach(agent.path());
    let place = Place {
        attached: agent.path(),
        outside: free.path(),
    };
    let round = world.ready_in(
        &place,
        Way::Attached,
        User::Nobody,
        &["udp4", "move-cgroup"],
    );
    let outcomes = world.go(round);
    let out: Vec<bool> = outcomes.iter().map(|o| !o.packets.is_empty()).collect();
    assert_eq!(out, [false, true], "{outcomes:?}");
}

/// Attackers as agents that wait, with the column of the table that they belong to.
fn agents(world: &World) -> Vec<(usize, crate::world::Round)> {
    let ways = COLUMNS.into_iter().enumerate();
    ways.filter(|(_, (way, _))| *way != Way::Free)
        .map(|(column, (way, user))| (column, world.ready(way, user, &[])))
        .collect()
}

/// Nothing got out but what the table says is open.
fn check(column: usize, outcomes: &[Outcome]) {
    let rows = rows();
    let (way, user) = COLUMNS[column];
    let out: Vec<String> = outcomes
        .iter()
        .filter(|outcome| !outcome.packets.is_empty())
        .filter(|outcome| is_closed(&rows[&outcome.name].cells[column]))
        .map(|outcome| {
            format!(
                "{} as {way:?} {user:?}: {:?}",
                outcome.name, outcome.packets
            )
        })
        .collect();
    assert!(out.is_empty(), "{}", out.join("\n"));
}

/// Without a daemon connects are held for a while and then refused.
fn assert_refused_or_held(column: usize, outcomes: &[Outcome]) {
    for name in ["tcp4", "tcp6", "tcp-mapped"] {
        let outcome = outcomes
            .iter()
            .find(|outcome| outcome.name == name)
            .unwrap();
        let said = outcome.said.as_str();
        assert!(
            ["ECONNREFUSED connect", "unanswered"].contains(&said),
            "{name} as {:?}: {said}",
            COLUMNS[column]
        );
    }
}
