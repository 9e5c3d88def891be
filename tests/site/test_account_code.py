"""The QR code that sets up an account in Thunderbird for Android (qr-code-format.md, format version 1)."""

import json
import re
from typing import Any

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from autoconfig.address import MailAddress
from autoconfig.definition import EMBEDDED
from autoconfig.site import qr_code
from autoconfig.site.account_code import account_code
from autoconfig.site.qr_code import QRCode
from tests.site.test_setup_page import BT, read
from tests.support import Write, load

ATOM = st.text("abcdefghijklmnopqrstuvwxyz0123456789ABC!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=20)
LOCAL_PARTS = st.lists(ATOM, min_size=1, max_size=4).map(".".join)


def picture(drawn: QRCode) -> Image.Image:
    """Draw the path of a QR code as an SVG renderer does, with four pixels per module."""
    image = Image.new("L", (drawn.size * 4, drawn.size * 4), 255)
    x = y = 0.0
    for command, numbers in re.findall(r"([Mmh])([^Mmh]*)", drawn.path):
        right, *down = (float(number) for number in numbers.split())
        if command == "h":
            box = (x * 4, (y - 0.5) * 4, (x + right) * 4 - 1, (y + 0.5) * 4 - 1)
            ImageDraw.Draw(image).rectangle(box, fill=0)
        y = down[0] + (y if command == "m" else 0) if down else y
        x = right if command == "M" else x + right
    return image


def scanned(drawn: QRCode) -> str:
    (code,) = zxingcpp.read_barcodes(picture(drawn), formats=zxingcpp.barcode_formats_from_str("QRCode"))
    return str(code.text)


def account_of(address: str, *definitions: Any) -> Any:
    text = account_code(load(*(definitions or (EMBEDDED,))).first, MailAddress.parse(address))
    return None if text is None else json.loads(text)


def test_the_code_contains_the_whole_account_except_the_password() -> None:
    assert account_of("fred.bloggs@talk21.com") == [
        1,
        [1, 1],
        [0, "mail.btinternet.com", 993, 3, 1, "fred.bloggs@talk21.com"],
        [[[0, "mail.btinternet.com", 465, 3, 1, "fred.bloggs@talk21.com"], ["fred.bloggs@talk21.com", ""]]],
    ]


def test_there_is_no_code_if_the_app_cannot_log_in_to_the_outgoing_server(write: Write) -> None:
    cleartext, unknown = (
        f"<authentication>{method}</authentication>\n      <username>%EMAILADDRESS%"
        for method in ("password-cleartext", "x")
    )
    assert account_of("fred@example.com", write({cleartext: unknown})) is None


def test_security_methods_and_placeholders_are_those_of_the_definition(write: Write) -> None:
    definition = write({"imap.example.com": "%EMAILDOMAIN%"})
    incoming, ((outgoing, identity),) = account_of("fred@example.net", definition)[2:]
    assert incoming == [0, "example.net", 143, 2, 1, "fred"]
    assert outgoing == [0, "smtp.example.com", 587, 2, 1, "fred@example.net"]
    assert identity == ["fred@example.net", ""]


def test_pop3_is_in_the_code_only_without_imap(write: Write) -> None:
    assert account_of("fred@example.com", write({'type="imap"': 'type="ews"'}))[2] == [
        1, "pop.example.com", 110, 0, 2, "fred@example.com",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "number"),
    [("none", 0), ("password-encrypted", 2), ("GSSAPI", 3), ("NTLM", 4), ("TLS-client-cert", 5), ("OAuth2", 6)],
)
def test_every_method_has_its_number(write: Write, method: str, number: int) -> None:
    assert account_of("fred@example.com", write({"password-cleartext": method}))[2][4] == number


def test_an_smtp_server_without_a_username_gets_the_incoming_servers(write: Write) -> None:
    definition = write(
        {
            "<hostname>smtp.example.com</hostname>\n      <port>587</port>\n      <socketType>STARTTLS</socketType>\n"
            "      <authentication>password-cleartext</authentication>\n      <username>%EMAILADDRESS%</username>": "<hostname>smtp.example.com</hostname><port>587</port>"
            "<socketType>STARTTLS</socketType><authentication>none</authentication>"
        }
    )
    assert account_of("fred@example.com", definition)[3][0][0] == [0, "smtp.example.com", 587, 2, 0, "fred"]


@pytest.mark.parametrize("local", ["jürgen", '"fred bloggs"', "<fred>", "a..b", ".a", "a.", "a" * 200])
def test_an_address_that_the_format_or_the_app_does_not_support_has_no_code(local: str) -> None:
    assert account_of(f"{local}@btinternet.com") is None


@given(LOCAL_PARTS)
def test_scanning_a_code_gives_the_account(local: str) -> None:
    text = account_code(load(EMBEDDED).first, MailAddress(local, "btinternet.com"))
    if text is not None:
        assert scanned(qr_code.of_account(text)) == text


@given(st.text("abcdefghijklmnopqrstuvwxyz.-", min_size=1, max_size=80))
def test_scanning_a_code_gives_the_url(host: str) -> None:
    url = f"https://{host}/en/setup/iphone/"
    assert scanned(qr_code.of_url(url)) == url


def test_a_personal_code_is_not_cached() -> None:
    before = qr_code.of_url.cache_info().currsize
    read(BT, "/en/setup/thunderbird-android/", "autoconfig.btinternet.com", "fred.secret@btinternet.com")
    assert qr_code.of_url.cache_info().currsize <= before + 1  # the code of the page's URL


@pytest.mark.parametrize(("address", "codes"), [("fred@btinternet.com", 2), ("jürgen@btinternet.com", 1), ("", 1)])
def test_the_page_shows_an_account_code_if_there_is_one(address: str, codes: int) -> None:
    page = read(BT, "/en/setup/thunderbird-android/", address=address)
    drawn = [
        QRCode(svg.xpath("string(path/@d)"), int(svg.get("viewbox", svg.get("viewBox")).split()[2]))
        for svg in page.xpath("//svg[@role='img']")
    ]
    texts = [scanned(one) for one in drawn]
    assert len(texts) == codes
    assert texts[-1] == "https://autoconfig.btinternet.com/en/setup/thunderbird-android/"
    if codes == 2:
        assert json.loads(texts[0]) == account_of(address)
