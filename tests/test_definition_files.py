from pathlib import Path

import pytest

from autoconfig.definition import DefinitionError
from autoconfig.definition_files import load, read
from tests.support import Write

ANOTHER = {"example.com": "another.example", "example.net": "another.test", "Example Mail": "Another Mail"}


@pytest.fixture
def two(write: Write) -> list[Path]:
    return [write(), write(ANOTHER, "another.xml")]


def errors(*sources: Path) -> list[str]:
    with pytest.raises(DefinitionError) as refusal:
        load(read(sources))
    return refusal.value.errors


def test_all_definitions_in_a_folder_are_read(two: list[Path]) -> None:
    (two[0].parent / "README.txt").write_text("not a definition")
    assert [one.id for one in load(read([two[0].parent]))] == ["another.example", "example.com"]


def test_a_folder_without_definitions_is_an_error(tmp_path: Path) -> None:
    assert errors(tmp_path) == [f"{tmp_path}: there is no .xml file in this folder"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.xml"
    assert errors(missing) == [f"{missing}: cannot be read: No such file or directory"]


def test_a_domain_in_two_definitions_is_an_error_that_names_both_places(write: Write) -> None:
    first, second = (
        write(),
        write({"Example Mail": "Another Mail", "example.com</domain>": "EXAMPLE.org</domain>"}, "b.xml"),
    )
    assert errors(first, second) == [f"{second}:5: domain example.net is already in {first}:5; remove one"]


def test_errors_in_all_files_are_reported_at_once(write: Write) -> None:
    first, second = write({">143<": ">0<"}), write({">143<": ">0<"} | ANOTHER, "b.xml")
    assert [mistake.partition(":")[0] for mistake in errors(first, second)] == [str(first), str(second)]
