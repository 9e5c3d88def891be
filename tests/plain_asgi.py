"""The application for another ASGI server: `uvicorn tests.plain_asgi:application`."""

from pathlib import Path

from autoconfig.definition import EMBEDDED
from autoconfig.server import application as make
from autoconfig.sources import Sources

application = make(Sources((Path(EMBEDDED),)).read().load())
