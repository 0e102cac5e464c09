"""A client of the peers in `opaque/peer.rs`. Arguments: what to do, port, how much.

echoes   so many connections, each of which says something, is half closed, and hears the same
endings  so many connections, on which the server is half closed first and then hears something
bulk     so many bytes there, and as many back
wait     says something, hears it, prints `ready`, and then prints how the connection ends
"""

import hashlib
import random
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

WHAT, PORT, MUCH = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
BLOCK = bytes(range(256)) * 1024


def connect(word):
    stream = socket.create_connection(("127.0.0.1", PORT), timeout=100)
    stream.sendall(word)
    return stream


def rest(stream):
    parts = []
    while part := stream.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def said(number):
    source = random.Random(number)
    return source.randbytes(source.choice([0, 1, 64, 5_000, 70_000, 300_000]))


def echo(number):
    with connect(b"e") as stream:
        stream.sendall(said(number))
        stream.shutdown(socket.SHUT_WR)
        return rest(stream) == said(number)


def ending(number):
    with connect(b"s") as stream:
        heard = rest(stream)
        stream.sendall(said(number))
        stream.shutdown(socket.SHUT_WR)
        return len(heard) == 100_000


def many(one):
    with ThreadPoolExecutor(24) as threads:
        print(sum(threads.map(one, range(MUCH))))


def bulk():
    with connect(b"b") as stream:
        for _ in range(MUCH // len(BLOCK)):
            stream.sendall(BLOCK)
        stream.shutdown(socket.SHUT_WR)
        print("sent", flush=True)
        sys.stdin.readline()
        into, count, digest = bytearray(len(BLOCK)), 0, hashlib.md5()
        while got := stream.recv_into(into):
            digest.update(memoryview(into)[:got])
            count += got
        expected = hashlib.md5()
        for _ in range(MUCH // len(BLOCK)):
            expected.update(BLOCK)
        print(count, digest.digest() == expected.digest())


def wait():
    with connect(b"h") as stream:
        stream.sendall(b"x" * MUCH)
        heard = 0
        while heard < MUCH:
            heard += len(stream.recv(1 << 16))
        print("ready", flush=True)
        # Nobody may be listening any more when the end comes.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            print("more" if stream.recv(1) else "end")
        except ConnectionResetError:
            print("reset")


if WHAT == "echoes":
    many(echo)
elif WHAT == "endings":
    many(ending)
elif WHAT == "bulk":
    bulk()
elif WHAT == "wait":
    try:
        wait()
    except (ConnectionRefusedError, ConnectionResetError, BrokenPipeError):
        print("refused")
