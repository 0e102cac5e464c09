"""Sends a datagram to a port of the loopback address and prints the answer, or why there is none. With
a line on standard input it does so again. Arguments: address, port, how (`sendto` or `connect`)."""

import errno
import socket
import sys

ADDRESS, PORT, HOW = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def ask(sock):
    try:
        if HOW == "connect":
            sock.connect((ADDRESS, PORT))
            sock.send(b"ping")
        else:
            sock.sendto(b"ping", (ADDRESS, PORT))
        return sock.recv(100).decode()
    except OSError as error:
        return errno.errorcode[error.errno]


family = socket.AF_INET6 if ":" in ADDRESS else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as sock:
    sock.settimeout(60)
    print(ask(sock), flush=True)
    while sys.stdin.readline():
        print(ask(sock), flush=True)
