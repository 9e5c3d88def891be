"""Outlook's Autodiscover, version 2: JSON with the URL of another protocol."""

import json
from urllib.parse import quote

from starlette.exceptions import HTTPException

from autoconfig.address import AddressError, MailAddress
from autoconfig.definition import Definition
from autoconfig.directory import Directory, NotServedError
from autoconfig.protocols.description import AUTODISCOVER_PATH, Path, Probe, ProbeRequest, Protocol
from autoconfig.requests import Fields, Request
from autoconfig.responses import Response, ResponseKind

PATH = "/autodiscover/autodiscover.json"


class AutodiscoverV2:
    """`GET /autodiscover/autodiscover.json?Email=ADDRESS&Protocol=AutodiscoverV1`, or ActiveSync or EWS.

    The address may be in the path instead: `…/autodiscover.json/v1.0/ADDRESS?Protocol=…`. Other fields, such as
    RedirectCount, are ignored, and so is letter case (Outlook 16 sends `Autodiscoverv1`).
    """

    def __init__(self, definitions: Directory[Definition]) -> None:
        # Only the URLs, so that the definitions can be freed once the documents are made.
        self._urls = definitions.each(_urls)

    def render(self, address: MailAddress | None = None, protocol: str = "AutodiscoverV1", host: bytes = b"") -> bytes:
        """Return the URL of a protocol, named in any letter case, for an address or, without one, for a host.

        Raises NotServedError if the address's domain is not served, or if the provider does not have the protocol.
        """
        urls, domain = self._urls.find(address, host)
        if protocol.lower() == "autodiscoverv1":
            home = self._urls.home(domain, host)
            return _json({"Protocol": "AutodiscoverV1", "Url": f"https://autodiscover.{home}{AUTODISCOVER_PATH}"})
        if found := urls.get(protocol.lower()):
            name, url = found
            values = {"EMAILDOMAIN": domain}
            if address:
                values |= {"EMAILADDRESS": quote(str(address)), "EMAILLOCALPART": quote(address.local)}
            for placeholder, value in values.items():
                url = url.replace(f"%{placeholder}%", value)
            if "%EMAIL" not in url:
                return _json({"Protocol": name, "Url": url})
        raise _NotOfferedError

    def respond(self, request: Request) -> Response:
        """Respond to a request."""
        fields = Fields(request.query)
        try:
            in_path = request.parameters.get("address")
            address = MailAddress.parse(in_path) if in_path else fields.address("email")
            protocol = fields.text("protocol")
            self._urls.find(address, request.host)
            if protocol is None:
                return _error(400, "MandatoryParameterMissing", "The parameter Protocol is missing.")
            return Response(_FOUND, self.render(address, protocol, request.host))
        except AddressError as error:
            return _error(400, "InvalidUserId", f"The address {error}.")
        except HTTPException as error:
            return _error(error.status_code, "InvalidRequest", f"The parameter {error.detail}.")
        except _NotOfferedError as error:
            return _error(400, "InvalidProtocol", f"{error}.")
        except NotServedError as error:
            return _error(404, "UserNotFound", f"{error}.")


class _NotOfferedError(NotServedError):
    def __init__(self) -> None:
        super().__init__("This protocol is not offered here; AutodiscoverV1 is")


def _urls(definition: Definition) -> dict[str, tuple[str, str]]:
    """Return the names and URLs of a provider's Exchange protocols, by name in lower case."""
    names = {"activeSync": "ActiveSync", "ews": "EWS"}
    found: dict[str, tuple[str, str]] = {}
    for service in definition.services:
        if name := names.get(service.type):
            found.setdefault(name.lower(), (name, service.url))
    return found


def _json(content: dict[str, str]) -> bytes:
    return json.dumps(content).encode()


_UNCACHED = {"Cache-Control": "no-store"}
_FOUND = ResponseKind("application/json", _UNCACHED)


def _error(status: int, code: str, message: str) -> Response:
    kind = ResponseKind("application/json", _UNCACHED, status)
    return Response(kind, _json({"ErrorCode": code, "ErrorMessage": message}))


def _probes(address: MailAddress, _another: MailAddress) -> list[Probe]:
    query = f"Email={quote(str(address))}&Protocol=Autodiscoverv1&RedirectCount=1"  # as Outlook 16 sends it
    return [Probe("autodiscover.", (ProbeRequest(f"{PATH}?{query}"),), "with an address")]


PROTOCOL = Protocol(
    name="autodiscover.json",
    clients="Outlook, to find Autodiscover",
    make=lambda parts: AutodiscoverV2(parts.definitions),
    paths=(
        Path(PATH, AutodiscoverV2.respond, any_case=True),
        Path(f"{PATH}/v1.0/{{address}}", AutodiscoverV2.respond, any_case=True),
    ),
    render=lambda json_, wanted: json_.render(wanted.address),
    probes=_probes,
)
