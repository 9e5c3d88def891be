"""What clients ask: the head and the body of a request, and the fields of its query string or form."""

from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from starlette.exceptions import HTTPException
from starlette.types import Scope

from autoconfig.address import UNPRINTABLE, AddressError, MailAddress

FORM = b"application/x-www-form-urlencoded"


class Request(NamedTuple):
    """A request, as far as any protocol looks at it. `Authorization` is no part of it: there may be passwords there."""

    method: str
    scheme: str
    """http or https."""
    query: bytes
    host: bytes
    """The Host header, whatever it claims; empty when there is none."""
    known: bytes
    """The If-None-Match header."""
    content_type: bytes
    body_length: int | None
    """Bytes of body that are announced, None when a body is but not its length."""
    agent: bytes = b""
    """The User-Agent header."""
    body: bytes = b""
    path: dict[str, Any] = {}  # noqa: RUF012 - never written to
    """What stands in the path where its route has a parameter."""


def read_head(scope: Scope) -> Request:
    """Read the head of a request, in one pass over its headers."""
    host = known = agent = b""
    content_type = FORM
    body_length: int | None = 0
    for name, value in scope["headers"]:
        if name == b"host":
            host = value
        elif name == b"user-agent":
            agent = value
        elif name == b"if-none-match":
            known = value
        elif name == b"content-type":
            content_type = value
        elif name == b"content-length":
            body_length = int(value) if value.isdigit() else None
        elif name == b"transfer-encoding":
            body_length = None
    return Request(
        scope["method"], scope["scheme"], scope["query_string"], host, known, content_type, body_length, agent
    )


class Fields:
    """The fields of a query string, or of a form, by name in any letter case.

    Every error is an HTTPException with status 400 that names the field and holds nothing of its value.
    """

    def __init__(self, encoded: bytes, *, form: bool = False) -> None:
        self._encoded = encoded
        self._form = form

    @classmethod
    def of(cls, request: Request) -> "Fields":
        """Read the fields of a POSTed form, or else of the query string.

        Raises HTTPException 415 when what is POSTed is no application/x-www-form-urlencoded.
        """
        if request.method != "POST":
            return cls(request.query)
        if request.content_type.partition(b";")[0].strip().lower() != FORM:
            raise HTTPException(415, f"the body is not {FORM.decode()}")
        return cls(request.body, form=True)

    def text(self, name: str, plus: bytes = b" ") -> str | None:
        """Return a field's text, None when it is missing or empty; `plus` is what an unencoded + in it stands for."""
        wanted, found = name.encode(), b""
        for pair in self._encoded.split(b"&"):
            key, _, value = pair.partition(b"=")
            if value and key.lower() == wanted:
                if found:
                    raise HTTPException(400, f"{name} is given twice")
                found = value
        if not found:
            return None
        try:
            text = unquote_to_bytes(found.replace(b"+", plus)).decode()
        except UnicodeDecodeError as error:
            raise HTTPException(400, f"{name} is not UTF-8") from error
        return text.strip(" ") or None

    def line(self, name: str, max_length: int) -> str | None:
        """Return a field that is one line of at most `max_length` characters."""
        text = self.text(name)
        if text and len(text) > max_length:
            raise HTTPException(400, f"{name} is longer than {max_length} characters")
        if text and UNPRINTABLE.search(text):
            raise HTTPException(400, f"{name} has a control character in it")
        return text

    def address(self, name: str = "emailaddress") -> MailAddress | None:
        """Return a field that is an e-mail address.

        Mail clients write a + in an address as it is where browsers write %2B (seen in the field); browsers' forms send
        spaces as +, clients' queries have none.
        """
        text = self.text(name, plus=b" " if self._form else b"+")
        try:
            return None if text is None else MailAddress.parse(text)
        except AddressError as error:
            raise HTTPException(400, f"{name} {error}") from error
