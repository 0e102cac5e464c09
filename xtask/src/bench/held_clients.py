"""Opens as many connections as its argument says and sends a statement on each that waits for people.
Prints `ready` when all are sent, and `done` when all are answered. Where to is in libpq's environment
variables; it ends early when its input does."""

import select
import sys

from psycopg import pq

waiting = {}
for number in range(int(sys.argv[1])):
    connection = pq.PGconn.connect(b"")
    if connection.status != pq.ConnStatus.OK:
        sys.exit(f"connection {number}: {connection.error_message.decode()}")
    connection.notice_handler = lambda _notice: None
    connection.send_query(b"DELETE FROM public.orders WHERE id = 7")
    connection.flush()
    waiting[connection.socket] = connection
print("ready", flush=True)
poll = select.poll()
for socket in waiting:
    poll.register(socket, select.POLLIN)
poll.register(0, select.POLLHUP)
while waiting:
    for socket, _events in poll.poll():
        connection = waiting.get(socket)
        if connection is None:
            sys.exit(0)
        connection.consume_input()
        if connection.is_busy():
            continue
        result = connection.get_result()
        if result.status != pq.ExecStatus.COMMAND_OK:
            sys.exit(f"it was not let pass: {result.error_message.decode()}")
        poll.unregister(socket)
        del waiting[socket]
print("done", flush=True)
