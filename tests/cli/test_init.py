"""`bt-autoconfig init` as its users run it: files, options, questions on a terminal, and what it prints."""

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from autoconfig.operations.discovery.discover import Discovery, Found, Service
from autoconfig.operations.discovery.settle import Server
from autoconfig.operations.discovery.verify import Verified, VerifiedService
from tests.operations.discovery.provider import DOMAIN, IMPLICIT, Provider, trusted
from tests.operations.hosts import Handler, lines, send, web
from tests.support import COMMAND, run

MAIL = f"mail.{DOMAIN}"
SRV = {
    (f"_imaps._tcp.{DOMAIN}", "SRV"): [f"0 1 {{imap}} {MAIL}."],
    (f"_submissions._tcp.{DOMAIN}", "SRV"): [f"0 1 {{smtp}} {MAIL}."],
}


@contextmanager
def options(provider: Provider) -> Iterator[list[str]]:
    """Run a provider; yield the options that `init` needs to find it."""
    with provider.running() as (resolver, _, _), trusted():
        yield ["--resolver", resolver, "--private-addresses", "--no-database", "--timeout", "5"]


@pytest.fixture(scope="module")
def known() -> Iterator[list[str]]:
    with options(Provider(IMPLICIT, records=SRV)) as known:
        yield known


def test_without_a_file_the_definition_goes_to_stdout_and_messages_to_stderr(known: list[str]) -> None:
    done = run("init", DOMAIN, *known)
    assert done.returncode == 0
    assert done.stdout.startswith("<?xml")
    assert done.stdout.endswith("</clientConfig>\n")
    printed = re.sub(r":\d+ ", ":PORT ", done.stderr).splitlines()
    assert [one for one in printed if not one.startswith("  warning: ")] == [
        f"{DOMAIN}: the definition is on stdout, with:",
        f"  imap {MAIL}:PORT SSL, password-cleartext",
        f"  smtp {MAIL}:PORT SSL, password-cleartext",
        "  assumed: users log in with the whole address; otherwise use --username localpart",
        f"Next, with this output in {DOMAIN}.xml:",
        f"  bt-autoconfig validate {DOMAIN}.xml",
        f"  bt-autoconfig serve --definition {DOMAIN}.xml",
        f"  bt-autoconfig dns --definition {DOMAIN}.xml --host setup.{DOMAIN}",
    ]


def test_the_suggested_next_commands_work(known: list[str], tmp_path: Path) -> None:
    file = tmp_path / "it's mine.xml"
    done = run("init", DOMAIN, *known, "--output", file, "--username", "localpart")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith(f"{DOMAIN}: written to {file}, with:\n")
    assert "\nNext:\n" in done.stderr
    assert "assumed" not in done.stderr
    assert "%EMAILLOCALPART%" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o644
    validate, _, dns = [line for line in done.stderr.splitlines() if line.startswith("  bt-autoconfig")]
    for command in (validate, dns):
        printed = subprocess.run(
            command.strip().replace("bt-autoconfig", str(COMMAND), 1), shell=True, capture_output=True, check=True
        ).stdout.decode()
        assert f"{MAIL}" in printed


def test_an_existing_file_is_replaced_only_with_force(known: list[str], tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    file.write_text("mine")
    refused = run("init", DOMAIN, *known, "--output", file)
    assert (refused.returncode, file.read_text()) == (1, "mine")
    assert refused.stderr == f"{file}: already exists; choose another --output, or replace it with --force\n"
    assert run("init", DOMAIN, *known, "--output", file, "--force").returncode == 0
    assert file.read_text().startswith("<?xml")
    assert [one.name for one in tmp_path.iterdir()] == ["a.xml"]
    assert run("init", DOMAIN, *known, "--output", tmp_path / "new.xml", "--force").returncode == 0


def test_a_file_created_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "a.xml"

    async def handle(*streams: object) -> None:
        file.write_text("mine")
        await lines(b"* OK hello\r\n", b"* CAPABILITY AUTH=PLAIN\r\nc OK\r\n")(*streams)  # type: ignore[arg-type]

    with options(Provider({**IMPLICIT, ("imap", "SSL"): handle}, records=SRV)) as known:
        refused = run("init", DOMAIN, *known, "--output", file)
    assert (refused.returncode, file.read_text()) == (1, "mine")
    assert f"{file}: cannot be written: File exists" in refused.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["a.xml"]


@pytest.mark.parametrize("target", ["there", "nowhere"])
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_symbolic_link_is_not_followed(known: list[str], tmp_path: Path, target: str, force: list[str]) -> None:
    (tmp_path / "there").write_text("mine")
    file = tmp_path / "a.xml"
    file.symlink_to(tmp_path / target)
    assert run("init", DOMAIN, *known, "--output", file, *force).returncode == 1
    assert (tmp_path / "there").read_text() == "mine"
    assert file.is_symlink()
    assert not (tmp_path / "nowhere").exists()


def test_a_filename_that_is_too_long_is_refused(tmp_path: Path) -> None:
    file = tmp_path / ("a" * 300 + ".xml")
    for force in ([], ["--force"]):
        refused = run("init", DOMAIN, "--output", file, *force)
        assert (refused.returncode, refused.stderr) == (1, f"{file}: cannot be written: File name too long\n")


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_file_that_is_not_regular_is_refused_without_advice_to_force(tmp_path: Path, force: list[str]) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for file in (tmp_path / "fifo", tmp_path / "link"):
        refused = run("init", DOMAIN, "--output", file, *force)
        reason = f"{file}: is not a regular file; choose another --output\n"
        assert (refused.returncode, refused.stderr) == (1, reason)


def test_a_missing_folder_is_not_created(known: list[str], tmp_path: Path) -> None:
    refused = run("init", DOMAIN, *known, "--output", tmp_path / "no" / "a.xml")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == f"{tmp_path / 'no'}: is not a folder; create it first"


def test_a_filename_that_starts_with_a_hyphen_is_not_an_option(known: list[str], tmp_path: Path) -> None:
    command = [COMMAND, "init", DOMAIN, *known, "--output=-a.xml"]
    done = subprocess.run(list(map(str, command)), cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "  bt-autoconfig validate ./-a.xml" in done.stderr


def test_an_error_lists_what_was_tried_if_nothing_is_found() -> None:
    with options(Provider()) as nothing:
        done = run("init", DOMAIN, *nothing)
    assert (done.returncode, done.stdout) == (1, "")
    printed = done.stderr.splitlines()
    assert printed[0].startswith(f"{DOMAIN}: found no mail server that clients can use; a definition needs an incoming")
    assert any(line.startswith(f"  MX of {DOMAIN}: none") for line in printed)
    assert any(line.startswith(f"  imap imap.{DOMAIN}:993") for line in printed)


def test_a_resolver_that_does_not_answer_is_reported() -> None:
    done = run("init", DOMAIN, "--resolver", "127.0.0.1:1", "--timeout", "0.5", "--max-time", "5")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("The DNS does not answer: check this machine's network")


def test_a_calendar_is_reported() -> None:
    dav = f"dav.{DOMAIN}"
    unauthorized = web(b'HTTP/1.1 401 X\r\nWWW-Authenticate: Basic realm="a"\r\nContent-Length: 0\r\n\r\n')
    records = {
        **SRV,
        (f"_caldavs._tcp.{DOMAIN}", "SRV"): [f"0 1 {{dav}} {dav}."],
        (f"_caldavs._tcp.{DOMAIN}", "TXT"): ['"path=/cal/"'],
    }
    provider = Provider({**IMPLICIT, ("dav", "SSL"): unauthorized}, names=(MAIL, dav), records=records)
    with options(provider) as known:
        done = run("init", DOMAIN, *known)
    url = f"https://{dav}:{provider.ports['dav']}/cal/"
    assert f"  caldav {url}, Basic\n" in done.stderr
    assert f"<url>{url}</url>" in done.stdout


def test_an_incomplete_account_is_not_written() -> None:
    records = {(f"_imaps._tcp.{DOMAIN}", "SRV"): [f"0 1 {{imap}} {MAIL}."]}
    with options(Provider(IMPLICIT, records=records)) as half:
        done = run("init", DOMAIN, *half)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{DOMAIN}: found only imap; a definition needs" in done.stderr


def test_the_warnings_about_a_definition_are_printed(known: list[str]) -> None:
    """The servers of the test are not on the default ports."""
    done = run("init", DOMAIN, *known)
    assert [one for one in done.stderr.splitlines() if one.startswith("  warning: ")]


@pytest.mark.parametrize(
    ("given", "requested"), [("/v1.1", "/v1.1/"), ("/v1.1/", "/v1.1/"), ("/?domain=", "/?domain=")]
)
def test_the_domain_is_appended_to_the_url_of_the_database(given: str, requested: str) -> None:
    provider = Provider()
    with provider.running() as (resolver, at, _):
        host = at.removeprefix("http://")
        run("init", DOMAIN, "--resolver", resolver, "--private-addresses", "--database", f"http://{host}{given}")
    assert provider.requests == [f"GET {host}{requested}{DOMAIN}"]


def discovers(monkeypatch: pytest.MonkeyPatch, found: Found) -> None:
    """Let `init` discover this."""

    async def find(_: Discovery) -> Found:
        return found

    monkeypatch.setattr(Discovery, "find", find)


def server(type_: str, *evidence: str, guessed: bool = False) -> Server:
    port = {"imap": 993, "pop3": 995, "smtp": 465}[type_]
    verified = Verified(type_, MAIL, port, "SSL", ("password-cleartext",), "")
    return Server(verified, ("password-cleartext", "OAuth2"), "%EMAILADDRESS%", evidence, guessed)


def test_what_was_found_is_printed_with_what_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Found(DOMAIN, "2026-11-26")
    found.servers = [
        server("imap", "Published at a.", "Wrong: port 1 is closed.", "Verified.", "CHECK: this arrived over http."),
        server("smtp", guessed=True),
    ]
    dav = VerifiedService("caldav", "https://dav.provider.example/", ("Basic", "Digest"), "")
    found.services = [Service(dav, "%EMAILADDRESS%", ())]
    found.remarks = ["a", "b", "a"]
    discovers(monkeypatch, found)
    done = run("init", DOMAIN)
    assert done.returncode == 0
    assert [one for one in done.stderr.splitlines() if "warning" not in one][:8] == [
        f"{DOMAIN}: the definition is on stdout, with:",
        f"  imap {MAIL}:993 SSL, password-cleartext, OAuth2",
        "    Wrong: port 1 is closed.",
        "    CHECK: this arrived over http.",
        f"  smtp {MAIL}:465 SSL, password-cleartext, OAuth2 (a guess: log in once to verify it)",
        "  caldav https://dav.provider.example/, Basic, Digest",
        "  left out: a",
        "  left out: b",
    ]


@pytest.mark.parametrize(
    ("tried", "advice"),
    [
        (["a: none", "the lookup of b failed"], "If you know the servers, write the definition by hand: "),
        (["the lookup of b failed", "PACC: not finished in time"], "The DNS does not answer: "),
    ],
)
def test_a_failure_lists_what_was_tried_once_and_ends_with_advice(
    monkeypatch: pytest.MonkeyPatch, tried: list[str], advice: str
) -> None:
    found = Found(DOMAIN, "2026-11-26", [server("pop3"), server("imap")])
    found.tried, found.remarks = tried, [tried[0], "c"]
    discovers(monkeypatch, found)
    done = run("init", DOMAIN)
    assert (done.returncode, done.stdout) == (1, "")
    first, *lines, last = done.stderr.splitlines()
    assert first == (f"{DOMAIN}: found only imap, pop3; a definition needs an incoming and an outgoing server. Tried:")
    assert lines == [f"  {one}" for one in (*tried, "c")]
    assert last.startswith(advice)


def test_guesses_and_hosting_are_reported() -> None:
    records = {
        ("customer.example", "MX"): [f"10 {MAIL}."],
        ("_imaps._tcp.customer.example", "SRV"): [f"0 1 {{imap}} {MAIL}."],
        ("_submissions._tcp.customer.example", "SRV"): [f"0 1 {{smtp}} {MAIL}.", "9 1 1 gone.provider.example."],
        ("_pop3s._tcp.customer.example", "SRV"): ["0 1 1 gone.provider.example."],
    }
    with options(Provider(IMPLICIT, records=records)) as known:
        done = run("init", "customer.example", *known)
        provider = run("init", "customer.example", *known, "--provider")
    assert done.returncode == 0
    assert (
        f"  for customer.example only; if you are {DOMAIN}, use --provider to write one for all your customers"
        in done.stderr
    )
    assert "  left out: SRV records of customer.example: pop3 gone.provider.example:1" in done.stderr
    assert f'<domain purpose="mx">{DOMAIN}</domain>' in provider.stdout
    assert "only; if you are" not in provider.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fred@example.org"], "fred@example.org is not a domain name; give the domain after the @"),
        (["localhost"], "localhost is not a domain name; give one such as example.org"),
        (["192.0.2.1"], "is not a domain name"),
        (["_dmarc.example.org"], "is not a domain name"),
        (["a b"], "is not a domain name"),
        (["example.org", "--database", "file:///etc/passwd"], "file:///etc/passwd is not a URL such as https://"),
        (["example.org", "--database", "https://[/"], "is not a URL"),
        (["example.org", "--database", "https://a:b@c.example/"], "is not a URL"),
        (["example.org", "--database", "https://a.example:0/"], "is not a URL"),
        (["example.org", "--database", "https://a.example/\x1b[2J"], r"https://a.example/\x1b[2J is not a URL"),
        (["example.org", "--resolver", "nowhere"], "nowhere is not an IP address"),
        (["example.org", "--username", "fred"], "'fred' is not one of 'address', 'localpart'"),
    ],
)
def test_invalid_arguments_are_explained(arguments: list[str], message: str) -> None:
    done = run("init", *arguments)
    assert done.returncode in (1, 2)
    assert message in done.stderr


def test_the_database_is_queried_for_the_domain() -> None:
    """Nothing listens there. The message names the URL."""
    with Provider().running() as (resolver, _, _):
        arguments = ["--resolver", resolver, "--private-addresses", "--database", "http://127.0.0.1:1/v1.1"]
        done = run("init", "provider.example", *arguments)
    assert "  http://127.0.0.1:1/v1.1/provider.example: 127.0.0.1 port 1: connection refused" in done.stderr


# On a terminal


def on_a_terminal(arguments: Sequence[str], answers: dict[str, str], seconds: float = 60) -> tuple[int, str]:
    """Run the command on a terminal and answer its questions. Return its exit status and output."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([COMMAND, *arguments], stdin=theirs, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown, deadline = "", time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 1)[0]:
                continue
            try:
                shown += os.read(ours, 65536).decode()
            except OSError:  # it has ended
                break
            for question in [one for one in answers if one in shown]:
                os.write(ours, f"{answers.pop(question)}\n".encode())
        try:
            process.communicate(timeout=10)
        finally:
            process.kill()
    os.close(ours)
    assert answers == {}
    return process.returncode, shown


def test_on_a_terminal_it_asks_for_the_username_and_shows_progress(known: list[str], tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    question = "the part before the @ (localpart)? (address, localpart) [address]:"
    status, shown = on_a_terminal(["init", DOMAIN, *known, "--output", str(file)], {question: "localpart"})
    assert status == 0
    assert "%EMAILLOCALPART%" in file.read_text()
    assert "connecting to mail servers" in shown


def test_on_a_terminal_it_asks_which_domains_the_definition_is_for(tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    records = {
        ("customer.example", "MX"): [f"10 {MAIL}."],
        ("_imaps._tcp.customer.example", "SRV"): [f"0 1 {{imap}} {MAIL}."],
        ("_submissions._tcp.customer.example", "SRV"): [f"0 1 {{smtp}} {MAIL}."],
    }
    with options(Provider(IMPLICIT, records=records)) as known:
        arguments = ["init", "customer.example", *known, "--username", "address", "--output", str(file)]
        status, _ = on_a_terminal(arguments, {f"Is the definition for all domains that {DOMAIN} hosts?": "y"})
    assert status == 0
    assert f'<domain purpose="mx">{DOMAIN}</domain>' in file.read_text()


EVIL = b"\x1b]52;c;QUFB\x07\xe2\x80\xae[bold red]"


def evil(type_: str) -> Handler:
    greeting = {"imap": b"* OK ", "smtp": b"220 ", "pop3": b"+OK "}[type_]
    return lines(greeting + EVIL + b"\r\n", EVIL + b"\r\nc BAD " + EVIL + b"\r\n250 " + EVIL + b"\r\n")


def test_text_from_remote_servers_cannot_control_the_terminal() -> None:
    servers = {(type_, "SSL"): evil(type_) for type_ in ("imap", "smtp", "pop3")}
    records = {
        **SRV,
        (DOMAIN, "MX"): [r"10 \027[2J.example.", f"20 {MAIL}."],
        (f"_pop3s._tcp.{DOMAIN}", "SRV"): [r"0 1 995 \027]52\;c\;QUFB\007.example."],
        (f"_caldavs._tcp.{DOMAIN}", "SRV"): [r"0 1 443 dav.example."],
        (f"_caldavs._tcp.{DOMAIN}", "TXT"): [r'"path=/\027[2J"'],
    }
    with options(Provider(servers, records=records)) as known:
        status, shown = on_a_terminal(["init", DOMAIN, *known], {})
    assert status == 1
    assert "\x1b]52" not in shown
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown
    assert re.search(r"found no mail server", shown)


def test_a_host_that_sends_slowly_takes_no_longer_than_the_time_limit() -> None:
    async def drip(_: object, writer: object) -> None:
        await send(writer, forever=b"-", pause=0.05)  # type: ignore[arg-type]

    servers = {(type_, "SSL"): drip for type_ in ("imap", "smtp", "pop3")}
    began = time.monotonic()
    with options(Provider(servers, records=SRV)) as known:
        done = run("init", DOMAIN, *known, "--timeout", "60", "--max-time", "4")
    assert done.returncode == 1
    assert time.monotonic() - began < 20
