"""A tour of what asyncpg can do, which has its own implementation of the protocol."""

import asyncio
import io
import os
import sys

import asyncpg


async def main():
    settings = dict(pair.split("=", 1) for pair in sys.argv[1].split())
    connection = await asyncpg.connect(
        host=settings["host"],
        port=int(settings["port"]),
        user=settings["user"],
        database=settings["dbname"],
        password=os.environ["PGPASSWORD"],
        ssl=False,
        timeout=20,
    )
    print(await connection.fetchval("SELECT 1"))
    statement = await connection.prepare("SELECT $1::int + 1, $2::text[]")
    print([tuple(row) for row in await statement.fetch(41, ["a", None])])
    print(await connection.execute("CREATE TEMP TABLE tour (id int, text text)"))
    await connection.executemany("INSERT INTO tour VALUES ($1, $2)", [(n, str(n)) for n in range(500)])
    print(await connection.copy_records_to_table("tour", records=[(n, "c") for n in range(1000)]))
    output = io.BytesIO()
    print(await connection.copy_from_query("SELECT id FROM tour ORDER BY id", output=output))
    print(len(output.getvalue()))
    async with connection.transaction():
        count = 0
        async for _ in connection.cursor("SELECT * FROM tour", prefetch=100):
            count += 1
        print(count)
    try:
        await connection.fetch("SELECT 1/$1::int", 0)
    except asyncpg.PostgresError as error:
        print(error.sqlstate)
    heard = asyncio.get_running_loop().create_future()
    channel = f"tour_{os.getpid()}"
    await connection.add_listener(channel, lambda *found: heard.set_result(found[3]))
    await connection.execute(f"NOTIFY {channel}, 'hello'")
    print(await asyncio.wait_for(heard, 20))
    try:
        # The client cancels on its own when its patience ends.
        await connection.execute("SELECT pg_sleep(60)", timeout=0.3)
    except asyncio.TimeoutError:
        print("timed out")
    print(await connection.fetchval("SELECT 'toured'"))
    await connection.close()


asyncio.run(main())
