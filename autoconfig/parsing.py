"""Parses a definition file into a tree without elements or attributes of other namespaces."""

from collections.abc import Iterator

from lxml import etree

from autoconfig.grammar import Remark, line_of, quote

MAX_ELEMENTS = 25_000
"""Elements in a definition, not counting domains. libxml2 validates this many in a second, and twice as many in
four."""

MAX_ATTRIBUTES = 100
"""Attributes of an element. libxml2's validation takes memory that grows with the square of their number."""
_MAX_NAMESPACES = 100
_XML = "{http://www.w3.org/XML/1998/namespace}"


class ParseError(Exception):
    """Bytes that are not a definition: `remark` says why, and where."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.remark = Remark(line, text)


def parse(content: bytes) -> tuple[etree._Element, list[Remark]]:
    """Return the root of a definition's tree, and remarks on what was left out: everything from other namespaces.

    In a browser that shows the served file, an XHTML script would run. Comments and processing instructions are left
    out without a remark. Nothing is fetched or expanded; libxml2's own limits apply (elements 256 deep, texts of 10
    MB). Raises ParseError.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        reason = (error.msg or "").replace(", use XML_PARSE_HUGE option", "")
        raise ParseError(error.lineno or 1, f"not well-formed XML: {quote(reason, 200)}") from error
    if root.getroottree().docinfo.doctype:
        raise ParseError(1, "a definition has no DOCTYPE; remove it")
    if root.tag != "clientConfig":
        name = etree.QName(root)
        if name.namespace and name.localname == "clientConfig":
            raise ParseError(line_of(root), "clientConfig is in a namespace; leave out its xmlns attribute")
        raise ParseError(line_of(root), f"the first element is {quote(name.localname)}; it must be clientConfig")
    # Without xmlns or xml: there is no other namespace. UTF-16 hides both.
    has_names = b"xmlns" in content or b"xml:" in content or b"\0" in content
    return root, list(_without_foreign(root)) if has_names else []


def _without_foreign(root: etree._Element) -> Iterator[Remark]:
    namespaces: set[str] = set()
    for element in root.iter(etree.Element):
        namespace = etree.QName(element).namespace
        if namespace:
            namespaces.add(namespace)
            if len(namespaces) > _MAX_NAMESPACES:
                raise ParseError(line_of(element), f"there are more than {_MAX_NAMESPACES} namespaces; leave them out")
            if element.xpath("not(ancestor::*[namespace-uri()])"):
                yield Remark(line_of(element), f"element {_name(element)} is from another namespace; it is left out")
            continue
        for name in map(str, element.keys()):
            if name.startswith("{"):
                del element.attrib[name]
                shown = quote(name.replace(_XML, "xml:").rpartition("}")[2])
                text = f"attribute {shown} of {_name(element)} is from another namespace; it is left out"
                yield Remark(line_of(element), text)
    if namespaces:
        etree.strip_elements(root, *(f"{{{namespace}}}*" for namespace in namespaces), with_tail=False)
    etree.cleanup_namespaces(root)


def _name(element: etree._Element) -> str:
    return quote(etree.QName(element).localname)
