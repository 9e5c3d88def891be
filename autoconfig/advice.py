"""What clients will do with a definition: where it is right and yet fails in practice.

Each rule speaks of other people's programs, so each names the program and how it is known.
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
    """Return a warning for all that some client cannot use, `FILE:LINE: what`, in the order of the lines."""
    rules = (_many_domains, _android, _delta_chat, _passwords, _calendars, _thunderbird, _clear_text, _pacc)
    remarks = sorted(remark for rule in rules for remark in rule(definition))
    return [f"{definition.source}:{line}: {text}" for line, text in remarks]


def _many_domains(definition: Definition) -> Iterator[Remark]:
    """Thunderbird's file lists all domains (section 3.2.2): its size grows with them, and everyone sees them."""
    if len(definition.domains) > _MANY_DOMAINS:
        text = f"there are {len(definition.domains):,} domains, and every autoconfig response lists all of them"
        way_out = (
            "put those that you host for customers into a list, --hosted-domains FILE, and keep your own, the one that "
            'their MX records point to with purpose="mx" (docs/hosting.md)'
        )
        yield Remark(definition.line, f"{text}; {way_out}")


def _android(definition: Definition) -> Iterator[Remark]:
    """Thunderbird for Android and K-9 Mail: one IMAP or SMTP server that they cannot read costs the whole file.

    They skip other servers, and fill placeholders everywhere (RealAutoconfigParser in their source).
    """
    for server in definition.servers:
        if server.type == "pop3":
            continue
        name = f"the {server.type} server"
        if server.socket_type == "plain":
            yield Remark(server.line, f"Thunderbird for Android drops the whole file: {name} is plain")
        if _ANDROID_METHODS.isdisjoint(server.authentication):
            yield Remark(server.line, f"Thunderbird for Android drops the whole file: it cannot log in to {name}")
        if server.username is None:
            yield Remark(server.line, f"Thunderbird for Android drops the whole file: {name} has no username")


def _delta_chat(definition: Definition) -> Iterator[Remark]:
    """Clients that read IMAP alone: Delta Chat (its core reads imap and smtp), Thunderbird for Android."""
    types = {server.type for server in definition.servers}
    if "pop3" in types and "imap" not in types:
        yield Remark(definition.servers[0].line, "Delta Chat and Thunderbird for Android cannot use POP3")


def _passwords(definition: Definition) -> Iterator[Remark]:
    """Outlook (MS-OXDSCLI) and Apple's profiles (com.apple.mail.managed) have no words for OAuth2."""
    for server in definition.servers:
        if _OUTLOOK_METHODS.isdisjoint(server.authentication):
            yield Remark(server.line, f"Outlook knows no way to log in to this {server.type} server; it is left out")
        if _APPLE_METHODS.isdisjoint(server.authentication):
            yield Remark(server.line, f"Apple knows no way to log in to this {server.type} server; it is left out")
        if METHODS.isdisjoint(server.authentication):
            yield Remark(server.line, f"no client knows a way to log in to this {server.type} server")


def _calendars(definition: Definition) -> Iterator[Remark]:
    """Calendars and address books come with a mail account, and with a password, in Apple's profiles and Autodiscover.

    Of Autodiscover's clients, eM Client reads them.
    """
    for service in definition.services:
        if service.type not in ("caldav", "carddav"):
            continue
        if WEB_PASSWORD_METHODS.isdisjoint(service.authentication):
            text = f"Apple and eM Client know no way to log in to this {service.type} service; it is left out"
            yield Remark(service.line, text)
            continue
        for client, methods in (("Apple", _APPLE_METHODS), ("eM Client", _OUTLOOK_METHODS)):
            usable = {one.type for one in definition.servers if not methods.isdisjoint(one.authentication)}
            if "smtp" not in usable or usable.isdisjoint(INCOMING_TYPES):
                text = f"{client} takes this {service.type} service with a mail account only, and can use none of these"
                yield Remark(service.line, f"{text}; it is left out")


def _thunderbird(definition: Definition) -> Iterator[Remark]:
    """Thunderbird takes the first incoming server that it can use (readFromXML.sys.mjs, version 153)."""
    incoming = [server for server in definition.servers if server.type in ("imap", "pop3")]
    if incoming and incoming[0].type == "pop3" and any(server.type == "imap" for server in incoming):
        yield Remark(incoming[0].line, "Thunderbird sets up POP3, for it stands before IMAP")


def _clear_text(definition: Definition) -> Iterator[Remark]:
    """Passwords that anyone on the way can read (RFC 8314, section 4.1)."""
    for server in definition.servers:
        if server.socket_type == "plain" and "password-cleartext" in server.authentication:
            yield Remark(server.line, "the password crosses the network in clear text; clients warn of it")


def _pacc(definition: Definition) -> Iterator[Remark]:
    """PACC knows implicit TLS on the default ports only, and issuers that are URLs (draft-ietf-mailmaint-pacc-03)."""
    found = definition.servers
    default = {server.type for server in found if server.on_default_tls_port}
    sayable = {server.type for server in found if server.on_default_tls_port and not _depends(server.hostname)}
    for server in found:
        if server.type not in sayable:
            wrong = (
                "its hostname depends on the address" if server.type in default else "it is not SSL on the default port"
            )
            yield Remark(server.line, f"PACC leaves this {server.type} server out: {wrong}")
    for service in definition.services:
        if service.type in _PACC_SERVICES and (service.url.startswith("http:") or _depends(service.url)):
            wrong = "depends on the address" if _depends(service.url) else "is not https"
            yield Remark(service.line, f"PACC leaves this {service.type} service out: its URL {wrong}")
    if definition.issuer and not definition.issuer.startswith("https://"):
        yield Remark(definition.issuer_line, "PACC has no OAuth2: the issuer is not a URL that starts with https://")


def _depends(place: str) -> bool:
    """Tell whether a hostname or URL is another one for each address, not only for each domain."""
    return "%EMAILADDRESS%" in place or "%EMAILLOCALPART%" in place
