"""Cancels by hand, to see whose keys work where.

`cancel.py hold HOST PORT STATEMENT` connects without a password, prints the session's cancel key in
hexadecimal, runs the statement and prints the code of its error, or `done`.
`cancel.py cancel HOST PORT KEY` sends a cancel request and waits until the other side closes.
"""

import socket
import struct
import sys


def framed(body):
    return struct.pack("!I", len(body) + 4) + body


def hold(connection, statement):
    connection.sendall(framed(struct.pack("!I", 196608) + b"user\0app_trust\0database\0shop\0\0"))
    file = connection.makefile("rb")
    started = False
    outcome = "done"
    while True:
        tag, length = struct.unpack("!cI", file.read(5))
        body = file.read(length - 4)
        if tag == b"K":
            print(body.hex(), flush=True)
        if tag == b"E":
            outcome = [field[1:].decode() for field in body.split(b"\0") if field[:1] == b"C"][0]
        if tag == b"Z" and started:
            print(outcome, flush=True)
            return
        if tag == b"Z":
            started = True
            connection.sendall(b"Q" + framed(statement.encode() + b"\0"))


def cancel(connection, key):
    connection.sendall(framed(struct.pack("!I", 80877102) + bytes.fromhex(key)))
    connection.recv(1)


what, host, port, rest = sys.argv[1:]
connection = socket.create_connection((host, int(port)), timeout=100)
{"hold": hold, "cancel": cancel}[what](connection, rest)
