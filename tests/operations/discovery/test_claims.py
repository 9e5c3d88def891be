"""Values from remote servers: only valid ones are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoconfig.address import MailAddress
from autoconfig.operations.discovery.claims import Ports, filled, host_of, port_of, url_of, username_of

ADDRESS = MailAddress("bt-autoconfig-init", "example.org")


@pytest.mark.parametrize(
    ("text", "username"),
    [
        ("%EMAILADDRESS%", "%EMAILADDRESS%"),
        (" %EMAILLOCALPART% ", "%EMAILLOCALPART%"),
        ("%EMAILLOCALPART%.%EMAILDOMAIN%", "%EMAILLOCALPART%.%EMAILDOMAIN%"),
        ("bt-autoconfig-init@example.org", "%EMAILADDRESS%"),
        ("bt-autoconfig-init%40example.org", "%EMAILADDRESS%"),
        ("EXAMPLE\\bt-autoconfig-init", "EXAMPLE\\%EMAILLOCALPART%"),
        ("%EMAILDOMAIN%", ""),
        ("fred", ""),
        ("%EMAILADDRESS%<b>", ""),
        ("%EMAILADRESS%", ""),
        ("%EMAILADDRESS%" * 20, ""),
        ("", ""),
    ],
)
def test_only_usernames_that_work_for_every_user_are_kept(text: str, username: str) -> None:
    assert username_of(text, ADDRESS) == username


@pytest.mark.parametrize(
    ("text", "host"),
    [("Mail.Example.ORG.", "mail.example.org"), ("mail.%EMAILDOMAIN%", "mail.example.org"), ("192.0.2.1", ""), ("mail", ""),
     ("%EMAILLOCALPART%.example.org", ""), ("a b.example", ""), ("\x1b[2J.example", ""), ("", "")],
)  # fmt: skip
def test_only_hostnames_that_clients_can_look_up_are_kept(text: str, host: str) -> None:
    assert host_of(text, "example.org") == host


@pytest.mark.parametrize(
    ("text", "port"), [("993", 993), (" 65535 ", 65535), ("65536", 0), ("0", 0), ("-1", 0), ("²", 0), ("9" * 9999, 0)]
)
def test_a_port_is_a_number_in_range(text: str, port: int) -> None:
    assert port_of(text) == port


@pytest.mark.parametrize(
    "url",
    ["https://dav.example.org/", "https://dav.example.org:8443/a?b=%EMAILADDRESS%", "https://dav.%EMAILDOMAIN%"],
)
def test_a_valid_url_is_unchanged(url: str) -> None:
    assert url_of(f" {url} ") == url


@pytest.mark.parametrize(
    "url",
    ["http://dav.example.org/", "https://a:b@dav.example.org/", "https://dav.example.org:0/", "https://dav.example.org:99999/",
     "https://[::1]/", "file:///etc/passwd", "https://a/\x1b[2J", "https://a/ b", "https://a/\u202e", "https://a/" + "b" * 999, ""],
)  # fmt: skip
def test_any_other_url_is_left_out(url: str) -> None:
    assert url_of(url) == ""


@given(st.text(max_size=50))
def test_no_value_can_contain_markup(text: str) -> None:
    for value in (username_of(text, ADDRESS), host_of(text, "example.org"), url_of(f"https://example.org/{text}")):
        assert value.isprintable()
        assert value.isascii()
        assert "<" not in value.replace("https://example.org/", "") or value.startswith("https:")


def test_placeholders_in_a_url_are_filled() -> None:
    url = filled("https://%EMAILDOMAIN%/%EMAILADDRESS%/%EMAILLOCALPART%", ADDRESS)
    assert url == "https://example.org/bt-autoconfig-init@example.org/bt-autoconfig-init"


def test_clients_look_for_implicit_tls_first() -> None:
    assert Ports().of("imap") == ((993, "SSL"), (143, "STARTTLS"))
    assert Ports().of("smtp") == ((465, "SSL"), (587, "STARTTLS"))
