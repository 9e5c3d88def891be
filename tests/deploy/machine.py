"""An operator's machine for the tests, with its own network, /etc, /var and Docker engine.

It has no internet access: buildah builds the images beforehand.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.network import ADDRESS, Network, network

PROJECT = Path(__file__).parents[2]
DOCUMENT = PROJECT / "docs" / "deploy.md"

_DOCKER = """#!/bin/sh
# In Debian, Compose is a separate program. buildah has already built the images.
case "$*" in
  *" build") exit 0 ;;
  compose\\ *) shift; exec docker-compose "$@" ;;
  *) exec {docker} "$@" ;;
esac
"""


def steps() -> dict[str, str]:
    """Return the commands of each named step in docs/deploy.md."""
    found = re.findall(r"<!-- step: ([\w -]+) -->\n```sh\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len(dict(found)) == len(found)
    return dict(found)


class Machine:
    """Runs commands in the network, with private copies of /etc and /var, in a clone of this project."""

    def __init__(self, lab: Network, keeper: int, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.clone = folder / "clone"
        self._keeper = keeper
        self._programs = folder / "programs"
        self._programs.mkdir()
        self._copy_project()
        self.install("docker", _DOCKER.format(docker=shutil.which("docker")))
        self.install("git", "#!/bin/sh\nexit 0\n")
        self.environment = os.environ | {
            "PATH": f"{self._programs}:{os.environ['PATH']}", "DOCKER_HOST": f"unix://{folder}/docker.sock", "HOME": str(folder),
            "COMPOSE_INTERACTIVE_NO_CLI": "1", "DOCKER_BUILDKIT": "0",
        }  # fmt: skip

    def _copy_project(self) -> None:
        files = subprocess.run(
            ["git", "ls-files", "-z", "deploy", "autoconfig/bt.xml"], cwd=PROJECT, capture_output=True, check=True
        )
        for name in files.stdout.decode().split("\0"):
            if name and (PROJECT / name).is_file():
                target = self.clone / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(PROJECT / name, target)

    def install(self, program: str, script: str) -> None:
        """Install a script that takes precedence over the machine's program of that name."""
        file = self._programs / program
        file.write_text(script)
        file.chmod(0o755)

    def command(self, *command: str | Path) -> list[str | Path]:
        """Return the command that runs another command on this machine, in the clone."""
        enter: list[str | Path] = ["nsenter", f"--target={self._keeper}", "--mount", "--net"]
        return [*enter, "sh", "-c", 'cd "$0" && exec "$@"', self.clone, *command]

    def run(self, *command: str | Path, timeout: float = 120, output: str = "stdout") -> str:
        """Run a command on this machine, and return its stdout, or with `output="stderr"` its stderr.

        Fails if the command does, or after `timeout` seconds.
        """
        done = subprocess.run(self.command(*command), env=self.environment, capture_output=True, text=True,
                              check=False, timeout=timeout)  # fmt: skip
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout if output == "stdout" else done.stderr

    def follow(self, step: str, output: str = "stdout") -> str:
        """Run the commands of a step in docs/deploy.md, and return their output."""
        return self.run("sh", "-euc", steps()[step], output=output)

    def write(self, path: str, text: str) -> None:
        """Write a file on this machine, for example in /etc."""
        subprocess.run(self.command("tee", path), input=text, text=True, check=True, capture_output=True)

    def start_docker(self) -> None:
        """Start a Docker engine."""
        options: list[str | Path] = [
            "--data-root",
            self.folder / "docker",
            "--exec-root",
            self.folder / "docker-run",
            "--pidfile",
            self.folder / "docker.pid",
        ]
        with (self.lab.folder / "docker.engine").open("wb") as log:
            self._docker = subprocess.Popen(
                self.command("dockerd", *options, "--host", self.environment["DOCKER_HOST"]), stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while subprocess.run(
            self.command("docker", "info"), env=self.environment, capture_output=True, check=False
        ).returncode:
            assert self._docker.poll() is None, (self.lab.folder / "docker.engine").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def stop_docker(self) -> None:
        """Stop the engine and its containers."""
        self._docker.terminate()
        self._docker.wait(timeout=30)


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """Make a machine; afterwards, remove it and everything that runs on it."""
    with network() as lab:
        overlays = ""
        for name in ("etc", "var"):
            upper, work = lab.folder / f"{name}.upper", lab.folder / f"{name}.work"
            upper.mkdir()
            work.mkdir()
            overlays += f"mount -t overlay overlay -o lowerdir=/{name},upperdir={upper},workdir={work} /{name}\n"
        # The network's folder is on the disk; an overlay's upper directory must be.
        script = f"set -e\n{overlays}\necho nameserver {ADDRESS} > /etc/resolv.conf\necho ready\nexec sleep infinity"
        enter = ["nsenter", f"--net=/run/netns/{lab.name}", "unshare", "--mount", "sh", "-c", script]
        with subprocess.Popen(enter, stdout=subprocess.PIPE) as keeper:
            try:
                assert keeper.stdout
                assert keeper.stdout.readline() == b"ready\n"
                yield Machine(lab, keeper.pid, folder)
            finally:
                keeper.kill()
