"""What holds for the package as a whole."""

import subprocess
import sys
import venv
from importlib.resources import files
from pathlib import Path

import httpx
import pytest
from lxml import etree

from autoconfig.definition import EMBEDDED
from autoconfig.protocols.autoconfig import Autoconfig
from autoconfig.protocols.autodiscover import Autodiscover
from autoconfig.protocols.mobileconfig import Mobileconfig
from tests.support import load

PROJECT = Path(__file__).parent.parent


def bt_values() -> set[str]:
    """Everything that the BT definition states: what stands there and must stand nowhere else."""
    bt = load(EMBEDDED).first
    texts = {text.strip() for text in bt.root.itertext() if text.strip()}
    urls = {str(url) for element in bt.root.iter(etree.Element) if (url := element.get("url"))}
    format_words = {"password-cleartext", "SSL", "%EMAILADDRESS%"}
    return (texts | urls) - format_words


def test_no_file_but_the_definition_states_a_bt_setting() -> None:
    sources = [
        file
        for folder in (files("autoconfig"), files("xml_templates"))
        for file in Path(str(folder)).rglob("*")
        if file.suffix in {".py", ".xsl", ".rng", ".css", ".js"}
    ]
    assert len(sources) > 20
    default_ports = {("validation.py", port) for port in ("993", "995", "465")}  # the standard's, not BT's (RFC 8314)
    found = {(file.name, value) for file in sources for value in bt_values() if value in file.read_text()}
    assert found - default_ports == set()


@pytest.mark.parametrize(
    ("old", "new"), [("993", "1993"), ("mail.btinternet.com", "post.example"), ("BT Mail", "B&amp;T")]
)
def test_a_setting_changed_in_the_definition_changes_in_every_document(tmp_path: Path, old: str, new: str) -> None:
    changed = tmp_path / "bt.xml"
    changed.write_text(EMBEDDED.read_text().replace(f">{old}<", f">{new}<"))
    definition = load(changed)
    documents = [Autoconfig(definition).render(), Mobileconfig(definition).render()]
    if old != "BT Mail":  # Autodiscover has no place for the provider's name
        documents.append(Autodiscover(definition).render())
    for document in documents:
        assert f">{new}<".encode() in document
        assert f">{old}<".encode() not in document


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of the wheel, installed alone in an empty environment with what it depends on."""
    folder = tmp_path_factory.mktemp("wheel")
    quiet = ["--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, PROJECT],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (wheel,) = folder.glob("*.whl")
    environment = folder / "environment"
    venv.create(environment, with_pip=True)
    pip = environment / "bin" / "pip"
    subprocess.run([pip, "install", *quiet, "--require-hashes", "-r", PROJECT / "requirements.lock"], check=True)
    subprocess.run([pip, "install", *quiet, "--no-deps", wheel], check=True)
    return environment / "bin" / "bt-autoconfig"


def test_the_wheel_alone_serves_everything_from_any_folder(installed: Path) -> None:
    with subprocess.Popen([installed, "serve", "--port", "0"], cwd="/", stdout=subprocess.PIPE) as process:
        assert process.stdout
        lines = [process.stdout.readline().decode() for _ in range(5)]
        try:
            for line in lines[1:]:
                assert httpx.get(line.split()[1]).status_code == 200
        finally:
            process.terminate()
