"""The languages of the setup page: a catalogue of texts for each, and the visitor's preference."""

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.resources import files

from lxml import etree

DEFAULT = "en"
"""The language of visitors who prefer none of the others, and the model for the other catalogues."""

_FOLDER = files("xml_templates").joinpath("languages")
_LONGEST = 256
"""Bytes of an Accept-Language header that are read: browsers send under 100, and the header is a cache key."""
_RANGE = re.compile(r"([a-z]{1,8}|\*)(?:-[a-z0-9-]*)?(?:\s*;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?", re.IGNORECASE)


@cache
def catalogues() -> dict[str, etree._Element]:
    """Return the catalogues of xml_templates/languages/ by language tag, the default first."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    roots = (etree.fromstring(file.read_bytes(), parser) for file in _FOLDER.iterdir() if file.name.endswith(".xml"))
    found = {root.get("language", ""): root for root in roots}
    return {DEFAULT: found[DEFAULT]} | dict(sorted(found.items(), key=lambda one: one[1].get("name", "")))


def missing(tag: str) -> set[str]:
    """Return the names of the texts that the default language has and this one does not."""
    wanted, found = ({text.get("name", "") for text in catalogues()[one]} for one in (DEFAULT, tag))
    return wanted - found


def names() -> etree._Element:
    """Return the tags and names of the languages, as XML for the page's stylesheet."""
    listed = etree.Element("languages")
    for tag, catalogue in catalogues().items():
        etree.SubElement(listed, "language", tag=tag, name=catalogue.get("name", tag))
    return listed


def preferred(accepted: bytes) -> str:
    """Return the tag of the language that an Accept-Language header prefers (RFC 9110, section 12.5.4).

    Only primary tags count: de-AT gets German. Malformed parts are ignored.
    """
    return _preferred(accepted[:_LONGEST], tuple(catalogues()))


@lru_cache(maxsize=1024)
def _preferred(accepted: bytes, tags: Sequence[str]) -> str:
    best, best_quality = DEFAULT, 0.0
    for text in accepted.decode("latin-1").split(","):
        if found := _RANGE.fullmatch(text.strip()):
            tag, quality = found[1].lower(), float(found[2] or 1)
            if quality > best_quality and tag in (*tags, "*"):
                best, best_quality = (DEFAULT if tag == "*" else tag), quality
    return best
