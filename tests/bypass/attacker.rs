//! The attacker as a process: built once, started as somebody in some way, let go when the stage
//! is set.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::LazyLock;

use gateway_tests::programs::{find, output, root};
use gateway_tests::sandbox::Sandbox;

/// How the attacker runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Without the gateway, to see that an attempt is one.
    Free,
    /// In an attached cgroup.
    Attached,
    /// By `gateway run`.
    Run,
}

/// As whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// The user `nobody`, with no privilege.
    Nobody,
    /// Root with all capabilities, unless the way takes them.
    Root,
}

impl User {
    /// The number of the user, and of its group.
    pub(crate) fn id(self) -> &'static str {
        match self {
            User::Nobody => "65534",
            User::Root => "0",
        }
    }
}

/// The program, where every user can reach it.
pub(crate) fn program() -> &'static Path {
    static BUILT: LazyLock<(Sandbox, PathBuf)> = LazyLock::new(|| {
        let sandbox = Sandbox::new("attacker").unwrap();
        let program = sandbox.join("attacker");
        // Where there is no compiler, it was built elsewhere.
        if let Some(built) = env::var_os("GATEWAY_ATTACKER") {
            std::fs::copy(built, &program).unwrap();
        } else {
            build(&program);
        }
        (sandbox, program)
    });
    &BUILT.1
}

/// Statically linked, so that it runs in any root file system.
fn build(program: &Path) {
    let sources = root().join("tests/bypass/attacker");
    let mut files: Vec<PathBuf> = std::fs::read_dir(sources)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    files.sort();
    let mut compiler = Command::new(find("gcc").unwrap());
    compiler.args(["-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o"]);
    output(compiler.arg(program).args(files)).unwrap();
}

/// All attempts with their numbers.
pub(crate) fn attempts() -> &'static BTreeMap<String, u8> {
    static LISTED: LazyLock<BTreeMap<String, u8>> = LazyLock::new(|| {
        let list = output(Command::new(program()).arg("list")).unwrap();
        list.lines()
            .map(|line| {
                let (name, number) = line.split_once('\t').unwrap();
                (name.to_owned(), number.parse().unwrap())
            })
            .collect()
    });
    &LISTED
}

/// A started attacker that waits to be let go.
pub(crate) struct Attacker {
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Attacker {
    /// Starts it and waits until it is where it is to be.
    pub(crate) fn start(command: &mut Command) -> Attacker {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let says = BufReader::new(child.stdout.take().unwrap());
        let mut attacker = Attacker { child, says };
        assert_eq!(attacker.line(), "ready", "{command:?}");
        attacker
    }

    /// Lets it go, and returns what it says of each attempt. Then it has ended, but whoever
    /// started it may have something to do yet.
    pub(crate) fn go(&mut self) -> Vec<(String, String)> {
        drop(self.child.stdin.take());
        let mut said = Vec::new();
        loop {
            let line = self.line();
            if line == "end" {
                break;
            }
            let (name, how) = line
                .split_once('\t')
                .unwrap_or_else(|| panic!("the attacker ended early, after {said:?}"));
            said.push((name.to_owned(), how.to_owned()));
        }
        said
    }

    /// Waits until whoever started it has ended as well.
    pub(crate) fn wait(mut self) {
        self.child.wait().unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        line.trim_end_matches('\n').to_owned()
    }
}
