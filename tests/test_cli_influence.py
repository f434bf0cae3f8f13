"""``ecosystem influence`` and ``ecosystem run --influence``: what is computed, shown, saved, reported and refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import synthetic_findings as made
from test_cli import PAIR, invoke, refused, write

from ecosystem import Run
from ecosystem.influence.findings import Findings
from ecosystem.report import render, render_findings


@dataclass
class Analysis:
    """In place of ``influence``: remembers what it was asked, answers with made-up findings."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    error: Exception | None = None

    def __call__(self, scenario: Any, **settings: Any) -> Analysis:
        self.asked.append({"scenario": scenario, **settings})
        if self.error is not None:
            raise self.error
        return self

    def findings(self, **settings: Any) -> Findings:
        self.asked[-1] |= settings
        return made.pair()


@pytest.fixture
def analysis(monkeypatch: pytest.MonkeyPatch) -> Analysis:
    analysis = Analysis()
    monkeypatch.setattr("ecosystem.influence.influence", analysis)
    return analysis


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    file = tmp_path / "pair.py"
    file.write_text(PAIR)
    return file


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


# What is shown


def test_the_table_and_the_sentences_are_shown(pair: Path, analysis: Analysis) -> None:
    result = invoke("influence", pair)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    lines = " ".join(result.stdout.split())
    for words in (
        "pair: influence of curation",
        "│ theta │ theta │ self │ 1.485 │ 2.39 │ 0.6212 │ dampened │ pays │",
        "│ phi │ theta │ cross │ -0.1584 │ │ │ │ harms │",
        "Curating theta pays for theta: one percentage point more",
        "by 0.0148; the network weakens this (38 % less than if phi stood still).",
        "Sentences speak of one percentage point",
        "Does the network settle?",
        "phi: it has no curated flow.",
    ):
        assert words in lines, words
    said = [line for line in lines.replace(": ", ". ").split(". ") if len(line.split()) > 2]
    assert len(set(said)) == len(said)  # the headline was said again below it
    assert not list(pair.parent.glob("**/influence"))


def test_what_is_asked_is_passed_on(pair: Path, analysis: Analysis) -> None:
    options = ("--sources", "theta", "--targets", "phi, theta,phi", "--hops", 3, "--knock-out", "--threads", 1)
    result = invoke("influence", pair, "--set", "coupling=0.25", *options)
    assert result.exit_code == 0, result.stderr
    (asked,) = analysis.asked
    assert asked["scenario"].flow("theta", "phi").raw == 0.25
    assert (asked["sources"], asked["targets"]) == (["theta"], ["phi", "theta"])
    assert (asked["hops"], asked["knock_out"]) == (3, True)
    invoke("influence", pair)
    asked = analysis.asked[-1]
    assert (asked["sources"], asked["targets"], asked["hops"], asked["knock_out"]) == (None, None, 8, False)


def test_a_name_with_a_comma_is_one_name(tmp_path: Path, analysis: Analysis) -> None:
    file = write(tmp_path, PAIR.replace('"phi"', '"phi, the second"'))
    assert invoke("influence", file, "--sources", "phi, the second").exit_code == 0
    assert analysis.asked[0]["sources"] == ["phi, the second"]


def test_a_long_table_is_shortened(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecosystem.influence.influence", lambda *_, **__: Many())
    result = invoke("influence", pair)
    assert result.exit_code == 0, result.stderr
    assert "40 of 144 rows" in result.stdout
    assert len(result.stdout.splitlines()) < 100


class Many:
    def findings(self, **_: Any) -> Findings:
        return made.many(12)


def test_scenario_files_that_fail_in_the_analysis_are_named(pair: Path, analysis: Analysis) -> None:
    analysis.error = ValueError("'theta' has no\npopulation law")
    line = refused(invoke("influence", pair))
    assert line == f"error: {pair}: ValueError: 'theta' has no population law"


# What is saved


def test_an_analysis_alone_is_saved_with_a_page_of_its_own(pair: Path, tmp_path: Path, analysis: Analysis) -> None:
    out = tmp_path / "deep" / "out"
    result = invoke("influence", pair, "--set", "coupling=0.25", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert f"saved in {out}\nreport in {out}/report.html\n" in result.stdout
    findings = Findings.load(out)
    assert findings.settings["parameters"] == {"coupling": 0.25}
    assert findings.settings["file"] == str(pair)
    assert findings.settings["description"].startswith("Two members that read each other.")
    assert (out / "report.html").read_text(encoding="utf-8") == render_findings(findings)
    assert "Two members that read each other." in text(out / "report.html")
    (out / "report.html").unlink()
    assert invoke("report", out).stdout == f"report in {out}/report.html\n"
    assert (out / "report.html").read_text(encoding="utf-8") == render_findings(findings)


def test_an_analysis_joins_the_run_of_its_scenario(pair: Path, tmp_path: Path, analysis: Analysis) -> None:
    out = tmp_path / "run"
    assert invoke("run", pair, "--rounds", 2, "--out", out).exit_code == 0
    assert 'id="influence"' not in text(out / "report.html")
    result = invoke("influence", pair, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert (out / "report.html").read_text(encoding="utf-8") == render(Run.load(out), Findings.load(out))
    page = text(out / "report.html")
    assert page.index('id="verdict"') < page.index('id="influence"') < page.index('id="again"')
    assert invoke("report", out, "--out", tmp_path / "again.html").exit_code == 0
    assert text(tmp_path / "again.html") == page


def test_run_and_influence_at_once(pair: Path, tmp_path: Path, analysis: Analysis) -> None:
    out = tmp_path / "run"
    result = invoke("run", pair, "--rounds", 2, "--samples", 0, "--influence", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "pair: 2 of 2 rounds" in result.stdout and "pair: influence of curation" in result.stdout
    assert Run.load(out).settings["completed"] == 2
    assert Findings.load(out).settings["file"] == str(pair)
    assert analysis.asked[0]["scenario"].rounds == 2
    assert (out / "report.html").read_text(encoding="utf-8") == render(Run.load(out), Findings.load(out))
    again = invoke("run", pair, "--rounds", 1, "--out", out, "--overwrite", "--no-report")
    assert again.exit_code == 0, again.stderr
    assert not (out / "influence").exists()  # it belonged to the run that was replaced


def test_a_second_analysis_needs_leave(pair: Path, tmp_path: Path, analysis: Analysis) -> None:
    out = tmp_path / "out"
    assert invoke("influence", pair, "--out", out).exit_code == 0
    analysis.asked.clear()
    assert "overwrite it" in refused(invoke("influence", pair, "--out", out))
    assert not analysis.asked
    result = invoke("influence", pair, "--set", "coupling=0.25", "--out", out, "--overwrite")
    assert result.exit_code == 0, result.stderr
    assert Findings.load(out).settings["parameters"] == {"coupling": 0.25}


# What is refused


def test_the_run_of_another_scenario_is_left_alone(pair: Path, tmp_path: Path, analysis: Analysis) -> None:
    out = tmp_path / "run"
    assert invoke("run", pair, "--set", "coupling=0.25", "--rounds", 1, "--out", out).exit_code == 0
    page = text(out / "report.html")
    line = refused(invoke("influence", pair, "--out", out))
    assert "run of another scenario (with coupling=0.25)" in line
    other = write(tmp_path, PAIR.replace('"phi"', '"chi"'))
    assert "another scenario" in refused(invoke("influence", other, "--set", "coupling=0.25", "--out", out))
    assert not analysis.asked and text(out / "report.html") == page and not (out / "influence").exists()
    assert invoke("influence", pair, "--set", "coupling=0.25", "--out", out).exit_code == 0


def test_foreign_folders_are_refused_before_anything_is_computed(
    pair: Path, tmp_path: Path, analysis: Analysis
) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "report.html").write_text("years of work")
    assert "neither a run nor an influence analysis" in refused(invoke("influence", pair, "--out", out, "--overwrite"))
    (tmp_path / "file").touch()
    assert "cannot be written" in refused(invoke("influence", pair, "--out", tmp_path / "file"))
    assert not analysis.asked and not (pair.parent / "built").exists()
    assert (out / "report.html").read_text() == "years of work"


def test_unknown_names_are_refused_with_the_known_ones(pair: Path, analysis: Analysis) -> None:
    line = refused(invoke("influence", pair, "--sources", "theta,ph"))
    assert line == "error: --sources 'theta,ph': there is no member 'ph'; did you mean 'phi'? There are theta, phi"
    assert "--targets ' , ': it names nobody" in refused(invoke("influence", pair, "--targets", " , "))
    assert not analysis.asked


def test_influence_with_a_run_needs_a_folder(pair: Path, analysis: Analysis) -> None:
    assert "--out FOLDER" in refused(invoke("run", pair, "--influence"))
    assert not (pair.parent / "built").exists()


def test_a_refused_analysis_is_refused_before_the_run(pair: Path, tmp_path: Path, analysis: Analysis) -> None:
    analysis.error = ValueError("no population law")
    assert "no population law" in refused(invoke("run", pair, "--influence", "--out", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("arguments", [("influence",), ("influence", "x.py", "--hops", "-1")])
def test_usage_errors_have_exit_code_two(arguments: tuple[str, ...]) -> None:
    assert invoke(*arguments).exit_code == 2


def test_a_broken_file_is_named(tmp_path: Path, analysis: Analysis) -> None:
    file = write(tmp_path, "x = 1\ny = 1 / 0\n")
    assert f"{file}, line 2: ZeroDivisionError" in refused(invoke("influence", file))


# The analysis itself


def test_the_real_analysis_of_the_paper_s_pair(tmp_path: Path) -> None:
    """Numbers of Zhang, Wei, Zhang 2026, Figure 3, at a coupling of 0.9."""
    file, out = Path(__file__).parents[1] / "scenarios" / "pair.py", tmp_path / "pair"
    result = invoke("influence", file, "--out", out, "--hops", 4)
    assert result.exit_code == 0, result.stderr
    assert "by 0.0148; the network weakens this (38 % less than if phi stood still)." in " ".join(result.stdout.split())
    own = Findings.load(out).influence.iloc[0]
    assert (own["isolated"], own["amplification"]) == pytest.approx((2.3902, 0.6212), abs=1e-4)
    assert Findings.load(out).hops["hop"].max() == 4


def test_the_real_analysis_with_a_run_and_knock_outs(pair: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert invoke("run", pair, "--rounds", 2, "--influence", "--out", out).exit_code == 0
    result = invoke("influence", pair, "--knock-out", "--out", out, "--overwrite")
    assert result.exit_code == 0, result.stderr
    edges = Findings.load(out).edges
    assert list(edges.columns) == ["source", "target", "traffic", "gains", "harms", "J[theta]"]
    assert edges["J[theta]"].notna().all()
    assert 'id="influence-matrix"' in text(out / "report.html") and 'id="verdict"' in text(out / "report.html")


LONG = """
from pathlib import Path
import torch
from ecosystem import Flow, Linear, Location, Member, Scenario, Shift


class Slow(Linear):
    def moments(self, law):
        if (Path(__file__).parent / "go").exists():
            x = torch.randn(5000, 5000)
            (Path(__file__).parent / "running").touch()
            torch.linalg.eigvals(x)  # minutes, in one call
        return super().moments(law)


def scenario():
    s = Scenario("long", rounds=2)
    s.add("a", Member(Location([0.0]), reward=Slow([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.3, curated=0.3))
    (Path(__file__).parent / "go").touch()
    return s
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGINT between processes")
def test_ctrl_c_within_a_long_solve_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    """Nothing happened until the solver came back, after minutes."""
    file, out = write(tmp_path, LONG), tmp_path / "out"
    command = [sys.executable, "-m", "ecosystem.cli", "influence", str(file), "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "running").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        try:
            stdout, stderr = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert (process.returncode, stdout) == (130, "") and stderr.endswith("interrupted\n"), stderr
    assert not out.exists() and {path.name for path in tmp_path.iterdir()} <= {
        file.name,
        "go",
        "running",
        "__pycache__",
    }
