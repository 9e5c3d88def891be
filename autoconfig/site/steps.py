"""The steps of the setup page, and the devices that it recognises (xml_templates/setup_apps.xml)."""

import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from lxml import etree


class Step(NamedTuple):
    """A page: `id` is its name in the stylesheet, `path` follows the language in its URL."""

    id: str
    path: str


ADDRESS = Step("address", "")
FOREIGN = Step("foreign", "")
CHOICE = Step("choice", "setup/")
SETTINGS = Step("settings", "settings/")


@cache
def apps() -> etree._Element:
    """Return the table of apps and platforms."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    return etree.fromstring(files("xml_templates").joinpath("setup_apps.xml").read_bytes(), parser)


APPS = tuple(Step(app.get("id", ""), f"setup/{app.get('id')}/") for app in apps().iterfind("app"))
PAGES = (ADDRESS, CHOICE, *APPS, SETTINGS)
"""All pages that have a URL."""

PLATFORMS = tuple(
    (re.compile(platform.get("agent", "").encode()), platform.get("id", "")) for platform in apps().iterfind("platform")
)


def platform_of(agent: bytes) -> str:
    """Return the platform that a User-Agent header names, or `other`."""
    return next(name for pattern, name in PLATFORMS if pattern.search(agent))
