//! What `gateway run` closes before it becomes the command: attacks from inside, what comes in
//! from outside, and that everyday tools still work.

use std::fs::{self, Permissions};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use gateway_tests::cgroup::mount;
use gateway_tests::gateway::Gateway;
use gateway_tests::guardian::Undo;
use gateway_tests::policy_file::DAEMON_USER;
use gateway_tests::programs::{find, said};
use gateway_tests::sandbox::Sandbox;
use gateway_tests::terminal::Terminal;
use nix::unistd::User;

use crate::stage::{direct, open_gateway, psql, sql};

const WAYS_OUT: &str = include_str!("clients/ways_out.py");
const WITHOUT_LANDLOCK: &str = include_str!("clients/without_landlock.py");
const INHERIT: &str = include_str!("clients/inherit.py");
/// Debian's own, which every user may run.
const PYTHON: &str = "/usr/bin/python3";

#[test]
fn no_way_leads_out() {
    let gateway = open_gateway();
    for user in ["nobody", "root"] {
        let outside = Outside::new(user);
        let ran = direct(&gateway.run_with(
            &["--as", "agent", "--user", user],
            &outside.attack(&gateway),
        ));
        let told = said(&ran);
        assert!(ran.status.success(), "{user}: {told}");
        let tried = told.lines().filter(|line| !line.starts_with("n/a: "));
        let (refused, other): (Vec<_>, Vec<_>) =
            tried.partition(|line| line.starts_with("refused: "));
        assert!(other.is_empty(), "{user}: {other:#?}");
        assert!(refused.len() > 80, "{user} tried only {refused:#?}");
    }
}

/// The same attacks without the gateway: they would work.
#[test]
fn ways_out_are_there_outside() {
    let gateway = open_gateway();
    let outside = Outside::new("root");
    let attack = outside.attack(&gateway);
    // Mounts of its own, since one of the attacks changes some.
    let mut bare = Command::new(find("unshare").unwrap());
    bare.arg("--mount").arg(attack.get_program());
    let told = said(&direct(bare.args(attack.get_args())));
    for way in [
        "packet socket by its old type",
        "kernel program",
        "enter a namespace",
        "capabilities after exec",
        "other cgroup",
        "cgroups writable again",
        "socket",
        "socket in the runtime directory",
        "abstract socket",
        "control socket",
        "gateway's state",
        "gateway's kernel objects",
        "trace an outsider",
        "read an outsider's memory",
        "take an outsider's descriptor",
        "core dump handler",
    ] {
        let line = format!("open: {way}");
        assert!(told.lines().any(|told| told == line), "{way}:\n{told}");
    }
}

#[test]
fn a_socket_of_the_runtime_directory_stays_hidden_when_it_is_made_anew() {
    let gateway = open_gateway();
    let mut outside = Outside::new("nobody");
    let script = "import socket, sys\n\
        print('ready', flush=True); sys.stdin.readline()\n\
        try: socket.socket(socket.AF_UNIX).connect(sys.argv[1]); print('open')\n\
        except OSError as error: print(error.strerror)";
    let mut agent = Command::new(PYTHON);
    agent.args(["-c", script]).arg(&outside.runtime_socket);
    let run = gateway.run_with(&["--as", "agent", "--user", "nobody"], &agent);
    let mut terminal = Terminal::start(&run).unwrap();
    terminal.wait_for("ready").unwrap();
    fs::remove_file(&outside.runtime_socket).unwrap();
    outside._listeners.push(listen(&outside.runtime_socket));
    terminal.type_keys("go\n").unwrap();
    terminal.wait_for("No such file or directory").unwrap();
}

#[test]
fn what_is_allowed_stays() {
    let gateway = open_gateway();
    let outside = Outside::new("nobody");
    let script = "import os, socket, sys\n\
        for path in sys.argv[1:]: socket.socket(socket.AF_UNIX).connect(path)\n\
        print(os.environ.get('SSH_AUTH_SOCK'), os.environ.get('DISPLAY'))";
    let mut agent = Command::new(PYTHON);
    agent
        .args(["-c", script])
        .args([&outside.socket, &outside.runtime_socket])
        .env("SSH_AUTH_SOCK", &outside.socket)
        .env("DISPLAY", ":0");
    let (socket, runtime) = (text(&outside.socket), text(&outside.runtime_socket));
    let user = ["--as", "agent", "--user", "nobody"];
    let allowed = ["--allow-socket", &socket, "--allow-socket", &runtime];
    let ran = direct(&gateway.run_with(&[&user[..], &allowed[..]].concat(), &agent));
    assert_eq!(said(&ran).trim(), format!("{socket} None"));
    let missing = ["--allow-socket", "/no/such.sock"];
    let ran = direct(&gateway.run_with(&[&user[..], &missing[..]].concat(), &agent));
    assert_eq!(ran.status.code(), Some(125));
    assert!(said(&ran).contains("/no/such.sock"), "{}", said(&ran));
}

#[test]
fn only_files_pipes_and_terminals_come_in() {
    let gateway = open_gateway();
    let sandbox = Sandbox::new("inherit").unwrap();
    let file = sandbox.write("file", "").unwrap();
    let inherit = |stdin: &str| {
        let mut list = Command::new("/bin/sh");
        let script = "for fd in /proc/self/fd/*; do readlink $fd || :; done; readlink /proc/$$/cwd";
        list.args(["-c", script]);
        let run = gateway.run_with(&["--as", "agent", "--user", "root"], &list);
        let mut outer = Command::new(PYTHON);
        outer.args(["-c", INHERIT]).arg(&file).arg(stdin);
        direct(outer.arg(run.get_program()).args(run.get_args()))
    };
    for stdin in ["null", "unix"] {
        let ran = inherit(stdin);
        let told = said(&ran);
        assert!(ran.status.success(), "{told}");
        assert!(told.contains(&text(&file)), "{told}");
        let sockets = told.matches("socket:").count();
        assert_eq!(sockets, usize::from(stdin == "unix"), "{told}");
        for foreign in ["anon_inode", "net:[", "oom_score_adj", "pidfd"] {
            assert!(!told.contains(foreign), "{told}");
        }
        let roots = told.lines().filter(|line| *line == "/").count();
        assert!(roots <= 1, "an open directory came in: {told}");
    }
    for (stdin, what) in [("tcp", "a socket"), ("directory", "a directory")] {
        let ran = inherit(stdin);
        assert_eq!(ran.status.code(), Some(125), "{}", said(&ran));
        let expected = format!("standard input is {what}");
        assert!(said(&ran).contains(&expected), "{}", said(&ran));
    }
}

/// Where the kernel has no Landlock, as the outer program makes it look.
/// What stays open is what docs/run.md says.
#[test]
fn without_landlock_tracing_is_refused_all_the_same() {
    let gateway = open_gateway();
    let outside = Outside::new("nobody");
    let options = ["--as", "agent", "--user", "nobody"];
    let run = gateway.run_with(&options, &outside.attack(&gateway));
    let mut outer = Command::new(PYTHON);
    outer.args(["-c", WITHOUT_LANDLOCK]);
    let ran = direct(outer.arg(run.get_program()).args(run.get_args()));
    let told = said(&ran);
    assert!(ran.status.success(), "{told}");
    let known = [
        "open: abstract socket",
        "open: open an outsider's memory",
        "open: root directory of an outsider",
    ];
    for line in told.lines() {
        let is_closed = line.starts_with("refused: ") || line.starts_with("n/a: ");
        assert!(is_closed || known.contains(&line), "{line}");
    }
    for way in [
        "trace an outsider",
        "read an outsider's memory",
        "take an outsider's descriptor",
    ] {
        assert!(
            told.contains(&format!("refused: {way}: EPERM")),
            "{way}: {told}"
        );
    }
}

#[test]
fn nobody_is_root_by_an_oversight() {
    let gateway = open_gateway();
    let mut command = gateway.command(["run", "--as", "agent", "--", "id", "-un"]);
    let ran = direct(command.env_remove("SUDO_UID"));
    assert_eq!(ran.status.code(), Some(125));
    assert!(said(&ran).contains("--user NAME"), "{}", said(&ran));
    let ran = direct(command.env("SUDO_UID", "0"));
    assert_eq!(ran.status.code(), Some(125), "{}", said(&ran));
    let nobody = User::from_name("nobody").unwrap().unwrap();
    let ran = direct(command.env("SUDO_UID", nobody.uid.to_string()));
    assert_eq!(said(&ran), "nobody\n");
}

#[test]
fn no_agent_is_the_daemons_user() {
    let gateway = open_gateway();
    let mut command = Command::new("/bin/true");
    let run = gateway.run_with(&["--as", "agent", "--user", DAEMON_USER], command.arg("x"));
    let ran = direct(&run);
    assert_eq!(ran.status.code(), Some(125));
    assert!(said(&ran).contains("the daemon runs as"), "{}", said(&ran));
}

#[test]
fn an_isolated_run_has_loopback_alone() {
    let gateway = open_gateway();
    let mut links = Command::new(find("ip").unwrap());
    links.args(["-oneline", "address"]);
    let ran =
        direct(&gateway.run_with(&["--as", "agent", "--user", "nobody", "--isolate"], &links));
    let told = said(&ran);
    assert!(told.contains("127.0.0.1/8"), "{told}");
    assert!(told.lines().all(|line| line.contains(" lo ")), "{told}");
}

#[test]
fn everyday_tools_work() {
    let gateway = open_gateway();
    let sandbox = Sandbox::new("tools").unwrap();
    let folder = sandbox.folder_for("home", "nobody").unwrap();
    let asyncio = "import asyncio\n\
        async def main():\n\
        \x20   async def answer(reader, writer): writer.write(b'hello'); writer.close()\n\
        \x20   server = await asyncio.start_server(answer, '127.0.0.1', 0)\n\
        \x20   child = await asyncio.create_subprocess_exec('echo', 'child', stdout=-1)\n\
        \x20   print((await child.communicate())[0].decode(), server.is_serving())\n\
        asyncio.run(main())";
    let node = "const fs = require('fs'), child = require('child_process');\n\
        fs.readFile('/etc/hostname', error => console.log('read', error));\n\
        child.execFile('echo', ['child'], (error, out) => console.log(out.trim(), error));\n\
        const kid = child.fork(process.argv[1], ['kid']); kid.on('message', m => console.log(m));";
    let kid = sandbox
        .write(
            "kid.js",
            "if (process.argv[2] === 'kid') process.send('message');\n",
        )
        .unwrap();
    let git = "git init -q r && cd r && git -c user.name=a -c user.email=a@b commit -q \
        --allow-empty -m first && git log --format=%s";
    let sandboxed = "exec bwrap --ro-bind / / --dev /dev --proc /proc --unshare-all echo inside";
    for (program, arguments, expected) in [
        ("bash", vec!["-c", "cat <(echo $((6*7)))"], "42"),
        (PYTHON, vec!["-c", asyncio], "child\n True"),
        (PYTHON, vec!["-m", "pip", "--version"], "pip"),
        ("node", vec!["-e", node, &text(&kid)], "read null"),
        ("node", vec!["-e", node, &text(&kid)], "child null"),
        ("node", vec!["-e", node, &text(&kid)], "message"),
        ("git", vec!["-c", "x.y=z", "version"], "git version"),
        ("sh", vec!["-c", git], "first"),
        ("curl", vec!["-sS", "file:///etc/passwd"], "root:"),
        ("ssh", vec!["-G", "host"], "hostname host"),
        (
            "bash",
            vec![
                "-c",
                if has_scopes() {
                    sandboxed
                } else {
                    "echo inside"
                },
            ],
            "inside",
        ),
        ("getent", vec!["passwd", "nobody"], "nobody"),
    ] {
        let mut tool = Command::new(find(program).unwrap_or_else(|_| PathBuf::from(program)));
        // libuv uses io_uring where it is asked to, and has to do without.
        tool.args(&arguments).env("UV_USE_IO_URING", "1");
        tool.env("PATH", "/usr/bin:/bin").current_dir(&folder);
        let run = gateway.run_with(&["--as", "agent", "--user", "nobody"], &tool);
        let ran = direct(&run);
        assert!(
            ran.status.success() && said(&ran).contains(expected),
            "{program} {arguments:?}: {}",
            said(&ran)
        );
    }
    let run = gateway.run_with(&["--as", "agent", "--user", "nobody"], &sql("SELECT 7"));
    assert_eq!(said(&direct(&run)).trim(), "7");
    let run = gateway.run_with(&["--as", "agent", "--user", "nobody"], &psql(&["-n"]));
    let mut terminal = Terminal::start(&run).unwrap();
    terminal.wait_for("shop=>").unwrap();
    terminal.type_keys("\\q\n").unwrap();
    assert_eq!(terminal.wait_end().unwrap(), Some(0));
}

/// Whether the kernel has domains that leave mounts alone.
fn has_scopes() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    let version = (
        numbers.next().unwrap().unwrap(),
        numbers.next().unwrap().unwrap(),
    );
    version >= (6, 12)
}

fn text(path: &std::path::Path) -> String {
    path.display().to_string()
}

/// What an agent must not reach: programs of the same user that run outside, and their sockets.
struct Outside {
    socket: PathBuf,
    runtime_socket: PathBuf,
    name: String,
    outsider: Child,
    script: PathBuf,
    _listeners: Vec<UnixListener>,
    undo: Undo,
    _sandbox: Sandbox,
}

impl Outside {
    fn new(user: &str) -> Outside {
        let sandbox = Sandbox::new("outside").unwrap();
        let script = sandbox.write("ways_out.py", WAYS_OUT).unwrap();
        let name = format!("gateway-{}-{user}", own_name());
        let runtime_socket = PathBuf::from(format!("/run/{name}.sock"));
        let socket = sandbox.join("s.sock");
        let user = User::from_name(user).unwrap().unwrap();
        let outsider = Command::new("sleep")
            .arg("1000")
            .uid(user.uid.as_raw())
            .gid(user.gid.as_raw())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let undo = Undo::promise(&format!(
            "kill {}; rm -f '{}'",
            outsider.id(),
            runtime_socket.display()
        ));
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        Outside {
            _listeners: vec![
                listen(&socket),
                listen(&runtime_socket),
                UnixListener::bind_addr(&address).unwrap(),
            ],
            socket,
            runtime_socket,
            name,
            outsider,
            script,
            undo: undo.unwrap(),
            _sandbox: sandbox,
        }
    }

    /// The attacker with all that it has to know.
    fn attack(&self, gateway: &Gateway) -> Command {
        let mut attack = Command::new(PYTHON);
        attack.arg(&self.script);
        for (name, value) in [
            ("outsider", self.outsider.id().to_string()),
            ("socket", text(&self.socket)),
            ("runtime_socket", text(&self.runtime_socket)),
            ("abstract", format!("@{}", self.name)),
            ("control", text(&gateway.path("run/control.sock"))),
            ("state", text(&gateway.path("state"))),
            ("runtime", text(&gateway.path("run"))),
            ("cgroup", text(&mount().unwrap())),
        ] {
            attack.arg(format!("{name}={value}"));
        }
        attack
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let ended = self.outsider.kill().is_ok() && self.outsider.wait().is_ok();
        if ended && fs::remove_file(&self.runtime_socket).is_ok() {
            self.undo.cancel();
        }
    }
}

/// A socket that everybody may connect to.
fn listen(path: &std::path::Path) -> UnixListener {
    let listener = UnixListener::bind(path).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    listener
}

/// Something that no other test has.
fn own_name() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    format!("{}-{number}", std::process::id())
}
