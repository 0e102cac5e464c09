"""Tries each way out of a run and prints what came of it, one line each: `refused`, `open` or
`n/a` (this kernel or user has no such way), the way, and why.

Arguments as NAME=VALUE: `outsider` is a process of the same user outside of the run, `socket`,
`runtime_socket` and `abstract` are Unix sockets that somebody outside listens at, `control` is the
daemon's socket, `state` and `runtime` are its folders, `cgroup` is where cgroup v2 is mounted.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import signal
import socket
import struct
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
GIVEN = dict(argument.split("=", 1) for argument in sys.argv[1:])
IS_X86 = platform.machine() == "x86_64"
# name: (x86-64, aarch64)
NUMBERS = {
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "bpf": (321, 280),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "kexec_load": (246, 104),
    "finit_module": (313, 273),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "process_vm_readv": (310, 270),
    "unshare": (272, 97),
    "mount": (165, 40),
    "umount2": (166, 39),
    "open_tree": (428, 428),
}
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x2000000, 0x10000000, 0x40000000
MS_BIND, MS_REMOUNT = 4096, 32


class NotHere(Exception):
    """There is no such way on this kernel or for this user."""


def call(name, *arguments):
    number = NUMBERS[name][0 if IS_X86 else 1]
    return checked(LIBC.syscall(ctypes.c_long(number), *map(as_word, arguments)))


def as_word(value):
    return value if isinstance(value, (bytes, ctypes.Array, ctypes.Structure)) else ctypes.c_long(value)


def checked(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def in_child(attempt):
    """Runs `attempt` in a process of its own and passes on what came of it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            attempt()
            os.write(writing, b"0")
        except NotHere:
            os.write(writing, b"-1")
        except OSError as error:
            os.write(writing, str(error.errno).encode())
        except BaseException:
            os.write(writing, b"-2")
        os._exit(0)
    os.close(writing)
    status = os.waitpid(child, 0)[1]
    told = os.read(reading, 16)
    os.close(reading)
    if os.WIFSIGNALED(status):
        raise OSError(errno.EPERM, signal.Signals(os.WTERMSIG(status)).name)
    if told == b"-1":
        raise NotHere
    if told != b"0":
        number = int(told)
        raise OSError(number, os.strerror(number) if number > 0 else "the attempt itself failed")


# Sockets that no hook sees.


def family(number):
    def attempt():
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            try:
                socket.socket(number, kind, 0).close()
                return
            except OSError as error:
                last = error
        raise last

    return attempt


def netlink(protocol):
    return lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol).close()


def old_packet_socket():
    socket.socket(socket.AF_INET, 10, socket.htons(3)).close()


def packet_socket_of_a_namespace():
    def attempt():
        call("unshare", CLONE_NEWUSER | CLONE_NEWNET)
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()

    in_child(attempt)


def raw_socket():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP).close()


def ring():
    call("io_uring_setup", 4, ctypes.create_string_buffer(120))


def x32_socket():
    if not IS_X86:
        raise NotHere
    checked(LIBC.syscall(ctypes.c_long(0x40000000 + 41), 1, 1, 0))


def i386_call():
    """getpid by `int 0x80`, whose numbers are those of another table."""
    if not IS_X86:
        raise NotHere

    def attempt():
        code = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"
        memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        memory.write(code)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        ctypes.CFUNCTYPE(ctypes.c_int)(address)()

    in_child(attempt)


# The kernel's own doors.


def kernel_program():
    # BPF_MAP_CREATE of an array with one cell.
    attributes = ctypes.create_string_buffer(struct.pack("=IIII", 2, 4, 8, 1), 72)
    call("bpf", 0, attributes, 72)


def enter_namespace():
    call("setns", os.open("/proc/self/ns/net", os.O_RDONLY), 0)


def key_helper():
    call("request_key", b"dns_resolver\0", b"example.org\0", b"\0", 0)


def key_ring():
    call("keyctl", 0, -3, 1)


def file_handle():
    call("open_by_handle_at", os.open("/", os.O_RDONLY), ctypes.create_string_buffer(b"\0" * 8), 0)


def faults():
    call("userfaultfd", 0)


def module():
    call("finit_module", -1, b"\0", 0)


def other_kernel():
    call("kexec_load", 0, 0, 0, 0)


# Privileges.


def capabilities():
    with open("/proc/self/status") as status:
        sets = [line.split() for line in status if line.startswith("Cap")]
    if all(int(value, 16) == 0 for _, value in sets):
        raise OSError(errno.EPERM, "all sets are empty")


def become_root():
    if os.getuid() == 0:
        raise NotHere
    os.setuid(0)


def set_user_id_program():
    with open("/proc/self/status") as status:
        if "NoNewPrivs:\t1" in status.read():
            raise OSError(errno.EPERM, "no new privileges")


def capability_of_a_program():
    """A program is run, and user 0 has capabilities again unless securebits say otherwise."""

    def attempt():
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.dup2(writing, 1)
            os.execv("/bin/cat", ["cat", "/proc/self/status"])
        os.close(writing)
        text = b""
        while piece := os.read(reading, 4096):
            text += piece
        if b"CapEff:\t0000000000000000" in text:
            raise OSError(errno.EPERM, "none after exec")

    in_child(attempt)


# The cgroup.


def other_cgroup():
    for name in ("cgroup.procs", "cgroup.threads"):
        with open(os.path.join(GIVEN["cgroup"], name), "w") as file:
            file.write("0")


def new_cgroup():
    folder = os.path.join(GIVEN["cgroup"], f"way-out-{os.getpid()}")
    os.mkdir(folder)
    os.rmdir(folder)


def writable_again():
    cgroup = GIVEN["cgroup"].encode() + b"\0"
    call("mount", b"none\0", cgroup, b"\0", MS_BIND | MS_REMOUNT, b"\0")


def writable_again_in_a_namespace():
    def attempt():
        become_namespace_root(CLONE_NEWNS)
        writable_again()

    in_child(attempt)


def own_cgroup_mount():
    """Mounts cgroup v2 anew in namespaces of its own; whatever it reaches is below the run's."""

    target = f"/tmp/way-out-{os.getpid()}"

    def attempt():
        with open("/proc/self/cgroup") as file:
            before = next(line[3:].strip() for line in file if line.startswith("0::"))
        become_namespace_root(CLONE_NEWNS | CLONE_NEWCGROUP)
        call("mount", b"none\0", target.encode() + b"\0", b"cgroup2\0", 0, b"\0")
        for up in ("", "..", "../..", "../../.."):
            with open(os.path.join(target, up, "cgroup.procs"), "w") as file:
                file.write("0")
        with open("/proc/self/cgroup") as file:
            after = next(line[3:].strip() for line in file if line.startswith("0::"))
        if after == "/" or after.startswith(before):
            raise OSError(errno.EPERM, "still in the run")

    os.mkdir(target)
    try:
        in_child(attempt)
    finally:
        os.rmdir(target)


# Programs outside.


def connect(name):
    def attempt():
        path = GIVEN[name]
        path = "\0" + path[1:] if path.startswith("@") else path
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)

    return attempt


def become_namespace_root(flags):
    """A user namespace with the same user in it as root, and more namespaces."""
    uid, gid = os.getuid(), os.getgid()
    try:
        call("unshare", CLONE_NEWUSER | flags)
    except OSError as error:
        raise NotHere from error
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def uncover(path):
    def attempt():
        become_namespace_root(CLONE_NEWNS)
        call("umount2", GIVEN[path].encode() + b"\0", 2)

    return lambda: in_child(attempt)


def look_below(path):
    def attempt():
        become_namespace_root(CLONE_NEWNS)
        target = f"/tmp/way-out-{os.getpid()}"
        os.mkdir(target)
        try:
            call("mount", path.encode() + b"\0", target.encode() + b"\0", b"\0", MS_BIND, b"\0")
        finally:
            os.rmdir(target)

    return lambda: in_child(attempt)


def look_below_by_overlay():
    """An overlay of the root directory has none of the mounts in it."""

    def attempt():
        become_namespace_root(CLONE_NEWNS)
        target = f"/tmp/way-out-{os.getpid()}"
        os.mkdir(target)
        try:
            options = f"lowerdir=/:{target},userxattr".encode() + b"\0"
            call("mount", b"none\0", target.encode() + b"\0", b"overlay\0", 0, options)
        finally:
            os.rmdir(target)

    in_child(attempt)


def look_below_by_detached_tree():
    def attempt():
        become_namespace_root(CLONE_NEWNS)
        call("open_tree", -100, b"/\0", 1)

    in_child(attempt)


def list_state():
    if not os.listdir(GIVEN["state"]):
        raise OSError(errno.ENOENT, "shown empty")


def list_kernel_objects():
    os.listdir(os.path.join(GIVEN["runtime"], "bpf"))


def trace():
    def attempt():
        checked(LIBC.ptrace(16, int(GIVEN["outsider"]), None, None))
        os.waitpid(int(GIVEN["outsider"]), 0)
        checked(LIBC.ptrace(17, int(GIVEN["outsider"]), None, None))

    in_child(attempt)


def read_memory():
    here = ctypes.create_string_buffer(8)
    local = struct.pack("=QQ", ctypes.addressof(here), 8)
    with open(f"/proc/{GIVEN['outsider']}/maps") as maps:
        start = int(next(iter(maps)).split("-")[0], 16)
    remote = struct.pack("=QQ", start, 8)
    pid = int(GIVEN["outsider"])
    call("process_vm_readv", pid, local, 1, remote, 1, 0)


def memory_file():
    os.close(os.open(f"/proc/{GIVEN['outsider']}/mem", os.O_RDWR))


def root_of_outsider():
    os.listdir(os.path.join("/proc", GIVEN["outsider"], "root", ""))


def root_of_init():
    os.listdir(os.path.join("/proc", "1", "root", ""))


def take_descriptor():
    outsider = call("pidfd_open", int(GIVEN["outsider"]), 0)
    call("pidfd_getfd", outsider, 0, 0)


def type_into_terminal():
    """Puts a key into the terminal's own input, which the shell outside would read."""

    def attempt():
        main, other = os.openpty()
        name = os.ttyname(other)
        os.setsid()
        terminal = os.open(name, os.O_RDWR)
        fcntl.ioctl(terminal, 0x5412, b"x")

    in_child(attempt)


# What user 0 may write without any capability.


def write_control(path):
    def attempt():
        if os.getuid() != 0:
            raise NotHere
        try:
            os.close(os.open(path, os.O_WRONLY))
        except FileNotFoundError as error:
            raise NotHere from error

    return attempt


# These have hooks, or stay on the host.
SEEN = {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK}
WAYS = {
    **{f"family {number}": family(number) for number in range(1, 48) if number not in SEEN},
    **{f"netlink {number}": netlink(number) for number in (5, 6, 9, 12, 20, 21)},
    "packet socket by its old type": old_packet_socket,
    "packet socket of a namespace": packet_socket_of_a_namespace,
    "raw socket": raw_socket,
    "io_uring": ring,
    "x32 socket": x32_socket,
    "i386 call": i386_call,
    "kernel program": kernel_program,
    "enter a namespace": enter_namespace,
    "key helper": key_helper,
    "key ring": key_ring,
    "file handle": file_handle,
    "userfaultfd": faults,
    "kernel module": module,
    "other kernel": other_kernel,
    "capabilities": capabilities,
    "become root": become_root,
    "set-user-ID program": set_user_id_program,
    "capabilities after exec": capability_of_a_program,
    "other cgroup": other_cgroup,
    "new cgroup": new_cgroup,
    "cgroups writable again": writable_again,
    "cgroups writable again in a namespace": writable_again_in_a_namespace,
    "own mount of cgroups": own_cgroup_mount,
    "socket": connect("socket"),
    "socket in the runtime directory": connect("runtime_socket"),
    "abstract socket": connect("abstract"),
    "control socket": connect("control"),
    "uncover the runtime directory": uncover("run"),
    "uncover the gateway's state": uncover("state"),
    "uncover the socket": uncover("socket"),
    "look below the covers": look_below("/"),
    "look below the runtime directory": look_below("/run"),
    "look below by an overlay": look_below_by_overlay,
    "look below by a detached tree": look_below_by_detached_tree,
    "gateway's state": list_state,
    "gateway's kernel objects": list_kernel_objects,
    "trace an outsider": trace,
    "read an outsider's memory": read_memory,
    "open an outsider's memory": memory_file,
    "root directory of an outsider": root_of_outsider,
    "root directory of init": root_of_init,
    "take an outsider's descriptor": take_descriptor,
    "type into the terminal": type_into_terminal,
    "core dump handler": write_control("/proc/sys/kernel/core_pattern"),
    "module loader": write_control("/proc/sys/kernel/modprobe"),
    "magic keys": write_control("/proc/sysrq-trigger"),
    "hot-plug helper": write_control("/sys/kernel/uevent_helper"),
    "cgroup release agent": write_control("/sys/fs/cgroup/release_agent"),
}


def main():
    GIVEN["run"] = "/run"
    for name, attempt in WAYS.items():
        try:
            attempt()
            print(f"open: {name}")
        except NotHere:
            print(f"n/a: {name}")
        except OSError as error:
            if error.errno is None or error.errno <= 0:
                print(f"broken: {name}: {error}")
            else:
                print(f"refused: {name}: {errno.errorcode[error.errno]}: {error.strerror}")


main()
