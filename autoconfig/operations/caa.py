"""CAA records (RFC 8659): whether the authority that issued a certificate may renew it."""

from collections.abc import Mapping
from typing import Any

from dns.rdtypes.ANY.CAA import CAA

from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Problem, ok

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
"""The CAA domains of authorities, by how a word of the authority's name begins, in lower case (ccadb.org)."""


def issuer(certificate: Mapping[str, Any]) -> str:
    """Return the organisation that issued a certificate; empty if it has no name.

    The certificate is what `getpeercert()` returns.
    """
    parts = {name: value for group in certificate.get("issuer", ()) for name, value in group}
    return str(parts.get("organizationName", ""))


async def check(names: Names, host: str, organisation: str) -> Finding:
    """Check that CAA records allow an authority to issue certificates for a host. Raises Problem.

    An authority whose CAA domains are unknown passes, unless the records forbid every authority.
    """
    name = host
    while "." in name:
        records = [one for one in await names.find(name, "CAA") if isinstance(one, CAA)]
        if records:
            return _check_issuer(name, records, organisation)
        name = name.partition(".")[2]
    return ok("any authority may issue certificates")


def _check_issuer(name: str, records: list[CAA], organisation: str) -> Finding:
    issue = [one.value.decode("latin-1") for one in records if one.tag.lower() == b"issue"]
    allowed = sorted({domain for value in issue if (domain := value.partition(";")[0].strip().lower())})
    if not issue:
        return ok("any authority may issue certificates")
    # With the space, IdenTrust is not taken for Entrust.
    own = next((domains for part, domains in _AUTHORITIES.items() if f" {part}" in f" {organisation.lower()}"), None)
    if not allowed or (own and not set(own) & set(allowed)):
        may = f"only {', '.join(allowed)} may" if allowed else "no authority may"
        wanted = own[0] if own else "AUTHORITY"
        remedy = f'before the next renewal, publish `{name}. CAA 0 issue "{wanted}"`, or use another authority'
        issuer_name = organisation or "another authority"
        text = f"{may} issue certificates (CAA of {name}), but {issuer_name} issued the current one"
        raise Problem(text, remedy)
    return ok(f"allow {', '.join(allowed)}")
