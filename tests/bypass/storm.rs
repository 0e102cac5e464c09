//! Agents that connect all the time, each as soon as its connect before has ended.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use gateway_tests::namespace;

use crate::attacker::{User, program};
use crate::world::World;

/// A process with agents that connect.
pub(crate) struct Storm {
    child: Child,
    asks: ChildStdin,
    says: BufReader<ChildStdout>,
}

impl Storm {
    /// To both addresses, each with its port.
    pub(crate) fn start(world: &World, to: [&str; 4]) -> Storm {
        let mut command = namespace::enter(world.host()).unwrap();
        command
            .arg(program())
            .arg("enter")
            .arg(world.attached.path())
            .arg(User::Nobody.id())
            .arg(program())
            .arg("storm")
            .args(to);
        let mut storm = Storm::spawn(&mut command);
        assert_eq!(storm.line(), "ready");
        storm
    }

    fn spawn(command: &mut Command) -> Storm {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Storm {
            asks: child.stdin.take().unwrap(),
            says: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// How many connections of each agent came about so far.
    pub(crate) fn connected(&mut self) -> Vec<u64> {
        self.asks.write_all(b"?").unwrap();
        let line = self.line();
        line.split('\t')
            .map(|count| count.parse().unwrap())
            .collect()
    }

    /// Ends it; how often it ended how.
    pub(crate) fn stop(self) -> BTreeMap<String, u64> {
        let Storm {
            mut child,
            asks,
            says,
        } = self;
        drop(asks);
        let counts = says.lines().map_while(|line| {
            let line = line.unwrap();
            let (how, count) = line.split_once('\t')?;
            Some((how.to_owned(), count.parse().unwrap()))
        });
        let counts = counts.collect();
        child.wait().unwrap();
        counts
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}
