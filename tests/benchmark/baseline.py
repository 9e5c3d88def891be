"""The baseline: a bare ASGI callable that sends fixed bytes.

Usage: `baseline.py PORT FILE`; FILE contains the headers and the body as JSON.
"""

import json
import sys
from pathlib import Path

import uvicorn
from starlette.types import Message, Receive, Scope, Send

fixed = json.loads(Path(sys.argv[2]).read_text())
START: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(name.encode(), value.encode()) for name, value in fixed["headers"]],
}
END: Message = {"type": "http.response.body", "body": fixed["body"].encode()}


async def application(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send(START)
    await send(END)


if __name__ == "__main__":
    uvicorn.run(
        application,
        port=int(sys.argv[1]),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        server_header=False,
        log_level="warning",
    )
