"""The application: its table of routes."""

from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException

from autoconfig.address import ascii_domain
from autoconfig.definition import Definition
from autoconfig.directory import Directory, NotServedError, UncertainError
from autoconfig.front import Endpoint, Front, Report
from autoconfig.mail_exchangers import Resolver
from autoconfig.protocols import PROTOCOLS, mobileconfig
from autoconfig.protocols.description import Parts
from autoconfig.requests import Fields, Request
from autoconfig.responses import Response, ResponseKind, plain_text
from autoconfig.site.assets import ASSETS
from autoconfig.site.setup_page import SetupPage
from autoconfig.sources import Settings

_OK = Response(ResponseKind("text/plain", {"Cache-Control": "no-store"}), b"ok\n")


def application(
    settings: Settings,
    *,
    ready: Callable[[], bool] = lambda: True,
    report: Report | None = None,
    resolver: Resolver | None = None,
) -> Front:
    """Return an application that serves settings. /readyz calls `ready`: it returns 503 during shutdown.

    The application passes a record of each response to `report`, if given. A `resolver` recognises the customer domains
    of a provider without a list by their MX records; without one, every domain counts as a customer's. Raises
    TemplateError if a stylesheet is broken, so that no request can fail because of it.
    """
    definitions, options = settings.directory(resolver), settings.options
    parts = Parts(definitions, PROTOCOLS, settings.signer)
    setup_page = SetupPage(definitions, parts.made(mobileconfig.PROTOCOL), options.public_url, options.root_path)
    endpoints = [
        *_endpoints(parts),
        *(Endpoint("setup page", path, responder, ("GET", "HEAD", "POST")) for path, responder in setup_page.routes()),
        *(Endpoint("setup page", asset.path, asset.responder()) for asset in ASSETS),
        Endpoint("health", "/healthz", _healthz),
        Endpoint("health", "/readyz", partial(_readyz, ready)),
        Endpoint("tls", "/tls/ask", partial(_tls_ask, _hosts(definitions, options.public_url))),
    ]
    return Front(endpoints, report)


def _endpoints(parts: Parts) -> Iterator[Endpoint]:
    """Yield the endpoints of the client protocols."""
    for protocol in parts.protocols:
        served = parts.made(protocol)
        for path in protocol.paths:
            respond = partial(path.respond, served)
            yield Endpoint(path.name or protocol.name, path.path, respond, path.methods, path.any_case)


def _healthz(_: Request) -> Response:
    """Respond that the process runs."""
    return _OK


def _readyz(ready: Callable[[], bool], _: Request) -> Response:
    """Respond to a load balancer: 503 if the server is about to shut down."""
    return _OK if ready() else plain_text(503, "shutting down")


def _tls_ask(owned: Callable[[str], bool], request: Request) -> Response:
    """Respond to Caddy: 200 if it may get a certificate for a hostname that clients of own or hosted domains use."""
    try:
        name = ascii_domain(Fields(request.query).text("domain") or "")
    except ValueError:
        name = ""
    try:
        if owned(name):
            return _OK
    except UncertainError as error:
        raise HTTPException(503, str(error), {"Retry-After": "10"}) from error
    raise NotServedError("mail clients do not use this hostname here")


def _hosts(definitions: Directory[Definition], public_url: str | None) -> Callable[[str], bool]:
    """Return a function that recognises the server's hostnames; it keeps no definition in memory."""
    hosts = definitions.each(lambda _: None)
    public = urlsplit(public_url or "").hostname
    return lambda name: name == public or hosts.owns(name)
