import pytest

from autoconfig.authentication import (
    METHODS,
    PASSWORD_METHODS,
    WEB_METHODS,
    WEB_PASSWORD_METHODS,
    method,
    sasl_method,
    web_method,
)

MAIL = [
    *("password-cleartext", "password-encrypted", "NTLM", "OAuth2", "GSSAPI", "TLS-client-cert", "client-IP-address"),
    "none",
]
WEB = ["Basic", "Digest", "OAuth2", "NTLM", "GSSAPI", "TLS-client-cert", "none"]


@pytest.mark.parametrize("name", MAIL)
def test_a_method_of_the_format_may_be_in_any_case(name: str) -> None:
    assert (method(name), method(name.upper())) == (name, name)


@pytest.mark.parametrize("name", WEB)
def test_a_method_of_services_may_be_in_any_case(name: str) -> None:
    assert (web_method(name), web_method(name.lower())) == (name, name)


def test_the_lists_of_methods_and_password_methods_are_complete() -> None:
    assert sorted(METHODS) == sorted(MAIL)
    assert sorted(WEB_METHODS) == sorted(WEB)
    assert sorted(PASSWORD_METHODS) == ["NTLM", "password-cleartext", "password-encrypted"]
    assert sorted(WEB_PASSWORD_METHODS) == ["Basic", "Digest"]


@pytest.mark.parametrize(
    ("text", "mail", "web"),
    [
        ("plain", "password-cleartext", "Basic"),
        ("secure", "password-encrypted", "Digest"),
        ("password-cleartext", "password-cleartext", "Basic"),
        ("password-encrypted", "password-encrypted", "Digest"),
        ("basic", "password-cleartext", "Basic"),
        ("http-basic", "password-cleartext", "Basic"),
        ("http-digest", "password-encrypted", "Digest"),
        ("OAuth", "OAuth2", "OAuth2"),
        ("Bearer", None, "OAuth2"),
        ("Negotiate", None, "GSSAPI"),
        ("Kerberos", None, "GSSAPI"),
        ("digest", "password-encrypted", "Digest"),
        ("CRAM-MD5", "password-encrypted", "Digest"),
        ("LOGIN", "password-cleartext", "Basic"),
        ("smtp-after-pop", "none", "none"),
        ("client-IP-address", "client-IP-address", None),
        ("telepathy", None, None),
        ("", None, None),
    ],
)
def test_every_spelling_in_use_means_one_method(text: str, mail: str | None, web: str | None) -> None:
    assert (method(text), web_method(text)) == (mail, web)


@pytest.mark.parametrize(
    ("scheme", "general"),
    [
        ("SCRAM-SHA-256-PLUS", "password-encrypted"),
        ("PLAIN", "password-cleartext"),
        ("OAUTHBEARER", "OAuth2"),
        ("EXTERNAL", "TLS-client-cert"),
        ("GSSAPI", "GSSAPI"),
        ("GS2-KRB5", "GSSAPI"),
        ("LOGIN", "password-cleartext"),
        ("CRAM-MD5", "password-encrypted"),
        ("DIGEST-MD5", "password-encrypted"),
        ("NTLM", "NTLM"),
        ("XOAUTH2", "OAuth2"),
        ("ANONYMOUS", "none"),
        ("SCRAM", None),
        ("X-TELEPATHY", None),
    ],
)
def test_a_sasl_mechanism_belongs_to_a_general_method(scheme: str, general: str | None) -> None:
    assert sasl_method(scheme) == general
