"""Thunderbird's autoconfig and its kin's (draft-ietf-mailmaint-autoconfig-06)."""

from starlette.types import Receive, Scope, Send

from autoconfig.address import MailAddress
from autoconfig.definition import Definition
from autoconfig.requests import Fields
from autoconfig.responses import StaticResponse
from autoconfig.templates import Template


class Autoconfig:
    """ASGI application: `GET …/config-v1.1.xml[?emailaddress=ADDRESS]`.

    The answer is the same for every address: its placeholders are the client's to fill (section 3.9.6), and whether a
    mailbox exists is nobody's business (section 6.4). It is the same without one, as Thunderbird for Android asks.
    """

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._body = Template.named("autoconfig.xsl").required_document(definition).fill()
        # Web clients ask too, from any origin. A URL that holds an address stays out of caches that others share.
        self._anyone, self._someone = (
            StaticResponse(
                self._body, "text/xml", {"Cache-Control": f"{who}, max-age=3600", "Access-Control-Allow-Origin": "*"}
            )
            for who in ("public", "private")
        )

    def render(self, address: MailAddress | None = None) -> bytes:
        """Return what is served for an address. Raises NotServedError when its domain is not."""
        self._definition.require(address)
        return self._body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        address = Fields(scope["query_string"], form=False).address()
        self._definition.require(address)
        await (self._someone if address else self._anyone)(scope, receive, send)
