"""What clients ask with: the fields of a query string or of a form."""

from typing import Self
from urllib.parse import unquote_to_bytes

from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope

from autoconfig.address import UNPRINTABLE, AddressError, MailAddress

FORM = b"application/x-www-form-urlencoded"


def host_of(scope: Scope) -> bytes:
    """Return a request's Host header, whatever it claims; empty when there is none."""
    return next((value for name, value in scope["headers"] if name == b"host"), b"")


class Fields:
    """The fields of a request, by name in any letter case.

    Every error is an HTTPException with status 400 that names the field and holds nothing of its value.
    """

    def __init__(self, encoded: bytes, *, form: bool) -> None:
        self._pairs = [pair.partition(b"=") for pair in encoded.split(b"&")]
        self._form = form

    @classmethod
    async def of(cls, scope: Scope, receive: Receive) -> Self:
        """Read the fields of a POSTed form, or else of the query string.

        Raises HTTPException 415 when what is POSTed is no application/x-www-form-urlencoded.
        """
        if scope["method"] != "POST":
            return cls(scope["query_string"], form=False)
        content_type = next((value for name, value in scope["headers"] if name == b"content-type"), FORM)
        if content_type.partition(b";")[0].strip().lower() != FORM:
            raise HTTPException(415, f"the body is not {FORM.decode()}")
        return cls((await receive())["body"], form=True)

    def text(self, name: str, plus: str = " ") -> str | None:
        """Return a field's text, None when it is missing or empty; `plus` is what an unencoded + in it stands for."""
        values = [value for key, _, value in self._pairs if key.lower() == name.encode() and value]
        if not values:
            return None
        if len(values) > 1:
            raise HTTPException(400, f"{name} is given twice")
        try:
            text = unquote_to_bytes(values[0].replace(b"+", plus.encode())).decode()
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
        text = self.text(name, plus=" " if self._form else "+")
        try:
            return None if text is None else MailAddress.parse(text)
        except AddressError as error:
            raise HTTPException(400, f"{name} {error}") from error
