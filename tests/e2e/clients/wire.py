"""Speaks PostgreSQL's protocol byte by byte: what no driver would send.

Arguments: host, port, scenario. Prints the tags of the server's answers, an error's code behind
its tag. The user needs no password, so that there is nothing here but the scenario.
"""

import socket
import struct
import sys


def message(tag, body=b""):
    return tag + struct.pack("!I", len(body) + 4) + body


def query(text):
    return message(b"Q", text.encode() + b"\0")


def extended(text, name=b""):
    return (
        message(b"P", name + b"\0" + text.encode() + b"\0" + struct.pack("!H", 0))
        + message(b"B", b"\0" + name + b"\0" + struct.pack("!HHH", 0, 0, 0))
        + message(b"E", b"\0" + struct.pack("!I", 0))
    )


SYNC = message(b"S")
FLUSH = message(b"H")
FORBIDDEN = "SELECT key FROM secret.keys /* forbidden_wire */"
DELETE = "DELETE FROM orders /* forbidden_wire */"

# Each is a list of what is sent; `None` waits for ReadyForQuery.
SCENARIOS = {
    "simple": [query("SELECT 1"), None, query(FORBIDDEN), None, query("SELECT 2"), None],
    "simple in a transaction": [
        query("BEGIN"), None, query(FORBIDDEN), None, query("SELECT 2"), None, query("ROLLBACK"), None,
    ],
    "simple, all at once": [
        query("SELECT 1") + query(FORBIDDEN) + query("SELECT 2"), None, None, None,
    ],
    "several statements": [query("SELECT 1; " + FORBIDDEN + "; SELECT 2"), None, query("SELECT 2"), None],
    "extended": [extended("SELECT 1") + SYNC, None, extended(FORBIDDEN) + SYNC, None, extended("SELECT 2") + SYNC, None],
    "pipelined": [
        extended("SELECT 1") + extended(FORBIDDEN) + extended("SELECT 2") + SYNC
        + extended("SELECT 3") + SYNC,
        None, None,
    ],
    "pipelined in a transaction": [
        query("BEGIN"), None,
        extended("SELECT 1") + extended(FORBIDDEN) + extended("SELECT 2") + SYNC, None,
        query("ROLLBACK"), None,
    ],
    "flush before sync": [extended(FORBIDDEN) + FLUSH + SYNC, None, query("SELECT 2"), None],
    "named and run twice": [
        message(b"P", b"named\0" + FORBIDDEN.encode() + b"\0" + struct.pack("!H", 0)) + SYNC, None,
        message(b"B", b"\0named\0" + struct.pack("!HHH", 0, 0, 0)) + message(b"E", b"\0\0\0\0\0") + SYNC, None,
        query("SELECT 2"), None,
    ],
    "prepared over another": [
        extended("SELECT 1", b"s") + SYNC, None,
        message(b"C", b"Ss\0") + extended(DELETE, b"s") + SYNC, None,
        query("SELECT 2"), None,
    ],
    # lo_creat(-1), by its number: what psql and libpq use for large objects.
    "function call": [
        message(b"F", struct.pack("!IHHHIiH", 957, 1, 1, 1, 4, -1, 1)), None, query("SELECT 2"), None,
    ],
    "copy in, refused": [
        query("COPY secret.keys FROM STDIN /* forbidden_wire */"), None, query("SELECT 2"), None,
    ],
}


class Connection:
    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), timeout=20)
        self.file = self.socket.makefile("rb")
        startup = struct.pack("!I", 196608) + b"user\0app_trust\0database\0shop\0\0"
        self.socket.sendall(struct.pack("!I", len(startup) + 4) + startup)
        self.answers()

    def send(self, data):
        # In pieces that respect no message, so that nothing relies on how they arrive.
        for at in range(0, len(data), 7):
            self.socket.sendall(data[at : at + 7])

    def answers(self):
        """The answers up to and including ReadyForQuery."""
        tags = []
        while True:
            head = self.file.read(5)
            if len(head) < 5:
                return tags + ["closed"]
            tag, length = chr(head[0]), struct.unpack("!I", head[1:])[0]
            body = self.file.read(length - 4)
            if tag == "E":
                tag += [field[1:].decode() for field in body.split(b"\0") if field[:1] == b"C"][0]
            if tag == "Z":
                return tags + ["Z" + body.decode()]
            tags.append(tag)


connection = Connection(sys.argv[1], int(sys.argv[2]))
for step in SCENARIOS[sys.argv[3]]:
    if step is None:
        print(" ".join(connection.answers()))
    else:
        connection.send(step)
