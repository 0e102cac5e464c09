"""Writes are refused outside of transactions, and everything after 50 rows; in pipelines, too."""

import logging
import sys

import psycopg

logging.getLogger("psycopg").setLevel(logging.CRITICAL)


def refused(run):
    try:
        run()
    except psycopg.errors.InsufficientPrivilege:
        return
    raise AssertionError("it was not refused")


connection = psycopg.connect(sys.argv[1], autocommit=True)
write = "UPDATE orders SET note = note WHERE id = %s"
refused(lambda: connection.execute(write, (1,)))
with connection.transaction():
    assert connection.execute(write, (1,)).rowcount == 1
refused(lambda: connection.execute(write, (1,)))

# Sent in one go: what each statement does is known when the next one is decided.
with connection.pipeline() as pipeline:
    connection.execute("BEGIN")
    written = connection.execute(write, (1,))
    connection.execute("COMMIT")
    pipeline.sync()
    assert written.rowcount == 1
    connection.execute("SELECT generate_series(1, %s::int)", (50,))
    beyond = connection.execute("SELECT 'beyond'")
    refused(pipeline.sync)
refused(lambda: connection.execute("SELECT 'beyond'"))
print("decided")
