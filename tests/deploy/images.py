"""Container images, built by buildah from the files of deploy/.

The tests need no image registry: debootstrap makes the base image, and Debian's Caddy replaces Caddy's own image.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"BUILDAH_ISOLATION": "chroot"}
BASE = "localhost/bt-autoconfig-test-base"
IMAGE = "bt-autoconfig:1.0.0"
"""The name in deploy/compose.yaml."""
_CADDY_SETTINGS = ("--env=XDG_DATA_HOME=/data", "--env=XDG_CONFIG_HOME=/config", "--workingdir=/srv")


def buildah(*arguments: str | Path, timeout: float = 900) -> str:
    """Run buildah and return its output. Fails if buildah does."""
    command = ["buildah", *arguments]
    done = subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=timeout, cwd=PROJECT
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout.strip()


def _base(folder: Path) -> None:
    """Make the base image, unless an earlier run on this machine has made it."""
    if buildah("images", "--quiet", "--filter", f"reference={BASE}"):
        return
    include = "--include=ca-certificates,dbus,libcap2-bin,python3,python3-venv,systemd"
    subprocess.run(
        ["debootstrap", "--variant=minbase", include, "bookworm", folder], check=True, capture_output=True, timeout=900
    )
    container = buildah("from", "scratch")
    buildah("add", container, folder, "/")
    buildah("commit", container, BASE)
    buildah("rm", container)


def _caddy(name: str) -> None:
    """Build an image with the paths, the command and the capability of Caddy's own image."""
    container = buildah("from", BASE)
    buildah("copy", container, "/usr/bin/caddy", "/usr/bin/caddy")
    prepare = "mkdir -p /config/caddy /data/caddy /etc/caddy /srv && chmod 1777 /config/caddy /data/caddy"
    buildah("run", container, "sh", "-c", f"{prepare} && setcap cap_net_bind_service=+ep /usr/bin/caddy")
    buildah(
        "config",
        *_CADDY_SETTINGS,
        '--cmd=["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]',
        container,
    )
    buildah("commit", "--format=docker", container, name)
    buildah("rm", container)


@contextmanager
def images(folder: Path, caddy: str) -> Iterator[None]:
    """Build the server's image and the image `caddy`; remove them afterwards."""
    _base(folder / "base")
    # The build needs this machine's settings for the package index.
    volumes = [f"--volume={path}:{path}:ro" for path in ("/etc/ssl/certs", "/etc/pip.conf") if Path(path).exists()]
    secrets = [f"--env={name}" for name in ("PIP_CERT", "PIP_INDEX_URL", "HTTPS_PROXY") if name in os.environ]
    buildah("build", "--format=docker", "--network=host", f"--build-arg=BASE={BASE}", *volumes, *secrets,
            "--file", "deploy/Containerfile", "--tag", IMAGE, ".")  # fmt: skip
    _caddy(caddy)
    try:
        yield
    finally:
        for name in (IMAGE, caddy):
            subprocess.run(["buildah", "rmi", "--force", name], env=ENVIRONMENT, capture_output=True, check=False)


def save(name: str, folder: Path) -> Path:
    """Save an image as a file for `docker load`, and return the file."""
    file = folder / f"{name.replace('/', '_').replace(':', '_')}.tar"
    if not file.exists():
        buildah("push", name, f"docker-archive:{file}:{name}")
    return file
