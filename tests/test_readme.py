"""The code blocks of README.md and CONTRIBUTING.md run, in order, as a reader would type them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from ecosystem import Flow, Linear, Member, Record, Scenario
from ecosystem.generators import language
from ecosystem.generators.language import tiny_base

ROOT = Path(__file__).parent.parent


def blocks(name: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.chdir(tmp_path)
    base = tiny_base(["What is rain? Water.", "What is snow? Ice."])  # for the real one, which has half a gigabyte
    monkeypatch.setattr(language, "load_base", lambda source: base)
    space: dict = {"__name__": "readme"}
    found = blocks("README.md")
    assert len(found) >= 5
    for code in found:
        exec(compile(code, "README.md", "exec"), space)
    assert "writer" in capsys.readouterr().out
    end = space["run"].rounds.query("round == 50").groupby("member", observed=True)["alignment"].mean()
    assert end["writer"] > 0.3 and 0 < end["reader"] < end["writer"]
    assert len(space["painted"].sources) == 6 and not space["talk"].run(record=Record(samples=1, judged=1)).texts.empty
    assert not space["decisions"].empty and list(space["wide"].columns) == ["writer", "reader"]


def test_the_extensions_of_contributing_work(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    space: dict = {"__name__": "contributing"}
    for code in blocks("CONTRIBUTING.md"):
        exec(compile(code, "CONTRIBUTING.md", "exec"), space)
    s = Scenario("own", rounds=3, samples=200)
    real = torch.randn(500, 2, generator=torch.Generator().manual_seed(0)) + 1
    member = Member(space["Affine"](), reward=Linear([1.0, 0.0]), curator=space["FirstAbove"](), real=real)
    s.add("a", member)
    s.connect("a", "a", Flow(curated=0.3))
    table = s.run(replicates=2).rounds
    assert table[table["round"] == 3]["alignment"].mean() > 0.1
    study = space["Study"]("own", lambda times: s.replace(rounds=times), grid={"times": [1, 2]}, block=1)
    assert study.run(tmp_path / "study", engine=space["Talkative"]()).finished
    assert capsys.readouterr().out == "points 0\npoints 1\n"


def test_the_pictures_exist() -> None:
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert (ROOT / path).is_file(), path
