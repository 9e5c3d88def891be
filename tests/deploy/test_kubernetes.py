"""deploy/kubernetes, built by kubectl and validated against the schemas of Kubernetes."""

import posixpath
import subprocess
from pathlib import Path
from urllib.parse import unquote

import kubernetes_validate
import pytest

from autoconfig.protocols import PROTOCOLS
from autoconfig.site import setup_page
from autoconfig.site.assets import ASSETS
from tests.deploy.hostile import spelled
from tests.deploy.kubernetes import KUBERNETES, Manifest, Paths, build, environment, of_kind, overlay, pod_of
from tests.support import COMMAND

GATEWAY = {"../gateway # or ../ingress": "../gateway"}
_ENVOY = "components:\n  - ../envoy-gateway # for other gateways, remove this line and make sure that they do not log query strings\n"
INGRESS = {"../gateway # or ../ingress": "../ingress", _ENVOY: ""}
SIGNING = {"# - ../signing": "  - ../signing"}
LOOKUPS = {"# - ../lookups": "  - ../lookups"}
OWN_KINDS = {"Certificate", "EnvoyProxy", "Gateway", "HTTPRoute", "Middleware"}
"""Kinds that are not part of Kubernetes itself."""
INTERNAL = ("/metrics", "/tls/ask", "/readyz")
HTTP = [
    "/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml", "/.well-known/mail-v1.xml", "/v1.1/example.com",
    "/v1.1/mail/config-v1.1.xml", "/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml",
    "/AutoDiscover/AutoDiscover.xml", "/healthz",
]  # fmt: skip
HTTPS = [
    *HTTP, *setup_page.PATHS, *(path.rstrip("/") for path in setup_page.PATHS if path != "/"), *(asset.path for asset in ASSETS),
    *(path.path.replace("{domain}", "example.com").replace("{address}", "fred@example.com") for protocol in PROTOCOLS for path in protocol.paths),
    "/Autodiscover/Autodiscover.json",
]  # fmt: skip
"""Every path that the server has for clients, and another spelling of an Autodiscover path."""


@pytest.fixture(
    scope="module",
    params=[GATEWAY, INGRESS, GATEWAY | SIGNING, GATEWAY | LOOKUPS],
    ids=["gateway", "ingress", "signing", "lookups"],
)
def manifests(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    return build(overlay(tmp_path_factory.mktemp("kubernetes"), request.param))


@pytest.fixture(scope="module")
def example() -> list[Manifest]:
    return build(KUBERNETES / "example")


@pytest.mark.parametrize("version", ["1.29", "1.33", kubernetes_validate.latest_version()])
def test_every_manifest_is_valid(manifests: list[Manifest], version: str) -> None:
    own = [manifest for manifest in manifests if manifest["kind"] not in OWN_KINDS]
    assert len(own) >= 7
    for manifest in own:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_everything_is_in_one_namespace_with_restricted_pods(manifests: list[Manifest]) -> None:
    (namespace,) = of_kind(manifests, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {manifest["metadata"].get("namespace") for manifest in manifests if manifest is not namespace} == {
        "bt-autoconfig"
    }


def test_a_changed_definition_restarts_the_pods(tmp_path: Path) -> None:
    copy = overlay(tmp_path, GATEWAY)
    references = []
    for name in ("Example Mail", "Another Name"):
        file = copy / "definitions" / "example.com.xml"
        file.write_text(file.read_text().replace("Example Mail", name))
        manifests = build(copy)
        (config_map,) = of_kind(manifests, "ConfigMap")
        (volume,) = [volume for volume in pod_of(manifests)["volumes"] if volume["name"] == "definitions"]
        assert volume["configMap"]["name"] == config_map["metadata"]["name"]
        references.append(volume["configMap"]["name"])
    assert references[0] != references[1]


def test_the_definitions_of_the_example_are_valid(example: list[Manifest]) -> None:
    (config_map,) = of_kind(example, "ConfigMap")
    files = {file.name: file.read_text() for file in (KUBERNETES / "example" / "definitions").glob("*.xml")}
    assert config_map["data"] == files
    subprocess.run([COMMAND, "validate", KUBERNETES / "example" / "definitions"], check=True, capture_output=True)


def test_only_the_example_names_the_image(example: list[Manifest]) -> None:
    (container,) = pod_of(example)["containers"]
    assert container["image"] == "registry.example.com/bt-autoconfig:1.0.0"
    elsewhere = [file for file in KUBERNETES.rglob("*.yaml") if "registry." in file.read_text()]
    assert elsewhere == [KUBERNETES / "example" / "kustomization.yaml"]


def test_only_the_autoscaler_sets_the_number_of_replicas(example: list[Manifest]) -> None:
    (deployment,) = of_kind(example, "Deployment")
    (autoscaler,) = of_kind(example, "HorizontalPodAutoscaler")
    (budget,) = of_kind(example, "PodDisruptionBudget")
    assert "replicas" not in deployment["spec"]
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert autoscaler["spec"]["minReplicas"] > 1
    assert (
        budget["spec"]["selector"]["matchLabels"].items()
        <= deployment["spec"]["template"]["metadata"]["labels"].items()
    )


def test_the_server_may_connect_only_to_dns_and_only_with_lookups(tmp_path: Path) -> None:
    for replacements, allowed in ((GATEWAY, []), (GATEWAY | LOOKUPS, [("UDP", 53), ("TCP", 53)])):
        policies = of_kind(build(overlay(tmp_path / str(len(allowed)), replacements)), "NetworkPolicy")
        labels = of_kind(build(KUBERNETES / "example"), "Deployment")[0]["spec"]["template"]["metadata"]["labels"]
        assert all(policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items() for policy in policies)
        assert any("Egress" in policy["spec"]["policyTypes"] for policy in policies)
        rules = [rule for policy in policies for rule in policy["spec"].get("egress", ())]
        assert [(port["protocol"], port["port"]) for rule in rules for port in rule["ports"]] == allowed
        assert all(rule["to"] for rule in rules)


def test_pods_run_without_root_and_with_a_read_only_root_filesystem(manifests: list[Manifest]) -> None:
    pod = pod_of(manifests)
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}
    }  # fmt: skip
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert {volume["name"] for volume in pod["volumes"]} == set(mounts)
    assert all(mount.get("readOnly") for name, mount in mounts.items() if name != "tmp")


def test_the_grace_period_of_a_pod_covers_the_drain_and_the_requests_in_flight(example: list[Manifest]) -> None:
    pod = pod_of(example)
    grace_time = 20  # the server's default
    assert (
        pod["terminationGracePeriodSeconds"]
        > int(environment(pod["containers"][0])["BT_AUTOCONFIG_DRAIN_TIME"]) + grace_time
    )


def test_load_balancing_follows_readyz_and_restarts_follow_healthz(example: list[Manifest]) -> None:
    (container,) = pod_of(example)["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == container["startupProbe"]["httpGet"]["path"] == "/healthz"


def test_the_certificate_covers_every_hostname_that_clients_request(example: list[Manifest]) -> None:
    (certificate,) = of_kind(example, "Certificate")
    command = f'{COMMAND} dns --definition definitions --host setup.example.com --format json | jq -r \'.[] | select(.type | IN("A", "AAAA", "CNAME")) | .name\''
    names = subprocess.run(
        command, shell=True, cwd=KUBERNETES / "example", capture_output=True, text=True, check=True
    ).stdout
    assert certificate["spec"]["dnsNames"] == [*names.split(), "setup.example.com"]
    (container,) = pod_of(example)["containers"]
    assert environment(container)["BT_AUTOCONFIG_PUBLIC_URL"] == "https://setup.example.com"


def paths(manifests: list[Manifest]) -> tuple[Paths, Paths]:
    """Return the paths that are passed on over https, and those over http."""
    by_name = {
        manifest["metadata"]["name"]: manifest for manifest in manifests if manifest["kind"] in ("HTTPRoute", "Ingress")
    }
    read = Paths.of_route if "bt-autoconfig-redirect" not in by_name else Paths.of_ingress
    return read(by_name["bt-autoconfig-https"]), read(by_name["bt-autoconfig-http"])


def test_everything_that_clients_request_is_passed_on(manifests: list[Manifest]) -> None:
    https, http = paths(manifests)
    assert [path for path in HTTPS if not https.match(path)] == []
    assert [path for path in HTTP if not http.match(path)] == []


def test_the_page_and_profiles_are_not_passed_on_over_http(manifests: list[Manifest]) -> None:
    _, http = paths(manifests)
    assert [path for path in ("/", "/email.mobileconfig", "/site/setup.css", "/.well-known/user-agent-configuration.json")
            if http.match(path)] == []  # fmt: skip


def test_internal_endpoints_are_out_of_reach_in_every_spelling(manifests: list[Manifest]) -> None:
    """This covers gateways that use the path as received, normalised, or decoded and normalised."""
    spellings = [
        (target, posixpath.normpath(unquote(sent)), posixpath.normpath(sent), sent)
        for path in INTERNAL
        for target in spelled(path)
        for sent in [target.partition("?")[0].partition("#")[0].removeprefix("http://autoconfig.btinternet.com")]
    ]
    reached = [
        target
        for passed_on in paths(manifests)
        for target, *forms in spellings
        for path in forms
        if passed_on.match(path) and unquote(path).rstrip("/") in INTERNAL
    ]
    assert reached == []


def test_upgrade_headers_are_removed(manifests: list[Manifest]) -> None:
    for route in of_kind(manifests, "HTTPRoute"):
        for rule in (rule for rule in route["spec"]["rules"] if "backendRefs" in rule):
            (headers,) = [filter_["requestHeaderModifier"] for filter_ in rule["filters"]]
            assert {"Upgrade", "HTTP2-Settings"} <= set(headers["remove"])
            scheme = route["spec"]["parentRefs"][0]["sectionName"]
            assert headers["set"] == [{"name": "X-Forwarded-Proto", "value": scheme}]
    middlewares = {manifest["metadata"]["name"]: manifest["spec"] for manifest in of_kind(manifests, "Middleware")}
    for ingress in of_kind(manifests, "Ingress"):
        name = ingress["metadata"]["annotations"]["traefik.ingress.kubernetes.io/router.middlewares"]
        assert name in ("bt-autoconfig-headers@kubernetescrd", "bt-autoconfig-https@kubernetescrd")
    if middlewares:
        assert middlewares["headers"]["headers"]["customRequestHeaders"] == {"Upgrade": "", "HTTP2-Settings": ""}


def test_envoy_gateway_writes_no_access_log(example: list[Manifest]) -> None:
    (gateway,), (proxy,) = of_kind(example, "Gateway"), of_kind(example, "EnvoyProxy")
    assert gateway["spec"]["infrastructure"]["parametersRef"]["name"] == proxy["metadata"]["name"]
    assert proxy["spec"]["telemetry"]["accessLog"] == {"disable": True}


def test_every_reference_resolves(manifests: list[Manifest]) -> None:
    services = {manifest["metadata"]["name"]: manifest["spec"]["ports"] for manifest in of_kind(manifests, "Service")}
    for route in of_kind(manifests, "HTTPRoute"):
        (gateway,) = of_kind(manifests, "Gateway")
        (parent,) = route["spec"]["parentRefs"]
        assert parent["name"] == gateway["metadata"]["name"]
        assert parent["sectionName"] in {listener["name"] for listener in gateway["spec"]["listeners"]}
        for backend in (backend for rule in route["spec"]["rules"] for backend in rule.get("backendRefs", ())):
            assert backend["port"] in {port["port"] for port in services[backend["name"]]}
    (certificate,) = of_kind(manifests, "Certificate")
    for gateway in of_kind(manifests, "Gateway"):
        (reference,) = [
            reference
            for listener in gateway["spec"]["listeners"]
            for reference in listener.get("tls", {}).get("certificateRefs", ())
        ]
        assert reference["name"] == certificate["spec"]["secretName"]
    for ingress in of_kind(manifests, "Ingress"):
        assert all(tls["secretName"] == certificate["spec"]["secretName"] for tls in ingress["spec"].get("tls", ()))
