"""`make stress`: a bad day, on loopback.

Well-behaved clients ask through Caddy (deploy/Caddyfile) without pause. Meanwhile workers are ended one by one, files
change and are reloaded fifty times, good and broken in turn, and hostile clients hold connections, trickle heads and
send too much. None of the well-behaved may notice; memory and descriptors must be at the end what they were.
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


class Day:
    """The bad day: what has been asked, and what went wrong."""

    def __init__(self, served: Served, definition: Path, seconds: float, reloads: int) -> None:
        self._served, self._definition = served, definition
        self._reloads = reloads
        self._pause = seconds / reloads
        self.over = asyncio.Event()
        self.results = Results()
        self.hostile = self.ended = 0

    async def well_behaved(self, tls: ssl.SSLContext, person: int) -> None:
        """Ask through Caddy, over connections that last, each time as somebody else."""
        async with httpx.AsyncClient(verify=tls, base_url=f"https://127.0.0.1:{HTTPS_PORT}", timeout=15) as client:
            for number in itertools.count():
                if self.over.is_set():
                    return
                await send_requests(client, HOST, f"user{person}{number:06}@btinternet.com", self.results)

    async def change(self) -> None:
        """Change the definition and reload, good and broken in turn."""
        good = EMBEDDED.read_text()
        for number in range(self._reloads):
            text = good.replace("</emailProvider>", f"<!-- {number} --></emailProvider>")
            self._definition.write_text(text.replace(">993<", ">99999<") if number % 2 else text)
            self._served.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(self._pause)
        self._definition.write_text(good)
        self.over.set()

    async def end_workers(self) -> None:
        """End workers one by one; each is replaced."""
        while not self.over.is_set():
            await asyncio.sleep(5)
            if len(found := self._served.workers()) == 2:
                os.kill(found[self.ended % 2], signal.SIGTERM)
                self.ended += 1

    async def attack(self, target: Target, how: Callable[[Target], Awaitable[None]]) -> None:
        """Attack the server, or Caddy before it."""
        number = await attack_until(self.over, target, how)
        self.hostile += number


def burden(served: Served) -> dict[str, int]:
    """Return what the server and its workers hold: memory (KiB) and descriptors; of workers the one that holds most."""
    found = {"parent KiB": 0, "worker KiB": 0, "parent descriptors": 0, "worker descriptors": 0}
    for pid in (served.process.pid, *served.workers()):
        who = "parent" if pid == served.process.pid else "worker"
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        resident = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
        found[f"{who} KiB"] = max(found[f"{who} KiB"], resident)
        descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        found[f"{who} descriptors"] = max(found[f"{who} descriptors"], descriptors)
    return found


async def settled(served: Served) -> dict[str, int]:
    """Return what the server holds when all connections have ended and two workers are there."""
    await asyncio.sleep(8)
    deadline = time.monotonic() + 20
    while len(served.workers()) < 2 and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
    return burden(served)


async def run(served: Served, definition: Path, root: Path, seconds: float, reloads: int) -> int:
    """Have the day, and tell of it. Returns the exit status."""
    tls = ssl.create_default_context(cafile=str(root))
    warm = Day(served, definition, 6, 6)
    await asyncio.gather(warm.change(), *(warm.well_behaved(tls, number) for number in range(8)))
    before = await settled(served)
    day = Day(served, definition, seconds, reloads)
    began = time.monotonic()
    await asyncio.gather(
        day.change(),
        day.end_workers(),
        *(day.well_behaved(tls, number) for number in range(8)),
        *(day.attack(Target(served.port), how) for how in ATTACKS for _ in range(2)),
        *(day.attack(Target(HTTPS_PORT, HOST, tls, None), how) for how in (smuggle, send_malformed)),
    )
    took = time.monotonic() - began
    after = await settled(served)
    results = day.results
    print(
        f"{results.good.total():,} responses to well-behaved clients in {took:.0f} s, {len(results.failures)} failures"
    )
    print(f"{len(results.foreign)} responses that belong to another request")
    print(f"{day.hostile:,} attacks, {day.ended} workers ended, {reloads} reloads")
    for name, first in before.items():
        print(f"{name}: {first:,} before, {after[name]:,} after")
    for failure, count in Counter(results.failures).most_common(10):
        print(f"FAILED {count} times: {failure}")
    grown = [name for name, first in before.items() if after[name] > first + (30_720 if "KiB" in name else 2)]
    if grown:
        print(f"FAILED: {', '.join(grown)} grew by more than 30 MB or two descriptors")
    return 1 if results.failures or results.foreign or grown else 0


def main() -> None:
    """Start the server and Caddy, and have the day."""
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
    """Start Caddy with deploy/Caddyfile, on other ports and with an authority of its own."""
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
    """Wait until Caddy listens and has made its authority."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if root.exists() and probe.connect_ex(("127.0.0.1", HTTPS_PORT)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("caddy did not start")


if __name__ == "__main__":
    main()
