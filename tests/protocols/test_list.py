"""The list of protocols, and the code that uses it."""

import re
from pathlib import Path

import pytest

import autoconfig.protocols
from autoconfig.address import MailAddress
from autoconfig.definition import EMBEDDED
from autoconfig.directory import CLIENT_HOSTS
from autoconfig.protocols import PROTOCOLS
from autoconfig.protocols.description import Parts, RenderOptions
from tests.support import load, run_for_bytes

MODULES = {file.stem for file in Path(autoconfig.protocols.__file__).parent.glob("*.py")} - {"__init__", "description"}


def test_every_module_is_in_the_list() -> None:
    assert len(PROTOCOLS) == len(MODULES)
    assert len({protocol.name for protocol in PROTOCOLS}) == len(PROTOCOLS)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_protocol_modules_do_not_import_each_other(module: str) -> None:
    source = Path(autoconfig.protocols.__file__).with_name(f"{module}.py").read_text()
    imported = re.findall(r"autoconfig\.protocols(?:\.(\w+))? import", source)
    assert set(imported) <= {"description"}


@pytest.mark.parametrize(
    "file",
    ["cli/render.py", "server.py", "operations/export.py"],
)
def test_users_of_the_list_contain_no_path_of_a_protocol(file: str) -> None:
    source = (Path(autoconfig.protocols.__file__).parents[1] / file).read_text()
    for path in {path.path for protocol in PROTOCOLS for path in protocol.paths}:
        assert f'"{path}' not in source


def test_no_two_protocols_have_the_same_path() -> None:
    paths = [path.path.lower() for protocol in PROTOCOLS for path in protocol.paths]
    assert len(set(paths)) == len(paths)


def test_probes_and_exports_are_at_hosts_that_clients_use() -> None:
    address = MailAddress("fred", "example.com")
    for protocol in PROTOCOLS:
        assert {prefix for path in protocol.paths for prefix in path.exported_at} <= set(CLIENT_HOSTS)
        probes = protocol.probes(address, address) if protocol.probes else ()
        assert {probe.prefix for probe in probes} <= set(CLIENT_HOSTS)


def test_every_renderable_protocol_is_a_format_of_render() -> None:
    address = MailAddress("fred", "btinternet.com")
    parts = Parts(load(EMBEDDED), PROTOCOLS)
    for protocol in [one for one in PROTOCOLS if one.render]:
        done = run_for_bytes("render", protocol.name, "--emailaddress", address)
        if protocol.name == "activesync":  # BT has none
            assert (done.returncode, done.stderr) == (1, b"this provider has no ActiveSync\n")
        else:
            assert protocol.render
            assert (done.returncode, done.stdout) == (0, protocol.render(parts.made(protocol), RenderOptions(address)))
