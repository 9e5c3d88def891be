"""The definition that `init` writes: a tree of what was found, which xml_templates/definition.xsl turns into a file."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from autoconfig import definition
from autoconfig.authentication import WEB_PASSWORD_METHODS
from autoconfig.definition import Definition
from autoconfig.operations.discovery.discover import Found, Text
from autoconfig.operations.mx import registrable_domain
from autoconfig.templates import Template
from autoconfig.visible import visible

_COLUMNS = 110
_LONGEST = 600
"""Maximum characters of one piece of evidence."""
_MAX_REMARKS = 40
_SECTIONS = {"caldav": "calendar", "carddav": "addressbook"}
_FORMS = {"address": "%EMAILADDRESS%", "localpart": "%EMAILLOCALPART%"}
USERNAME_FORMS = tuple(_FORMS)


@dataclass(frozen=True)
class Answers:
    """The operator's answers to what cannot be seen from outside; None if not asked.

    `username` is one of USERNAME_FORMS. With `provider`, the definition is for every domain whose MX is the provider's,
    not only for this one.
    """

    username: str | None = None
    provider: bool | None = None


def write(found: Found, answers: Answers, name: str) -> tuple[bytes, Definition]:
    """Return the content of the file and its definition. `name` is the filename for messages.

    Raises DefinitionError if it is not valid, which would be a bug.
    """
    content = Template.named("definition.xsl").required_document(_tree(found, answers)).fill({}).rstrip() + b"\n"
    return content, definition.load(Path(name), content)


def is_provider(found: Found, answers: Answers) -> bool:
    """Return whether the definition is the provider's, for its customers' domains too.

    The operator must say so, and the MX must be in the domain of the mail servers: clients of a customer's domain look
    there. An MX elsewhere may be a spam filter, whose other customers have other mail servers.
    """
    base = found.exchanger.base_domain if found.exchanger else ""
    return bool(answers.provider and base and found.hosts == {base})


def _tree(found: Found, answers: Answers) -> etree._Element:
    provider = is_provider(found, answers)
    base = found.exchanger.base_domain if found.exchanger else ""
    root = etree.Element("found", id=base if provider else found.domain)
    _explain(root, _remarks(found, answers))
    _domains(root, found, base if provider else "")
    name = found.display_name or Text(root.get("id", ""), "No source has the provider's name: write it here.")
    _value(root, "displayName", name)
    if found.short_name:
        _value(root, "displayShortName", found.short_name)
    for server in found.servers:
        verified = server.verified
        element = etree.SubElement(
            root,
            "server",
            element="outgoingServer" if verified.type == "smtp" else "incomingServer",
            type=verified.type,
            hostname=verified.host,
            port=str(verified.port),
            socketType=verified.socket_type,
        )
        guess = ["A GUESS from the hostname: the server works, but log in once to see whether it has your mailboxes."]
        _explain(element, [*server.evidence, *(guess if server.guessed else [])])
        _account(element, server.username, answers, server.methods)
    for service in found.services:
        kind = service.verified.type
        section = _SECTIONS.get(kind, "incomingServer")
        element = etree.SubElement(root, "service", element=section, type=kind, url=service.verified.url)
        _explain(element, service.evidence)
        _account(element, service.username, answers, service.verified.methods)
    for tag, text in (("documentation", found.help_page), ("oAuth2", found.issuer), ("webMail", found.webmail)):
        if text:
            _value(root, tag, text)
    return root


def _domains(root: etree._Element, found: Found, provider: str) -> None:
    domains = [Text(found.domain, ""), *found.domains]
    mx_domains = found.mx_domains
    if provider:
        # The given domain may be a customer's, and must not be in every client's settings.
        domains = [one for one in domains if registrable_domain(one.value) == provider]
        mx_domains = [
            Text(provider, f"You say that it hosts customer domains; the MX of {found.domain} is in this domain.")
        ]
        mx_domains = (
            mx_domains
            if registrable_domain(found.domain) == provider
            else [Text(provider, "The MX and the mail servers of a customer's domain are in this domain.")]
        )
    for one in domains:
        _value(root, "domain", one)
    for one in mx_domains:
        _value(root, "domain", one).set("purpose", "mx")


def _account(element: etree._Element, username: str, answers: Answers, methods: Iterable[str]) -> None:
    if answers.username:
        element.set("username", _FORMS[answers.username])
        _explain(element, ["The username is what you chose."])
    elif username:
        element.set("username", username)
    else:
        element.set("username", _FORMS["address"])
        _explain(element, ["AN ASSUMPTION: the username is the whole address. It cannot be seen from outside."])
    for method in methods:
        one = etree.SubElement(element, "authentication", value=method)
        if method in WEB_PASSWORD_METHODS:
            one.set("system", "http")


def _remarks(found: Found, answers: Answers) -> list[str]:
    lines = [
        f"Written by `bt-autoconfig init` on {found.date}. The evidence for each setting is above it.",
        "init connected to the servers and read what they offer. It sent no password and did not try to log in.",
    ]
    if found.is_hosted and not is_provider(found, answers) and found.exchanger:
        base = found.exchanger.base_domain
        lines.append(
            f"{base} hosts this domain: the MX is {found.exchanger.host}. This definition is for {found.domain} only. "
            f"If you are {base} and want one for all your customers, run init with the provider option."
        )
    if answers.provider and not is_provider(found, answers):
        lines.append("You say that it hosts customer domains, but the MX is not in the domain of the mail servers.")
        lines.append('So there is no purpose="mx": customers\' clients would not find this definition by the MX.')
    left = [f"Left out: {one}" for one in dict.fromkeys(found.remarks)]
    more = [f"and {len(left) - _MAX_REMARKS} more"] if len(left) > _MAX_REMARKS else []
    return [*lines, *left[:_MAX_REMARKS], *more]


def _value(root: etree._Element, tag: str, text: Text) -> etree._Element:
    element = etree.SubElement(root, tag, value=text.value)
    _explain(element, [text.evidence] if text.evidence else [])
    return element


def _explain(element: etree._Element, evidence: Iterable[str]) -> None:
    """Add evidence as lines of visible text."""
    for one in evidence:
        lines = textwrap.wrap(visible(one, _LONGEST), _COLUMNS, break_on_hyphens=False, subsequent_indent="  ")
        for line in lines:
            etree.SubElement(element, "evidence").text = line
