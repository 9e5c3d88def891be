"""What a process serves: an application whose settings can be exchanged while it runs."""

import gc
from collections.abc import Awaitable, Callable

from autoconfig.metrics import counter
from autoconfig.observe import RequestRecord, log
from autoconfig.requests import Request
from autoconfig.responses import Response
from autoconfig.server import application
from autoconfig.sources import Options, Settings


class Application:
    """Handler whose settings can be exchanged. Requests in flight finish on what they began with.

    While `draining`, /readyz is 503 and clients' connections end with their answers. Raises TemplateError.
    """

    def __init__(self, settings: Settings) -> None:
        self.draining = False
        self._report = _reporter(settings.options)
        self.take(settings)

    def take(self, settings: Settings) -> None:
        """Serve other settings. Raises TemplateError, and then serves the old ones."""
        self._app = application(
            settings, ready=lambda: not self.draining, report=self._report, resolver=settings.resolver()
        )
        _freeze()

    def respond(self, request: Request) -> Response | Awaitable[Response]:
        """Pass a request on."""
        return self._app.respond(request)

    def refuse(self, response: Response) -> Response:
        """Pass on what is no whole request."""
        return self._app.refuse(response)

    def evicted(self) -> None:
        """Pass on that a connection has been closed."""
        self._app.evicted()


def _reporter(options: Options) -> Callable[[RequestRecord], None] | None:
    """Return what takes note of each answer, None when nobody wants to know."""
    reports = [*([counter()] if options.metrics else []), *([log] if options.access_log else [])]

    def report(record: RequestRecord) -> None:
        for one in reports:
            one(record)

    return report if reports else None


def _freeze() -> None:
    """Take what has been made at start out of the garbage collector's rounds: it stays.

    What a reload has made superfluous goes first.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
