"""Tries to get at masked values: runs the sessions of a file, and tells all that came back.

Arguments: host, port, file. The file has one JSON object a line: `database`, `mode` and `steps`. For
each, a line is printed: a list of messages, each a tag and a body whose characters are its bytes.
A step is a statement, or begins with a backslash and is one message of the protocol.
"""

import json
import socket
import struct
import sys


def message(tag, body=b""):
    return tag + struct.pack("!I", len(body) + 4) + body


def text(value):
    return (b"" if value == "-" else value.encode()) + b"\0"


def numbers(values):
    return struct.pack("!H", len(values)) + b"".join(struct.pack("!H", value) for value in values)


def formats(word):
    """`1` for all in binary, `0,1` for each its own."""
    return numbers([int(each) for each in word.split(",")] if word else [])


def parse(name, statement):
    return message(b"P", text(name) + text(statement) + struct.pack("!H", 0))


def bind(portal, name, results):
    return message(b"B", text(portal) + text(name) + numbers([]) + numbers([]) + results)


def execute(portal, rows):
    return message(b"E", text(portal) + struct.pack("!I", rows))


def words(rest, count):
    """The first words, and the rest as it is."""
    found = rest.split(" ", count - 1)
    return found + [""] * (count - len(found))


def call(rest):
    """`oid format argument…`: the arguments as texts."""
    oid, result, *arguments = rest.split(" ")
    body = struct.pack("!I", int(oid)) + numbers([0]) + struct.pack("!H", len(arguments))
    for argument in arguments:
        body += struct.pack("!I", len(argument)) + argument.encode()
    return message(b"F", body + struct.pack("!H", int(result)))


def wire(step):
    """One message of the protocol, and whether ReadyForQuery answers it."""
    verb, rest = words(step[1:], 2)
    if verb == "parse":
        return parse(*words(rest, 2)), False
    if verb == "bind":
        portal, name, results = words(rest, 3)
        return bind(portal, name, formats(results)), False
    if verb in ("describe", "close"):
        kind, name = words(rest, 2)
        return message(b"D" if verb == "describe" else b"C", kind.encode() + text(name)), False
    if verb == "execute":
        portal, rows = words(rest, 2)
        return execute(portal, int(rows or 0)), False
    if verb == "call":
        return call(rest), True
    if verb == "copydata":
        return message(b"d", rest.encode() + b"\n"), False
    if verb == "copydone":
        return message(b"c"), True
    if verb == "flush":
        return message(b"H"), False
    if verb == "sync":
        return message(b"S"), True
    raise ValueError(step)


class Connection:
    def __init__(self, host, port, database):
        self.socket = socket.create_connection((host, port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        startup = struct.pack("!I", 196608) + b"user\0app_trust\0database\0" + database.encode() + b"\0\0"
        self.socket.sendall(struct.pack("!I", len(startup) + 4) + startup)
        self.answers()

    def answers(self):
        """The answers up to and including ReadyForQuery, or to CopyInResponse."""
        found = []
        while True:
            head = self.file.read(5)
            if len(head) < 5:
                return found + [("closed", "")]
            tag, length = chr(head[0]), struct.unpack("!I", head[1:])[0]
            body = self.file.read(length - 4).decode("latin-1")
            found.append((tag, body))
            if tag in ("Z", "G"):
                return found

    def ask(self, data):
        self.socket.sendall(data)
        return self.answers()


def session(host, port, job):
    first = Connection(host, port, job["database"])
    second = None
    found = []
    sent = b""
    for step in job["steps"]:
        if step.startswith("\\other "):
            second = second or Connection(host, port, job["database"])
            found += second.ask(message(b"Q", text(step[7:])))
        elif step.startswith("\\copy") and found[-1][0] != "G":
            continue  # The server does not wait for data.
        elif step.startswith("\\"):
            data, is_answered = wire(step)
            sent += data
            if is_answered:
                found += first.ask(sent)
                sent = b""
        elif job["mode"] in ("text", "binary"):
            results = formats("1" if job["mode"] == "binary" else "0")
            found += first.ask(
                parse("-", step) + bind("-", "-", results) + message(b"D", b"P\0") + execute("-", 0) + message(b"S")
            )
        else:
            found += first.ask(sent + message(b"Q", text(step)))
            sent = b""
    return found


for line in open(sys.argv[3]):
    try:
        print(json.dumps(session(sys.argv[1], int(sys.argv[2]), json.loads(line))), flush=True)
    except OSError as error:
        print(json.dumps([("closed", str(error))]), flush=True)
