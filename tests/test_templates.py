import plistlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from autoconfig.definition import EMBEDDED
from autoconfig.templates import Document, Template, TemplateError
from tests.support import load

BT = load(EMBEDDED).first.root


def test_a_hole_is_filled_with_text() -> None:
    document = Document(b"<a b='%NAME%'>%NAME% and %OTHER%</a>", ("NAME", "OTHER"))
    assert document.fill({"NAME": "x", "OTHER": "y"}) == b"<a b='x'>x and y</a>"


def test_per_cent_signs_that_are_no_holes_stay() -> None:
    assert Document(b"100%, %(NAME)s, %OTHER%, %%", ("NAME",)).fill({"NAME": "x"}) == b"100%, %(NAME)s, %OTHER%, %%"


def test_what_fills_a_hole_is_not_searched_for_holes() -> None:
    document = Document(b"%NAME%-%OTHER%", ("NAME", "OTHER"))
    assert document.fill({"NAME": "%OTHER%", "OTHER": "%(NAME)b"}) == b"%OTHER%-%(NAME)b"


def test_a_hole_without_a_text_is_an_error_and_not_an_empty_answer() -> None:
    with pytest.raises(KeyError):
        Document(b"%NAME%", ("NAME",)).fill({})


@given(st.text())
def test_whatever_fills_a_hole_stays_text_in_elements_and_in_attributes(text: str) -> None:
    document = Document(b"<a b=\"%NAME%\" c='%NAME%'>%NAME%</a>", ("NAME",))
    root = etree.fromstring(document.fill({"NAME": text}))
    assert not len(root)
    assert set(root.attrib) == {"b", "c"}
    xml_can_carry = all(character >= " " and character not in "\x7f\ufffe\uffff" for character in text)
    if xml_can_carry and not any("\x80" <= c <= "\x9f" or c in "\u2028\u2029" for c in text):
        assert (root.text or "", root.get("b"), root.get("c")) == (text, text, text)


@given(st.text())
def test_whatever_fills_a_hole_of_a_profile_apples_format_reads_it_back(text: str) -> None:
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
def test_a_stylesheet_that_does_not_compile_is_named_with_its_line(content: str, reason: str) -> None:
    with pytest.raises(TemplateError, match=f"^xml_templates/{reason}"):
        Template("broken.xsl", STYLESHEET.format(content).encode())


def test_a_stylesheet_that_gives_up_says_why() -> None:
    message = "<xsl:template match='/'><xsl:message terminate='yes'>no smtp</xsl:message></xsl:template>"
    template = Template("strict.xsl", STYLESHEET.format(message).encode())
    with pytest.raises(TemplateError, match=r"^xml_templates/strict\.xsl:1: no smtp"):
        template.document(BT)


def test_a_stylesheet_can_read_no_file_but_the_definition(tmp_path: Path) -> None:
    secret = tmp_path / "secret.xml"
    secret.write_text("<secret>x</secret>")
    reading = f"<xsl:template match='/'><a><xsl:value-of select=\"document('{secret}')\"/></a></xsl:template>"
    template = Template("nosy.xsl", STYLESHEET.format(reading).encode())
    with pytest.raises(TemplateError):
        template.document(BT)


def test_a_stylesheet_that_makes_nothing_has_no_document() -> None:
    template = Template("silent.xsl", STYLESHEET.format("<xsl:template match='/'/>").encode())
    assert template.document(BT) is None
    with pytest.raises(TemplateError, match="produces no document"):
        template.required_document(BT)


@pytest.mark.parametrize(
    "href", ["nothing.xsl", "../tests/example.xml", "/etc/hostname", "http://127.0.0.1:1/page.xsl"]
)
def test_a_stylesheet_includes_others_of_its_folder_only(href: str) -> None:
    with pytest.raises(TemplateError, match=r"^xml_templates/[a-z.]+:1: cannot be included"):
        Template("main.xsl", STYLESHEET.format(f"<xsl:include href='{href}'/>").encode())


def test_a_fault_in_an_included_stylesheet_is_told_with_its_file() -> None:
    including = "<xsl:include href='setup_texts.xsl'/><xsl:template match='/'/>"
    with pytest.raises(TemplateError, match=r"^xml_templates/setup_texts\.xsl:\d+: .*catalogue"):
        Template("main.xsl", STYLESHEET.format(including).encode()).document(BT)


def test_a_stylesheet_reads_the_trees_that_it_is_given() -> None:
    reading = """<xsl:template match='/'><a><xsl:copy-of xmlns:exsl='http://exslt.org/common'
        select='exsl:node-set($words)/words/word[2]'/></a></xsl:template>"""
    words = etree.fromstring("<words><word>one</word><word>two</word></words>")
    document = Template("main.xsl", STYLESHEET.format(reading).encode(), {"words": words}).required_document(BT)
    assert document.fill({}).endswith(b"<word>two</word></a>\n")
