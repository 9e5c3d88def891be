"""`make stress`: load, reloads, dying workers and attacks at the same time, on loopback.

Well-behaved clients send requests through Caddy (deploy/Caddyfile) without pause. Meanwhile, workers are stopped one by
one, and the definition is reloaded fifty times, alternately valid and broken. Attackers hold connections, trickle
request heads and send too much. The well-behaved clients must not be affected, and the server's memory and file
descriptors must not grow.
"""

import argparse
import asyncio
import itertools
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from autoconfig.definition import EMBEDDED
from tests.attacks import ATTACKS, Results, Target, attack_until, send_malformed, send_requests, smuggle
from tests.support import Served, serving

PROJECT = Path(__file__).parents[2]
HOST = "autoconfig.btinternet.com"
HTTPS_PORT = 8443


class Scenario:
    """Load, changes and attacks, with their results."""

    def __init__(self, served: Served, definition: Path, seconds: float, reloads: int) -> None:
        self._served, self._definition = served, definition
        self._reloads = reloads
        self._pause = seconds / reloads
        self.over = asyncio.Event()
        self.results = Results()
        self.attacks = self.stopped_workers = 0

    async def send_load(self, tls: ssl.SSLContext, client_number: int) -> None:
        """Send requests through Caddy over persistent connections, each for another address."""
        async with httpx.AsyncClient(verify=tls, base_url=f"https://127.0.0.1:{HTTPS_PORT}", timeout=15) as client:
            for number in itertools.count():
                if self.over.is_set():
                    return
                await send_requests(client, HOST, f"user{client_number}{number:06}@btinternet.com", self.results)

    async def reload(self) -> None:
        """Change the definition and reload it, alternately valid and broken."""
        valid = EMBEDDED.read_text()
        for number in range(self._reloads):
            text = valid.replace("</emailProvider>", f"<!-- {number} --></emailProvider>")
            self._definition.write_text(text.replace(">993<", ">99999<") if number % 2 else text)
            self._served.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(self._pause)
        self._definition.write_text(valid)
        self.over.set()

    async def stop_workers(self) -> None:
        """Stop workers one by one; the server replaces each."""
        while not self.over.is_set():
            await asyncio.sleep(5)
            if len(found := self._served.workers()) == 2:
                os.kill(found[self.stopped_workers % 2], signal.SIGTERM)
                self.stopped_workers += 1

    async def attack(self, target: Target, attack: Callable[[Target], Awaitable[None]]) -> None:
        """Attack the server or Caddy."""
        number = await attack_until(self.over, target, attack)
        self.attacks += number


def resources(served: Served) -> dict[str, int]:
    """Return memory (KiB) and file descriptors of the parent and of the worker that uses most."""
    found = {"parent KiB": 0, "worker KiB": 0, "parent descriptors": 0, "worker descriptors": 0}
    for pid in (served.process.pid, *served.workers()):
        process = "parent" if pid == served.process.pid else "worker"
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        resident = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
        found[f"{process} KiB"] = max(found[f"{process} KiB"], resident)
        descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        found[f"{process} descriptors"] = max(found[f"{process} descriptors"], descriptors)
    return found


async def settled(served: Served) -> dict[str, int]:
    """Return the server's resources after all connections have been closed and two workers run."""
    await asyncio.sleep(8)
    deadline = time.monotonic() + 20
    while len(served.workers()) < 2 and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
    return resources(served)


async def run(served: Served, definition: Path, root: Path, seconds: float, reloads: int) -> int:
    """Run the scenario and print the results. Returns the exit status."""
    tls = ssl.create_default_context(cafile=str(root))
    warm_up = Scenario(served, definition, 6, 6)
    await asyncio.gather(warm_up.reload(), *(warm_up.send_load(tls, number) for number in range(8)))
    before = await settled(served)
    scenario = Scenario(served, definition, seconds, reloads)
    began = time.monotonic()
    await asyncio.gather(
        scenario.reload(),
        scenario.stop_workers(),
        *(scenario.send_load(tls, number) for number in range(8)),
        *(scenario.attack(Target(served.port), attack) for attack in ATTACKS for _ in range(2)),
        *(scenario.attack(Target(HTTPS_PORT, HOST, tls, None), attack) for attack in (smuggle, send_malformed)),
    )
    duration = time.monotonic() - began
    after = await settled(served)
    results = scenario.results
    print(
        f"{results.good.total():,} responses to well-behaved clients in {duration:.0f} s, "
        f"{len(results.failures)} failures"
    )
    print(f"{len(results.foreign)} responses that belong to another request")
    print(f"{scenario.attacks:,} attacks, {scenario.stopped_workers} workers stopped, {reloads} reloads")
    for name, first in before.items():
        print(f"{name}: {first:,} before, {after[name]:,} after")
    for failure, count in Counter(results.failures).most_common(10):
        print(f"FAILED {count} times: {failure}")
    grown = [name for name, first in before.items() if after[name] > first + (30_720 if "KiB" in name else 2)]
    if grown:
        print(f"FAILED: {', '.join(grown)} grew by more than 30 MB or two descriptors")
    return 1 if results.failures or results.foreign or grown else 0


def main() -> None:
    """Start the server and Caddy, and run the scenario."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=120)
    arguments.add_argument("--reloads", type=int, default=50)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        definition = folder / "bt.xml"
        definition.write_text(EMBEDDED.read_text())
        with serving("--definition", definition, "--workers", "2", "--drain-time", "3") as served:
            caddy = start_caddy(folder, served.port)
            try:
                root = folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"
                wait_for(root)
                status = asyncio.run(run(served, definition, root, options.seconds, options.reloads))
            finally:
                caddy.terminate()
                caddy.wait()
    sys.exit(status)


def start_caddy(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """Start Caddy with deploy/Caddyfile, on other ports and with its own authority."""
    text = (PROJECT / "deploy" / "Caddyfile").read_text()
    own = f"local_certs\n\tskip_install_trust\n\thttp_port 8081\n\thttps_port {HTTPS_PORT}\n\tdefault_bind 127.0.0.1\n"
    configuration = folder / "Caddyfile"
    configuration.write_text(text.replace("admin off\n", f"admin off\n\t{own}", 1))
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    home["BT_AUTOCONFIG_SERVER"] = f"127.0.0.1:{port}"
    return subprocess.Popen(
        ["caddy", "run", "--adapter", "caddyfile", "--config", configuration],
        env=os.environ | home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for(root: Path) -> None:
    """Wait until Caddy listens and has created its authority."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if root.exists() and probe.connect_ex(("127.0.0.1", HTTPS_PORT)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("caddy did not start")


if __name__ == "__main__":
    main()
