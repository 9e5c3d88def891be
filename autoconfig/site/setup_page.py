"""The setup page, for people whose mail app asks nobody: `GET` and `POST /`.

The address that a person types is POSTed, so it stands in no URL, history or log; it goes into the page that comes
back, and nowhere else.
"""

import hashlib
import io
import re
from collections.abc import Callable
from difflib import get_close_matches
from functools import lru_cache, partial
from importlib.resources import files
from typing import NamedTuple
from urllib.parse import urlsplit

import segno
from lxml import etree

from autoconfig.address import AddressError, MailAddress
from autoconfig.definition import Definition
from autoconfig.directory import Directory, NotServedError
from autoconfig.protocols import mobileconfig
from autoconfig.protocols.mobileconfig import Mobileconfig
from autoconfig.requests import Fields, Request
from autoconfig.responses import Response, ResponseKind, StaticResponse
from autoconfig.templates import ADDRESS_PLACEHOLDERS, Document, Template, placeholder_values

PATH = "/"

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_SHARED = _HEADERS | {"Cache-Control": "public, max-age=3600", "Vary": "User-Agent"}
_PERSONAL = _HEADERS | {"Cache-Control": "no-store"}

_PLACEHOLDERS = ADDRESS_PLACEHOLDERS | {
    *("ERROR", "PROBLEM", "INVALID", "TYPED", "GIVEN"),
    *("PLATFORM", "PROFILEURL", "QRPATH", "QRSIZE"),
}
_GENERIC = {"EMAILADDRESS": "your e-mail address", "EMAILLOCALPART": "what is before the @ of your address"}
"""What stands for a username as long as nobody has given an address."""

_PLATFORMS = (
    (re.compile(rb"iPhone|iPad|Macintosh"), "apple"),
    (re.compile(rb"Android"), "android"),
    (re.compile(rb"Windows"), "outlook"),
    (re.compile(rb"Linux|BSD"), "thunderbird"),
)
"""What is suggested to whom, by the User-Agent header. The names are those of the page's sections."""


class Asset(NamedTuple):
    """A file that the page needs."""

    path: str
    media_type: str
    content: bytes


def _asset(name: str, media_type: str) -> Asset:
    return Asset(f"/site/{name}", media_type, files("autoconfig.site").joinpath(name).read_bytes())


ASSETS = (
    _asset("setup.css", "text/css"),
    _asset("setup.js", "text/javascript"),
    _asset("icon.svg", "image/svg+xml"),
)
_EDITION = hashlib.sha256(b"".join(asset.content for asset in ASSETS)).hexdigest()[:12]


class _Page(NamedTuple):
    """One provider's page, and what else has to be known of it: of many definitions, nothing more is kept."""

    name: str
    domains: tuple[str, ...]
    document: Document

    def fill(
        self, profile_url: str, platform: str, address: MailAddress | None, domain: str, typed: str, problem: str
    ) -> bytes:
        code = qr_code(profile_url)
        return self.document.fill(
            (_GENERIC | placeholder_values(address, domain))
            | {
                "ERROR": "Error: " if problem else "",
                "PROBLEM": problem,
                "INVALID": str(bool(problem)).lower(),
                "TYPED": typed,
                "GIVEN": str(address) if address else "",
                "PLATFORM": platform,
                "PROFILEURL": profile_url,
                "QRPATH": code.path,
                "QRSIZE": str(code.size),
            }
        )

    def which_addresses(self, typed: str) -> str:
        """Say which addresses the page is for, and which of their domains may have been meant."""
        *most, last = (f"@{one}" for one in self.domains)
        endings = f"{', '.join(most)} or {last}" if most else last
        meant = get_close_matches(typed.rpartition("@")[2].lower(), self.domains, 1, cutoff=0.8)
        question = f" Did you mean @{meant[0]}?" if meant else ""
        return f"{self.name} addresses end in {endings}.{question}"


class SetupPage:
    """`GET /`, and `POST /` with the field `emailaddress`.

    `profiles` are those that it offers; `public_url` is where people reach the server when that is none of the
    definitions' own hosts.
    """

    def __init__(
        self, definitions: Directory[Definition], profiles: Mobileconfig, public_url: str | None = None
    ) -> None:
        template = Template.named("setup_page.xsl")

        def page(definition: Definition) -> _Page:
            offers = {"profile": profiles.available(definition), "signed": profiles.signed}
            document = template.required_document(definition, _PLACEHOLDERS, edition=_EDITION, **offers)
            return _Page(definition.display_name, definition.domains, document)

        self._pages = definitions.each(page)
        self._public_url = public_url and _secure(public_url.rstrip("/"))

    def respond(self, request: Request) -> Response:
        """Answer a request. A POST that is no form is refused; whatever else a person gets wrong, the page explains."""
        typed = (Fields.of(request).text("emailaddress") or "") if request.method == "POST" else ""
        address, status, problem = None, 200, ""
        page, domain = self._pages.find(None, request.host)
        try:
            address = MailAddress.parse(typed) if typed else None
            page, domain = self._pages.find(address, request.host)
        except AddressError as error:
            status, problem = 400, f"This address {error}. {page.which_addresses(typed)}"
        except NotServedError:
            address, status, problem = None, 404, page.which_addresses(typed)
        url = self._public_url_of(page, domain, request) + mobileconfig.PATH
        body = page.fill(url, _platform(request.user_agent), address, domain, typed, problem)
        if not typed:
            return StaticResponse(body, "text/html", _SHARED)
        return Response(ResponseKind("text/html", _PERSONAL, status), body)

    def _public_url_of(self, page: _Page, domain: str, request: Request) -> str:
        """Return where a provider's settings are to be had from outside: scheme and host.

        It is https even if the request came over http: the reverse proxy redirects a page, and a phone that scans the
        QR code must not fetch a profile that anybody on the way can change.

        A host that the request names is believed only when it is one of the provider's own: anybody can send any.
        Failing that it is the URL that the operator has given, but at that place only the first definition's settings
        are to be had without an address. The last resort is where Thunderbird would look.
        """
        if self._pages.domain_of(request.host) in page.domains:
            return f"https://{request.host.partition(b':')[0].rstrip(b'.').decode().lower()}"
        if self._public_url and page is self._pages.first:
            return self._public_url
        return f"https://autoconfig.{domain if domain in page.domains else page.domains[0]}"


def _secure(url: str) -> str:
    """Return a URL with https, unless its host is this machine itself."""
    if urlsplit(url).hostname in ("localhost", "127.0.0.1"):
        return url
    return url.replace("http://", "https://", 1)


def asset(asset: Asset) -> Callable[[Request], Response]:
    """Return what answers requests for a part of the page."""
    response = StaticResponse(asset.content, asset.media_type, {"Cache-Control": "public, max-age=86400"})
    return partial(_static, response)


def _static(response: Response, _: Request) -> Response:
    return response


def _platform(agent: bytes) -> str:
    return next((name for pattern, name in _PLATFORMS if pattern.search(agent)), "other")


class _QRCode(NamedTuple):
    """A QR code as a line through its modules, for SVG: `size` modules wide and high, quiet zone included."""

    path: str
    size: int


@lru_cache(maxsize=1024)
def qr_code(text: str) -> _QRCode:
    """Return the QR code of a text (ISO/IEC 18004), with the quiet zone of four modules that the standard wants."""
    drawing = io.BytesIO()
    code = segno.make(text, error="m", micro=False)
    code.save(drawing, kind="svg", border=4, xmldecl=False, svgns=False)
    path = etree.fromstring(drawing.getvalue()).xpath("string(path/@d)")
    return _QRCode(str(path), int(code.symbol_size(border=4)[0]))
