"""What most tests need: a server started as users start it, commands, and definition files."""

import asyncio
import logging
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from click.testing import CliRunner
from starlette.types import ASGIApp

from autoconfig import definition_files
from autoconfig.cli import main
from autoconfig.definition import Definition
from autoconfig.directory import Directory, directory
from autoconfig.server import application
from autoconfig.sources import Sources
from tests.preloaded import Process

COMMAND = Path(sys.executable).with_name("bt-autoconfig")
TIMEOUT = 60.0
"""Seconds: generous, because the machine may be busy."""


ONE_AND_TWO_WORKERS = pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.long)])
"""Runs a test with one process, and with two workers. Each worker imports the server, which takes a fifth of a second."""


WITHOUT_OVERRIDE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--") if os.geteuid() == 0 else ()
"""A prefix that makes a command obey file permissions, even as root."""


class Served:
    """A running `bt-autoconfig serve`: its address, and its output so far."""

    def __init__(self, process: subprocess.Popen[bytes] | Process, output: Path, seconds: float = TIMEOUT) -> None:
        self.process = process
        self._output = output
        self.port = self._port(seconds)
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = client(self.url)

    def printed(self) -> str:
        return self._output.read_text()

    def metrics(self) -> str:
        """Return the metrics of a server with `--metrics-port 0`."""
        (url,) = re.findall(r"http://127\.0\.0\.1:\d+/metrics", self.printed())
        return get(url).text

    def workers(self) -> list[int]:
        """Return the process IDs of its workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"spawn_main" in _command_line(pid)]

    def cpu_seconds(self) -> float:
        """Return the CPU time of its main thread, which other programs do not change."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0]) / 1e9

    def _port(self, seconds: float) -> int:
        pattern = re.compile(r"http://127\.0\.0\.1:(\d+)[ \"]")
        wait_until(lambda: self.process.poll() is not None or pattern.search(self.printed()), seconds)
        if found := pattern.search(self.printed()):
            return int(found[1])
        raise AssertionError(f"the server did not start:\n{self.printed()}")


def _command_line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # the process has exited
        return b""


_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts no authority. A client without it reads the system's authorities first, which takes 20 ms of CPU time."""


def client(url: str) -> httpx.Client:
    """Return a client of a server without TLS."""
    return httpx.Client(base_url=url, timeout=TIMEOUT, verify=_NO_TLS)


def get(url: str) -> httpx.Response:
    """Return the response to a GET on a new connection to a server without TLS."""
    return httpx.get(url, timeout=TIMEOUT, verify=_NO_TLS)


T = TypeVar("T")


def _poll(look: Callable[[], T], seconds: float) -> T:
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def wait_until(condition: Callable[[], object], seconds: float = TIMEOUT) -> bool:
    """Return whether a condition is soon true."""
    return bool(_poll(condition, seconds))


def wait_for(look: Callable[[], T | None], seconds: float = TIMEOUT) -> T:
    """Call `look` until it returns something, and return that. Raises AssertionError if that takes too long."""
    if found := _poll(look, seconds):
        return found
    raise AssertionError(f"nothing found within {seconds:g} seconds")


@contextmanager
def serving(
    *arguments: str | Path,
    prefix: Sequence[str] = (),
    program: Sequence[str] = (),
    seconds: float = TIMEOUT,
) -> Iterator[Served]:
    """Run the command on a free port, in an unrelated folder.

    `prefix` is a command that runs it, `program` replaces it, and `seconds` is the time that it may take to start.
    Without both, its modules are already imported.
    """
    with tempfile.TemporaryDirectory() as folder, Path(folder, "output").open("wb") as output:
        command = [*(program or [str(COMMAND)]), "serve", "--port", "0", *map(str, arguments)]
        process: subprocess.Popen[bytes] | Process
        if prefix or program:
            process = subprocess.Popen([*prefix, *command], stdout=output, stderr=subprocess.STDOUT, cwd="/")
        else:
            process = Process(command, output, output)
        try:
            served = Served(process, Path(folder, "output"), seconds)
            with served.http:
                yield served
        finally:
            process.terminate()
            try:
                process.wait(timeout=TIMEOUT)
            finally:
                process.kill()


def eventually(served: Served, wanted: str, read: Callable[[Served], str], seconds: float = TIMEOUT) -> bool:
    """Return whether what `read` returns about a server soon contains a text."""
    return wait_until(lambda: wanted in read(served), seconds)


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, and return its output. Run `serve` only if it will refuse to start.

    Arguments are converted to text; bytes are passed as a shell would pass them.
    """
    done = run_for_bytes(*arguments, **environment)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def run_for_bytes(*arguments: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command in this process, as `run` does, and return its output as bytes."""
    texts = [os.fsdecode(one) if isinstance(one, bytes) else str(one) for one in arguments]
    with _restored():
        runner = CliRunner()
        result = runner.invoke(main, texts, env=environment, catch_exceptions=False, prog_name="bt-autoconfig")
    return subprocess.CompletedProcess(texts, result.exit_code, result.stdout_bytes, result.stderr_bytes)


def failure(command: str, status: int = 1) -> int:
    """Return the exit status of a command that fails: 3 for `check`, because 1 and 2 are its results."""
    return 3 if command == "check" else status


@contextmanager
def _restored() -> Iterator[None]:
    """Restore what `serve` changes in its process: signal handlers and logging."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)}
    loggers = [logging.getLogger(name) for name in (None, "autoconfig", "uvicorn")]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for logger, level, list_ in before:
            logger.setLevel(level)
            logger.handlers[:] = list_


@contextmanager
def client_for(definition: Path, *signing: str | Path) -> Iterator[httpx.Client]:
    """Yield a client of an application in this process that serves a definition; it makes no connections."""
    options = dict(zip(signing[::2], map(Path, signing[1::2]), strict=True))
    cert, key, chain = (options.get(f"--sign-{name}") for name in ("cert", "key", "chain"))
    app = application(Sources((definition,), cert, key, chain).read().load())
    with httpx.Client(transport=_InProcess(app), base_url="http://127.0.0.1", verify=_NO_TLS) as http:
        yield http


class _InProcess(httpx.BaseTransport):
    """Passes requests to an application."""

    def __init__(self, app: ASGIApp) -> None:
        self._transport = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def respond() -> httpx.Response:
            response = await self._transport.handle_async_request(request)
            return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())

        return asyncio.run(respond())


def load(*sources: Path) -> Directory[Definition]:
    """Read definitions as the server does."""
    return directory(definition_files.load(definition_files.read(sources)))


SERVICES = """
  <calendar type="caldav">
    <url>https://dav.example.com:8443/cal/</url>
    <authentication>OAuth2</authentication>
    <authentication>basic</authentication>
    <username>%EMAILADDRESS%</username>
  </calendar>
  <addressbook type="carddav">
    <url>https://contacts.example.com</url>
    <authentication>digest</authentication>
    <username>%EMAILLOCALPART%</username>
  </addressbook>
</clientConfig>"""
"""A calendar and an address book; replaces the end tag of the example."""


class Write:
    """Writes definition files: the example, with some of its text replaced."""

    TEXT = (Path(__file__).parent / "example.xml").read_text()

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, replacements: dict[str, str] | None = None, name: str = "provider.xml") -> Path:
        text = self.TEXT
        for old, new in (replacements or {}).items():
            assert old in text
            text = text.replace(old, new)
        file = self._folder / name
        file.write_text(text)
        return file


class Unavailable:
    """Tests that need more than this machine has. They are ignored, and one line of the report gives the reason.

    If the environment variable `variable` is set, they fail instead. Parallel runs ignore them too: they take minutes,
    and share network namespaces.
    """

    def __init__(self, name: str, reason: str, variable: str, files: str = "test_*.py") -> None:
        if "PYTEST_XDIST_WORKER" in os.environ:
            reason = "not in parallel"
        self._name, self._reason = name, reason
        self._required = bool(os.environ.get(variable))
        self.files = [files] if reason and not self._required else []

    def report(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Report at the end of a run that these tests did not run."""
        if self.files:
            terminalreporter.write_line(f"not run: {self._name} ({self._reason})", yellow=True)

    def fail_if_required(self) -> None:
        if self._reason:
            pytest.fail(self._reason)
