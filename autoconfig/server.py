"""The ASGI application: which path leads to which protocol, and what holds for all of them."""

import logging
import re
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from autoconfig import definition as definitions
from autoconfig.definition import Definition, NotServedError
from autoconfig.limits import BodyLimit
from autoconfig.protocols import autodiscover
from autoconfig.protocols.autoconfig import Autoconfig
from autoconfig.protocols.autodiscover import Autodiscover
from autoconfig.protocols.mobileconfig import Mobileconfig
from autoconfig.responses import plain_text, response

logger = logging.getLogger(__name__)


class AnyCaseRoute(Route):
    """A route whose path matches in any letter case: clients ask for /Autodiscover/ and /AutoDiscover/ too."""

    def __init__(self, path: str, endpoint: ASGIApp, methods: list[str]) -> None:
        super().__init__(path, endpoint, methods=methods)
        self.path_regex = re.compile(self.path_regex.pattern, re.IGNORECASE)


def application(definition: Definition) -> ASGIApp:
    """Make the application that serves a definition.

    Raises TemplateError when a stylesheet is broken; nothing that could fail later is left for a request.
    """
    thunderbird = Autoconfig(definition)
    starlette = Starlette(
        routes=[
            Route("/mail/config-v1.1.xml", thunderbird, methods=["GET"]),
            Route("/.well-known/autoconfig/mail/config-v1.1.xml", thunderbird, methods=["GET"]),
            AnyCaseRoute(autodiscover.PATH, Autodiscover(definition), methods=["GET", "POST"]),
            Route("/email.mobileconfig", Mobileconfig(definition), methods=["GET", "POST"]),
            Route("/healthz", _healthz, methods=["GET"]),
        ],
        middleware=[Middleware(BodyLimit)],
        exception_handlers={HTTPException: _refuse, NotServedError: _not_found},
    )
    # Redirecting to another spelling of a path would send clients to whatever Host they claim.
    starlette.router.redirect_slashes = False
    return _QuietFailure(starlette)


def application_from_file(source: Path) -> ASGIApp:
    """Make the application that serves a definition file, for a worker process to call.

    Raises DefinitionError or TemplateError.
    """
    return application(definitions.load(source))


async def _healthz(_: Request) -> Response:
    return response(b"ok\n", "text/plain", {"Cache-Control": "no-store"})


def _refuse(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return plain_text(error.status_code, error.detail, error.headers)


def _not_found(_: Request, error: Exception) -> Response:
    return plain_text(404, str(error))


class _QuietFailure:
    """ASGI middleware: what fails in spite of everything is logged by kind and place, with no word of the request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            place = error.__traceback__
            while place and place.tb_next:
                place = place.tb_next
            file = place.tb_frame.f_code.co_filename if place else "?"
            logger.error("%s at %s:%s", type(error).__name__, file, place.tb_lineno if place else "?")
