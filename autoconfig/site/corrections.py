"""Suggestions for mistyped addresses, and the brand names of other providers."""

import re
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from itertools import islice

from autoconfig.address import MAX_LENGTH, AddressError, MailAddress

_SIMILAR = 0.8
"""Minimum similarity (difflib's ratio) at which one domain counts as a typing error for another."""
_MAX_COMPARED = 50
"""Maximum number of domains that a typed one is compared with. For the others, only a single typing error is found."""
_LONGEST = 40
"""Maximum length of a domain that is checked for a single typing error: some 3,000 lookups."""
_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-."
_NOISE = re.compile(
    r"[\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]|^mailto:|[.,;:>]+$|^<", re.IGNORECASE
)
"""Characters that are often copied along with an address."""

_BRANDS = {
    "Gmail": "gmail.com googlemail.com",
    "Outlook.com": "outlook.com outlook.de outlook.es outlook.fr outlook.co.uk",
    "Hotmail": "hotmail.com hotmail.co.uk hotmail.de hotmail.es hotmail.fr live.com live.co.uk live.fr msn.com",
    "iCloud": "icloud.com me.com mac.com",
    "Yahoo": "yahoo.com yahoo.co.uk yahoo.de yahoo.es yahoo.fr ymail.com rocketmail.com",
    "AOL": "aol.com aol.co.uk aol.de aol.fr",
    "Sky": "sky.com",
    "Virgin Media": "virginmedia.com ntlworld.com blueyonder.co.uk",
    "TalkTalk": "talktalk.net tiscali.co.uk",
    "Plusnet": "plus.net plus.com",
    "GMX": "gmx.de gmx.net gmx.com gmx.at gmx.ch gmx.co.uk gmx.fr gmx.es",
    "WEB.DE": "web.de",
    "Telekom": "t-online.de magenta.de",
    "freenet": "freenet.de",
    "Orange": "orange.fr wanadoo.fr",
    "Free": "free.fr",
    "SFR": "sfr.fr neuf.fr",
    "La Poste": "laposte.net",
    "Movistar": "movistar.es telefonica.net",
    "Proton": "proton.me protonmail.com pm.me",
}
_BRAND_OF = {domain: brand for brand, domains in _BRANDS.items() for domain in domains.split()}


def brand_of(domain: str) -> str:
    """Return the brand name of a domain's addresses, such as Gmail for gmail.com, or else the domain itself."""
    return _BRAND_OF.get(domain, domain)


def correction(typed: str, domains: Sequence[str], is_own: Callable[[str], bool]) -> MailAddress | None:
    """Return the address on one of a provider's domains that was probably meant, or None.

    `is_own` returns whether a domain is among `domains`. The cost does not grow with the number of domains.
    """
    if len(typed) > MAX_LENGTH:
        return None
    local, _, domain = _NOISE.sub("", typed).rpartition("@")
    domain = domain.replace(",", ".").lower()
    compared = domains[:_MAX_COMPARED]
    meant = [one for one in compared if domain and one.startswith(f"{domain}.")]
    if not meant and len(domains) > _MAX_COMPARED and len(domain) <= _LONGEST:
        meant = list(islice(filter(is_own, _with_one_change(domain)), 1))
    meant = meant or get_close_matches(domain, compared, 1, _SIMILAR)
    if not meant:
        return None
    try:
        return MailAddress.parse(f"{local.rstrip('@,')}@{meant[0]}")
    except AddressError:
        return None


def _with_one_change(domain: str) -> Iterator[str]:
    """Yield all names one typing error away from a domain: letters swapped, or one deleted, replaced or inserted."""
    parts = [(domain[:place], domain[place:]) for place in range(len(domain) + 1)]
    yield from (f"{before}{after[1]}{after[0]}{after[2:]}" for before, after in parts[:-2])
    yield from (f"{before}{after[1:]}" for before, after in parts[:-1])
    yield from (f"{before}{one}{after[1:]}" for before, after in parts[:-1] for one in _CHARACTERS)
    yield from (f"{before}{one}{after}" for before, after in parts for one in _CHARACTERS)
