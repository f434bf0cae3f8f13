"""``ecosystem compare``: saved runs and scenario files side by side, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_cli import PAIR, invoke, refused

from ecosystem import compare
from ecosystem.cli.loading import load_scenario
from ecosystem.running.checkpoints import Checkpoints


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A scenario file, another of it that curates more, and a run of the first, saved and in checkpoints."""
    folder = tmp_path_factory.mktemp("compared")
    found = {name: folder / f"{name}.py" for name in ("pair", "more")}
    found["pair"].write_text(PAIR)
    found["more"].write_text(PAIR.replace("curation: float = 0.4", "curation: float = 0.8"))
    scenario, _ = load_scenario(found["pair"])
    found |= {name: folder / name for name in ("saved", "under way")}
    run = scenario.run(replicates=4, build_samples=True, checkpoints=Checkpoints(found["under way"]))
    run.save(found["saved"])
    return found


def test_saved_runs_and_scenario_files_are_compared(places: dict[str, Path], tmp_path: Path) -> None:
    what = [places[name] for name in ("saved", "more", "under way")]
    result = invoke("compare", *what, "--replicates", 4, "--chart", tmp_path / "x.svg")
    assert result.exit_code == 0, result.stderr
    runs = {
        path.stem: load_scenario(path)[0].run(replicates=4, build_samples=True) for path in (places["pair"], what[1])
    }
    row = compare(runs).set_index("member").loc["theta"]
    lines = " ".join(result.stdout.split())
    assert "against saved: alignment at the end" in lines and row["words"] == "higher"
    assert f"│ theta │ more │ {row['alignment']:.2f}" in lines and f"│ +{row['difference']:.2f}" in lines
    assert "│ theta │ under way │" in lines and "no difference" in lines
    assert f"chart in {tmp_path / 'x.svg'}" in result.stdout and (tmp_path / "x.svg").read_text().startswith("<svg")


def test_one_pair_says_that_it_is_one(places: dict[str, Path]) -> None:
    result = invoke("compare", places["pair"], places["more"], "--rounds", 2)
    assert result.exit_code == 0, result.stderr
    assert "in this one pair" in result.stdout and "give more --replicates" in result.stdout
    exact = invoke("compare", places["pair"], places["more"], "--samples", 0, "--set", "coupling=0.25")
    assert "give more" not in exact.stdout and " higher │" in " ".join(exact.stdout.split())


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        (["saved"], [], "alone cannot be compared; name another folder of a run, or scenario file"),
        (["pair", "pair"], [], "is named twice; save runs with other settings by `ecosystem run --out FOLDER`"),
        (["saved", "under way"], ["--rounds", 3], "--rounds and --samples change scenario files, and all of these"),
        (["saved", "nothing"], [], "cannot read the scenario file"),
        (["saved", "empty"], [], "holds no run"),
    ],
)
def test_refused(places: dict[str, Path], tmp_path: Path, names: list[str], options: list, words: str) -> None:
    (tmp_path / "empty").mkdir()
    what = [places.get(name, tmp_path / name) for name in names]
    assert words in refused(invoke("compare", *what, *options))
