import re
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from autoconfig.address import MailAddress
from autoconfig.definition import EMBEDDED
from autoconfig.directory import NotServedError
from autoconfig.protocols.autoconfig import Autoconfig
from autoconfig.requests import Request
from tests.support import Write, client_for, load

EXAMPLE = Autoconfig(load(Path(__file__).parents[1] / "example.xml"))
REQUEST = Request("GET", "http", b"", b"", b"", b"", 0)
PATHS = [
    "/mail/config-v1.1.xml",
    "/.well-known/autoconfig/mail/config-v1.1.xml",
    "/v1.1/mail/config-v1.1.xml",
    "/.well-known/mail-v1.xml",
]
PATH = PATHS[0]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", ["", "?emailaddress=fred%40btinternet.com", "?emailaddress=", "?other=x"])
def test_every_path_and_query_gets_the_same_document(http: httpx.Client, path: str, query: str) -> None:
    response = http.get(path + query)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/xml; charset=utf-8"
    assert response.content == Autoconfig(load(EMBEDDED)).render()


def test_the_served_file_is_an_equal_definition(http: httpx.Client, tmp_path: Path) -> None:
    file = tmp_path / "served.xml"
    file.write_bytes(http.get(PATH).content)
    served, original = load(file).first, load(EMBEDDED).first
    assert (served.id, served.domains, served.display_name) == (original.id, original.domains, original.display_name)
    assert served.servers == original.servers


def test_unknown_elements_are_served_but_comments_are_not(write: Write) -> None:
    remark = "<!-- remark --><?remark?><enable x='1'>y</enable></emailProvider>"
    served = Autoconfig(load(write({"</emailProvider>": remark}))).render()
    assert b"remark" not in served
    assert b'<enable x="1">y</enable>' in served


def test_placeholders_in_usernames_are_left_for_the_client(write: Write) -> None:
    assert b"<username>%EMAILLOCALPART%</username>" in Autoconfig(load(write())).render()


@pytest.mark.parametrize(
    "address",
    [
        "fred@btinternet.com",
        "FRED@BTInternet.COM",
        "fred%40btinternet%2Ecom",
        "fred+news@talk21.com",
        "fred%2Bnews@talk21.com",
        "EVOLUTIONUSER@btopenworld.com&emailmd5=0123456789abcdef",
        "j%C3%BCrgen@talk21.com",
        "%22%3Cb%3E@talk21.com",
    ],
)
def test_every_spelling_of_a_providers_address_finds_the_settings(http: httpx.Client, address: str) -> None:
    assert http.get(f"{PATH}?emailaddress={address}").status_code == 200


def test_an_internationalised_domain_is_found_as_u_labels_and_a_labels(write: Write) -> None:
    with client_for(write({"<domain>example.net": "<domain>bücher.example"})) as http:
        for domain in ("b%C3%BCcher.example", "B%C3%9CCHER.EXAMPLE", "xn--bcher-kva.example", "XN--BCHER-KVA.example"):
            assert http.get(f"{PATH}?emailaddress=fred@{domain}").status_code == 200


@pytest.mark.parametrize("domain", ["talk21.com", "TALK21.com", "talk21.com."])
def test_the_database_endpoint_returns_the_settings_of_a_domain(http: httpx.Client, domain: str) -> None:
    response = http.get(f"/v1.1/{domain}")
    assert (response.status_code, response.content) == (200, http.get(PATH).content)


@pytest.mark.parametrize("domain", ["example.org", "%3Cb%3E", "autoconfig.talk21.com", "%C3%BC"])
def test_the_database_has_no_settings_for_other_domains(http: httpx.Client, domain: str) -> None:
    assert http.get(f"/v1.1/{domain}").status_code == 404


def test_a_domain_in_a_hostname_is_filled_for_each_request(write: Write) -> None:
    changed = {">imap.example.com<": ">imap.%EMAILDOMAIN%<"}
    with client_for(write(changed)) as http:
        for host, query, domain in [
            ("x", "?emailaddress=fred@example.net", "example.net"),
            ("autoconfig.example.net", "", "example.net"),
            ("x", "", "example.com"),
        ]:
            text = http.get(PATH + query, headers={"Host": host}).text
            assert f"<hostname>imap.{domain}</hostname>" in text
            assert "<username>%EMAILLOCALPART%</username>" in text
        assert "<hostname>imap.example.net</hostname>" in http.get("/v1.1/example.net").text


@pytest.mark.parametrize("tag", ["url", "ewsURL", "easURL", "owaURL"])
def test_a_domain_in_a_url_is_filled_for_each_domain(write: Write, tag: str) -> None:
    server = f'<incomingServer type="exchange"><{tag}>https://%EMAILDOMAIN%/x</{tag}></incomingServer></emailProvider>'
    provider = Autoconfig(load(write({"</emailProvider>": server})))
    for domain in ("example.com", "example.net"):
        assert f"<{tag}>https://{domain}/x</{tag}>".encode() in provider.render(MailAddress("fred", domain))


PLAIN = st.from_regex(re.compile(r"[A-Za-z0-9._+-]{1,70}", re.ASCII), fullmatch=True)
DOMAINS = st.sampled_from(
    ["example.com", "example.net", "EXAMPLE.com", "example.org", "example.com.", ".com", "a..b", ""]
)


@given(
    PLAIN,
    st.sampled_from(["@", "%40", "@@", ""]),
    DOMAINS,
    st.sampled_from(["", "&x=y", "&emailaddress=a@example.com"]),
)
def test_the_fast_path_for_a_plain_query_agrees_with_the_general_path(
    local: str, at: str, domain: str, more: str
) -> None:
    query = f"emailaddress={local}{at}{domain}{more}".encode()

    def outcome(query: bytes) -> object:
        try:
            return EXAMPLE.respond(REQUEST._replace(query=query))
        except (HTTPException, NotServedError) as error:
            return type(error), str(error)

    # With an additional empty field, a query is no longer plain.
    assert outcome(query) == outcome(query + b"&")


def test_a_domain_that_is_not_served_gets_404_with_the_reason(http: httpx.Client) -> None:
    response = http.get(PATH, params={"emailaddress": "fred@example.org"})
    assert (response.status_code, response.text) == (404, "the domain of this address is not served here\n")


def test_a_hosted_domain_gets_the_settings_of_its_host(write: Write) -> None:
    with client_for(write({"<domain>example.net": '<domain purpose="mx">example.net'})) as http:
        assert http.get(PATH, params={"emailaddress": "fred@customer.example"}).status_code == 200


def test_head_has_the_headers_of_get(http: httpx.Client) -> None:
    head, get = http.head(PATH), http.get(PATH)
    assert (head.status_code, head.content) == (200, b"")
    same = ("content-length", "content-type", "etag", "cache-control")
    assert [head.headers[name] for name in same] == [get.headers[name] for name in same]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', "*"])
def test_a_client_with_the_current_document_gets_304(http: httpx.Client, form: str) -> None:
    etag = http.get(PATH).headers["etag"]
    response = http.get(PATH, headers={"If-None-Match": form.format(etag)})
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)


def test_a_client_with_an_outdated_document_gets_the_new_one(http: httpx.Client) -> None:
    assert http.get(PATH, headers={"If-None-Match": '"other"'}).status_code == 200


def test_shared_caches_do_not_store_a_url_with_an_address(http: httpx.Client) -> None:
    assert http.get(PATH).headers["cache-control"] == "public, max-age=3600"
    personal = http.get(PATH, params={"emailaddress": "fred@talk21.com"})
    assert personal.headers["cache-control"] == "private, max-age=3600"


@pytest.mark.parametrize("query", ["", "?emailaddress=nonsense", "?emailaddress=fred@example.org"])
def test_web_pages_of_any_origin_may_read_the_response(http: httpx.Client, query: str) -> None:
    assert http.get(PATH + query).headers["access-control-allow-origin"] == "*"


def test_no_response_requests_a_password(http: httpx.Client) -> None:
    response = http.get(PATH, headers={"Authorization": "Basic nonsense"})
    assert response.status_code == 200
    assert "www-authenticate" not in response.headers


UNREADABLE = [
    "fred&co@btinternet.com",
    "fred",
    "fred@@btinternet.com",
    "a@b.example&emailaddress=c@d.example",
    "%FF@x.example",
]


@pytest.mark.parametrize("address", UNREADABLE)
def test_an_invalid_address_is_ignored_if_the_host_names_the_provider(http: httpx.Client, address: str) -> None:
    """FairEmail does not encode the address, so an address with & is split."""
    response = http.get(f"{PATH}?emailaddress={address}", headers={"Host": "autoconfig.btinternet.com"})
    assert (response.status_code, response.content) == (200, http.get(PATH).content)
    assert response.headers["cache-control"] == "private, max-age=3600"
    assert http.get(f"{PATH}?emailaddress={address}", headers={"Host": "example.org"}).status_code == 400


def test_a_valid_address_of_another_provider_is_refused_at_any_host(http: httpx.Client) -> None:
    headers = {"Host": "autoconfig.btinternet.com"}
    assert http.get(f"{PATH}?emailaddress=fred@example.org", headers=headers).status_code == 404
