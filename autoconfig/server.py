"""The ASGI application: which path leads to which protocol, and what holds for all of them."""

import logging
import re

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from autoconfig.definition import Definition
from autoconfig.directory import Directory, Files, NotServedError, directory, load
from autoconfig.limits import BodyLimit
from autoconfig.protocols import autodiscover, autodiscover_v2, pacc
from autoconfig.protocols.autoconfig import Autoconfig, Database
from autoconfig.protocols.autodiscover import Autodiscover
from autoconfig.protocols.autodiscover_v2 import AutodiscoverV2
from autoconfig.protocols.mobileconfig import Mobileconfig
from autoconfig.protocols.pacc import Pacc
from autoconfig.responses import plain_text, response

logger = logging.getLogger(__name__)


class AnyCaseRoute(Route):
    """A route whose path matches in any letter case: clients ask for /Autodiscover/ and /AutoDiscover/ too."""

    def __init__(self, path: str, endpoint: ASGIApp, methods: list[str]) -> None:
        super().__init__(path, endpoint, methods=methods)
        self.path_regex = re.compile(self.path_regex.pattern, re.IGNORECASE)


def application(definitions: Directory[Definition]) -> ASGIApp:
    """Make the application that serves definitions.

    Raises TemplateError when a stylesheet is broken; nothing that could fail later is left for a request.
    """
    thunderbird = Autoconfig(definitions)
    outlook_json = AutodiscoverV2(definitions)
    starlette = Starlette(
        routes=[
            Route("/mail/config-v1.1.xml", thunderbird, methods=["GET"]),
            Route("/.well-known/autoconfig/mail/config-v1.1.xml", thunderbird, methods=["GET"]),
            # Android Nine
            Route("/v1.1/mail/config-v1.1.xml", thunderbird, methods=["GET"]),
            # what later drafts of autoconfig call it
            Route("/.well-known/mail-v1.xml", thunderbird, methods=["GET"]),
            Route("/v1.1/{domain}", Database(thunderbird), methods=["GET"]),
            AnyCaseRoute(autodiscover.PATH, Autodiscover(definitions), methods=["GET", "POST"]),
            AnyCaseRoute(autodiscover_v2.PATH, outlook_json, methods=["GET"]),
            AnyCaseRoute(f"{autodiscover_v2.PATH}/v1.0/{{address}}", outlook_json, methods=["GET"]),
            Route(pacc.PATH, Pacc(definitions), methods=["GET"]),
            Route("/email.mobileconfig", Mobileconfig(definitions), methods=["GET", "POST"]),
            Route("/healthz", _healthz, methods=["GET"]),
        ],
        middleware=[Middleware(BodyLimit)],
        exception_handlers={HTTPException: _refuse, NotServedError: _not_found},
    )
    # Redirecting to another spelling of a path would send clients to whatever Host they claim.
    starlette.router.redirect_slashes = False
    return _QuietFailure(starlette)


def application_of(files: Files) -> ASGIApp:
    """Make the application that serves definition files. Raises DefinitionError or TemplateError."""
    return application(directory(load(files)))


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
