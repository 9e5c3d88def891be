"""CAA records (RFC 8659): whether the authority that issued a certificate may issue the next one."""

from collections.abc import Mapping
from typing import Any

from dns.rdtypes.ANY.CAA import CAA

from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Problem, right

_AUTHORITIES = {
    "let's encrypt": ("letsencrypt.org",),
    "google trust services": ("pki.goog",),
    "zerossl": ("sectigo.com", "zerossl.com"),
    "sectigo": ("sectigo.com", "comodoca.com", "comodo.com", "usertrust.com", "trust-provider.com"),
    "digicert": ("digicert.com", "geotrust.com", "rapidssl.com", "thawte.com", "symantec.com", "digicert.ne.jp"),
    "globalsign": ("globalsign.com",),
    "amazon": ("amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com"),
    "godaddy": ("godaddy.com", "starfieldtech.com"),
    "starfield": ("godaddy.com", "starfieldtech.com"),
    "entrust": ("entrust.net", "affirmtrust.com", "sectigo.com"),
    "buypass": ("buypass.com", "buypass.no"),
    "ssl corp": ("ssl.com",),
    "actalis": ("actalis.it",),
    "hellenic academic": ("harica.gr",),
    "swisssign": ("swisssign.com",),
    "d-trust": ("d-trust.net", "dtrust.de", "d-trust.de", "dtrust.net"),
    "identrust": ("identrust.com",),
    "asseco": ("certum.pl", "certum.eu"),
    "microsoft": ("microsoft.com",),
}
"""Names of authorities, in lower case, and the domains by which CAA records name them (their policies; ccadb.org)."""


def issuer(certificate: Mapping[str, Any]) -> str:
    """Return the organisation that issued a certificate, as `getpeercert()` returns it; empty when it has no name."""
    parts = {name: value for group in certificate.get("issuer", ()) for name, value in group}
    return str(parts.get("organizationName", ""))


async def check(names: Names, host: str, organisation: str) -> Finding:
    """Check that CAA records let an authority issue certificates for a host. Raises Problem.

    An authority that is not in the list above is only told to be forbidden where none may issue.
    """
    name = host
    while "." in name:
        records = [one for one in await names.find(name, "CAA") if isinstance(one, CAA)]
        if records:
            return _judge(name, records, organisation)
        name = name.partition(".")[2]
    return right("any authority may issue certificates")


def _judge(name: str, records: list[CAA], organisation: str) -> Finding:
    issue = [one.value.decode("latin-1") for one in records if one.tag.lower() == b"issue"]
    allowed = sorted({domain for value in issue if (domain := value.partition(";")[0].strip().lower())})
    if not issue:
        return right("any authority may issue certificates")
    who = organisation.lower()
    own = next((domains for part, domains in _AUTHORITIES.items() if part in who), None)
    if not allowed or (own and not set(own) & set(allowed)):
        may = f"only {', '.join(allowed)} may" if allowed else "no authority may"
        wanted = own[0] if own else "the domain of your authority"
        remedy = f'publish `{name}. CAA 0 issue "{wanted}"`, or get certificates elsewhere: the next renewal fails'
        raise Problem(f"{may} issue certificates, says {name}, and {organisation or 'another'} issued this one", remedy)
    return right(f"allows {', '.join(allowed)}")
