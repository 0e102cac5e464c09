"""A tour of what psycopg can do with a connection; prints the same each time."""

import logging
import os
import sys

import psycopg
from psycopg import pq

# A failed pipeline is logged or not, as the garbage collector pleases.
logging.getLogger("psycopg").setLevel(logging.CRITICAL)
connection = psycopg.connect(sys.argv[1], autocommit=True)
notices = []
connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
print("server", connection.info.server_version, connection.info.parameter_status("TimeZone"))

# The simple protocol and the extended one, text and binary.
print(connection.execute("SELECT 1; SELECT 2").fetchall())
for binary in (False, True):
    cursor = connection.cursor(binary=binary)
    cursor.execute("SELECT %s::int, %s::text, %s::bytea, %s::timestamptz", (1, "ä", b"\0\xff", None))
    print(binary, cursor.fetchall())
connection.execute("DO $$BEGIN RAISE NOTICE 'noted'; END$$")
print(notices)

# Prepared statements of the protocol, used often.
for number in range(20):
    row = connection.execute("SELECT %s::int * 2", (number,), prepare=True).fetchone()
print(row)

# A pipeline: many messages before one Sync, then one that fails in the middle.
with connection.pipeline():
    cursors = [connection.execute("SELECT %s::int", (n,)) for n in range(50)]
print(sum(cursor.fetchone()[0] for cursor in cursors))
try:
    with connection.pipeline() as pipeline:
        first = connection.execute("SELECT 'first'")
        broken = connection.execute("SELECT 1/%s::int", (0,))
        skipped = connection.execute("SELECT 'skipped'")
        pipeline.sync()
        print(first.fetchone())
except psycopg.Error as error:
    print(type(error).__name__)
print("after", connection.execute("SELECT 'in step'").fetchone(), connection.info.transaction_status.name)

# Transactions and their state.
with connection.transaction():
    connection.execute("CREATE TEMP TABLE tour (id int, text text)")
    print(connection.info.transaction_status.name)
try:
    with connection.transaction():
        connection.execute("INSERT INTO tour VALUES (1, 'gone')")
        connection.execute("SELECT nonsense")
except psycopg.Error as error:
    print(error.sqlstate, error.diag.statement_position, error.diag.severity)

# COPY both ways, in blocks and rows, and one that the client breaks off.
with connection.cursor().copy("COPY tour FROM STDIN") as copy:
    for number in range(5000):
        copy.write_row((number, "row %d" % number))
with connection.cursor().copy("COPY tour TO STDOUT (FORMAT binary)") as copy:
    print(sum(len(block) for block in copy))
try:
    with connection.cursor().copy("COPY tour FROM STDIN") as copy:
        copy.write("1\tone\n")
        raise KeyError("changed my mind")
except (KeyError, psycopg.Error) as error:
    print(type(error).__name__)
print(connection.execute("SELECT count(*) FROM tour").fetchone())

# Cursors on the server.
with connection.transaction():
    cursor = connection.cursor("walk", scrollable=True)
    cursor.execute("SELECT id FROM tour ORDER BY id")
    print(cursor.fetchmany(3), cursor.scroll(100), cursor.fetchone())

# LISTEN and NOTIFY.
channel = f"tour_{os.getpid()}"
connection.execute(f"LISTEN {channel}")
connection.execute("SELECT pg_notify(%s, 'hello')", (channel,))
for notification in connection.notifies(timeout=20, stop_after=1):
    print(notification.channel == channel, notification.payload)

# Large objects through SQL.
with connection.transaction():
    (oid,) = connection.execute("SELECT lo_from_bytea(0, %s)", (b"abc" * 1000,)).fetchone()
    print(len(connection.execute("SELECT lo_get(%s)", (oid,)).fetchone()[0]))
    connection.execute("SELECT lo_unlink(%s)", (oid,))

# Row by row, and ended early.
for count, row in enumerate(connection.cursor().stream("SELECT generate_series(1, 10000)")):
    if count == 10:
        break
print(connection.execute("SELECT 'still'").fetchone())

# A cancel goes on a connection of its own, and is for nothing when it overtakes the statement.
connection.pgconn.send_query(b"SELECT pg_sleep(60)")
busy = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND state = 'active' AND query LIKE '%%pg_sleep%%'"
with psycopg.connect(sys.argv[1], autocommit=True) as watcher:
    while watcher.execute(busy, (connection.info.backend_pid,)).fetchone() == (0,):
        pass
connection.cancel_safe(timeout=20)
while (result := connection.pgconn.get_result()) is not None:
    state = result.error_field(pq.DiagnosticField.SQLSTATE)
print(state)
print(connection.execute("SELECT 'toured'").fetchone())
connection.close()
