"""Outlook's Autodiscover, version 1 (MS-OXDSCLI): POX, "plain old XML"."""

import codecs
import re
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from lxml import etree

from autoconfig.address import PLAIN_DOMAIN, PLAIN_LOCAL, AddressError, MailAddress
from autoconfig.definition import Definition
from autoconfig.directory import Directory, NotServedError
from autoconfig.protocols.description import (
    AUTODISCOVER_PATH,
    Path,
    Probe,
    ProbeRequest,
    Protocol,
    Schema,
    autodiscover_request,
)
from autoconfig.requests import Request
from autoconfig.responses import Response, ResponseKind
from autoconfig.templates import ADDRESS_PLACEHOLDERS, DOMAIN_PLACEHOLDERS, Template, placeholder_values

PATH = AUTODISCOVER_PATH

# Microsoft's page for providers misprints http as https, and some clients follow it.
_SCHEMAS = "://schemas.microsoft.com/exchange/autodiscover/outlook/"
_REQUEST_NAMESPACES = frozenset({f"http{_SCHEMAS}requestschema/2006", f"https{_SCHEMAS}requestschema/2006"})
_RESPONSE_SCHEMAS = frozenset({f"http{_SCHEMAS}responseschema/2006a", f"https{_SCHEMAS}responseschema/2006a"})

# Fetches and expands nothing. libxml2's own limits apply: elements nest at most 256 deep, no entity bombs.
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
_DECLARED_ENCODING = re.compile(r"""^\ufeff?<\?xml[^>]*\bencoding\s*=\s*["']([A-Za-z0-9._-]+)""")
# The first bytes of documents, by encoding, where they identify it (XML 1.0, appendix F).
_ENCODING_SIGNATURES = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    b"<\0": "utf-16-le",
    b"\0<": "utf-16-be",
}


# The request as Outlook and Thunderbird write it, with a plain address. The parser gives the same result.
_PLAIN_REQUEST = re.compile(
    rb"""(?:<\?xml version="1\.0" encoding="(?i:utf-8)" ?\?>)?[ \t\r\n]*"""
    rb"""<Autodiscover xmlns="%b">[ \t\r\n]*<Request>[ \t\r\n]*"""
    rb"""<EMailAddress>(%b)@(%b)</EMailAddress>[ \t\r\n]*"""
    rb"""<AcceptableResponseSchema>%b</AcceptableResponseSchema>[ \t\r\n]*"""
    rb"""</Request>[ \t\r\n]*</Autodiscover>[ \t\r\n]*"""
    % (
        re.escape(f"http{_SCHEMAS}requestschema/2006".encode()),
        PLAIN_LOCAL,
        PLAIN_DOMAIN,
        re.escape(f"http{_SCHEMAS}responseschema/2006a".encode()),
    )
)

_PERSONAL = ResponseKind("text/xml", {"Cache-Control": "no-store"})
_REFUSAL = ResponseKind("text/xml", {"Cache-Control": "no-store"}, refusal=True)
"""Errors have status 200 too, or Outlook would not read them."""
_GENERAL = ResponseKind("text/xml", {"Cache-Control": "public, max-age=3600"})


class AutodiscoverError(Exception):
    """The error that a client gets instead of settings: an ErrorCode (MS-OXDSCLI) and its message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Autodiscover:
    """`POST` and `GET /autodiscover/autodiscover.xml`.

    Errors are XML with status 200: any other status makes Outlook give up on the host. Requests over plain http to an
    autodiscover host are redirected to https. `Authorization` is never read: Thunderbird sends passwords in it.
    """

    def __init__(self, definitions: Directory[Definition], schemas: Sequence[Schema] = ()) -> None:
        """Prepare the responses; `schemas` are served besides Outlook's."""
        self._schemas = (Schema(_REQUEST_NAMESPACES, _RESPONSE_SCHEMAS, self.render), *schemas)
        self._settings = definitions.each(partial(_Settings, Template.named("autodiscover.xsl")))
        placeholders = ("TIME", "ID", "ERRORCODE", "MESSAGE")
        self._error = Template.named("autodiscover_error.xsl").required_document(
            definitions.first.settings, placeholders
        )
        # The specification requires a number for the server; this one identifies the provider, on all its machines.
        self._id = str(zlib.crc32(definitions.first.id.encode()))

    def render(self, address: MailAddress | None = None, host: bytes = b"") -> bytes:
        """Return the settings for an address; without one, those for the request's host, without LoginName.

        Raises AutodiscoverError 500 if the address's domain is not served, or if no server of the provider accepts
        Outlook's authentication methods.
        """
        try:
            settings, domain = self._settings.find(address, host)
        except NotServedError as error:
            raise AutodiscoverError(500, f"{error}.") from error
        return settings.render(address, domain)

    def respond(self, request: Request) -> Response:
        """Respond to a request."""
        if domain := self._redirected(request):
            location = f"https://autodiscover.{domain}{PATH}"
            return Response(ResponseKind("text/plain", {"Location": location, "Cache-Control": "no-store"}, 302), b"")
        try:
            if request.method == "POST":
                if plain := _PLAIN_REQUEST.fullmatch(request.body):
                    address = MailAddress(plain[1].decode(), plain[2].decode())
                    if own := self._settings.known(address.domain):
                        return Response(_PERSONAL, own.render(address, address.domain))
                return Response(_PERSONAL, self._answer(request.body, request.host))
            # Delta Chat sends a GET; so does Outlook after its POST has failed.
            return Response(_GENERAL, self.render(None, request.host))
        except AutodiscoverError as error:
            # Seven decimal places, as .NET writes them.
            time = f"{datetime.now(UTC):%H:%M:%S.%f}0"
            placeholders = {"TIME": time, "ID": self._id, "ERRORCODE": str(error.code), "MESSAGE": str(error)}
            return Response(_REFUSAL, self._error.fill(placeholders))

    def _answer(self, body: bytes, host: bytes) -> bytes:
        """Return the settings for a POSTed request, in the first schema that it accepts and the provider has.

        Raises AutodiscoverError if there are none.
        """
        address, schemas = read_request(body, self._schemas)
        for schema in schemas:
            try:
                settings = schema.render(address, host)
            except NotServedError as error:
                raise AutodiscoverError(500, f"{error}.") from error
            if settings is not None:
                return settings
        raise AutodiscoverError(601, "The requested schema is not offered here.")

    def _redirected(self, request: Request) -> str | None:
        """Return the domain whose autodiscover host a plain http request is redirected to, or None.

        Outlook tries http only after https on the same host has failed. A customer's host may have no certificate, so
        Outlook is redirected to the provider's host.
        """
        if request.scheme != "http" or not request.host.lower().startswith(b"autodiscover."):
            return None
        domain = self._settings.domain_of(request.host)
        return domain and self._settings.home(domain, request.host)


class _Settings:
    """One provider's settings, with and without an address."""

    def __init__(self, template: Template, definition: Definition) -> None:
        root = definition.settings
        self._personal = template.document(root, ADDRESS_PLACEHOLDERS, loginname=True)
        self._general = template.document(root, DOMAIN_PLACEHOLDERS)

    def render(self, address: MailAddress | None, domain: str) -> bytes:
        document = self._personal if address else self._general
        if document is None:
            raise AutodiscoverError(500, "No server of this provider accepts a login method that Outlook supports.")
        return document.fill(placeholder_values(address, domain))


def read_request(body: bytes, offered: Sequence[Schema]) -> tuple[MailAddress, list[Schema]]:
    """Return the address in a POSTed request, and the offered schemas that it accepts.

    Raises AutodiscoverError 600 if the request is invalid, and 601 if it accepts none of the schemas.
    """
    fields = _read_fields(body, frozenset().union(*(one.requests for one in offered)))
    schemas = [schema for schema in fields.get("AcceptableResponseSchema", ()) if schema]
    if not schemas:
        raise AutodiscoverError(600, "The request has no AcceptableResponseSchema.")
    accepted = [one for one in offered if not one.responses.isdisjoint(schemas)]
    if not accepted:
        raise AutodiscoverError(601, "The requested schema is not offered here.")
    match [address for address in fields.get("EMailAddress", ()) if address]:
        case []:
            raise AutodiscoverError(600, "The request has no EMailAddress.")
        case [address]:
            try:
                return MailAddress.parse(address), accepted
            except AddressError as error:
                raise AutodiscoverError(600, f"The EMailAddress {error}.") from error
        case _:
            raise AutodiscoverError(600, "The request has more than one EMailAddress.")


def _read_fields(body: bytes, namespaces: frozenset[str]) -> dict[str, list[str]]:
    """Return the texts of the elements in Autodiscover/Request, by name, if its namespace is one of `namespaces`.

    Raises AutodiscoverError 600 if the request is invalid.
    """
    for start, encoding in _ENCODING_SIGNATURES.items():
        if body.startswith(start):
            declared = _DECLARED_ENCODING.match(body[:200].decode(encoding, "ignore"))
            if declared and not encoding.startswith(declared[1].lower()):
                raise AutodiscoverError(600, "The request is not in the encoding that it declares.")
    try:
        root = etree.fromstring(body, _PARSER)
    except etree.XMLSyntaxError as error:
        raise AutodiscoverError(600, "The request is not well-formed XML.") from error
    if root.getroottree().docinfo.doctype:
        raise AutodiscoverError(600, "The request has a DOCTYPE.")
    namespace, _, name = str(root.tag).removeprefix("{").rpartition("}")
    if name != "Autodiscover" or namespace not in namespaces:
        raise AutodiscoverError(600, "The request is not an Autodiscover request of a supported schema.")
    fields: dict[str, list[str]] = {}
    prefix = f"{{{namespace}}}"
    for request in root.iterchildren(f"{prefix}Request"):
        for field in request.iterchildren(f"{prefix}*"):
            fields.setdefault(str(field.tag).removeprefix(prefix), []).append((field.text or "").strip())
    return fields


def request_for(address: MailAddress) -> bytes:
    """Return the body that Outlook POSTs to get the settings for an address."""
    return autodiscover_request(address, f"http{_SCHEMAS}requestschema/2006", f"http{_SCHEMAS}responseschema/2006a")


PROTOCOL = Protocol(
    name="autodiscover",
    clients="Outlook",
    make=lambda parts: Autodiscover(parts.definitions, parts.schemas()),
    paths=(Path(PATH, Autodiscover.respond, ("GET", "HEAD", "POST"), any_case=True),),
    render=lambda autodiscover, wanted: autodiscover.render(wanted.address),
    probes=lambda address, _another: [Probe("autodiscover.", (ProbeRequest(PATH, request_for(address)),), "POST")],
)
