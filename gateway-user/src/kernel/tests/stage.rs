//! What each kernel test needs: a bpffs, a port and a cgroup of its own, put away at the end.
//!
//! It works on the real kernel and says what is missing where it cannot. Tests that use it take
//! turns, because the process as a whole is moved between cgroups.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gateway_common::coverage::Kind;
use gateway_common::held::{Held, Reach};
use gateway_common::origin::Origin;
use nix::mount::{MntFlags, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Socket, Type};

use crate::kernel::maps::monotonic;
use crate::kernel::{
    Cgroup, CgroupMount, HeldConnects, Hook, Kernel, Options, remove_all, syscall,
};

static TURN: Mutex<()> = Mutex::new(());

/// Put away in the order of the fields, after its own `drop`.
pub(super) struct Stage {
    pulse: Mutex<Option<Pulse>>,
    pub(super) options: Options,
    pub(super) cgroup: Cgroup,
    pub(super) mount: CgroupMount,
    home: Cgroup,
    _folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// Beats for the daemon until it is dropped.
struct Pulse {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The daemon's two listeners.
pub(super) struct Listeners {
    pub(super) v4: TcpListener,
    pub(super) v6: TcpListener,
}

/// An accepted connection and its record.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) origin: Option<Origin>,
}

impl Stage {
    pub(super) fn set() -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "kernel tests need root, cgroup v2 and Linux 5.15: run them as root"
        );
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let mount = CgroupMount::find().unwrap();
        let root = mount.at(Path::new("/")).unwrap();
        let name = format!("gateway-kernel-test-{}", std::process::id());
        let home = mount.own().unwrap();
        let cgroup = root.create_child(&name).unwrap();
        Self {
            options: Options {
                bpffs: folder.path().join("bpf"),
                port: free_port(),
            },
            cgroup,
            mount,
            home,
            pulse: Mutex::new(None),
            _folder: folder,
            _turn: turn,
        }
    }

    /// A daemon that lets every connect go, and whose heart beats as long as it is there, or until
    /// [`Stage::hang`].
    pub(super) fn start(&self) -> Arc<Kernel> {
        let kernel = self.start_holding();
        let mut held = kernel.held().unwrap();
        let daemon = Arc::downgrade(&kernel);
        std::thread::spawn(move || {
            while let Some(kernel) = daemon.upgrade() {
                while let Some(next) = held.take_next() {
                    kernel.let_go(&next.origin).unwrap();
                    kernel.reached(&Reach::from(&next.origin), None).unwrap();
                }
                drop(kernel);
                wait_held(&held, Duration::from_millis(20));
            }
        });
        kernel
    }

    /// Likewise, but it says nothing of its own accord.
    pub(super) fn start_holding(&self) -> Arc<Kernel> {
        let kernel = Arc::new(Kernel::start(&self.options).unwrap());
        self.revive(&kernel);
        kernel
    }

    /// Has the daemon's heart beat again.
    pub(super) fn revive(&self, kernel: &Arc<Kernel>) {
        *self.pulse.lock().unwrap() = Some(Pulse::start(kernel));
    }

    /// Stops the daemon's heart.
    pub(super) fn hang(&self) {
        *self.pulse.lock().unwrap() = None;
    }

    /// Opens both listeners and marks them.
    pub(super) fn listen(&self, kernel: &Kernel) -> Listeners {
        let listeners = self.listen_unmarked();
        kernel.mark_listener(listeners.v4.as_fd()).unwrap();
        kernel.mark_listener(listeners.v6.as_fd()).unwrap();
        listeners
    }

    pub(super) fn listen_unmarked(&self) -> Listeners {
        let port = self.options.port;
        Listeners {
            v4: listener((Ipv4Addr::LOCALHOST, port).into()),
            v6: listener((Ipv6Addr::LOCALHOST, port).into()),
        }
    }

    /// A child of the test's cgroup, removed with it.
    pub(super) fn child(&self, name: &str) -> Cgroup {
        self.cgroup.create_child(name).unwrap()
    }
}

impl Pulse {
    fn start(kernel: &Arc<Kernel>) -> Self {
        kernel.beat().unwrap();
        let kernel = Arc::downgrade(kernel);
        let (stop, stopped) = channel();
        let pause = Duration::from_millis(100);
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                match kernel.upgrade() {
                    Some(kernel) => kernel.beat().unwrap(),
                    None => return,
                }
            }
        });
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Each step is tried whatever became of the one before; a test that fails may have left
        // any state behind, and the steps' own errors would hide its message.
        let _nothing_mounted = remove_all(&self.options.bpffs);
        let _unmounted_already = umount2(&self.options.bpffs, MntFlags::MNT_DETACH);
        let _at_home_already = self.home.add_process(std::process::id());
        remove_tree(&self.cgroup.path);
        for used_by_a_daemon in ["gateway/daemon", "gateway"] {
            let _busy_is_fine = std::fs::remove_dir(self.mount.root().join(used_by_a_daemon));
        }
    }
}

/// Lets the daemon's last beat have been so long ago.
pub(super) fn beat_ago(kernel: &Kernel, ago: Duration) {
    // A machine that was just switched on has no such time yet.
    if let Some(early) = ago.checked_sub(monotonic().unwrap()) {
        std::thread::sleep(early + Duration::from_millis(1));
    }
    let then = monotonic().unwrap().checked_sub(ago).unwrap();
    kernel.programs.maps.beat_at(then).unwrap();
}

/// Accepts one connection with its record; fails after ten seconds without one.
pub(super) fn accept(kernel: &Kernel, listener: &TcpListener) -> Accepted {
    let (stream, peer) = listener.accept().expect("a connection within 10 s");
    let origin = kernel.origin(stream.as_fd()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    Accepted {
        stream,
        peer,
        origin,
    }
}

impl Accepted {
    /// The record, checked against what the other end says about itself: first its cookie.
    pub(super) fn checked(&mut self) -> Origin {
        let origin = self.origin.expect("a record of the accepted connection");
        assert_eq!(origin.source_addr(), self.peer);
        let mut cookie = [0; 8];
        self.stream.read_exact(&mut cookie).unwrap();
        assert_eq!(origin.cookie, u64::from_ne_bytes(cookie));
        origin
    }

    /// Likewise, then the port it meant to reach; and answers.
    pub(super) fn checked_with_port(&mut self) -> Origin {
        let origin = self.checked();
        let mut port = [0; 2];
        self.stream.read_exact(&mut port).unwrap();
        assert_eq!(origin.destination_port, u16::from_ne_bytes(port));
        self.stream.write_all(&[1]).unwrap();
        // Until the other end is gone, so that its port is free when it asks again.
        let _reset = self.stream.read(&mut [0]);
        origin
    }
}

/// The next connect that is held; none if there is none for so long.
pub(super) fn next_held(held: &mut HeldConnects, patience: Duration) -> Option<Held> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(next) = held.take_next() {
            return Some(next);
        }
        wait_held(held, deadline.checked_duration_since(Instant::now())?);
    }
}

fn wait_held(held: &HeldConnects, patience: Duration) {
    let mut fds = [PollFd::new(held.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::try_from(patience).unwrap()).unwrap();
}

/// Whether nobody has connected.
pub(super) fn is_idle(listener: &TcpListener) -> bool {
    listener.set_nonblocking(true).unwrap();
    let idle = listener.accept().is_err();
    listener.set_nonblocking(false).unwrap();
    idle
}

/// A listener whose `accept` gives up after ten seconds.
pub(super) fn listener(address: SocketAddr) -> TcpListener {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    syscall::save_syns(socket.as_fd()).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(1024).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket.into()
}

/// A port nobody listens on, below those that the kernel gives to outgoing connections.
pub(super) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(61);
    for _ in 0..10_000 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(start.wrapping_add(step) % 10_000 + 20_000).unwrap();
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port));
        if v4.is_ok() && v6.is_ok() {
            return port;
        }
    }
    panic!("no free port between 20000 and 30000 on 127.0.0.1 and ::1; is IPv6 on for lo?")
}

fn remove_tree(path: &Path) {
    let children: Vec<PathBuf> = match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => return,
    };
    for child in children.iter().filter(|child| child.is_dir()) {
        remove_tree(child);
    }
    // A process that was killed may take a moment to leave.
    for _ in 0..1000 {
        if std::fs::remove_dir(path).is_ok() {
            return;
        }
        std::thread::yield_now();
    }
}

/// The loaded program of a hook.
pub(super) fn program(kernel: &Kernel, wanted: Hook) -> BorrowedFd<'_> {
    let mut hooks = kernel.programs.hooks();
    hooks.find(|(hook, _)| *hook == wanted).unwrap().1
}

/// How often it happened in all attached cgroups.
pub(super) fn total(kernel: &Kernel, kind: Kind) -> u64 {
    let all = kernel.coverage().unwrap();
    all.iter()
        .filter_map(|covered| covered.counts.get(&kind))
        .sum()
}
