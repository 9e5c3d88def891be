"""A domain's mail exchangers, and the domains that clients derive from the preferred one (draft-06, section 4.3)."""

from functools import cache
from typing import NamedTuple

import dns.name
from dns.rdtypes.ANY.MX import MX
from publicsuffixlist import PublicSuffixList

from autoconfig.operations.dns import hostname
from autoconfig.operations.names import Names


class Exchanger(NamedTuple):
    """A mail exchanger, and the two domains that clients derive from it. A domain is empty if there is none.

    Neither is ever a public suffix: anyone could control the settings at `autoconfig.co.uk`.
    """

    host: str
    full_domain: str
    """MXFULLDOMAIN: the hostname without its first label, `a.example.co.uk` for `mx.a.example.co.uk`."""
    base_domain: str
    """MXBASEDOMAIN: the registrable domain by the Public Suffix List, such as `example.co.uk`."""

    @property
    def domains(self) -> tuple[str, ...]:
        """Both domains, without duplicates, in the order in which clients use them."""
        return tuple(dict.fromkeys(one for one in (self.full_domain, self.base_domain) if one))


async def exchangers(names: Names, domain: str) -> list[Exchanger]:
    """Return the mail exchangers of a domain, the preferred one first.

    Invalid hostnames are left out; so is the null MX of a domain that accepts no mail (RFC 7505). Raises Problem if the
    lookup fails.
    """
    found = sorted(
        (one.preference, hostname(one.exchange.to_text(omit_final_dot=True)))
        for one in await names.find(domain, "MX")
        if isinstance(one, MX)
    )
    return [exchanger(host) for host in dict.fromkeys(host for _, host in found) if host]


async def missing(names: Names, domain: str) -> str:
    """Return why a domain has no mail exchangers. Raises Problem if the lookup fails."""
    found = [one for one in await names.find(domain, "MX") if isinstance(one, MX)]
    if any(one.exchange == dns.name.root for one in found):
        return "the domain declares that it receives no mail (null MX, RFC 7505)"
    return "no MX record has a valid hostname" if found else "there is no MX record"


def exchanger(host: str) -> Exchanger:
    """Return the mail exchanger with this hostname, which is in lower-case A-labels."""
    full = host.partition(".")[2]
    return Exchanger(host, full if registrable_domain(full) else "", registrable_domain(host))


def registrable_domain(name: str) -> str:
    """Return the registrable domain of a name in lower-case A-labels; empty if the name is empty or a public suffix.

    The list includes the private section, as in Thunderbird (nsIEffectiveTLDService). It is part of an installed
    package and not fetched.
    """
    return _public_suffixes().privatesuffix(name) or ""


@cache
def _public_suffixes() -> PublicSuffixList:
    """Load the list on first use: it takes a tenth of a second, and most commands do not need it."""
    return PublicSuffixList()
