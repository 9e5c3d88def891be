"""Outlook's Autodiscover in its second form, JSON: it only tells where the first form is."""

import json

from starlette.exceptions import HTTPException

from autoconfig.address import AddressError, MailAddress
from autoconfig.definition import Definition
from autoconfig.directory import Directory, NotServedError
from autoconfig.protocols import autodiscover
from autoconfig.requests import Fields, Request
from autoconfig.responses import Response, ResponseKind

PATH = "/autodiscover/autodiscover.json"


class AutodiscoverV2:
    """`GET /autodiscover/autodiscover.json?Email=ADDRESS&Protocol=AutodiscoverV1`.

    The address may stand in the path instead, `…/autodiscover.json/v1.0/ADDRESS?Protocol=…`. Other fields, such as
    RedirectCount, do not matter, nor does letter case (Outlook 16 asks for `Autodiscoverv1`).
    """

    def __init__(self, definitions: Directory[Definition]) -> None:
        # Only where domains belong: the definitions themselves are no longer needed once documents are made of them.
        self._directory = definitions.each(lambda definition: definition.id)

    def respond(self, request: Request) -> Response:
        """Answer a request."""
        fields = Fields(request.query)
        try:
            in_path = request.parameters.get("address")
            address = MailAddress.parse(in_path) if in_path else fields.address("email")
            protocol = fields.text("protocol")
            _, domain = self._directory.find(address, request.host)
            home = self._directory.home(domain, request.host)
        except AddressError as error:
            return _error(400, "InvalidUserId", f"The address {error}.")
        except HTTPException as error:
            return _error(error.status_code, "InvalidRequest", f"The parameter {error.detail}.")
        except NotServedError as error:
            return _error(404, "UserNotFound", f"{error}.")
        if protocol is None:
            return _error(400, "MandatoryParameterMissing", "The parameter Protocol is missing.")
        if protocol.lower() != "autodiscoverv1":
            return _error(400, "InvalidProtocol", "This protocol is not offered here; AutodiscoverV1 is.")
        return _json(200, {"Protocol": "AutodiscoverV1", "Url": f"https://autodiscover.{home}{autodiscover.PATH}"})


def _json(status: int, content: dict[str, str]) -> Response:
    body = json.dumps(content).encode()
    return Response(ResponseKind("application/json", {"Cache-Control": "no-store"}, status), body)


def _error(status: int, code: str, message: str) -> Response:
    return _json(status, {"ErrorCode": code, "ErrorMessage": message})
