"""Log lines: for people on stderr, or one JSON object a line on stdout."""

import json
import logging
import time
from typing import Any

from autoconfig.front import place_of
from autoconfig.visible import visible


class JSONFormatter(logging.Formatter):
    """Makes a JSON object of a record: time (UTC), level, message, and the fields that were given with it.

    Of an exception it tells kind and place: its own words may be a request's.
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
    """Makes a line for people of a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        exception = f" ({place_of(record.exc_info[1])})" if record.exc_info and record.exc_info[1] else ""
        return f"{record.levelname}: {visible(record.getMessage())}{exception}"


def configuration(format_: str) -> dict[str, Any]:
    """Return what `logging.config.dictConfig` wants; `format_` is json or text."""
    formatter = JSONFormatter if format_ == "json" else TextFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": f"{formatter.__module__}.{formatter.__name__}"}},
        "handlers": {
            "lines": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stdout" if format_ == "json" else "ext://sys.stderr",
                "formatter": "line",
            }
        },
        "root": {"level": "WARNING", "handlers": ["lines"]},
        "loggers": {
            "autoconfig": {"level": "INFO"},
            # Its warnings are of what strangers send: bad HTTP, too many connections. Anybody could fill the disk.
            "uvicorn": {"level": "ERROR"},
        },
    }
