import httpx
import pytest

from tests.support import Write, client_for

PATH = "/autodiscover/autodiscover.json"
FOUND = {
    "Protocol": "AutodiscoverV1",
    "Url": "https://autodiscover.talk21.com/autodiscover/autodiscover.xml",
}


@pytest.mark.parametrize(
    "url",
    [
        f"{PATH}?Email=fred@talk21.com&Protocol=AutodiscoverV1",
        f"{PATH}?Email=fred%40talk21.com&Protocol=Autodiscoverv1&RedirectCount=1",
        f"{PATH}?email=fred@TALK21.com&protocol=AUTODISCOVERV1",
        "/Autodiscover/Autodiscover.json?Email=fred@talk21.com&Protocol=AutodiscoverV1",
        f"{PATH}/v1.0/fred@talk21.com?Protocol=AutodiscoverV1",
        f"{PATH}/V1.0/fred%40talk21.com?protocol=autodiscoverv1&RedirectCount=3",
    ],
)
def test_outlook_gets_the_url_of_the_xml(http: httpx.Client, url: str) -> None:
    response = http.get(url)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == FOUND


def test_without_an_address_the_host_identifies_the_provider(http: httpx.Client) -> None:
    response = http.get(PATH, params={"Protocol": "AutodiscoverV1"}, headers={"Host": "autodiscover.talk21.com"})
    assert response.json() == FOUND


def test_a_hosted_domain_gets_the_url_of_its_provider(write: Write) -> None:
    with client_for(write({"<domain>example.com": '<domain purpose="mx">example.com'})) as http:
        response = http.get(PATH, params={"Email": "fred@customer.example", "Protocol": "AutodiscoverV1"})
    assert response.json()["Url"] == "https://autodiscover.example.com/autodiscover/autodiscover.xml"


NOT_OFFERED = "This protocol is not offered here; AutodiscoverV1 is."


@pytest.mark.parametrize(
    ("query", "status", "code", "message"),
    [
        ("Email=fred@talk21.com&Protocol=EWS", 400, "InvalidProtocol", NOT_OFFERED),
        ("Email=fred@talk21.com&Protocol=ActiveSync", 400, "InvalidProtocol", NOT_OFFERED),
        ("Email=fred@talk21.com&Protocol=%3Cb%3E", 400, "InvalidProtocol", NOT_OFFERED),
        ("Email=fred@talk21.com", 400, "MandatoryParameterMissing", "The parameter Protocol is missing."),
        (
            "Email=fred@talk21.com&Email=joe@talk21.com&Protocol=AutodiscoverV1",
            400,
            "InvalidRequest",
            "The parameter email is given twice.",
        ),
        ("Email=nonsense&Protocol=AutodiscoverV1", 400, "InvalidRequest", "The parameter email has no @."),
        (
            "Email=fred@example.org&Protocol=AutodiscoverV1",
            404,
            "UserNotFound",
            "the domain of this address is not served here.",
        ),
    ],
)
def test_other_requests_get_an_error_in_json_that_quotes_nothing(
    http: httpx.Client, query: str, status: int, code: str, message: str
) -> None:
    response = http.get(f"{PATH}?{query}")
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {"ErrorCode": code, "ErrorMessage": message}


def test_an_invalid_address_in_the_path_is_an_error(http: httpx.Client) -> None:
    response = http.get(f"{PATH}/v1.0/nonsense?Protocol=AutodiscoverV1")
    assert response.status_code == 400
    assert response.json() == {"ErrorCode": "InvalidUserId", "ErrorMessage": "The address has no @."}
