"""The ASGI application: which path leads to which protocol."""

from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from autoconfig.address import ascii_domain
from autoconfig.definition import Definition
from autoconfig.directory import Directory, NotServedError, directory
from autoconfig.front import Endpoint, Front, Report
from autoconfig.protocols import autodiscover, autodiscover_v2, mobileconfig, pacc
from autoconfig.protocols.autoconfig import Autoconfig, Database
from autoconfig.protocols.autodiscover import Autodiscover
from autoconfig.protocols.autodiscover_v2 import AutodiscoverV2
from autoconfig.protocols.mobileconfig import Mobileconfig
from autoconfig.protocols.pacc import Pacc
from autoconfig.requests import Fields, Request
from autoconfig.responses import Response, ResponseKind, plain_text
from autoconfig.site import setup_page
from autoconfig.site.setup_page import SetupPage
from autoconfig.sources import Settings

_OK = Response(ResponseKind("text/plain", {"Cache-Control": "no-store"}), b"ok\n")


def application(settings: Settings, *, ready: Callable[[], bool] = lambda: True, report: Report | None = None) -> Front:
    """Make the application that serves some settings; `ready` says whether it should be given requests.

    Every answer is reported to `report`, if there is one. Raises TemplateError when a stylesheet is broken; nothing
    that could fail later is left for a request.
    """
    definitions, options = directory(settings.definitions), settings.options
    thunderbird = Autoconfig(definitions)
    outlook, outlook_json = Autodiscover(definitions), AutodiscoverV2(definitions)
    apple = Mobileconfig(definitions, settings.signer)
    people = SetupPage(definitions, apple, options.public_url)
    endpoints = [
        Endpoint("autoconfig", "/mail/config-v1.1.xml", thunderbird.respond),
        Endpoint("autoconfig", "/.well-known/autoconfig/mail/config-v1.1.xml", thunderbird.respond),
        Endpoint("autoconfig", "/.well-known/mail-v1.xml", thunderbird.respond),  # as later drafts call it
        Endpoint("autoconfig", "/v1.1/mail/config-v1.1.xml", thunderbird.respond),  # Android Nine
        Endpoint("database", "/v1.1/{domain}", Database(thunderbird).respond),
        Endpoint("autodiscover", autodiscover.PATH, outlook.respond, ("GET", "HEAD", "POST"), any_case=True),
        Endpoint("autodiscover.json", autodiscover_v2.PATH, outlook_json.respond, any_case=True),
        Endpoint("autodiscover.json", f"{autodiscover_v2.PATH}/v1.0/{{address}}", outlook_json.respond, any_case=True),
        Endpoint("mobileconfig", mobileconfig.PATH, apple.respond, ("GET", "HEAD", "POST")),
        Endpoint("pacc", pacc.PATH, Pacc(definitions).respond),
        Endpoint("setup page", setup_page.PATH, people.respond, ("GET", "HEAD", "POST")),
        *(Endpoint("setup page", asset.path, setup_page.asset(asset)) for asset in setup_page.ASSETS),
        Endpoint("health", "/healthz", _healthz),
        Endpoint("health", "/readyz", partial(_readyz, ready)),
        Endpoint("tls", "/tls/ask", partial(_tls_ask, _hosts(definitions, options.public_url))),
    ]
    return Front(endpoints, report)


def _healthz(_: Request) -> Response:
    """Tell that the process lives."""
    return _OK


def _readyz(ready: Callable[[], bool], _: Request) -> Response:
    """Tell a load balancer whether to send requests here: not when the server is about to end."""
    return _OK if ready() else plain_text(503, "shutting down")


def _tls_ask(owned: Callable[[str], bool], request: Request) -> Response:
    """Tell Caddy whether to get a certificate for a name: only when clients of a definition ask it."""
    try:
        name = ascii_domain(Fields(request.query).text("domain") or "")
    except ValueError:
        name = ""
    if owned(name):
        return _OK
    raise NotServedError("this name is not one of the definitions' own")


def _hosts(definitions: Directory[Definition], public_url: str | None) -> Callable[[str], bool]:
    """Return what knows the names at which the server is asked; it holds no definition."""
    hosts = definitions.each(lambda _: None)
    public = urlsplit(public_url or "").hostname
    return lambda name: name == public or hosts.owns(name)
