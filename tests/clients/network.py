"""An isolated network for tests: a namespace without a route to the outside."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ADDRESS = "192.0.2.1"
"""The network's only host (TEST-NET-1, RFC 5737), with the web, mail and name servers."""

_PREFIX = "bt-autoconfig"
_numbers = itertools.count(1)


class Network:
    """A network namespace and the programs in it. Each program's output goes to NAME.log in `folder`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = _folder(name)
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, program: str, command: Sequence[str | Path], **environment: str) -> None:
        """Start a program that runs until the network is removed."""
        with (self.folder / f"{program}.log").open("ab") as log:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=os.environ | environment,
            )
        self._started.append(process)

    def run(self, command: Sequence[str | Path], stdin: str = "", timeout: float = 90) -> str:
        """Run a program and return its output. Raises AssertionError if it fails."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, *command],
            input=stdin.encode(),
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"{command[0]} failed:\n{done.stdout.decode()}{done.stderr.decode()}")
        return done.stdout.decode()

    def wait_for_port(self, port: int, timeout: float = 20) -> None:
        """Wait until something listens on a TCP port."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.run(["ss", "--no-header", "--listening", "--numeric", "--tcp", f"sport = :{port}"]):
                return
            time.sleep(0.05)
        raise AssertionError(f"nothing listens on port {port}:\n{self.printed()}")

    def close(self) -> None:
        """Stop every program and remove the network."""
        _tear_down(self.name)
        for process in self._started:
            process.wait(timeout=5)

    def printed(self, but: Collection[str] = ()) -> str:
        """Return the output so far of every program except those in `but`."""
        logs = [log for log in sorted(self.folder.glob("*.log")) if log.stem not in but]
        return "".join(f"--- {log.name}\n{log.read_text(errors='replace')}" for log in logs)


@contextmanager
def network() -> Iterator[Network]:
    """Create a network; afterwards, remove it and everything that runs in it."""
    _tear_down_leftovers()
    name = f"{_PREFIX}-{os.getpid()}-{next(_numbers)}"
    made = Network(name)
    try:
        # Not pytest's folder: the mail servers' users need access.
        made.folder.mkdir(mode=0o755)
        configuration = Path("/etc/netns", name)
        configuration.mkdir(parents=True)
        (configuration / "resolv.conf").write_text(f"nameserver {ADDRESS}\noptions timeout:2 attempts:1\n")
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")
        # Both ends of the link are inside. getaddrinfo resolves names only if there is an address other than loopback.
        _ip("-n", name, "link", "add", "inner", "type", "veth", "peer", "name", "outer")
        _ip("-n", name, "address", "add", f"{ADDRESS}/24", "dev", "inner")
        for end in ("inner", "outer"):
            _ip("-n", name, "link", "set", end, "up")
        _ip("-n", name, "route", "add", "default", "dev", "inner")
        yield made
    finally:
        made.close()


def _tear_down(name: str) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + 5
        while pids := subprocess.run(["ip", "netns", "pids", name], capture_output=True, check=False).stdout.split():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), number)
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
    subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL, check=False)
    shutil.rmtree(Path("/etc/netns", name), ignore_errors=True)
    shutil.rmtree(_folder(name), ignore_errors=True)


def _folder(name: str) -> Path:
    return Path(tempfile.gettempdir(), name)


def _tear_down_leftovers() -> None:
    """Remove the networks of test runs that were killed."""
    for configuration in Path("/etc/netns").glob(f"{_PREFIX}-*"):
        pid = configuration.name.removeprefix(f"{_PREFIX}-").partition("-")[0]
        if not Path("/proc", pid).exists():
            _tear_down(configuration.name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
