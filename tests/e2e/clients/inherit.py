"""Becomes the command in its arguments, with one of each kind of descriptor open beyond the
standard streams. The first argument names the file that is one of them; the second what standard
input is to be: `tcp`, `unix`, `directory` or `null`."""

import os
import select
import socket
import sys

listener = socket.create_server(("127.0.0.1", 0))
outside = [
    socket.create_connection(listener.getsockname()),
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    *socket.socketpair(),
    select.epoll(),
]
numbers = [item.fileno() for item in outside]
numbers += [
    os.open("/", os.O_RDONLY),
    os.open("/", os.O_PATH),
    os.pidfd_open(os.getpid()),
    os.open("/proc/self/ns/net", os.O_RDONLY),
    os.open("/proc/self/oom_score_adj", os.O_RDWR),
    os.open(sys.argv[1], os.O_RDWR),
    os.open("/dev/null", os.O_RDWR),
    *os.pipe(),
]
for number in numbers:
    os.set_inheritable(number, True)
stdin = {
    "tcp": numbers[0],
    "unix": numbers[2],
    "directory": numbers[5],
    "null": numbers[-3],
}[sys.argv[2]]
os.dup2(stdin, 0)
os.execv(sys.argv[3], sys.argv[3:])
