//! The agent of the kernel tests: this test binary again, as a process in a cgroup.
//!
//! [`Agent`] starts it from a test; `agent_process` is what runs in it, told by an environment
//! variable what to do. It prints what it saw; judging that is the tests' part.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, Stdio};

use nix::libc;
use nix::poll::{PollFd, PollFlags, poll};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{deeds, internet};
use crate::kernel::Cgroup;

const TASK: &str = "GATEWAY_TEST_AGENT_TASK";
const CGROUP: &str = "GATEWAY_TEST_AGENT_CGROUP";
const NAMESPACE: &str = "GATEWAY_TEST_AGENT_NAMESPACE";
const UID: &str = "GATEWAY_TEST_AGENT_UID";
const ANSWER: &str = "agent says: ";

/// What the agent process does.
pub(super) struct Agent<'a> {
    pub(super) cgroup: Option<&'a Cgroup>,
    pub(super) uid: u32,
    /// The name of its network namespace; the test's own without.
    pub(super) namespace: Option<&'a str>,
}

/// What became of it.
pub(super) struct Outcome {
    pub(super) pid: u32,
    pub(super) answers: Vec<String>,
}

impl Agent<'_> {
    /// Runs a task, for example `connect 1.2.3.4:5 100 4`, to its end.
    pub(super) fn run(&self, task: &str) -> Outcome {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "kernel::tests::agent::agent_process",
                "--nocapture",
            ])
            .env(TASK, task)
            .env(UID, self.uid.to_string())
            .stdout(Stdio::piped());
        if let Some(cgroup) = self.cgroup {
            command.env(CGROUP, &cgroup.path);
        }
        if let Some(namespace) = self.namespace {
            command.env(NAMESPACE, namespace);
        }
        let child = command.spawn().unwrap();
        let pid = child.id();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "agent `{task}` failed:\n{text}");
        let answers = text
            .lines()
            .filter_map(|line| Some(line.split_once(ANSWER)?.1.to_owned()))
            .collect();
        Outcome { pid, answers }
    }

    /// Runs a task that gives one answer.
    pub(super) fn ask(&self, task: &str) -> String {
        self.run(task).answers.concat()
    }
}

/// Runs in the agent's process; without a task it is an empty test.
#[test]
fn agent_process() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    if let Ok(cgroup) = std::env::var(CGROUP) {
        std::fs::write(format!("{cgroup}/cgroup.procs"), "0").unwrap();
    }
    if let Ok(namespace) = std::env::var(NAMESPACE) {
        internet::enter(&namespace);
    }
    let uid: u32 = std::env::var(UID).unwrap().parse().unwrap();
    nix::unistd::setuid(uid.into()).unwrap();
    let words: Vec<_> = task.split(' ').collect();
    let Ok(destination) = words[1].parse::<SocketAddr>() else {
        say(&deeds::attempt(&words));
        return;
    };
    match words[0] {
        "connect" => {
            let (count, threads) = (words[2].parse().unwrap(), words[3].parse().unwrap());
            connect_many(destination, count, threads);
        }
        "reuse" => reuse_one_port(destination, words[2].parse().unwrap()),
        "pile" => pile_up(destination, words[2].parse().unwrap()),
        "drown" => say(&drown(destination, words[2])),
        "leave" => leave_at_once(destination, words[2].parse().unwrap()),
        "try" => say(&attempt(destination, libc::IPPROTO_TCP)),
        "own" => say(&own_address(destination)),
        "mptcp" => say(&attempt(destination, libc::IPPROTO_MPTCP)),
        "poll" => say(&poll_once(destination, words[2].parse().unwrap())),
        "astray" => connect_astray(destination, words[2].parse().unwrap()),
        "again" => connect_twice(destination, words[2].parse().unwrap()),
        "fastopen" => fast_open(destination, words[2].parse().unwrap()),
        "hasty" => hasty(destination, words[2].parse().unwrap()),
        "ask" => say(&ask(destination, false)),
        "ask-connected" => say(&ask(destination, true)),
        _ => say(&deeds::attempt(&words)),
    }
}

fn say(answer: &str) {
    println!("\n{ANSWER}{answer}");
}

/// Each connection tells its cookie to whoever accepts it, and checks what `getpeername` says.
fn connect_many(destination: SocketAddr, count: usize, threads: usize) {
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..count / threads {
                    let mut stream = TcpStream::connect(destination).unwrap();
                    assert_eq!(stream.peer_addr().unwrap(), destination);
                    stream.write_all(&cookie(&stream).to_ne_bytes()).unwrap();
                    let _ended = stream.read(&mut [0]);
                }
            });
        }
    });
}

/// The next socket at one port, `source` once there is one, and one of two destinations in turn.
fn from_one_port(
    source: &mut SocketAddr,
    destination: SocketAddr,
    index: u16,
) -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&(*source).into()).unwrap();
    *source = socket.local_addr().unwrap().as_socket().unwrap();
    let mut to = destination;
    to.set_port(destination.port() + index % 2);
    (socket, to)
}

/// One source port for all connections, closed by RST; every second to the next port up, so that
/// a record of the connection before would be wrong in more than its cookie.
fn reuse_one_port(destination: SocketAddr, count: u16) {
    let mut source: SocketAddr = "127.0.0.1:0".parse().unwrap();
    for index in 0..count {
        let (socket, to) = from_one_port(&mut source, destination, index);
        // The listener's end of the connection before may take a moment to see the RST.
        let start = std::time::Instant::now();
        while let Err(error) = socket.connect(&to.into()) {
            assert!(start.elapsed().as_secs() < 10, "{error}");
            std::thread::yield_now();
        }
        let mut stream = TcpStream::from(socket);
        stream.write_all(&cookie(&stream).to_ne_bytes()).unwrap();
        stream.write_all(&to.port().to_ne_bytes()).unwrap();
        // The answer comes when the listener has read all, so that RST destroys nothing.
        stream.read_exact(&mut [0]).unwrap();
        socket2::SockRef::from(&stream)
            .set_linger(Some(std::time::Duration::ZERO))
            .unwrap();
    }
}

/// One connection after another from the same port, to two destinations in turn, each reset before
/// anybody may have accepted it.
fn pile_up(destination: SocketAddr, count: u16) {
    let mut source: SocketAddr = "127.0.0.1:0".parse().unwrap();
    for index in 0..count {
        let (socket, to) = from_one_port(&mut source, destination, index);
        socket.connect(&to.into()).unwrap();
        socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
}

/// Has its sockets drop the answers to their SYNs, so that their connections stay half open; then
/// connects as others do, with its cookie as the first bytes.
fn drown(destination: SocketAddr, how: &str) -> String {
    let lasts: Vec<Socket> = match (0..1500).map(|_| half_open(destination, how)).collect() {
        Ok(sockets) => sockets,
        Err(error) => return errno(&error),
    };
    let mut stream = TcpStream::connect(destination).unwrap();
    stream.write_all(&cookie(&stream).to_ne_bytes()).unwrap();
    format!("{} half open", lasts.len())
}

fn half_open(destination: SocketAddr, how: &str) -> std::io::Result<Socket> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let domain = Domain::for_address(destination);
    let kind = Type::STREAM.nonblocking();
    let socket = Socket::new(domain, kind, Some(Protocol::TCP))?;
    let most_hops = 255_i32.to_ne_bytes();
    match how {
        "hops4" => deeds::set(&socket, libc::IPPROTO_IP, libc::IP_MINTTL, &most_hops)?,
        // Not in the libc crate (linux/in6.h).
        "hops6" => deeds::set(&socket, libc::IPPROTO_IPV6, 73, &most_hops)?,
        _ => {
            let nothing = socket2::SockFilter::new(u16::try_from(libc::BPF_RET).unwrap(), 0, 0, 0);
            socket.attach_filter(&[nothing])?;
        }
    }
    let begun = socket.connect(&destination.into()).unwrap_err();
    assert_eq!(begun.raw_os_error(), Some(libc::EINPROGRESS), "{begun}");
    Ok(socket)
}

/// Sockets that are closed as soon as their SYN has left.
fn leave_at_once(destination: SocketAddr, count: usize) {
    for _ in 0..count {
        let domain = Domain::for_address(destination);
        let kind = Type::STREAM.nonblocking();
        let socket = Socket::new(domain, kind, Some(Protocol::TCP)).unwrap();
        let begun = socket.connect(&destination.into()).unwrap_err();
        assert_eq!(begun.raw_os_error(), Some(libc::EINPROGRESS), "{begun}");
        socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
}

/// A `connect` that does not block, and what there is to say of it after so many milliseconds.
fn poll_once(destination: SocketAddr, patience: u16) -> String {
    let domain = Domain::for_address(destination);
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP)).unwrap();
    let begun = socket.connect(&destination.into()).unwrap_err();
    if begun.raw_os_error() != Some(libc::EINPROGRESS) {
        return errno(&begun);
    }
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut fds, patience).unwrap() == 0 {
        return String::from("nothing yet");
    }
    match socket.take_error().unwrap() {
        Some(error) => errno(&error),
        None => peer(&socket),
    }
}

/// The same socket to two destinations, one after the other.
fn connect_twice(first: SocketAddr, second: SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.connect(&first.into()).unwrap();
    disconnect(&socket);
    let result = socket.connect(&second.into());
    say(&result.map_or_else(|error| errno(&error), |()| peer(&socket)));
}

/// Likewise, but the first SYN has IP options and never leaves.
fn connect_astray(first: SocketAddr, second: SocketAddr) {
    const NOTHING: [u8; 4] = [1; 4];
    let kind = Type::STREAM.nonblocking();
    let socket = Socket::new(Domain::IPV4, kind, Some(Protocol::TCP)).unwrap();
    deeds::set(&socket, libc::IPPROTO_IP, libc::IP_OPTIONS, &NOTHING).unwrap();
    let begun = socket.connect(&first.into()).unwrap_err();
    assert_eq!(begun.raw_os_error(), Some(libc::EINPROGRESS), "{begun}");
    disconnect(&socket);
    deeds::set(&socket, libc::IPPROTO_IP, libc::IP_OPTIONS, &[]).unwrap();
    let result = socket.connect(&second.into());
    say(&result.map_or_else(|error| errno(&error), |()| peer(&socket)));
}

/// Sends and is gone before anybody could accept.
fn hasty(destination: SocketAddr, count: usize) {
    for _ in 0..count {
        let mut stream = TcpStream::connect(destination).unwrap();
        stream.write_all(&cookie(&stream).to_ne_bytes()).unwrap();
    }
}

/// TCP Fast Open both ways in turn: data with the SYN, where the kernel has a cookie of the
/// server's.
fn fast_open(destination: SocketAddr, count: usize) {
    for deferred in [true, false].into_iter().cycle().take(count) {
        let socket = Socket::new(
            Domain::for_address(destination),
            Type::STREAM,
            Some(Protocol::TCP),
        )
        .unwrap();
        let data = cookie(&socket).to_ne_bytes();
        if deferred {
            let on = 1;
            // SAFETY: the option is an int.
            let result = unsafe {
                libc::setsockopt(
                    socket.as_raw_fd(),
                    libc::IPPROTO_TCP,
                    libc::TCP_FASTOPEN_CONNECT,
                    (&raw const on).cast(),
                    4,
                )
            };
            assert_eq!(result, 0);
            socket.connect(&destination.into()).unwrap();
            socket.send(&data).unwrap();
        } else {
            let flag = libc::MSG_FASTOPEN;
            let sent = socket.send_to_with_flags(&data, &destination.into(), flag);
            assert_eq!(sent.unwrap(), data.len());
        }
        assert_eq!(socket.peer_addr().unwrap(), destination.into());
    }
}

/// Sends the socket's cookie and tells who answered.
fn ask(destination: SocketAddr, is_connected: bool) -> String {
    let unspecified = match destination {
        SocketAddr::V4(_) => "0.0.0.0:0",
        SocketAddr::V6(_) => "[::]:0",
    };
    let socket = UdpSocket::bind(unspecified).unwrap();
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(10)))
        .unwrap();
    let cookie = cookie(&socket).to_ne_bytes();
    let sent = if is_connected {
        socket.connect(destination).and_then(|()| {
            assert_eq!(socket.peer_addr().unwrap(), destination);
            socket.send(&cookie)
        })
    } else {
        socket.send_to(&cookie, destination)
    };
    match sent.and_then(|_| socket.recv_from(&mut [0; 8])) {
        Ok((_, from)) => from.to_string(),
        Err(error) => errno(&error),
    }
}

fn attempt(destination: SocketAddr, protocol: i32) -> String {
    let socket = match Socket::new(
        Domain::for_address(destination),
        Type::STREAM,
        Some(protocol.into()),
    ) {
        Ok(socket) => socket,
        Err(error) => return format!("no socket: {error}"),
    };
    match socket.connect(&destination.into()) {
        Ok(()) => peer(&socket),
        Err(error) => errno(&error),
    }
}

/// What `getsockname` says after `connect`.
fn own_address(destination: SocketAddr) -> String {
    let socket = std::net::TcpStream::connect(destination).unwrap();
    socket.local_addr().unwrap().ip().to_string()
}

fn peer(socket: &Socket) -> String {
    socket.peer_addr().unwrap().as_socket().unwrap().to_string()
}

pub(super) fn errno(error: &std::io::Error) -> String {
    nix::errno::Errno::from_raw(error.raw_os_error().unwrap()).to_string()
}

/// `connect` to `AF_UNSPEC`.
pub(super) fn disconnect(socket: &Socket) {
    let nowhere = [0_u8; 16];
    // SAFETY: 16 zero bytes are an address of family AF_UNSPEC.
    let result = unsafe { libc::connect(socket.as_raw_fd(), nowhere.as_ptr().cast(), 16) };
    assert_eq!(result, 0);
}

/// `SO_COOKIE`, by which the kernel names a socket.
pub(super) fn cookie(socket: &impl AsFd) -> u64 {
    SockRef::from(socket).cookie().unwrap()
}
