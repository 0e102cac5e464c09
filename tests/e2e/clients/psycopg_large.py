"""Large values both ways, bound, copied and returned. Arguments: where, and how many MiB."""

import hashlib
import sys

import psycopg

SIZE = int(sys.argv[2]) << 20
value = (bytes(range(256)) * (SIZE // 256 + 1))[:SIZE]
connection = psycopg.connect(sys.argv[1], autocommit=True)
connection.execute("CREATE TEMP TABLE large (value bytea)")
connection.execute("INSERT INTO large VALUES (%b)", (value,))
cursor = connection.cursor(binary=True)
back = cursor.execute("SELECT value FROM large").fetchone()[0]
print(len(back), back == value)
print(connection.execute("SELECT md5(value) FROM large").fetchone()[0] == hashlib.md5(value).hexdigest())
with connection.cursor().copy("COPY large FROM STDIN (FORMAT binary)") as copy:
    copy.set_types(["bytea"])
    copy.write_row((value,))
with connection.cursor().copy("COPY large TO STDOUT (FORMAT binary)") as copy:
    print(sum(len(block) for block in copy))
text = "x" * (8 * 1024 * 1024)
print(len(connection.execute("SELECT repeat('x', %s)", (len(text),)).fetchone()[0]))
print("moved", connection.execute("SELECT count(*) FROM large").fetchone())
