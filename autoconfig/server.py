"""The ASGI application: which path leads to which protocol."""

import re
from typing import NamedTuple

from starlette.routing import Route, Router
from starlette.types import ASGIApp

from autoconfig.directory import directory
from autoconfig.front import Endpoint, Front, Responder
from autoconfig.protocols import autodiscover, autodiscover_v2, mobileconfig, pacc
from autoconfig.protocols.autoconfig import Autoconfig, Database
from autoconfig.protocols.autodiscover import Autodiscover
from autoconfig.protocols.autodiscover_v2 import AutodiscoverV2
from autoconfig.protocols.mobileconfig import Mobileconfig
from autoconfig.protocols.pacc import Pacc
from autoconfig.requests import Asked
from autoconfig.responses import Answer, Kind
from autoconfig.site import setup_page
from autoconfig.site.setup_page import SetupPage
from autoconfig.sources import Settings

_ALIVE = Answer(Kind("text/plain", {"Cache-Control": "no-store"}), b"ok\n")


class _Way(NamedTuple):
    """A line of the table of routes."""

    path: str
    responder: Responder
    methods: tuple[str, ...] = ("GET", "HEAD")
    any_case: bool = False
    """Whether clients ask for it in other letter cases too: /Autodiscover/, /AutoDiscover/."""

    def route(self) -> Route:
        route = Route(self.path, Endpoint(self.responder), methods=self.methods)
        if self.any_case:
            route.path_regex = re.compile(route.path_regex.pattern, re.IGNORECASE)
        return route


def application(settings: Settings) -> ASGIApp:
    """Make the application that serves some settings.

    Raises TemplateError when a stylesheet is broken; nothing that could fail later is left for a request.
    """
    definitions = directory(settings.definitions)
    thunderbird = Autoconfig(definitions)
    outlook, outlook_json = Autodiscover(definitions), AutodiscoverV2(definitions)
    apple = Mobileconfig(definitions, settings.signer)
    people = SetupPage(definitions, apple, settings.public_url)
    ways = [
        _Way("/mail/config-v1.1.xml", thunderbird.respond),
        _Way("/.well-known/autoconfig/mail/config-v1.1.xml", thunderbird.respond),
        _Way("/.well-known/mail-v1.xml", thunderbird.respond),  # as later drafts call it
        _Way("/v1.1/mail/config-v1.1.xml", thunderbird.respond),  # Android Nine
        _Way("/v1.1/{domain}", Database(thunderbird).respond),
        _Way(autodiscover.PATH, outlook.respond, ("GET", "HEAD", "POST"), any_case=True),
        _Way(autodiscover_v2.PATH, outlook_json.respond, any_case=True),
        _Way(f"{autodiscover_v2.PATH}/v1.0/{{address}}", outlook_json.respond, any_case=True),
        _Way(mobileconfig.PATH, apple.respond, ("GET", "HEAD", "POST")),
        _Way(pacc.PATH, Pacc(definitions).respond),
        _Way(setup_page.PATH, people.respond, ("GET", "HEAD", "POST")),
        *(_Way(part.path, setup_page.part(part)) for part in setup_page.PARTS),
        _Way("/healthz", _healthz),
    ]
    by_heart = {(method, way.path): way.responder for way in ways for method in way.methods if "{" not in way.path}
    # Redirecting to another spelling of a path would send clients to whatever Host they claim.
    return Front(by_heart, Router([way.route() for way in ways], redirect_slashes=False))


def _healthz(_: Asked) -> Answer:
    return _ALIVE
