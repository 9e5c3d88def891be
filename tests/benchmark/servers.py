"""The measured servers, each on its own port and pinned to one core."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from autoconfig.definition import EMBEDDED
from tests.support import COMMAND

CORE = "0"
"""The core of the servers; the load runs on the other one."""
ADDRESS = "fred@btinternet.com"
AUTOCONFIG = "/mail/config-v1.1.xml"
Command = list[str | Path]
_BENCH = Path(os.environ.get("BENCH_ENVIRONMENT", ".venv-bench"))


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    ready_after: float
    """Milliseconds from its start to its first response."""

    def memory(self) -> int:
        """Return the memory of the server and its workers in KiB."""
        pids = [self.process.pid, *_children(self.process.pid)]
        return sum(_resident(pid) for pid in pids)

    def cpu_seconds(self) -> float:
        """Return the CPU time of the server and its workers."""
        return sum(_cpu_seconds(pid) for pid in [self.process.pid, *_children(self.process.pid)])


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(
    name: str, port: int, command: Command, path: str, cores: str = CORE, **environment: str
) -> Iterator[Server]:
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", cores, *command], stdout=output, stderr=output, env=os.environ | environment
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
                while not _responds(client, path):
                    if process.poll() is not None or time.perf_counter() - start > 300:
                        output.seek(0)
                        raise RuntimeError(f"{name} did not start:\n{output.read().decode()}")
                    time.sleep(0.005)
            yield Server(name, port, process, (time.perf_counter() - start) * 1000)
        finally:
            process.terminate()
            process.wait(timeout=20)


def _responds(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def ours(*arguments: str | Path, cores: str = CORE) -> Iterator[Server]:
    """Run this project's server."""
    port = _free_port()
    command: Command = [COMMAND, "serve", "--port", str(port), *arguments]
    with _running("bt-autoconfig", port, command, "/healthz", cores) as server:
        yield server


@contextmanager
def baseline(folder: Path, like: httpx.Response) -> Iterator[Server]:
    """Run a bare ASGI callable that sends another server's response."""
    headers = [(name, value) for name, value in like.headers.items() if name != "date"]
    fixed = folder / "baseline.json"
    fixed.write_text(json.dumps({"headers": headers, "body": like.text}))
    port = _free_port()
    command: Command = [sys.executable, Path(__file__).with_name("baseline.py"), str(port), fixed]
    with _running("bare ASGI callable", port, command, "/") as server:
        yield server


@contextmanager
def nginx(folder: Path, like: httpx.Response) -> Iterator[Server]:
    """Run Debian's nginx with one worker and the document as a static file."""
    root = folder / "root"
    file = root / AUTOCONFIG.lstrip("/")
    file.parent.mkdir(parents=True)
    file.write_bytes(like.content)
    for part in (folder, root, file.parent):
        part.chmod(0o755)
    port = _free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"worker_processes 1; daemon off; pid {folder}/pid; error_log stderr warn;\n"
        "events { worker_connections 512; }\n"
        f"http {{ access_log off; types {{ text/xml xml; }} keepalive_requests 10000000; open_file_cache max=10;\n"
        f"server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n"
    )
    command: Command = ["/usr/sbin/nginx", "-p", folder, "-c", configuration]
    with _running("nginx, static file", port, command, AUTOCONFIG) as server:
        yield server


@contextmanager
def automx2(folder: Path) -> Iterator[Server]:
    """Run automx2 from PyPI under gunicorn, with the same settings."""
    configuration = folder / "automx2.conf"
    configuration.write_text(f"[automx2]\ndb_uri = sqlite:///{folder}/automx2.sqlite\nloglevel = ERROR\n")
    port = _free_port()
    command: Command = [
        _BENCH / "bin/gunicorn",
        "--bind",
        f"127.0.0.1:{port}",
        "--log-level",
        "error",
        "automx2.server:app",
    ]
    with _running("automx2, gunicorn", port, command, "/", AUTOMX2_CONF=str(configuration)) as server:
        host = "mail.btinternet.com"
        domains = ("btinternet.com", "btopenworld.com", "talk21.com")
        seed = {
            "version": 2,
            "provider": "BT Mail",
            "domains": [{"name": domain} for domain in domains],
            "servers": [{"type": type_, "name": host} for type_ in ("imap", "pop", "smtp")],
        }
        httpx.post(f"http://127.0.0.1:{port}/initdb/", json=seed).raise_for_status()
        yield server


def write_definitions(folder: Path, number: int) -> Path:
    """Write definitions of many providers, each with three domains; the first is the embedded one."""
    folder.mkdir()
    text = EMBEDDED.read_text()
    for index in range(number):
        other = text
        if index:
            for domain in ("btinternet", "btopenworld", "talk21"):
                other = other.replace(f"{domain}.com", f"{domain}{index}.com")
        (folder / f"{index:05}.xml").write_text(other)
    return folder


def signing_options(folder: Path, bits: int) -> list[str]:
    """Create a key and a certificate, and return the options to sign with them."""
    key, certificate = folder / f"{bits}.key", folder / f"{bits}.pem"
    command = ["openssl", "req", "-x509", "-newkey", f"rsa:{bits}", "-nodes", "-subj", "/CN=example.com", "-days", "9"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return ["--sign-cert", str(certificate), "--sign-key", str(key)]


def signatures(options: list[str], seconds: int) -> float:
    """Return the signatures per second of a process that does nothing else on the servers' core."""
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom autoconfig.signing import Signer\nfrom autoconfig.signing_files import SigningFiles\n"
        "signer = Signer(SigningFiles.read(Path(sys.argv[2]), Path(sys.argv[4]), None))\n"
        f"profile, end, done = b'x' * 4000, time.perf_counter() + {seconds}, 0\n"
        "while time.perf_counter() < end:\n    signer.sign(profile)\n    done += 1\n"
        f"print(done / {seconds})\n"
    )
    command = ["taskset", "--cpu-list", CORE, sys.executable, "-c", program, *options]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def slowest_percent(server: Server, path: str, load: str, seconds: int) -> float:
    """Return the 99th percentile of response times for `path` in ms, while 50 clients request `load`."""
    base = f"http://127.0.0.1:{server.port}"
    wrk = ["taskset", "--cpu-list", "1", "wrk", "-t1", f"-d{seconds}s"]
    with subprocess.Popen([*wrk, "-c50", f"{base}{load}"], stdout=subprocess.DEVNULL):
        done = subprocess.run([*wrk, "-c2", "--latency", f"{base}{path}"], check=True, capture_output=True, text=True)
    found = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
    assert found
    return round(float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]], 2)
