"""An application whose settings can be replaced while it runs."""

import gc
from collections.abc import Awaitable, Callable

from autoconfig.metrics import counter
from autoconfig.observe import RequestRecord, log
from autoconfig.requests import Request
from autoconfig.responses import Response
from autoconfig.server import application
from autoconfig.sources import Options, Settings


class Application:
    """Handler whose settings can be replaced. Requests in flight are finished with the settings they began with.

    While `draining`, /readyz returns 503 and each connection closes after its response. Raises TemplateError.
    """

    def __init__(self, settings: Settings) -> None:
        self.draining = False
        self._report = _reporter(settings.options)
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """Replace the settings. Raises TemplateError, and then keeps the previous ones."""
        self._app = application(
            settings, ready=lambda: not self.draining, report=self._report, resolver=settings.resolver()
        )
        _freeze()

    def respond(self, request: Request) -> Response | Awaitable[Response]:
        """Respond to a request."""
        return self._app.respond(request)

    def refuse(self, response: Response) -> Response:
        """Report and return the response to an incomplete or invalid request."""
        return self._app.refuse(response)

    def evicted(self) -> None:
        """Report that a connection has been closed to make room for another one."""
        self._app.evicted()


def _reporter(options: Options) -> Callable[[RequestRecord], None] | None:
    """Return a function for metrics and access log; None if both are disabled."""
    reports = [*([counter()] if options.metrics else []), *([log] if options.access_log else [])]

    def report(record: RequestRecord) -> None:
        for pass_on in reports:
            pass_on(record)

    return report if reports else None


def _freeze() -> None:
    """Exclude everything that exists now from garbage collection, because it stays.

    First free what a reload has replaced.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
