"""Send bytes to a reverse proxy from another address. Run it in the network of the tests.

Reads a JSON list of exchanges (see proxies.exchange) from stdin, and writes the list of responses to stdout. An error or
a timeout is in angle brackets.
"""

import contextlib
import json
import socket
import ssl
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def context(kind: str) -> ssl.SSLContext:
    """Return a client's TLS context: `any` accepts every certificate, `strict` none, `old` supports only TLS 1.0."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if kind != "strict":
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    if kind == "old":
        tls.set_ciphers("DEFAULT@SECLEVEL=0")
        tls.minimum_version = ssl.TLSVersion.TLSv1
        tls.maximum_version = ssl.TLSVersion.TLSv1
    return tls


def client_hello(sni: str) -> bytes:
    """Return the first bytes of a TLS connection."""
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context("any").wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=sni).do_handshake()
    return outgoing.read()


def broken(hello: bytes, kind: str) -> bytes:
    """Break a ClientHello. nginx logs these errors as critical."""
    if kind == "broken key":  # An X25519 key share of zeros (RFC 7748, section 6.1)
        start = hello.index(b"\x00\x1d\x00\x20") + 4
        return hello[:start] + bytes(32) + hello[start + 32 :]
    start = hello.index(b"\x00\x0a\x00") + 4  # supported_groups: a list longer than its extension
    return hello[:start] + b"\xff\xff" + hello[start + 2 :]


def exchange(described: dict[str, Any]) -> str:
    """Send the data, and return what the peer sends until it closes the connection or the timeout expires."""
    data = described["data"].encode("latin-1")
    received = b""
    try:
        connection = socket.create_connection(
            (described["address"], described["port"]),
            timeout=described["timeout"],
            source_address=(described["source"], 0),
        )
        with connection:
            if described["tls"].startswith("broken"):
                data = broken(client_hello(described["sni"]), described["tls"])
            elif described["tls"]:
                connection = context(described["tls"]).wrap_socket(connection, server_hostname=described["sni"] or None)
            connection.sendall(data)
            if described["abort"]:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return "<aborted>"
            while piece := connection.recv(65536):
                received += piece
    except TimeoutError:
        received += b"<timeout>"
    except (OSError, ValueError) as error:
        received += f"<{type(error).__name__}: {error}>".encode()
    return received.decode("latin-1")


if __name__ == "__main__":
    with ThreadPoolExecutor(16) as pool:
        json.dump(list(pool.map(exchange, json.load(sys.stdin))), sys.stdout)
