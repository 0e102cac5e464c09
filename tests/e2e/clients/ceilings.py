"""Statements that are ended at 100 rows, 1 MB or 2 seconds, and that what comes next works."""

import sys

import psycopg
from psycopg import pq

connection = psycopg.connect(sys.argv[1], autocommit=True)


def next_works():
    status = connection.info.transaction_status
    if status == pq.TransactionStatus.INERROR:
        connection.rollback()
    assert connection.execute("SELECT 'next'").fetchone() == ("next",)


def ends(code, run):
    try:
        run()
    except psycopg.Error as error:
        assert error.sqlstate == code, (code, error.sqlstate, error)
        assert 'limit "all" is reached' in str(error), error
    else:
        raise AssertionError("it was not ended")
    next_works()


def run(text, *arguments, **options):
    return lambda: connection.execute(text, *arguments, **options)


def copy_out(options):
    with connection.cursor().copy(f"COPY (SELECT generate_series(1, 100000)) TO STDOUT {options}") as copy:
        for _ in copy:
            pass


def copy_in():
    with connection.cursor().copy("COPY notes FROM STDIN") as copy:
        for _ in range(100):
            copy.write("x" * 99_999 + "\n")


connection.execute("CREATE TEMPORARY TABLE notes (text text)")

# The simple protocol and the extended one, text and binary, prepared and not.
many = "SELECT generate_series(1, 1000000)"
ends("53400", run(many))
ends("53400", run("SELECT 1; " + many + "; SELECT 2"))
for binary in (False, True):
    ends("53400", run("SELECT generate_series(1, %s::int)", (1000000,), binary=binary))
    ends("53400", run("SELECT generate_series(1, %s::int)", (1000000,), binary=binary, prepare=True))
assert len(connection.execute("SELECT generate_series(1, 100)").fetchall()) == 100

# By bytes, by rows of writes, by copying either way.
ends("53400", run("SELECT repeat('x', 1000001)"))
ends("53400", run("INSERT INTO notes SELECT n::text FROM generate_series(1, 101) n RETURNING text"))
ends("53400", lambda: copy_out(""))
ends("53400", lambda: copy_out("(FORMAT binary)"))
ends("53400", lambda: copy_out("(FORMAT csv)"))
before = connection.execute("SELECT count(*) FROM notes").fetchone()
ends("53400", copy_in)
assert connection.execute("SELECT count(*) FROM notes").fetchone() == before

# Within a transaction, which fails with it if the server was told in time, and stays true in any case.
connection.autocommit = False
for _ in range(20):
    ends("53400", run(many))
    connection.rollback()
    ends("53400", run("SELECT generate_series(1, 101)"))
    connection.rollback()

# A cursor: each FETCH is a statement.
with connection.cursor("reader") as cursor:
    cursor.execute("SELECT generate_series(1, 1000)")
    assert len(cursor.fetchmany(100)) == 100
    assert len(cursor.fetchmany(100)) == 100
    try:
        cursor.fetchmany(101)
    except psycopg.Error as error:
        assert error.sqlstate == "53400", error
    else:
        raise AssertionError("it was not ended")
    connection.rollback()
connection.autocommit = True
next_works()

# Time, in both protocols, and of a lock that somebody else has.
ends("57014", run("SELECT pg_sleep(60)"))
ends("57014", run("SELECT pg_sleep(%s)", (60,)))
other = psycopg.connect(sys.argv[1])
other.execute("SELECT pg_advisory_lock(7)")
ends("57014", run("SELECT pg_advisory_lock(7)"))
other.close()

# A pipeline: what comes behind is skipped as the server would, and what comes behind the Sync works.
with connection.pipeline() as pipeline:
    first = connection.execute("SELECT 'first'")
    ended = connection.execute(many)
    skipped = connection.execute("SELECT 'skipped'")
    try:
        pipeline.sync()
    except psycopg.Error:
        pass
    last = connection.execute("SELECT 'last'")
    pipeline.sync()
    assert last.fetchone() == ("last",)
next_works()

# The request to stop comes when the server is done, over and over: the next statement is not hit.
for number in range(300):
    try:
        connection.execute("SELECT generate_series(1, 101)")
    except psycopg.Error as error:
        assert error.sqlstate == "53400", error
    assert connection.execute("SELECT %s::int", (number,)).fetchone() == (number,)
for number in range(4):
    try:
        connection.execute("SELECT pg_sleep(1.99 + 0.01 * %s)", (number,))
    except psycopg.Error as error:
        assert error.sqlstate == "57014", error
    next_works()
print("in step")
