"""Reads values in every way that psycopg knows, and tells what came: one line each.

Argument: a connection string. The table `net.notes` has columns of many types.
"""

import sys

import psycopg
from psycopg import sql

COLUMNS = ["t", "v", "c", "n", "j", "b", "x", "a", "ja", "card", "num", "host", "raw", "mood", "dom"]


def show(how, value):
    print(how, repr(value))


def read(connection, binary, prepare):
    how = f"binary={binary} prepare={prepare}"
    with connection.cursor(binary=binary) as cursor:
        for column in COLUMNS + ["row", "notes"]:
            what = {"row": sql.SQL("ROW(t, a, j)"), "notes": sql.SQL("notes")}
            query = sql.SQL("SELECT {} FROM net.notes WHERE id = %s").format(
                what.get(column, sql.Identifier(column))
            )
            for _ in range(2):
                cursor.execute(query, (1,), prepare=prepare)
                show(f"{how} {column}", cursor.fetchone()[0])


def copy(connection, options):
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY net.notes TO STDOUT {options}") as out:
            show(f"copy {options}", b"".join(bytes(part) for part in out))


def failing(connection, statement):
    try:
        connection.execute(statement)
    except psycopg.Error as error:
        show("error", (error.sqlstate, error.diag.message_primary, error.diag.message_detail))


def main():
    connection = psycopg.connect(sys.argv[1], autocommit=True)
    for binary in (False, True):
        for prepare in (False, True):
            read(connection, binary, prepare)
    with connection.transaction():
        for binary in (False, True):
            with connection.cursor(f"c{binary}", binary=binary) as cursor:
                cursor.itersize = 1
                cursor.execute("SELECT t, j FROM net.notes ORDER BY id")
                for row in cursor:
                    show(f"cursor binary={binary}", row)
    for options in (
        "",
        "(FORMAT csv)",
        "(FORMAT csv, HEADER, QUOTE '@', ESCAPE '.')",
        "(DELIMITER '@')",
        "(FORMAT csv, DELIMITER '@', FORCE_QUOTE *)",
        "(FORMAT binary)",
    ):
        copy(connection, options)
    connection.add_notice_handler(lambda it: show("notice", (it.message_primary, it.message_detail)))
    connection.execute(
        "DO $$ BEGIN RAISE NOTICE 'it is %', (SELECT t FROM net.notes WHERE id = 1); END $$"
    )
    failing(connection, "SELECT t::int FROM net.notes WHERE id = 1")
    failing(connection, "INSERT INTO net.unique_notes SELECT t FROM net.notes WHERE id = 1")
    connection.execute("LISTEN news")
    connection.execute("SELECT pg_notify('news', t) FROM net.notes WHERE id = 1")
    for notify in connection.notifies(timeout=5, stop_after=1):
        show("notify", (notify.channel, notify.payload))
    connection.execute("SELECT set_config('application_name', 'was ann@secret.example', false)")
    show("setting", connection.info.parameter_status("application_name"))
    connection.close()


main()
