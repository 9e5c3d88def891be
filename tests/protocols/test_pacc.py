import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from autoconfig.definition import EMBEDDED
from autoconfig.directory import NotServedError
from autoconfig.protocols import pacc
from autoconfig.protocols.pacc import Pacc
from tests.support import Write, client_for, load
from tests.test_advice import IMPLICIT

PATH = "/.well-known/user-agent-configuration.json"
SERVICES = """
  <calendar type="caldav"><url>https://dav.example.com/</url><authentication>basic</authentication></calendar>
  <addressbook type="carddav"><url>https://dav.example.com/</url><authentication>OAuth2</authentication></addressbook>
  <fileShare type="webdav"><url>https://dav.example.com/files</url><authentication>basic</authentication></fileShare>
  <oAuth2><issuer>https://login.example.com</issuer></oAuth2>
</clientConfig>"""


def configuration(file: Path, domain: str | None = None) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Pacc(load(file)).render(domain))
    return content


def test_bts_configuration_contains_hosts_password_login_and_help_page(http: httpx.Client) -> None:
    response = http.get(PATH, headers={"Host": "ua-auto-config.talk21.com"})
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    host = {"host": "mail.btinternet.com"}
    assert response.json() == {
        "protocols": {"imap": host, "pop3": host, "submit": host},
        "authentication": {"password": True},
        "info": {
            "provider": {"name": "BT Mail", "shortName": "BT Mail"},
            "help": {"documentation": "https://www.bt.com/help/email"},
        },
    }


def test_the_configuration_is_deterministic_because_its_digest_is_in_the_dns(http: httpx.Client) -> None:
    digests = {base64.b64encode(hashlib.sha256(http.get(PATH).content).digest()) for _ in range(3)}
    digests.add(base64.b64encode(hashlib.sha256(Pacc(load(EMBEDDED)).render()).digest()))
    assert len(digests) == 1
    etag = http.get(PATH).headers["etag"]
    assert http.get(PATH, headers={"If-None-Match": etag}).status_code == 304


def test_services_with_a_url_and_oauth2_are_included(write: Write) -> None:
    content = configuration(write(IMPLICIT | {"</clientConfig>": SERVICES}))
    assert content["protocols"]["caldav"] == content["protocols"]["carddav"] == {"url": "https://dav.example.com/"}
    assert content["protocols"]["webdav"] == {"url": "https://dav.example.com/files"}
    assert content["authentication"] == {"password": True, "oauth-public": {"issuer": "https://login.example.com"}}


def test_the_configuration_states_whether_passwords_are_accepted(write: Write) -> None:
    without = {">password-cleartext<": ">OAuth2<", ">password-encrypted<": ">OAuth2<"}
    services = SERVICES.replace(">basic<", ">OAuth2<")
    content = configuration(write(IMPLICIT | without | {"</clientConfig>": services}))
    assert content["authentication"] == {"password": False, "oauth-public": {"issuer": "https://login.example.com"}}


@pytest.mark.parametrize(
    "changes",
    [
        {">143<": ">143<"},
        {">143<": ">993<"},
        {">STARTTLS<": ">SSL<"},
        {">143<": ">993<", ">STARTTLS<": ">SSL<", ">imap.example.com<": ">%EMAILLOCALPART%.example.com<"},
    ],
)
def test_settings_that_pacc_cannot_express_are_left_out(write: Write, changes: dict[str, str]) -> None:
    content = configuration(write({">110<": ">995<", ">plain<": ">SSL<"} | changes))
    assert content["protocols"] == {"pop3": {"host": "pop.example.com"}}


@pytest.mark.parametrize("url", ["https://dav.example.com/%EMAILLOCALPART%", "http://dav.example.com/files"])
def test_a_service_whose_url_depends_on_the_address_or_is_http_is_left_out(write: Write, url: str) -> None:
    content = configuration(
        write(IMPLICIT | {"</clientConfig>": SERVICES.replace("https://dav.example.com/files", url)})
    )
    assert "webdav" not in content["protocols"]
    assert content["protocols"]["caldav"] == {"url": "https://dav.example.com/"}


@pytest.mark.parametrize(
    ("name", "short", "provider"),
    [
        ("a" * 60, "b" * 20, {"name": "a" * 60, "shortName": "b" * 20}),
        ("a" * 61, "b" * 21, {"name": "a" * 60}),
        (f"{'a' * 59} bc", "b", {"name": "a" * 59, "shortName": "b"}),
        ("Mail of %EMAILDOMAIN%", "b", {"name": "Mail of example.net", "shortName": "b"}),
    ],
)
def test_a_long_name_is_truncated_and_a_long_short_name_is_left_out(
    write: Write, name: str, short: str, provider: dict[str, str]
) -> None:
    names = f"<displayName>{name}</displayName><displayShortName>{short}</displayShortName>"
    file = write(IMPLICIT | {"<displayName>Example Mail</displayName>": names})
    assert configuration(file, "example.net")["info"] == {"provider": provider}


def test_the_first_server_and_service_of_a_type_are_used(write: Write) -> None:
    imap = Write.TEXT[
        Write.TEXT.index('<incomingServer type="imap">') : Write.TEXT.index('<incomingServer type="pop3">')
    ]
    again = SERVICES.replace("</clientConfig>", "").replace(
        "<oAuth2><issuer>https://login.example.com</issuer></oAuth2>", ""
    )
    changes = {imap: imap + imap.replace("imap.example", "imap2.example")}
    changes |= {"</clientConfig>": again + SERVICES.replace("https://dav", "https://dav2")} | IMPLICIT
    protocols = configuration(write(changes))["protocols"]
    assert protocols["imap"] == {"host": "imap.example.com"}
    assert protocols["caldav"] == {"url": "https://dav.example.com/"}


@pytest.mark.parametrize(("issuer", "kept"), [("https://login.example.com", True), ("login.example.com", False)])
def test_an_issuer_is_a_url(write: Write, issuer: str, kept: bool) -> None:
    services = SERVICES.replace("https://login.example.com", issuer)
    authentication = configuration(write(IMPLICIT | {"</clientConfig>": services}))["authentication"]
    assert authentication == {"password": True} | ({"oauth-public": {"issuer": issuer}} if kept else {})


@pytest.mark.parametrize("method", [">basic<", ">OAuth2<"])
def test_an_issuer_is_included_only_if_a_server_accepts_oauth2(write: Write, method: str) -> None:
    services = SERVICES.replace(">OAuth2<", method).replace(">basic<", method)
    authentication = configuration(write(IMPLICIT | {"</clientConfig>": services}))["authentication"]
    assert ("oauth-public" in authentication) == (method == ">OAuth2<")


def test_web_clients_may_read_and_caches_store_the_configuration(http: httpx.Client) -> None:
    headers = http.get(PATH).headers
    assert (headers["access-control-allow-origin"], headers["cache-control"]) == ("*", "public, max-age=3600")


def test_the_domain_in_hostnames_and_urls_is_filled_in(write: Write) -> None:
    services = SERVICES.replace("https://dav.example.com/files", "https://%EMAILDOMAIN%/files")
    file = write(IMPLICIT | {">imap.example.com<": ">imap.%EMAILDOMAIN%<", "</clientConfig>": services})
    for domain, used in (("example.net", "example.net"), (None, "example.com")):
        protocols = configuration(file, domain)["protocols"]
        assert protocols["imap"] == {"host": f"imap.{used}"}
        assert protocols["webdav"] == {"url": f"https://{used}/files"}


@pytest.mark.parametrize(
    "changes",
    [
        {">imap.example.com<": ">imap.%EMAILDOMAIN%<"},
        {"</clientConfig>": SERVICES.replace("https://dav.example.com/files", "https://%EMAILDOMAIN%/files")},
        {">Example Mail<": ">Mail of %EMAILDOMAIN%<"},
    ],
)
def test_a_configuration_with_the_domain_in_any_place_is_different_for_each(
    write: Write, changes: dict[str, str]
) -> None:
    provider = Pacc(load(write(IMPLICIT | changes)))
    assert b"example.net" in provider.render("example.net")
    assert b"example.net" not in provider.render("example.com")


def test_a_limited_number_of_configurations_is_cached(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacc, "_MAX_CACHED", 1)
    one = pacc.Configuration(load(write(IMPLICIT | {">imap.example.com<": ">imap.%EMAILDOMAIN%<"})).first)
    for domain in ("example.com", "example.net", "example.com"):
        response = one.response(domain)
        assert response is not None
        assert json.loads(response.body)["protocols"]["imap"] == {"host": f"imap.{domain}"}
        assert len(one._responses) == 1


def test_a_provider_that_pacc_cannot_express_gets_404(write: Write) -> None:
    with pytest.raises(NotServedError, match="PACC cannot express this provider"):
        Pacc(load(write())).render()
    with client_for(write()) as http:
        assert http.get(PATH).status_code == 404
