"""Request a page repeatedly until the file STOP exists, and print every result as JSON: `python load.py HOST CA STOP`."""

import http.client
import json
import ssl
import sys
import time
from pathlib import Path


def request(host: str, context: ssl.SSLContext, method: str) -> str:
    """Send a request on a new connection; return the status, or the name of the error."""
    connection = http.client.HTTPSConnection(host, timeout=30, context=context)
    try:
        body = "emailaddress=fred%40example.com" if method == "POST" else None
        connection.request(method, "/", body, {"Content-Type": "application/x-www-form-urlencoded"})
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


if __name__ == "__main__":
    host, authority, stop = sys.argv[1:]
    context = ssl.create_default_context(cafile=authority)
    results = []
    deadline = time.monotonic() + 120
    while not Path(stop).exists() and time.monotonic() < deadline:
        results += [request(host, context, method) for method in ("GET", "POST")]
        sys.stdout.write(json.dumps(results[-2:]) + "\n")
        sys.stdout.flush()
