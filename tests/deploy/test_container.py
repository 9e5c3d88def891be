"""The container image, run by Docker as Kubernetes would."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.images import IMAGE
from tests.deploy.kubernetes import KUBERNETES, Manifest, build, environment, of_kind, pod_of
from tests.deploy.machine import Machine

pytestmark = pytest.mark.timeout(900)
"""The first test builds the images."""


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    return build(KUBERNETES / "example")


class Pod:
    """A container with the environment, volumes, user, limits and probes of the Deployment."""

    def __init__(self, machine: Machine, manifests: list[Manifest]) -> None:
        self._machine = machine
        self.pod = pod_of(manifests)
        (self.container,) = self.pod["containers"]
        (config_map,) = of_kind(manifests, "ConfigMap")
        self._definitions = machine.folder / "definitions"
        self.mount(config_map["data"])
        security, limits = self.pod["securityContext"], self.container["resources"]["limits"]
        options = [f"--user={security['runAsUser']}:{security['runAsGroup']}", f"--memory={limits['memory'].removesuffix('i').lower()}",
                   "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp:size=16m"]  # fmt: skip
        options += [f"--env={name}={value}" for name, value in environment(self.container).items()]
        options += [f"--volume={self._definitions}:{mount['mountPath']}:ro" for mount in self.container["volumeMounts"]
                    if mount["name"] == "definitions"]  # fmt: skip
        self.name = machine.run("docker", "run", "--detach", *options, IMAGE).strip()
        self.address = machine.run("docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", self.name).strip()

    def mount(self, data: dict[str, str]) -> None:
        """Write files as the kubelet does for a ConfigMap: as links into a folder that is itself a link."""
        shutil.rmtree(self._definitions, ignore_errors=True)
        version = self._definitions / "..2026_11_24"
        version.mkdir(parents=True)
        (self._definitions / "..data").symlink_to(version.name)
        for name, text in data.items():
            (version / name).write_text(text)
            (self._definitions / name).symlink_to(Path("..data", name))

    def get(self, path: str, port: str = "http") -> str:
        """Request a path at a named port of the container; return the status, or 000 if there is no response."""
        number = next(entry["containerPort"] for entry in self.container["ports"] if entry["name"] == port)
        command = f"curl --silent --output /dev/null --write-out '%{{http_code}}' 'http://{self.address}:{number}{path}' || true"
        return self._machine.run("sh", "-c", command).strip()

    def probe(self, name: str) -> str:
        """Send a probe's request, and return the status."""
        check = self.container[name]["httpGet"]
        return self.get(check["path"], check["port"])

    def wait(self, probe: str, status: str) -> None:
        """Wait until a probe gets a status. Fails with the logs after 30 seconds."""
        deadline = time.monotonic() + 30
        while self.probe(probe) != status:
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.1)

    def logs(self) -> str:
        """Return the container's output."""
        return self._machine.run("sh", "-c", f"docker logs {self.name} 2>&1")


@pytest.fixture(scope="module")
def pod(engine: Machine, manifests: list[Manifest]) -> Iterator[Pod]:
    pod = Pod(engine, manifests)
    pod.wait("startupProbe", "200")
    yield pod
    engine.run("docker", "rm", "--force", pod.name)


def test_the_image_sets_its_user_and_health_check_and_has_no_pip(engine: Machine) -> None:
    (settings,) = json.loads(engine.run("docker", "image", "inspect", IMAGE))
    assert settings["Config"]["User"] == "65532:65532"
    assert "/healthz" in " ".join(settings["Config"]["Healthcheck"]["Test"])
    files = engine.run("docker", "run", "--rm", "--entrypoint", "ls", IMAGE, "/opt/bt-autoconfig/bin")
    assert "bt-autoconfig" in files
    assert "pip" not in files


def test_the_image_serves_bt_mail_by_default(engine: Machine) -> None:
    assert "mail.btinternet.com" in engine.run("docker", "run", "--rm", "--read-only", IMAGE, "render", "autoconfig")


def test_the_pod_serves_the_definitions_of_the_config_map_and_is_ready(pod: Pod) -> None:
    assert pod.probe("readinessProbe") == pod.probe("livenessProbe") == "200"
    assert pod.get("/v1.1/example.com") == "200"
    assert pod.get("/v1.1/btinternet.com") == "404"


def test_the_pod_serves_metrics_at_the_annotated_port(pod: Pod, manifests: list[Manifest]) -> None:
    (deployment,) = of_kind(manifests, "Deployment")
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == "9000"
    assert pod.get("/metrics", "metrics") == "200"


def test_a_pod_that_shuts_down_is_not_ready_but_still_serves(engine: Machine, manifests: list[Manifest]) -> None:
    stopping = Pod(engine, manifests)
    try:
        stopping.wait("startupProbe", "200")
        engine.run("docker", "kill", "--signal=TERM", stopping.name)
        stopping.wait("readinessProbe", "503")
        assert stopping.probe("livenessProbe") == "200"
        assert stopping.get("/mail/config-v1.1.xml") == "200"
        assert engine.run("docker", "wait", stopping.name, timeout=40).strip() == "0"
    finally:
        engine.run("docker", "rm", "--force", stopping.name)
