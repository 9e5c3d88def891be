import plistlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from autoconfig.address import MailAddress
from autoconfig.definition import EMBEDDED
from autoconfig.templates import (
    ADDRESS_PLACEHOLDERS,
    DOMAIN_PLACEHOLDERS,
    Document,
    Template,
    TemplateError,
    placeholder_values,
)
from tests.support import load

BT = load(EMBEDDED).first.root


def test_a_placeholder_is_filled_with_text() -> None:
    document = Document(b"<a b='%NAME%'>%NAME% and %OTHER%</a>", ("NAME", "OTHER"))
    assert document.fill({"NAME": "x", "OTHER": "y"}) == b"<a b='x'>x and y</a>"


def test_percent_signs_outside_placeholders_are_kept() -> None:
    assert Document(b"100%, %(NAME)s, %OTHER%, %%", ("NAME",)).fill({"NAME": "x"}) == b"100%, %(NAME)s, %OTHER%, %%"


def test_placeholders_in_a_value_are_not_filled() -> None:
    document = Document(b"%NAME%-%OTHER%", ("NAME", "OTHER"))
    assert document.fill({"NAME": "%OTHER%", "OTHER": "%(NAME)b"}) == b"%OTHER%-%(NAME)b"


def test_a_placeholder_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        Document(b"%NAME%", ("NAME",)).fill({})


@given(st.text())
def test_any_value_remains_text_in_elements_and_attributes(text: str) -> None:
    document = Document(b"<a b=\"%NAME%\" c='%NAME%'>%NAME%</a>", ("NAME",))
    root = etree.fromstring(document.fill({"NAME": text}))
    assert not len(root)
    assert set(root.attrib) == {"b", "c"}
    representable = all(character >= " " and character not in "\x7f\ufffe\uffff" for character in text)
    if representable and not any("\x80" <= c <= "\x9f" or c in "\u2028\u2029" for c in text):
        assert (root.text or "", root.get("b"), root.get("c")) == (text, text, text)


def test_characters_that_xml_cannot_contain_are_replaced() -> None:
    assert Document(b"%NAME%", ("NAME",)).fill({"NAME": "a\0<\x85b"}).decode() == "a\ufffd&lt;\ufffdb"


def test_placeholders_are_filled_for_an_address_or_for_any_user_of_a_domain() -> None:
    fred = MailAddress("fred", "example.com")
    values = {"EMAILADDRESS": "fred@example.com", "EMAILLOCALPART": "fred", "EMAILDOMAIN": "example.com"}
    assert placeholder_values(fred, "example.com") == values
    assert placeholder_values(None, "example.com") == {"EMAILDOMAIN": "example.com"}
    assert values.keys() == ADDRESS_PLACEHOLDERS > DOMAIN_PLACEHOLDERS == {"EMAILDOMAIN"}


@given(st.text())
def test_a_profile_is_valid_with_any_value(text: str) -> None:
    document = Document(b'<plist version="1.0"><string>%NAME%</string></plist>', ("NAME",))
    assert isinstance(plistlib.loads(document.fill({"NAME": text}), fmt=plistlib.FMT_XML), str)


STYLESHEET = '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">\n{}\n</xsl:stylesheet>'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<xsl:template match='/'>", "broken.xsl:3: Opening and ending tag mismatch"),
        ("<xsl:template match='/'><xsl:value-of select='//['/></xsl:template>", "broken.xsl:2: "),
        ("<xsl:frobnicate/>", "broken.xsl:2: "),
    ],
)
def test_an_invalid_stylesheet_is_reported_with_its_line(content: str, reason: str) -> None:
    with pytest.raises(TemplateError, match=f"^xml_templates/{reason}"):
        Template("broken.xsl", STYLESHEET.format(content).encode())


def test_a_stylesheet_that_terminates_gives_the_reason() -> None:
    message = "<xsl:template match='/'><xsl:message terminate='yes'>no smtp</xsl:message></xsl:template>"
    template = Template("strict.xsl", STYLESHEET.format(message).encode())
    with pytest.raises(TemplateError, match=r"^xml_templates/strict\.xsl:1: no smtp"):
        template.document(BT)


def test_a_stylesheet_can_read_only_the_definition(tmp_path: Path) -> None:
    secret = tmp_path / "secret.xml"
    secret.write_text("<secret>x</secret>")
    reading = f"<xsl:template match='/'><a><xsl:value-of select=\"document('{secret}')\"/></a></xsl:template>"
    template = Template("nosy.xsl", STYLESHEET.format(reading).encode())
    with pytest.raises(TemplateError):
        template.document(BT)


def test_a_stylesheet_without_output_has_no_document() -> None:
    template = Template("silent.xsl", STYLESHEET.format("<xsl:template match='/'/>").encode())
    assert template.document(BT) is None
    with pytest.raises(TemplateError, match="produces no document"):
        template.required_document(BT)


@pytest.mark.parametrize(
    "href", ["nothing.xsl", "../tests/example.xml", "/etc/hostname", "http://127.0.0.1:1/page.xsl"]
)
def test_a_stylesheet_includes_only_files_in_its_folder(href: str) -> None:
    with pytest.raises(TemplateError, match=r"^xml_templates/[a-z.]+:1: cannot be included"):
        Template("main.xsl", STYLESHEET.format(f"<xsl:include href='{href}'/>").encode())


def test_an_error_in_an_included_stylesheet_names_its_file() -> None:
    including = "<xsl:include href='setup_texts.xsl'/><xsl:template match='/'/>"
    with pytest.raises(TemplateError, match=r"^xml_templates/setup_texts\.xsl:\d+: .*catalogue"):
        Template("main.xsl", STYLESHEET.format(including).encode()).document(BT)


@pytest.mark.parametrize(("flag", "content"), [(True, b"it's"), (False, b"")])
def test_a_stylesheet_can_have_texts_and_booleans_as_parameters(flag: bool, content: bytes) -> None:
    reading = """<xsl:param name='flag'/><xsl:param name='text'/><xsl:output omit-xml-declaration='yes'/>
        <xsl:template match='/'><a>x<xsl:if test='$flag'><xsl:value-of select='$text'/></xsl:if></a></xsl:template>"""
    document = Template("main.xsl", STYLESHEET.format(reading).encode()).required_document(BT, flag=flag, text="it's")
    assert document.fill({}).strip() == b"<a>x%b</a>" % content


def test_a_stylesheet_can_read_its_variables() -> None:
    reading = """<xsl:template match='/'><a><xsl:copy-of xmlns:exsl='http://exslt.org/common'
        select='exsl:node-set($words)/words/word[2]'/></a></xsl:template>"""
    words = etree.fromstring("<words><word>one</word><word>two</word></words>")
    document = Template("main.xsl", STYLESHEET.format(reading).encode(), {"words": words}).required_document(BT)
    assert document.fill({}).endswith(b"<word>two</word></a>\n")
