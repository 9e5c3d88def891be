"""`bt-autoconfig init` against real mail servers, and a real Thunderbird that uses the resulting definition."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from autoconfig.definition import Server as Stated
from tests.clients import dns
from tests.clients.conftest import PASSWORD, serve
from tests.clients.mail import MailServers
from tests.clients.network import Network
from tests.clients.thunderbird import Server, Thunderbird
from tests.clients.tls import Authority, ReverseProxy
from tests.support import COMMAND, load

DOMAIN = "example.org"
USER = f"walter@{DOMAIN}"
OTHER_PRODUCT = """<?xml version="1.0"?>
<clientConfig version="1.1"><emailProvider id="example.org"><domain>example.org</domain>
<displayName>Example Mail</displayName>
<incomingServer type="imap"><hostname>mail.example.org</hostname><port>1993</port><socketType>SSL</socketType>
<authentication>password-cleartext</authentication><username>%EMAILADDRESS%</username></incomingServer>
<outgoingServer type="smtp"><hostname>mail.example.org</hostname><port>465</port><socketType>SSL</socketType>
<authentication>password-cleartext</authentication><username>%EMAILADDRESS%</username></outgoingServer>
</emailProvider></clientConfig>"""
"""The response of another product. Nothing listens on port 1993."""


@dataclass(frozen=True)
class Case:
    """A provider, and the settings and evidence that `init` must find."""

    zone: str
    names: tuple[str, ...]
    """The names in the mail servers' certificate."""
    servers: tuple[tuple[str, str, int, str], ...]
    evidence: tuple[str, ...]
    starttls: bool = False
    published: str = ""
    options: tuple[str, ...] = ()


CASES = {
    "implicit TLS, named by SRV records": Case(
        dns.records("mail") + "_imaps._tcp SRV 0 1 993 mail\n_submissions._tcp SRV 0 1 465 mail\n",
        ("mail.example.org",),
        (("imap", "mail.example.org", 993, "SSL"), ("smtp", "mail.example.org", 465, "SSL")),
        ("SRV records of example.org: imap mail.example.org:993 SSL", "AN ASSUMPTION: the username"),
    ),
    "STARTTLS only, at common names": Case(
        dns.records("imap", "smtp"),
        ("imap.example.org", "smtp.example.org"),
        (("imap", "imap.example.org", 143, "STARTTLS"), ("smtp", "smtp.example.org", 587, "STARTTLS")),
        ("Common names of example.org: imap imap.example.org", "The username is what you chose."),
        starttls=True,
        options=("--username", "localpart"),
    ),
    "only an MX record": Case(
        dns.records("mx", mx="mx.example.org"),
        ("mx.example.org",),
        (("imap", "mx.example.org", 993, "SSL"), ("pop3", "mx.example.org", 995, "SSL"),
         ("smtp", "mx.example.org", 465, "SSL")),
        ("MX records of example.org: imap mx.example.org", "A GUESS from the hostname"),
    ),
    "another product's autoconfig with a wrong port": Case(
        dns.records("mail"),
        ("mail.example.org",),
        (("imap", "mail.example.org", 993, "SSL"), ("smtp", "mail.example.org", 465, "SSL")),
        ("Wrong: 192.0.2.1 port 1993: connection refused. Port 993 with SSL works.",
         "The username is as published: %EMAILADDRESS%"),
        published=OTHER_PRODUCT,
    ),
}  # fmt: skip


@contextmanager
def other_product(lab: Network, published: str) -> Iterator[None]:
    """Serve another product's autoconfig file behind the reverse proxy."""
    if not published:
        yield
        return
    file = lab.folder / "other" / "mail" / "config-v1.1.xml"
    file.parent.mkdir(parents=True)
    file.write_text(published)
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "8000"]
    with subprocess.Popen(
        ["ip", "netns", "exec", lab.name, *command], cwd=file.parents[1], stderr=subprocess.DEVNULL
    ) as process:
        lab.wait_for_port(8000)
        yield
        process.terminate()


def init(lab: Network, authority: Authority, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the documented command in a folder. The lab's addresses count as private."""
    environment = [f"SSL_CERT_FILE={authority.certificate}", "BT_AUTOCONFIG_PRIVATE_ADDRESSES=1"]
    return subprocess.run(
        ["ip", "netns", "exec", lab.name, "env", *environment, COMMAND, *SHOWN.split()[1:], *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


SHOWN = f"bt-autoconfig init {DOMAIN} --output {DOMAIN}.xml"
PAGE = (Path(__file__).parents[2] / "docs" / "init.md").read_text()


def undated(text: str) -> str:
    """Return a text without dates."""
    return re.sub(r"\d{4}-\d\d-\d\d", "DATE", re.sub(r"\d+\s+more\s+days", "N more days", text))


@pytest.mark.parametrize("case", CASES)
def test_thunderbird_sets_itself_up_with_what_init_finds(
    lab: Network, authority: Authority, tmp_path: Path, case: str
) -> None:
    provider = CASES[case]
    dns.start(lab, {DOMAIN: provider.zone + dns.records("autoconfig")})
    user = "walter" if provider.starttls else USER
    certificate = authority.issue(*provider.names)
    MailServers(lab, provider.names[0], certificate, (DOMAIN,), {user: PASSWORD}, starttls=provider.starttls)
    ReverseProxy(lab, authority.issue(f"autoconfig.{DOMAIN}"))
    with other_product(lab, provider.published):
        done = init(lab, authority, tmp_path, *provider.options)
    assert done.returncode == 0, done.stderr
    file = tmp_path / f"{DOMAIN}.xml"
    text = file.read_text()
    assert all(evidence in text for evidence in provider.evidence), text
    validated = subprocess.run([COMMAND, "validate", file], capture_output=True, text=True, check=True)
    assert validated.stdout.startswith(f"{file}: valid\n")
    if provider.published:
        assert f"$ {SHOWN}\n{undated(done.stderr)}```" in undated(PAGE)
        assert f"```xml\n{undated(text)}```" in undated(PAGE)

    username = "%EMAILLOCALPART%" if provider.starttls else "%EMAILADDRESS%"
    assert load(file).first.servers == tuple(
        Stated(*server, ("password-cleartext",), username) for server in provider.servers
    )
    serve(lab, "--definition", file)
    result = Thunderbird(lab, authority).correspond(USER, PASSWORD)
    security = "alwaysSTARTTLS" if provider.starttls else "SSL"
    incoming, outgoing = (
        Server(type_, host, port, security, "passwordCleartext", user)
        for type_, host, port, _ in (provider.servers[0], provider.servers[-1])
    )
    assert (result.account.incoming, result.account.outgoing) == (incoming, outgoing)
    assert result.account.source == "xml-from-isp-https"
    assert result.subject == "To myself"


_OUTSIDE = "9.9.9.9"
"""A public IP address, which belongs to the lab here."""
_REMOTE_SERVER = """
import http.server, pathlib, socketserver, sys, threading
seen = pathlib.Path(sys.argv[1])

class Redirect(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", "http://127.0.0.1:8080/inside")
        self.end_headers()
        (seen / "redirected").touch()

class Inside(socketserver.BaseRequestHandler):
    def handle(self):
        (seen / "inside").touch()

for where in (("127.0.0.1", 8080), ("127.0.0.1", 993)):
    threading.Thread(target=socketserver.TCPServer(where, Inside).serve_forever).start()
http.server.HTTPServer((sys.argv[2], 80), Redirect).serve_forever()
"""


def test_a_remote_server_cannot_make_init_connect_to_internal_addresses(lab: Network, tmp_path: Path) -> None:
    """Neither by a redirect nor by an SRV record; both are reported."""
    subprocess.run(["ip", "-n", lab.name, "address", "add", f"{_OUTSIDE}/32", "dev", "inner"], check=True)
    zone = f"autoconfig A {_OUTSIDE}\ninside A 127.0.0.1\n_imaps._tcp SRV 0 1 993 inside\n"
    dns.start(lab, {DOMAIN: zone})
    lab.start("remote", [sys.executable, "-c", _REMOTE_SERVER, tmp_path, _OUTSIDE])
    lab.wait_for_port(80)
    command: list[str | Path] = [
        "ip",
        "netns",
        "exec",
        lab.name,
        COMMAND,
        "init",
        DOMAIN,
        "--no-database",
        "--timeout",
        "3",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1
    assert (
        f"http://autoconfig.{DOMAIN}/mail/config-v1.1.xml: 127.0.0.1 resolves to 127.0.0.1, an address" in done.stderr
    )
    assert f"imap inside.{DOMAIN}:993: inside.{DOMAIN} resolves to 127.0.0.1, an address" in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["redirected"]
