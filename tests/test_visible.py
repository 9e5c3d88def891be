"""Foreign text is made visible in the output and errors of every command."""

import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoconfig.visible import visible
from tests.operations.hosts import check, listening, resolver, web
from tests.support import COMMAND, Write, failure, run

EVIL = "\x9b2J\x1b]52;c;QUFB\x07\u202etxt.exe\u200b\u2028\u061c\ufeff[bold red]x[/]"
"""Clears the screen, writes to the clipboard, reverses text, hides text, breaks lines, and is markup to rich."""
EVIL_XML = re.sub("[\x1b\x07\u2028]", "", EVIL)  # XML 1.0 has no C0 characters, and whitespace in values is collapsed
SHOWN_XML = r"\x9b2J]52;c;QUFB\u202etxt.exe\u200b\u061c\ufeff[bold red]x[/]"


def is_visible(text: str) -> bool:
    """Return whether every character of a text, except line breaks, is visible."""
    return all(
        character == "\n" or (character.isprintable() and unicodedata.category(character)[0] != "C")
        for character in text
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, naïve, 例え, 😀, a\\b", "plain text, naïve, 例え, 😀, a\\b"),
        ("\x1b[31m\x00\x7f\x9b", r"\x1b[31m\x00\x7f\x9b"),
        ("a\r\n\tb\x85\u2028\u2029", r"a\x0d\x0a\x09b\x85\u2028\u2029"),
        ("\u202a\u202b\u202c\u202d\u202e\u2066\u2069\u200e\u200f\u061c", r"\u202a\u202b\u202c\u202d\u202e\u2066\u2069\u200e\u200f\u061c"),
        ("\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u3164\ufe0f", r"\u200b\u200c\u200d\u2060\ufeff\xad\u034f\u3164\ufe0f"),
        ("\U000e0041\U000e0100\ue000\udcff\uffff", r"\U000e0041\U000e0100\ue000\udcff\uffff"),
    ],
)  # fmt: skip
def test_invisible_characters_are_shown_as_escapes_and_others_unchanged(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_long_text_is_truncated() -> None:
    assert visible("abcdef", 6) == "abcdef"
    assert visible("abcdefg", 6) == "abcde…"
    assert visible("\x1b" * 10**6, 6) == r"\x1b\…"


@given(st.text(), st.none() | st.integers(1, 50))
def test_any_text_becomes_one_visible_line_and_escaping_is_idempotent(text: str, longest: int | None) -> None:
    shown = visible(text, longest)
    assert is_visible(shown)
    assert "\n" not in shown
    assert longest is None or len(shown) <= longest
    assert visible(shown, longest) == shown


def is_clean(done: subprocess.CompletedProcess[str]) -> bool:
    return is_visible(done.stdout) and is_visible(done.stderr) and "Traceback" not in done.stderr


@pytest.mark.parametrize("format_", ["--json", "--timeout=1"])
def test_text_from_servers_and_the_dns_cannot_control_a_terminal(format_: str) -> None:
    domain = "talk21.com"
    dns = {
        ("mail.btinternet.com", "A"): ["127.0.0.1"],
        (f"_ua-auto-config.{domain}", "TXT"): [r'"v=UAAC1 \027]52;c;AAAA\007\226\128\174"'],
        (f"_imaps._tcp.{domain}", "SRV"): [r"0 0 993 \027[2J[red].example."],
        (f"_autodiscover._tcp.{domain}", "SRV"): [r"0 0 443 [link=a]\226\128\174.example."],
    }
    head = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nContent-%s: \x9b2J[bold red]\xe2\x80\xae\r\nLocation: \x9b2J[bold]://\r\n\r\n"
    with resolver(dns) as address:
        results = [check("--resolver", address, "--domain", domain, "--timeout", 1, format_)]
        for status, name in ((200, b"Type"), (302, b"Type"), (200, b"Encoding")):
            with listening(web(head % (status, name))) as port:
                url = f"http://127.0.0.1:{port}"
                results.append(check("--url", url, "--resolver", address, "--domain", domain, "--timeout", 1, format_))
    printed = "".join(result.stdout for result in results)
    assert is_visible(printed)
    assert all(result.stderr == "" for result in results)
    texts = printed if format_ != "--json" else "".join(line["text"] for result in results for line in result.lines)
    for text in (r"\x9b2J[bold", r"\x80®", r"\027[2J[red].example", "[link=a]", r"\x9b2J[bold]://"):
        assert text in texts


def test_a_terminal_gets_only_the_reports_own_escapes() -> None:
    """rich writes its own escapes to a terminal, and no others."""
    script = (
        "import asyncio, sys; from rich.console import Console\n"
        "from autoconfig.operations.report import Report, Problem\n"
        "from autoconfig.operations.report_table import show\n"
        "async def fails(): raise Problem(sys.argv[1], sys.argv[1])\n"
        "async def run():\n report = Report(); report.add('area', sys.argv[1], fails())\n"
        " await show(report, Console(force_terminal=True, width=500))\n"
        "asyncio.run(run())"
    )
    done = subprocess.run([sys.executable, "-c", script, EVIL], capture_output=True, text=True, check=True)
    assert done.stdout.count(r"\x9b2J\x1b]52;c;QUFB\x07\u202etxt.exe\u200b\u2028\u061c\ufeff[bold red]x[/]") >= 3
    assert "\x1b]52" not in done.stdout
    assert not set("\x9b\x07\u202e\u200b\u2028\u061c\ufeff") & set(done.stdout)


@pytest.mark.parametrize(
    "command",
    [["validate"], ["dns", "--host", "a.example", "--definition"], ["check", "--definition"], ["serve", "--definition"],
     ["export", "/nonexistent/x", "--definition"], ["render", "pacc", "--definition"]],
)  # fmt: skip
@pytest.mark.parametrize(
    "replacements",
    [{">143<": f">{EVIL_XML}<"}, {">example.com<": f">{EVIL_XML}<"}, {"<emailProvider": f"<{EVIL_XML}"},
     {">plain<": f">{EVIL_XML}<", ">143<": f">{EVIL_XML}<"}],
)  # fmt: skip
def test_errors_quote_definitions_visibly(write: Write, command: list[str], replacements: dict[str, str]) -> None:
    done = run(*command, write(replacements))
    assert done.returncode == failure(command[0])
    assert is_clean(done)
    assert done.stderr


def test_validate_shows_a_definitions_text_visibly(write: Write) -> None:
    file = write({">Example Mail<": f">{EVIL_XML}<", "</emailProvider>": f"<x{chr(0x200C)}y/></emailProvider>"})
    done = run("validate", file)
    assert done.returncode == 0
    assert is_clean(done)
    assert SHOWN_XML in done.stdout
    assert r"x\u200cy is not an element" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [[EVIL], ["serve", EVIL], ["serve", f"--{EVIL}"], ["serve", "--port", EVIL], ["serve", "--public-url", EVIL],
     ["serve", "--trusted-proxies", EVIL], ["render", EVIL], ["render", "autoconfig", "--emailaddress", EVIL],
     ["dns", "--host", EVIL], ["dns", "--host", "a.example", "--domain", EVIL], ["dns", "--host", "a", "--format", EVIL],
     ["check", "--url", EVIL], ["check", "--resolver", EVIL], ["check", "--timeout", EVIL], ["check", "--domain", EVIL],
     ["export"], ["export", "/dev/null/\x1b[2J"], ["serve", "--sign-cert", EVIL, "--sign-key", EVIL], ["validate", EVIL]],
    ids=str,
)  # fmt: skip
def test_errors_quote_arguments_visibly(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode in (failure(arguments[0], 1), failure(arguments[0], 2))
    assert done.stderr
    assert is_clean(done)


def test_errors_quote_environment_variables_visibly() -> None:
    assert is_clean(run("serve", BT_AUTOCONFIG_PORT=EVIL))


@pytest.mark.parametrize(
    "name", ["\x1b]0;title\x07", "a\nb", "\u202egpj", "[bold]", b"\xff\x9b2J".decode(errors="surrogateescape")]
)
def test_filenames_are_shown_visibly(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / f"{name}.xml").write_text("<clientConfig>")
    for file in (folder, folder / f"{name}.xml", folder / name):
        done = run("validate", file)
        assert done.returncode == 1
        assert is_clean(done)
        assert len(done.stderr.splitlines()) == 1
    assert is_clean(run("export", folder / "other"))  # refused if web servers cannot use the path
    exported = run("export", folder / "site", "--root", "/srv/site")
    assert exported.returncode == 0
    assert is_clean(exported)
    (folder / "site" / "manifest.json").write_text("{")
    refused = run("export", folder / "site", "--root", "/srv/site")
    assert refused.returncode == 1
    assert is_clean(refused)


def test_characters_that_a_terminal_cannot_show_become_escapes(write: Write) -> None:
    file = write({">Example Mail<": ">例え<"})
    encoding = "latin-1"
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([COMMAND, "validate", file], capture_output=True, text=True, check=False, env=environment)
    assert r"\u4f8b\u3048" in done.stdout
    with resolver({}) as address:
        command = [str(COMMAND), "check", "--resolver", address, "--timeout", "1"]
        table = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert table.returncode == 1
    assert rb"\u2717 " in table.stdout  # ✗
    assert table.stderr == b""
