"""`make bench`: the server's speed, compared with a bare HTTP server, nginx and a similar server.

Each server runs on one core and the load (wrk) on the other. Rounds alternate between the servers. The machine may be
shared and noisy: only ratios within one run are meaningful.
"""

import argparse
import json
import platform
import re
import statistics
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from tests.benchmark import servers
from tests.benchmark.in_process import in_process
from tests.benchmark.plot import plot
from tests.benchmark.scale import scale
from tests.benchmark.servers import ADDRESS, AUTOCONFIG, Server
from tests.signatories import SigningAuthority

OUTLOOK = Path(__file__).parents[2] / "docs" / "outlook.xml"
BASELINE = "bare ASGI callable"
GOALS = {
    "autoconfig, with an address": 1.8,
    "autoconfig, without": 1.8,
    "PACC": 1.8,
    "Autodiscover POST": 1.0,
    "unsigned profile": 0.75,
    "setup page": 1.25,
    "setup page, with an address": 0.5,
}
SIGNING_GOAL = 0.9
"""The rate of signed profiles, relative to the signatures that the same core makes when it does nothing else."""


def load(server: Server, path: str, seconds: int, *options: str, cores: str = "1") -> float:
    """Put load on a server and return its responses per second. Raises RuntimeError if any is an error."""
    command = ["taskset", "--cpu-list", cores, "wrk", "-t1", "-c32", "--timeout", "30s", f"-d{seconds}s", *options]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{server.port}{path}"], capture_output=True, text=True, check=True
    )
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"{server.name}, {path}:\n{done.stdout}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    assert found
    return float(found[1])


def throughput(folder: Path, rounds: int, seconds: int) -> dict[str, list[float]]:
    """Return the responses per second of every server and request, one number per round."""
    post = folder / "post.lua"
    body = OUTLOOK.read_text()
    post.write_text(f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "text/xml"\nwrk.body = [[{body}]]\n')
    form = folder / "form.lua"
    form.write_text(
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\n'
        f'wrk.body = "emailaddress={quote(ADDRESS)}"\n'
    )
    with_address = f"{AUTOCONFIG}?emailaddress={ADDRESS}"
    with ExitStack() as stack:
        ours = stack.enter_context(servers.ours())
        like = httpx.get(f"http://127.0.0.1:{ours.port}{with_address}")
        baseline = stack.enter_context(servers.baseline(folder, like))
        nginx = stack.enter_context(servers.nginx(folder / "nginx", like))
        automx2 = stack.enter_context(servers.automx2(folder))
        signing = stack.enter_context(servers.ours(*SigningAuthority(folder).signatory().options()))
        etag = f"If-None-Match: {like.headers['etag']}"
        runs: list[tuple[str, Server, str, tuple[str, ...]]] = [
            (baseline.name, baseline, with_address, ()),
            (nginx.name, nginx, AUTOCONFIG, ()),
            (automx2.name, automx2, with_address, ()),
            ("autoconfig, with an address", ours, with_address, ()),
            ("autoconfig, without", ours, AUTOCONFIG, ()),
            ("autoconfig, not modified", ours, with_address, ("-H", etag)),
            ("Autodiscover POST", ours, "/autodiscover/autodiscover.xml", ("-s", str(post))),
            ("unsigned profile", ours, f"/email.mobileconfig?emailaddress={ADDRESS}", ()),
            ("signed profile, RSA 2048", signing, f"/email.mobileconfig?emailaddress={ADDRESS}", ()),
            ("setup page", ours, "/", ()),
            ("setup page, with an address", ours, "/", ("-s", str(form))),
            ("PACC", ours, "/.well-known/user-agent-configuration.json", ()),
        ]
        rates: dict[str, list[float]] = {name: [] for name, *_ in runs}
        for number in range(rounds + 1):
            for name, server, path, options in runs:
                rate = load(server, path, seconds if number else 1, *options)
                if number:  # the first round warms up
                    rates[name].append(rate)
        return rates


def signing(folder: Path, rounds: int, seconds: int) -> list[dict[str, Any]]:
    """Return the cost of signing by key size: signatures alone, signed profiles, and autoconfig meanwhile."""
    profile = f"/email.mobileconfig?emailaddress={ADDRESS}"
    rows = []
    for bits in (2048, 4096):
        options = servers.signing_options(folder, bits)
        with servers.ours(*options) as server:
            alone, signed = [], []
            for _ in range(rounds):
                alone.append(servers.signatures(options, seconds))
                signed.append(load(server, profile, seconds))
            meanwhile = servers.slowest_percent(server, AUTOCONFIG, profile, seconds * rounds)
        ratio = statistics.median(signed) / statistics.median(alone)
        rows.append(
            {
                "key": f"RSA {bits}",
                "signatures/s alone": round(statistics.median(alone)),
                "signed profiles/s": round(statistics.median(signed)),
                "ratio": f"{ratio:.2f}",
                "goal": SIGNING_GOAL,
                "p99 of autoconfig meanwhile, ms": meanwhile,
            }
        )
    return rows


def start(times: int) -> float:
    """Return the median milliseconds from the start to the first response."""
    found = []
    for _ in range(times):
        with servers.ours() as server:
            found.append(server.ready_after)
    return statistics.median(found)


def memory(most: int) -> dict[str, int]:
    """Return the server's memory (KiB) after its start, after ten thousand requests, and after `most`."""
    path = f"{AUTOCONFIG}?emailaddress={ADDRESS}"
    with servers.ours() as server:
        found = {"after start": server.memory()}
        done = 0.0
        for name, total in (("after 10,000 requests", 10_000), (f"after {most:,}", most)):
            while done < total:
                seconds = max(1, min(20, round((total - done) / 30_000)))
                done += load(server, path, seconds) * seconds
            found[name] = server.memory()
        return found


def growth(folder: Path, numbers: list[int], rounds: int, seconds: int) -> list[dict[str, Any]]:
    """Return how throughput changes with the number of definitions, in alternating rounds."""
    path = f"{AUTOCONFIG}?emailaddress={ADDRESS}"
    with ExitStack() as stack:
        running = []
        for number in numbers:
            definitions = servers.write_definitions(folder / str(number), number)
            server = stack.enter_context(servers.ours("--definition", definitions))
            running.append((number, server))
        rates: dict[int, list[float]] = {number: [] for number in numbers}
        for _ in range(rounds):
            for number, server in running:
                rates[number].append(load(server, path, seconds))
    first = statistics.median(rates[numbers[0]])
    return [
        {
            "definitions": number,
            "requests/s": round(statistics.median(rates[number])),
            "ratio": round(statistics.median(rates[number]) / first, 3),
        }
        for number, _ in running
    ]


def workers(rounds: int, seconds: int) -> list[dict[str, Any]]:
    """Return throughput and memory with one and two workers. Load and servers share both cores."""
    path = f"{AUTOCONFIG}?emailaddress={ADDRESS}"
    rows = []
    for number in (1, 2):
        with servers.ours("--workers", str(number), cores="0,1") as server:
            rates = [load(server, path, seconds, cores="0,1") for _ in range(rounds)]
            rows.append(
                {"workers": number, "requests/s": round(statistics.median(rates)), "memory KiB": server.memory()}
            )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows as a Markdown table."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([f"{row[name]:,}" if isinstance(row[name], int) else str(row[name]) for name in names] for row in rows)]  # fmt: skip
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Measure, print the tables and write them as JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=int, default=2)
    arguments.add_argument("--requests", type=int, default=1_000_000, help="requests before memory is measured")
    arguments.add_argument("--definitions", type=int, nargs="+", default=[1, 100, 10_000])
    arguments.add_argument(
        "--only-scale", action="store_true", help="measure only start-up time and memory of many definitions"
    )
    arguments.add_argument("--json", type=Path, default=Path("bench.json"))
    arguments.add_argument("--plot", type=Path)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only_scale:
            print(table(scale(folder, options.definitions)))
            return
        (folder / "nginx").mkdir()
        folder.chmod(0o755)
        rates = throughput(folder, options.rounds, options.seconds)
        medians = {name: statistics.median(found) for name, found in rates.items()}
        rows = [
            {
                "what": name,
                "requests/s": round(median),
                "of the bare callable": f"{median / medians[BASELINE]:.2f}",
                "goal": GOALS.get(name, ""),
            }
            for name, median in medians.items()
        ]
        results = {
            "machine": f"{platform.machine()}, Python {platform.python_version()}, {platform.system()}",
            "throughput": rows,
            "signing": signing(folder, options.rounds, options.seconds),
            "start ms": round(start(5)),
            "memory KiB": memory(options.requests),
            "scale": scale(folder, options.definitions),
            "definitions": growth(folder, options.definitions, options.rounds, options.seconds),
            "workers": workers(options.rounds, options.seconds),
            "in process": in_process(),
        }
    options.json.write_text(json.dumps(results | {"rounds": rates}, indent=2) + "\n")
    if options.plot:
        options.plot.write_text(plot(rows))
    print(table(rows))
    print(f"\n{table(results['signing'])}")  # type: ignore[arg-type]
    print(f"\nStart to first response: {results['start ms']} ms\n")
    print(table([results["memory KiB"]]))  # type: ignore[list-item]
    print(f"\n{table(results['scale'])}")  # type: ignore[arg-type]
    print(f"\n{table(results['definitions'])}\n\n{table(results['workers'])}\n\n{table(results['in process'])}")  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
