"""Log lines: for people on stderr, or one JSON object per line on stdout. A stalled reader never blocks the server.

Lines wait in a queue of limited size, and a thread writes them. If the reader stalls, lines are dropped and counted.
"""

import json
import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Any

from autoconfig.front import place_of
from autoconfig.visible import visible

MAX_QUEUE = 256 * 1024
"""Bytes of lines waiting to be written."""
_LONGEST_LINE = 64 * 1024
_ATOMIC = 4096
"""Bytes that a process can write to a pipe without interleaving with others (PIPE_BUF, pipe(7))."""
_FLUSH_TIME = 1.0
"""Seconds to write the queued lines when the process exits."""

_OnDrop = Callable[[], None]
_Describe = Callable[[int], str]


class JSONFormatter(logging.Formatter):
    """Formats a record as a JSON object: time (UTC), level, message and its fields.

    For an exception, it contains only the kind and the place, because the message may quote a request.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        whole = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "message": visible(record.getMessage()),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            whole["exception"] = place_of(record.exc_info[1])
        return json.dumps(whole, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """Formats a record as a line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        exception = f" ({place_of(record.exc_info[1])})" if record.exc_info and record.exc_info[1] else ""
        return f"{record.levelname}: {visible(record.getMessage())}{exception}"


class LineWriter:
    """Writes lines to a descriptor, from a thread. `write` never blocks; lines beyond the limit are dropped and
    counted."""

    def __init__(self, descriptor: int) -> None:
        self.dropped = 0
        self.on_drop: _OnDrop = _nothing
        self.describe: _Describe = "{} log lines were dropped: they were not read fast enough".format
        """Returns the line that reports how many were dropped; it is written when the reader is back."""
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._reported = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def write(self, line: str) -> None:
        """Queue a line; `line` has no line break at its end."""
        encoded = line.encode(errors="backslashreplace")[:_LONGEST_LINE] + b"\n"
        with self._changed:
            if self._size + len(encoded) > MAX_QUEUE:
                self.dropped += 1
                self.on_drop()
                return
            self._lines.append(encoded)
            self._size += len(encoded)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            elif len(self._lines) == 1:
                self._changed.notify_all()

    def flush(self, seconds: float = _FLUSH_TIME) -> None:
        """Wait until all lines are written, for a limited time."""
        with self._changed:
            self._changed.wait_for(lambda: not self._size, seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
                batch = self._next_batch()
            written = self._write(b"".join(batch))
            with self._changed:
                self._size -= sum(map(len, batch))
                if not written:
                    self.dropped += len(batch)
                    for _ in batch:
                        self.on_drop()
                elif self.dropped > self._reported and self._size < MAX_QUEUE / 2:  # the reader is back
                    line = self.describe(self.dropped - self._reported).encode() + b"\n"
                    self._reported = self.dropped
                    self._lines.appendleft(line)
                    self._size += len(line)
                self._changed.notify_all()

    def _next_batch(self) -> list[bytes]:
        batch = [self._lines.popleft()]
        size = len(batch[0])
        while self._lines and size + len(self._lines[0]) <= _ATOMIC:
            size += len(self._lines[0])
            batch.append(self._lines.popleft())
        return batch

    def _write(self, data: bytes) -> bool:
        """Write everything, however long it takes. Return whether that succeeded."""
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # another process made the pipe non-blocking
                poll = select.poll()
                poll.register(self._descriptor, select.POLLOUT)
                poll.poll()
            except OSError:  # the reader has gone, or the disk is full
                return False
        return True


@cache
def writer(descriptor: int) -> LineWriter:
    """Return the process's only writer to a descriptor."""
    return LineWriter(descriptor)


class LineHandler(logging.Handler):
    """Passes log records to a LineWriter."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._writer = writer(descriptor)
        self._writer.describe = self._describe

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record's line."""
        self._writer.write(self.format(record))

    def flush(self) -> None:
        """Wait until all lines are written, for a limited time."""
        self._writer.flush()

    def _describe(self, dropped: int) -> str:
        message = f"{dropped} log lines were dropped: they were not read fast enough"
        record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, message, None, None)
        record.__dict__["fields"] = {"dropped": dropped}
        return self.format(record)


def descriptor_of(format_: str) -> int:
    """Return the descriptor that log lines are written to; `format_` is json or text."""
    return 1 if format_ == "json" else 2


def configuration(format_: str) -> dict[str, Any]:
    """Return the configuration for `logging.config.dictConfig`; `format_` is json or text."""
    formatter = JSONFormatter if format_ == "json" else TextFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": f"{formatter.__module__}.{formatter.__name__}"}},
        "handlers": {
            "lines": {
                "()": f"{__name__}.{LineHandler.__name__}",
                "descriptor": descriptor_of(format_),
                "formatter": "line",
            }
        },
        "root": {"level": "WARNING", "handlers": ["lines"]},
        "loggers": {
            "autoconfig": {"level": "INFO"},
            # Its warnings are about what strangers send: bad HTTP, too many connections. Anyone could fill the disk.
            "uvicorn": {"level": "ERROR"},
        },
    }


def _nothing() -> None:
    pass
