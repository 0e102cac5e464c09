"""Many connections at once. Arguments: connection string, how many. All are open at the same
time, each asks once, and the answers are summed."""

import asyncio
import sys

import psycopg


async def main():
    count = int(sys.argv[2])
    connections = await asyncio.gather(
        *(psycopg.AsyncConnection.connect(sys.argv[1], autocommit=True) for _ in range(count))
    )
    cursors = await asyncio.gather(
        *(each.execute("SELECT %s::int", (number,)) for number, each in enumerate(connections))
    )
    rows = [await cursor.fetchone() for cursor in cursors]
    print(sum(row[0] for row in rows))
    for each in connections:
        await each.close()


asyncio.run(main())
