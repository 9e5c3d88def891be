import contextlib
import io
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from autoconfig.cli import main
from autoconfig.cli.options import Refusal
from autoconfig.cli.serve import listen_for_prometheus
from autoconfig.definition import EMBEDDED
from autoconfig.metrics import State
from tests.support import COMMAND, ONE_AND_TWO_WORKERS, TIMEOUT, Served, Write, get, run, run_for_bytes, serving

OTHER = {"example.com": "other.example", "example.net": "net.other.example", "Example Mail": "Other Mail"}


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["autoconfig"], "/mail/config-v1.1.xml"),
        (["autoconfig", "--emailaddress", "a@talk21.com"], "/mail/config-v1.1.xml?emailaddress=a@talk21.com"),
        (["autodiscover"], "/autodiscover/autodiscover.xml"),
        (["mobileconfig"], "/email.mobileconfig"),
        (
            ["mobileconfig", "--emailaddress", "a@talk21.com", "--name", "A B", "--protocol", "pop3"],
            "/email.mobileconfig?emailaddress=a@talk21.com&name=A+B&protocol=pop3",
        ),
    ],
)
def test_render_prints_the_exact_response_of_the_server(http: httpx.Client, arguments: list[str], path: str) -> None:
    printed = run_for_bytes("render", *arguments)
    assert (printed.returncode, printed.stderr) == (0, b"")
    assert printed.stdout == http.get(path).content


def test_render_autodiscover_prints_outlooks_response_for_an_address() -> None:
    printed = run("render", "autodiscover", "--emailaddress", "a@talk21.com").stdout
    assert "<LoginName>a@talk21.com</LoginName>" in printed


@pytest.mark.parametrize("format_", ["autoconfig", "autodiscover", "mobileconfig"])
def test_render_rejects_an_address_at_another_providers_domain(format_: str) -> None:
    refused = run("render", format_, "--emailaddress", "a@example.org")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "the domain of this address is not served here" in refused.stderr


def test_render_rejects_an_invalid_address() -> None:
    refused = run("render", "autoconfig", "--emailaddress", "nonsense")
    assert refused.returncode == 2
    assert "the address has no @" in refused.stderr


def test_validate_summarises_a_definition() -> None:
    summary = run("validate")
    assert summary.returncode == 0
    assert summary.stdout == (
        f"{EMBEDDED}: valid\n"
        "  BT Mail, for addresses on btinternet.com, btopenworld.com, talk21.com\n"
        "  imap mail.btinternet.com:993 SSL, password-cleartext as %EMAILADDRESS%\n"
        "  pop3 mail.btinternet.com:995 SSL, password-cleartext as %EMAILADDRESS%\n"
        "  smtp mail.btinternet.com:465 SSL, password-cleartext as %EMAILADDRESS%\n"
    )


def test_validate_names_ten_domains_and_counts_the_rest(write: Write) -> None:
    domains = "".join(f"<domain>shop-{one}.example</domain>" for one in range(1998))
    summary = run("validate", write({"<domain>example.net": f"{domains}<domain>example.net"})).stdout
    assert ", for addresses on example.com, shop-0.example, " in summary
    assert summary.splitlines()[1].endswith(", shop-8.example and 1,990 more")


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "autoconfig", "--version"], capture_output=True, check=True, text=True)
    assert done.stdout == run("--version").stdout


SERVER = {
    *("uvicorn", "starlette", "httpx", "h11", "uvloop", "prometheus_client", "dns", "rich", "segno"),
    *("autoconfig.front", "autoconfig.protocols", "autoconfig.server", "autoconfig.site"),
}
"""Modules of the server and of other commands."""


def test_validate_does_not_import_the_server() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys; from autoconfig.cli.validate import validate; print(*sys.modules)"],
        capture_output=True, check=True, text=True,
    ).stdout.split()  # fmt: skip
    assert "autoconfig.validation" in loaded
    assert SERVER.isdisjoint(loaded)


def test_validate_prints_warnings_and_succeeds(write: Write) -> None:
    file = write({"</emailProvider>": "<enable/></emailProvider>"})
    summary = run("validate", file)
    assert summary.returncode == 0
    assert summary.stderr.startswith(f"warning: {file}:28: enable is not an element of the format")


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1 listed domain"), (2, "2 listed domains"), (1000, "1,000 listed domains")]
)
def test_validate_counts_the_listed_domains(write: Write, tmp_path: Path, number: int, text: str) -> None:
    listed = tmp_path / "customers.txt"
    listed.write_text("".join(f"c{one}.example\n" for one in range(number)))
    done = run("validate", write({"<domain>": '<domain purpose="mx">'}), "--hosted-domains", listed)
    assert done.stdout.splitlines()[1].endswith(f" and on {text}")


def test_validate_says_that_a_provider_without_a_list_hosts_domains(write: Write) -> None:
    hosting = write({"<domain>example.net": '<domain purpose="mx">example.net'})
    assert run("validate", hosting, write(OTHER, "other.xml")).stdout.splitlines()[1] == (
        "  Example Mail, for addresses on example.com, example.net and on domains that it hosts"
    )


def test_validate_warns_about_a_domain_that_a_list_repeats(write: Write, tmp_path: Path) -> None:
    listed = tmp_path / "customers.txt"
    listed.write_text("a.example\nb.example\na.example\n")
    done = run("validate", write({"<domain>": '<domain purpose="mx">'}), "--hosted-domains", listed)
    assert done.returncode == 0
    assert "and on 2 listed domains" in done.stdout
    assert (
        done.stderr.splitlines(keepends=True)[-1]
        == f"warning: {listed}:3: a.example is already on line 1; remove one\n"
    )


def test_a_program_that_calls_a_command_can_collect_its_output_as_text() -> None:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        main(["validate"], standalone_mode=False)
    assert output.getvalue() == run("validate").stdout


@pytest.mark.parametrize(
    ("resolver", "text"),
    [
        ("dns.example", "dns.example is not an IP address such as 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53"),
        ("192.0.2.1:0", "port 0 is out of range; use 1-65535"),
    ],
)
@pytest.mark.parametrize(
    ("command", "status"),
    [(["serve", "--definition", "/nonexistent"], 2), (["init", "example.org"], 2), (["check"], 3)],
)
def test_a_resolver_that_is_not_an_ip_address_and_a_port_is_rejected(
    command: list[str], status: int, resolver: str, text: str
) -> None:
    refused = run(*command, "--resolver", resolver)
    assert (refused.returncode, refused.stdout) == (status, "")
    assert text in refused.stderr


@pytest.mark.parametrize("url", ["https://a.example:1/", "http://a.example:65535", "https://a.example"])
def test_a_url_with_a_valid_hostname_and_port_is_accepted(url: str) -> None:
    refused = run("serve", "--public-url", url, "--definition", "/nonexistent")
    assert refused.stderr == "/nonexistent: cannot be read: No such file or directory\n"


@pytest.mark.parametrize(
    "url",
    [
        "https://a..example",
        "https://-a.example",
        "https://" + "a" * 64 + ".example",
        "https://a.example:0",
        "https://a.example:65536",
        "https://a.example:x",
        "https://a.example/path",
    ],
)
def test_a_url_with_an_invalid_hostname_or_port_is_rejected(url: str) -> None:
    refused = run("serve", "--public-url", url, "--definition", "/nonexistent")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"{url} is not the URL of a server, such as https://setup.example.com" in refused.stderr


@pytest.mark.parametrize("command", [["validate"], ["render", "autoconfig", "--definition"], ["serve", "--definition"]])
def test_an_invalid_definition_stops_every_command_with_all_errors(write: Write, command: list[str]) -> None:
    file = write({">143<": ">99999<", ">plain<": ">none<"})
    refused = run(*command, file)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"{file}:9: port 99999 is out of range; use 1-65535\n{file}:17: socketType none is not SSL, STARTTLS or plain\n"
    )


def test_every_option_can_be_set_by_an_environment_variable(write: Write) -> None:
    file = write()
    printed = run("render", "mobileconfig", BT_AUTOCONFIG_DEFINITION=str(file), BT_AUTOCONFIG_PROTOCOL="pop3",
                  BT_AUTOCONFIG_EMAILADDRESS="a@example.net", BT_AUTOCONFIG_NAME="A B").stdout  # fmt: skip
    assert all(text in printed for text in ("EmailTypePOP", "a@example.net", "A B", "pop.example.com"))
    assert run("validate", BT_AUTOCONFIG_DEFINITION=str(file)).stdout.startswith(str(file))
    for option in ("HOST", "PORT", "DEFINITION", "WORKERS", "PUBLIC_URL", "SIGN_CERT", "SIGN_KEY", "SIGN_CHAIN"):
        assert f"BT_AUTOCONFIG_{option}" in run("serve", "--help").stdout


def test_serve_prints_its_address_and_requests_to_try(server: Served) -> None:
    lines = server.printed().splitlines()
    assert lines[0] == f"bt-autoconfig serves BT Mail on {server.url} (Ctrl-C to stop). To try it:"
    urls = [line.split()[1] for line in lines[1:5]]
    assert [line.split()[0] for line in lines[1:5]] == ["Thunderbird", "Outlook", "Apple", "Browser"]
    assert [get(url).status_code for url in urls] == [200, 200, 200, 200]


def test_serve_reports_a_port_in_use_with_a_remedy(server: Served) -> None:
    refused = run("serve", "--port", str(server.port))
    assert refused.returncode == 1
    reason = (
        f"cannot listen on 127.0.0.1 port {server.port}: Address already in use; choose others with --host and --port\n"
    )
    assert refused.stderr == reason


@pytest.mark.parametrize("name", ["foo.invalid", "a..invalid"])
def test_serve_reports_a_hostname_that_does_not_resolve(name: str) -> None:
    remedy = "the name does not resolve; choose others with"
    refused = run("serve", "--port", "0", "--host", name)
    reason = f"cannot listen on {name} port 0: {remedy} --host and --port\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", reason)
    with pytest.raises(Refusal) as error:
        listen_for_prometheus(name, 0, State())
    assert (
        str(error.value) == f"cannot listen on {name} port 0 for Prometheus: {remedy} --metrics-host and --metrics-port"
    )


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_serve_listens_on_ipv6_too() -> None:
    with subprocess.Popen([COMMAND, "serve", "--host", "::1", "--port", "0"], stdout=subprocess.PIPE) as process:
        assert process.stdout
        url = process.stdout.readline().split()[5].decode()
        assert url.startswith("http://[::1]:")
        assert get(f"{url}/healthz").status_code == 200
        process.terminate()


@ONE_AND_TWO_WORKERS
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_shuts_down_cleanly_on_a_signal(workers: str, number: signal.Signals) -> None:
    with serving("--workers", workers) as served:
        assert served.http.get("/healthz").status_code == 200
        served.http.close()
        served.process.send_signal(number)
        assert served.process.wait(timeout=TIMEOUT) == 0
        assert "Traceback" not in served.printed()


def test_every_worker_gives_the_same_responses(write: Write) -> None:
    with serving("--workers", "2", "--definition", write()) as served:
        etags = {get(f"{served.url}/mail/config-v1.1.xml").headers["etag"] for _ in range(20)}
        assert len(etags) == 1


def test_help_names_the_commands_and_the_version_is_the_packages() -> None:
    help_ = run("--help").stdout
    assert all(command in help_ for command in ("serve", "render", "validate"))
    assert "..." not in help_.partition("Commands:")[2]  # click shortens long texts
    assert run("--version").stdout.startswith("bt-autoconfig, version ")
