"""Templates make documents: a stylesheet of xml_templates/, run over a definition, gives bytes with named placeholders.

A request only fills the placeholders. They are written as in the definition's own format, `%EMAILADDRESS%`, so a
username passes through a template unchanged.
"""

import re
from collections.abc import Collection, Mapping
from copy import deepcopy
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from lxml import etree

from autoconfig.address import UNPRINTABLE, MailAddress


class TemplateError(Exception):
    """A stylesheet that does not compile or does not run; the text is `FILE:LINE: why`."""


class Document:
    """Fixed bytes with named placeholders: a response, except for what depends on the request.

    `source` is UTF-8 XML or HTML in which a placeholder is written `%NAME%`; `placeholders` are the names that count as
    placeholders. Any other per cent sign is text.
    """

    def __init__(self, source: bytes, placeholders: Collection[str]) -> None:
        parts = re.split(rb"%(" + "|".join(placeholders).encode() + rb")%", source) if placeholders else [source]
        places = [placeholder.decode() for placeholder in parts[1::2]]
        self.placeholders = frozenset(places)
        """The names of the placeholders in the source."""
        self._parts = parts
        self._names = list(dict.fromkeys(places))
        self._order = [self._names.index(place) for place in places]

    def fill(self, values: Mapping[str, str]) -> bytes:
        """Return the document with every placeholder filled, escaped for element content and attributes.

        Raises KeyError if a placeholder has no value.
        """
        texts = [values[name] for name in self._names]
        # Most text needs no escaping; one match for all of it is fast.
        filled = [text.encode() for text in texts] if _HARMLESS.fullmatch("".join(texts)) else [*map(_escape, texts)]
        parts = self._parts.copy()
        parts[1::2] = [filled[index] for index in self._order]
        return b"".join(parts)


_HARMLESS = re.compile(r"[A-Za-z0-9@._+/:-]*")


def _escape(text: str) -> bytes:
    return escape(UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)).encode()


_VARIABLE = "{http://www.w3.org/1999/XSL/Transform}variable"

ADDRESS_PLACEHOLDERS = frozenset({"EMAILADDRESS", "EMAILLOCALPART", "EMAILDOMAIN"})
"""The format's own placeholders (draft-ietf-mailmaint-autoconfig-06, section 3.8)."""
DOMAIN_PLACEHOLDERS = frozenset({"EMAILDOMAIN"})
"""The placeholders that need no address."""


def placeholder_values(address: MailAddress | None, domain: str) -> dict[str, str]:
    """Return the values of the placeholders for an address, or for any user of the domain."""
    if address is None:
        return {"EMAILDOMAIN": domain}
    return {"EMAILADDRESS": str(address), "EMAILLOCALPART": address.local, "EMAILDOMAIN": domain}


class _Includes(etree.Resolver):
    """Resolves includes: only other stylesheets in xml_templates/."""

    def resolve(self, system_url: str | None, public_id: str | None, context: Any) -> Any:  # noqa: ARG002 - lxml's
        name = Path(system_url or "").name
        try:
            content = files("xml_templates").joinpath(name).read_bytes()
        except OSError as error:
            raise TemplateError(f"xml_templates/{name}:1: cannot be included: {error.strerror}") from error
        return self.resolve_string(content, context, base_url=name)


class Template:
    """A compiled stylesheet (XSLT 1.0). It reads only the definition: no other file, no network.

    `variables` are trees that it can read too, as global variables with these names.
    """

    @classmethod
    def named(cls, name: str, variables: Mapping[str, etree._Element] | None = None) -> Self:
        """Compile xml_templates/NAME. Raises TemplateError."""
        return cls(name, files("xml_templates").joinpath(name).read_bytes(), variables)

    def __init__(self, name: str, stylesheet: bytes, variables: Mapping[str, etree._Element] | None = None) -> None:
        self._name = name
        try:
            parser = etree.XMLParser()
            parser.resolvers.add(_Includes())
            tree = etree.fromstring(stylesheet, parser, base_url=name)
            for variable, content in (variables or {}).items():
                etree.SubElement(tree, _VARIABLE, name=variable).append(deepcopy(content))
            self._transform = etree.XSLT(tree, access_control=etree.XSLTAccessControl.DENY_ALL)
        except etree.XMLSyntaxError as error:
            raise TemplateError(f"xml_templates/{name}:{error.lineno}: {error.msg}") from error
        except etree.XSLTParseError as error:
            raise self._error(error) from error

    def document(
        self, tree: etree._Element, placeholders: Collection[str] = (), /, **parameters: str | bool
    ) -> Document | None:
        """Run the stylesheet over a definition's tree; return None if it produces no document for this one.

        Parameters reach the stylesheet as XPath strings and booleans. Raises TemplateError.
        """
        arguments: dict[str, Any] = {
            name: f"{value}()".lower() if isinstance(value, bool) else etree.XSLT.strparam(value)
            for name, value in parameters.items()
        }
        result = self._run(tree, arguments)
        return None if result is None else Document(result, placeholders)

    def page(self, tree: etree._Element) -> bytes:
        """Run a stylesheet over a tree that is not a definition. Raises TemplateError."""
        return self._run(tree, {}) or b""

    def _run(self, tree: etree._Element, arguments: dict[str, Any]) -> bytes | None:
        try:
            result = self._transform(tree, **arguments)
        except etree.XSLTApplyError as error:
            raise self._error(error) from error
        return None if result.getroot() is None else bytes(result)  # type: ignore[call-overload]

    def required_document(
        self, tree: etree._Element, placeholders: Collection[str] = (), /, **parameters: str | bool
    ) -> Document:
        """Run a stylesheet that produces a document for every definition. Raises TemplateError."""
        document = self.document(tree, placeholders, **parameters)
        if document is None:
            raise TemplateError(f"xml_templates/{self._name}:1: produces no document")
        return document

    def _error(self, error: etree.LxmlError) -> TemplateError:
        entry = next((entry for entry in error.error_log if entry.line), None)
        name = entry.filename if entry and entry.filename.endswith(".xsl") else self._name
        reasons = dict.fromkeys(entry.message for entry in error.error_log)  # libxslt repeats some
        return TemplateError(f"xml_templates/{name}:{entry.line if entry else 1}: {'; '.join(reasons)}")
