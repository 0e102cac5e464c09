"""Clients that show a placeholder where they would show a password: with libpq, and with SCRAM of their own.

With `strict`: libpq told to speak SCRAM or nothing.
"""

import asyncio
import os
import ssl
import sys

import asyncpg
import psycopg

SETTINGS = dict(pair.split("=", 1) for pair in sys.argv[1].split())
PLACEHOLDER = os.environ["PGPASSWORD"]
ASK = "SELECT session_user"


def by_libpq(more):
    conninfo = f"{sys.argv[1]} require_auth=scram-sha-256 {more}"
    with psycopg.connect(conninfo, password=PLACEHOLDER) as connection:
        return connection.execute(ASK).fetchone()[0]


async def by_asyncpg(context):
    connection = await asyncpg.connect(
        host=SETTINGS["host"],
        port=int(SETTINGS["port"]),
        user=SETTINGS["user"],
        database=SETTINGS["dbname"],
        password=PLACEHOLDER,
        ssl=context,
        timeout=20,
    )
    found = await connection.fetchval(ASK)
    await connection.close()
    return found


def tell(client, ask):
    try:
        print(f"{client}: {ask()}")
    except Exception as error:
        print(f"{client}: {error}")


def in_tls():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


tell("psycopg", lambda: by_libpq("sslmode=disable"))
if sys.argv[2:] == ["strict"]:
    tell("psycopg in TLS", lambda: by_libpq("sslmode=require channel_binding=disable"))
else:
    tell("psycopg in TLS", lambda: by_libpq("sslmode=require channel_binding=require"))
    tell("asyncpg", lambda: asyncio.run(by_asyncpg(False)))
    tell("asyncpg in TLS", lambda: asyncio.run(by_asyncpg(in_tls())))
