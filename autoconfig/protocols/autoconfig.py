"""Autoconfig, for Thunderbird and other clients (draft-ietf-mailmaint-autoconfig-06)."""

from functools import partial
from urllib.parse import quote

from starlette.exceptions import HTTPException

from autoconfig.address import MailAddress, ascii_domain
from autoconfig.definition import Definition
from autoconfig.directory import Directory, NotServedError
from autoconfig.protocols.description import Path, Probe, ProbeRequest, Protocol
from autoconfig.requests import Fields, Request, plain_domain
from autoconfig.responses import Response, StaticResponse
from autoconfig.templates import Template

PATH = "/mail/config-v1.1.xml"
WELL_KNOWN_PATH = "/.well-known/autoconfig/mail/config-v1.1.xml"


class _File:
    """One provider's file. The client fills its placeholders (section 3.8), except for a domain in hostnames."""

    def __init__(self, template: Template, definition: Definition) -> None:
        # Clients need not fill placeholders outside username. The domain is neither secret nor personal.
        root = definition.root
        places = root.iter("hostname", "url", "ewsURL", "easURL", "owaURL")
        in_host_names = any("%EMAILDOMAIN%" in (place.text or "") for place in places)
        self._document = template.required_document(root, ("EMAILDOMAIN",) if in_host_names else ())
        self._responses = None if in_host_names else _responses(self._document.fill({}))

    def render(self, domain: str) -> bytes:
        return self._document.fill({"EMAILDOMAIN": domain})

    def response(self, domain: str, *, personal: bool) -> StaticResponse:
        return (self._responses or _responses(self.render(domain)))[personal]


def _responses(body: bytes) -> tuple[StaticResponse, StaticResponse]:
    """Return the responses to a URL without and with an address: the latter stays out of shared caches."""
    # Web clients fetch the file from any origin; nothing in it is private.
    headers = {"Access-Control-Allow-Origin": "*"}
    return (
        StaticResponse(body, "text/xml", headers | {"Cache-Control": "public, max-age=3600"}),
        StaticResponse(body, "text/xml", headers | {"Cache-Control": "private, max-age=3600"}),
    )


class Autoconfig:
    """`GET …/config-v1.1.xml[?emailaddress=ADDRESS]`.

    All users of a provider get the same file: it must not reveal whether a mailbox exists (section 6.3). Without an
    address, as from Thunderbird for Android, the request's host identifies the provider.
    """

    def __init__(self, definitions: Directory[Definition]) -> None:
        self.files = definitions.each(partial(_File, Template.named("autoconfig.xsl")))

    def render(self, address: MailAddress | None = None) -> bytes:
        """Return the file for an address. Raises NotServedError if its domain is not served."""
        file, domain = self.files.find(address)
        return file.render(domain)

    def respond(self, request: Request) -> Response:
        """Respond to a request."""
        if (plain := plain_domain(request)) and (known := self.files.known(plain)):
            return known.response(plain, personal=True)
        try:
            address = Fields(request.query).address() if request.query else None
            personal = address is not None
        except HTTPException:
            # FairEmail does not encode addresses, so one with & arrives in pieces. The host identifies the provider.
            if self.files.domain_of(request.host) is None:
                raise
            address, personal = None, True
        file, domain = self.files.find(address, request.host)
        return file.response(domain, personal=personal)

    def respond_as_database(self, request: Request) -> Response:
        """Respond to `GET /v1.1/DOMAIN`, the request to a database of providers (section 4.2)."""
        try:
            domain = ascii_domain(request.parameters["domain"])
        except ValueError as error:
            raise NotServedError("this is not a domain name") from error
        file = self.files.known(domain)
        if file is None:
            raise NotServedError("this domain is not served here")
        return file.response(domain, personal=False)


def _probes(address: MailAddress, _another: MailAddress) -> list[Probe]:
    return [Probe("autoconfig.", (ProbeRequest(PATH), ProbeRequest(f"{PATH}?emailaddress={quote(str(address))}")))]


PROTOCOL = Protocol(
    name="autoconfig",
    clients="Thunderbird and other clients",
    make=lambda parts: Autoconfig(parts.definitions),
    paths=(
        Path(PATH, Autoconfig.respond, exported_at=("autoconfig.",)),
        Path(WELL_KNOWN_PATH, Autoconfig.respond, exported_at=("", "autoconfig.")),
        # The name in later drafts.
        Path("/.well-known/mail-v1.xml", Autoconfig.respond, exported_at=("", "autoconfig.")),
        # Requested by Nine for Android.
        Path("/v1.1/mail/config-v1.1.xml", Autoconfig.respond, exported_at=("autoconfig.",)),
        Path("/v1.1/{domain}", Autoconfig.respond_as_database, name="database", exported_at=("autoconfig.",)),
    ),
    render=lambda autoconfig, wanted: autoconfig.render(wanted.address),
    probes=_probes,
)
