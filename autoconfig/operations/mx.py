"""A domain's mail exchangers, and the domains that clients derive from the best one (draft-06, section 4.3)."""

from functools import cache
from typing import NamedTuple

from dns.rdtypes.ANY.MX import MX
from publicsuffixlist import PublicSuffixList

from autoconfig.operations.dns import hostname
from autoconfig.operations.names import Names


class Exchanger(NamedTuple):
    """A mail exchanger, and the two domains that clients ask about it; a domain is empty where there is none.

    Neither is ever a public suffix: the settings at `autoconfig.co.uk` would be a stranger's.
    """

    host: str
    full_domain: str
    """MXFULLDOMAIN: the host's name without its first label, `a.example.co.uk` of `mx.a.example.co.uk`."""
    base_domain: str
    """MXBASEDOMAIN: the registrable domain by the Public Suffix List, `example.co.uk`."""

    @property
    def domains(self) -> tuple[str, ...]:
        """Both domains, each once, in the order in which clients ask."""
        return tuple(dict.fromkeys(one for one in (self.full_domain, self.base_domain) if one))


async def exchangers(names: Names, domain: str) -> list[Exchanger]:
    """Return the mail exchangers of a domain, the best first, none when it has none.

    Hosts that are not hostnames are left out; so is the null MX, which says that a domain takes no mail (RFC 7505).
    Raises Problem when the DNS does not answer.
    """
    found = sorted(
        (one.preference, hostname(one.exchange.to_text(omit_final_dot=True)))
        for one in await names.find(domain, "MX")
        if isinstance(one, MX)
    )
    return [exchanger(host) for host in dict.fromkeys(host for _, host in found) if host]


def exchanger(host: str) -> Exchanger:
    """Return a mail exchanger by its name, which is in lower-case A-labels."""
    full = host.partition(".")[2]
    return Exchanger(host, full if registrable_domain(full) else "", registrable_domain(host))


def registrable_domain(name: str) -> str:
    """Return the registrable domain of a name in lower-case A-labels, empty when it is a public suffix or empty.

    The list is the whole one, with its private section, as in Thunderbird (nsIEffectiveTLDService); it comes with the
    package, and nothing is fetched.
    """
    return _public_suffixes().privatesuffix(name) or ""


@cache
def _public_suffixes() -> PublicSuffixList:
    """Read the list: that takes a tenth of a second, so no other command does."""
    return PublicSuffixList()
