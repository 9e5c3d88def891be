"""Foreign text, made safe to show on a terminal, in a log or in a report.

Foreign text is everything that this project did not write: definition files, filenames, arguments, DNS records and
server responses. Control characters can write to a terminal's clipboard, change its title or clear its screen.
Bidirectional and invisible characters make a text look like another one.
"""

_INVISIBLE = frozenset(
    chr(code)
    for first, last in (
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x2800, 0x2800),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0),
        (0xE0100, 0xE01EF),
    )
    for code in range(first, last + 1)
)
"""Letters and marks without a shape: Unicode's Default_Ignorable_Code_Point those that `isprintable` accepts."""


def visible(text: str, longest: int | None = None) -> str:
    r"""Return the text with every character visible and harmless.

    Control characters (including line breaks), bidirectional and zero-width characters, spaces other than ASCII's,
    surrogates and unassigned characters become `\x1b`, `\u202e` or `\U000e0001`. Texts of more than `longest`
    characters are truncated and end in `…`. Applying it twice changes nothing.
    """
    if not text.isprintable() or not _INVISIBLE.isdisjoint(text):
        text = "".join(map(_escaped, text if longest is None else text[: longest + 1]))
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"


def _escaped(character: str) -> str:
    if character.isprintable() and character not in _INVISIBLE:
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
