"""A PostgreSQL server in appearance: lets everyone in and then says nothing.

Thousands of idle backends would cost the machine more than what is measured before them.
Arguments: port, certificate, key; without the last two it offers no TLS.
"""

import asyncio
import resource
import ssl
import struct
import sys

SSL_REQUEST = 80877103


def message(kind, body):
    return kind + struct.pack("!I", len(body) + 4) + body


WELCOME = (
    message(b"R", struct.pack("!I", 0))
    + b"".join(
        message(b"S", name + b"\0" + value + b"\0")
        for name, value in [
            (b"server_version", b"15.0"),
            (b"server_encoding", b"UTF8"),
            (b"client_encoding", b"UTF8"),
            (b"DateStyle", b"ISO, MDY"),
            (b"integer_datetimes", b"on"),
            (b"standard_conforming_strings", b"on"),
            (b"TimeZone", b"UTC"),
        ]
    )
    + message(b"K", struct.pack("!II", 1, 1))
    + message(b"Z", b"I")
)


async def serve(reader, writer, tls):
    try:
        while True:
            length, code = struct.unpack("!II", await reader.readexactly(8))
            await reader.readexactly(length - 8)
            if code != SSL_REQUEST:
                break
            writer.write(b"S" if tls else b"N")
            await writer.drain()
            if tls:
                await writer.start_tls(tls)
        writer.write(WELCOME)
        while True:
            kind = await reader.readexactly(1)
            (length,) = struct.unpack("!I", await reader.readexactly(4))
            await reader.readexactly(length - 4)
            if kind == b"Q":
                writer.write(message(b"C", b"SELECT 0\0") + message(b"Z", b"I"))
            if kind == b"X":
                break
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    tls = None
    if len(sys.argv) > 2:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(sys.argv[2], sys.argv[3])
    server = await asyncio.start_server(
        lambda reader, writer: serve(reader, writer, tls), "127.0.0.1", int(sys.argv[1]), backlog=4096
    )
    async with server:
        await server.serve_forever()


asyncio.run(main())
