"""Deletes with parameters of the extended protocol. Argument: the connection string."""

import sys

import psycopg

with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    connection.execute("DELETE FROM orders WHERE id = %s AND note = %s", (-51, "so it is"))
