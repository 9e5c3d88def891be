"""The search for personal data in files."""

import base64
from urllib.parse import quote

import pytest

from tests.deploy.traces import traces

SECRET = "fred.bloggs"


@pytest.mark.parametrize(
    "text",
    [
        "GET /?emailaddress=fred.bloggs@btinternet.com",
        "FRED.BLOGGS%40BTINTERNET.COM",
        "".join(f"%{ord(letter):02X}" for letter in "fred.bloggs"),
        quote(quote(quote("%66red.bloggs"))),
        r"fred\x2ebloggs",
        r"fred.bl\u006fggs",
        r"fred\056bloggs",
        "fred=2Ebloggs",
        "fred&#46;bloggs",
        "667265642e626c6f676773",
        *(
            base64.b64encode(f"{'x' * offset}fred.bloggs@btinternet.com:secret".encode()).decode()
            for offset in range(3)
        ),
        "fred.bloggs".encode("utf-16-le").decode("latin-1"),
    ],
)
def test_an_encoded_address_is_found(text: str) -> None:
    assert traces(f"before {text} after".encode("latin-1"), [SECRET]) == [SECRET]


@pytest.mark.parametrize(
    "text", ["192.0.2.77:4711", "[2001:db8::77]:443", "2001:0db8:0000:0000:0000:0000:0000:0077", "c000024d"]
)
def test_an_ip_address_is_found(text: str) -> None:
    assert len(traces(text.encode(), ["192.0.2.77", "2001:db8::77"])) == 1


def test_other_text_is_not_found() -> None:
    assert traces(b"GET /mail/config-v1.1.xml 200 frederick bloggs 192.0.2.1", [SECRET, "192.0.2.77"]) == []
