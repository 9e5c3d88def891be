"""Warnings about valid definitions that fail in some clients.

Each rule names the client that it is about, and its source.
"""

from collections.abc import Iterator

from autoconfig.authentication import METHODS, WEB_PASSWORD_METHODS
from autoconfig.definition import INCOMING_TYPES, Definition
from autoconfig.grammar import Remark

_MANY_DOMAINS = 50
_ANDROID_METHODS = frozenset({"OAuth2", "password-cleartext", "password-encrypted"})
_OUTLOOK_METHODS = frozenset({"password-cleartext", "password-encrypted", "none", "client-IP-address"})
_APPLE_METHODS = _OUTLOOK_METHODS | {"NTLM"}
_PACC_SERVICES = frozenset({"jmap", "caldav", "carddav", "webdav"})


def advise(definition: Definition) -> list[str]:
    """Return warnings about settings that some client cannot use, as `FILE:LINE: what`, in the order of the lines."""
    rules = (_many_domains, _android, _delta_chat, _passwords, _calendars, _thunderbird, _clear_text, _pacc)
    remarks = sorted(remark for rule in rules for remark in rule(definition))
    return [f"{definition.source}:{line}: {text}" for line, text in remarks]


def _many_domains(definition: Definition) -> Iterator[Remark]:
    """The autoconfig file lists all domains (section 3.2.2): they make it larger, and everyone can read them."""
    if len(definition.domains) > _MANY_DOMAINS:
        text = f"there are {len(definition.domains):,} domains, and every autoconfig response lists them all"
        remedy = (
            "move your customers' domains to a list (--hosted-domains FILE), keep your own, and give the domain "
            'of your MX hosts purpose="mx" (docs/hosting.md)'
        )
        yield Remark(definition.line, f"{text}; {remedy}")


def _android(definition: Definition) -> Iterator[Remark]:
    """Thunderbird for Android and K-9 Mail reject a file if they cannot read one of its IMAP or SMTP servers.

    They skip other servers, and fill placeholders everywhere (RealAutoconfigParser in their source).
    """
    for server in definition.servers:
        if server.type == "pop3":
            continue
        name = f"the {server.type} server"
        if server.socket_type == "plain":
            yield Remark(server.line, f"Thunderbird for Android rejects the whole file: {name} is plain")
        if _ANDROID_METHODS.isdisjoint(server.authentication):
            yield Remark(server.line, f"Thunderbird for Android rejects the whole file: it cannot log in to {name}")
        if server.username is None:
            yield Remark(server.line, f"Thunderbird for Android rejects the whole file: {name} has no username")


def _delta_chat(definition: Definition) -> Iterator[Remark]:
    """Delta Chat (its core reads imap and smtp) and Thunderbird for Android ignore POP3 servers."""
    types = {server.type for server in definition.servers}
    if "pop3" in types and "imap" not in types:
        yield Remark(definition.servers[0].line, "Delta Chat and Thunderbird for Android cannot use POP3")


def _passwords(definition: Definition) -> Iterator[Remark]:
    """Outlook (MS-OXDSCLI) and Apple's profiles (com.apple.mail.managed) cannot express OAuth2."""
    for server in definition.servers:
        if _OUTLOOK_METHODS.isdisjoint(server.authentication):
            yield Remark(server.line, f"Outlook cannot log in to this {server.type} server; it is left out")
        if _APPLE_METHODS.isdisjoint(server.authentication):
            yield Remark(server.line, f"Apple cannot log in to this {server.type} server; it is left out")
        if METHODS.isdisjoint(server.authentication):
            yield Remark(server.line, f"no client can log in to this {server.type} server")


def _calendars(definition: Definition) -> Iterator[Remark]:
    """Apple's profiles and Autodiscover need a password and a mail account for calendars and address books.

    Of Autodiscover's clients, only eM Client reads them.
    """
    for service in definition.services:
        if service.type not in ("caldav", "carddav"):
            continue
        if WEB_PASSWORD_METHODS.isdisjoint(service.authentication):
            text = f"Apple and eM Client cannot log in to this {service.type} service; it is left out"
            yield Remark(service.line, text)
            continue
        for client, methods in (("Apple", _APPLE_METHODS), ("eM Client", _OUTLOOK_METHODS)):
            usable = {one.type for one in definition.servers if not methods.isdisjoint(one.authentication)}
            if "smtp" not in usable or usable.isdisjoint(INCOMING_TYPES):
                text = f"{client} needs a mail account for this {service.type} service, and cannot use these servers"
                yield Remark(service.line, f"{text}; it is left out")


def _thunderbird(definition: Definition) -> Iterator[Remark]:
    """Thunderbird uses the first incoming server that it supports (readFromXML.sys.mjs, version 153)."""
    incoming = [server for server in definition.servers if server.type in ("imap", "pop3")]
    if incoming and incoming[0].type == "pop3" and any(server.type == "imap" for server in incoming):
        yield Remark(incoming[0].line, "Thunderbird sets up POP3, because it comes before IMAP")


def _clear_text(definition: Definition) -> Iterator[Remark]:
    """Without TLS, anyone on the network can read passwords (RFC 8314, section 4.1)."""
    for server in definition.servers:
        if server.socket_type == "plain" and "password-cleartext" in server.authentication:
            yield Remark(server.line, "passwords are sent in clear text, and clients warn about it")


def _pacc(definition: Definition) -> Iterator[Remark]:
    """PACC requires implicit TLS on the default ports, and a URL as issuer (draft-ietf-mailmaint-pacc-03)."""
    found = definition.servers
    default = {server.type for server in found if server.on_default_tls_port}
    expressible = {server.type for server in found if server.on_default_tls_port and not _depends(server.hostname)}
    for server in found:
        if server.type not in expressible:
            reason = (
                "its hostname depends on the address" if server.type in default else "it is not SSL on the default port"
            )
            yield Remark(server.line, f"PACC leaves this {server.type} server out: {reason}")
    for service in definition.services:
        if service.type in _PACC_SERVICES and (service.url.startswith("http:") or _depends(service.url)):
            reason = "depends on the address" if _depends(service.url) else "is not https"
            yield Remark(service.line, f"PACC leaves this {service.type} service out: its URL {reason}")
    if definition.issuer and not definition.issuer.startswith("https://"):
        yield Remark(
            definition.issuer_line, "PACC leaves OAuth2 out: the issuer is not a URL that starts with https://"
        )


def _depends(place: str) -> bool:
    """Return whether a hostname or URL differs for each address, not only for each domain."""
    return "%EMAILADDRESS%" in place or "%EMAILLOCALPART%" in place
