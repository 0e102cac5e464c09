"""Sends what is made to exhaust, confuse or end whoever reads it, and tells what came of each.

Arguments: host, port, scenario, and the name of an attempt for that one alone. Prints a line for each attempt: its name, the answers' tags with the
code of an error behind its tag, and how long that took. After each, the session is asked for something
usual: an answer out of step ends the program with an error. The user needs no password.

`steady` is the other one: it asks for the usual without a pause, until its input ends, and prints how
often it was answered and how long it waited at most.
"""

import socket
import struct
import sys
import threading
import time

# Whoever waits longer than this was not answered.
PATIENCE = 10


def message(tag, body=b""):
    return tag + struct.pack("!I", len(body) + 4) + body


def query(text):
    return message(b"Q", (text if isinstance(text, bytes) else text.encode()) + b"\0")


def nest(before, opening, inside, closing, count):
    return before + opening * count + inside + closing * count


def block(inside):
    return "DO $body$" + inside + "$body$"


def within(text):
    return "SELECT query_to_xml('" + text.replace("'", "''") + "', true, true, '')"


def texts_in_texts(text, times):
    for _ in range(times):
        text = within(text)
    return text


def parse(name, text):
    return message(b"P", name + b"\0" + text.encode() + b"\0\0\0")


def bind(portal, name):
    return message(b"B", portal + b"\0" + name + b"\0" + bytes(6))


def bind_many(count):
    values = [str(number).encode() for number in range(count)]
    names = ", ".join(f"${number + 1}" for number in range(count))
    bind = b"\0\0" + struct.pack("!HH", 0, count)
    bind += b"".join(struct.pack("!I", len(value)) + value for value in values)
    return (
        message(b"P", b"\0SELECT 1 WHERE 1 IN (" + names.encode() + b")\0\0\0")
        + message(b"B", bind + struct.pack("!H", 0))
        + message(b"E", b"\0\0\0\0\0")
        + message(b"S")
    )


MANY = 20_000

# What is written between `SELECT ` and what is read, and after it, so often.
NESTED = {
    "brackets": ("SELECT ", "(", "1", ")"),
    "subqueries": ("SELECT ", "(SELECT ", "1", ")"),
    "rows of subqueries": ("SELECT * FROM ", "(SELECT * FROM ", "customers", ") a"),
    "arrays": ("SELECT ", "ARRAY[", "1", "]"),
    "calls": ("SELECT ", "lower(", "card", ") FROM customers"),
    "choices": ("SELECT ", "CASE WHEN true THEN ", "1", " END"),
    "negations": ("SELECT ", "NOT ", "true", ""),
    "minuses": ("SELECT ", "- ", "1", ""),
    "a sum": ("SELECT 1", " + 1", "", ""),
    "a text put together": ("SELECT card", " || card", " FROM customers", ""),
    "casts": ("SELECT card", "::text", " FROM customers", ""),
    "fields": ("SELECT ", "(", "c", ").card"),
    "unions": ("SELECT card FROM customers", " UNION SELECT card FROM customers", "", ""),
    "joins": ("SELECT 1 FROM customers", " NATURAL JOIN customers", "", ""),
    "WITH in WITH": ("", "WITH a AS (", "SELECT card FROM customers", ") SELECT * FROM a"),
    "EXPLAIN": ("", "EXPLAIN ", "SELECT 1", ""),
    "comments in comments": ("SELECT 1 ", "/* ", "", "*/"),
    "comments side by side": ("SELECT 1 ", "/**/", "", ""),
    "quotes of dollars": ("SELECT 1 ", "$a$b$a$ ", "", ""),
    "an operator": ("SELECT 1 ", "@", " 1", ""),
    "signs": ("SELECT 1 ", "+-", " 1", ""),
}

STATEMENTS = {
    **{name: nest(*pieces, MANY) for name, pieces in NESTED.items()},
    # The most of each that is still read.
    **{f"{name}, fewer": nest(*pieces, 450) for name, pieces in NESTED.items()},
    **{f"{name}, some": nest(*pieces, 4_000) for name, pieces in NESTED.items()},
    "200,000 in a list": "SELECT 1 WHERE 1 IN (" + "1, " * 199_999 + "1)",
    "90,000 in a list": "SELECT 1 WHERE 1 IN (" + "1, " * 89_999 + "1)",
    "30,000 rows": "SELECT count(*) FROM (VALUES " + "(1), " * 29_999 + "(1)) a",
    "1,600 columns, each of all": "WITH a AS (SELECT "
    + ", ".join(f"card AS c{number}" for number in range(1_600))
    + " FROM customers) SELECT 1"
    + ", (SELECT count(*) FROM (SELECT * FROM a) a)" * 300,
    "2,000 statements": "SELECT card FROM customers WHERE id = 1;" * 2_000,
    "2,000 blocks": block("BEGIN PERFORM 1; END") * 1 + (";" + block("BEGIN PERFORM 1; END")) * 1_999,
    "PREPARE and EXECUTE": "".join(
        f"PREPARE p{number} AS SELECT card FROM customers; EXECUTE p{number}; DEALLOCATE p{number};"
        for number in range(900)
    ),
    "20,000 nested blocks": block(nest("", "BEGIN ", "NULL;", " END;", MANY)),
    "2,000 nested branches": block("BEGIN " + nest("", "IF true THEN ", "NULL;", " END IF;", 2_000) + " END"),
    "2,000 labels": block("<<a>> " * 2_000 + "BEGIN NULL; END"),
    "1,900 calls in a block": block("BEGIN " + "PERFORM lower(card) FROM customers; " * 1_900 + "END"),
    "20,000 words in a block": block("BEGIN a" + " a" * 20_000 + "; END"),
    "texts run in a block": block("BEGIN " + "EXECUTE 'SELECT card FROM customers';" * 1_900 + "END"),
    "300 texts side by side": "SELECT "
    + ", ".join(["query_to_xml('SELECT card FROM customers', true, true, '')"] * 300),
    "texts in texts": texts_in_texts("SELECT card FROM customers", 6),
    "more texts in texts": texts_in_texts("SELECT 1", 14),
    "bytes that are no text": b"SELECT '\xff\xfe\xc3\x28'",
    "a character cut short": b"SELECT '\xe2\x82",
}

LONG = {
    "a literal of 4 MiB": lambda: query("SELECT length('" + "x" * (4 << 20) + "')"),
    "a literal just below what is read": lambda: query("SELECT length('" + "x" * ((1 << 20) - 64) + "')"),
    "a name of 1 MB": lambda: query('SELECT 1 AS "' + "x" * 1_000_000 + '"'),
    "a number of 1 MB": lambda: query("SELECT 1 WHERE 1 <> " + "9" * 1_000_000),
    "100 MB": lambda: query("SELECT length('" + "x" * 100_000_000 + "')"),
    "100 MB of spaces": lambda: query(" " * 100_000_000 + "SELECT 1"),
    "100 MB in a Parse": lambda: message(
        b"P", b"\0SELECT length('" + b"x" * 100_000_000 + b"')\0\0\0"
    ) + message(b"S"),
}

# A statement that takes long to read, and what only refers to it: each of these in one go.
REFERRED = {
    "it is prepared": parse(b"long", "SELECT card FROM customers WHERE id IN (" + "1, " * 60_000 + "1)") + message(b"S"),
    "it is bound 40 times": bind(b"", b"long") * 40 + message(b"S"),
    "it is run by 40 statements": query("EXECUTE long;" * 40),
    "names are looked up elsewhere": query("SET search_path = pg_temp, public"),
    "it is bound 40 times again": bind(b"", b"long") * 40 + message(b"S"),
    "one is prepared by SQL": query(
        "PREPARE many AS SELECT 1" + ", query_to_xml('SELECT card FROM customers', true, true, '')" * 1_500
    ),
    "that is run by 40 messages": query("EXPLAIN EXECUTE many") * 40,
    # The one that waits is looked at again whenever an answer comes.
    "a long one waits for many answers": query("SELECT generate_series(1, 200000)")
    + parse(b"", "EXECUTE long (" + "1, " * 60_000 + "1)") + message(b"S"),
}

MESSAGES = {
    "30,000 parameters": bind_many(30_000),
    "a Bind of nothing": message(b"B") + message(b"S"),
    "a Bind with a length beyond it": message(b"B", b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0") + message(b"S"),
    "a Bind that counts more than it has": message(b"B", b"\0\0\xff\xff\0\0") + message(b"S"),
    "a Parse without an end": message(b"P", b"SELECT 1") + message(b"S"),
    "a Parse that counts more types than it has": message(b"P", b"\0SELECT 1\0\xff\xff") + message(b"S"),
    "a Query without an end": message(b"Q", b"SELECT 1"),
    "a Query with something behind": message(b"Q", b"SELECT 1\0SELECT 2\0"),
    "a length of 3": b"Q\0\0\0\x03",
    "a length of 0": b"Q\0\0\0\0",
    "a length below 0": b"Q\xff\xff\xff\xff",
    "the longest length, and no more": b"Q\x3f\xff\xff\xffSELECT 1",
    "a long Sync": b"S\0\0\x40\0" + b"x" * 0x4000,
    "a Sync with something in it": message(b"S", b"x"),
    "a message of no kind": message(b"\xff", b"x"),
    "a message of the server's": message(b"Z", b"I"),
    "a call of nothing": message(b"F"),
    "half a head": b"Q\0\0",
    "half a Query": b"Q\0\0\0\x40SELECT",
    "1,000 Syncs and no reading": message(b"S") * 1_000,
    "5,000 Flushes": message(b"H") * 5_000 + message(b"S"),
    "data of no COPY": message(b"d", b"x" * 9_000) * 50 + message(b"S"),
}

# Attempts that are answered more than once: how often more.
MORE = {
    "1,000 Syncs and no reading": 999,
    "that is run by 40 messages": 39,
    "a long one waits for many answers": 1,
}

STARTS = {
    "a start of 4 bytes": b"\0\0\0\x04",
    "a start of 2 GB": b"\x7f\xff\xff\xff\0\x03\0\0",
    "a start of no version": b"\0\0\0\x08\xff\xff\xff\xff",
    "half a start": b"\0\0\0\x40\0\x03\0\0user\0",
    "a start without an end": b"\0\0\0\x0d\0\x03\0\0user\0",
    "nothing": b"",
    "a cancellation of nobody": b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\0\0\0\0\0",
}


class Connection:
    def __init__(self, start=True):
        self.socket = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60)
        self.file = self.socket.makefile("rb")
        if start:
            startup = struct.pack("!I", 196608) + b"user\0app_trust\0database\0shop\0\0"
            self.socket.sendall(struct.pack("!I", len(startup) + 4) + startup)
            self.answers()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def answers(self):
        """The answers up to and including ReadyForQuery, those of one kind once, where they came first."""
        tags = []
        while True:
            try:
                head = self.file.read(5)
                body = self.file.read(struct.unpack("!I", head[1:])[0] - 4) if len(head) == 5 else b""
            except ConnectionResetError:
                head = b""
            if len(head) < 5:
                return tags + ["closed"]
            tag = chr(head[0])
            if tag == "E":
                tag += [field[1:].decode() for field in body.split(b"\0") if field[:1] == b"C"][0]
            if tag not in tags:
                tags.append(tag)
            if tag == "Z":
                return tags

    def usual(self):
        """Asks for something usual: whether that is answered."""
        self.send(query("SELECT 'goes on'"))
        return self.answers() == ["T", "D", "C", "Z"]


def ended(answers):
    return "closed" in answers


def attempt(name, data, connection):
    """Sends it, tells what came back, and returns a connection to go on with."""
    began = time.monotonic()
    # What is not read whole would wait for the end of what is sent: both at once.
    sending = threading.Thread(target=connection.send, args=(data,))
    sending.start()
    if name.startswith("half") or name.startswith("the longest"):
        sending.join()
        connection.socket.shutdown(socket.SHUT_WR)
    answers = connection.answers()
    sending.join()
    print(f"{name}\t{' '.join(answers)}\t{time.monotonic() - began:.3f}", flush=True)
    if not ended(answers):
        for _ in range(MORE.get(name, 0)):
            connection.answers()
        if connection.usual():
            return connection
        sys.exit(f"out of step after {name}")
    connection = Connection()
    if not connection.usual():
        sys.exit(f"nothing is answered after {name}")
    return connection


def start(name, data):
    connection = Connection(start=False)
    began = time.monotonic()
    connection.send(data)
    connection.socket.shutdown(socket.SHUT_WR)
    print(f"{name}\t{' '.join(connection.answers())}\t{time.monotonic() - began:.3f}", flush=True)


def steady():
    done = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
    connection = Connection()
    connection.socket.settimeout(PATIENCE)
    count, longest = 0, 0.0
    print("steady", flush=True)
    while not count or not done.is_set():
        began = time.monotonic()
        # Never the same text twice: each has to be read.
        connection.send(query(f"SELECT 1 AS a{count}"))
        if connection.answers() != ["T", "D", "C", "Z"]:
            sys.exit("not answered")
        count, longest = count + 1, max(longest, time.monotonic() - began)
        time.sleep(0.01)
    print(f"{count} {longest:.3f}")


scenario = sys.argv[3]
if scenario == "steady":
    steady()
elif scenario == "starts":
    for name, data in STARTS.items():
        start(name, data)
else:
    attempts = {
        "statements": {name: query(text) for name, text in STATEMENTS.items()},
        "prepared": {
            name: message(b"P", b"\0" + (text if isinstance(text, bytes) else text.encode()) + b"\0\0\0")
            + message(b"S")
            for name, text in STATEMENTS.items()
        },
        "messages": MESSAGES,
        "referred": REFERRED,
        "long": LONG,
    }[scenario]
    connection = Connection()
    for name, data in attempts.items():
        if name not in (sys.argv[4:] or [name]):
            continue
        connection = attempt(name, data() if callable(data) else data, connection)
