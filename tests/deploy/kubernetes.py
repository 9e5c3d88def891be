"""Read the manifests that kubectl builds from deploy/kubernetes, and match paths as gateways do."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.proxies import DEPLOY, replaced

KUBERNETES = DEPLOY / "kubernetes"
Manifest = dict[str, Any]


def build(folder: Path) -> list[Manifest]:
    """Return the manifests that `kubectl apply -k` would apply. Fails on errors and warnings."""
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # nothing deprecated
    return list(yaml.safe_load_all(done.stdout))


def overlay(folder: Path, replacements: dict[str, str]) -> Path:
    """Copy deploy/kubernetes, edit the example as an operator would, and return the copied example."""
    copy = folder / "kubernetes"
    shutil.copytree(KUBERNETES, copy)
    file = copy / "example" / "kustomization.yaml"
    file.write_text(replaced(file.read_text(), replacements))
    return copy / "example"


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """Return the manifests of a kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def pod_of(manifests: list[Manifest]) -> Manifest:
    """Return the pod's specification."""
    (deployment,) = of_kind(manifests, "Deployment")
    pod: Manifest = deployment["spec"]["template"]["spec"]
    return pod


def environment(container: Manifest) -> dict[str, str]:
    """Return a container's environment variables."""
    return {variable["name"]: variable["value"] for variable in container["env"]}


class Paths:
    """The paths that a route or an Ingress passes on: exact ones, and those below prefixes."""

    def __init__(self, exact: set[str], prefixes: set[str]) -> None:
        self._exact, self._prefixes = exact, prefixes

    @classmethod
    def of_route(cls, route: Manifest) -> "Paths":
        """Read an HTTPRoute's rules that have a backend (Gateway API, HTTPPathMatch)."""
        matches = [
            match["path"] for rule in route["spec"]["rules"] if "backendRefs" in rule for match in rule["matches"]
        ]
        return cls(
            {match["value"] for match in matches if match["type"] == "Exact"},
            {match["value"] for match in matches if match["type"] == "PathPrefix"},
        )

    @classmethod
    def of_ingress(cls, ingress: Manifest) -> "Paths":
        """Read an Ingress (networking.k8s.io/v1, pathType)."""
        paths = [path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
        return cls(
            {path["path"] for path in paths if path["pathType"] == "Exact"},
            {path["path"] for path in paths if path["pathType"] == "Prefix"},
        )

    def match(self, path: str) -> bool:
        """Return whether a path is passed on. Prefixes match whole elements. Matching is case-sensitive."""
        if path in self._exact:
            return True
        elements = path.split("/")
        return any(
            elements[: len(prefix.rstrip("/").split("/"))] == prefix.rstrip("/").split("/") for prefix in self._prefixes
        )
