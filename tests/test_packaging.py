"""What is installed: the gallery in it, one version, ranges for users and exact versions for tests."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from typer.testing import CliRunner, Result

import ecosystem
from ecosystem.cli import app, gallery
from ecosystem.cli.loading import load_scenario
from tests.lowest import requirements

ROOT = Path(__file__).parent.parent
ENTRIES = {entry.name: entry for entry in gallery.entries()}


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["gallery", *map(str, arguments)])


def test_the_gallery_is_listed_with_question_time_and_needs() -> None:
    assert set(ENTRIES) == {path.stem for path in (ROOT / "scenarios").glob("*.py")}
    for entry in ENTRIES.values():
        assert "?" in entry.question and entry.time and entry.needs, f"{entry.file}: say 'Takes ...; needs ...'"
    printed = invoke().stdout
    assert all(name in printed for name in ENTRIES) and "mesacosm[language]" in printed


def test_a_copy_runs_anywhere_and_overwrites_nothing(tmp_path: Path) -> None:
    result = invoke("copy", "pair", tmp_path / "mine")
    assert result.exit_code == 0 and f"ecosystem run {tmp_path / 'mine' / 'pair.py'}" in result.stdout
    scenario, _ = load_scenario(tmp_path / "mine" / "pair.py")
    assert list(scenario.names) == ["theta", "phi"]
    changed = tmp_path / "mine" / "pair.py"
    changed.write_text("mine", encoding="utf-8")
    again = invoke("copy", "pair", tmp_path / "mine")
    assert again.exit_code == 2 and "pair.py exists and is not overwritten" in again.stderr
    assert changed.read_text(encoding="utf-8") == "mine"
    changed.unlink()
    changed.symlink_to(tmp_path / "away.py")
    assert invoke("copy", "pair", tmp_path / "mine").exit_code == 2 and not (tmp_path / "away.py").exists()
    unknown = invoke("copy", "nobody")
    assert unknown.exit_code == 2
    assert "there is no 'nobody' in the gallery; there are accumulate, adaptive, " in unknown.stderr


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=list(ENTRIES))
def test_a_scenario_needs_no_other(entry: gallery.Entry) -> None:
    """``cifar.py`` imported another one by its folder in the checkout: it ran in that folder only."""
    tree = ast.parse(entry.file.read_text(encoding="utf-8"))
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not {name.split(".")[0] for name in imported} & {"scenarios", "tests", "analysis", *ENTRIES}
    named = set(re.findall(r"[\w-]+\.(?:jsonl|json|csv)", entry.file.read_text(encoding="utf-8")))
    given = {"all_assets.csv"}  # what supply_chain.py is given: a user's own copy
    assert named - given <= {file.name for file in entry.files()}  # the data travel along


def test_the_version_is_said_once() -> None:
    assert f"\nversion: {ecosystem.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert invoke("--help").exit_code == 0
    assert CliRunner().invoke(app, ["--version"]).stdout == f"mesacosm {ecosystem.__version__}\n"
    assert (Path(ecosystem.__file__).parent / "py.typed").is_file()


def test_exact_versions_are_those_of_the_tests_alone() -> None:
    """``torch==2.13.0`` in the package replaced a user's build for CUDA; every exact version lies in its range."""
    pinned = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            found = Requirement(line)
            pinned[found.name] = str(found.specifier).removeprefix("==")
    for name, low, high in requirements():
        assert name in pinned, f"constraints.txt does not say which {name} the tests run with"
        assert pinned[name] in SpecifierSet(f">={low},<{high}"), name


def test_a_wheel_brings_the_gallery(tmp_path: Path) -> None:
    """Built, unpacked elsewhere, and used in a third folder."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "site")
    assert not (tmp_path / "site" / "scenarios").exists() and (tmp_path / "site" / "ecosystem" / "py.typed").is_file()
    code = "from ecosystem.cli import gallery, main; print(gallery.folder()); main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "gallery", "copy", "summarise_paraphrase", "mine"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith(str(tmp_path / "site" / "ecosystem" / "gallery"))
    copied = {str(path.relative_to(tmp_path / "mine")) for path in (tmp_path / "mine").rglob("*.*")}
    data = {f"data/{name}" for name in ("articles.jsonl", "coedit_paraphrase.jsonl", "README.md")}
    assert copied == {"summarise_paraphrase.py", *data}
