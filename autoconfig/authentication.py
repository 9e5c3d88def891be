"""Authentication methods: converts every spelling in use to the one that the rest of the program uses.

Mail servers and other services over TCP have general methods (draft-ietf-mailmaint-autoconfig-06, section 3.7.4).
Services at a URL have HTTP's methods (section 3.6.2). Since June 2026, the draft spells them
`<authentication system="http">Basic</authentication>`; published files have `http-basic`, `basic` or
`password-cleartext`.
"""

PASSWORD_METHODS = frozenset({"password-cleartext", "password-encrypted", "NTLM"})
METHODS = PASSWORD_METHODS | {"OAuth2", "GSSAPI", "TLS-client-cert", "client-IP-address", "none"}
"""The methods that clients support for services over TCP."""

WEB_PASSWORD_METHODS = frozenset({"Basic", "Digest"})
WEB_METHODS = WEB_PASSWORD_METHODS | {"OAuth2", "NTLM", "GSSAPI", "TLS-client-cert", "none"}
"""The methods that clients support for services at a URL."""

_ALIASES = {
    "secure": "password-encrypted",  # in Thunderbird's first files, like plain; clients still read both
    "oauth": "OAuth2",  # the draft's text has both
    "smtp-after-pop": "none",  # as Thunderbird 153 reads it
    "basic": "password-cleartext",
    "http-basic": "password-cleartext",
    "digest": "password-encrypted",
    "http-digest": "password-encrypted",
}
_SASL = {
    "plain": "password-cleartext",
    "login": "password-cleartext",
    "cram-md5": "password-encrypted",
    "digest-md5": "password-encrypted",
    "ntlm": "NTLM",
    "gssapi": "GSSAPI",
    "gs2-krb5": "GSSAPI",
    "xoauth2": "OAuth2",
    "oauthbearer": "OAuth2",
    "external": "TLS-client-cert",
    "anonymous": "none",
}
"""The general method of a SASL scheme, by its name in lower case."""

_HTTP = {"bearer": "OAuth2", "negotiate": "GSSAPI", "kerberos": "GSSAPI"}
_BY_NAME = {method.lower(): method for method in METHODS}
_WEB_SPELLING = {"password-cleartext": "Basic", "password-encrypted": "Digest"}


def sasl_method(scheme: str) -> str | None:
    """Return the general method that a SASL scheme belongs to (section 3.7.4), None for an unknown one."""
    scheme = scheme.lower()
    return "password-encrypted" if scheme.startswith("scram-") else _SASL.get(scheme)


def method(text: str) -> str | None:
    """Return the method of a service over TCP for any of its spellings, None for an unknown one."""
    name = text.lower()
    return _BY_NAME.get(name) or _ALIASES.get(name) or sasl_method(name)


def web_method(text: str) -> str | None:
    """Return the method of a service at a URL for any of its spellings, None for an unknown one."""
    found = _HTTP.get(text.lower()) or method(text)
    found = _WEB_SPELLING.get(found or "", found)
    return found if found in WEB_METHODS else None
