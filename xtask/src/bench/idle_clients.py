"""Opens as many connections as its argument says, prints `ready`, and holds them until its
input ends. Where to is in libpq's environment variables."""

import resource
import sys

from psycopg import pq

_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

held = []
for number in range(int(sys.argv[1])):
    connection = pq.PGconn.connect(b"")
    if connection.status != pq.ConnStatus.OK:
        sys.exit(f"connection {number}: {connection.error_message.decode()}")
    held.append(connection)
print("ready", flush=True)
sys.stdin.read()
