"""The code blocks of README.md run, in order, as a reader would type them, and so do the extensions of the site."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from ecosystem import Flow, Linear, Member, Scenario

ROOT = Path(__file__).parent.parent
TEXTS = ("README.md", "CONTRIBUTING.md")


def run(name: str, space: dict) -> dict:
    found = re.findall(r"^```python\n(.*?)^```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    for code in found:
        exec(compile(code, name, "exec"), space)
    return space


def test_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.chdir(tmp_path)
    space = run("README.md", {"__name__": "readme"})
    assert "writer" in capsys.readouterr().out
    end = space["run"].rounds.query("round == 50").groupby("member", observed=True)["alignment"].mean()
    assert end["writer"] > 0.3 and 0 < end["reader"] < end["writer"]
    found = space["measured"].table.set_index(["source", "target"]).loc[("writer", "reader")]
    assert found["low"] < float(space["effect"].matrix.loc["reader", "writer"]) < found["high"]
    assert len(space["results"].points) == 4 and (tmp_path / "alignment.html").stat().st_size > 1000


def test_the_extensions_of_the_site_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    model, curator, cluster = (
        run(f"docs/howto/{page}.md", {"__name__": page}) for page in ("generator", "curator", "cluster")
    )
    capsys.readouterr()
    s = Scenario("own", rounds=3, samples=200)
    real = torch.randn(500, 2, generator=torch.Generator().manual_seed(0)) + 1
    chosen = curator["FirstAbove"](torch.tensor(0.0))
    s.add("a", Member(model["Affine"](), reward=Linear([1.0, 0.0]), curator=chosen, real=real))
    s.connect("a", "a", Flow(curated=0.3))
    table = s.run(replicates=2).rounds
    assert table[table["round"] == 3]["alignment"].mean() > 0.1
    study = cluster["Study"]("own", lambda times: s.replace(rounds=times), grid={"times": [1, 2]}, block=1)
    assert study.run(tmp_path / "study", engine=cluster["Talkative"]()).finished
    assert capsys.readouterr().out == "points 0\npoints 1\n"


@pytest.mark.parametrize("name", TEXTS)
def test_links_and_pictures_are_there(name: str) -> None:
    for path in re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / name).read_text(encoding="utf-8")):
        assert path.startswith("https://") or (ROOT / path).is_file(), path


def test_the_readme_fits_on_a_few_screens() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
