"""Corrects or removes what is invalid in a definition but harmless to clients, with a remark.

Clients accept these files: they use the first of two values (JXON.sys.mjs in Thunderbird 153), find a section wherever
it is, and ignore invalid links.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from lxml import etree

from autoconfig.address import ascii_domain
from autoconfig.grammar import Remark, line_of, quote

_ONCE = {
    "clientConfig": ("webMail", "oAuth2"),
    "emailProvider": ("displayName", "displayShortName"),
    "oAuth2": ("issuer",),
}
_ONCE_IN_A_SECTION = ("url", "hostname", "port", "socketType", "username")
_LINKS = {"documentation": "documentation", "webMail/loginPage": "webMail"}
"""Elements with a link, by the path from their parent, and the element to remove if the link is invalid."""
_WEB_URL = re.compile(r"https?://\S+", re.ASCII)


def put_in_place(root: etree._Element, children: Mapping[str, Sequence[str]]) -> Iterator[Remark]:
    """Move elements of clientConfig that belong in emailProvider, and vice versa.

    `children` contains the names of the elements that belong in each.
    """
    provider = root.find("emailProvider")
    if provider is None:
        return
    for here, there in ((root, provider), (provider, root)):
        names = {name.lower() for name in children[str(there.tag)]}
        for element in here.findall("*"):
            if str(element.tag).lower() in names:
                there.append(element)
                text = f"{quote(str(element.tag))} belongs in {there.tag!s}, not in {here.tag!s}; it is moved there"
                yield Remark(line_of(element), text)


def leave_out(root: etree._Element, sections: Sequence[str]) -> Iterator[Remark]:
    """Remove invalid links and duplicate values. `sections` are the names of elements with a server."""
    for page in root.findall("webMail"):
        if page.find("loginPage") is None:
            root.remove(page)
            yield Remark(line_of(page), "webMail has no loginPage; it is left out; add one")
    for path, whole in _LINKS.items():
        for holder in (root, *root.iterfind("emailProvider")):
            for element in holder.findall(path):
                yield from _link(element, next(element.iterancestors(whole), element))
    once = _ONCE | dict.fromkeys(sections, _ONCE_IN_A_SECTION)
    for element in list(root.iter(*once)):
        tags = [child.tag for child in element]
        for name in once[str(element.tag)]:
            if tags.count(name) > 1:
                yield from _all_but_one(element, name)


def identify(provider: etree._Element) -> Iterator[Remark]:
    """Replace an id that is not a hostname with the first domain: Thunderbird requires one, on Android too."""
    id_ = provider.get("id")
    try:
        if id_ and ascii_domain(id_):
            return
    except ValueError:
        pass
    domain = provider.find("domain")
    if domain is None or not domain.text:
        return
    provider.set("id", domain.text)
    said = f"id {quote(id_)} is not a hostname" if id_ else "emailProvider has no id"
    yield Remark(line_of(provider), f'{said}; id="{quote(domain.text)}" is used instead')


def _all_but_one(element: etree._Element, name: str) -> Iterator[Remark]:
    """Remove all but the first element of a name; of several socketTypes, keep the first that clients know."""
    found = element.findall(name)
    known = (one for one in found if name != "socketType" or one.text in ("SSL", "STARTTLS", "plain"))
    kept = next(known, found[0])
    for one in found:
        if one is not kept:
            element.remove(one)
            yield Remark(line_of(one), f"{name}: there is another on line {line_of(kept)}, which is used; remove one")


def _link(element: etree._Element, whole: etree._Element) -> Iterator[Remark]:
    url = element.get("url")
    if url is None:
        wrong = "has no url"
    elif _WEB_URL.fullmatch(url):
        return
    else:
        wrong = f"url {quote(url)} is not a web address that starts with https:// or http://"
    if (parent := whole.getparent()) is not None:
        parent.remove(whole)
    yield Remark(line_of(element), f"{element.tag!s} {wrong}; it is left out; correct it")
