"""What surrounds the command does not change what it computes: encodings, pipes, folders, figures of the user's own."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import altair as alt
import pytest
from typer.testing import CliRunner

import ecosystem
from ecosystem import Flow, Linear, Location, Luce, Member, Record, Scenario
from ecosystem.cli import app
from ecosystem.report import render
from ecosystem.study import Study

SCENARIO = '''"""Two points, told on every round: λ."""
import helper
from ecosystem import Flow, Linear, Location, Luce, Member, Scenario, Study


def scenario(share: float = 0.5, rounds: int = 2) -> Scenario:
    print("λ is made", helper.WORD * 4000)
    s = Scenario("λ", rounds=rounds, samples=8)
    s.add("λ", Member(Location([0.0]), reward=Linear([1.0]), curator=Luce(2), real=Location([0.0])))
    s.connect("λ", "λ", Flow(curated=share))
    return s


def study() -> Study:
    return Study("λ", scenario, grid={"share": [0.1, 0.3]}, block=1)
'''
COMMAND = [sys.executable, "-c", "import sys; sys.path.remove(''); from ecosystem.cli import main; main()"]  # no folder


def command(
    *arguments: object, folder: Path, out: object = subprocess.PIPE, **environment: str
) -> tuple[int, str, str]:
    """Exit code, output and errors of a command in a folder, typed as a shell would start it."""
    process = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONIOENCODING": "utf-8",
            "PYTHONPATH": str(Path(ecosystem.__file__).parents[1]),
            **environment,
        },
        stdout=out,  # type: ignore[arg-type]
        stderr=subprocess.PIPE,
    )
    return process.returncode, (process.stdout or b"").decode("cp1252"), process.stderr.decode("cp1252")


def broken_pipe() -> int:
    """The end of a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    return write


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A scenario file with a neighbour that it imports."""
    (tmp_path / "scenarios here").mkdir()
    (tmp_path / "scenarios here" / "helper.py").write_text("WORD = 'word '\n", encoding="utf-8")
    path = tmp_path / "scenarios here" / "told.py"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def test_a_study_is_computed_to_its_end_whoever_listens(file: Path, tmp_path: Path) -> None:
    """``study | true`` ended before it computed; with a random.py in the folder, from which workers imported, and with
    a scenario that prints what cp1252 or nobody reads, every point was lost."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "random.py").write_text("raise SystemExit('not the one of Python')\n", encoding="utf-8")
    pipe = broken_pipe()
    code, _, told = command(
        "study",
        file,
        "--out",
        "st",
        "--workers",
        "1",
        "--no-report",
        folder=folder,
        out=pipe,
        PYTHONIOENCODING="cp1252",
    )
    os.close(pipe)
    lines = [line for line in told.splitlines() if line.strip()]  # how far it is, where that takes a while
    assert code == 0 and all(re.fullmatch(r"\\u03bb: \d of 2 points.*", line) for line in lines), told
    results = Study.load(folder / "st")
    assert results.finished and not results.failed


def test_a_report_is_written_whatever_the_environment_says(file: Path, tmp_path: Path) -> None:
    """A λ ended the command after the work was done, and so did a backend for windows."""
    code, out, told = command(
        "run", file, "--out", "run", folder=tmp_path, PYTHONIOENCODING="cp1252", MPLBACKEND="nonsense"
    )
    assert code == 0, told
    assert r"| \u03bb " in out and "report in run" in out
    assert "λ" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_output_that_cannot_be_written_is_said_at_the_end(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        code, _, told = command("gallery", folder=tmp_path, out=full)
    assert (code, told) == (2, "error: not all of the output could be written: No space left on device\n")
    pipe = broken_pipe()
    assert command("gallery", folder=tmp_path, out=pipe) == (0, "", "")
    os.close(pipe)


def test_charts_of_a_report_do_not_look_as_the_users_own() -> None:
    """What a theme of the user's own said was in reports as well."""
    s = Scenario("plain", rounds=2, samples=4)
    s.add("a", Member(Location([0.0, 0.0]), reward=Linear([1.0, 0.0]), curator=Luce(2), real=Location([0.0, 0.0])))
    s.connect("a", "a", Flow(curated=0.5))
    run = s.run(record=Record(draws=True))
    page = render(run)
    with alt.theme.enable("dark"), alt.data_transformers.enable("csv"):
        assert render(run) == page
        assert alt.theme.active == "dark"  # and the user's own stay as they are


@pytest.mark.parametrize(
    "words",
    [
        [],
        *([name] for name in ["run", "describe", "influence", "study", "status", "failures", "report", "gallery"]),
        ["gallery", "copy"],
    ],
)
def test_every_command_knows_h(words: Sequence[str]) -> None:
    """``-h`` was no option of any."""
    result = CliRunner().invoke(app, [*words, "-h"])
    assert result.exit_code == 0 and "Usage:" in result.stdout, result.stderr


def calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("folder", ["ecosystem", "scenarios", "analysis"])
def test_text_is_read_and_written_in_one_encoding(folder: str) -> None:
    """``pair.py`` read its numbers in the encoding of the place."""
    for file in (Path(__file__).parent.parent / folder).rglob("*.py"):
        for call in calls(ast.parse(file.read_text(encoding="utf-8"))):
            name = getattr(call.func, "attr", getattr(call.func, "id", None))
            said = {word.arg for word in call.keywords}
            bytes_only = any(isinstance(a, ast.Constant) and "b" in str(a.value) for a in call.args[-1:])
            text = name in ("read_text", "write_text") or (name == "open" and not bytes_only)
            other = ast.unparse(call.func) in ("os.open", "Image.open")  # of no text
            assert not text or other or "encoding" in said, f"{file}, line {call.lineno}: no encoding"


def test_the_face_imports_nothing_but_what_it_stands_on() -> None:
    """A first import took as long as torch once more: an optimizer that was tried brought torch's compiler."""
    code = (
        "import sys, mesa, networkx, pandas, torch\n"
        "before = {name.split('.')[0] for name in sys.modules}\n"
        "from ecosystem import Scenario\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules} - before), 'torch._dynamo' in sys.modules)"
    )
    found = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert set(found) <= {"ecosystem", "scipy", "False"}, found
