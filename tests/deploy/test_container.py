"""The container image, built by buildah as it stands in deploy/ and started.

Where no registry of images can be reached, a Debian made by debootstrap stands in for the base image.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

PROJECT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
IMAGE = "localhost/bt-autoconfig-test"
BASE = "localhost/bt-autoconfig-test-base"


def buildah(*arguments: str | Path, timeout: float = 900) -> str:
    command = ["buildah", *arguments]
    done = subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=timeout, cwd=PROJECT
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("base")
    include = "--include=ca-certificates,python3,python3-venv"
    subprocess.run(
        ["debootstrap", "--variant=minbase", include, "bookworm", folder], check=True, capture_output=True, timeout=900
    )
    base = buildah("from", "scratch")
    buildah("add", base, folder, "/")
    buildah("commit", base, BASE)
    buildah("rm", base)
    # The build fetches packages the way that this machine does.
    volumes = [f"--volume={path}:{path}:ro" for path in ("/etc/ssl/certs", "/etc/pip.conf") if Path(path).exists()]
    secrets = [f"--env={name}" for name in ("PIP_CERT", "PIP_INDEX_URL", "HTTPS_PROXY") if name in os.environ]
    buildah("build", "--format=docker", "--network=host", f"--build-arg=BASE={BASE}", *volumes, *secrets,
            "--file", "deploy/Containerfile", "--tag", IMAGE, ".")  # fmt: skip
    yield IMAGE
    for name in (IMAGE, BASE):
        subprocess.run(["buildah", "rmi", "--force", name], env=ENVIRONMENT, capture_output=True, check=False)


@pytest.mark.timeout(1800)
def test_the_image_starts_without_root_and_serves(image: str, tmp_path: Path) -> None:
    container = buildah("from", image)
    try:
        command = ["buildah", "run", "--network=host", "--env=BT_AUTOCONFIG_PORT=8765", "--env=BT_AUTOCONFIG_HOST=127.0.0.1",
                   container, "bt-autoconfig", "serve"]  # fmt: skip
        with (tmp_path / "output").open("wb") as output:
            process = subprocess.Popen(command, env=ENVIRONMENT, stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    answer = httpx.get("http://127.0.0.1:8765/mail/config-v1.1.xml?emailaddress=a@talk21.com")
                    break
                except httpx.TransportError:
                    assert process.poll() is None, (tmp_path / "output").read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.2)
            assert answer.status_code == 200
            assert httpx.get("http://127.0.0.1:8765/").status_code == 200
        finally:
            process.terminate()
            process.wait(timeout=30)
        assert buildah("run", container, "id", "-u") == "65532"
        assert "/opt/bt-autoconfig/bin/pip" not in buildah("run", container, "ls", "/opt/bt-autoconfig/bin")
    finally:
        buildah("rm", container)


@pytest.mark.timeout(1800)
def test_the_image_says_how_to_see_that_it_is_well(image: str) -> None:
    settings = buildah(
        "inspect", "--type=image", "--format={{.Docker.Config.Healthcheck}} {{.Docker.Config.User}}", image
    )
    assert "/healthz" in settings
    assert settings.endswith("65532:65532")
