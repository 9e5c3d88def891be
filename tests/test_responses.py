import httpx
import pytest

from tests.protocols.test_autodiscover import request

XML = [
    ("GET", "/mail/config-v1.1.xml", b""),
    ("GET", "/mail/config-v1.1.xml?emailaddress=fred@btinternet.com", b""),
    ("GET", "/.well-known/autoconfig/mail/config-v1.1.xml", b""),
    ("GET", "/v1.1/btinternet.com", b""),
    ("GET", "/autodiscover/autodiscover.xml", b""),
    ("POST", "/autodiscover/autodiscover.xml", request()),
    ("POST", "/autodiscover/autodiscover.xml", b"no XML"),
]


@pytest.mark.parametrize(("method", "path", "body"), XML)
def test_no_browser_runs_anything_in_a_response_of_xml(http: httpx.Client, method: str, path: str, body: bytes) -> None:
    response = http.request(method, path, content=body)
    assert response.headers["content-type"] == "text/xml; charset=utf-8"
    assert response.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert response.headers["x-content-type-options"] == "nosniff"
