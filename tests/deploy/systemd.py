"""A container that runs systemd."""

import subprocess
import time
from collections.abc import Callable

from tests.deploy.machine import Machine


class Systemd:
    """A container whose first process is systemd, with the clone in /srv."""

    def __init__(self, machine: Machine, image: str) -> None:
        self.machine = machine
        options = ["--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN", "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined", "--user=0", "--entrypoint=/lib/systemd/systemd", "--workdir=/srv", "--tmpfs=/run", "--tmpfs=/run/lock",
                   "--cgroupns=host", "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw", f"--volume={machine.clone}:/srv"]  # fmt: skip
        self.name = machine.run("docker", "run", "--detach", *options, image).strip()
        self.until("systemctl is-system-running", lambda state: state.strip() in ("running", "degraded"))
        # In a Docker container, systemd cannot create user namespaces.
        self.run("mkdir -p /etc/systemd/system/bt-autoconfig.service.d")
        self.run("printf '[Service]\\nPrivateUsers=no\\n' > /etc/systemd/system/bt-autoconfig.service.d/docker.conf")

    def run(self, command: str) -> str:
        """Run shell commands in the container, and return their output."""
        return self.machine.run("docker", "exec", self.name, "sh", "-euc", command)

    def until(self, command: str, expected: Callable[[str], bool]) -> None:
        """Wait until the output of a command is as expected. Fails with the journal after 30 seconds."""
        deadline = time.monotonic() + 30
        while True:
            done = subprocess.run(self.machine.command("docker", "exec", self.name, "sh", "-uc", command),
                                  env=self.machine.environment, capture_output=True, text=True, check=False)  # fmt: skip
            if expected(done.stdout):
                return
            assert time.monotonic() < deadline, f"{done.stdout}{done.stderr}{self.run('journalctl --no-pager -n 50')}"
            time.sleep(0.2)

    def get(self, path: str) -> str:
        """Return the body of the server's response for a path."""
        script = f"import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8000{path}').read())"
        return self.run(f'python3 -c "{script}"')

    def remove(self) -> None:
        """Print the journal, which pytest shows if a test fails, and remove the container."""
        print(self.run("journalctl --no-pager -n 200"))  # noqa: T201
        self.machine.run("docker", "rm", "--force", self.name)
