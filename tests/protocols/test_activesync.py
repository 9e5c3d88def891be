import httpx
import pytest
from lxml import etree

from autoconfig.address import MailAddress
from autoconfig.directory import NotServedError
from autoconfig.protocols.activesync import ActiveSync
from tests.support import Write, client_for, load, run

PATH = "/autodiscover/autodiscover.xml"
JSON_PATH = "/autodiscover/autodiscover.json"
SCHEMAS = "http://schemas.microsoft.com/exchange/autodiscover/"
MOBILESYNC = f"{SCHEMAS}mobilesync/responseschema/2006"
OUTLOOK = f"{SCHEMAS}outlook/responseschema/2006a"
NAMES = {"a": f"{SCHEMAS}responseschema/2006", "m": MOBILESYNC}
SYNC_URL, EWS_URL = "https://sync.example.com/Microsoft-Server-ActiveSync", "https://ews.example.com/Exchange.asmx"
EXCHANGE = f"""
    <incomingServer type="ews">
      <url>{EWS_URL}</url><authentication system="http">Basic</authentication><username>%EMAILADDRESS%</username>
    </incomingServer>
    <incomingServer type="activeSync">
      <url>{SYNC_URL}</url><authentication>OAuth2</authentication><username>%EMAILADDRESS%</username>
    </incomingServer>
  </emailProvider>"""
FRED = MailAddress("fred", "example.com")


def request(*responses: str, namespace: str = "mobilesync", address: str = str(FRED)) -> bytes:
    accepted = "".join(f"<AcceptableResponseSchema>{one}</AcceptableResponseSchema>" for one in responses)
    return (
        f'<Autodiscover xmlns="{SCHEMAS}{namespace}/requestschema/2006"><Request>'
        f"<EMailAddress>{address}</EMailAddress>{accepted}</Request></Autodiscover>"
    ).encode()


def test_settings_without_an_address_cannot_be_rendered(write: Write) -> None:
    refused = run("render", "activesync", "--definition", write({"</emailProvider>": EXCHANGE}))
    assert refused.returncode == 1
    assert refused.stderr == "ActiveSync settings contain an address; give one with --emailaddress\n"


def error_code(response: httpx.Response) -> str:
    assert response.status_code == 200
    return etree.fromstring(response.content).findtext("a:Response/a:Error/a:ErrorCode", "", NAMES)


def test_a_phone_gets_the_activesync_url_in_the_mobilesync_schema(write: Write) -> None:
    with client_for(write({"</emailProvider>": EXCHANGE})) as http:
        response = http.post(PATH, content=request(MOBILESYNC))
    assert (response.status_code, response.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    assert response.headers["cache-control"] == "no-store"
    found = etree.fromstring(response.content).find("m:Response", NAMES)
    assert found is not None
    text = {path: found.findtext(f"m:{path.replace('/', '/m:')}", None, NAMES) for path in (
        "Culture", "User/DisplayName", "User/EMailAddress", "Action/Settings/Server/Type",
        "Action/Settings/Server/Url", "Action/Settings/Server/Name",
    )}  # fmt: skip
    assert list(text.values()) == ["en:us", str(FRED), str(FRED), "MobileSync", SYNC_URL, SYNC_URL]


def test_the_accepted_schema_selects_the_response_regardless_of_the_namespace(write: Write) -> None:
    with client_for(write({"</emailProvider>": EXCHANGE})) as http:
        for body, settings in (
            (request(MOBILESYNC, namespace="outlook"), b"MobileSync"),
            (request(OUTLOOK), b"<Type>IMAP</Type>"),
            (request(MOBILESYNC, OUTLOOK), b"<Type>IMAP</Type>"),
        ):
            assert settings in http.post(PATH, content=body).content


def test_a_provider_without_activesync_responds_that_the_schema_is_not_offered(http: httpx.Client) -> None:
    body = request(MOBILESYNC, address="fred@btinternet.com")
    assert error_code(http.post(PATH, content=body)) == "601"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (request(MOBILESYNC, address="fred@example.org"), "500"),
        (request(MOBILESYNC, address=""), "600"),
        (request(), "600"),
        (request("http://example.com/"), "601"),
        (request(MOBILESYNC, namespace="telepathy"), "600"),
    ],
)
def test_other_requests_get_the_same_errors_as_outlooks(http: httpx.Client, body: bytes, code: str) -> None:
    assert error_code(http.post(PATH, content=body)) == code


def test_markup_in_an_address_is_escaped(write: Write) -> None:
    body = ActiveSync(load(write({"</emailProvider>": EXCHANGE}))).render(MailAddress("<a&b>", "example.com"))
    assert etree.fromstring(body).findtext("m:Response/m:User/m:EMailAddress", None, NAMES) == "<a&b>@example.com"


def test_render_reports_a_provider_without_activesync(write: Write) -> None:
    with pytest.raises(NotServedError, match="has no ActiveSync"):
        ActiveSync(load(write())).render(FRED)


@pytest.mark.parametrize(("name", "url"), [("ActiveSync", SYNC_URL), ("EWS", EWS_URL)])
def test_outlook_gets_the_url_in_json_if_the_provider_has_it(write: Write, name: str, url: str) -> None:
    with client_for(write({"</emailProvider>": EXCHANGE})) as http:
        for spelling in (name, name.lower(), name.upper()):
            response = http.get(JSON_PATH, params={"Email": str(FRED), "Protocol": spelling})
            assert response.json() == {"Protocol": name, "Url": url}


def test_placeholders_in_a_url_are_filled_if_their_values_are_known(write: Write) -> None:
    url = "https://sync.%EMAILDOMAIN%/?u=%EMAILLOCALPART%"
    file = write({"</emailProvider>": EXCHANGE.replace(SYNC_URL, url)})
    with client_for(file) as http:
        response = http.get(JSON_PATH, params={"Email": "b&c@example.net", "Protocol": "ActiveSync"})
        assert response.json()["Url"] == "https://sync.example.net/?u=b%26c"
        assert http.get(JSON_PATH, params={"Protocol": "ActiveSync"}).status_code == 400
