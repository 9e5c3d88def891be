"""The files of `bt-autoconfig export`, served by nginx and Caddy with the exported configurations."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from autoconfig.definition import EMBEDDED
from tests.clients.network import ADDRESS, Network, network
from tests.clients.tls import Authority
from tests.deploy.proxies import CLIENT, CLIENT_6, add_addresses, exchange, request, send, status
from tests.deploy.traces import traces_in_files
from tests.support import COMMAND, Write

HEADERS = {
    "content-type", "cache-control", "content-security-policy", "x-content-type-options", "access-control-allow-origin", "vary",
    "content-language", "referrer-policy", "content-disposition",
}  # fmt: skip
"""The headers to compare: all except the entity tag, the length and the date."""
CUSTOMER = "customer.example"


class Response(NamedTuple):
    status: str
    headers: dict[str, str]
    body: str

    @classmethod
    def read(cls, text: str) -> "Response":
        headers, _, body = text.partition("\r\n\r\n")
        fields = [line.partition(": ")[::2] for line in headers.split("\r\n")[1:]]
        names = [name.lower() for name, _ in fields]
        assert len(names) == len(set(names)), headers
        return cls(status(text), {name.lower(): value for name, value in fields}, body)

    def compared(self) -> tuple[str, dict[str, str], str]:
        return self.status, {name: value for name, value in self.headers.items() if name in HEADERS}, self.body


class Exported(NamedTuple):
    """An export that nginx or Caddy serves, and the server itself in the same network."""

    lab: Network
    folder: Path
    manifest: dict[str, Any]

    def urls(self) -> list[tuple[str, str]]:
        """Return the host and the path of each exported file."""
        return [
            (host, entry["path"])
            for site in self.manifest["sites"]
            for host in site["hosts"]
            for entry in site["paths"]
        ]

    def redirects(self) -> list[tuple[str, str, str]]:
        return [(host, entry["path"], entry["location"]) for site in self.manifest["sites"] for host in site["hosts"]
                for entry in site["redirects"]]  # fmt: skip

    def get(
        self, urls: list[tuple[str, str]], *, tls: str = "any", ipv6: bool = False, method: str = "GET"
    ) -> list[Response]:
        sent = [
            exchange(request(f"{method} {path} HTTP/1.1", host), sni=host, tls=tls, ipv6=ipv6) for host, path in urls
        ]
        return [Response.read(text) for text in send(self.lab, sent)]

    def get_from_server(self, urls: list[tuple[str, str]]) -> list[Response]:
        sent = [
            exchange(request(f"GET {path} HTTP/1.1", host, "X-Forwarded-Proto: https"), tls="", port=8000)
            for host, path in urls
        ]
        return [Response.read(text) for text in send(self.lab, sent)]


def nginx(lab: Network, folder: Path, hosts: list[str]) -> None:
    chain, key = Authority(lab.folder).issue(*hosts)
    file = lab.folder / "nginx.conf"
    file.write_text(
        f"daemon off; user root; pid {lab.folder}/nginx.pid; error_log stderr; events {{}}\n"
        f"http {{ include /etc/nginx/mime.types; access_log {lab.folder}/access.log; include {folder}/nginx-http.conf;\n"
        "server { listen 80; listen [::]:80; listen 443 ssl; listen [::]:443 ssl; "
        f"ssl_certificate {chain}; ssl_certificate_key {key}; include {folder}/nginx-server.conf; }} }}\n"
    )
    lab.start("nginx", ["nginx", "-c", file, "-p", lab.folder])


def caddy(lab: Network, folder: Path, hosts: list[str]) -> None:
    file = lab.folder / "Caddyfile"
    own = ", ".join(f"{scheme}://{host}" for host in hosts if not host.startswith(("autoconfig.", "ua-auto-config."))
                    for scheme in ("http", "https"))  # fmt: skip
    file.write_text(
        f"{{\n\tadmin off\n\tlocal_certs\n\tskip_install_trust\n}}\nimport {folder}/Caddyfile\n{own} {{\n\timport bt_autoconfig\n}}\n"
    )
    home = str(lab.folder / "caddy")
    command: list[str | Path] = ["caddy", "run", "--adapter", "caddyfile", "--config", file]
    lab.start("caddy", command, HOME=home, XDG_CONFIG_HOME=home, XDG_DATA_HOME=home)


@pytest.fixture(scope="module", params=[nginx, caddy])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    """An export of three definitions: BT's, one whose settings depend on the domain, and one that hosts domains."""
    write = Write(tmp_path_factory.mktemp("definitions"))
    hosting = {
        "example.com": "hosting.example",
        "<domain>example.net</domain>": '<domain purpose="mx">mx.example</domain>',
    }
    text = Write.TEXT.replace("example.com", "first.example").replace(">imap.first.example<", ">imap.%EMAILDOMAIN%<")
    sources = [
        EMBEDDED,
        write({Write.TEXT: text.replace("example.net", "second.example")}, "depends.xml"),
        write(hosting, "hosting.xml"),
    ]
    (sources[2].with_suffix(".txt")).write_text(CUSTOMER)
    options: list[str | Path] = [part for source in sources for part in ("--definition", source)]
    options += ["--hosted-domains", sources[2].with_suffix(".txt")]
    with network() as lab:
        add_addresses(lab)
        folder = lab.folder / "site"
        subprocess.run([COMMAND, "export", folder, *options], check=True, capture_output=True)
        manifest = json.loads((folder / "manifest.json").read_text())
        lab.start("bt-autoconfig", [COMMAND, "serve", "--host", ADDRESS, "--trusted-proxies", "*", *options])
        lab.wait_for_port(8000)
        request.param(lab, folder, [host for site in manifest["sites"] for host in site["hosts"]])
        lab.wait_for_port(443)
        yield Exported(lab, folder, manifest)


def test_every_response_equals_the_servers(exported: Exported) -> None:
    urls = exported.urls()
    hosts = {host for host, _ in urls}
    domains = (
        "btinternet.com",
        "btopenworld.com",
        "talk21.com",
        "first.example",
        "second.example",
        "hosting.example",
        "mx.example",
    )
    assert {f"autoconfig.{domain}" for domain in domains} | set(domains) <= hosts
    static, served = exported.get(urls), exported.get_from_server(urls)
    for url, exported_response, server_response in zip(urls, static, served, strict=True):
        assert exported_response.compared() == server_response.compared(), url
        assert exported_response.status == "200"
    by_host = {
        host: response.body
        for (host, path), response in zip(urls, static, strict=True)
        if path == "/mail/config-v1.1.xml"
    }
    assert "imap.second.example" in by_host["autoconfig.second.example"]


def test_pages_with_a_qr_code_are_at_one_host_and_the_others_redirect_to_it(exported: Exported) -> None:
    redirects = exported.redirects()
    assert ("autoconfig.talk21.com", "/setup/iphone/", "https://autoconfig.btinternet.com/setup/iphone/") in redirects
    responses = exported.get([(host, path) for host, path, _ in redirects])
    assert [(response.status, response.headers["location"]) for response in responses] == [
        ("302", location) for *_, location in redirects
    ]
    urls = exported.urls()
    for _, path, location in redirects:
        assert (location.removeprefix("https://").removesuffix(path), path) in urls


def test_paths_that_are_not_exported_get_404(exported: Exported) -> None:
    host = "autoconfig.btinternet.com"
    file = f"/{host}/mail/config-v1.1.xml"
    paths = ["/manifest.json", "/nginx-http.conf", "/Caddyfile", file, "/anything", "/mail", "/mail/", "/setup", "/readyz",
             "/autodiscover/autodiscover.xml", "/v1.1/customer.example"]  # fmt: skip
    responses = exported.get([(host, path) for path in paths])
    assert [path for path, response in zip(paths, responses, strict=True) if response.status != "404"] == []


def test_no_file_contains_a_hosted_domain(exported: Exported) -> None:
    files = [file for file in exported.folder.rglob("*") if file.is_file()]
    assert len(files) > 100
    assert [file for file in files if CUSTOMER.encode() in file.read_bytes() or CUSTOMER in str(file)] == []


def test_autoconfig_files_are_also_served_over_http_but_pages_and_profiles_are_not(exported: Exported) -> None:
    host = "autoconfig.btinternet.com"
    file, *others = exported.get(
        [(host, path) for path in ("/mail/config-v1.1.xml", "/", "/email.mobileconfig", "/cy/setup/iphone/")], tls=""
    )
    assert file.status == "200"
    assert [(response.status, response.headers["location"]) for response in others] == [
        ("308", f"https://{host}{path}") for path in ("/", "/email.mobileconfig", "/cy/setup/iphone/")
    ]  # fmt: skip


def test_a_post_gets_405(exported: Exported) -> None:
    (response,) = exported.get([("autoconfig.btinternet.com", "/")], method="POST")
    assert response.status == "405"


def test_a_file_is_the_same_with_a_query_and_over_ipv6(exported: Exported) -> None:
    urls = [
        ("autoconfig.talk21.com", "/mail/config-v1.1.xml?emailaddress=fred.bloggs%40talk21.com"),
        ("AUTOCONFIG.Talk21.com", "/mail/config-v1.1.xml"),
    ]
    plain, *others = exported.get([("autoconfig.talk21.com", "/mail/config-v1.1.xml")]) + exported.get(urls, ipv6=True)
    assert [response.compared() for response in others] == [plain.compared()] * 2


def test_no_log_contains_an_address(exported: Exported) -> None:
    host, fred = "autoconfig.btinternet.com", "fred.bloggs"
    paths = [
        f"{path}?emailaddress={fred}@btinternet.com"
        for path in ("/mail/config-v1.1.xml", "/nothing", f"/{fred}", "/", f"/v1.1/{fred}")
    ]
    for tls in ("any", ""):
        for method in ("GET", "POST"):
            exported.get([(host, path) for path in paths], tls=tls, method=method)
    assert traces_in_files([exported.lab.folder], (fred, CLIENT, CLIENT_6)) == {}
