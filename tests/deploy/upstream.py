"""A server that fails as a request's `X-Failure` header says, for tests of reverse proxies.

Usage: `python upstream.py PORT RECORD`. It appends every request to RECORD, byte for byte, as a JSON string.
"""

import asyncio
import json
import os
import socket
import struct
import sys
from pathlib import Path

MAX_REQUEST = 1024 * 1024


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Return a request with its body. Raises IncompleteReadError if the client closes the connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    return head + await reader.readexactly(int(fields.get(b"content-length", b"0")))


def header(request: bytes, name: bytes) -> str:
    """Return the value of a header, or an empty string."""
    for line in request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        if line.lower().startswith(name + b":"):
            return line.partition(b":")[2].strip().decode("latin-1")
    return ""


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with a TCP reset."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def respond(request: bytes, writer: asyncio.StreamWriter) -> bool:
    """Respond, or fail. Return whether the connection can be kept open."""
    target = request.split(b" ", 2)[1]
    failure = header(request, b"x-failure")
    if failure == "reset":
        reset(writer)
        return False
    if failure == "exit":
        os._exit(0)
    if failure == "silence":
        await asyncio.sleep(3600)
    if target.startswith(b"/tls/ask?") and not target.endswith((b"btinternet.com", b"talk21.com")):
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        return True
    response = {
        "": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n",
        "empty": b"",
        "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of " + target,
        "large header": b"HTTP/1.1 200 OK\r\nX-Large: "
        + (target + b"x" * 50) * 2000
        + b"\r\nContent-Length: 0\r\n\r\n",
        "large status": b"HTTP/1.1 200 " + (target + b"x" * 50) * 2000 + b"\r\nContent-Length: 0\r\n\r\n",
        "no HTTP": target + b" is not a status line\r\n\r\n",
        "bad status": b"HTTP/1.1 " + target + b"\r\n\r\n",
        "bad header": b"HTTP/1.1 200 OK\r\n" + target + b"\r\n\r\n",
        "bad length": b"HTTP/1.1 200 OK\r\nContent-Length: " + target + b"\r\n\r\n",
        "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + target + b"\r\n",
        "bad encoding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + target + b"\r\n\r\n",
        "upgrade": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" + target,
        "redirect": b"HTTP/1.1 302 Found\r\nLocation: https://h" + target + b"\r\nContent-Length: 0\r\n\r\n",
        "too much": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + target,
    }[failure]
    writer.write(response)
    await writer.drain()
    if failure == "cut":
        await asyncio.sleep(0.1)
        reset(writer)
    return failure in ("", "redirect")


async def serve(port: int, record: Path) -> None:
    """Serve until the process is terminated."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            keep_open = True
            while keep_open:
                request = await read_request(reader)
                with record.open("a") as file:
                    file.write(json.dumps(request.decode("latin-1")) + "\n")
                keep_open = await respond(request, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port, limit=MAX_REQUEST)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
