"""Apple's configuration profiles for Mail (Apple's device-management schema, com.apple.mail.managed)."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property, partial
from itertools import product
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote
from uuid import NAMESPACE_DNS, uuid5

from starlette.exceptions import HTTPException

from autoconfig.address import MailAddress
from autoconfig.definition import INCOMING_TYPES, Definition
from autoconfig.directory import Directory, NotServedError
from autoconfig.protocols.description import Path, Probe, ProbeRequest, Protocol
from autoconfig.requests import Fields, Request, plain_address
from autoconfig.responses import Response, ResponseKind, StaticResponse
from autoconfig.signing_queue import BusyError
from autoconfig.templates import ADDRESS_PLACEHOLDERS, DOMAIN_PLACEHOLDERS, Document, Template, placeholder_values

if TYPE_CHECKING:
    from autoconfig.signing import Signer

PATH = "/email.mobileconfig"
_MEDIA_TYPE = "application/x-apple-aspen-config"
_MAX_CACHED = 1024
"""Maximum number of cached profiles without an address: about 10 MB, or 20 MB if signed."""
MAX_NAME = 256
"""Maximum characters in a sender's name."""

_UUIDS = frozenset({"PROFILEUUID", "IMAPUUID", "POP3UUID", "CALDAVUUID", "CARDDAVUUID"})
"""The placeholders for identifiers that are stable for an account, so that a new profile replaces the old one."""
_PLACEHOLDERS = _UUIDS | {"REALNAME"}


class _Variant(NamedTuple):
    """The key of a document: the protocol, and whether the address and the sender's name are known."""

    protocol: str
    emailaddress: bool
    name: bool = False


class _Profiles:
    """One provider's profiles: one for each protocol, with and without an address and a sender's name."""

    def __init__(self, template: Template, definition: Definition) -> None:
        provider = uuid5(NAMESPACE_DNS, definition.id).bytes
        self._hashes = {name: hashlib.sha1(provider + f"{name} ".encode()) for name in _UUIDS}  # noqa: S324 - RFC 9562
        file_name = re.sub(r"[^A-Za-z0-9.-]", "", definition.id) + ".mobileconfig"
        self._headers = {"Content-Disposition": f'attachment; filename="{file_name}"'}
        self.personal = ResponseKind(_MEDIA_TYPE, self._headers | {"Cache-Control": "no-store"})
        self._template = template
        self._definition = definition
        self._documents: dict[_Variant, Document | None] = {}

    def prepare(self) -> None:
        """Make all documents now; otherwise each is made on its first use."""
        for variant in product(INCOMING_TYPES, (False, True), (False, True)):
            self._document(_Variant(*variant))

    def _document(self, variant: _Variant) -> Document | None:
        if variant not in self._documents:
            self._documents[variant] = self._template.document(
                self._definition.settings,
                _PLACEHOLDERS | (ADDRESS_PLACEHOLDERS if variant.emailaddress else DOMAIN_PLACEHOLDERS),
                **variant._asdict(),
                reversedomain=".".join(reversed(self._definition.domains[0].split("."))),
            )
        return self._documents[variant]

    @cached_property
    def protocols(self) -> list[str]:
        """The protocols that have a profile."""
        return [one for one in INCOMING_TYPES if self._document(_Variant(one, emailaddress=True))]

    def render(self, address: MailAddress | None, domain: str, name: str | None, protocol: str | None) -> bytes:
        protocol = protocol or next(iter(self.protocols), INCOMING_TYPES[0])
        variant = _Variant(protocol, address is not None, name is not None)
        document = self._documents.get(variant) or self._document(variant)
        if document is None:
            raise NotServedError(f"this provider has no {protocol} settings that Apple devices can use")
        account = str(address).lower() if address else ""
        uuids = {name: _uuid(self._hashes[name], account) for name in document.placeholders & _UUIDS}
        return document.fill(placeholder_values(address, domain) | {"REALNAME": name or ""} | uuids)

    def general(self, profile: bytes) -> StaticResponse:
        """Return the response with a profile without an address or name, which is the same for every client."""
        return StaticResponse(profile, _MEDIA_TYPE, self._headers | {"Cache-Control": "public, max-age=3600"})


def _uuid(prefix: "hashlib._Hash", account: str) -> str:
    """Return the UUIDv5 (RFC 9562, section 5.5) of an account; `prefix` is the hash of namespace and purpose."""
    hashed = prefix.copy()
    hashed.update(account.encode())
    digits = hashed.hexdigest().upper()
    variant = "89AB"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


class Mobileconfig:
    """`GET` and `POST /email.mobileconfig`.

    The fields `emailaddress`, `name` (the sender's, at most 256 characters) and `protocol` are optional. `protocol` is
    imap or pop3; the default is imap, or pop3 if the provider has no IMAP. Without a `signer`, profiles are not signed.
    """

    def __init__(self, definitions: Directory[Definition], signer: "Signer | None" = None) -> None:
        self._profiles = definitions.each(partial(_Profiles, Template.named("mobileconfig.xsl")))
        for profiles in self._profiles.prepared:
            profiles.prepare()
        self._general: dict[tuple[str, str | None], Response] = {}
        """Responses without an address and a name, by domain and protocol."""
        self._signer = signer

    @property
    def signed(self) -> bool:
        """Whether profiles are signed."""
        return self._signer is not None

    def protocols(self, definition: Definition) -> Sequence[str]:
        """Return the protocols that have a profile for a served definition: imap, pop3, both or none."""
        profiles = self._profiles.own(definition.domains[0])
        return profiles.protocols if profiles else ()

    def render(self, address: MailAddress | None = None, name: str | None = None, protocol: str | None = None) -> bytes:
        """Return the profile for an optional address and an optional sender's name.

        `protocol` is imap, pop3 or None for the default. Raises NotServedError if the address's domain is not served,
        or if the provider has no settings for `protocol` that Apple devices can use.
        """
        profiles, domain = self._profiles.find(address)
        profile = profiles.render(address, domain, name, protocol)
        return self._signer.sign(profile) if self._signer else profile

    def respond(self, request: Request) -> Response | Awaitable[Response]:
        """Respond to a request; the result is awaitable if the profile has to be signed."""
        address, name, protocol = plain_address(request), None, None
        if address is None or self._profiles.known(address.domain) is None:
            fields = Fields.of(request)
            address = fields.address()
            name = fields.line("name", MAX_NAME)
            protocol = fields.text("protocol")
            if protocol not in (None, *INCOMING_TYPES):
                raise HTTPException(400, f"protocol is not {' or '.join(INCOMING_TYPES)}")
        profiles, domain = self._profiles.find(address, request.host)
        if address or name:
            body = profiles.render(address, domain, name, protocol)
            if self._signer is None:
                return Response(profiles.personal, body)
            return self._sign(self._signer, body, partial(Response, profiles.personal))
        if (domain, protocol) in self._general:
            return self._general[domain, protocol]
        body = profiles.render(None, domain, None, protocol)
        keep = partial(self._keep, profiles, domain, protocol)
        return keep(body) if self._signer is None else self._sign(self._signer, body, keep)

    def _keep(self, profiles: _Profiles, domain: str, protocol: str | None, profile: bytes) -> Response:
        """Return the response with a profile without an address or name, and cache it."""
        if len(self._general) >= _MAX_CACHED:
            self._general.clear()
        response = self._general[domain, protocol] = profiles.general(profile)
        return response

    @staticmethod
    async def _sign(signer: "Signer", profile: bytes, respond: Callable[[bytes], Response]) -> Response:
        try:
            return respond(await signer.sign_in_thread(profile))
        except BusyError as error:
            raise HTTPException(503, "too many profiles are being signed", {"Retry-After": "1"}) from error


def _probes(address: MailAddress, another: MailAddress) -> list[Probe]:
    # A profile contains an address: requesting two detects a cache that mixes them up.
    personal = (ProbeRequest(f"{PATH}?emailaddress={quote(str(one))}") for one in (address, another))
    return [Probe("autoconfig.", (ProbeRequest(PATH), *personal))]


PROTOCOL = Protocol(
    name="mobileconfig",
    clients="iPhone, iPad and Mac",
    make=lambda parts: Mobileconfig(parts.definitions, parts.signer),
    paths=(Path(PATH, Mobileconfig.respond, ("GET", "HEAD", "POST"), exported_at=("autoconfig.",)),),
    render=lambda profiles, wanted: profiles.render(wanted.address, wanted.name, wanted.protocol),
    probes=_probes,
)
