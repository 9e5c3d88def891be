import re
import socket

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from autoconfig.address import MailAddress
from autoconfig.definition import EMBEDDED
from autoconfig.protocols import autodiscover
from autoconfig.protocols.autodiscover import Autodiscover, AutodiscoverError, read_request
from autoconfig.protocols.description import Schema
from autoconfig.requests import Request
from autoconfig.responses import Response
from tests.support import SERVICES, Served, Write, client_for, load

PATH = "/autodiscover/autodiscover.xml"
REQUEST_SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
RESPONSE_SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
MOBILESYNC_SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
BT = Autodiscover(load(EMBEDDED))
OFFERED = (
    Schema(
        frozenset({REQUEST_SCHEMA, REQUEST_SCHEMA.replace("http:", "https:")}),
        frozenset({RESPONSE_SCHEMA, RESPONSE_SCHEMA.replace("http:", "https:")}),
        BT.render,
    ),
)
NAMES = {"a": "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006", "o": RESPONSE_SCHEMA}


def request(address: str = "fred@btinternet.com", schema: str = RESPONSE_SCHEMA, xmlns: str = REQUEST_SCHEMA) -> bytes:
    return f"""<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="{xmlns}">
  <Request>
    <EMailAddress>{address}</EMailAddress>
    <AcceptableResponseSchema>{schema}</AcceptableResponseSchema>
  </Request>
</Autodiscover>""".encode()


def protocols(body: bytes) -> list[dict[str, str]]:
    """Read a response as Outlook does: the Protocol elements of an email account's settings."""
    account = etree.fromstring(body).find("o:Response/o:Account", NAMES)
    assert account is not None
    assert account.findtext("o:AccountType", None, NAMES) == "email"
    assert account.findtext("o:Action", None, NAMES) == "settings"
    return [
        {etree.QName(entry).localname: entry.text or "" for entry in protocol}
        for protocol in account.iterfind("o:Protocol", NAMES)
    ]


def error(response: httpx.Response) -> str:
    """Return the ErrorCode of a response, after checking that Outlook can read it."""
    assert (response.status_code, response.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    found = etree.fromstring(response.content).find("a:Response/a:Error", NAMES)
    assert found is not None
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{7}", found.get("Time", ""))
    assert found.get("Id", "").isdigit()
    assert found.findtext("a:Message", "", NAMES)
    assert found.find("a:DebugData", NAMES) is not None
    return found.findtext("a:ErrorCode", "", NAMES)


def test_outlook_gets_imap_pop3_and_smtp_with_the_address_as_login_name(http: httpx.Client) -> None:
    response = http.post(PATH, content=request(), headers={"Content-Type": "text/xml"})
    assert (response.status_code, response.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    common = {
        "Server": "mail.btinternet.com",
        "DomainRequired": "off",
        "LoginName": "fred@btinternet.com",
        "SPA": "off",
        "SSL": "on",
        "Encryption": "SSL",
        "AuthRequired": "on",
    }
    assert protocols(response.content) == [
        {"Type": "IMAP", "Port": "993"} | common,
        {"Type": "POP3", "Port": "995"} | common,
        {"Type": "SMTP", "Port": "465", "UsePOPAuth": "on", "SMTPLast": "off"} | common,
    ]


@pytest.mark.parametrize("path", ["/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.xml", PATH.upper()])
def test_the_case_of_the_path_does_not_matter(http: httpx.Client, path: str) -> None:
    assert len(protocols(http.post(path, content=request()).content)) == 3


@pytest.mark.parametrize("content_type", [None, "text/xml; charset=utf-8", "application/xml", "text/plain", "nonsense"])
def test_the_content_type_of_the_request_does_not_matter(http: httpx.Client, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    assert len(protocols(http.post(PATH, content=request(), headers=headers).content)) == 3


def test_microsofts_misprint_of_the_request_namespace_is_accepted(http: httpx.Client) -> None:
    body = request(xmlns=REQUEST_SCHEMA.replace("http:", "https:"))
    assert len(protocols(http.post(PATH, content=body).content)) == 3


def test_additional_elements_and_schemas_are_ignored(http: httpx.Client) -> None:
    more = f"""<Autodiscover xmlns="{REQUEST_SCHEMA}"><Request><LegacyDN>/o=x</LegacyDN>
        <EMailAddress> fred@talk21.com </EMailAddress><AcceptableResponseSchema>{MOBILESYNC_SCHEMA}</AcceptableResponseSchema>
        <AcceptableResponseSchema>{RESPONSE_SCHEMA}</AcceptableResponseSchema></Request></Autodiscover>"""
    assert protocols(http.post(PATH, content=more).content)[0]["LoginName"] == "fred@talk21.com"


def test_a_character_across_the_end_of_what_is_searched_for_a_declaration_is_no_error(http: httpx.Client) -> None:
    for length in range(4):
        body = request(f"{'a' * length}{'ü' * 60}@talk21.com").decode().encode("utf-8-sig")
        assert len(protocols(http.post(PATH, content=body).content)) == 3


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_request_may_be_in_any_encoding_that_it_declares(http: httpx.Client, encoding: str) -> None:
    declared = encoding.removesuffix("-sig")
    body = request("jürgen@btinternet.com").decode().replace('"utf-8"', f'"{declared}"').encode(encoding)
    assert protocols(http.post(PATH, content=body).content)[0]["LoginName"] == "jürgen@btinternet.com"


@pytest.mark.parametrize("address", ["Fred.Bloggs@BTINTERNET.com", "Fred.Bloggs@btinternet.com"])
def test_the_login_name_keeps_the_local_part_as_typed(http: httpx.Client, address: str) -> None:
    login_names = {entry["LoginName"] for entry in protocols(http.post(PATH, content=request(address)).content)}
    assert login_names == {"Fred.Bloggs@btinternet.com"}


LOCAL_PARTS = st.text(
    st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zs", "Zl", "Zp"], exclude_characters="@,\ufffe\uffff"),
    min_size=1,
)


@given(LOCAL_PARTS)
def test_markup_in_an_address_is_returned_as_text(local: str) -> None:
    escaped = local.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    address, _ = read_request(request(f"{escaped}@btinternet.com"), OFFERED)
    assert {entry["LoginName"] for entry in protocols(BT.render(address))} == {f"{local}@btinternet.com"}


def test_each_socket_type_has_outlooks_name(write: Write) -> None:
    for socket_type, ssl, encryption in [("SSL", "on", "SSL"), ("STARTTLS", "off", "TLS"), ("plain", "off", "None")]:
        entries = protocols(Autodiscover(load(write({"STARTTLS": socket_type}))).render())
        assert (entries[0]["SSL"], entries[0]["Encryption"]) == (ssl, encryption)


def test_a_server_that_accepts_no_password_is_left_out(write: Write) -> None:
    oauth2 = {">143</port>\n      <socketType>STARTTLS</socketType>\n      <authentication>password-cleartext": (
        ">143</port>\n      <socketType>STARTTLS</socketType>\n      <authentication>OAuth2"
    )}  # fmt: skip
    entries = protocols(Autodiscover(load(write(oauth2))).render())
    assert [entry["Type"] for entry in entries] == ["POP3", "SMTP"]


def test_a_provider_without_passwords_gets_an_error(write: Write) -> None:
    with client_for(write({"password-cleartext": "OAuth2", "password-encrypted": "OAuth2"})) as http:
        assert error(http.post(PATH, content=request("fred@example.com"))) == "500"
        assert error(http.get(PATH)) == "500"


def test_em_client_gets_the_calendar_and_the_address_book(write: Write) -> None:
    provider = Autodiscover(load(write({"</clientConfig>": SERVICES})))
    *_, calendar, contacts = protocols(provider.render(MailAddress("fred", "example.com")))
    server = "https://dav.example.com:8443/cal/"
    assert calendar == {"Type": "CalDAV", "Server": server, "DomainRequired": "off", "LoginName": "fred@example.com"}
    server = "https://contacts.example.com"
    assert contacts == {"Type": "CardDAV", "Server": server, "DomainRequired": "off", "LoginName": "fred"}


def test_the_first_of_several_calendars_is_used(write: Write) -> None:
    again = SERVICES.replace("</clientConfig>", "") + SERVICES.replace("https://", "https://other.")
    *_, calendar, contacts = protocols(Autodiscover(load(write({"</clientConfig>": again}))).render())
    assert (calendar["Server"], contacts["Server"]) == (
        "https://dav.example.com:8443/cal/",
        "https://contacts.example.com",
    )


def test_a_url_that_depends_on_the_address_is_included_only_if_there_is_one(write: Write) -> None:
    services = SERVICES.replace("dav.example.com", "%EMAILLOCALPART%.example.com")
    definition = write({">imap.example.com<": ">%EMAILLOCALPART%.example.com<", "</clientConfig>": services})
    provider = Autodiscover(load(definition))
    places = [one["Server"] for one in protocols(provider.render(MailAddress("fred", "example.com")))]
    assert (places[0], places[-2]) == ("fred.example.com", "https://fred.example.com:8443/cal/")
    assert [one["Type"] for one in protocols(provider.render())] == ["POP3", "SMTP", "CardDAV"]


def start_of_first(type_: str) -> str:
    """Return the start tag of the example's server of a type."""
    return f'<{"outgoing" if type_ == "smtp" else "incoming"}Server type="{type_}">'


@pytest.mark.parametrize("method", ["password-cleartext", "password-encrypted", "none", "client-IP-address"])
def test_a_server_with_any_method_of_outlook_is_included(write: Write, method: str) -> None:
    changed = {"password-cleartext": method, "password-encrypted": method}
    entries = protocols(Autodiscover(load(write(changed))).render())
    needs_password = "on" if method.startswith("password-") else "off"
    assert [(entry["Type"], entry["AuthRequired"]) for entry in entries] == [
        ("IMAP", needs_password),
        ("POP3", needs_password),
        ("SMTP", needs_password),
    ]


def test_without_an_outgoing_server_there_are_no_settings(write: Write) -> None:
    text = Write.TEXT
    smtp = text[text.index("    <outgoingServer") : text.index("  </emailProvider>")]
    oauth2 = smtp.replace("password-cleartext", "OAuth2")
    with pytest.raises(AutodiscoverError):
        Autodiscover(load(write({smtp: oauth2}))).render(MailAddress("fred", "example.com"))


@pytest.mark.parametrize("type_", ["imap", "pop3", "smtp"])
def test_only_the_first_usable_server_of_a_type_is_included(write: Write, type_: str) -> None:
    text = Write.TEXT
    start = text.index(start_of_first(type_))
    server = text[start : text.index("Server>", start) + len("Server>")]
    first = server.replace(".example.com", "-first.example.com")
    unusable = first.replace("-first", "-oauth2").replace("password-cleartext", "OAuth2")
    unusable = unusable.replace("password-encrypted", "OAuth2")
    entries = protocols(Autodiscover(load(write({server: unusable + first + server}))).render())
    servers = {entry["Type"]: entry["Server"] for entry in entries}
    assert servers[type_.upper()].split(".")[0].endswith("-first")
    assert len(entries) == 3


@pytest.mark.parametrize("type_", ["imap", "pop3", "smtp"])
def test_a_hostname_with_the_local_part_is_included_only_with_an_address(write: Write, type_: str) -> None:
    host = {"imap": "imap", "pop3": "pop", "smtp": "smtp"}[type_]
    provider = Autodiscover(load(write({f">{host}.example.com<": ">%EMAILLOCALPART%.example.com<"})))
    known = {entry["Type"]: entry["Server"] for entry in protocols(provider.render(MailAddress("fred", "example.com")))}
    assert known[type_.upper()] == "fred.example.com"
    if type_ == "smtp":  # without it, there are no settings
        with pytest.raises(AutodiscoverError):
            provider.render()
    else:
        assert type_.upper() not in {entry["Type"] for entry in protocols(provider.render())}


@pytest.mark.parametrize("placeholder", ["%EMAILLOCALPART%", "%EMAILADDRESS%"])
def test_a_calendar_url_with_the_address_is_included_only_with_an_address(write: Write, placeholder: str) -> None:
    services = SERVICES.replace("/cal/", f"/{placeholder}/")
    provider = Autodiscover(load(write({"</clientConfig>": services})))
    fred = MailAddress("fred", "example.com")
    assert [entry["Type"] for entry in protocols(provider.render(fred))][3:] == ["CalDAV", "CardDAV"]
    anonymous = protocols(provider.render())[3:]
    assert [entry["Type"] for entry in anonymous] == ["CardDAV"]
    assert "LoginName" not in anonymous[0]


def test_sending_without_a_username_does_not_use_the_mailboxs_login(write: Write) -> None:
    text = Write.TEXT
    smtp = text[text.index("    <outgoingServer") : text.index("  </emailProvider>")]
    without = smtp.replace("password-cleartext", "client-IP-address").replace(
        "      <username>%EMAILADDRESS%</username>\n", ""
    )
    entry = protocols(Autodiscover(load(write({smtp: without}))).render(MailAddress("fred", "example.com")))[2]
    assert (entry["UsePOPAuth"], entry["AuthRequired"]) == ("off", "off")
    assert "LoginName" not in entry


def test_sending_with_another_username_does_not_use_the_mailboxs_login(write: Write) -> None:
    assert protocols(Autodiscover(load(write())).render())[2]["UsePOPAuth"] == "off"


def test_get_returns_the_settings_without_login_name(http: httpx.Client) -> None:
    response = http.get(PATH)
    entries = protocols(response.content)
    assert [entry["Type"] for entry in entries] == ["IMAP", "POP3", "SMTP"]
    assert not any("LoginName" in entry for entry in entries)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("host", ["autodiscover.talk21.com", "AutoDiscover.Talk21.com:80"])
def test_plain_http_to_an_autodiscover_host_is_redirected_to_https(http: httpx.Client, method: str, host: str) -> None:
    response = http.request(method, PATH, headers={"Host": host}, content=request() if method == "POST" else None)
    assert response.status_code == 302
    assert response.headers["location"] == "https://autodiscover.talk21.com/autodiscover/autodiscover.xml"


def test_a_request_over_https_is_not_redirected(http: httpx.Client) -> None:
    headers = {"Host": "autodiscover.talk21.com", "X-Forwarded-Proto": "https"}
    assert http.get(PATH, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "host", ["autodiscover.evil.example", "talk21.com", "autodiscover.", "autodiscover.talk21.com.evil.example"]
)
def test_no_client_is_redirected_to_another_providers_host(http: httpx.Client, host: str) -> None:
    assert http.get(PATH, headers={"Host": host}).status_code == 200


def test_a_domain_that_is_not_served_gets_error_500(http: httpx.Client) -> None:
    assert error(http.post(PATH, content=request("fred@example.org"))) == "500"


def test_a_schema_that_is_not_offered_gets_error_601(http: httpx.Client) -> None:
    assert error(http.post(PATH, content=request(schema=MOBILESYNC_SCHEMA))) == "601"


BOMB = b'<!DOCTYPE a [<!ENTITY b0 "bbbbbbbbbb">' + b"".join(
    b'<!ENTITY b%d "%s">' % (number, b"&b%d;" % (number - 1) * 10) for number in range(1, 10)
)
INVALID = {
    "nothing": b"",
    "not XML": b"EMailAddress=fred@btinternet.com",
    "binary": bytes(range(256)),
    "truncated": request()[:-20],
    "a doctype": b"<!DOCTYPE a>" + request(),
    "an external doctype": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/"><a/>',
    "an entity": b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    "an external entity": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "a parameter entity": b'<!DOCTYPE a [<!ENTITY % b SYSTEM "http://127.0.0.1:1/">%b;]><a/>',
    "an entity bomb": BOMB + b"]><a>&b9;</a>",
    "an entity bomb in an attribute": BOMB + b']><a b="&b9;"/>',
    "an undeclared entity": request("&fred;@btinternet.com"),
    "another root": request().replace(b"Autodiscover", b"Autodiscovery"),
    "another namespace": request(xmlns="http://example.com/"),
    "no namespace": request().replace(b" xmlns=", b" id="),
    "no address": request(""),
    "no address element": re.sub(rb"<EMail.*</EMailAddress>", b"", request()),
    "two addresses": request("fred@talk21.com</EMailAddress><EMailAddress>joe@talk21.com"),
    "an address without @": request("fred"),
    "an address with a control character": request("fr&#10;ed@talk21.com"),
    "an address in another place": re.sub(rb"</?Request>", b"", request()),
    "no schema": request(schema=""),
    "no schema element": re.sub(rb"<Acceptable.*Schema>", b"", request()),
    "an unknown encoding": request().replace(b'"utf-8"', b'"utf-9"'),
    "Latin-1 declared as UTF-8": request("jürgen@talk21.com").decode().encode("latin-1"),
    "UTF-8 declared as ASCII": request("jürgen@talk21.com").replace(b'"utf-8"', b'"us-ascii"'),
    "UTF-8 declared as UTF-16": request().replace(b'"utf-8"', b'"utf-16"'),
    "UTF-8 with a BOM declared as UTF-16": b"\xef\xbb\xbf" + request().replace(b'"utf-8"', b'"utf-16"'),
    "UTF-16 declared as UTF-8": request().decode().encode("utf-16"),
    "UTF-16 without a BOM declared as UTF-8": request().decode().encode("utf-16-le"),
    "15,000 nested elements": b"<a>" * 15_000,
    "thousands of attributes": b"<a " + b" ".join(b'a%d=""' % number for number in range(6000)) + b"/>",
    "a very long name": b"<" + b"a" * 65_000 + b"/>",
    "an included file": b'<a xmlns:x="http://www.w3.org/2001/XInclude"><x:include href="/etc/passwd"/></a>',
}


@pytest.mark.parametrize("body", INVALID.values(), ids=INVALID)
def test_an_invalid_request_gets_error_600_quickly(http: httpx.Client, body: bytes) -> None:
    response = http.post(PATH, content=body, timeout=20)  # milliseconds if stopped early, minutes otherwise
    assert error(response) == "600"
    assert b"root:" not in response.content


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (request().replace(b'"utf-8"', b'"utf-16"').decode().encode("utf-8-sig"), 600, "The request is not in the encoding that it declares."),
        (b"<a", 600, "The request is not well-formed XML."),
        (b"<!DOCTYPE a>" + request().partition(b"?>")[2], 600, "The request has a DOCTYPE."),
        (request(xmlns="urn:x"), 600, "The request is not an Autodiscover request of a supported schema."),
        (request(schema=""), 600, "The request has no AcceptableResponseSchema."),
        (request(schema=MOBILESYNC_SCHEMA), 601, "The requested schema is not offered here."),
        (request(""), 600, "The request has no EMailAddress."),
        (request("a@talk21.com</EMailAddress><EMailAddress>b@talk21.com"), 600, "The request has more than one EMailAddress."),
        (request("fred"), 600, "The EMailAddress has no @."),
        (request("fred@example.org"), 500, "the domain of this address is not served here."),
    ],
)  # fmt: skip
def test_an_error_gives_its_reason(body: bytes, code: int, message: str) -> None:
    with pytest.raises(AutodiscoverError) as raised:
        BT._answer(body, b"")
    assert (raised.value.code, str(raised.value)) == (code, message)


def test_only_settings_without_an_address_may_be_cached(http: httpx.Client) -> None:
    assert http.get(PATH).headers["cache-control"] == "public, max-age=3600"
    at_host = {"Host": "autodiscover.talk21.com"}
    for body in (request(), request("jürgen@talk21.com"), request("fred@example.org"), b""):
        assert http.post(PATH, content=body).headers["cache-control"] == "no-store"
        assert http.post(PATH, content=body, headers=at_host).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE a SYSTEM "{}">',
        '<!DOCTYPE a [<!ENTITY % b SYSTEM "{}">%b;]>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "{}">]>',
    ],
)
def test_nothing_is_fetched_for_a_request(doctype: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(AutodiscoverError, match="has a DOCTYPE"):
            read_request(f"{doctype.format(url)}<a>{'&b;' if 'ENTITY b' in doctype else ''}</a>".encode(), OFFERED)
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listener.accept()


@given(st.builds(bytes.__add__, st.sampled_from([b"", *autodiscover._ENCODING_SIGNATURES]), st.binary(max_size=2000)))
def test_any_bytes_are_a_valid_request_or_an_error(body: bytes) -> None:
    with pytest.raises(AutodiscoverError):
        read_request(body, OFFERED)


def test_a_password_in_a_request_changes_nothing_and_is_not_stored(server: Served) -> None:
    headers = {"Authorization": "Basic ZnJlZEBidGludGVybmV0LmNvbTpodW50ZXIy"}
    assert server.http.post(PATH, content=request(), headers=headers).content == (
        server.http.post(PATH, content=request()).content
    )
    assert "ZnJlZEBidGludGVybmV0LmNvbTpodW50ZXIy" not in server.printed()


SPACE = st.sampled_from(["", " ", "\n  ", "\r\n\t", "\x0b", "\N{NO-BREAK SPACE}"])


@st.composite
def near_plain_requests(draw: st.DrawFn) -> bytes:
    """Requests as clients write them, or similar ones."""
    declaration = draw(st.sampled_from(["", '<?xml version="1.0" encoding="utf-8"?>', '<?xml version="1.0" encoding="UTF-8" ?>',
                                        '<?xml version="1.0" encoding="utf-16"?>', '<?xml version="1.1"?>', " "]))  # fmt: skip
    local = draw(st.text("abcZ09._+-", max_size=66) | st.sampled_from(["a b", "&amp;", "a@b", "%40", "é"]))
    domain = draw(
        st.sampled_from(["btinternet.com", "BTinternet.com", "talk21.com", "talk21.com.", "example.com", "", "."])
    )
    namespace = draw(st.sampled_from([REQUEST_SCHEMA, REQUEST_SCHEMA.replace("http:", "https:"), "urn:x"]))
    schema = draw(st.sampled_from([RESPONSE_SCHEMA, RESPONSE_SCHEMA, MOBILESYNC_SCHEMA, ""]))
    fields = [
        f"<EMailAddress>{local}@{domain}</EMailAddress>",
        f"<AcceptableResponseSchema>{schema}</AcceptableResponseSchema>",
    ]
    fields = draw(st.sampled_from([fields, fields[::-1], [*fields, fields[0]], ["<LegacyDN>x</LegacyDN>", *fields]]))
    a, b, c, d, e = (draw(SPACE) for _ in range(5))
    inner = "".join(field + c for field in fields)
    return f'{declaration}{a}<Autodiscover xmlns="{namespace}">{b}<Request>{c}{inner}</Request>{d}</Autodiscover>{e}'.encode()


@given(near_plain_requests())
def test_the_fast_path_gives_the_response_of_the_parser(body: bytes) -> None:
    def outcome() -> tuple[int, bytes]:
        try:
            address, _ = read_request(body, OFFERED)
            return 0, BT.render(address)
        except AutodiscoverError as refused:
            return refused.code, b""

    code, expected = outcome()
    response = BT.respond(Request("POST", "https", b"", b"", b"", b"text/xml", len(body), body=body))
    assert isinstance(response, Response)
    assert (f"<ErrorCode>{code}<".encode() in response.body) if code else (response.body == expected)


@pytest.mark.parametrize("space", ["", "\n  "])
def test_requests_of_outlook_and_thunderbird_need_no_parser(space: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autodiscover, "read_request", None)
    body = re.sub(r"\n +|\n", space, request().decode()).encode()
    response = BT.respond(Request("POST", "https", b"", b"", b"", b"text/xml", len(body), body=body))
    assert isinstance(response, Response)
    assert len(protocols(response.body)) == 3
