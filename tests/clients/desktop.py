"""A desktop session in the lab, with its own D-Bus, for mail programs."""

import shutil
import subprocess
from pathlib import Path

from tests.clients.network import Network
from tests.clients.tls import Authority

_TRUSTED = Path("/etc/ssl/certs")
"""The authorities that GnuTLS (a file in this folder) and Qt (links named by hash) trust on Debian.

No environment variable names another folder.
"""
_X_SOCKETS = Path("/tmp/.X11-unix")


def version(program: str, package: str) -> str:
    """Return a program's name with Debian's version: `KMail 4:22.12.3-1+deb12u1`."""
    command = ["dpkg-query", "--show", f"--showformat={program} ${{Version}}", package]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Desktop:
    """The session of a user who has never started a program; `home` is that user's folder."""

    def __init__(self, network: Network, authority: Authority) -> None:
        self._network = network
        self.home = network.folder / "home"
        self._runtime = self.home / "run"
        self._runtime.mkdir(parents=True, mode=0o700)
        self._trusted = network.folder / "trusted"
        shutil.copytree(_TRUSTED, self._trusted, symlinks=True)
        root = authority.certificate.read_bytes()
        (self._trusted / "lab.pem").write_bytes(root)
        with (self._trusted / "ca-certificates.crt").open("ab") as bundle:
            bundle.write(root)
        subprocess.run(["openssl", "rehash", self._trusted], check=True, capture_output=True)

    def run(self, *command: str, **environment: str) -> str:
        """Run a program and return the output of the session. Raises AssertionError if the program fails."""
        log = self.home / "session.txt"
        variables = {
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self._runtime),
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
        } | environment
        # `ip netns exec` gives every command a mount namespace, so no other program sees these authorities.
        # A private folder for the sockets of X servers: the numbers of displays are those of this network only.
        # Services of the session may outlive it, so they must not inherit the pipe that `Network.run` reads.
        script = (
            'mount --bind "$1" "$2"; mkdir -p "$3"; mount -t tmpfs -o mode=1777 tmpfs "$3"; log=$4; shift 4;'
            ' "$@" >"$log" 2>&1 || { cat "$log"; exit 1; }'
        )
        self._network.run(
            ["sh", "-euc", script, "sh", self._trusted, _TRUSTED, _X_SOCKETS, log,
             "env", "-i", *(f"{name}={value}" for name, value in variables.items()),
             "dbus-run-session", "--", *command]
        )  # fmt: skip
        return log.read_text(errors="replace")
