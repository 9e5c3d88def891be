"""Validates definitions against definition.rng, and explains the errors.

libxml2 quickly finds whether a file is valid, but its errors name little more than the outermost element. So if a file
is invalid, each element is validated separately against its define, whose annotation is the text of the error.
"""

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from functools import cached_property
from typing import NamedTuple

from lxml import etree

from autoconfig.visible import visible

_RNG = "{http://relaxng.org/ns/structure/1.0}"
_DOCUMENTATION = "{http://relaxng.org/ns/compatibility/annotations/1.0}documentation"
_LAST_CERTAIN_LINE = 65_535
_LONGEST_QUOTE = 60  # characters of a wrong value that a message shows


class Remark(NamedTuple):
    """A remark on a line of a definition file."""

    line: int
    text: str


class Grammar:
    """A RELAX NG grammar in the style that definition.rng describes; `rng` is its text."""

    def __init__(self, rng: bytes) -> None:
        self._tree = etree.fromstring(rng)
        self._relaxng = etree.RelaxNG(self._tree)
        self._grammars: dict[str, etree.RelaxNG] = {}
        """Grammars for one element, by the name of its define."""

    def errors(self, root: etree._Element) -> list[Remark]:
        """Return why a document is invalid, in document order; an empty list if it is valid."""
        if self._relaxng.validate(root):
            return []
        # What the grammar rejects is never accepted, even if no define alone explains why.
        remarks = list(self._explain(root))
        return remarks or [Remark(error.line, error.message) for error in self._relaxng.error_log]

    @cached_property
    def _defines(self) -> dict[str, etree._Element]:
        """The element pattern of each define that has an annotation, by the name of the define."""
        patterns = self._tree.iterfind(f"{_RNG}define/{_RNG}element[{_DOCUMENTATION}]")
        return {parent.get("name", ""): pattern for pattern in patterns if (parent := pattern.getparent()) is not None}

    @cached_property
    def _required(self) -> dict[str, list[str]]:
        """The elements, and attributes with an @, that an element must have, by the name of its define."""
        return {name: list(self._required_by(pattern)) for name, pattern in self._defines.items()}

    def _required_by(self, pattern: etree._Element) -> Iterator[str]:
        for part in pattern.iterchildren(etree.Element):
            kind = str(part.tag).removeprefix(_RNG)
            if kind == "attribute" and part.get("name"):
                yield f"@{part.get('name')}"
            elif kind in ("interleave", "oneOrMore"):
                yield from self._required_by(part)
            elif kind == "ref" and (define := self._tree.find(f"{_RNG}define[@name='{part.get('name')}']")) is not None:
                element = define.find(f"{_RNG}element")
                if element is None:
                    yield from self._required_by(define)
                else:
                    yield str(element.get("name"))

    def _define(self, element: etree._Element) -> str | None:
        """Return the name of an element's define: NAME.TYPE or NAME."""
        tag = str(element.tag)
        return next((name for name in (f"{tag}.{element.get('type')}", tag) if name in self._defines), None)

    def _checked_children(self, element: etree._Element) -> Iterator[etree._Element]:
        """Yield the children of an element, unless the grammar allows any content in it."""
        name = self._define(element)
        if name and self._defines[name].find(f"{_RNG}ref[@name='anyContent']") is None:
            yield from element.iterchildren(etree.Element)

    def _explain(self, element: etree._Element) -> Iterator[Remark]:
        if (name := self._define(element)) is None:
            return
        children = list(element.iterchildren(etree.Element))
        if name not in self._grammars:
            self._grammars[name] = self._alone(name)
        if not self._grammars[name].validate(_shallow(element, children)):
            complaint = self._defines[name].findtext(_DOCUMENTATION, "")
            missing = [one for one in self._required[name] if not _has(element, one)]
            if missing:
                text = f"{complaint}; this one has no {' and no '.join(one.lstrip('@') for one in missing)}"
                yield Remark(line_of(element), f"{element.tag!s} {text}")
            elif children:
                counts = Counter(quote(str(child.tag)) for child in children)
                content = ", ".join(tag if number == 1 else f"{number} {tag}" for tag, number in counts.items())
                yield Remark(line_of(element), f"{element.tag!s} {complaint}; this one contains {content}")
            else:
                value = quote(element.text or "")
                yield Remark(line_of(element), f"{element.tag!s} {value} {complaint}".replace("  ", " "))
        for child in self._checked_children(element):
            yield from self._explain(child)

    def _alone(self, name: str) -> etree.RelaxNG:
        """Return the grammar for one element alone: its children may have any content."""
        tree = deepcopy(self._tree)
        for start in tree.iterfind(f"{_RNG}start/{_RNG}ref"):
            start.set("name", name)
        for pattern in tree.iterfind(f"{_RNG}define/{_RNG}element[{_DOCUMENTATION}]"):
            if (define := pattern.getparent()) is not None and define.get("name") != name:
                del pattern[:]
                etree.SubElement(pattern, f"{_RNG}ref", name="anything")
        return etree.RelaxNG(tree)


def line_of(element: etree._Element) -> int:
    """Return the line on which an element starts, counted from 1.

    After line 65,534, libxml2 keeps the line only until the element's text is replaced.
    """
    return element.sourceline or _LAST_CERTAIN_LINE


def _shallow(element: etree._Element, children: list[etree._Element]) -> etree._Element:
    """Return a copy of an element whose children are empty."""
    copy = etree.Element(element.tag, dict(element.attrib))
    copy.text = element.text
    for child in children:
        etree.SubElement(copy, child.tag).tail = child.tail
    return copy


def _has(element: etree._Element, required: str) -> bool:
    return bool(element.get(required[1:])) if required.startswith("@") else element.find(required) is not None


def quote(text: str, longest: int = _LONGEST_QUOTE) -> str:
    """Return foreign text for a message: on one line, visible, and truncated if it is long."""
    text = " ".join(text.split())
    return visible(f"{text[:longest]}…" if len(text) > longest else text)


def unlisted(count: int, kind: str) -> str:
    """Return the words for remarks that are not listed: `and 1 more error`, `and 4,900 more errors`."""
    return f"and {count:,} more {kind}{'' if count == 1 else 's'}"
