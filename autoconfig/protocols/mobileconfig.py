"""Apple's configuration profiles for Mail (Apple's device-management schema, com.apple.mail.managed)."""

import re
from itertools import product
from uuid import NAMESPACE_DNS, UUID, uuid5

from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from autoconfig.address import MailAddress
from autoconfig.definition import Definition, NotServedError
from autoconfig.requests import Fields
from autoconfig.responses import response
from autoconfig.templates import ADDRESS_HOLES, Document, Template, address_holes

PROTOCOLS = ("imap", "pop3")
MAX_NAME = 256
"""Characters in a sender's name."""

_HOLES = ADDRESS_HOLES | {"REALNAME", "PROFILEUUID", "MAILUUID"}


class Mobileconfig:
    """ASGI application: `GET` and `POST /email.mobileconfig`.

    Fields, all optional: `emailaddress`, `name` (the sender's, at most 256 characters) and `protocol` (imap or pop3;
    imap is the default unless the provider has only POP3).
    """

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._uuid = uuid5(NAMESPACE_DNS, definition.id)
        file_name = re.sub(r"[^A-Za-z0-9.-]", "", definition.id)
        self._headers = {"Content-Disposition": f'attachment; filename="{file_name}.mobileconfig"'}
        template = Template.named("mobileconfig.xsl")
        reverse_domain = ".".join(reversed(definition.domains[0].split(".")))
        self._documents: dict[tuple[str, bool, bool], Document | None] = {
            (protocol, address, name): template.document(
                definition,
                _HOLES,
                protocol=protocol,
                emailaddress=address,
                name=name,
                reversedomain=reverse_domain,
            )
            for protocol, address, name in product(PROTOCOLS, (False, True), (False, True))
        }

        available = (protocol for protocol in PROTOCOLS if self._documents[protocol, False, False])
        self._default_protocol = next(available, PROTOCOLS[0])

    def render(self, address: MailAddress | None = None, name: str | None = None, protocol: str | None = None) -> bytes:
        """Return the profile for an address, if any, and a sender's name, if any.

        Raises NotServedError when the address's domain is not served, or the provider has nothing that an Apple device
        can use over `protocol`, which is imap, pop3 or None for the default.
        """
        self._definition.require(address)
        protocol = protocol or self._default_protocol
        document = self._documents[protocol, address is not None, name is not None]
        if document is None:
            raise NotServedError(f"this provider has no {protocol} settings that Apple devices can use")
        account = str(address).lower() if address else ""
        return document.fill(
            (address_holes(address) if address else {})
            | {
                "REALNAME": name or "",
                "PROFILEUUID": str(self._payload_uuid("profile", account)).upper(),
                "MAILUUID": str(self._payload_uuid(protocol, account)).upper(),
            }
        )

    def _payload_uuid(self, payload: str, account: str) -> UUID:
        """Return the same UUID for the same account every time, so that a profile replaces its predecessor."""
        return uuid5(self._uuid, f"{payload}:{account}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        fields = await Fields.of(scope, receive)
        address = fields.address()
        name = fields.line("name", MAX_NAME)
        protocol = fields.text("protocol")
        if protocol not in (None, *PROTOCOLS):
            raise HTTPException(400, f"protocol is not {' or '.join(PROTOCOLS)}")
        body = self.render(address, name, protocol)
        caching = "no-store" if address or name else "public, max-age=3600"
        headers = self._headers | {"Cache-Control": caching}
        await response(body, "application/x-apple-aspen-config", headers)(scope, receive, send)
