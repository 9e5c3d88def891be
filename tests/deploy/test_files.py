"""The files of deploy/ are valid for the programs that read them, and fit the server."""

import functools
import json
import os
import re
import shutil
import socket
import subprocess
import time
import tomllib
from pathlib import Path

import httpx
import pytest
import yaml

from tests.support import COMMAND, serving

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = [DEPLOY / "bt-autoconfig.service", DEPLOY / "bt-autoconfig.socket"]


@functools.cache
def environment_variables() -> set[str]:
    """Return the environment variables of `serve`."""
    help_ = subprocess.run([COMMAND, "serve", "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"BT_AUTOCONFIG_[A-Z_]+", help_))


@pytest.mark.parametrize(
    "file",
    [path for path in sorted(DEPLOY.rglob("*")) if path.is_file()],
    ids=lambda path: str(path.relative_to(DEPLOY)),
)
def test_every_environment_variable_is_one_of_the_servers(file: Path) -> None:
    of_caddy = {"BT_AUTOCONFIG_SERVER"}
    assert set(re.findall(r"BT_AUTOCONFIG_[A-Z_]+", file.read_text())) <= environment_variables() | of_caddy


# systemd


needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="no systemd-analyze; `make test-deploy` installs it (root, Debian)"
)


def unit(folder: Path) -> list[Path]:
    """Return copies of the units that start the command of this checkout."""
    copies = []
    example = DEPLOY / "kubernetes" / "example" / "definitions"
    for file in UNITS:
        copy = folder / file.name
        text = file.read_text().replace("/opt/bt-autoconfig/bin/bt-autoconfig", str(COMMAND))
        copy.write_text(text.replace("/etc/bt-autoconfig/definitions", str(example)))
        copies.append(copy)
    return copies


@needs_systemd
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", *unit(tmp_path)], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if "bt-autoconfig" in line] == []


@needs_systemd
def test_systemd_rates_the_service_as_hardened() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", UNITS[0]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout  # at most 2.0 of 10


@needs_systemd
def test_the_socket_starts_the_service(tmp_path: Path) -> None:
    service = unit(tmp_path)[0].read_text()
    (command,) = re.findall("^ExecStart=(.*)$", service, re.MULTILINE)
    settings = dict(line.split("=", 1) for line in re.findall("^Environment=(.*)$", service, re.MULTILINE))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    listen = ["systemd-socket-activate", f"--listen=127.0.0.1:{port}", *(f"--setenv={name}" for name in settings)]
    with subprocess.Popen(
        [*listen, *command.split()], env=os.environ | settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    assert httpx.get(f"http://127.0.0.1:{port}/mail/config-v1.1.xml", timeout=20).status_code == 200
                    break
                except httpx.TransportError:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            assert process.stdout
            assert json.loads(process.stdout.readline())["message"].endswith(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()


# Prometheus


def test_the_server_has_every_metric_of_the_dashboard(signing: tuple[str, ...]) -> None:
    dashboard = (DEPLOY / "grafana.json").read_text()
    shown = set(re.findall(r"bt_autoconfig_[a-z_]+", dashboard))
    assert len(json.loads(dashboard)["panels"]) == 8
    with serving("--metrics-port", "0", *signing) as served:
        served.http.get("/healthz")
        text = served.metrics()
    known = set(re.findall(r"^(bt_autoconfig_[a-z_]+)", text, re.MULTILINE))
    assert shown - known == set()


def test_third_party_images_are_pinned_to_a_version() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    base = re.search(r"^ARG BASE=(.*)$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    assert base
    for image in (compose["services"]["caddy"]["image"], base[1]):
        assert re.fullmatch(r"docker\.io/library/[a-z]+:\d+\.\d+\.\d+(-[a-z-]+)?", image), image


def test_the_images_and_manifests_have_the_projects_version() -> None:
    version = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]["version"]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    example = yaml.safe_load((DEPLOY / "kubernetes" / "example" / "kustomization.yaml").read_text())
    assert compose["services"]["bt-autoconfig"]["image"] == f"${{IMAGE:-bt-autoconfig:{version}}}"
    assert example["images"][0]["newTag"] == version


def test_the_documented_line_for_a_remote_prometheus_fits_the_unit() -> None:
    line = "IPAddressAllow=192.0.2.9"
    assert f"`{line}`" in (DEPLOY.parent / "docs" / "deploy.md").read_text()
    assert "IPAddressDeny=any" in UNITS[0].read_text()


def test_compose_trusts_only_the_network_of_its_own_proxy() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    server, caddy = compose["services"]["bt-autoconfig"], compose["services"]["caddy"]
    (network,) = compose["networks"]["web"]["ipam"]["config"]
    assert server["environment"]["BT_AUTOCONFIG_TRUSTED_PROXIES"] == network["subnet"]
    assert server["read_only"] is True
    assert server["cap_drop"] == caddy["cap_drop"] == ["ALL"]
    assert caddy["environment"]["BT_AUTOCONFIG_SERVER"] == "bt-autoconfig:8000"
    assert "ports" not in server
