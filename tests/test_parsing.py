import codecs

import pytest

from autoconfig.parsing import ParseError, parse

START = b'<clientConfig version="1.1">'


def problem(content: bytes) -> str:
    with pytest.raises(ParseError) as error:
        parse(content)
    return f"{error.value.remark.line}: {error.value.remark.text}"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "1: not well-formed XML: "),
        (b"nonsense", "1: not well-formed XML: Start tag expected"),
        (START, "1: not well-formed XML: Premature end of data"),
        (b"<!DOCTYPE a>" + START + b"</clientConfig>", "1: a definition has no DOCTYPE; remove it"),
        (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/"><a/>', "1: a definition has no DOCTYPE"),
        (
            b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><clientConfig>&b;</clientConfig>',
            "1: a definition has no DOCTYPE",
        ),
        (b"\n<config/>", "2: the first element is config; it must be clientConfig"),
        (b'<clientConfig xmlns="urn:x"/>', "1: clientConfig is in a namespace; leave out its xmlns attribute"),
        (b"<a>" * 300 + b"</a>" * 300, "1: not well-formed XML: "),
        (START + b"<a>" + b"x" * 10_000_001 + b"</a></clientConfig>", "1: not well-formed XML: "),
        (b"<\xc2\x9b31m/>", "1: not well-formed XML: "),
    ],
)
def test_a_file_that_is_not_a_definition_gets_an_error_with_its_line(content: bytes, text: str) -> None:
    assert problem(content).startswith(text)
    assert problem(content).isprintable()


FOREIGN = b"""<clientConfig version="1.1" xmlns:h="http://www.w3.org/1999/xhtml" h:onload="x">
  <emailProvider xml:base="https://evil.example/" id="x">one<h:script>alert(1)<domain/></h:script>two
    <domain>example.com<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>.net</domain>
    <note><h:script>alert(2)</h:script></note>
  </emailProvider>
</clientConfig>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_elements_and_attributes_of_other_namespaces_are_left_out_with_a_warning(encoding: str) -> None:
    content = FOREIGN.decode().encode(encoding)
    if encoding == "utf-16-le":
        content = codecs.BOM_UTF16_LE + content
    root, remarks = parse(content)
    assert sorted(f"{line}: {text}" for line, text in remarks) == [
        "1: attribute onload of clientConfig is from another namespace; it is left out",
        "2: attribute xml:base of emailProvider is from another namespace; it is left out",
        "2: element script is from another namespace; it is left out",
        "3: element svg is from another namespace; it is left out",
        "4: element script is from another namespace; it is left out",
    ]
    assert not [element for element in root.iter() if "{" in str(element.tag) or "{" in "".join(element.keys())]
    assert (root.nsmap, "alert" in "".join(map(str, root.itertext()))) == ({}, False)


def test_text_next_to_a_foreign_element_is_kept() -> None:
    root, _ = parse(FOREIGN)
    assert root.findtext("emailProvider/domain") == "example.com.net"
    provider = root.find("emailProvider")
    assert provider is not None
    assert (provider.text or "").strip() == "onetwo"


def test_comments_and_processing_instructions_do_not_split_a_value() -> None:
    root, remarks = parse(START + b"<port>9<!-- -->9<?x y?>3</port></clientConfig>")
    assert (root.findtext("port"), remarks) == ("993", [])


@pytest.mark.parametrize(
    "content",
    [
        "<x:y xmlns:x='urn:x'/>ttttttttttttttttttt" * 50_000,
        "<x:y xmlns:x='urn:x'>" * 200 + "</x:y>" * 200,
        "<y " + " ".join(f"xml:a{number}='1'" for number in range(5_000)) + "/>",
    ],
    ids=["elements with text between", "nested elements", "attributes"],
)
def test_many_foreign_elements_are_removed_in_seconds(content: str) -> None:
    root, remarks = parse(START + content.encode() + b"</clientConfig>")
    assert not [element for element in root.iter() if "{" in str(element.tag) + "".join(map(str, element.keys()))]
    assert remarks


def test_more_than_a_hundred_namespaces_are_rejected() -> None:
    elements = [f"<x:y xmlns:x='urn:{number}'/>".encode() for number in range(101)]
    _, remarks = parse(START + b"".join(elements[:100]) + b"</clientConfig>")
    assert len(remarks) == 100
    error = "1: there are more than 100 namespaces; leave them out"
    assert problem(START + b"".join(elements) + b"</clientConfig>") == error
