"""Statements that are ended because what they return cannot be masked, and that what comes next works."""

import sys

import psycopg
from psycopg import pq

connection = psycopg.connect(sys.argv[1], autocommit=True)

REFUSED = "a value cannot be masked in the way that its mask demands"
LONG = "a row of more than 1 MiB cannot be masked"


def next_works():
    status = connection.info.transaction_status
    if status == pq.TransactionStatus.INERROR:
        connection.rollback()
    assert connection.execute("SELECT 'next'").fetchone() == ("next",)


def ends(words, run):
    try:
        run()
    except psycopg.Error as error:
        assert error.sqlstate == "0A000", (words, error.sqlstate, error)
        assert words in str(error) and "Ended by the gateway's masks." in str(error), (words, error)
    else:
        raise AssertionError("it was not ended: " + words)
    next_works()


def run(text, *arguments, **options):
    return lambda: connection.execute(text, *arguments, **options)


def copy_out(what, options):
    def copy():
        with connection.cursor().copy(f"COPY ({what}) TO STDOUT {options}") as rows:
            for _ in rows:
                pass

    return copy


# Rows come before the one that cannot be masked: 1,000 of them, then it, then many more.
UNFIT = "SELECT id, born FROM endings ORDER BY id"
# One of the rows has 2 MiB beside its masked column.
WIDE = "SELECT name, CASE WHEN id = 1100 THEN repeat('x', 2097152) END FROM endings ORDER BY id"

for words, query in ((REFUSED, UNFIT), (LONG, WIDE)):
    # The simple protocol, by itself and in the middle of a text.
    ends(words, run(query))
    ends(words, run(f"SELECT 1; {query}; SELECT 2"))
    # The extended one, text and binary, prepared and not.
    for binary in (False, True):
        for prepare in (False, True):
            again = query.replace("ORDER BY id", "WHERE id > %s ORDER BY id")
            ends(words, run(again, (0,), binary=binary, prepare=prepare))
    for options in ("", "(FORMAT csv)", "(FORMAT binary)"):
        ends(words, copy_out(query, options))
    # In a transaction, which is what the server says it is: failed if it was told in time.
    connection.autocommit = False
    for _ in range(5):
        ends(words, run(query))
        connection.rollback()
    # A cursor: what came before is there, and the FETCH that meets it ends.
    cursor = connection.cursor("reader")
    cursor.execute(query)
    assert len(cursor.fetchmany(500)) == 500
    ends(words, lambda: cursor.fetchmany(2000))
    # It is gone by then where the server was told in time: the transaction had failed.
    connection.rollback()
    cursor.close()
    connection.autocommit = True
    # Statements behind it in a pipeline are skipped up to its end, and those after that run.
    try:
        with connection.pipeline() as pipeline:
            connection.execute(query)
            connection.execute("SELECT 'behind'")
            pipeline.sync()
    except psycopg.Error as error:
        assert words in str(error), error
    else:
        raise AssertionError("it was not ended in a pipeline")
    next_works()

assert len(connection.execute("SELECT id, born FROM endings WHERE id < 1000").fetchall()) == 999
connection.close()
print("ok")
